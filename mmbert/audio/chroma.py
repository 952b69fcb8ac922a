"""Chroma sequences: which of the twelve pitch classes sound, two and a half times a second, in recordings and scores.

Both are made to the same form, so that a recording finds the score of the same notes (Müller 2015, "Fundamentals of
Music Processing", sections 3.1 and 7.2). NumPy alone. This is the one place for the rate of frames, for what becomes of
strengths (square root, then unit length), and for how frames are stored: a byte a pitch class, ``255 x`` strength, 30
bytes a second. Where frames are compared, a frame's mean is removed (:func:`comparable`): what says nothing of pitch,
such as a drum, is then nearly nothing.

Of a recording the peaks of a spectrum of half a second count, each at its interpolated frequency; how far the recording
as a whole lies beside A4 = 440 Hz is estimated from them, and removed.
"""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.keys import KeyEstimate, estimate_key_of_strengths
from mmbert.symbolic.score import Score

FRAMES_A_SECOND = 2.5
SCALE = 255.0  # a stored byte for each unit of a frame's strength
_WINDOW_S, _HOPS = 0.5, 2  # of a spectrum; spectra a frame
_LOW, _HIGH = 55.0, 4200.0  # Hz: A1 to C8
_FINE = 5  # parts of a semitone that are kept apart until the tuning is known
_AGREEMENT = 0.15  # how far peaks have to agree on a tuning for it to be believed, of 1
_OPENING_S = 8.0  # that tells of the key more than the rest
_QUIET = 1e-3  # frames so far below the loudest are silent
_POWER, _PEAK = 1.0, 0.01  # of a peak's magnitude; peaks so far below the strongest of a spectrum count
_CORE = 0.6  # semitones beside a pitch at which nothing belongs to it
_ROUNDING = 1e-6  # parts of a frame that sums of long pieces may be wrong by
_HALVED_FROM = 32_000  # Hz
# Halves the rate: -1 dB at 4.2 kHz, -23 dB at what would be heard as 4.2 kHz, which music has little of.
_HALF_BAND = tuple(np.float32(tap / 32) for tap in (-1, 0, 9, 16, 9, 0, -1))
_OVERTONES = (1.0, 0.3, 0.15)  # strength of a note's own pitch class, of its third and of its fifth partial


def comparable(frames: np.ndarray) -> np.ndarray:
    """Stored frames as they are compared: float32 [n, 12], of at most unit length, the mean of each frame removed."""
    x = frames.astype(np.float32) / np.float32(SCALE)
    return x - x.mean(axis=1, keepdims=True)


def stored(strength: np.ndarray) -> np.ndarray:
    """Strengths [n, 12] that are not below 0, as they are stored: square root, unit length, uint8 [n, 12].

    >>> stored(np.array([[9.0, 16.0] + [0.0] * 10, [0.0] * 12])).tolist()[0][:3]
    [153, 204, 0]
    """
    root = np.sqrt(strength)
    length = np.linalg.norm(root, axis=1, keepdims=True)
    return np.rint(SCALE * root / np.where(length > 0, length, 1)).astype(np.uint8)


def recording_key(frames: np.ndarray) -> KeyEstimate | None:
    """The key of most of a recording, an estimate; None where nothing has a pitch.

    Args:
        frames: Stored frames, uint8 [n, 12].
    """
    opening = round(_OPENING_S * FRAMES_A_SECOND)
    return estimate_key_of_strengths((frames.astype(np.float32) / np.float32(SCALE)) ** 2, opening)


class Chroma:
    """The frames of one recording, from sound that comes in blocks.

    Args:
        rate: Hz of the blocks; from 16,000 on all of the spectrum that counts is there. What comes at twice that or
            more is halved first, which takes half of the time.

    >>> chroma = Chroma(16_000)
    >>> chroma.feed(np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000).astype(np.float32))
    >>> frames = chroma.finish()
    >>> frames.shape, frames.argmax(axis=1).tolist()
    ((3, 12), [9, 9, 9])
    """

    def __init__(self, rate: int) -> None:
        self._fed_rate, self._halves = rate, rate >= _HALVED_FROM
        self._rate = rate / 2 if self._halves else rate
        self._tail = np.zeros(len(_HALF_BAND) // 2, np.float32)  # of the last blocks, for the filter
        self._size = round(_WINDOW_S * self._rate)
        self._window = np.hanning(self._size + 1)[:-1].astype(np.float32)
        low, high = round(_LOW * _WINDOW_S), min(round(_HIGH * _WINDOW_S), self._size // 2 - 2)
        self._bins = slice(low - 1, high + 2)
        self._fed, self._spectra = 0, 0  # samples, spectra so far
        self._left = np.zeros(self._size // 2, np.float32)  # sound from the beginning of the next spectrum on
        self._from = -(self._size // 2)  # where that is
        self._fine: list[np.ndarray] = []
        self._tuning = 0j
        self._weight = 0.0

    def feed(self, block: np.ndarray) -> None:
        """Take the next samples, float32 [samples], mono, of any number."""
        self._fed += len(block)
        self._left = np.concatenate([self._left, self._halved(block) if self._halves else block])
        self._read()

    def finish(self) -> np.ndarray:
        """Frames of all that was fed, uint8 [n, 12]; the last may be of less than a whole frame's sound.

        A frame in silence is 0.
        """
        n = -(-self._fed * FRAMES_A_SECOND // self._fed_rate)
        if self._halves:
            self._left = np.concatenate([self._left, self._halved(np.zeros(len(_HALF_BAND), np.float32))])
        self._left = np.pad(self._left, (0, self._size + round(self._rate)))
        self._read(int(n) * _HOPS)
        fine = np.concatenate([np.zeros((0, 12 * _FINE), np.float32), *self._fine])[: int(n) * _HOPS]
        fine = fine.reshape(-1, _HOPS, 12 * _FINE).sum(axis=1)
        loud = fine.sum(axis=1)
        fine[loud <= _QUIET * loud.max(initial=0.0)] = 0
        return stored(fine @ self._folding())

    def _halved(self, block: np.ndarray) -> np.ndarray:
        """Every second sample, what is too high for that taken out before."""
        x = np.concatenate([self._tail, block])
        n = max(0, (len(x) - len(_HALF_BAND)) // 2 + 1)
        self._tail = x[2 * n :]
        every = (x[tap : tap + 2 * n : 2] for tap in range(len(_HALF_BAND)))
        return sum((weight * part for weight, part in zip(_HALF_BAND, every) if weight), np.zeros(n, np.float32))

    def _read(self, most: int | None = None) -> None:
        """All spectra whose sound is there."""
        at: list[int] = []
        while (most is None or self._spectra < most) and self._start() + self._size <= self._from + len(self._left):
            at.append(self._start() - self._from)
            self._spectra += 1
        for low in range(0, len(at), 64):
            frames = np.stack([self._left[i : i + self._size] for i in at[low : low + 64]])
            self._fine.append(self._peaks(np.abs(np.fft.rfft(frames * self._window)[:, self._bins])))
        begin = self._start()
        if begin > self._from:
            self._left, self._from = self._left[begin - self._from :], begin

    def _start(self) -> int:
        """First sample of the next spectrum: its middle is the middle of its part of a frame."""
        return round((self._spectra + 0.5) * self._rate / (FRAMES_A_SECOND * _HOPS)) - self._size // 2

    def _peaks(self, x: np.ndarray) -> np.ndarray:
        """Strength at each fine part of the octave: float32 [spectra, 60]."""
        left, here, right = x[:, :-2], x[:, 1:-1], x[:, 2:]
        frame, place = np.nonzero((here > left) & (here >= right) & (here > _PEAK * here.max(axis=1, keepdims=True)))
        a, b, c = (np.log(part[frame, place] + np.float32(1e-9)) for part in (left, here, right))
        beside = 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-6)
        hz = (self._bins.start + 1 + place + beside) / _WINDOW_S
        semitone = 12 * np.log2(hz / 440.0) + 9
        weight = here[frame, place] ** _POWER
        self._tuning += complex(np.sum(weight * np.exp(2j * np.pi * semitone)))
        self._weight += float(weight.sum())
        fine = np.rint(semitone * _FINE).astype(np.int64) % (12 * _FINE)
        flat = np.bincount(frame * 12 * _FINE + fine, weight, len(x) * 12 * _FINE)
        return flat.reshape(len(x), 12 * _FINE).astype(np.float32)

    def _folding(self) -> np.ndarray:
        """What of each fine part belongs to each pitch class, float32 [60, 12]."""
        agree = abs(self._tuning) > _AGREEMENT * self._weight
        tuning = np.angle(self._tuning) / (2 * np.pi) if agree else 0.0
        away = np.arange(12 * _FINE)[:, None] / _FINE - tuning - np.arange(12)
        away = (away + 6) % 12 - 6
        return np.clip(2 * (_CORE - np.abs(away)), 0, 1).astype(np.float32)


def score_chroma(score: Score) -> np.ndarray:
    """Frames of a score at its tempo, uint8 [n, 12]; drums are left out.

    A frame's strengths are the seconds for which each pitch class sounds in it, times its notes' overtones.
    """
    notes = score.notes[~score.notes["is_drum"]]
    n = int(np.ceil(score.duration_s * FRAMES_A_SECOND))
    if not len(notes):
        return np.zeros((n, 12), np.uint8)
    onset = score.seconds(notes["onset"]) * FRAMES_A_SECOND
    end = score.seconds(notes["onset"].astype(np.int64) + notes["duration"]) * FRAMES_A_SECOND
    row = notes["pitch"].astype(np.int64) % 12 * (n + 1)
    total = np.zeros(12 * (n + 1))
    for time, sign in ((onset, 1.0), (end, -1.0)):
        # Sounded up to the edge e: the sum of e - time over all times before it.
        edge = row + np.minimum(np.ceil(time), n).astype(np.int64)
        count = np.bincount(edge, minlength=len(total)).reshape(12, n + 1)
        first = np.bincount(edge, np.minimum(time, n), len(total)).reshape(12, n + 1)
        total += sign * (np.cumsum(count, axis=1) * np.arange(n + 1) - np.cumsum(first, axis=1)).ravel()
    sounding = np.diff(total.reshape(12, n + 1), axis=1).T
    sounding[sounding < _ROUNDING] = 0
    spread = sum(s * np.roll(np.eye(12), up, axis=1) for s, up in zip(_OVERTONES, (0, 7, 4)))
    return stored(sounding @ spread)
