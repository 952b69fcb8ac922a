"""Phrases brought to a melody's key and octave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.symbolic.phrase_placing import moved, transpositions
from mmbert.symbolic.phrases import PITCH, joined, phrases_of
from mmbert.symbolic.transform import transpose

from .test_phrases import song


@settings(max_examples=30, deadline=None)
@given(here=st.integers(-24, 24), there=st.integers(-24, 24))
def test_a_transposed_phrase_is_brought_back_wherever_it_lies(here, there):
    query = phrases_of(transpose(song(4), here))
    found = phrases_of(transpose(song(4), there))
    by = transpositions(query, found)
    assert by.tolist() == [here - there]
    back = moved(found, by)
    assert (back.melody == query.melody).all()
    assert (back.accompaniment == query.accompaniment).all()
    assert back.shift.tolist() == query.shift.tolist()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=4))
def test_no_note_leaves_the_range_of_midi_and_the_key_stays_the_querys(keys):
    query = phrases_of(transpose(song(4), 24))
    found = joined([phrases_of(transpose(song(4), max(-48, min(k, 40)))) for k in keys])
    there = moved(found, transpositions(query, found))
    for notes in (there.melody, there.accompaniment):
        assert notes[:, PITCH].min() >= 0
        assert notes[:, PITCH].max() <= 127
    assert (there.shift == query.shift[0]).all()


def test_the_octave_is_that_of_the_melodies_even_where_an_accompaniment_lies_far_below():
    query = phrases_of(song(4))
    low = phrases_of(transpose(song(4), -12))
    assert transpositions(query, low).tolist() == [12]
    below = low.accompaniment.copy()
    below[:, PITCH] -= 30
    assert transpositions(query, type(low)(**{**low.__dict__, "accompaniment": below})).tolist() == [12]


def test_nothing_rumbles_below_a_piano_unless_it_was_written_there():
    query = phrases_of(transpose(song(4), -12))
    found = phrases_of(song(4))
    for below, by in ((0, -12), (16, 0), (40, 0)):
        accompaniment = found.accompaniment.copy()
        accompaniment[:, PITCH] -= below
        table = replace(found, accompaniment=accompaniment)
        assert transpositions(query, table).tolist() == [by]
        assert transpositions(query, table.melodies()).tolist() == [-12]


def test_none_is_none():
    query = phrases_of(song(4))
    nothing = query.rows(np.zeros(0, np.int64))
    assert len(moved(nothing, transpositions(query, nothing))) == 0
