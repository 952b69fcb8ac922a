"""The time line of an octuple encoding: where bars start, which metre and which tempo is in force.

MusicBERT paints one cell a position and walks the cells. Here the same is said by runs: stretches of equal bars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mmbert.errors import ItemError
from mmbert.symbolic.octuple_vocabulary import (
    BAR_LENGTHS,
    POSITIONS_PER_QUARTER,
    bar_length,
    metre_id,
    nearest,
    reduced,
    tempo_id,
)
from mmbert.symbolic.score import DEFAULT_BPM, DEFAULT_METRE, METRE, Score

BarPolicy = Literal["honour", "muzic"]
Changes = list[tuple[int, int, int]]  # tick, numerator, denominator
_NO_END = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Line:
    """Runs of equal bars, changes of metre and of tempo, each sorted and beginning at position 0.

    Attributes:
        start: int64 [r], position at which a run's first bar starts.
        length: int64 [r], positions of its bars.
        bar: int64 [r], number of its first bar.
        tick: float64 [r], tick at which it starts, before rounding to positions.
        last: int64 [r], number of its last bar.
        metre_start: int64 [m], position from which a metre is in force.
        metre: int64 [m], its id.
        tempo_start: int64 [t], position from which a tempo is in force.
        tempo: int64 [t], its id.
        ticks_per_position: Of the score.
    """

    start: np.ndarray
    length: np.ndarray
    bar: np.ndarray
    tick: np.ndarray
    last: np.ndarray
    metre_start: np.ndarray
    metre: np.ndarray
    tempo_start: np.ndarray
    tempo: np.ndarray
    ticks_per_position: float

    def bars(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions on the line, int64 [n], to bar and position within it."""
        if len(self.start) == 1:
            return np.divmod(positions, self.length[0])
        run = np.searchsorted(self.start, positions, side="right") - 1
        since, length = positions - self.start[run], self.length[run]
        # Where a metre changes off the grid, rounding may leave a run one position too long: kept in its last bar.
        within = np.minimum(since // length, self.last[run] - self.bar[run])
        return self.bar[run] + within, np.minimum(since - within * length, length - 1)

    def kept(self, bars: np.ndarray, within: np.ndarray) -> np.ndarray:
        """Bars and positions within them, as :meth:`bars` gives them, back to positions on the line, int64 [n]."""
        run = np.searchsorted(self.bar, bars, side="right") - 1
        return self.start[run] + (bars - self.bar[run]) * self.length[run] + within

    def ticks(self, bars: np.ndarray) -> np.ndarray:
        """Tick at which each bar, int [n], starts; float64 [n]."""
        run = np.searchsorted(self.bar, bars, side="right") - 1
        return self.tick[run] + (bars - self.bar[run]) * self.length[run] * self.ticks_per_position


def positions_of(ticks: np.ndarray, ticks_per_quarter: int) -> np.ndarray:
    """Ticks to positions, rounded half to even; int64 of the same shape."""
    return np.rint(np.asarray(ticks, np.float64) * POSITIONS_PER_QUARTER / ticks_per_quarter).astype(np.int64)


def in_force(starts: np.ndarray, values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The value of the last change at or before each position."""
    if len(starts) == 1:
        return np.broadcast_to(values, positions.shape)
    return values[np.searchsorted(starts, positions, side="right") - 1]


def representable(score: Score) -> Score:
    """The score itself, or with metres outside the table replaced by the nearest ones; bar lines are kept.

    >>> s = Score.build([(0, 480 * 34, 60, 80, 0, False, 0)], 480, metre_map=[(0, 17, 4)])
    >>> representable(s).bar_lines.tolist() == [480 * q for q in (0, 6, 12, 17, 23, 29, 35)]
    True
    """
    changes: Changes = score.metre_map.tolist()
    if all(metre_id(num, den) is not None for _, num, den in changes):
        return score
    out: Changes = []
    for (tick, num, den), (stop, _, _) in zip(changes, [*changes[1:], (score.end_tick, 0, 0)]):
        if metre_id(num, den) is not None:
            out.append((tick, num, den))
            continue
        numerator, denominator, whole = nearest(num, den)
        bar = max(1.0, score.ticks_per_quarter * 4 * num / den)
        again = [] if whole else np.round(np.arange(tick + bar, stop, bar)).astype(np.int64).tolist()
        out += [(start, numerator, denominator) for start in (tick, *again)]
    return replace(score, metre_map=np.array(out, METRE))


def time_line(score: Score, policy: BarPolicy = "honour", last: int = 0) -> Line:
    """The line of a score whose metres are of the table (``honour``) or are reduced here (``muzic``).

    Args:
        score: What is encoded.
        policy: ``honour``: every change of metre starts a bar, as in :class:`Score`. ``muzic``: the length of a bar
            is read at its start alone.
        last: Position of the last onset; ``muzic`` refuses no metre after it.

    Raises:
        ItemError: E_METRE, under ``muzic``, for a metre that cannot be reduced to one of the table.
    """
    tpq = score.ticks_per_quarter
    changes: Changes = score.metre_map.tolist()
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0, *DEFAULT_METRE))
    starts = [round(tick * POSITIONS_PER_QUARTER / tpq) for tick, _, _ in changes]
    if policy == "honour":
        metres = [metre_id(num, den) or 0 for _, num, den in changes]
        runs = _honoured(changes, starts, tpq)
    else:
        metres = _reduced(changes, starts, last)
        runs = _walked(starts, metres, tpq)
    start, length, bar, tick = (np.array(column, t) for column, t in zip(zip(*runs), ("i8", "i8", "i8", "f8")))
    last_bar = np.append(bar[1:] - 1, _NO_END)
    metre_start, metre = np.array(starts, np.int64), np.array(metres, np.int64)
    tempo_start, tempo = _tempos(score)
    per_position = tpq / POSITIONS_PER_QUARTER
    return Line(start, length, bar, tick, last_bar, metre_start, metre, tempo_start, tempo, per_position)


def _honoured(changes: Changes, starts: list[int], tpq: int) -> list[tuple]:
    """One run a metre; as many bars in each as in :attr:`Score.bar_lines`."""
    runs, bar = [], 0
    for i, (tick, num, den) in enumerate(changes):
        runs.append((starts[i], bar_length(num, den), bar, tick))
        if i + 1 < len(changes):
            bar += math.ceil((changes[i + 1][0] - tick) / max(1.0, tpq * 4 * num / den))
    return runs


def _reduced(changes: Changes, starts: list[int], last: int) -> list[int]:
    metres = []
    for i, (tick, num, den) in enumerate(changes):
        metre = metre_id(*reduced(num, den))
        in_use = starts[i] <= last and (i + 1 == len(starts) or starts[i] < starts[i + 1])
        if metre is None and in_use:
            fault = f"has a metre of {num}/{den} at tick {tick}, which OctupleMIDI cannot hold"
            raise ItemError("score", fault, 'Encode it with bar_policy="honour"', code="E_METRE", stage="encode")
        metres.append(metre or 0)
    return metres


def _walked(starts: list[int], metres: list[int], tpq: int) -> list[tuple]:
    """A run wherever a bar starts under a new metre."""
    runs, start, bar = [], 0, 0
    for i, metre in enumerate(metres):
        stop = starts[i + 1] if i + 1 < len(starts) else start + 1
        if start >= stop:
            continue
        length = int(BAR_LENGTHS[metre])
        runs.append((start, length, bar, start * tpq / POSITIONS_PER_QUARTER))
        n = -(-(stop - start) // length)
        start, bar = start + n * length, bar + n
    return runs


def _tempos(score: Score) -> tuple[np.ndarray, np.ndarray]:
    start = positions_of(score.tempo_map["tick"], score.ticks_per_quarter)
    tempo = tempo_id(score.tempo_map["bpm"])
    if not len(start) or start[0] > 0:
        start, tempo = np.append(0, start), np.append(tempo_id(np.array([DEFAULT_BPM])), tempo)
    return start, tempo
