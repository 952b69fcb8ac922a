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
from mmbert_training.pack import HAND, IMAGINED, KNOWN, Pack
from mmbert_training.recipe import Objectives, StageConfig

_BAR = FIELDS.index("bar")
_CUES = frozenset(i for i, t in enumerate(TOKENS) if t.split("=")[0] in ("instrument", "family", "form"))
_TRIES = 8  # draws of a version, of which the first that is transposed counts
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
        secret: bool [P], passages of which the instruments are not shown.
        marginals: How often each value of each field occurs in the pack: eight float32 [size of the field].
    """

    octuples: Tensor
    valid: Tensor
    segment: Tensor
    n_bars: int
    first_bar: Tensor
    secret: Tensor
    marginals: tuple[Tensor, ...]


@dataclass(frozen=True)
class Hidden:
    """H sentences that were read with words hidden.

    Attributes:
        states: float32 [H, L, text_dim] and mask bool [H, L].
        piece: int64 [H], the piece of the batch that each is about.
        place: int64 [K, 2], sentence and token of each hidden word.
        word: int64 [K], index into the pack's words.
    """

    states: Tensor
    mask: Tensor
    piece: Tensor
    place: Tensor
    word: Tensor


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
        hidden: Sentences with hidden words, true of the pieces as they are.
        notes: The music; None where a stage does not read it.
        rehearsal: Sentences and facets, drawn independently; None where a stage has no use for them.
    """

    facets: list[list[int]]
    tokens: Tensor
    piece_work: Tensor
    states: Tensor
    mask: Tensor
    facts: Tensor
    text_work: Tensor
    same_text: Tensor
    hidden: Hidden | None
    notes: Notes | None
    rehearsal: Batch | None = None


class Batches:
    """Draws batches of one split.

    Args:
        pack: What to draw from.
        seed: Of the run.
        augment: How far versions may lie.
        phrase_share: Share of pieces whose sentence is a single phrase.
        passages: Consecutive passages read of a piece.
        hide_cues: Share of pieces of which the input names no instrument and no form: the rest has to be learned too
            (CLaMP 2, Wu et al. 2024, section 3.2, leaves instruments out of 90 % of its texts).
        joined: Share of the sentences that are two, one behind the other.
    """

    def __init__(
        self, pack: Pack, seed: int, augment: AugmentConfig, phrase_share: float, passages: int, hide_cues: float,
        joined: float = 0.0,
    ) -> None:  # fmt: skip
        self.pack, self.seed, self.augment, self.joined = pack, seed, augment, joined
        self.phrase_share, self.passages, self.hide_cues = phrase_share, passages, hide_cues
        numbers = {c: i for i, c in enumerate(dict.fromkeys(w["cluster"] for w in pack.works))}
        self._cluster = np.array([numbers[w["cluster"]] for w in pack.works], np.int64)
        self._train = pack.split("train")
        self._told = np.concatenate([self._train, pack.split(IMAGINED)])
        order = np.argsort(pack.sentence_work, kind="stable")
        bounds = np.searchsorted(pack.sentence_work[order], np.arange(len(pack.works) + 1))
        self._own = [order[a:b] for a, b in pairwise(bounds)]
        self._marginals = marginals_of(torch.from_numpy(pack.octuples))
        order = np.argsort(pack.hidden_work, kind="stable")
        bounds = np.searchsorted(pack.hidden_work[order], np.arange(len(pack.works) + 1))
        self._hidden = [order[a:b] for a, b in pairwise(bounds)]
        self._places = np.searchsorted(pack.hidden_place[:, 0], np.arange(len(pack.hidden_work) + 1))
        phrases = np.flatnonzero(pack.sentence_work < 0)
        self._saying = [phrases[pack.facts[phrases, t]] for t in range(len(TOKENS))]

    def training(self, stage: int, step: int, size: int, notes: bool, hidden: bool, stream: int = 0) -> Batch:
        """The batch of one step: ``size`` augmented works of the training split with a sentence each.

        Without notes, imagined pieces are among them. Batches of one step and different ``stream`` are drawn
        independently.
        Sentences with hidden words come where ``hidden``; of pieces that were transposed or sped up only those that
        name no key and no speed are true, so that only pieces as they are have one.
        """
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, stage, step, stream]))
        some = self._train if notes else self._told
        works = rng.choice(some, min(size, len(some)), replace=False)
        changes = [draw(self.pack.facets[w], self.augment, rng) for w in works]
        ids = [token_ids(tokens_of(change_facets(self.pack.facets[w], c))) for w, c in zip(works, changes)]
        tokens = _several_hot(ids)
        sentences = [s for i, w in enumerate(works) if (s := self._said(w, tokens[i], rng))]
        secret = rng.random(len(works)) < self.hide_cues
        shown = [[t for t in row if not (hide and t in _CUES)] for row, hide in zip(ids, secret)]
        music = self._notes(works, changes, rng, secret) if notes else None
        gaps = self._gaps(works, changes, rng) if hidden else None
        return self._batch(works, shown, tokens, sentences, music, gaps)

    def for_stage(self, stage: StageConfig, want: Objectives, number: int, step: int) -> Batch:
        """The batch of one step of a stage: with notes and hidden words where it has a use for them."""
        hidden = want.masked_text > 0 and stage.kind != "notes"
        batch = self.training(number, step, stage.batch, notes=stage.kind != "words", hidden=hidden)
        if not stage.rehearsal:
            return batch
        return replace(batch, rehearsal=self.training(number, step, stage.rehearsal, False, False, stream=1))

    def validation(self, pool: int, most: int) -> Batch:
        """At most ``most`` works of the validation split as they are, and their sentences of one pool.

        Works for which a question was written by hand come first.
        """
        works = self._validation(most)
        sentences = [[int(s)] for w in works for s in self._own[w] if self.pack.sentence_pool[s] == pool]
        return self._versions(works, [Change()] * len(works), sentences)

    def changed(self, most: int) -> Batch:
        """The works of :meth:`validation`, transposed where their range leaves room, and faster or slower.

        What does not state a tempo has none to change.
        """
        works = self._validation(most)
        rng = np.random.default_rng(1)
        far = AugmentConfig(unchanged=0.0, semitones=6, tempo_ids=6, velocity_ids=0)
        drawn = [[draw(self.pack.facets[w], far, rng) for _ in range(_TRIES)] for w in works]
        changes = [next((c for c in some if c.semitones), some[0]) for some in drawn]
        return self._versions(works, changes, [])

    def _validation(self, most: int) -> np.ndarray:
        works = np.random.default_rng(0).permutation(self.pack.split("validation"))
        asked = np.array([any(self.pack.sentence_pool[s] == HAND for s in self._own[w]) for w in works], bool)
        return works[np.argsort(~asked, kind="stable")][:most]

    def _versions(self, works: np.ndarray, changes: Sequence[Change], sentences: list[list[int]]) -> Batch:
        ids = [token_ids(tokens_of(change_facets(self.pack.facets[w], c))) for w, c in zip(works, changes)]
        music = self._notes(works, changes, None, np.zeros(len(works), bool))
        return self._batch(works, ids, _several_hot(ids), sentences, music, None)

    def _said(self, work: int, tokens: np.ndarray, rng: np.random.Generator) -> list[int]:
        """One sentence, or now and then two that are read one behind the other: people say more than a caption does."""
        first = self._sentence(work, tokens, rng)
        if rng.random() >= self.joined or not self.pack.facts[first].any():
            return first
        second = self._sentence(work, tokens, rng)
        return first + second if self.pack.facts[second].any() else first

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

    def _gaps(self, works: np.ndarray, changes: Sequence[Change], rng: np.random.Generator) -> Hidden | None:
        pack = self.pack
        chosen = [
            (i, int(rng.choice(self._hidden[w])))
            for i, (w, change) in enumerate(zip(works, changes))
            if change == Change() and len(self._hidden[w])
        ]
        if not chosen:
            return None
        rows = np.array([h for _, h in chosen])
        states, mask = _widened(pack.hidden, pack.hidden_scale, pack.hidden_start, [[int(h)] for h in rows])
        spans = [slice(*self._places[h : h + 2]) for h in rows]
        place = [(i, int(t)) for i, span in enumerate(spans) for t in pack.hidden_place[span, 1]]
        word = np.concatenate([pack.hidden_word[span] for span in spans])
        piece = torch.tensor([i for i, _ in chosen])
        return Hidden(states, mask, piece, torch.tensor(place).reshape(-1, 2), torch.from_numpy(word))

    def _notes(
        self, works: np.ndarray, changes: Sequence[Change], rng: np.random.Generator | None, secret: np.ndarray
    ) -> Notes:
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
        return _padded(runs, owner, first, self._marginals, secret[owner])

    def _batch(
        self, works: np.ndarray, ids: list[list[int]], tokens: np.ndarray, sentences: list[list[int]],
        notes: Notes | None, hidden: Hidden | None,
    ) -> Batch:  # fmt: skip
        pack = self.pack
        states, mask = _widened(pack.states, pack.scale, pack.sentence_start, sentences)
        texts = [tuple(pack.sentences[s] for s in some) for some in sentences]
        same = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        text_id = torch.tensor([same[t] for t in texts], dtype=torch.int64)
        owner = np.array([pack.sentence_work[some].max() for some in sentences], np.int64)
        text_work = np.where(owner >= 0, self._cluster[owner], -1)
        facts = np.array([pack.facts[some].any(0) for some in sentences], bool).reshape(-1, len(TOKENS))
        return Batch(
            facets=ids,
            tokens=torch.from_numpy(tokens),
            piece_work=torch.from_numpy(self._cluster[works]),
            states=states,
            mask=mask,
            facts=torch.from_numpy(facts),
            text_work=torch.from_numpy(text_work),
            same_text=text_id[:, None] == text_id[None, :],
            hidden=hidden,
            notes=notes,
        )


def _widened(
    codes: np.ndarray, scale: np.ndarray, starts: np.ndarray, rows: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Token states of some sentences, or of several one behind the other: float32 [n, L, dim], and bool [n, L]."""
    index = [np.concatenate([np.arange(starts[r], starts[r + 1]) for r in some]) for some in rows]
    states = torch.zeros(len(rows), max((len(i) for i in index), default=1), codes.shape[1])
    mask = torch.zeros(states.shape[:2], dtype=torch.bool)
    for i, tokens in enumerate(index):
        states[i, : len(tokens)] = torch.from_numpy(codes[tokens] * scale[tokens, None])
        mask[i, : len(tokens)] = True
    return states, mask


def _several_hot(ids: Sequence[Sequence[int]]) -> np.ndarray:
    out = np.zeros((len(ids), len(TOKENS)), bool)
    for row, some in zip(out, ids):
        row[list(some)] = True
    return out


def _padded(
    runs: Sequence[tuple[np.ndarray, int]], owner: Sequence[int], first: Sequence[int], marginals: tuple[Tensor, ...],
    secret: np.ndarray,
) -> Notes:  # fmt: skip
    length = max(len(tokens) for tokens, _ in runs)
    octuples = torch.tensor(SIZES).expand(len(runs), length, -1).clone()
    valid = torch.zeros(len(runs), length, dtype=torch.bool)
    for i, (tokens, _) in enumerate(runs):
        octuples[i, : len(tokens)] = torch.from_numpy(tokens)
        valid[i, : len(tokens)] = True
    bar = octuples[..., _BAR] + torch.tensor([offset for _, offset in runs])[:, None]
    n_bars = int(bar[valid].max()) + 1
    segment = (bar + n_bars * torch.tensor(owner)[:, None])[valid]
    return Notes(octuples, valid, segment, n_bars, torch.tensor(first), torch.from_numpy(secret), marginals)


def moved(value: T, device: str) -> T:
    """A dataclass with its tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device)  # type: ignore[return-value]
    if isinstance(value, tuple):
        return tuple(moved(v, device) for v in value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: moved(getattr(value, f.name), device) for f in fields(value)})
    return value
