"""Log-mel spectra as mn04 was trained on, from sound that comes in blocks. No torch: a reading process makes them.

Schmid, Koutini & Widmer 2023, "Efficient large-scale audio tagging", and their EfficientAT code: 32 kHz, pre-emphasis,
128 Kaldi mel bands up to 15 kHz, a hundred frames a second.
"""

from __future__ import annotations

from functools import cache

import numpy as np

RATE = 32_000  # Hz
FRAMES_A_SECOND = 100
MELS = 128
SEGMENT_S = 10  # that mn04 was trained on, and hears at a time
_FFT, _WINDOW, _HOP = 1024, 800, 320
_EMPHASIS, _TOP = 0.97, 15_000.0
_OFFSET, _SHIFT, _SCALE = 1e-5, 4.5, 5.0
SILENT = float((np.log(_OFFSET) + _SHIFT) / _SCALE)  # what a frame without sound holds


class LogMel:
    """Spectra of one recording.

    >>> mel = LogMel()
    >>> mel.feed(np.zeros(RATE, np.float32)).shape, mel.finish().shape
    ((99, 128), (1, 128))
    """

    def __init__(self) -> None:
        self._left = np.zeros(0, np.float32)  # pre-emphasised, from the first sample of the next frame on
        self._last: np.ndarray = np.zeros(0, np.float32)  # the sample that pre-emphasis waits with
        self._begun = False

    def feed(self, block: np.ndarray) -> np.ndarray:
        """Frames that are complete, float32 [n, 128].

        Args:
            block: float32 [samples], mono at :data:`RATE`, following the last one.
        """
        x = np.concatenate([self._last, block])
        if not len(x):
            return np.zeros((0, MELS), np.float32)
        self._last = x[-1:]
        y = np.concatenate([self._left, x[1:] - np.float32(_EMPHASIS) * x[:-1]])
        if not self._begun:
            if len(y) <= _FFT // 2:  # too little to be mirrored
                self._left = y
                return np.zeros((0, MELS), np.float32)
            y, self._begun = np.concatenate([y[_FFT // 2 : 0 : -1], y]), True
        return self._frames(y)

    def finish(self) -> np.ndarray:
        """The frames that reach beyond the end, float32 [n, 128]; the end is mirrored there, as the beginning is."""
        y = self._left
        half = _FFT // 2
        if not self._begun:  # shorter than half a frame
            if not len(y):
                return np.zeros((0, MELS), np.float32)
            y = np.pad(y, half, mode="reflect" if len(y) > half else "symmetric")
        else:
            y = np.concatenate([y, y[-2 : -2 - half : -1]])
        return self._frames(y)

    def _frames(self, y: np.ndarray) -> np.ndarray:
        n = max(0, (len(y) - _FFT) // _HOP + 1)
        self._left = y[n * _HOP :]
        if not n:
            return np.zeros((0, MELS), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(y, _FFT)[: (n - 1) * _HOP + 1 : _HOP]
        inside = slice((_FFT - _WINDOW) // 2, (_FFT + _WINDOW) // 2)
        windowed = np.zeros((n, _FFT), np.float32)
        np.multiply(frames[:, inside], _hann(), out=windowed[:, inside])
        spectrum = np.fft.rfft(windowed)
        power = spectrum.real**2 + spectrum.imag**2
        return (np.log(power @ _mel_basis() + np.float32(_OFFSET)) + np.float32(_SHIFT)) / np.float32(_SCALE)


def power(mel: np.ndarray) -> np.ndarray:
    """Power of frames, float [n, 128], over all bands: float32 [n].

    >>> power(np.full((1, MELS), SILENT, np.float32)).round(6).tolist()
    [0.0]
    """
    each = np.exp(np.asarray(mel, np.float32) * np.float32(_SCALE) - np.float32(_SHIFT)) - np.float32(_OFFSET)
    return np.maximum(each.sum(axis=1), np.float32(0))


@cache
def _hann() -> np.ndarray:
    return np.hanning(_WINDOW).astype(np.float32)


@cache
def _mel_basis() -> np.ndarray:
    """Triangles that are equally wide on Kaldi's mel scale (1127 ln(1 + f / 700)), float32 [513, 128]."""
    mel = 1127.0 * np.log(1.0 + np.arange(_FFT // 2) * (RATE / _FFT) / 700.0)
    corners = np.linspace(0.0, 1127.0 * np.log(1.0 + _TOP / 700.0), MELS + 2)
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (mel[:, None] - low) / (centre - low)
    falling = (high - mel[:, None]) / (high - centre)
    return np.pad(np.maximum(0.0, np.minimum(rising, falling)), ((0, 1), (0, 0))).astype(np.float32)
