"""A question to its answer: look three ways, fuse, leave out, fold versions, say why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mmbert.retrieval import phrasebook
from mmbert.retrieval.calibrate import HALF, UNKNOWN, TextEmbedder, answered, best_standard, shares_beaten
from mmbert.retrieval.conditions import allowed, checked_modality, fits, lies_in
from mmbert.retrieval.example import Example
from mmbert.retrieval.explain import Grounds, why
from mmbert.retrieval.fuse import Lists, fuse, ranking
from mmbert.retrieval.heard_words import TOLD_BY_SOUNDS, HeardSounds, HeardWords, by_sound, perhaps
from mmbert.retrieval.hits import hit_of
from mmbert.retrieval.in_words import opening
from mmbert.retrieval.order import arranged
from mmbert.retrieval.shortlist import (
    HALF_FOUND,
    Meaning,
    best_places,
    by_conditions,
    by_example,
    by_meaning,
    by_words,
    named,
    texts_of,
)
from mmbert.retrieval.statements import by_statements
from mmbert.retrieval.versions import fold_versions
from mmbert.types import Answer, Condition, Facets, Hit, Place, Query

if TYPE_CHECKING:
    from mmbert.store import Generation


@dataclass(frozen=True)
class _Evidence:
    """What each list says of every piece, and the whole."""

    lists: Lists
    meaning: Meaning | None
    example: Meaning | None
    fitting: np.ndarray  # bool [conditions, n_pieces]
    failing: np.ndarray  # bool [conditions, n_pieces]: known not to fit
    heard: HeardWords | None
    fused: np.ndarray  # -inf for what is not compared: texts beside music, music beside texts

    @property
    def nearest(self) -> Meaning | None:
        return self.example or self.meaning


@dataclass(frozen=True)
class _Records:
    """What the library has recorded of the hits, by row; read at once."""

    facets: Mapping[int, Facets]
    texts: Mapping[int, Sequence[tuple[str, str]]]
    places: Mapping[int, Place]


def search(
    generation: Generation,
    embedder: Callable[[], TextEmbedder],
    query: Query,
    *,
    like: Example | None = None,
    where: Sequence[Condition] = (),
    limit: int = 10,
    modality: str | None = None,
    folder: str | None = None,
    order: str = "best",
    sounds: HeardSounds | None = None,
) -> Answer:
    """Answer a question.

    Args:
        generation: The open library.
        embedder: Gives the embedder; called only where the words have a meaning to compare.
        query: The question, understood.
        like: An example; it is not among its own hits.
        where: Conditions that the person set besides the words.
        limit: Hits wanted; a number beyond the library's size gives every piece.
        modality: Only pieces of this kind; None for all music. Texts are compared with texts alone: to words they are
            nearer than any music is, being words.
        folder: Only pieces whose file lies in this folder.
        order: How hits are arranged.
        sounds: What is heard in the library's recordings; None where it holds none.
    """
    checked_modality(modality)
    understood = {str(c) for c in query.conditions}
    # A preference that the person has also made a condition is one condition, and a hard one.
    query = replace(query, conditions=(*(c for c in query.conditions if str(c) not in map(str, where)), *where))
    unit = like.facets.pace_unit if like is not None else None
    keep = allowed(generation, query.conditions, unit)
    peers = (generation.pieces.kind == "text") == (modality == "text")
    keep &= peers
    if modality is not None:
        keep &= generation.pieces.kind == modality
    if folder is not None:
        keep &= lies_in(generation.pieces.path, folder)
    if like is not None and (own := generation.row_of(like.uid)) is not None:
        keep[own] = False
    evidence = _look(generation, embedder, query, like, unit, keep, peers, sounds)
    ranked = ranking(evidence.fused, np.flatnonzero(keep))
    rows = arranged(generation, ranked, order, compares=like is not None or bool(query.words))
    shares = np.zeros(generation.n_pieces)
    shares[peers] = shares_beaten(evidence.fused[peers])
    groups = fold_versions(generation, rows, limit)
    read = _read(generation, [row for row, _ in groups], evidence)
    hits = tuple(
        _hit(generation, query, evidence, read, row, rank, float(shares[row]), folded, like)
        for rank, (row, folded) in enumerate(groups, 1)
    )
    nothing = not hits
    if hits and like is None and query.words:
        said = [str(c) in understood for c in query.conditions]  # a filter of the person's own answers no words
        nothing = _nothing_fits(generation, embedder, query, evidence, keep, said)
    return Answer(query, hits, nothing, int(keep.sum()))


def _look(
    generation: Generation,
    embedder: Callable[[], TextEmbedder],
    query: Query,
    like: Example | None,
    unit: str | None,
    keep: np.ndarray,
    peers: np.ndarray,
    sounds: HeardSounds | None,
) -> _Evidence:
    n = generation.n_pieces
    # Beside an example, words that were all understood ("like this, but slower") have no further meaning.
    speaks = bool(query.meaning.strip()) and (like is None or bool(query.lexical))
    vector = np.asarray(embedder().embed_texts([query.meaning]))[0] if speaks and n else None
    meaning = by_meaning(generation, vector) if vector is not None else None
    example = by_example(generation, like.vector, keep) if like is not None and n else None
    heard = by_sound(sounds, query.meaning, embedder(), n) if speaks and sounds is not None else None
    answers = answers_of(generation, query, unit)
    lists = Lists(
        words=by_words(generation, query.lexical, peers),
        conditions=by_conditions(answers),
        tier=named(answers, query.conditions),
        meaning=None if meaning is None else meaning.similarity,
        statements=by_statements(generation, phrasebook.said(query.meaning)) if meaning is not None else None,
        example=None if example is None else example.similarity,
        sounds=None if heard is None else heard.similarity,
        measured=any(c.facet not in (*TOLD_BY_SOUNDS, "title", "composer") and not c.hard for c in query.conditions),
    )
    fused = np.full(n, -np.inf)
    fused[peers] = fuse(lists.of(peers))
    return _Evidence(lists, meaning, example, answers == 1, answers == 0, heard, fused)


def answers_of(generation: Generation, query: Query, unit: str | None = None) -> np.ndarray:
    """int8 [conditions, n_pieces] of a question's conditions: 1 true, 0 false, -1 unknown (``conditions.fits``)."""
    found = [fits(generation, c, unit) for c in query.conditions]
    return np.array(found, dtype=np.int8).reshape(len(found), generation.n_pieces)


def _nothing_fits(
    generation: Generation,
    embedder: Callable[[], TextEmbedder],
    query: Query,
    evidence: _Evidence,
    keep: np.ndarray,
    said: Sequence[bool],
) -> bool:
    """The rule of :mod:`mmbert.retrieval.calibrate`, over the pieces that may be hits.

    A question without a word that says anything (one letter, small words, signs) is answered by nothing.
    Weights without a calibration cannot tell: there a question of which nothing was understood is answered
    where half of its words were found.
    """
    if not query.lexical and not query.conditions:
        return True
    words = evidence.lists.words[keep]
    conditions = [c for c, one in zip(query.conditions, said, strict=True) if one]
    fitting = evidence.fitting[np.array(said, dtype=bool)]
    if evidence.heard is not None:
        fitting = fitting | np.array([perhaps(generation, c) for c in conditions], bool).reshape(fitting.shape)
    known = answered(conditions, fitting[:, keep], words)
    heard = evidence.heard
    if heard is not None and not (keep & np.isfinite(heard.similarity)).any():
        heard = None  # no recording may be a hit
    failing = evidence.failing[np.array(said, dtype=bool)]
    if known or (known is False and not (heard is not None and _open(conditions, failing, heard, keep))):
        return not known
    if evidence.meaning is None or (calibration := embedder().calibration) is None:
        return known is False or not (words >= HALF_FOUND).any()
    best = best_standard(calibration, generation, evidence.meaning, keep)
    least = UNKNOWN if heard is not None and not heard.known else 0.0
    return calibration.margin(embedder().language([query.meaning])[0], best) < least


def _open(conditions: Sequence[Condition], failing: np.ndarray, heard: HeardWords, keep: np.ndarray) -> bool:
    """Whether there is a recording of which half of what was understood may be true: no recording tells its form.

    Names are in texts, of which nothing is unknown.
    """
    recordings = keep & np.isfinite(heard.similarity)
    named = any(c.facet in ("title", "composer") for c in conditions)
    return not named and bool((~failing[:, recordings]).mean(axis=0).max(initial=0.0) >= HALF)


def _read(generation: Generation, rows: Sequence[int], evidence: _Evidence) -> _Records:
    facets, near = generation.facets_of(rows), evidence.nearest
    places = best_places(generation, facets, None if near is None else near.vector)
    if evidence.heard is not None:
        recordings = [row for row in rows if np.isfinite(evidence.heard.similarity[row])]
        places |= evidence.heard.places(generation, recordings)
    return _Records(facets, texts_of(generation, rows), places)


def _hit(
    generation: Generation,
    query: Query,
    evidence: _Evidence,
    read: _Records,
    row: int,
    rank: int,
    share: float,
    folded: Sequence[int],
    like: Example | None,
) -> Hit:
    facets, pieces, near = read.facets[row], generation.pieces, evidence.nearest
    place = read.places[row]
    grounds = Grounds(
        facets=facets,
        opening=opening(dict(read.texts[row]).get("text", "")) if pieces.kind[row] == "text" else "",
        fitting=[c for c, fit in zip(query.conditions, evidence.fitting[:, row], strict=True) if fit],
        missing=[c for c, miss in zip(query.conditions, evidence.failing[:, row], strict=True) if miss],
        lexical=query.lexical if evidence.lists.words[row] > 0 else "",
        texts=read.texts[row],
        place=None if near is None or pieces.kind[row] == "text" else place,
        to=f"“{like.name}”" if like is not None else "your words",
        example=None if like is None else like.facets,
        heard=() if evidence.heard is None else evidence.heard.named(facets.sounds),
    )
    similarity = None if near is None else float(near.similarity[row])
    return hit_of(
        generation, row, rank=rank, similarity=similarity, score=share, place=place, facets=facets, why=why(grounds),
        versions=folded,
    )  # fmt: skip
