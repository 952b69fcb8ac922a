"""Three ways of looking, each a number for every piece: by meaning, by full text, by the conditions that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmbert.retrieval.conditions import fits
from mmbert.types import Condition, Place

if TYPE_CHECKING:
    from mmbert.store import Generation

PIECES, WINDOWS = "joint/pieces", "joint/windows"
WINDOW_ROWS = 4096  # passages looked at; a piece whose best passage is not among them counts by its own vector
TEXT_HITS = 10_000
UNKNOWN_FITS = 0.5  # an unknown facet is neither for nor against


@dataclass(frozen=True)
class Meaning:
    """Similarity of a question's vector with every piece: float32 [n_pieces], the better of piece and best passage."""

    vector: np.ndarray
    similarity: np.ndarray


def by_meaning(generation: Generation, vector: np.ndarray) -> Meaning:
    """Compare a unit vector (float32 [d]) with all pieces and the nearest passages."""
    similarity = np.full(generation.n_pieces, -1.0, dtype=np.float32)
    if generation.n_pieces:
        found, rows = generation.vectors.search(PIECES, vector[None], generation.n_pieces)
        similarity[rows[0]] = found[0]
    n_windows = min(len(generation.windows), WINDOW_ROWS)
    if n_windows:
        found, rows = generation.vectors.search(WINDOWS, vector[None], n_windows)
        np.maximum.at(similarity, generation.windows.piece[rows[0]], found[0])
    return Meaning(vector, np.clip(similarity, -1.0, 1.0))


def by_words(generation: Generation, lexical: str) -> np.ndarray:
    """bm25 of every piece, float32 [n_pieces]; 0 where no word was found."""
    scores = np.zeros(generation.n_pieces, dtype=np.float32)
    # Full text completes the last word: the longest one says most, so that "step" does not find every Stephen.
    terms = sorted(lexical.split(), key=len)
    if terms:
        for row, score in generation.full_text(terms, TEXT_HITS):
            scores[row] = max(score, 0.0)
    return scores


def by_conditions(generation: Generation, conditions: Sequence[Condition], pace_unit: str | None) -> np.ndarray:
    """Share of the conditions that each piece fits, float32 [n_pieces]; unknown counts half."""
    if not conditions:
        return np.zeros(generation.n_pieces, dtype=np.float32)
    each = np.stack([fits(generation, c, pace_unit) for c in conditions])
    return np.where(each < 0, UNKNOWN_FITS, each).mean(axis=0).astype(np.float32)


def named(generation: Generation, conditions: Sequence[Condition]) -> np.ndarray:
    """How much of a piece was asked for by name, int [n_pieces]: 2 for its title, 1 for its composer."""
    tier = np.zeros(generation.n_pieces, dtype=np.int64)
    for c in conditions:
        if c.facet in ("title", "composer") and c.operator in ("=", "~"):
            tier += (fits(generation, c) == 1) * (2 if c.facet == "title" else 1)
    return tier


def best_place(generation: Generation, row: int, vector: np.ndarray | None) -> Place:
    """The passage of a piece that is nearest to a vector; without a vector (or passages) the whole piece."""
    windows = generation.windows.of_piece(row)
    if vector is not None and len(windows):
        near = generation.vectors.rows(WINDOWS, windows) @ vector
        return generation.windows.place(int(windows[int(np.argmax(near))]))
    facets = generation.facets(row)
    return Place(0.0, float(facets.duration_s or 0.0), None if facets.bars is None else 0, facets.bars)
