"""Augmented octuples and facets change together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mmbert_training import augment
from mmbert_training.augment import AugmentConfig, Change

from mmbert.types import Facets


def notes(n=20, seed=0):
    rng = np.random.default_rng(seed)
    out = np.stack([rng.integers(0, high, n) for high in (16, 64, 129, 100, 32, 30, 200, 40)], 1)
    out[:3, augment.PROGRAM] = augment.DRUM_PROGRAM
    out[out[:, augment.PROGRAM] == augment.DRUM_PROGRAM, augment.PITCH] += 128
    return out.astype(np.uint8)


def test_transposition_moves_pitches_and_key_and_leaves_percussion():
    before = notes()
    after = augment.change_octuples(before, Change(semitones=2))
    pitched = before[:, augment.PROGRAM] != augment.DRUM_PROGRAM
    assert np.array_equal(after[pitched, augment.PITCH], before[pitched, augment.PITCH].astype(int) + 2)
    assert np.array_equal(after[~pitched], before[~pitched])
    known = Facets(key="A", mode="minor", pitch_low=40, pitch_high=60)
    new = augment.change_facets(known, Change(semitones=-2))
    assert (new.key, new.mode, new.pitch_low, new.pitch_high) == ("G", "minor", 38, 58)


def test_tempo_changes_all_that_is_counted_in_seconds():
    known = Facets(tempo_bpm=120, pace=4.0, duration_s=60)
    new = augment.change_facets(known, Change(tempo=12))
    assert (new.tempo_bpm, new.pace, new.duration_s) == (240, 8, 30)


@given(st.integers(0, 2**32 - 1), st.integers(0, 127), st.integers(0, 127), st.booleans())
def test_a_drawn_change_is_possible_and_claims_nothing_unknown(seed, a, b, stated):
    low, high = min(a, b), max(a, b)
    known = Facets(pitch_low=low, pitch_high=high, pace=3.0, bars=9, tempo_bpm=90 if stated else None)
    change = augment.draw(known, AugmentConfig(unchanged=0.0), np.random.default_rng(seed))
    new = augment.change_facets(known, change)
    assert 0 <= new.pitch_low <= new.pitch_high <= 127
    assert change.velocity == 0
    assert stated or (change.tempo == 0 and new.pace == 3.0 and new.tempo_bpm is None)
