"""Passages hold every note once in whole bars; windows are four bars, every two; free time is two-second bars."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.symbolic.octuple import encode
from mmbert.symbolic.score import Score
from mmbert.symbolic.windows import FREE_BAR_S, passages, search_windows, timeline

METRES = [(4, 4), (3, 4), (6, 8), (1, 4), (12, 4), (17, 4), (5, 8)]


@st.composite
def scores(draw: st.DrawFn) -> Score:
    onsets = draw(st.lists(st.integers(0, 480 * 120), min_size=1, max_size=200))
    metres = draw(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(METRES)), max_size=4))
    rows = [(t, 100, 60 + i % 12, 80, 0, False, 0) for i, t in enumerate(onsets)]
    metre_map = [(480 * q, *m) for q, m in sorted(metres)]
    return Score.build(rows, 480, metre_map=metre_map, tempo_map=[(0, 100.0), (5000, 40.0)])


@settings(deadline=None)
@given(scores(), st.integers(1, 40), st.integers(1, 20))
def test_passages_are_whole_bars_and_hold_every_note_once(score: Score, max_notes: int, max_bars: int) -> None:
    encoding = encode(score)
    runs = passages(encoding, max_notes, max_bars)
    back = [run.tokens + np.array([run.place.start_bar, *[0] * 7], np.int16) for run in runs]
    assert (np.concatenate(back) == encoding.octuples).all()
    for run in runs:
        assert run.tokens.dtype == np.int16
        assert run.tokens[0, 0] == 0
        assert 1 <= len(run.tokens) <= max_notes
        assert run.place.end_bar - run.place.start_bar == run.tokens[-1, 0] + 1 <= max_bars
        assert run.place.end_s > run.place.start_s
    for one, two in itertools.pairwise(runs):
        if one.place.end_bar > two.place.start_bar:  # a bar with more notes than a passage may hold
            assert one.place.end_bar - one.place.start_bar == 1
            assert len(one.tokens) == max_notes


@settings(deadline=None)
@given(scores())
def test_windows_of_a_piece_reach_every_note_and_agree_with_passages(score: Score) -> None:
    places = search_windows(score)
    bars = encode(score).octuples[:, 0]
    covered = {bar for p in places for bar in range(p.start_bar, p.end_bar)}
    assert covered == set(range(max(p.end_bar for p in places)))
    assert bars.max() in covered
    assert all(p.end_bar - p.start_bar == min(4, len(covered)) for p in places)
    second = {run.place.start_bar: run.place.start_s for run in passages(encode(score), max_bars=1)}
    assert all(second.get(p.start_bar, p.start_s) == pytest.approx(p.start_s) for p in places)


def test_a_place_is_where_the_bars_of_the_score_are() -> None:
    rows = [(480 * q, 480, 60, 80, 0, False, 0) for q in range(33)]
    score = Score.build(rows, 480, metre_map=[(0, 1, 4), (480, 4, 4)], tempo_map=[(0, 60.0)])
    places = search_windows(score)
    assert [(p.start_bar, p.end_bar) for p in places] == [(0, 4), (2, 6), (4, 8), (5, 9)]
    assert [p.start_s for p in places] == [0.0, 5.0, 13.0, 17.0]
    assert places[-1].end_s == pytest.approx(score.duration_s)
    runs = passages(encode(score), max_notes=10)
    assert [(r.place.start_bar, r.place.end_bar, r.place.start_s) for r in runs] == [
        (0, 3, 0.0), (3, 5, 9.0), (5, 7, 17.0), (7, 9, 25.0),
    ]  # fmt: skip


def test_free_time_keeps_seconds_and_has_no_bar_numbers() -> None:
    rows = [(t, 200, 60, 80, 0, False, 0) for t in range(0, 9000, 333)]
    score = Score.build(rows, 480, tempo_map=[(0, 70.0), (4000, 110.0)], metre_map=[(0, 3, 4)])
    timed = timeline(score, free_time=True)
    assert np.allclose(timed.seconds(timed.notes["onset"]), score.seconds(score.notes["onset"]), atol=1e-3)
    assert timeline(score, free_time=False) is score
    places = search_windows(score, free_time=True)
    assert all(p.start_bar is None and p.end_bar is None for p in places)
    assert [p.start_s / FREE_BAR_S for p in places] == [0, 2, 3]
    assert places[-1].end_s >= score.duration_s
    assert passages(encode(timed))[0].place.end_s % FREE_BAR_S == 0


def test_no_notes_no_passages_and_sizes_that_make_no_sense() -> None:
    assert passages(encode(Score.build([], 480))) == []
    assert len(search_windows(Score.build([], 480))) == 1
    with pytest.raises(ValueError, match="max_bars: 257"):
        passages(encode(Score.build([], 480)), max_bars=257)
