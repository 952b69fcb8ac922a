"""Chroma sequences: tones give their pitch classes whatever their tuning and blocks; a score is like its own sound."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.audio.chroma import FRAMES_A_SECOND, Chroma, comparable, recording_key, score_chroma, stored
from mmbert.items import load_items
from mmbert.symbolic.score import Score

RATE = 16_000
DATA = Path(__file__).parents[2] / "data"


def tone(pitches, seconds, rate=RATE, cents=0.0, partials=4):
    """Harmonic tones of some MIDI pitches, sounding together."""
    t = np.arange(round(seconds * rate)) / rate
    hz = [440 * 2 ** ((p - 69 + cents / 100) / 12) for p in pitches]
    return sum(0.5**k * np.sin(2 * np.pi * f * k * t) for f in hz for k in range(1, partials + 1)).astype(np.float32)


def with_overtones(strength):
    """Third partials are a fifth above their note, fifth ones a third."""
    return strength + 0.3 * np.roll(strength, 7, axis=1) + 0.15 * np.roll(strength, 4, axis=1)


def heard(sound, rate=RATE, size=None):
    chroma = Chroma(rate)
    for block in np.split(sound, range(size, len(sound), size)) if size else [sound]:
        chroma.feed(block)
    return chroma.finish()


def played(score, rate=RATE):
    """A score in harmonic tones that fade."""
    out = np.zeros(round((score.duration_s + 0.1) * rate), np.float32)
    notes = score.notes
    ends = score.seconds(notes["onset"].astype(np.int64) + notes["duration"])
    for pitch, begin, end in zip(notes["pitch"].tolist(), score.seconds(notes["onset"]), ends):
        sound, at = tone([pitch], end - begin, rate), round(begin * rate)
        out[at : at + len(sound)] += sound * np.exp(-2 * np.arange(len(sound), dtype=np.float32) / rate)
    return out


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_a_triad_gives_its_pitch_classes_at_any_rate(rate):
    frames = heard(tone([60, 64, 67], 3, rate), rate)
    assert frames.shape == (8, 12)
    assert frames.dtype == np.uint8
    for frame in frames:
        assert set(np.argsort(frame)[-3:]) == {0, 4, 7}


@pytest.mark.parametrize("cents", [-40, -30, -10, 0, 20, 35, 45])
def test_a_recording_out_of_tune_gives_the_pitch_classes_it_is_nearest_to(cents):
    frames = comparable(heard(tone([50, 57, 66], 4, cents=cents)))
    there = comparable(heard(tone([50, 57, 66], 4)))
    assert np.einsum("nc,nc->n", frames, there).mean() > 0.95 * np.einsum("nc,nc->n", there, there).mean()


def test_low_and_high_notes_are_told_apart():
    for pitch in range(36, 100):
        assert heard(tone([pitch], 2))[1:-1].sum(axis=0).argmax() == pitch % 12


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.integers(1, 20_000), min_size=1, max_size=12), st.integers(0, 60_000), st.sampled_from([RATE, 44_100])
)
def test_blocks_of_any_size_give_the_same(sizes, length, rate):
    sound = tone([62, 69], 4, rate)[:length]
    chroma = Chroma(rate)
    edges = [0, *np.minimum(np.cumsum(sizes), length).tolist(), length]
    for low, high in pairwise(edges):
        chroma.feed(sound[low:high])
    assert (chroma.finish() == heard(sound, rate)).all()


def test_silence_and_nothing_give_frames_of_nothing():
    assert heard(np.zeros(RATE * 2, np.float32)).tolist() == [[0] * 12] * 5
    assert heard(np.zeros(0, np.float32)).shape == (0, 12)
    half = heard(np.r_[tone([60], 4), np.zeros(4 * RATE, np.float32)])
    assert half[:9].any(axis=1).all()
    assert not half[11:].any()


def test_frames_lie_where_their_sound_lies():
    sound = np.concatenate([tone([60 + i], 0.4) for i in range(12)] * 3)
    assert heard(sound).argmax(axis=1).tolist() == list(range(12)) * 3


def test_noise_says_little_of_pitch():
    noise = comparable(heard(np.random.default_rng(0).standard_normal(RATE * 8).astype(np.float32)))
    note = comparable(heard(tone([60], 8)))
    assert np.linalg.norm(noise, axis=1).mean() < 0.5 * np.linalg.norm(note, axis=1).mean()


def test_a_score_gives_the_seconds_of_each_pitch_class():
    # C for .6 s, with D from .4 to .8 s: frames of .4 s
    score = Score.build([(0, 576, 60, 80, 0, False, 0), (384, 384, 74, 80, 0, False, 0)], 480)
    sounding = np.zeros((2, 12))
    sounding[0, 0], sounding[1, 0], sounding[1, 2] = 0.4, 0.2, 0.4
    assert (score_chroma(score) == stored(with_overtones(sounding))).all()


def test_drums_have_no_chroma():
    drums = Score.build([(0, 1920, 36, 80, 0, True, 0)], 480)
    assert score_chroma(drums).tolist() == [[0] * 12] * 5
    both = Score.build([(0, 1920, 36, 80, 0, True, 0), (0, 1920, 64, 80, 0, False, 1)], 480)
    assert score_chroma(both).argmax(axis=1).tolist() == [4] * 5


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 3000), st.integers(0, 127)), min_size=1, max_size=30))
def test_a_score_is_counted_as_a_slow_count_counts(notes):
    score = Score.build([(onset, length, pitch, 80, 0, False, 0) for onset, length, pitch in notes], 480)
    n = int(np.ceil(score.duration_s * FRAMES_A_SECOND))
    slow = np.zeros((n, 12))
    for onset, length, pitch in notes:
        begin, end = (score.seconds(t) * FRAMES_A_SECOND for t in (onset, onset + length))
        for frame in range(n):
            slow[frame, pitch % 12] += max(0.0, min(end, frame + 1) - max(begin, frame))
    slow = with_overtones(np.where(slow < 1e-6, 0, slow))
    assert np.abs(score_chroma(score).astype(int) - stored(slow).astype(int)).max(initial=0) <= 1


def test_a_score_is_like_its_own_sound():
    score = next(iter(load_items(DATA / "waltz.mid"))).score
    written, sound = comparable(score_chroma(score)), comparable(heard(played(score)))
    n = min(len(written), len(sound))

    def alike(shift, rotation=0):
        a, b = sound[: n - shift], np.roll(written, rotation, axis=1)[shift:n]
        return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))

    assert alike(0) > 0.75
    assert alike(0) > max(alike(0, r) for r in range(1, 12)) + 0.2


@pytest.mark.parametrize(("tonic", "mode"), [(0, "major"), (3, "major"), (9, "minor"), (6, "minor")])
def test_a_recording_gives_its_key(tonic, mode):
    scale = (0, 2, 4, 5, 7, 9, 11) if mode == "major" else (0, 2, 3, 5, 7, 8, 10)
    chords = [(0, 2, 4), (3, 5, 0), (4, 6, 1), (0, 2, 4)] * 2
    sound = np.concatenate([tone([60 + tonic + scale[i] for i in chord], 1.0) for chord in chords])
    found = recording_key(heard(sound))
    assert (found.pitch_class, found.mode) == (tonic, mode)


def test_what_has_no_pitch_has_no_key():
    assert recording_key(np.zeros((20, 12), np.uint8)) is None
    assert recording_key(np.zeros((0, 12), np.uint8)) is None
