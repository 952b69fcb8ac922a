"""Clicks give their tempo, in blocks of any size; what has no beat gives none or is not trusted."""

import numpy as np
import pytest

from mmbert.audio.mel import RATE, LogMel
from mmbert.audio.tempo import Onsets, estimate_tempo


def clicks(bpm, seconds, offset=0.3):
    sound = 0.001 * np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)
    for beat in np.arange(offset, seconds - 0.05, 60 / bpm):
        at, n = round(beat * RATE), RATE // 20
        sound[at : at + n] += np.sin(np.arange(n) * 0.2) * np.exp(-np.arange(n) / (RATE / 100))
    return sound


def onsets(sound, size):
    mel, found = LogMel(), Onsets()
    for low in range(0, len(sound), size):
        found.feed(mel.feed(sound[low : low + size]))
    found.feed(mel.finish())
    return found.finish()


@pytest.mark.parametrize("bpm", [62, 75, 90, 101, 120, 137])
def test_clicks_give_their_tempo(bpm):
    found = estimate_tempo(onsets(clicks(bpm, 20), RATE))
    assert found.bpm == pytest.approx(bpm, rel=0.01)


def test_a_beat_that_is_divided_is_surer_than_one_that_may_be_a_division():
    alone = clicks(90, 20)
    divided = alone + 0.5 * clicks(90, 20, offset=0.3 + 1 / 3)
    sure, surer = (estimate_tempo(onsets(sound, RATE)) for sound in (alone, divided))
    assert sure.bpm == pytest.approx(surer.bpm, rel=0.01)
    assert sure.confidence + 0.1 < surer.confidence


def test_blocks_of_any_size_give_the_same():
    sound = clicks(100, 6)
    whole = onsets(sound, len(sound))
    assert whole.shape == (600,)
    for size in (997, 16_000):
        assert onsets(sound, size) == pytest.approx(whole, abs=1e-5)


def test_noise_is_not_trusted_and_silence_has_no_tempo():
    noise = np.random.default_rng(1).standard_normal(20 * RATE).astype(np.float32)
    found = estimate_tempo(onsets(noise, RATE))
    assert found is None or found.confidence < 0.3
    assert estimate_tempo(onsets(np.zeros(20 * RATE, np.float32), RATE)) is None
    assert estimate_tempo(onsets(clicks(100, 2), RATE)) is None
    assert estimate_tempo(np.zeros(0, np.float32)) is None
