"""What a score means: the share of random pieces that a hit beats, and how near nonsense comes to the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from mmbert.store import Generation

SAMPLE = 1000
SEED = 20_260_101
# Questions that no music answers. How near the nearest piece comes to them is what chance gives.
NONSENSE = (
    "qwert zxcv plok", "invoice number overdue payment", "how to repair a dishwasher", "asdf asdf asdf",
    "parliament voted on fisheries", "boil the pasta for nine minutes", "password reset email", "xyzzy plugh",
    "the capital of Mongolia", "tyre pressure of a bicycle", "javascript undefined is not a function",
    "lorem ipsum dolor sit amet", "quarterly tax return form", "flight delayed at gate twelve",
    "hydrogen helium lithium", "my cat is asleep on the sofa", "mortgage interest rates", "zzzz",
    "vaccination of cattle", "how many legs has a spider",
)  # fmt: skip
PERCENTILE = 95


class TextEmbedder(Protocol):
    """What turns words into unit vectors of the library's space."""

    @property
    def fingerprint(self) -> str:
        """Of the weights."""
        ...

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        """float32 [n, d]."""
        ...


def shares_beaten(fused: np.ndarray) -> np.ndarray:
    """Share of (up to 1,000, always the same) random pieces that each piece beats, float64 [n], 0-1.

    >>> shares_beaten(np.array([3.0, 1.0, 2.0])).tolist()
    [1.0, 0.0, 0.5]
    """
    n = len(fused)
    if n < 2:
        return np.ones(n)
    rows = np.arange(n) if n <= SAMPLE else np.random.default_rng(SEED).choice(n, SAMPLE, replace=False)
    drawn = np.sort(fused[rows])
    others = np.full(n, len(rows), dtype=np.float64)
    others[rows] -= 1  # nobody is compared with itself
    return np.searchsorted(drawn, fused, side="left") / others


_LEVELS: WeakKeyDictionary[Generation, float] = WeakKeyDictionary()  # a generation never changes


def nonsense_level(generation: Generation, embedder: TextEmbedder) -> float:
    """Similarity of the nearest piece that 95 % of nonsense questions do not reach in this library."""
    if generation not in _LEVELS:
        _LEVELS[generation] = _nonsense_level(generation, embedder)
    return _LEVELS[generation]


def _nonsense_level(generation: Generation, embedder: TextEmbedder) -> float:
    if not generation.n_pieces:
        return 1.0
    vectors = np.asarray(embedder.embed_texts(list(NONSENSE)), dtype=np.float32)
    best = [
        generation.vectors.search(space, vectors, 1)[0][:, 0]
        for space in ("joint/pieces", "joint/windows")
        if space == "joint/pieces" or len(generation.windows)
    ]
    return float(np.percentile(np.max(best, axis=0), PERCENTILE))
