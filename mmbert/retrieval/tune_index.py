"""The melodies of a library as plain columns, and a tune that is looked for in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmbert.symbolic.tune_line import TUNE_NOTE

LONGEST = 16  # notes that are compared at once
MARGIN = LONGEST + 4  # places before the first and behind the last note that a comparison may look at
NO_PITCH = -128


@dataclass(frozen=True, eq=False)
class Tune:
    """A tune that is looked for.

    Attributes:
        pitch: MIDI pitches, int16 [m].
        onset: When each note begins, in quarter notes of any length, float64 [m], rising; None where only pitches are
            known.
        notice: What the person should know of how it was read, in sentences; mostly empty.
    """

    pitch: np.ndarray
    onset: np.ndarray | None = None
    notice: str = ""

    def __len__(self) -> int:
        return len(self.pitch)

    @classmethod
    def of(cls, line: np.ndarray, notice: str = "") -> Tune:
        """The tune of a melody, ``TUNE_NOTE`` [m]."""
        return cls(line["pitch"].astype(np.int16), line["onset"].astype(np.float64), notice)

    def part(self, start: int, end: int) -> Tune:
        """Its notes from ``start`` up to ``end``."""
        return Tune(self.pitch[start:end], None if self.onset is None else self.onset[start:end])


class TuneIndex:
    """Melodies one after the other; read only, and safe to use from several threads.

    Args:
        lengths: Notes of each piece's melody, int [n]; 0 where a piece has none.
        notes: All of them, ``TUNE_NOTE`` [N], in order of piece.
    """

    def __init__(self, lengths: np.ndarray, notes: np.ndarray) -> None:
        self.start = np.r_[0, np.cumsum(lengths)].astype(np.int64)
        if self.start[-1] != len(notes):
            raise ValueError(f"lengths: sum to {self.start[-1]}, there are {len(notes)} notes")
        self.notes = notes
        # Signed bytes: intervals are compared a whole block at a time, as many to a vector register as it has bytes.
        self.pitch = np.full(len(notes) + 2 * MARGIN, NO_PITCH, np.int8)
        self.pitch[MARGIN : MARGIN + len(notes)] = notes["pitch"]
        self.onset = np.ascontiguousarray(notes["onset"], np.float32)

    @classmethod
    def of(cls, lines: Sequence[np.ndarray]) -> TuneIndex:
        """An index of some melodies, ``TUNE_NOTE`` [n] each."""
        notes = np.concatenate([np.zeros(0, TUNE_NOTE), *lines])
        return cls(np.array([len(line) for line in lines], np.int64), notes)

    def __len__(self) -> int:
        """Pieces."""
        return len(self.start) - 1

    @property
    def n_notes(self) -> int:
        """Notes of all melodies."""
        return len(self.notes)

    @cached_property
    def piece(self) -> np.ndarray:
        """Of each note the piece that it belongs to, int32 [N]."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))
