"""Notes that are played are found: which, when, and for how long."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.audio.transcribe import leading, transcribe
from mmbert.symbolic.score import Score
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


def test_a_recording_that_goes_on_is_said_to(monkeypatch):
    monkeypatch.setattr("mmbert.audio.transcribe.LONGEST_S", 3)
    monkeypatch.setattr("mmbert.audio.transcribe._MOST_SAMPLES", 4 * RATE)
    for seconds, goes_on in ((3.0, False), (3.6, False), (6.0, True)):
        pitches = (62, 66, 69, 74, 71, 69, 66, 64, 62, 60)[: round(seconds / 0.6)]
        score = transcribe(recording(*(((p,), 0.6) for p in pitches)))
        assert score.goes_on is leading(score).goes_on is goes_on
        assert 2.4 < score.duration_s < 3.1


notes = st.tuples(
    st.integers(0, 4000), st.integers(1, 3000), st.integers(40, 90), st.integers(1, 127),
    st.just(0), st.just(False), st.just(0),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(notes, max_size=40), st.integers(1, 8))
def test_a_note_is_weak_beside_any_that_sounds_with_it(rows, at_once):
    score = Score.build(rows, 480)
    on, length, pitch, loud = (score.notes[n].astype(int) for n in ("onset", "duration", "pitch", "velocity"))
    kept = [
        not any(
            on[j] <= on[i] + 48 and on[j] + length[j] > on[i]
            and 2 * loud[i] < (4 / 3 if pitch[i] - pitch[j] in (24, 28, 31, 34, 36) else 1) * loud[j]
            for j in range(len(rows))
        )
        for i in range(len(rows))
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmbert.audio.transcribe._AT_ONCE", at_once)
        assert leading(score).notes.tolist() == score.notes[kept].tolist()


def test_thousands_of_notes_are_compared_in_little_memory():
    rng = np.random.default_rng(0)
    rows = [
        (160 * i // 2, 200, int(p), int(v), 0, False, 0) for i, (p, v) in enumerate(rng.integers(40, 90, (6000, 2)))
    ]
    tracemalloc.start()
    leading(Score.build(rows, 480))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e7
