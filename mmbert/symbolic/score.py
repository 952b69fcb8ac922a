"""The score: notes on a tick time line with its tempo, metre and key maps.

Ticks, seconds, and bar plus beat are converted by the methods of :class:`Score` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

Role = Literal["melody", "bass", "accompaniment", "drums", "other", "unknown"]

NOTE = np.dtype(
    [
        ("onset", np.int32),  # ticks
        ("duration", np.int32),  # ticks, >= 0
        ("pitch", np.uint8),  # 0-127
        ("velocity", np.uint8),  # 1-127
        ("program", np.uint8),  # 0-127, meaningless where is_drum
        ("is_drum", np.bool_),
        ("part", np.int16),  # index into Score.parts
    ]
)
TEMPO = np.dtype([("tick", np.int32), ("bpm", np.float64)])  # quarter notes a minute
METRE = np.dtype([("tick", np.int32), ("numerator", np.int32), ("denominator", np.int32)])
KEY = np.dtype([("tick", np.int32), ("fifths", np.int8), ("minor", np.bool_)])  # a signature, not a tonic

DEFAULT_BPM = 120.0  # for seconds only: a tempo that is not stated is unknown (Facets.tempo_bpm stays None)
DEFAULT_METRE = (4, 4)


@dataclass(frozen=True)
class Part:
    """One named part.

    Attributes:
        role: What the file or a stated rule says it is.
        program_stated: Whether the file says what plays it; ``program`` 0 is else only what it sounds like here.
        written: False for chord symbols that the reader turned into notes: heard, but not counted as music.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False
    role: Role = "unknown"
    program_stated: bool = True
    written: bool = True


@dataclass(frozen=True, eq=False)
class Score:
    """A piece as notes.

    Attributes:
        notes: :data:`NOTE` [n], sorted by (onset, part, pitch).
        ticks_per_quarter: Resolution of the time line.
        tempo_map: :data:`TEMPO` [t] sorted by tick; empty where the file states no tempo.
        metre_map: :data:`METRE` [m] sorted by tick; empty where the file states no metre. A pickup is
            written as a short first metre, a metre change inside a bar closes the bar.
        key_map: :data:`KEY` [k] signatures as written; no evidence of a tonic.
        parts: One entry a part; ``notes["part"]`` indexes it.
        goes_on: Whether it is what was heard of a recording that goes on behind it.
    """

    notes: np.ndarray
    ticks_per_quarter: int
    tempo_map: np.ndarray
    metre_map: np.ndarray
    key_map: np.ndarray
    parts: tuple[Part, ...]
    goes_on: bool = False

    @classmethod
    def build(
        cls,
        notes: np.ndarray | Sequence[tuple],
        ticks_per_quarter: int,
        *,
        tempo_map: np.ndarray | Sequence[tuple] = (),
        metre_map: np.ndarray | Sequence[tuple] = (),
        key_map: np.ndarray | Sequence[tuple] = (),
        parts: tuple[Part, ...] = (),
    ) -> Score:
        """A score from unsorted notes and maps (lists of tuples are welcome); adds unnamed parts where missing.

        >>> s = Score.build([(480, 480, 64, 80, 0, False, 0), (0, 480, 60, 80, 0, False, 0)], 480)
        >>> s.notes["pitch"].tolist(), s.bar_beat(480)
        ([60, 64], (0, 1.0))
        """
        notes = np.asarray(notes, dtype=NOTE)
        notes = notes[np.lexsort((notes["pitch"], notes["part"], notes["onset"]))]
        n_parts = int(notes["part"].max()) + 1 if len(notes) else 0
        if n_parts > len(parts):
            parts = (*parts, *(Part() for _ in range(n_parts - len(parts))))
        maps = (_sorted_map(tempo_map, TEMPO), _sorted_map(metre_map, METRE), _sorted_map(key_map, KEY))
        return cls(notes, int(ticks_per_quarter), *maps, tuple(parts))

    def __repr__(self) -> str:
        return f"Score({len(self.notes)} notes, {len(self.parts)} parts, {self.duration_s:.1f} s)"

    def with_notes(self, notes: np.ndarray) -> Score:
        """The same score with other notes (sorted again)."""
        order = np.lexsort((notes["pitch"], notes["part"], notes["onset"]))
        return replace(self, notes=notes[order])

    # ---- seconds -------------------------------------------------------------------------------------

    @property
    def end_tick(self) -> int:
        """Tick at which the last note ends."""
        return int((self.notes["onset"].astype(np.int64) + self.notes["duration"]).max()) if len(self.notes) else 0

    @property
    def duration_s(self) -> float:
        """Seconds from tick 0 to the end of the last note."""
        return float(self.seconds(self.end_tick))

    @cached_property
    def _tempo_line(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(tick, second, seconds a tick) of each tempo stretch, the first at tick 0."""
        tick, bpm = self.tempo_map["tick"].astype(np.float64), self.tempo_map["bpm"]
        if not len(tick) or tick[0] > 0:
            tick, bpm = np.r_[0.0, tick], np.r_[DEFAULT_BPM, bpm]
        slope = 60.0 / (bpm * self.ticks_per_quarter)
        second = np.r_[0.0, np.cumsum(np.diff(tick) * slope[:-1])]
        return tick, second, slope

    def seconds(self, ticks: np.ndarray | float) -> np.ndarray:
        """Ticks to seconds, float64 of the same shape."""
        tick, second, slope = self._tempo_line
        ticks = np.asarray(ticks, dtype=np.float64)
        i = np.clip(np.searchsorted(tick, ticks, side="right") - 1, 0, None)
        return second[i] + (ticks - tick[i]) * slope[i]

    def ticks(self, seconds: np.ndarray | float) -> np.ndarray:
        """Seconds to ticks, float64 of the same shape (inverse of :meth:`seconds`)."""
        tick, second, slope = self._tempo_line
        seconds = np.asarray(seconds, dtype=np.float64)
        i = np.clip(np.searchsorted(second, seconds, side="right") - 1, 0, None)
        return tick[i] + (seconds - second[i]) / slope[i]

    # ---- bars ----------------------------------------------------------------------------------------

    @cached_property
    def bar_lines(self) -> np.ndarray:
        """int64 [bars + 1]: tick of each bar's start, and of the end of the last bar. At least one bar."""
        return self._bars[0]

    @cached_property
    def bar_metres(self) -> np.ndarray:
        """int32 [bars, 2]: (numerator, denominator) in force at each bar's start."""
        return self._bars[1]

    @cached_property
    def _bars(self) -> tuple[np.ndarray, np.ndarray]:
        last = int(self.notes["onset"][-1]) if len(self.notes) else 0
        end = max(self.end_tick, last + 1)  # a last note of no length, on a bar line, has a bar
        changes = [(int(t), int(n), int(d)) for t, n, d in self.metre_map if t < end]
        if not changes or changes[0][0] > 0:
            changes.insert(0, (0, *DEFAULT_METRE))
        starts, metres = [], []
        for i, (tick, num, den) in enumerate(changes):
            stop = changes[i + 1][0] if i + 1 < len(changes) else end
            length = max(1.0, self.ticks_per_quarter * 4 * num / den)
            run = np.round(np.arange(tick, stop, length)).astype(np.int64)
            starts.append(run)
            metres.append(np.tile(np.array([[num, den]], np.int32), (len(run), 1)))
        last = starts[-1][-1] + round(max(1.0, self.ticks_per_quarter * 4 * changes[-1][1] / changes[-1][2]))
        return np.r_[np.concatenate(starts), last], np.concatenate(metres)

    @property
    def n_bars(self) -> int:
        """Number of bars up to the end of the last note."""
        return len(self.bar_lines) - 1

    def bars(self, ticks: np.ndarray | int) -> np.ndarray:
        """Ticks to bar numbers from 0, int64 of the same shape."""
        return np.clip(np.searchsorted(self.bar_lines, ticks, side="right") - 1, 0, self.n_bars - 1)

    def bar_beat(self, tick: int) -> tuple[int, float]:
        """Tick to (bar from 0, beat from 0 in units of the metre's denominator)."""
        bar = int(self.bars(tick))
        unit = self.ticks_per_quarter * 4 / int(self.bar_metres[bar][1])
        return bar, float((tick - self.bar_lines[bar]) / unit)


def _sorted_map(rows: np.ndarray | Sequence[tuple], dtype: np.dtype) -> np.ndarray:
    out = np.asarray(rows if len(rows) else [], dtype=dtype)
    return out[np.argsort(out["tick"], kind="stable")]
