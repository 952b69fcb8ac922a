"""What stands out from a library is the same music; what is no liker than the next is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.retrieval.same_enough import ENOUGH, standing_out


def library(best: float, following: float, pieces: int = 200) -> np.ndarray:
    """Likenesses of a best piece, and of others from ``following`` downwards."""
    return np.append(best, np.linspace(following, 0.2, pieces - 1))


@pytest.mark.parametrize(
    ("best", "following", "seconds", "same"),
    [
        (0.66, 0.40, 30, True),  # a performance, far ahead of the rest
        (0.87, 0.60, 30, True),
        (0.66, 0.60, 30, False),
        (0.90, 0.87, 5, False),  # flat and short: much is like it
        (0.96, 0.80, 5, True),
    ],
)
def test_what_stands_out_is_the_same_and_what_does_not_is_not(best, following, seconds, same):
    assert (standing_out(library(best, following), seconds)[0] >= ENOUGH) == same


def test_several_versions_of_a_piece_do_not_hide_one_another():
    found = standing_out(np.append([0.85] * 6, library(0.85, 0.5)), 30)
    assert (found[:7] >= ENOUGH).all()
    assert not (found[7:] >= ENOUGH).any()


def test_a_library_of_two_pieces_is_judged_by_likeness_alone():
    assert standing_out(np.array([0.85]), 30)[0] >= ENOUGH
    assert (standing_out(np.array([0.85, 0.84]), 30) >= ENOUGH).all()
    assert not (standing_out(np.array([0.55, 0.1]), 30) >= ENOUGH).any()
    assert len(standing_out(np.array([]), 30)) == 0


@given(st.lists(st.floats(-2, 1), min_size=1, max_size=40), st.floats(3, 600))
def test_the_order_of_likenesses_stays(likenesses, seconds):
    score = np.array(likenesses)
    found = standing_out(score, seconds)
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(score)]) >= 0).all()
