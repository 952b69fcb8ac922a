"""Notes that are played are found: which, when, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mmbert.audio.transcribe import leading, transcribe
from mmbert.symbolic.tune_line import tune_line
from mmbert.types import Recording

pytest.importorskip("onnxruntime")
RATE = 22_050


class Played:
    """Notes one after the other, or at once, of a plucked string's kind."""

    flaw, clipped = "", 0

    def __init__(self, *chords: tuple[tuple[int, ...], float], rate: int = RATE) -> None:
        self._chords, self._rate = chords, rate

    def __iter__(self) -> Iterator[np.ndarray]:
        for pitches, seconds in self._chords:
            t = np.arange(int(seconds * self._rate)) / self._rate
            hz = [440 * 2 ** ((p - 69) / 12) for p in pitches]
            tones = [np.sin(2 * np.pi * f * k * t) / k for f in hz for k in range(1, 7)]
            yield (0.15 * sum(tones) * np.exp(-1.5 * t) if tones else 0 * t).astype(np.float32)


def recording(*chords: tuple[tuple[int, ...], float], rate: int = RATE) -> Recording:
    return Recording(rate, lambda: Played(*chords, rate=rate))


@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_a_tune(rate):
    pitches = [62, 66, 69, 74, 71, 69, 66, 64, 62]
    score = transcribe(recording(*(((p,), 0.5) for p in pitches), rate=rate))
    score = leading(score)
    assert tune_line(score)["pitch"].tolist() == pitches
    onsets = score.seconds(score.notes["onset"])
    assert np.abs(onsets - 0.5 * np.arange(len(pitches))).max() < 0.08


def test_a_triad_after_a_rest():
    score = transcribe(recording(((), 2.5), ((60, 64, 67), 1.5)))
    loudest = score.notes[np.argsort(-score.notes["velocity"].astype(int))[:3]]
    assert sorted(loudest["pitch"].tolist()) == [60, 64, 67]
    assert score.seconds(loudest["onset"]) == pytest.approx([2.5] * 3, abs=0.08)


def test_no_notes():
    assert len(transcribe(recording(((), 3.0))).notes) == 0
    assert len(transcribe(recording(((60,), 0.01))).notes) == 0
