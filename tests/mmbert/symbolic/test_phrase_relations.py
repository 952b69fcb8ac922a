"""Phrases on grids: where notes begin, what sounds, held over bar lines, in bars of any length; traits in any key."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmbert.symbolic.phrase_relations import (
    BAR_SLOTS,
    BEGINS,
    CLASS,
    COMES,
    GOES,
    NEXT_SLOT,
    NONE,
    SLOT,
    SOUNDS,
    STEP,
    accompaniment_grid,
    melody_bars,
    melody_ends,
    melody_notes,
)
from mmbert.symbolic.phrase_traits import TRAITS, traits
from mmbert.symbolic.phrases import PhraseTable

LINE = [(0, 48, 60), (48, 24, 64), (132, 24, 62), (300, 48, 67)]


def table(
    notes: list[tuple[int, int, int]],
    other: list[tuple[int, int, int]],
    metre: tuple[int, int] = (3, 4),
    shift: int = 0,
) -> PhraseTable:
    melody, accompaniment = np.array(notes, np.int32), np.array(other, np.int32).reshape(-1, 3)
    return PhraseTable(
        np.zeros(1, np.int32), np.array([metre], np.int32), np.array([shift], np.int8),
        melody, np.array([0, len(melody)]), accompaniment, np.array([0, len(accompaniment)]),
    )  # fmt: skip


def test_melody_bars_say_what_sounds_begins_and_by_which_step():
    bars = melody_bars(table(LINE, []))[0]
    assert bars.shape == (4, BAR_SLOTS, 3)
    assert bars[0, :6, SOUNDS].tolist() == [60, 60, 60, 60, 64, 64]
    assert bars[0, 6:11, SOUNDS].tolist() == [NONE] * 5
    assert bars[0, 11, SOUNDS] == bars[1, 0, SOUNDS] == 62  # held over the bar line of a bar of twelve sixteenths
    assert (bars[0, 12:] == NONE).all()
    begins = [(b, s, int(bars[b, s, BEGINS])) for b, s in np.argwhere(bars[..., BEGINS] != NONE).tolist()]
    assert begins == [(0, 0, 60), (0, 4, 64), (0, 11, 62), (2, 1, 67)]
    assert [int(bars[b, s, STEP]) for b, s, _ in begins] == [NONE, 2, -1, 3]


def test_melody_ends_and_notes():
    some = table(LINE, [], shift=2)
    assert melody_ends(some)[0].tolist() == [62, 69, 4, 5, 0, 23, 4, 12]
    notes = melody_notes(some)[0]
    assert notes[:5, SLOT].tolist() == [0, 4, 11, 2 * BAR_SLOTS + 1, NONE]
    assert notes[:4, NEXT_SLOT].tolist() == [4, 11, 2 * BAR_SLOTS + 1, 2 * BAR_SLOTS + 1]
    assert notes[:4, CLASS].tolist() == [2, 6, 4, 9]
    assert notes[:4, COMES].tolist() == [7, 11, 5, 12]
    assert notes[:4, GOES].tolist() == [11, 5, 12, 7]


def test_accompaniments_are_bits_of_pitch_classes():
    grid = accompaniment_grid(table(LINE, [(0, 288, 48), (0, 48, 55), (144, 48, 40)]))[0]
    c, e, g = 1, 1 << 4, 1 << 7
    assert grid[0].tolist() == [c | g, c | g, c]
    assert grid[4].tolist() == [c, 0, c]
    assert grid[12].tolist() == [0, 0, 0]
    assert grid[BAR_SLOTS].tolist() == [c | e, e, e]
    assert grid[BAR_SLOTS + 11].tolist() == [c, 0, c]
    assert grid[2 * BAR_SLOTS].tolist() == [0, 0, 0]


def test_there_may_be_no_phrase_and_no_accompaniment():
    some = table(LINE, [])
    assert not accompaniment_grid(some).any()
    none = some.rows(np.zeros(0, np.int64))
    for read in (melody_bars, melody_ends, melody_notes, accompaniment_grid, traits):
        assert len(read(none)) == 0


notes = st.lists(st.tuples(st.integers(0, 760), st.integers(1, 400), st.integers(48, 84)), min_size=1, max_size=40).map(
    sorted
)


@given(notes, st.integers(-5, 5), st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 4), (5, 8), (6, 4)]))
def test_in_another_key_all_is_the_same(line, semitones, metre):
    length = 16 * 48 * metre[0] // metre[1]
    line = [(on % length, min(n, length - on % length), p) for on, n, p in line]
    here = table(sorted(line), sorted(line), metre)
    up = np.array([0, 0, semitones])
    there = replace(here, melody=here.melody + up, accompaniment=here.accompaniment + up, shift=here.shift - semitones)
    for read in (melody_bars, melody_ends, melody_notes, accompaniment_grid):
        np.testing.assert_array_equal(read(here), read(there))
    assert traits(here).shape == (1, TRAITS)
    np.testing.assert_allclose(traits(here), traits(there), atol=1e-6)
    assert np.isfinite(traits(here)).all()
