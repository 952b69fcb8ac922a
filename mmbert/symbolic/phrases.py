"""Phrases: four whole bars of a melody and what accompanies them.

A phrase is four consecutive bars of one metre and of its full length, so that phrases can be laid on one another and
one behind another. They come every two bars in a library, every four in evaluations, every bar in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from mmbert.symbolic.keys import KeyEstimate, estimate_key
from mmbert.symbolic.melody import Voices, voices
from mmbert.symbolic.score import Score
from mmbert.symbolic.windows import HOP_BARS, WINDOW_BARS

Task = Literal["completion", "accompaniment"]  # what is asked of a melody: what follows it, or what sounds with it
TASKS: tuple[Task, ...] = ("completion", "accompaniment")
UNIT = 48  # time steps a quarter: sixteenths, thirty-seconds and triplets are whole numbers of them
LEAST_NOTES = 8  # of a melody that can be recognised
ONSET, DURATION, PITCH = range(3)  # columns of notes
_TOUCH = UNIT // 8  # what sounds on so shortly into a phrase belongs to the one before
_C, _A = 0, 9


@dataclass(frozen=True, eq=False)
class PhraseTable:
    """P phrases as arrays.

    Attributes:
        start_bar: int32 [P], bars of the piece from 0.
        metre: int32 [P, 2].
        shift: int8 [P], semitones (-6 to 5) that bring the piece's estimated key to C major or A minor.
        melody: int32 [n, 3], onset and duration in :data:`UNIT` a quarter from the phrase's start, MIDI pitch as
            written; sorted by onset, one note at a time.
        melody_start: int64 [P + 1], first note of each phrase.
        accompaniment: int32 [m, 3], the same; sorted by onset and pitch. What sounds on from before begins at 0.
        accompaniment_start: int64 [P + 1].
    """

    start_bar: np.ndarray
    metre: np.ndarray
    shift: np.ndarray
    melody: np.ndarray
    melody_start: np.ndarray
    accompaniment: np.ndarray
    accompaniment_start: np.ndarray

    def __len__(self) -> int:
        return len(self.start_bar)

    def __repr__(self) -> str:
        return f"PhraseTable({len(self)} phrases, {len(self.melody)} and {len(self.accompaniment)} notes)"

    @property
    def length(self) -> np.ndarray:
        """int64 [P]: of each phrase, in :data:`UNIT` a quarter."""
        return WINDOW_BARS * 4 * UNIT * self.metre[:, 0].astype(np.int64) // self.metre[:, 1]

    def rows(self, index: np.ndarray) -> PhraseTable:
        """Some of the phrases, in the order of ``index`` (int [p], or bool [P])."""
        index = np.flatnonzero(index) if index.dtype == bool else index
        melody, melody_start = _taken(self.melody, self.melody_start, index)
        other, other_start = _taken(self.accompaniment, self.accompaniment_start, index)
        return PhraseTable(
            self.start_bar[index], self.metre[index], self.shift[index], melody, melody_start, other, other_start
        )  # fmt: skip

    def melodies(self) -> PhraseTable:
        """The same phrases without accompaniment."""
        nothing = np.zeros(len(self) + 1, np.int64)
        return replace(self, accompaniment=self.accompaniment[:0], accompaniment_start=nothing)


def phrases_of(score: Score, hop: int = HOP_BARS, least_notes: int = LEAST_NOTES) -> PhraseTable:
    """The phrases of a score.

    Args:
        score: On true bars.
        hop: Bars from one phrase to the next. They are counted from the first full bar, and anew where the metre
            changes or a bar is irregular.
        least_notes: Phrases with fewer melody notes are left out.

    Raises:
        ValueError: for a ``hop`` below 1.

    >>> notes = [(480 * i, 480, 60 + i % 5, 80, 0, False, 0) for i in range(32)]
    >>> phrases_of(Score.build(notes, 480, metre_map=[(0, 4, 4)]), hop=4).start_bar.tolist()
    [0, 4]
    """
    if hop < 1:
        raise ValueError(f"hop: {hop} is not at least one bar")
    return cut_phrases(score, voices(score), hop, least_notes)[0]


def cut_phrases(score: Score, found: Voices, hop: int, least_notes: int) -> tuple[PhraseTable, np.ndarray]:
    """As :func:`phrases_of`, of a score whose melody is known; and the part of every accompanying note, int64 [m]."""
    key = estimate_key(score)
    shift = 0 if key is None else key_shift(key)
    cut = [(bar, *notes) for bar in _starts(score, hop) if len((notes := _cut(score, found, bar))[0]) >= least_notes]
    first = np.array([bar for bar, *_ in cut], np.int32)
    melody, melody_start = _stacked([m for _, m, _, _ in cut])
    other, other_start = _stacked([a for _, _, a, _ in cut])
    shifts = np.full(len(cut), shift, np.int8)
    metre = score.bar_metres[first].astype(np.int32).reshape(-1, 2)
    parts = np.concatenate([np.zeros(0, np.int64), *(part for *_, part in cut)])
    return PhraseTable(first, metre, shifts, melody, melody_start, other, other_start), parts


def key_shift(key: KeyEstimate) -> int:
    """Semitones from -6 to 5 that bring a key to C major or A minor.

    >>> key_shift(KeyEstimate(2, "major", 1.0)), key_shift(KeyEstimate(4, "minor", 1.0))
    (-2, 5)
    """
    return ((_A if key.mode == "minor" else _C) - key.pitch_class + 6) % 12 - 6


def joined(tables: Sequence[PhraseTable]) -> PhraseTable:
    """The phrases of several tables, one after another."""
    if not tables:
        nothing = np.zeros((0, 3), np.int32), np.zeros(1, np.int64)
        return PhraseTable(np.zeros(0, np.int32), np.zeros((0, 2), np.int32), np.zeros(0, np.int8), *nothing, *nothing)
    columns = {f.name: [getattr(t, f.name) for t in tables] for f in fields(PhraseTable)}
    for name in ("melody_start", "accompaniment_start"):
        lengths = np.concatenate([np.diff(c) for c in columns[name]])
        columns[name] = [np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)]
    return PhraseTable(**{name: np.concatenate(some) for name, some in columns.items()})


def _starts(score: Score, hop: int) -> Iterator[int]:
    """First bars of the phrases: within runs of bars of one metre, each of its metre's length."""
    lines, metres = score.bar_lines, score.bar_metres
    full = score.ticks_per_quarter * 4 * metres[:, 0] / metres[:, 1]
    whole = np.abs(np.diff(lines) - full) <= 1
    alike = np.r_[False, (metres[1:] == metres[:-1]).all(axis=1) & whole[:-1]] & whole
    run = np.cumsum(~alike)
    for number in np.unique(run):
        bars = np.flatnonzero((run == number) & whole)
        yield from range(int(bars[0]), int(bars[-1]) + 2 - WINDOW_BARS, hop) if len(bars) else ()


def _cut(score: Score, found: Voices, bar: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Notes of the melody that begin in four bars, and of the accompaniment that sound in them, int32 [n, 3] each; and
    the parts of the latter."""
    begin, end = int(score.bar_lines[bar]), int(score.bar_lines[bar + WINDOW_BARS])
    scale = UNIT / score.ticks_per_quarter
    other, rows = within(found.accompaniment, begin, end, scale, True)
    return within(found.melody, begin, end, scale, False)[0], other, found.accompaniment["part"][rows].astype(np.int64)


def within(notes: np.ndarray, begin: int, end: int, scale: float, held: bool) -> tuple[np.ndarray, np.ndarray]:
    """Notes of a stretch as rows of a table, int32 [n, 3], and which of the notes they are, int64 [n].

    Args:
        notes: ``score.NOTE``, sorted by onset.
        begin: Tick of the stretch's start, from which onsets count; ``end`` is where it ends.
        end: Notes that sound longer are cut there.
        scale: :data:`UNIT` by ticks a quarter.
        held: Whether what sounds on from before belongs to it.
    """
    onset = notes["onset"].astype(np.int64)
    first, last = np.searchsorted(onset, [begin, end])
    stop = onset[:last] + notes["duration"][:last]
    kept = np.arange(first, last)
    if held:
        kept = np.r_[np.flatnonzero((stop[:first] - begin) * scale > _TOUCH), kept]
    start = np.maximum(onset[kept], begin)
    out = np.empty((len(kept), 3), np.int32)
    out[:, ONSET] = np.rint((start - begin) * scale)
    out[:, DURATION] = np.maximum(np.rint((np.minimum(stop[kept], end) - start) * scale), 1)
    out[:, PITCH] = notes["pitch"][kept]
    order = np.lexsort((out[:, PITCH], out[:, ONSET]))
    return out[order], kept[order]


def _stacked(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    start = np.concatenate([[0], np.cumsum([len(r) for r in rows], dtype=np.int64)]).astype(np.int64)
    return np.concatenate([np.zeros((0, 3), np.int32), *rows]), start


def _taken(notes: np.ndarray, start: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = np.diff(start)[index]
    begin = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return notes[np.arange(begin[-1]) + np.repeat(start[:-1][index] - begin[:-1], length)], begin
