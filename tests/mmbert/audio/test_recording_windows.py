"""Windows of recordings cover the sound and nothing else."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.audio.windows import HOP_S, WINDOW_S, search_windows


@given(st.floats(0.001, 300))
def test_windows_cover_a_recording_without_gaps(length: float) -> None:
    places = search_windows(length)
    assert (places[0].start_s, places[-1].end_s) == (0, pytest.approx(length))
    assert all(p.end_s - p.start_s == pytest.approx(min(WINDOW_S, length)) for p in places)
    assert all(0 < b.start_s - a.start_s <= HOP_S for a, b in itertools.pairwise(places))
    assert all(p.start_bar is None and p.end_bar is None for p in places)


def test_a_short_recording_is_one_place() -> None:
    (place,) = search_windows(0.5)
    assert (place.start_s, place.end_s) == (0.0, 0.5)
