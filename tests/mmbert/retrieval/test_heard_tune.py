"""A tune that is played into a recording is read as the melody that is written, or refused in words that help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmbert.audio.barred import TICKS, barred
from mmbert.audio.heard_tune import several_voices
from mmbert.errors import MmbertError, UsageError
from mmbert.items import load_items
from mmbert.retrieval.melody_query import how_read, read_melody
from mmbert.retrieval.tune_search import read_tune
from mmbert.symbolic.score import Score
from mmbert.symbolic.tune_line import tune_line
from mmbert.types import Item, Recording, Source

pytest.importorskip("onnxruntime")
RATE = 22_050
BOOK = Path(__file__).parents[2] / "data" / "book.abc"
REEL = [item.score for item in load_items(BOOK, on_reject=[].append)][-1]


class Blocks(list):
    """Sound that is all there."""

    flaw, clipped = "", 0


def played(score: Score, speed: float = 1.0) -> np.ndarray:
    """The melody of a score, one plucked note after the other, float32 [samples] at ``RATE``."""
    line = tune_line(score)
    onset = np.rint(line["second"] / speed * RATE).astype(int)
    tones = []
    for samples, pitch in zip(np.diff(onset, append=onset[-1] + RATE).tolist(), line["pitch"].tolist()):
        t = np.arange(samples) / RATE
        tone = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * t) / k for k in range(1, 6))
        tones.append(0.15 * tone * np.exp(-2 * t))
    return np.concatenate(tones).astype(np.float32)


def heard(sound: np.ndarray) -> Item:
    recording = Recording(RATE, lambda: Blocks([sound.astype(np.float32)]))
    return Item("recording", Source(Path("hum.wav"), "0" * 64), recording=recording)


def free(onsets: list[float], length: float = 0.2) -> Score:
    """Notes at seconds."""
    rows = [(round(960 * at), round(960 * length), 60 + i % 5, 80, 0, False, 0) for i, at in enumerate(onsets)]
    return Score.build(rows, 480)


@pytest.mark.parametrize("speed", [0.7, 1.0])
def test_a_tune_that_is_played_is_the_tune_that_is_written(speed):
    asked, written = read_melody(heard(played(REEL, speed)), "end"), read_melody(REEL, "end")
    assert asked.heard
    assert (asked.metre, asked.key.key, asked.bpm) == ((4, 4), written.key.key, pytest.approx(120 * speed, rel=0.01))
    for field in ("pitch", "onset"):
        assert asked.line.notes[field].tolist() == written.line.notes[field].tolist()


def test_notes_played_unevenly_lie_on_the_grid():
    rng = np.random.default_rng(1)
    quarters = np.array([0, 1, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 10.5, 11, 12])
    found = barred(free((quarters * 0.6 + rng.normal(0, 0.015, len(quarters)).clip(-0.03, 0.03) + 0.1).tolist()))
    assert (found.notes["onset"] / TICKS).tolist() == quarters.tolist()
    assert found.tempo_map["bpm"][0] == pytest.approx(100, rel=0.02)


def test_thirds_of_a_beat_are_a_jig():
    eighths = np.array([0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21])
    found = barred(free((eighths * 0.19).tolist(), 0.15))
    assert found.metre_map[["numerator", "denominator"]].tolist() == [(6, 8)]
    assert (found.notes["onset"] / (TICKS / 2)).tolist() == eighths.tolist()


@pytest.mark.parametrize(
    ("sound", "fault"),
    [
        (np.zeros(6 * RATE), "hum.wav: holds no notes that can be heard"),
        (np.random.default_rng(0).normal(0, 0.1, 6 * RATE), "hum.wav: holds no notes that can be heard"),
        (played(REEL)[: 2 * RATE], "hum.wav: holds a tune that is too short"),
    ],
)
def test_what_holds_no_tune_is_refused(sound, fault):
    with pytest.raises(MmbertError, match=fault) as e:
        read_melody(heard(sound), "end")
    assert "Record one voice" in str(e.value)


WALTZ = [3 * bar + beat for bar in range(8) for beat in ((0, 1, 2) if bar % 2 else (0, 2))]


def test_the_metre_that_is_said_divides_what_is_heard():
    waltz = free([0.5 * at for at in WALTZ], 0.4)
    assert barred(waltz).bar_metres[0].tolist() == [4, 4]
    found = barred(waltz, (3, 4))
    assert (found.bar_metres[0].tolist(), found.n_bars) == ([3, 4], 8)
    assert (found.notes["onset"] / TICKS).tolist() == WALTZ
    assert found.tempo_map["bpm"][0] == pytest.approx(120, rel=0.01)


def test_how_a_recording_was_read_is_said_and_the_metre_is_only_asked_of_one():
    item = heard(played(REEL))
    asked = read_melody(item, "end", metre="2/4")
    assert (asked.metre, asked.end_bar - asked.start_bar) == ((2, 4), 4)
    assert how_read(asked) == "Heard as 8 bars of 2/4 at 120 bpm, the first note on a bar line."
    for metre in ("waltz", "3", "3/5", "0/4", "3/4/4"):
        with pytest.raises(UsageError, match=f"metre: '{metre}' is none. Write it like 3/4"):
            read_melody(item, "end", metre=metre)
    with pytest.raises(UsageError, match=r"metre: is not asked of book\.abc, which states its own bars"):
        read_melody(BOOK, "end", metre="3/4")


def test_notes_that_were_heard_elsewhere_are_set_in_bars_here():
    notes = free([0.5 * at for at in WALTZ], 0.4)
    asked = read_melody(Item("recording", Source(Path("hum.wav"), "0" * 64), score=notes), "end", metre="3/4")
    assert (asked.heard, asked.metre, asked.end_bar) == (True, (3, 4), 8)


def test_that_only_the_first_minutes_were_heard_is_said():
    notes = free([0.5 * at for at in WALTZ], 0.4)
    for goes_on in (True, False):
        item = Item("recording", Source(Path("hum.wav"), "0" * 64), score=replace(notes, goes_on=goes_on))
        for said in (how_read(read_melody(item, "end")), read_tune(item).notice):
            assert ("Only the first 10 minutes of the recording were heard." in said) is goes_on


def test_several_voices_are_told_from_one():
    alone = played(REEL)
    low = sum(np.sin(2 * np.pi * f * np.arange(len(alone)) / RATE) / k for f in (110, 165) for k in (1, 2))
    assert not several_voices(free([0.3 * i for i in range(20)]))
    assert "Several voices" not in how_read(read_melody(heard(alone), "end"))
    asked = read_melody(heard(alone + (0.15 * low).astype(np.float32)), "end")
    assert asked.rule == "skyline"
    assert "Several voices sound at once: the highest notes were taken as the melody." in how_read(asked)
