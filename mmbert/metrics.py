"""How good a ranking is, fair to ties, and how sure one can be of it.

Ties are broken neither for nor against the right answer: every figure is its expectation over all orders of the
tied candidates, so that a scorer which says the same of everything gets exactly what chance gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SAME = 6  # scores that agree to so many decimals are tied


@dataclass(frozen=True)
class Standing:
    """Where the best relevant candidate of each query stands.

    Attributes:
        better: int64 [q], candidates with a higher score.
        tied: int64 [q], candidates with the same score, the relevant ones included.
        right: int64 [q], the relevant ones among the tied.
    """

    better: np.ndarray
    tied: np.ndarray
    right: np.ndarray

    def __len__(self) -> int:
        return len(self.better)

    def rank(self) -> np.ndarray:
        """Expected rank from 1, float64 [q]."""
        return self.better + (self.tied + 1) / (self.right + 1)

    def recall_at(self, k: int) -> np.ndarray:
        """Chance of being among the first ``k``, float64 [q].

        >>> standing(np.zeros((1, 4)), [2]).recall_at(1).tolist()
        [0.25]
        """
        shown = np.clip(k - self.better, 0, self.tied)
        return 1 - np.take_along_axis(self._none_yet(), shown[:, None], axis=1)[:, 0]

    def reciprocal_rank(self) -> np.ndarray:
        """Expected 1 / rank, float64 [q]; its mean over queries is the MRR."""
        return self._expected(1.0 / np.arange(1, self._last + 1))

    def ndcg(self) -> np.ndarray:
        """Expected 1 / log2(1 + rank), float64 [q]: nDCG with one relevant candidate."""
        return self._expected(1.0 / np.log2(1.0 + np.arange(1, self._last + 1)))

    @property
    def _last(self) -> int:
        return int((self.better + self.tied).max(initial=0))

    def _none_yet(self) -> np.ndarray:
        """Chance that none of the relevant is among the first j of the tied, float64 [q, 1 + most tied]; j from 0."""
        drawn = np.arange(int(self.tied.max(initial=0)))
        left = self.tied[:, None] - drawn
        wrong = np.clip((left - self.right[:, None]) / np.maximum(left, 1), 0, None)
        return np.cumprod(np.c_[np.ones(len(self)), wrong], axis=1)

    def _expected(self, gain: np.ndarray) -> np.ndarray:
        """Mean of ``gain`` [ranks] over the ranks that the best relevant candidate may take."""
        chance = -np.diff(self._none_yet(), axis=1)
        ranks = self.better[:, None] + np.arange(chance.shape[1])
        return (chance * gain[np.minimum(ranks, len(gain) - 1)]).sum(axis=1)


def standing(scores: np.ndarray, relevant: np.ndarray | list[int]) -> Standing:
    """Standing of the relevant candidate of each query, or of the best of several.

    Args:
        scores: float [q, n], higher is better.
        relevant: int [q], the column of the right answer; or bool [q, n], at least one true a row.

    Raises:
        ValueError: for a score that is not finite, shapes that do not fit, or a query without a right answer.

    >>> s = standing(np.array([[0.1, 0.9, 0.5], [1.0, 1.0, 0.0]]), [2, 0])
    >>> s.rank().tolist(), s.reciprocal_rank().tolist()
    ([2.0, 1.5], [0.5, 0.75])
    >>> standing(np.array([[0.1, 0.9, 0.5]]), np.array([[True, False, True]])).rank().tolist()
    [2.0]
    """
    scores, relevant = np.atleast_2d(np.asarray(scores, dtype=np.float64)), np.asarray(relevant)
    if len(scores) != len(relevant):
        raise ValueError(f"{len(scores)} rows of scores for {len(relevant)} queries")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    right = relevant if relevant.ndim == 2 else np.arange(scores.shape[1]) == relevant[:, None]
    if not right.any(axis=1).all():
        raise ValueError("a query has no right answer among the candidates")
    scores = np.round(scores, _SAME)
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    same = scores == best
    return Standing((scores > best).sum(axis=1), same.sum(axis=1), (same & right).sum(axis=1))


def chance(n: int) -> Standing:
    """Standing of a scorer that knows nothing of ``n`` candidates.

    >>> chance(50).reciprocal_rank().round(3).tolist(), chance(50).recall_at(10).round(3).tolist()
    ([0.09], [0.2])
    """
    return Standing(np.array([0]), np.array([n]), np.array([1]))


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval.

    Attributes:
        mean: Over all values.
        low: 2.5 %.
        high: 97.5 %.
        groups: Number of works that it rests on.
    """

    mean: float
    low: float
    high: float
    groups: int

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference may be called one."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(values: np.ndarray, groups: np.ndarray | list[str], samples: int = 2000, seed: int = 0) -> Interval:
    """Mean of ``values`` [n] and its percentile interval, whole works (``groups`` [n]) drawn with replacement.

    >>> bootstrap(np.array([1.0, 1.0, 1.0]), ["a", "a", "b"])
    Interval(mean=1.0, low=1.0, high=1.0, groups=2)
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values) or len(values) != len(groups):
        raise ValueError(f"{len(values)} values in {len(groups)} groups")
    _, which = np.unique(np.asarray(groups), return_inverse=True)
    total, count = np.bincount(which, values), np.bincount(which)
    drawn = np.random.default_rng(seed).integers(0, len(total), (samples, len(total)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high), len(total))


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray | list[str], samples: int = 2000, seed: int = 0
) -> Interval:
    """Mean of ``a - b`` [n], two systems on the same queries, with its interval over the same works.

    >>> paired_bootstrap(np.array([0.9, 0.8]), np.array([0.5, 0.6]), ["x", "y"]).excludes_zero
    True
    """
    return bootstrap(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), groups, samples, seed)
