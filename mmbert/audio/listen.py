"""One run through a recording: spectra for the network, and what is counted on the way. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmbert.audio.chroma import Chroma, recording_key
from mmbert.audio.mel import FRAMES_A_SECOND, MELS, RATE, SEGMENT_S, LogMel
from mmbert.audio.resampled import resampled
from mmbert.audio.tempo import Onsets, TempoEstimate, estimate_tempo
from mmbert.symbolic.keys import KeyEstimate
from mmbert.types import Recording

PART_S = 60  # of sound that is handed over at a time
MOST_FRAMES = 2 * PART_S * FRAMES_A_SECOND  # of a part: what is left over goes with the last minute
_MANY_CLIPPED = 1e-3  # share of samples from which a person would hear it
_GATE_S = 0.4
_QUIETEST_DB, _GATE_DB = -70.0, -10.0  # ITU-R BS.1770-4, annex 1: gates of the loudness


@dataclass(frozen=True)
class SoundFacts:
    """What was counted in a run through a recording.

    Attributes:
        duration_s: Seconds.
        loudness_db: Mean power of what is not silent, in dB below full scale, gated as in ITU-R BS.1770 but without its
            filter for the ear.
        chroma: uint8 [n, 12], as :mod:`mmbert.audio.chroma` has it.
        key: Estimated from the chroma; None where nothing has a pitch.
        tempo: Estimated from the spectra; None where nothing begins in three seconds or more.
        flaws: What is wrong with the recording, in words.
    """

    duration_s: float
    loudness_db: float | None
    chroma: np.ndarray
    key: KeyEstimate | None
    tempo: TempoEstimate | None
    flaws: tuple[str, ...]


def count(recording: Recording) -> SoundFacts:
    """What there is to count in a recording that nobody hears.

    Raises:
        ItemError: it cannot be used.
        MissingExtraError: soxr is not installed.
    """
    listener = Listener(recording)
    for _ in listener.parts():
        pass
    return listener.facts()


class Listener:
    """One run through a recording.

    Args:
        recording: What is heard.

    >>> import math
    >>> tone = [np.sin(np.arange(8000) * 2 * math.pi * 440 / 8000).astype(np.float32)] * 3
    >>> class Tone(list):
    ...     flaw, clipped = "", 0
    >>> listener = Listener(Recording(8000, lambda: Tone(tone)))
    >>> [part.shape for part in listener.parts()], listener.facts().duration_s, round(listener.facts().loudness_db)
    ([(300, 128)], 3.0, -3)
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._samples = self._clipped = 0
        self._power: list[np.ndarray] = []  # of stretches of 0.4 s
        self._left = np.zeros(0, np.float32)
        self._flaw = ""
        self._chroma, self._onsets = Chroma(RATE), Onsets()

    def parts(self) -> Iterator[np.ndarray]:
        """Log-mel frames float16 [n, 128], a minute at a time; the last part is as long as what is left, or longer than
        a minute where that would be too short to be heard by itself.

        Raises:
            ItemError: the rest cannot be used.
            MissingExtraError: soxr is not installed.
        """
        whole, least = PART_S * FRAMES_A_SECOND, SEGMENT_S * FRAMES_A_SECOND
        waiting: list[np.ndarray] = []
        for frames in self._frames():
            self._onsets.feed(frames)
            waiting.append(frames.astype(np.float16))
            if sum(map(len, waiting)) >= whole + least:
                all_ = np.concatenate(waiting)
                yield all_[:whole]
                waiting = [all_[whole:]]
        yield np.concatenate(waiting or [np.zeros((0, MELS), np.float16)])

    def facts(self) -> SoundFacts:
        """What was counted; after all parts were taken."""
        duration = self._samples / self._recording.sample_rate
        flaws = [self._flaw] if self._flaw else []
        if self._clipped > _MANY_CLIPPED * self._samples:
            flaws.append(f"is clipped in {100 * self._clipped / self._samples:.2g} % of its samples")
        chroma, tempo = self._chroma.finish(), estimate_tempo(self._onsets.finish())
        return SoundFacts(duration, self._loudness(), chroma, recording_key(chroma), tempo, tuple(flaws))

    def _frames(self) -> Iterator[np.ndarray]:
        mel = LogMel()
        for block in self._resampled():
            self._measure(block)
            self._chroma.feed(block)
            yield mel.feed(block)
        yield mel.finish()

    def _resampled(self) -> Iterator[np.ndarray]:
        """Blocks, float32 [n], at 32 kHz."""
        sound = self._recording.sound()
        for block, there in resampled(sound, self._recording.sample_rate, RATE):
            self._samples += len(block)
            yield there
        self._flaw, self._clipped = sound.flaw, sound.clipped

    def _measure(self, block: np.ndarray) -> None:
        some = np.concatenate([self._left, block])
        size = int(_GATE_S * RATE)
        whole = len(some) // size
        self._left = some[whole * size :]
        if whole:
            stretches = some[: whole * size].reshape(whole, size)
            self._power.append(stretches.var(axis=1, dtype=np.float64))

    def _loudness(self) -> float | None:
        power = np.concatenate(self._power) if self._power else np.array([float(self._left.var())])
        power = power[power > 10 ** (_QUIETEST_DB / 10)]
        if not len(power):
            return None
        power = power[power >= power.mean() * 10 ** (_GATE_DB / 10)]
        return round(float(10 * np.log10(power.mean())), 1)
