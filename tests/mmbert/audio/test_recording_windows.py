"""Windows of recordings cover the sound and nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.audio.windows import HOP_S, WINDOW_S, search_windows
from mmbert.types import Recording


@given(st.integers(1, 300_000))
def test_windows_cover_a_recording_without_gaps(samples: int) -> None:
    recording = Recording(np.zeros(samples, np.float32), 1000)
    places = search_windows(recording)
    assert (places[0].start_s, places[-1].end_s) == (0, pytest.approx(recording.duration_s))
    assert all(p.end_s - p.start_s == pytest.approx(min(WINDOW_S, recording.duration_s)) for p in places)
    assert all(0 < b.start_s - a.start_s <= HOP_S for a, b in itertools.pairwise(places))
    assert all(p.start_bar is None and p.end_bar is None for p in places)


def test_a_short_recording_is_one_place() -> None:
    (place,) = search_windows(Recording(np.zeros(500, np.float32), 1000))
    assert (place.start_s, place.end_s) == (0.0, 0.5)
