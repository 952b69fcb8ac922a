"""In which order hits come: the best first, varied, or by title, length or tempo.

Words and examples leave nothing out: the last of a library's pieces is a hit as well, only a bad one. Sorted by title,
bad hits would come before good ones. Every order but the best one therefore arranges the :data:`BEST` best of a
question that compares; of a question that only filters it arranges all that is left.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, get_args

import numpy as np

from mmbert.errors import UsageError
from mmbert.facets import fold
from mmbert.retrieval.lexicon import NO_COMPOSER
from mmbert.retrieval.names import surnames_of
from mmbert.retrieval.versions import title_key
from mmbert.types import Order

if TYPE_CHECKING:
    from mmbert.store import Generation

BEST = 100
ORDERS: tuple[Order, ...] = get_args(Order)
_NUMBERS = {"length": "duration_s", "tempo": "tempo_bpm"}


def checked_order(order: str) -> str:
    """The order asked for.

    Raises:
        UsageError: where it is none.
    """
    if order not in ORDERS:
        raise UsageError("order", f"is {order!r}", f"Choose {', '.join(ORDERS[:-1])} or {ORDERS[-1]}")
    return order


def arranged(generation: Generation, ranked: np.ndarray, order: str, compares: bool) -> np.ndarray:
    """Rows in the order asked for; rows that tie, or whose length or tempo is unknown, stay best first, at the end.

    Args:
        generation: The open library.
        ranked: Rows, best first.
        order: One of :data:`ORDERS`.
        compares: Whether the question has words or an example.
    """
    if order == "best":
        return ranked
    rows = ranked[:BEST] if compares else ranked
    if order == "varied":
        return rows[np.argsort(_repeats(generation, rows), kind="stable")]
    if order == "title":
        keys = np.array([fold(title) for title in generation.pieces.title[rows]], dtype=object)
        return rows[np.argsort(keys, kind="stable")]
    return rows[np.argsort(generation.numbers(_NUMBERS[order])[rows], kind="stable")]  # NaN sorts last


def _repeats(generation: Generation, rows: np.ndarray) -> np.ndarray:
    """How many rows before this one are by the same composer; where none is known, settings of the same work."""
    names: dict[str | None, tuple[str, ...]] = {}
    seen: Counter[tuple] = Counter()
    out = np.zeros(len(rows), dtype=np.int64)
    for i, row in enumerate(map(int, rows)):
        composer = generation.pieces.composer[row]
        if composer not in names:
            people = sorted({fold(name) for name in surnames_of(composer or "")} - NO_COMPOSER)
            names[composer] = tuple(people)
        key = names[composer] or title_key(generation.pieces.title[row], None)
        if key is not None:
            out[i] = seen[key]
            seen[key] += 1
    return out
