"""Three ways of looking, each a number for every piece: by meaning, by full text, by the conditions that fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmbert.facets import fold
from mmbert.retrieval.conditions import fits
from mmbert.types import Condition, Place

if TYPE_CHECKING:
    from mmbert.store import Generation

PIECES, WINDOWS = "joint/pieces", "joint/windows"
WINDOW_ROWS = 4096  # passages looked at; a piece whose best passage is not among them counts by its own vector
TEXT_HITS = 300  # pieces of which the texts are compared with the words
BM25_SHARE = 0.05
HALF_FOUND = 0.5**2 * (1 - BM25_SHARE)  # the least that a piece has of by_words whose texts hold half of the words
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
    """How much of the words a piece's own texts hold: float32 [n_pieces], the square of the share, 0-1.

    Full text finds the pieces. The share counts instead of bm25 because a question that describes ("a cheerful
    tune for a spring morning") finds one of its words in many titles, and a title asked for finds all of them. Of
    pieces with the same share the one with the higher bm25 is a little ahead.
    """
    scores = np.zeros(generation.n_pieces, dtype=np.float32)
    # Full text completes the last word: the longest one says most, so that "step" does not find every Stephen.
    terms = sorted(dict.fromkeys(fold(lexical).split()), key=len)
    if not terms:
        return scores
    patterns = [re.compile(rf"\b{re.escape(t)}(?:s|es)?\b") for t in terms]
    found = generation.full_text(terms, TEXT_HITS)
    for row, bm25 in found:
        text = fold(" ".join(text for _, text in texts_of(generation, row)))
        share = sum(p.search(text) is not None for p in patterns) / len(patterns)
        if share:
            scores[row] = share**2 * (1 - BM25_SHARE) + BM25_SHARE * bm25 / max(found[0][1], 1e-9)
    return scores


def texts_of(generation: Generation, row: int) -> list[tuple[str, str]]:
    """A piece's own words by the name of where they stand, the telling ones first."""
    pieces = generation.pieces
    texts = [("title", pieces.title[row]), ("composer", pieces.composer[row])]
    texts += [("description", generation.metadata(row).get("description")), ("form", pieces.form[row])]
    texts += [("file name", " ".join(generation.paths(row)))]
    return [(name, text) for name, text in texts if text]


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
