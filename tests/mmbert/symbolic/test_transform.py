"""Versions of a score: what changes, what stays, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.symbolic.score import Score
from mmbert.symbolic.transform import scale_velocity, stretch, transpose

TUNE = Score.build(
    [(0, 240, 60, 80, 0, False, 0), (240, 240, 67, 120, 40, False, 1), (240, 10, 36, 100, 0, True, 2)],
    480,
    tempo_map=[(0, 100.0), (240, 50.0)],
    key_map=[(0, 4, False), (240, -7, True)],
)


@given(st.integers(-24, 24))
def test_transposing_moves_pitched_notes_and_keys_and_comes_back(semitones: int) -> None:
    moved = transpose(TUNE, semitones)
    drum = TUNE.notes["is_drum"]
    assert (moved.notes["pitch"][drum] == 36).all()
    assert (moved.notes["pitch"].astype(int) - TUNE.notes["pitch"] == np.where(drum, 0, semitones)).all()
    fifths = moved.key_map["fifths"].astype(int)
    assert (np.abs(fifths) <= 7).all()
    assert ((fifths - TUNE.key_map["fifths"] - 7 * semitones) % 12 == 0).all()
    assert (transpose(moved, -semitones).notes == TUNE.notes).all()
    assert TUNE.notes["pitch"].tolist() == [60, 67, 36]  # the source is never changed


def test_octaves_keep_the_spelling_of_keys() -> None:
    assert transpose(TUNE, 12).key_map["fifths"].tolist() == [4, -7]


def test_pitches_outside_midi_are_refused() -> None:
    with pytest.raises(ValueError, match="semitones: 61 would move pitches to 121-128"):
        transpose(TUNE, 61)
    only_drums = Score.build([(0, 10, 36, 100, 0, True, 0)], 480)
    assert transpose(only_drums, 100).notes["pitch"].tolist() == [36]


def test_a_score_twice_as_fast_lasts_half_as_long() -> None:
    assert stretch(TUNE, 2).duration_s == pytest.approx(TUNE.duration_s / 2)
    untold = Score.build([(0, 960, 60, 80, 0, False, 0)], 480)
    late = Score.build([(0, 960, 60, 80, 0, False, 0)], 480, tempo_map=[(480, 60.0)])
    assert stretch(untold, 0.5).duration_s == pytest.approx(2.0)
    assert stretch(late, 0.5).duration_s == pytest.approx(2 * late.duration_s)
    with pytest.raises(ValueError, match="ratio: 0"):
        stretch(TUNE, 0)


def test_velocities_stay_in_midi() -> None:
    assert scale_velocity(TUNE, 2).notes["velocity"].tolist() == [127, 127, 127]
    assert scale_velocity(TUNE, 0.001).notes["velocity"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="factor: nan"):
        scale_velocity(TUNE, float("nan"))
