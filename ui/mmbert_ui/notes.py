"""The notes of one piece in milliseconds: what the rolls draw and what the player plays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mmbert.symbolic.instruments import DRUMS, name_of
from mmbert.symbolic.score import NOTE, Part, Score

NOTES_SHOWN = 40_000  # a roll of a thousand pixels shows no more
BARS_SHOWN = 4_000


@dataclass(frozen=True, eq=False)
class Playable:
    """Notes of a piece in real time.

    Attributes:
        notes: :data:`mmbert.symbolic.score.NOTE` [n], onset and duration in milliseconds.
        parts: One a part; the names that the page shows are :attr:`part_names`.
        duration_s: Seconds to the end of the last note.
        bars_ms: int64 [bars]: where bars begin; empty where the file has none.
    """

    notes: np.ndarray
    parts: tuple[Part, ...]
    duration_s: float
    bars_ms: np.ndarray

    @classmethod
    def of(cls, score: Score) -> Playable:
        """A score on the clock.

        >>> p = Playable.of(Score.build([(480, 480, 64, 80, 0, False, 0)], 480))
        >>> p.onset_ms.tolist(), p.duration_ms.tolist(), p.duration_s
        ([500], [500], 1.0)
        """
        notes = score.notes.copy()
        ends = score.notes["onset"].astype(np.int64) + score.notes["duration"]
        onset = np.round(score.seconds(score.notes["onset"]) * 1000)
        notes["onset"] = onset
        notes["duration"] = np.maximum(1, np.round(score.seconds(ends) * 1000) - onset)
        lines = score.bar_lines[:-1] if len(score.metre_map) else score.bar_lines[:0]
        bars = np.round(score.seconds(lines) * 1000).astype(np.int64)
        return cls(notes, score.parts, score.duration_s, bars)

    @property
    def onset_ms(self) -> np.ndarray:
        """int32 [n]."""
        return self.notes["onset"]

    @property
    def duration_ms(self) -> np.ndarray:
        """int32 [n], at least 1."""
        return self.notes["duration"]

    @property
    def part_names(self) -> list[str]:
        """What each part is called: its own name, else its instrument's."""
        return [p.name or (DRUMS if p.is_drum else name_of(p.program)) for p in self.parts]

    def to_json(self) -> dict[str, Any]:
        """``{notes: [[start_ms, dur_ms, pitch, part] ...], parts, duration_s, bars, drums}``, whole numbers."""
        shown = self.notes[:NOTES_SHOWN]
        rows = np.stack([shown[name].astype(np.int64) for name in ("onset", "duration", "pitch", "part")], axis=1)
        return {
            "notes": rows.tolist(),
            "parts": self.part_names,
            "drums": [i for i, p in enumerate(self.parts) if p.is_drum],
            "duration_s": round(self.duration_s, 3),
            "bars": self.bars_ms[:BARS_SHOWN].tolist(),
        }

    @cached_property
    def gain(self) -> float:
        """Factor that brings the renderer's quiet sound to an even loudness over pieces.

        The power of what sounds at once is about the sum of squared velocities (a synthesizer's amplitude grows
        with the square of the velocity), taken where the piece is at its fullest.
        """
        if not len(self.notes):
            return 1.0
        step = 250
        velocity = (self.notes["velocity"].astype(np.float64) / 100) ** 4
        first = self.onset_ms // step
        power = np.zeros(int(first.max()) + 2)
        np.add.at(power, first, velocity)
        lasting = np.minimum(self.duration_ms // step, 8)
        for later in range(1, int(lasting.max()) + 1):
            held = lasting >= later
            at = np.minimum(first[held] + later, len(power) - 1)
            np.add.at(power, at, velocity[held])
        full = float(np.quantile(power[power > 0], 0.95))
        return float(np.clip(9.0 / np.sqrt(full), 1.0, 24.0))

    def excerpt(self, rows: np.ndarray, begin_ms: int, tail_ms: int) -> bytes:
        """Some of the notes as a MIDI file whose time 0 is ``begin_ms``, with silence behind the last of them."""
        from mmbert.items import write_midi

        notes = self.notes[rows]
        notes["onset"] -= begin_ms
        end = int((notes["onset"] + notes["duration"]).max()) + tail_ms if len(notes) else tail_ms
        # A renderer stops at the last event. No drum kit has a sound on key 0: this note is silence.
        notes = np.append(notes, np.array([(end, 1, 0, 1, 0, True, 0)], NOTE))
        # One part a sound, not one a voice: MIDI has 15 channels for all but drums.
        sounds, notes["part"] = np.unique(np.where(notes["is_drum"], 128, notes["program"]), return_inverse=True)
        parts = tuple(Part("", s % 128, s == 128) for s in sounds.tolist())
        # 500 ticks a quarter at the 120 bpm of a file without tempo: one tick is one millisecond.
        score = Score.build(notes, 500, parts=parts)
        return write_midi(score, {})
