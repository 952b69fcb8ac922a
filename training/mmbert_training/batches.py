"""Batches, drawn from a pack. A batch depends on (seed, stage, step) alone, so a resumed run sees the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mmbert.facets import TOKENS, tokens_of
from mmbert.model.facets import token_ids
from mmbert.objectives.masked import marginals_of
from mmbert.symbolic.octuple import FIELDS, SIZES
from mmbert_training.augment import AugmentConfig, Change, change_facets, change_octuples, draw
from mmbert_training.pack import KNOWN, Pack

_BAR = FIELDS.index("bar")
T = TypeVar("T")


@dataclass(frozen=True)
class Notes:
    """The notes of B pieces: P passages of at most T notes.

    Attributes:
        octuples: int64 [P, T, 8], PAD (the field's size) behind a passage's end.
        valid: bool [P, T].
        segment: int64 [notes], ``piece * n_bars + bar`` of each valid note; bars count from the piece's first here.
        n_bars: Bars of the longest piece.
        first_bar: int64 [B], where in the whole piece that bar stands.
        marginals: How often each value of each field occurs in the pack: eight float32 [size of the field].
    """

    octuples: Tensor
    valid: Tensor
    segment: Tensor
    n_bars: int
    first_bar: Tensor
    marginals: tuple[Tensor, ...]


@dataclass(frozen=True)
class Batch:
    """B pieces and S sentences.

    Attributes:
        facets: B lists of facet token ids, after augmentation.
        tokens: bool [B, len(TOKENS)], the same.
        piece_work: int64 [B], one number a cluster.
        states: float32 [S, L, text_dim] and mask bool [S, L], token states of the sentences.
        facts: bool [S, len(TOKENS)].
        text_work: int64 [S], -1 for a phrase of no work.
        same_text: bool [S, S].
        notes: The music; None where a stage does not read it.
    """

    facets: list[list[int]]
    tokens: Tensor
    piece_work: Tensor
    states: Tensor
    mask: Tensor
    facts: Tensor
    text_work: Tensor
    same_text: Tensor
    notes: Notes | None


class Batches:
    """Draws batches of one split.

    Args:
        pack: What to draw from.
        seed: Of the run.
        augment: How far versions may lie.
        phrase_share: Share of pieces whose sentence is a single phrase.
        passages: Consecutive passages read of a piece.
    """

    def __init__(self, pack: Pack, seed: int, augment: AugmentConfig, phrase_share: float, passages: int) -> None:
        self.pack, self.seed, self.augment = pack, seed, augment
        self.phrase_share, self.passages = phrase_share, passages
        numbers = {c: i for i, c in enumerate(dict.fromkeys(w["cluster"] for w in pack.works))}
        self._cluster = np.array([numbers[w["cluster"]] for w in pack.works], np.int64)
        same = {s: i for i, s in enumerate(dict.fromkeys(pack.sentences))}
        self._text_id = np.array([same[s] for s in pack.sentences], np.int64)
        self._train = pack.split("train")
        order = np.argsort(pack.sentence_work, kind="stable")
        bounds = np.searchsorted(pack.sentence_work[order], np.arange(len(pack.works) + 1))
        self._own = [order[a:b] for a, b in pairwise(bounds)]
        self._marginals = marginals_of(torch.from_numpy(pack.octuples))
        phrases = np.flatnonzero(pack.sentence_work < 0)
        self._saying = [phrases[pack.facts[phrases, t]] for t in range(len(TOKENS))]

    def training(self, stage: int, step: int, size: int, notes: bool) -> Batch:
        """The batch of one step: ``size`` augmented works of the training split with a sentence each."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, stage, step]))
        works = rng.choice(self._train, min(size, len(self._train)), replace=False)
        changes = [draw(self.pack.facets[w], self.augment, rng) for w in works]
        ids = [token_ids(tokens_of(change_facets(self.pack.facets[w], c))) for w, c in zip(works, changes)]
        tokens = _several_hot(ids)
        sentences = [s for i, w in enumerate(works) for s in self._sentence(w, tokens[i], rng)]
        music = self._notes(works, changes, rng) if notes else None
        return self._batch(works, ids, tokens, sentences, music)

    def validation(self, pool: int, most: int) -> Batch:
        """At most ``most`` works of the validation split as they are, and their sentences of one pool."""
        works = np.random.default_rng(0).permutation(self.pack.split("validation"))[:most]
        ids = [token_ids(tokens_of(self.pack.facets[w])) for w in works]
        sentences = [s for w in works for s in self._own[w] if self.pack.sentence_pool[s] == pool]
        music = self._notes(works, [Change()] * len(works), None)
        return self._batch(works, ids, _several_hot(ids), sentences, music)

    def _sentence(self, work: int, tokens: np.ndarray, rng: np.random.Generator) -> list[int]:
        """At most one sentence that is true of this version: a phrase, else a caption of the work, else a phrase."""
        own = self._own[work]
        own = own[(self.pack.sentence_pool[own] == KNOWN) & ~(self.pack.facts[own] & ~tokens).any(1)]
        if len(own) and rng.random() >= self.phrase_share:
            return [int(rng.choice(own))]
        true = np.flatnonzero(tokens)
        if not len(true):
            return []
        saying = self._saying[int(rng.choice(true))]
        saying = saying[~(self.pack.facts[saying] & ~tokens).any(1)]
        return [int(rng.choice(saying))] if len(saying) else []

    def _notes(self, works: np.ndarray, changes: Sequence[Change], rng: np.random.Generator | None) -> Notes:
        pack, runs, owner, first = self.pack, [], [], []
        for i, (work, change) in enumerate(zip(works, changes)):
            begin, end = int(pack.work_start[work]), int(pack.work_start[work + 1])
            spare = max(end - begin - self.passages, 0)
            begin += int(rng.integers(spare + 1)) if rng is not None else spare // 2
            first.append(int(pack.passage_bar[begin]))
            for p in range(begin, min(begin + self.passages, end)):
                octuples = pack.octuples[pack.passage_start[p] : pack.passage_start[p + 1]]
                runs.append((change_octuples(octuples, change), int(pack.passage_bar[p]) - first[-1]))
                owner.append(i)
        return _padded(runs, owner, first, self._marginals)

    def _batch(
        self, works: np.ndarray, ids: list[list[int]], tokens: np.ndarray, sentences: list[int], notes: Notes | None
    ) -> Batch:
        pack = self.pack
        start, end = pack.sentence_start[sentences], pack.sentence_start[np.array(sentences) + 1]
        states = torch.zeros(len(sentences), int((end - start).max()), pack.states.shape[1])
        mask = torch.zeros(states.shape[:2], dtype=torch.bool)
        for i, (a, b) in enumerate(zip(start, end)):
            states[i, : b - a] = torch.from_numpy(pack.states[a:b] * pack.scale[a:b, None])
            mask[i, : b - a] = True
        text_id, owner = torch.from_numpy(self._text_id[sentences]), pack.sentence_work[sentences]
        text_work = np.where(owner >= 0, self._cluster[owner], -1)
        return Batch(
            facets=ids,
            tokens=torch.from_numpy(tokens),
            piece_work=torch.from_numpy(self._cluster[works]),
            states=states,
            mask=mask,
            facts=torch.from_numpy(pack.facts[sentences]),
            text_work=torch.from_numpy(text_work),
            same_text=text_id[:, None] == text_id[None, :],
            notes=notes,
        )


def _several_hot(ids: Sequence[Sequence[int]]) -> np.ndarray:
    out = np.zeros((len(ids), len(TOKENS)), bool)
    for row, some in zip(out, ids):
        row[list(some)] = True
    return out


def _padded(
    runs: Sequence[tuple[np.ndarray, int]], owner: Sequence[int], first: Sequence[int], marginals: tuple[Tensor, ...]
) -> Notes:
    length = max(len(tokens) for tokens, _ in runs)
    octuples = torch.tensor(SIZES).expand(len(runs), length, -1).clone()
    valid = torch.zeros(len(runs), length, dtype=torch.bool)
    for i, (tokens, _) in enumerate(runs):
        octuples[i, : len(tokens)] = torch.from_numpy(tokens)
        valid[i, : len(tokens)] = True
    bar = octuples[..., _BAR] + torch.tensor([offset for _, offset in runs])[:, None]
    n_bars = int(bar[valid].max()) + 1
    segment = (bar + n_bars * torch.tensor(owner)[:, None])[valid]
    return Notes(octuples, valid, segment, n_bars, torch.tensor(first), marginals)


def moved(value: T, device: str) -> T:
    """A dataclass with its tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device)  # type: ignore[return-value]
    if isinstance(value, tuple):
        return tuple(moved(v, device) for v in value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: moved(getattr(value, f.name), device) for f in fields(value)})
    return value
