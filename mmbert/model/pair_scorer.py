"""Scorers of pairs of phrases, from how their notes lie to one another.

Neither sees a note as such but for the ends of the melodies: what counts is which bars repeat, which notes agree, what
sounds under which note. That is the same in every key, and a few thousand weights learn it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.symbolic.phrase_relations import (
    BEGINS,
    CLASS,
    COMES,
    GOES,
    INTERVALS,
    LENGTH,
    LENGTHS,
    NEXT_SLOT,
    NONE,
    PLACE,
    PLACES,
    SLOT,
    SOUNDS,
    STEP,
    accompaniment_grid,
    melody_bars,
    melody_ends,
    melody_notes,
)
from mmbert.symbolic.phrases import PhraseTable

RELATIONS = 15
_BARS = 8  # of both phrases
_ENDS = 4 * 12 + 25 + 2 * 15 + 6


class CompletionScorer(nn.Module):
    """How well one melody follows another: every bar of both against every later one, and the join."""

    def __init__(self, dim: int = 96, dropout: float = 0.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.into = nn.Linear(_BARS * (_BARS - 1) // 2 * RELATIONS + _ENDS, dim)
        self.middle = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, 1)

    @staticmethod
    def read_query(table: PhraseTable) -> tuple[np.ndarray, ...]:
        """Bars int16 [P, 4, 24, 3] and ends int16 [P, 8] of melodies."""
        return melody_bars(table), melody_ends(table)

    read_document = read_query

    def forward(self, query: Sequence[Tensor], document: Sequence[Tensor]) -> Tensor:
        """Scores float [N] of pairs, row by row."""
        x = torch.cat([bar_relations(torch.cat([query[0], document[0]], dim=1)), joins(query[1], document[1])], dim=1)
        x = F.gelu(self.into(self.drop(x)))
        x = x + F.gelu(self.middle(self.drop(x)))
        return self.out(self.drop(x))[:, 0]


def bar_relations(bars: Tensor) -> Tensor:
    """How bars lie to one another, float [N, 28 * 15], of int [N, 8, 24, 3].

    Of two bars: shared onsets by all onsets, those of one pitch, pitch class, diatonic step, direction; shared sounding
    pitch classes and pitches; whether onsets, or onsets and pitches, or onsets and steps, are all the same; mean pitch
    from one to the other and its distance; how parallel they move; by how much one has more onsets; both empty.
    """
    first, second = torch.triu_indices(_BARS, _BARS, 1)
    begins, sounds, step = bars[..., BEGINS], bars[..., SOUNDS], bars[..., STEP]
    on = begins != NONE
    count = on.sum(dim=2).float()
    mean = torch.where(on, begins, 0).sum(dim=2) / count.clamp(min=1)
    a, b = begins[:, first], begins[:, second]
    both, either = on[:, first] & on[:, second], on[:, first] | on[:, second]
    whole = either.sum(dim=2).clamp(min=1).float()
    apart = (a - b).float()
    same = both & (a == b)
    same_class = both & ((a - b) % 12 == 0)
    step_a, step_b = step[:, first], step[:, second]
    same_step = both & (step_a == step_b)
    same_way = both & (step_a.sign() == step_b.sign())
    sound_a, sound_b = sounds[:, first], sounds[:, second]
    sounding = (sound_a != NONE) & (sound_b != NONE)
    heard = sounding.sum(dim=2).clamp(min=1).float()
    shared = both.sum(dim=2).float()
    some = shared.clamp(min=1)
    off = torch.where(both, apart, 0)
    spread = off.pow(2).sum(dim=2) / some - (off.sum(dim=2) / some).pow(2)
    present = (count[:, first] > 0) & (count[:, second] > 0)
    rise = torch.where(present, mean[:, second] - mean[:, first], 0)
    parts = [m.sum(dim=2) / whole for m in (both, same, same_class, same_step, same_way)]
    parts += [(sounding & ((sound_a - sound_b) % 12 == 0)).sum(dim=2) / heard]
    parts += [(sounding & (sound_a == sound_b)).sum(dim=2) / heard]
    parts += [((m.sum(dim=2) == whole) & present).float() for m in (both, same, same_step)]
    parts += [rise / 12, rise.abs() / 12, (shared > 1) * torch.exp(-spread.clamp(min=0))]
    parts += [(count[:, second] - count[:, first]) / 8, (~present).float()]
    return torch.stack([p.float() for p in parts], dim=2).flatten(1)


def joins(query: Tensor, document: Tensor) -> Tensor:
    """How the one ends and the other begins and ends, float [N, 109], of int [N, 8] each."""
    query, document = query.long(), document.long()
    degrees = [F.one_hot(x % 12, 12) for x in (query[:, 0], query[:, 1], document[:, 0], document[:, 1])]
    leap = F.one_hot((document[:, 0] - query[:, 1]).clamp(-12, 12) + 12, 25)
    nearby = [F.one_hot(x.clamp(-7, 7) + 7, 15) for x in (query[:, 3], document[:, 2])]
    times = [query[:, 5], query[:, 6], document[:, 4], document[:, 5], document[:, 6], document[:, 7] - query[:, 7]]
    return torch.cat([*degrees, leap, *nearby, torch.stack(times, dim=1).float() / 16], dim=1).float()


class AccompanimentScorer(nn.Module):
    """How well something sounds with a melody: under every note what sounds, begins, lies lowest, and what comes with
    the next note, as intervals from the note."""

    def __init__(self, dim: int = 64, layers: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.note = nn.Linear(4 * 12 + PLACES + LENGTHS + 2 * INTERVALS + 1, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.mixers = nn.ModuleList(nn.Conv1d(dim, dim, 3, padding=1) for _ in range(layers))
        self.drop = nn.Dropout(dropout)
        self.middle = nn.Linear(2 * dim, dim)
        self.out = nn.Linear(dim, 1)

    @staticmethod
    def read_query(table: PhraseTable) -> tuple[np.ndarray, ...]:
        """Notes of melodies, int16 [P, 32, 7]."""
        return (melody_notes(table),)

    @staticmethod
    def read_document(table: PhraseTable) -> tuple[np.ndarray, ...]:
        """What sounds with them, int16 [P, 96, 3]."""
        return (accompaniment_grid(table),)

    def forward(self, query: Sequence[Tensor], document: Sequence[Tensor]) -> Tensor:
        """Scores float [N] of pairs, row by row."""
        notes, grid = query[0].long(), document[0].long()
        valid = notes[..., SLOT] != NONE
        x = self.note(note_relations(notes, grid)) * valid[..., None]
        for norm, mixer in zip(self.norms, self.mixers):
            x = x + F.gelu(mixer((norm(x) * valid[..., None]).transpose(1, 2))).transpose(1, 2)
        mean = (x * valid[..., None]).sum(dim=1) / valid.sum(dim=1, keepdim=True).clamp(min=1)
        most = x.masked_fill(~valid[..., None], -torch.inf).amax(dim=1)
        pooled = self.drop(torch.cat([mean, most.where(valid.any(dim=1)[:, None], 0)], dim=1))
        return self.out(F.gelu(self.middle(pooled)))[:, 0]


def note_relations(notes: Tensor, grid: Tensor) -> Tensor:
    """What the scorer reads of each note, float [N, 32, 103]."""
    slot, following = notes[..., SLOT].clamp(min=0), notes[..., NEXT_SLOT]
    at = grid.gather(1, slot[..., None].expand(-1, -1, 3))
    after = grid[..., 0].gather(1, following)
    bits = torch.cat([at, after[..., None]], dim=2)  # [N, 32, 4]
    above = (torch.arange(12, device=notes.device) + notes[..., CLASS, None]) % 12
    relative = (bits[..., None] >> above[:, :, None]) & 1
    kinds = ((PLACE, PLACES), (LENGTH, LENGTHS), (COMES, INTERVALS), (GOES, INTERVALS))
    said = [F.one_hot(notes[..., column], count) for column, count in kinds]
    silent = (at[..., :1] == 0).long()
    return torch.cat([relative.flatten(2), *said, silent], dim=2).float()


PairScorer = CompletionScorer | AccompanimentScorer


@dataclass(frozen=True, eq=False)
class PairInputs:
    """Phrases as a scorer reads them, P rows each: to ask with and to be found."""

    query: tuple[np.ndarray, ...]
    document: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, scorer: PairScorer, table: PhraseTable) -> PairInputs:
        """All that a scorer needs to know of some phrases."""
        return cls(scorer.read_query(table), scorer.read_document(table))

    def scores(self, scorer: PairScorer, queries: np.ndarray, documents: np.ndarray) -> Tensor:
        """Scores float [q, n] of queries int64 [q] with documents int64 [q, n]."""
        of, rows = np.repeat(queries, documents.shape[1]), documents.ravel()
        asked = [torch.from_numpy(a[of].astype(np.int32)) for a in self.query]
        given = [torch.from_numpy(a[rows].astype(np.int32)) for a in self.document]
        return scorer(asked, given).view(documents.shape)
