"""Fusion, scores and versions as laws on small arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.retrieval.calibrate import shares_beaten
from mmbert.retrieval.fuse import NAMED, Lists, fuse, ranking, standard
from mmbert.retrieval.versions import title_key

numbers = st.lists(st.floats(-1, 1, allow_nan=False, width=32), min_size=1, max_size=40).map(np.array)


def test_a_name_that_was_asked_for_comes_first() -> None:
    zeros = np.zeros(4)
    fused = fuse(Lists(zeros, zeros, np.array([0, 1, 0, 2]), meaning=np.array([0.9, 0.1, 0.2, 0.0])))
    assert ranking(fused, np.arange(4)).tolist() == [3, 1, 0, 2]


def test_ties_go_by_row_whatever_the_order_of_what_is_ranked() -> None:
    fused = np.array([1.0, 1.0, 2.0, 1.0])
    for rows in ([0, 1, 2, 3], [3, 1, 0, 2]):
        assert ranking(fused, np.array(rows)).tolist() == [2, 0, 1, 3]
    assert ranking(fused, np.array([3, 1])).tolist() == [1, 3]


@given(numbers)
def test_standard_scores_are_bounded_and_keep_the_order(values: np.ndarray) -> None:
    z = standard(values)
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= 5
    order = np.argsort(values, kind="stable")
    assert (np.diff(z[order]) >= -1e-9).all()


@given(numbers)
def test_share_beaten_is_between_none_and_all(values: np.ndarray) -> None:
    shares = shares_beaten(values)
    assert ((shares >= 0) & (shares <= 1)).all()
    if len(values) > 1 and np.sum(values == values.max()) == 1:
        assert shares[np.argmax(values)] == 1.0
        assert shares[np.argmin(values)] == 0.0


def test_a_large_library_is_sampled_the_same_way_each_time() -> None:
    values = np.random.default_rng(0).standard_normal(5000)
    shares = shares_beaten(values)
    assert np.array_equal(shares, shares_beaten(values))
    assert abs(shares[np.argsort(values)[2500]] - 0.5) < 0.05


def test_without_evidence_all_pieces_tie() -> None:
    zeros = np.zeros(3)
    assert fuse(Lists(zeros, zeros, np.zeros(3, int))).tolist() == [0, 0, 0]
    assert NAMED > 4 * 5 * 4  # more than all lists together can weigh


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (("Amazing Grace", "Newton"), ("AMAZING GRACE (in G)", "Newton"), True),
        (("Amazing Grace", "Newton"), ("Amazing Grace", "Excell"), False),
        (("The Blackbird", None), ("the blackbird", None), True),
        (("Waltz in A minor", "Chopin"), ("Waltz in A minor", "Chopin"), False),
        (("Sonata No. 1", "Mozart"), ("Sonata No. 1", "Mozart"), False),
        (("Rosamunde, Act 1", "Schubert"), ("Rosamunde, Act 2", "Schubert"), False),
    ],
)
def test_versions_by_title(a: tuple, b: tuple, same: bool) -> None:
    first, second = title_key(*a), title_key(*b)
    assert (first is not None and first == second) == same
