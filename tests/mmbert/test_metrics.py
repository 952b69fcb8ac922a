"""Ranking figures: expectations over ties, chance, intervals over works."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.metrics import bootstrap, chance, paired_bootstrap, standing


@pytest.mark.parametrize("n", [1, 2, 7, 50, 690])
def test_a_constant_scorer_gets_exactly_what_chance_gives(n: int) -> None:
    found = standing(np.full((3, n), 0.7), [0, n - 1, n // 2])
    assert found.recall_at(1) == pytest.approx([1 / n] * 3)
    assert found.rank() == pytest.approx([(n + 1) / 2] * 3)
    assert found.reciprocal_rank() == pytest.approx([sum(1 / i for i in range(1, n + 1)) / n] * 3)
    assert chance(n).ndcg()[0] == pytest.approx(found.ndcg()[0])


@given(st.lists(st.integers(0, 2), min_size=1, max_size=5), st.data())
def test_every_figure_is_the_mean_over_all_orders_of_the_ties(scores: list[int], data: st.DataObject) -> None:
    right = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1))
    ranks = []
    for order in itertools.permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
            ranks.append(min(order.index(i) for i in right) + 1)
    found = standing(np.array([scores], float), np.array([[i in right for i in range(len(scores))]]))
    if len(right) == 1:
        assert found.rank()[0] == standing(np.array([scores], float), [*right]).rank()[0]
    assert found.rank()[0] == pytest.approx(np.mean(ranks))
    assert found.reciprocal_rank()[0] == pytest.approx(np.mean([1 / r for r in ranks]))
    assert found.ndcg()[0] == pytest.approx(np.mean([1 / math.log2(1 + r) for r in ranks]))
    for k in (1, 2, 10):
        assert found.recall_at(k)[0] == pytest.approx(np.mean([r <= k for r in ranks]))


def test_scores_within_a_millionth_are_tied() -> None:
    assert standing(np.array([[0.5, 0.5 + 1e-9]]), [0]).tied.tolist() == [2]


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        standing(np.array([[0.0, np.nan]]), [0])
    with pytest.raises(ValueError, match="2 queries"):
        standing(np.zeros((1, 3)), [0, 1])
    with pytest.raises(ValueError, match="no right answer"):
        standing(np.zeros((1, 3)), np.zeros((1, 3), bool))


def test_intervals_are_over_works_and_not_over_queries() -> None:
    rng = np.random.default_rng(0)
    work = rng.normal(size=40)
    few = bootstrap(work, [str(i) for i in range(40)])
    many = bootstrap(np.repeat(work, 50), [str(i) for i in range(40) for _ in range(50)])
    assert few.groups == many.groups == 40
    assert many.high - many.low == pytest.approx(few.high - few.low, rel=1e-6)
    assert few.low < few.mean < few.high


def test_a_difference_is_one_only_if_its_interval_says_so() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=200)
    groups = [str(i) for i in range(200)]
    assert paired_bootstrap(a + 0.5, a, groups).excludes_zero
    assert not paired_bootstrap(a, rng.permutation(a), groups).excludes_zero
    with pytest.raises(ValueError, match="values"):
        bootstrap(np.array([]), [])
