"""How fast the beats of a recording come: an estimate, from where its spectrum grows.

The strength of onsets is how much the log-mel bands rise (Ellis 2007, "Beat tracking by dynamic programming", sections
3.1 and 3.2: onset envelope, autocorrelation, a log-normal preference). The envelope is compared with itself in windows
of twelve seconds; a lag counts with its multiples, at which a beat comes again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmbert.audio.mel import FRAMES_A_SECOND

_SLOWEST, _FASTEST = 40.0, 240.0  # beats a minute
_LIKELY, _WIDTH = 100.0, 0.9  # beats a minute that are preferred; octaves in which that falls by e^-.5
_WINDOW, _HOP = 12 * FRAMES_A_SECOND, 6 * FRAMES_A_SECOND
_LOCAL = FRAMES_A_SECOND  # frames over which an envelope's own mean is taken
_MULTIPLES = (1.0, 0.5, 0.3, 0.25)  # weights of a lag, and of two, three and four times it
_LEAST = 3 * FRAMES_A_SECOND


@dataclass(frozen=True)
class TempoEstimate:
    """A tempo.

    Attributes:
        bpm: Beats a minute.
        confidence: 0-1: how alike the recording is to itself a beat later.
    """

    bpm: float
    confidence: float


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
    if len(onsets) < _LEAST:
        return None
    kernel = np.ones(_LOCAL) / _LOCAL
    above = np.maximum(onsets - np.convolve(onsets, kernel, "same"), 0)
    size = min(_WINDOW, len(above))
    starts = range(0, len(above) - size + 1, _HOP)
    total = np.zeros(size)
    for window in (above[s : s + size] for s in starts):
        spectrum = np.fft.rfft(window - window.mean(), 2 * size)
        alike = np.fft.irfft(np.abs(spectrum) ** 2)[:size]
        if alike[0] > 1e-9:
            total += alike / alike[0] * size / np.arange(size, 0, -1)  # as many frames for every lag
    if not total.any():
        return None
    total /= len(starts)
    lags = 60 * FRAMES_A_SECOND / np.geomspace(_SLOWEST, _FASTEST, 600)
    at = np.arange(size)
    likeness = sum(w * np.interp(k * lags, at, total, right=0.0) for k, w in enumerate(_MULTIPLES, 1))
    bpm = 60 * FRAMES_A_SECOND / lags
    best = int((likeness * np.exp(-0.5 * (np.log2(bpm / _LIKELY) / _WIDTH) ** 2)).argmax())
    return TempoEstimate(float(bpm[best]), float(np.clip(np.interp(lags[best], at, total), 0, 1)))
