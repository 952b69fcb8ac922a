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
_RIVALS, _NEAR = (2, 3, 1 / 2, 1 / 3), 0.12  # times a tempo; octaves beside one that count as the same
# Of nought and of each figure of `compared`: `python -m mmbert_training.tempo_confidence WORK`.
_CONFIDENCE = np.array([0.0, 0.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class TempoEstimate:
    """A tempo.

    Attributes:
        bpm: Beats a minute.
        confidence: 0-1: how likely it is to be the tempo that a score would state, and not a multiple of it or another.
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
    if (found := compared(onsets)) is None:
        return None
    bpm, figures = found
    return TempoEstimate(bpm, float(1 / (1 + np.exp(-(_CONFIDENCE[0] + figures @ _CONFIDENCE[1:])))))


def compared(onsets: np.ndarray) -> tuple[float, np.ndarray] | None:
    """The tempo, and the figures that its confidence is a sum of; None as of :func:`estimate_tempo`.

    Returns:
        Beats a minute, and float64 [4]: how alike the recording is to itself a beat later, 0-1; by what share of itself
        the chosen tempo is ahead of the best near two or three times it or a half or third of it, and of the best of
        all others; how far it is from the preferred tempo, in octaves.
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
    weighed = likeness * np.exp(-0.5 * (np.log2(bpm / _LIKELY) / _WIDTH) ** 2)
    best = int(weighed.argmax())
    octaves = np.log2(bpm / bpm[best])
    multiple = (np.abs(octaves[:, None] - np.log2(_RIVALS)) < _NEAR).any(axis=1)
    own = np.abs(octaves) < _NEAR
    ahead = [1 - weighed[rivals].max(initial=0.0) / weighed[best] for rivals in (multiple, ~multiple & ~own)]
    regular = float(np.clip(np.interp(lags[best], at, total), 0, 1))
    return float(bpm[best]), np.array([regular, *ahead, abs(np.log2(bpm[best] / _LIKELY))])
