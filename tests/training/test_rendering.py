"""Rendering and what is kept of it, without a sound font: excerpts, rooms, noise, codecs, missing parts, the folder."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbert_training import rendering
from mmbert_training.evaluate import rendered
from mmbert_training.evaluate.rendered import SECONDS, draw, hear
from mmbert_training.rendering import (
    BANDS,
    HELD_OUT,
    RATE,
    TRAIN,
    equalised,
    excerpt,
    font_path,
    in_room,
    render,
    through_codec,
    with_noise,
)

from mmbert.errors import DataError
from mmbert.symbolic.score import Score

SCALE = Score.build([(480 * i, 480, 60 + i % 12, 80, 0, False, 0) for i in range(240)], 480)  # two minutes


def tone(seconds=1.0):
    return (0.5 * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 440 / RATE)).astype(np.float32)


@settings(deadline=None)
@given(st.floats(0, 100), st.floats(1, 40), st.floats(0.5, 2))
def test_an_excerpt_holds_what_sounds_in_it_and_no_more(start, seconds, speed):
    part = excerpt(SCALE, start, seconds, speed)
    assert part.duration_s <= seconds + 2e-3
    begin, end = start, start + seconds * speed
    onsets = SCALE.seconds(SCALE.notes["onset"])
    heard = int(np.sum((onsets + 0.5 > begin) & (onsets < end)))
    assert abs(len(part.notes) - heard) <= 1  # a note at the very edge
    full = part.notes[1:-1]
    assert part.seconds(full["duration"]) == pytest.approx(0.5 / speed, abs=2e-3)


def test_no_font_of_training_is_held_out():
    assert HELD_OUT not in TRAIN
    assert len(set(TRAIN)) == 2


def test_what_is_missing_is_said(monkeypatch, tmp_path):
    with pytest.raises(DataError, match="There are: FluidR3_GM"):
        render(SCALE, "Sousaphone")
    font_path.cache_clear()
    monkeypatch.setattr(rendering, "_FOLDERS", (tmp_path,))
    with pytest.raises(DataError, match="apt-get install timgm6mb-soundfont"):
        render(SCALE, HELD_OUT)
    (tmp_path / "TimGM6mb.sf2").write_bytes(b"")
    monkeypatch.setattr(rendering.shutil, "which", lambda _: None)
    with pytest.raises(DataError, match="apt-get install fluidsynth"):
        render(SCALE, HELD_OUT)
    font_path.cache_clear()


@pytest.mark.parametrize("snr", [0, 10, 30])
def test_noise_is_as_strong_as_asked(snr):
    sound = tone()
    noise = with_noise(sound, snr, np.random.default_rng(0)) - sound
    assert 10 * np.log10(np.mean(sound**2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.1)


def test_a_room_rings_on():
    sound = np.r_[tone(0.2), np.zeros(RATE, np.float32)]
    heard = in_room(sound, 0.8, 0.5, np.random.default_rng(0))
    assert heard.shape == sound.shape
    assert heard.dtype == np.float32
    early, late = (np.sqrt(np.mean(heard[at : at + RATE // 10] ** 2)) for at in (RATE // 4, RATE))
    assert early > 10 * late > 0


def test_an_equaliser_lowers_its_band_alone():
    time = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * hz * time).astype(np.float32) for hz in (125, 4000))
    gains = np.zeros(BANDS)
    gains[6] = -12.0  # of 62.5 Hz times 2 ** 6
    heard = equalised(low + high, gains)
    assert heard.dtype == np.float32
    assert np.abs(heard).max() == pytest.approx(np.abs(low + high).max(), rel=1e-5)
    weight = [float(heard @ part) for part in (low, high)]
    assert 20 * np.log10(weight[1] / weight[0]) == pytest.approx(-12, abs=0.1)


@pytest.mark.parametrize("codec", ["mp3", "vorbis", "opus"])
def test_codecs_keep_length_and_sound(codec):
    pytest.importorskip("soxr")
    heard = through_codec(tone(), codec)
    assert heard.shape == (RATE,)
    assert np.corrcoef(heard[2000:-2000], tone()[2000:-2000])[0, 1] > 0.95


def test_excerpts_are_drawn_the_same_at_every_call():
    first, again = draw("work-1", SCALE, HELD_OUT), draw("work-1", SCALE, HELD_OUT)
    assert first == again
    assert 0 <= first.start <= SCALE.duration_s - SECONDS * first.speed
    moved = [draw(f"work-{i}", SCALE, HELD_OUT, transposed=True) for i in range(40)]
    assert {e.semitones % 12 for e in moved} == set(range(1, 12))
    assert draw("work-1", SCALE.with_notes(SCALE.notes[:20]), HELD_OUT) is None


def test_what_was_heard_is_not_rendered_again(tmp_path, monkeypatch):
    rendered_now = []

    def sound(excerpt, score):
        rendered_now.append(excerpt.work)
        return tone(3)

    monkeypatch.setattr(rendered, "sound_of", sound)
    excerpts = [draw(f"work-{i}", SCALE, HELD_OUT) for i in range(3)]
    scores = {f"work-{i}": SCALE for i in range(3)}
    hear(excerpts[:2], scores, tmp_path)
    frames = hear(excerpts, scores, tmp_path)
    onsets = hear(excerpts, scores, tmp_path, "onsets")
    assert rendered_now == ["work-0", "work-1", "work-2"]
    assert [f.shape for f in frames] == [(8, 12)] * 3
    assert [len(o) for o in onsets] == [300] * 3
    assert not list(tmp_path.glob("notes-*"))  # they are dear, and nobody asked
    assert [n.dtype.names[:3] for n in hear(excerpts, scores, tmp_path, "notes")] == [
        ("onset", "duration", "pitch")
    ] * 3
    damaged = next(tmp_path.glob("chroma-*/*.npy"))
    damaged.write_bytes(b"")
    with pytest.raises(DataError, match="Delete it"):
        hear(excerpts, scores, tmp_path)
