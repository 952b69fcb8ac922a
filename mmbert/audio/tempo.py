"""How fast the beats of a recording come: an estimate, from where its spectrum grows.

The strength of onsets is how much the log-mel bands rise (Ellis 2007, "Beat tracking by dynamic programming", sections
3.1 and 3.2: onset envelope, autocorrelation, a log-normal preference). The envelope is compared with itself in windows
of twelve seconds; a lag counts with its multiples, at which a beat comes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmbert.audio.mel import FRAMES_A_SECOND

_SLOWEST, _FASTEST = 40.0, 240.0  # beats a minute
_LIKELY, _WIDTH = 100.0, 0.9  # beats a minute that are preferred; octaves in which that falls by e^-.5
_WINDOW, _HOP = 12 * FRAMES_A_SECOND, 6 * FRAMES_A_SECOND
_LOCAL = FRAMES_A_SECOND  # frames over which an envelope's own mean is taken
_MULTIPLES = (1.0, 0.5, 0.3, 0.25)  # weights of a lag, and of two, three and four times it
_LEAST = 3 * FRAMES_A_SECOND
_DOUBLE = 2 * 2 ** np.linspace(-0.05, 0.05, 5)  # times a tempo: near twice it
_SAME = 0.04  # of a tempo
# Of one and of each figure of `compared`: `python -m mmbert_training.tempo_confidence WORK`.
_CONFIDENCE = np.array([-4.04, 3.58, 3.29])


@dataclass(frozen=True)
class TempoEstimate:
    """A tempo.

    Attributes:
        bpm: Beats a minute.
        confidence: 0-1: how likely it is to be the tempo that a score would state, and not a multiple of it or another.
    """

    bpm: float
    confidence: float


class Compared(NamedTuple):
    """What the onsets of a recording say of its tempo.

    Attributes:
        bpm: Beats a minute.
        figures: float64 [2], what a confidence is a sum of: the share of windows whose own tempo it is, and how strong
            twice the tempo is, of 1 as the tempo itself. A beat is divided: where nothing comes twice as often, what
            was counted is likely to be the division.
    """

    bpm: float
    figures: np.ndarray


class Onsets:
    """Strength of onsets, from log-mel frames that come in blocks."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._rises: list[np.ndarray] = []

    def feed(self, mel: np.ndarray) -> None:
        """Take the next frames of :class:`mmbert.audio.mel.LogMel`, float32 [n, 128]."""
        if not len(mel):
            return
        before = mel[:1] if self._last is None else self._last
        self._rises.append(np.maximum(np.diff(np.concatenate([before, mel]), axis=0), 0).mean(axis=1))
        self._last = mel[-1:]

    def finish(self) -> np.ndarray:
        """Of all frames, float32 [n]."""
        return np.concatenate([np.zeros(0, np.float32), *self._rises])


def estimate_tempo(onsets: np.ndarray) -> TempoEstimate | None:
    """The tempo of most of a recording; None where it is shorter than three seconds or nothing begins in it.

    Args:
        onsets: Of :class:`Onsets`, float32 [n], a hundred a second.

    >>> clicks = np.zeros(1000, np.float32)
    >>> clicks[::60] = 1
    >>> round(estimate_tempo(clicks).bpm)
    100
    """
    if (found := compared(onsets)) is None:
        return None
    return TempoEstimate(found.bpm, float(1 / (1 + np.exp(-(_CONFIDENCE[0] + found.figures @ _CONFIDENCE[1:])))))


def compared(onsets: np.ndarray) -> Compared | None:
    """An envelope compared with itself; None as of :func:`estimate_tempo`."""
    if len(onsets) < _LEAST:
        return None
    kernel = np.ones(_LOCAL) / _LOCAL
    above = np.maximum(onsets - np.convolve(onsets, kernel, "same"), 0)
    size = min(_WINDOW, len(above))
    windows = []
    for start in range(0, len(above) - size + 1, _HOP):
        window = above[start : start + size]
        spectrum = np.fft.rfft(window - window.mean(), 2 * size)
        alike = np.fft.irfft(np.abs(spectrum) ** 2)[:size]
        if alike[0] > 1e-9:
            windows.append(alike / alike[0] * size / np.arange(size, 0, -1))  # as many frames for every lag
    if not windows:
        return None
    total = np.mean(windows, axis=0)
    tempos = np.geomspace(_SLOWEST, _FASTEST, 600)
    strength = _strength(total, tempos)
    best = int(strength.argmax())
    bpm = float(tempos[best])
    own = tempos[[int(_strength(window, tempos).argmax()) for window in windows]]
    double = _strength(total, bpm * _DOUBLE).max() / max(strength[best], 1e-9)
    return Compared(bpm, np.array([np.mean(np.abs(own / bpm - 1) < _SAME), np.clip(double, 0, 1)]))


def _strength(alike: np.ndarray, bpm: np.ndarray) -> np.ndarray:
    """How strong tempos are, float64 of the shape of ``bpm``, by how alike sound is to itself so many frames later."""
    lags, at = 60 * FRAMES_A_SECOND / bpm, np.arange(len(alike))
    likeness = sum(w * np.interp(k * lags, at, alike, right=0.0) for k, w in enumerate(_MULTIPLES, 1))
    return likeness * np.exp(-0.5 * (np.log2(bpm / _LIKELY) / _WIDTH) ** 2)
