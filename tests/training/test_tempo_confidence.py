"""Confidence that is fitted says how often it is right; tables of it hold every estimate once."""

import numpy as np
import pytest
from mmbert_training.evaluate import reliability
from mmbert_training.tempo_confidence import confidence, fitted


@pytest.fixture
def measured():
    rng = np.random.default_rng(0)
    figures = rng.normal(size=(4000, 2))
    chance = 1 / (1 + np.exp(-(0.5 + 2 * figures[:, 0])))
    return figures, rng.random(4000) < chance


def test_what_is_stated_is_what_is_right(measured):
    figures, right = measured
    weights = fitted(figures, right)
    assert weights == pytest.approx([0.5, 2, 0], abs=0.2)
    for row in reliability.bins(right, confidence(figures, weights)):
        assert row["stated"] == pytest.approx(row["right"], abs=0.1)


def test_what_says_nothing_is_as_sure_as_the_share_that_is_right(measured):
    _, right = measured
    sure = confidence(noise := np.random.default_rng(1).normal(size=(4000, 2)), fitted(noise, right))
    assert reliability.auc(right, sure) == pytest.approx(0.5, abs=0.05)
    assert reliability.brier(right, sure) == pytest.approx(right.mean() * (1 - right.mean()), abs=0.01)


def test_every_estimate_is_in_one_bin_and_a_threshold_keeps_what_is_as_sure():
    right, sure = np.array([True, False, True, True]), np.array([0.0, 0.5, 0.5, 1.0])
    assert sum(row["n"] for row in reliability.bins(right, sure)) == 4
    [half] = [row for row in reliability.thresholds(right, sure) if row["from"] == 0.5]
    assert (half["kept"], half["right"]) == (0.75, pytest.approx(2 / 3))
