"""Phrases as a library keeps them: the same phrases, in few bytes, with what plays them."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.symbolic.phrase_lines import (
    PHRASE_NOTE,
    PhraseLines,
    accompanied,
    joined_lines,
    packed,
    phrase_lines,
    possible,
    unpacked,
)  # fmt: skip
from mmbert.symbolic.phrases import PhraseTable, joined, phrases_of
from mmbert.symbolic.score import TEMPO, Part, Score

from .test_phrases import chords, note, song, tune


def same(a: PhraseTable, b: PhraseTable) -> bool:
    return all((getattr(a, f.name) == getattr(b, f.name)).all() for f in fields(PhraseTable))


@pytest.mark.parametrize("score", [song(12), song(5), Score.build(tune(9, 3), 480, metre_map=[(0, 3, 4)])])
def test_they_are_the_phrases_of_the_score(score):
    lines = phrase_lines(score)
    assert same(lines.table(), phrases_of(score))
    assert possible(lines)


def test_a_head_says_where_and_at_what_tempo():
    lines = phrase_lines(replace(song(8), tempo_map=np.array([(0, 60.0), (480 * 16, 120.0)], TEMPO)))
    assert lines.heads["start_bar"].tolist() == [0, 2, 4]
    assert lines.heads["start_s"].tolist() == [0, 8, 16]
    assert lines.heads["bpm"].tolist() == [60, 80, 120]
    assert (phrase_lines(song(8)).heads["bpm"] == 0).all()  # not stated
    assert lines.heads["melody"].tolist() == [16, 16, 16]


def test_each_note_says_who_plays_it_and_the_melody_is_the_first():
    lines = phrase_lines(Score.build(chords(8, part=0) + tune(8, part=1), 480, parts=(Part("Piano"), Part("Voice"))))
    assert [name for name, _ in lines.parts] == ["Voice", "Piano"]
    table = lines.table()
    sings = lines.notes["part"] == 0
    assert sings.sum() == len(table.melody)
    assert (lines.notes["pitch"][sings] == table.melody[:, 2]).all()


def test_what_was_played_without_regard_to_bars_has_none():
    drawn = np.random.default_rng(3)
    notes = [note(i * 0.731 + drawn.uniform(0, 0.2), 0.4, 60 + i % 7) for i in range(80)]
    assert len(phrase_lines(Score.build(notes, 480))) == 0
    assert len(phrase_lines(Score.build([], 480))) == 0


def test_bars_longer_than_any_music_has_are_left_out():
    notes = [note(i * 100, 100, 60 + i % 5) for i in range(40)]
    assert len(phrase_lines(Score.build(notes, 480, metre_map=[(0, 999, 1)]))) == 0


def test_an_accompaniment_of_three_notes_is_none():
    notes = tune(4) + [note(i, 1, 40, 1) for i in range(3)]
    assert accompanied(phrase_lines(Score.build(notes, 480)).heads).tolist() == [False]
    assert accompanied(phrase_lines(song(4)).heads).tolist() == [True]


def test_several_pieces_make_one_table():
    scores = [song(8), Score.build(tune(6, 3), 480, metre_map=[(0, 3, 4)]), song(4)]
    assert same(joined_lines([phrase_lines(s) for s in scores]), joined([phrases_of(s) for s in scores]))
    assert len(joined_lines([])) == 0


COLUMNS = st.tuples(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 127), st.integers(0, 255))


@settings(max_examples=50, deadline=None)
@given(st.lists(COLUMNS, max_size=50))
def test_what_is_packed_is_unpacked(rows):
    notes = np.array(rows, PHRASE_NOTE)
    assert (unpacked(packed(notes), len(notes)) == notes).all()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\x00" + b])
def test_damaged_bytes_are_refused(damage):
    notes = phrase_lines(song(8)).notes
    with pytest.raises(ValueError, match="notes of a phrase"):
        unpacked(damage(packed(notes)), len(notes))
    with pytest.raises(ValueError, match="notes of a phrase"):
        unpacked(packed(notes), len(notes) + 1)


@pytest.mark.parametrize(
    ("array", "column", "value"),
    [
        ("heads", "melody", 1), ("heads", "shift", -7), ("heads", "denominator", 0), ("heads", "end_s", np.inf),
        ("notes", "part", 9), ("notes", "pitch", 200), ("notes", "duration", 0), ("notes", "onset", 60_000),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(array, column, value):
    lines = phrase_lines(song(8))
    changed = getattr(lines, array).copy()
    changed[column][1] = value
    assert not possible(replace(lines, **{array: changed}))


def test_names_of_parts_are_bounded():
    lines = phrase_lines(song(8, names=("Voice" * 50, "Piano")))
    assert max(len(name) for name, _ in lines.parts) <= 80
    assert not possible(PhraseLines(lines.heads, lines.notes, (("x" * 81, 0), ("y", 0))))
    assert not possible(PhraseLines(lines.heads, lines.notes, (("x", 128), ("y", 0))))
