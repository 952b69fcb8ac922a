"""Three ways of looking, each a number for every piece: by meaning, by full text, by the conditions that fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmbert.facets import fold
from mmbert.types import Condition, Facets, Place

if TYPE_CHECKING:
    from mmbert.store import Generation

PIECES, WINDOWS = "joint/pieces", "joint/windows"
WINDOW_ROWS = 4096  # passages looked at; a piece whose best passage is not among them counts by its own vector
ENOUGH = 300  # pieces: more than are shown and compared for versions
TEXT_HITS = 300  # pieces of which the texts are compared with the words
BM25_SHARE = 0.05
HALF_FOUND = 0.5**2 * (1 - BM25_SHARE)  # the least that a piece has of by_words whose texts hold half of the words
MOST_FOUND = HALF_FOUND + BM25_SHARE  # the most that it has with half of them
UNKNOWN_FITS = 0.5  # an unknown facet is neither for nor against


@dataclass(frozen=True)
class Meaning:
    """A question's vector, float32 [d], and its similarity with every piece, float32 [n_pieces]."""

    vector: np.ndarray
    similarity: np.ndarray


def by_meaning(generation: Generation, vector: np.ndarray) -> Meaning:
    """Compare the unit vector of words (float32 [d]) with all pieces.

    Words speak of pieces: a passage knows no facets, so that its nearness to words says less.
    """
    return Meaning(vector, np.clip(_pieces(generation, vector), -1.0, 1.0))


def by_example(generation: Generation, vector: np.ndarray, keep: np.ndarray | None = None) -> Meaning:
    """Compare the unit vector of an example (float32 [d]) with all pieces and the nearest passages, the better counts.

    What is usual in a library does not depend on a filter: passages are looked for among all. Where they are of few
    pieces that the filter keeps, the kept ones' own are looked for as well, so that no better passage is overlooked.

    Args:
        generation: The open library.
        vector: float32 [d], unit length.
        keep: bool [n_pieces], the pieces that may be shown; None for all.
    """
    similarity = _pieces(generation, vector)
    pieces = _look_into(generation, vector, similarity, None)
    if keep is not None and not keep.all() and len(generation.windows) > WINDOW_ROWS:
        shown = np.zeros(generation.n_pieces, bool)
        shown[pieces] = True
        if int((shown & keep).sum()) < min(ENOUGH, int(keep.sum())):
            _look_into(generation, vector, similarity, keep[generation.windows.piece])
    return Meaning(vector, np.clip(similarity, -1.0, 1.0))


def _pieces(generation: Generation, vector: np.ndarray) -> np.ndarray:
    similarity = np.full(generation.n_pieces, -1.0, dtype=np.float32)
    if generation.n_pieces:
        found, rows = generation.vectors.search(PIECES, vector[None], generation.n_pieces)
        similarity[rows[0]] = found[0]
    return similarity


def _look_into(
    generation: Generation, vector: np.ndarray, similarity: np.ndarray, allowed: np.ndarray | None
) -> np.ndarray:
    """Raise each piece's similarity to that of its best passage found; returns the pieces of the passages."""
    n = min(len(generation.windows) if allowed is None else int(allowed.sum()), WINDOW_ROWS)
    if not n:
        return np.zeros(0, np.int64)
    found, rows = generation.vectors.search(WINDOWS, vector[None], n, allowed)
    pieces = generation.windows.piece[rows[0]]
    np.maximum.at(similarity, pieces, found[0])
    return pieces


def by_words(generation: Generation, lexical: str, peers: np.ndarray | None = None) -> np.ndarray:
    """How much of the words a piece's own texts hold: float32 [n_pieces], the square of the share, 0-1.

    Full text finds the pieces. The share counts instead of bm25 because a question that describes ("a cheerful
    tune for a spring morning") finds one of its words in many titles, and a title asked for finds all of them. Of
    pieces with the same share the one with the higher bm25 is a little ahead.

    Args:
        generation: The open library.
        lexical: The words.
        peers: bool [n_pieces], the pieces that are looked at, others have 0; None for all.
    """
    scores = np.zeros(generation.n_pieces, dtype=np.float32)
    # Full text completes the last word: the longest one says most, so that "step" does not find every Stephen.
    terms = sorted(dict.fromkeys(fold(lexical).split()), key=len)
    if not terms:
        return scores
    patterns = [re.compile(rf"\b{re.escape(t)}(?:s|es)?\b") for t in terms]
    others = 0 if peers is None else int((~peers).sum())
    found = generation.full_text(terms, TEXT_HITS + others)
    found = [(row, bm25) for row, bm25 in found if peers is None or peers[row]][:TEXT_HITS]
    texts = texts_of(generation, [row for row, _ in found])
    for row, bm25 in found:
        text = fold(" ".join(text for _, text in texts[row]))
        share = sum(p.search(text) is not None for p in patterns) / len(patterns)
        if share:
            scores[row] = share**2 * (1 - BM25_SHARE) + BM25_SHARE * bm25 / max(found[0][1], 1e-9)
    return scores


def texts_of(generation: Generation, rows: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """The own words of some pieces by the name of where they stand, the telling ones first."""
    pieces, metadata, paths = generation.pieces, generation.metadata_of(rows), generation.paths_of(rows)
    found = {}
    for row in rows:
        texts = [("title", pieces.title[row]), ("composer", pieces.composer[row])]
        described = "text" if pieces.kind[row] == "text" else "description"
        texts += [(described, metadata[row].get("description")), ("album", metadata[row].get("album"))]
        texts += [("form", pieces.form[row])]
        texts += [("file name", " ".join(paths[row]))]
        found[row] = [(name, text) for name, text in texts if text]
    return found


def by_conditions(answers: np.ndarray) -> np.ndarray:
    """Share of the conditions that each piece fits, float32 [n_pieces]; unknown counts half.

    Args:
        answers: int8 [conditions, n_pieces], as :func:`mmbert.retrieval.conditions.fits` gives them.
    """
    if not len(answers):
        return np.zeros(answers.shape[1], dtype=np.float32)
    return np.where(answers < 0, UNKNOWN_FITS, answers).mean(axis=0).astype(np.float32)


def named(answers: np.ndarray, conditions: Sequence[Condition]) -> np.ndarray:
    """How much of a piece was asked for by name, int [n_pieces]: 2 for its title, 1 for its composer."""
    tier = np.zeros(answers.shape[1], dtype=np.int64)
    for c, fit in zip(conditions, answers, strict=True):
        if c.facet in ("title", "composer") and c.operator in ("=", "~"):
            tier += (fit == 1) * (2 if c.facet == "title" else 1)
    return tier


def best_places(generation: Generation, facets: Mapping[int, Facets], vector: np.ndarray | None) -> dict[int, Place]:
    """Of each piece the passage that is nearest to a vector; without a vector (or passages) the whole piece.

    Args:
        generation: The open library.
        facets: Rows of the pieces, and their facts.
        vector: float32 [d], or None.
    """
    best: dict[int, int] = {}
    for row in facets if vector is not None else ():
        windows = generation.windows.of_piece(row)
        if len(windows):
            near = generation.vectors.rows(WINDOWS, windows) @ vector
            best[row] = int(windows[int(np.argmax(near))])
    places = generation.places_of(best.values())
    return {row: places[best[row]] if row in best else _whole(fact) for row, fact in facets.items()}


def _whole(facets: Facets) -> Place:
    return Place(0.0, float(facets.duration_s or 0.0), None if facets.bars is None else 0, facets.bars)
