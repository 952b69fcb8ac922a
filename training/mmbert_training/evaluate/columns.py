"""What is asked of the candidates in words, in three columns, and what every row says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from mmbert.embed import Embedder
from mmbert.errors import DataError
from mmbert.metrics import Standing, standing
from mmbert.types import Modality
from mmbert_training.captions import caption
from mmbert_training.evaluate.baselines import bm25, by_language, counted, sheet, true_facts
from mmbert_training.evaluate.hand_written import Asked, hand_written
from mmbert_training.evaluate.neighbours import phrase_neighbours
from mmbert_training.evaluate.pieces import Candidate
from mmbert_training.evaluate.product import search_scores
from mmbert_training.evaluate.queries import COMMAND, SEED, draw, kept, seed_of
from mmbert_training.phrases import POOLS

CAPTIONS, SHORT = 6, 3  # of a candidate in the rows bm25 and minilm
_ALONE: tuple[tuple[Modality], ...] = (("score",), ("facets",))
_AT_ONCE = 512  # texts read at once


@dataclass(frozen=True)
class Column:
    """Questions of one kind, and what each row scores them.

    Attributes:
        name: ``known``, ``unseen`` or ``hand``.
        asked: The questions.
        works: Of each question the cluster of its work.
        target: int64 [questions], the candidate that each was written for.
        scores: Of each row, float32 [questions, candidates].
    """

    name: str
    asked: tuple[Asked, ...]
    works: tuple[str, ...]
    target: np.ndarray
    scores: Mapping[str, np.ndarray]

    def where(self, keep: Sequence[bool]) -> Column:
        """Some of the questions."""
        rows = np.flatnonzero(keep)
        asked, works = tuple(self.asked[i] for i in rows), tuple(self.works[i] for i in rows)
        return Column(self.name, asked, works, self.target[rows], {k: v[rows] for k, v in self.scores.items()})

    @cached_property
    def found(self) -> dict[str, Standing]:
        """Where each row ranks the work that a question was written for."""
        return {row: standing(scores, self.target) for row, scores in self.scores.items()}

    @property
    def right(self) -> np.ndarray:
        """bool [questions, candidates]: those of which all facts are true, and the one it was written for."""
        facts = np.array([len(q.facts) for q in self.asked])
        own = np.arange(self.scores["oracle"].shape[1]) == self.target[:, None]
        return own | (self.scores["oracle"] >= facts[:, None])


def questions(candidates: Sequence[Candidate], split: Literal["test", "validation"]) -> dict[str, list[Asked]]:
    """The questions of each column. Those for validation works are drawn here, those for test works were kept.

    Raises:
        DataError: where kept sentences are of other phrases or not true, or a question's work is no candidate.
    """
    tokens = {c.work.id: c.tokens for c in candidates}
    found: dict[str, list[Asked]] = {
        pool: kept(pool) if split == "test" else draw(tokens.items(), pool) for pool in POOLS
    }
    stale = [q for some in found.values() for q in some if not set(q.facts) <= set(tokens.get(q.work, ()))]
    if stale:
        fault = f"{len(stale)} sentences are not true of their works, such as {stale[0].text!r} of {stale[0].work}"
        raise DataError("kept sentences", fault, f"Draw again: {COMMAND}")
    found["hand"] = hand_written(split)
    lost = [q.work for q in found["hand"] if q.work not in tokens]
    if lost:
        raise DataError("--data", f"lacks {len(lost)} works that questions were written for, such as {lost[0]}")
    return found


def score(embedder: Embedder, candidates: Sequence[Candidate], asked: Mapping[str, Sequence[Asked]]) -> list[Column]:
    """What every row says of every question."""
    flat = [q for some in asked.values() for q in some]
    texts = [q.text for q in flat]
    statements = [c.tokens for c in candidates]
    captions = [_captions(c) for c in candidates]
    vectors, said = _read(embedder, texts)

    def language(some: Sequence[str]) -> np.ndarray:
        return np.concatenate([embedder.language(block) for block in _blocks(some)])

    notes, facets = embedder.piece_rows([c.prepared for c in candidates], _ALONE)
    pieces = np.stack([c.embedded.piece for c in candidates])
    scores: dict[str, np.ndarray] = {
        "chance": np.zeros((len(texts), len(candidates))),
        "bm25": bm25([counted(some) for some in captions], texts),
        "bm25_sheet": bm25([sheet(t) for t in statements], texts),
        "minilm": by_language([some[:SHORT] for some in captions], said, language),
        "knn": phrase_neighbours(statements, texts, language),
        "oracle": true_facts(statements, [q.facts for q in flat]),
        "notes": vectors @ notes.T,
        "facets": vectors @ facets.T,
        "vectors": vectors @ pieces.T,
        **search_scores(embedder, [c.embedded for c in candidates], texts, vectors),
    }
    place = {c.work.id: i for i, c in enumerate(candidates)}
    target = np.array([place[q.work] for q in flat])
    works = tuple(candidates[i].work.cluster for i in target)
    whole = Column("", tuple(flat), works, target, {row: s.astype(np.float32) for row, s in scores.items()})
    kind = np.repeat([*asked], [len(some) for some in asked.values()])
    return [replace(whole.where(kind == name), name=name) for name in asked]


def _captions(candidate: Candidate) -> list[str]:
    """Generated captions of a candidate in known words, none of them a query's."""
    if not candidate.tokens:
        return [""] * CAPTIONS
    seeds = ([SEED + 1, seed_of(candidate.work.id), n] for n in range(CAPTIONS))
    return [caption(candidate.tokens, np.random.default_rng(seed), "known").text for seed in seeds]


def _read(embedder: Embedder, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of the model and of the text model alone; the token states of a block are read once for both."""
    both = [(embedder.embed_texts(block), embedder.language(block)) for block in _blocks(texts)]
    return np.concatenate([v for v, _ in both]), np.concatenate([w for _, w in both])


def _blocks(texts: Sequence[str]) -> list[list[str]]:
    """Parts of which the token states fit in memory."""
    return [list(texts[start : start + _AT_ONCE]) for start in range(0, len(texts), _AT_ONCE)]
