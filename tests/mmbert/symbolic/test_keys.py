"""Keys from notes: both modes, every transposition, drums and signatures kept in their place."""

from __future__ import annotations

import numpy as np
import pytest

from mmbert.symbolic.keys import estimate_key
from mmbert.symbolic.score import Score

Q = 480
CADENCES = {  # chords in C major and in A minor, root first
    "major": [(60, 64, 67), (65, 69, 72), (67, 71, 74, 77), (60, 64, 67)],
    "minor": [(57, 60, 64), (62, 65, 69), (64, 68, 71, 74), (57, 60, 64)],
}


def cadence(mode: str, shift: int = 0, drums: bool = False, key_map: tuple = ()) -> Score:
    notes = [(i * Q, Q, pitch + shift, 80, 0, False, 0) for i, chord in enumerate(CADENCES[mode]) for pitch in chord]
    if drums:
        notes += [(i * Q // 2, Q, 37, 100, 0, True, 1) for i in range(8)]
    return Score.build(notes, Q, key_map=key_map)


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("shift", range(-6, 6))
def test_a_cadence_has_its_key_in_every_transposition(mode: str, shift: int) -> None:
    found = estimate_key(cadence(mode, shift))
    assert found is not None
    assert (found.pitch_class, found.mode) == (((0 if mode == "major" else 9) + shift) % 12, mode)
    assert 0.5 < found.confidence <= 1


def test_drums_have_no_key() -> None:
    assert estimate_key(cadence("minor", drums=True)) == estimate_key(cadence("minor"))
    only = Score.build([(0, Q, 36, 100, 0, True, 0)], Q)
    assert estimate_key(only) is None


def test_a_signature_is_no_tonic() -> None:
    """The default signature that many programs write does not turn D minor into C major."""
    default = estimate_key(cadence("minor", 5, key_map=[(0, 0, False)]))
    assert default is not None
    assert default.key == "D"
    assert default.mode == "minor"
    right = estimate_key(cadence("minor", 5, key_map=[(0, -1, False)]))
    assert right is not None
    assert right.key == "D"
    assert right.mode == "minor"
    assert right.confidence > default.confidence


def test_the_signature_in_force_longest_is_the_one_that_speaks() -> None:
    late = cadence("major", key_map=[(0, 0, False), (4 * Q - 1, 6, False)])
    assert estimate_key(late) == estimate_key(cadence("major", key_map=[(0, 0, False)]))


def test_an_ambiguous_piece_says_so() -> None:
    chromatic = Score.build([(i * Q, Q, 60 + i, 80, 0, False, 0) for i in range(12)], Q)
    unsure, sure = estimate_key(chromatic), estimate_key(cadence("major"))
    assert unsure is not None
    assert sure is not None
    assert unsure.confidence < 0.5 < sure.confidence
    zero = Score.build(np.array([(0, 0, 60, 80, 0, False, 0)], dtype=chromatic.notes.dtype), Q)
    assert estimate_key(zero) is not None
