"""Which notes of a file are asked about, and what is said where there is no melody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.errors import UsageError
from mmbert.items import write_midi
from mmbert.retrieval.melody_query import read_melody
from mmbert.symbolic.phrases import ONSET, UNIT, phrases_of
from mmbert.symbolic.score import TEMPO, Part, Score

from ..symbolic.test_phrases import chords, note, song, tune


def written(tmp_path: Path, score: Score, name: str = "a.mid") -> Path:
    path = tmp_path / name
    path.write_bytes(write_midi(score))
    return path


def test_the_last_four_full_bars_are_those_of_the_library(tmp_path):
    score = song(10)
    asked = read_melody(written(tmp_path, score), "end")
    assert (asked.start_bar, asked.end_bar, asked.metre, asked.part, asked.rule) == (6, 10, (4, 4), "Voice", "named")
    there = phrases_of(score)
    assert (asked.phrase.melody == there.rows(np.array([3])).melody).all()
    assert asked.phrase.shift[0] == there.shift[0]


def test_the_first_four_full_bars_come_behind_the_pickup():
    score = Score.build(tune(6, start=1), 480, metre_map=[(0, 1, 4), (480, 4, 4)])
    score = Score.build([note(0, 1, 67), *map(tuple, score.notes.tolist())], 480, metre_map=[(0, 1, 4), (480, 4, 4)])
    asked = read_melody(score, "start")
    assert (asked.start_bar, asked.end_bar, asked.begin) == (1, 5, 480)
    assert len(asked.phrase.melody) == 16


def test_other_bars_may_be_asked_about():
    asked = read_melody(song(10), "start", bar=5)
    assert (asked.start_bar, asked.end_bar) == (5, 9)
    with pytest.raises(UsageError, match="31 is not among the 10 bars"):
        read_melody(song(10), "start", bar=30)


def test_a_metre_that_changes_near_the_end_leaves_the_last_four_bars_of_one():
    score = Score.build(tune(8) + [note(32 + i, 1, 72) for i in range(2)], 480, metre_map=[(0, 4, 4), (480 * 32, 2, 4)])
    asked = read_melody(score, "end")
    assert (asked.start_bar, asked.end_bar, asked.metre, asked.behind) == (4, 8, (4, 4), 480 * 34)


@pytest.mark.parametrize(("wanted", "first"), [("end", 2 * 4 * UNIT), ("start", 0)])
def test_a_short_melody_is_asked_about_with_what_there_is(wanted, first):
    asked = read_melody(Score.build(tune(2), 480), wanted)
    assert (asked.start_bar, asked.end_bar, len(asked.phrase.melody)) == (0, 2, 8)
    assert asked.phrase.melody[0, ONSET] == first


def test_a_last_note_that_is_held_ends_where_it_ends():
    score = Score.build([*tune(6), note(24, 8, 72)], 480, metre_map=[(0, 4, 4)])
    asked = read_melody(score, "end")
    assert (asked.start_bar, asked.end_bar, asked.behind) == (4, 8, 480 * 32)


@pytest.mark.parametrize(
    ("part", "name"), [("flute", "Flute"), ("Flu", "Flute"), (2, "Flute"), ("2", "Flute"), (1, "Voice")]
)
def test_a_part_is_found_by_name_or_number(part, name):
    notes = tune(8) + [note(i, 1, 90 - i % 7, 1) for i in range(32)]
    score = Score.build(notes, 480, parts=(Part("Voice"), Part("Flute", 73)))
    asked = read_melody(score, "end", part=part)
    assert asked.part == name
    assert asked.line.parts[0].program == (73 if name == "Flute" else 0)


@pytest.mark.parametrize("part", ["Oboe", 3, 0, "", "o"])
def test_a_part_that_is_none_is_refused_with_those_there_are(part):
    score = Score.build(tune(8) + [note(i, 1, 90, 1) for i in range(32)], 480, parts=(Part("Voice"), Part("Oboe two")))
    if part == "Oboe":
        assert read_melody(score, "end", part=part).part == "Oboe two"
    else:
        with pytest.raises(UsageError, match="Its parts with notes are: 1 Voice, 2 Oboe two"):
            read_melody(score, "end", part=part)


@pytest.mark.parametrize(
    ("notes", "fault"),
    [
        ([], "holds no notes"),
        ([note(i, 1, 36, 0, True) for i in range(32)], "holds drums alone"),
        ([note(0, 1, 60)], "holds one note"),
        ([note(i, 1, 60 + i) for i in range(3)], "holds 3 notes"),
        ([note(8 * i, 1, 60 + i) for i in range(12)], "has 2 notes in bars"),
    ],
)
def test_what_is_no_melody_is_refused_in_words(notes, fault):
    with pytest.raises(UsageError, match=fault):
        read_melody(Score.build(notes, 480, metre_map=[(0, 4, 4)]), "end")


def test_what_was_played_without_bars_is_refused_in_words():
    drawn = np.random.default_rng(1)
    onset = np.cumsum(drawn.uniform(0.3, 0.9, 80))
    notes = [note(float(t), 0.31, 60 + i % 7) for i, t in enumerate(onset)]
    with pytest.raises(UsageError, match=r"without regard to its bar lines.*click"):
        read_melody(Score.build(notes, 480), "end")


def test_a_file_of_words_or_no_file_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("a slow waltz")
    with pytest.raises(UsageError, match="is a text"):
        read_melody(tmp_path / "a.txt", "end")
    with pytest.raises(UsageError, match="neither a file"):
        read_melody(tmp_path / "b.mid", "end")


def test_chords_alone_are_read_by_their_highest_notes():
    notes = [note(i, 1, p + i % 3) for i in range(32) for p in (48, 60, 64, 72)]
    asked = read_melody(Score.build(notes, 480, parts=(Part("Piano"),)), "end")
    assert asked.rule == "skyline"
    assert asked.phrase.melody[:, 2].min() >= 72


def test_ten_thousand_notes_are_read():
    asked = read_melody(Score.build(tune(2500), 480), "end")
    assert (asked.start_bar, asked.end_bar, len(asked.phrase.melody)) == (2496, 2500, 16)


def test_the_tempo_is_that_of_the_bars_asked_about():
    score = replace(song(8), tempo_map=np.array([(0, 60.0), (480 * 16, 120.0)], TEMPO))
    assert read_melody(score, "end").bpm == pytest.approx(120)
    assert read_melody(score, "start").bpm == pytest.approx(60)
    assert read_melody(song(8), "end").bpm is None


@settings(max_examples=40, deadline=None)
@given(bars=st.integers(1, 12), beats=st.sampled_from([2, 3, 4, 5, 7]), wanted=st.sampled_from(["end", "start"]))
def test_what_is_asked_about_lies_within_four_bars_of_the_metre(bars, beats, wanted):
    score = Score.build(tune(bars, beats) + chords(bars, beats), 480, metre_map=[(0, beats, 4)], parts=(Part("Voice"),))
    if bars * beats < 4:
        with pytest.raises(UsageError):
            read_melody(score, wanted)
        return
    asked = read_melody(score, wanted)
    table = asked.phrase
    assert table.melody[:, ONSET].min() >= 0
    assert (table.melody[:, ONSET] + table.melody[:, 1]).max() <= table.length[0]
    assert asked.bars == asked.end_bar - asked.start_bar == min(bars, 4)
    assert table.length[0] == UNIT * 4 * beats
    assert asked.end - asked.first(False) == 480 * beats * min(bars, 4)
