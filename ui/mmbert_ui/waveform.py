"""How loud a recording is over its length, for a small picture of it.

Bounded: where it plays for hours, it is looked at here and there; a file that is damaged is read as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmbert.audio.mel import FRAMES_A_SECOND, power
from mmbert.items.sound_stream import SoundStream

COLUMNS = 600
LISTENED_S = 1.0  # of a column, at most: ten minutes of sound in all
LOUDEST = 100


@dataclass(frozen=True)
class Waveform:
    """A recording as a picture shows it.

    Attributes:
        peaks: 0 to :data:`LOUDEST`, relative to the loudest; each stands for an equal part of the length.
        duration_s: Seconds.
    """

    peaks: tuple[int, ...]
    duration_s: float

    def to_json(self) -> dict[str, Any]:
        """``{peaks, duration_s}``."""
        return {"peaks": list(self.peaks), "duration_s": round(self.duration_s, 3)}


def waveform(sound: SoundStream, duration_s: float) -> Waveform:
    """Peaks of a recording, read in blocks of a second at most.

    Args:
        sound: From its beginning.
        duration_s: Seconds of it that can be decoded.
    """
    total = max(1, round(duration_s * sound.sample_rate))
    edges = np.linspace(0, total, COLUMNS + 1).astype(np.int64)
    most = int(LISTENED_S * sound.sample_rate)
    found = np.zeros(COLUMNS)
    for i, (start, stop) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        if stop == start:  # of less samples than there are columns
            found[i] = found[i - 1] if i else 0.0
            continue
        found[i] = np.abs(np.nan_to_num(sound.samples(start, min(stop - start, most)))).max(initial=0.0)
    return Waveform(_relative(found), duration_s)


class Envelope:
    """The same of sound that comes as spectra: of a dropped recording, whose file is not kept."""

    def __init__(self) -> None:
        self._levels: list[np.ndarray] = []

    def feed(self, mel: np.ndarray) -> None:
        """Log-mel frames float [n, 128] that follow the last ones."""
        self._levels.append(np.sqrt(power(mel)))

    @property
    def seconds(self) -> float:
        """So far."""
        return sum(map(len, self._levels)) / FRAMES_A_SECOND

    def finish(self) -> Waveform:
        """The picture of all that came."""
        levels = np.concatenate([np.zeros(0, np.float32), *self._levels])
        if not len(levels):
            return Waveform((), 0.0)
        edges = np.linspace(0, len(levels), min(COLUMNS, len(levels)) + 1).astype(np.int64)
        return Waveform(_relative(np.maximum.reduceat(levels, edges[:-1])), self.seconds)


def _relative(levels: np.ndarray) -> tuple[int, ...]:
    return tuple(np.round(LOUDEST * levels / max(float(levels.max(initial=0.0)), 1e-9)).astype(int).tolist())
