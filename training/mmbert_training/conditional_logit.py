"""Weights of figures that say which of several is the right one: a conditional logit.

McFadden, "Conditional Logit Analysis of Qualitative Choice Behavior" (1974), equations 12 to 17: the chance of each is
the softmax of a weighted sum. The likelihood is concave, so Newton's method ends in the one best answer.
"""

from __future__ import annotations

import numpy as np

_STEPS, _ENOUGH = 50, 1e-8
_PRIOR = 1e-3  # weight decay a choice, of figures of unit deviation: keeps what never differs at nought


def fit(figures: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The weight of each figure, float64 [f].

    Args:
        figures: float [q, n, f], of every alternative of every choice; the first alternative is the right one.
        present: bool [q, n], False where there is no such alternative.

    Raises:
        ValueError: where there is no choice, or a right one is missing.

    >>> right, wrong = [1.0, 0.0], [0.0, 1.0]
    >>> some = np.array([[right, wrong]] * 9 + [[wrong, right]])
    >>> weights = fit(some, np.ones((10, 2), bool))
    >>> bool(weights[0] > 0 > weights[1])
    True
    """
    if not len(figures) or not present[:, 0].all():
        raise ValueError("no choice to learn from, or one without its right alternative")
    seen = figures[present]
    scale = seen.std(axis=0)
    scale[scale < 1e-9] = 1.0
    against = (figures - figures[:, :1]) / scale
    against[~present] = 0
    prior = _PRIOR * len(figures)
    weights = np.zeros(figures.shape[2])
    value = _loss(against, present, weights, prior)
    for _ in range(_STEPS):
        chance = _chance(against @ weights, present)
        mean = np.einsum("qn,qnf->qf", chance, against)
        weighed = (chance[:, :, None] * against).reshape(-1, len(weights))
        curve = weighed.T @ against.reshape(-1, len(weights)) - mean.T @ mean + prior * np.eye(len(weights))
        step = -np.linalg.solve(curve, mean.sum(axis=0) + prior * weights)
        while (new := _loss(against, present, weights + step, prior)) > value and np.abs(step).max() > _ENOUGH:
            step = step / 2
        if np.abs(step).max() <= _ENOUGH:
            break
        weights, value = weights + step, new
    return weights / scale


def _loss(against: np.ndarray, present: np.ndarray, weights: np.ndarray, prior: float) -> float:
    """Minus the logarithm of the likelihood and of the prior; the right one's sum is nought."""
    sums = np.where(present, against @ weights, -np.inf)
    most = sums.max(axis=1)
    total = most + np.log(np.exp(sums - most[:, None]).sum(axis=1))
    return float(total.sum() + prior / 2 * (weights @ weights))


def _chance(sums: np.ndarray, present: np.ndarray) -> np.ndarray:
    sums = np.where(present, sums, -np.inf)
    power = np.exp(sums - sums.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)
