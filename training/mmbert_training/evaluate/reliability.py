"""Whether a confidence says what it means: how often what is so sure is right."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

EDGES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of the bins; the last one has its upper edge."""


def bins(right: np.ndarray, sure: np.ndarray, edges: Sequence[float] = EDGES) -> list[dict[str, Any]]:
    """A row for each bin of stated confidence that holds anything.

    Args:
        right: bool [n].
        sure: Stated confidence, float [n], 0-1.
        edges: Of the bins, ascending.

    >>> bins(np.array([False, True, True]), np.array([0.1, 0.9, 1.0]), (0, 0.5, 1))[1]
    {'sure': '0.5-1.0', 'n': 2, 'stated': 0.95, 'right': 1.0}
    """
    rows = []
    for low, high in pairwise(edges):
        inside = (sure >= low) & ((sure < high) | ((high == edges[-1]) & (sure == high)))
        if inside.any():
            stated = {"stated": float(sure[inside].mean()), "right": float(right[inside].mean())}
            rows.append({"sure": f"{low:.1f}-{high:.1f}", "n": int(inside.sum()), **stated})
    return rows


def auc(right: np.ndarray, sure: np.ndarray) -> float:
    """How often a right one is surer than a wrong one, ties counting half; NaN where all are right or none is.

    >>> auc(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))
    0.75
    """
    more = sure[right][:, None] - sure[~right]
    return float(((more > 0) + 0.5 * (more == 0)).mean()) if more.size else float("nan")


def brier(right: np.ndarray, sure: np.ndarray) -> float:
    """Mean square of confidence less outcome (Brier 1950); of the share that is right, stated each time, p (1 - p).

    >>> brier(np.array([True, False]), np.array([0.5, 0.5]))
    0.25
    """
    return float(np.mean((sure - right) ** 2))


def thresholds(right: np.ndarray, sure: np.ndarray, step: float = 0.05) -> list[dict[str, Any]]:
    """Confidences from which on an estimate may be believed: the share that is, and how often that is right."""
    rows = []
    for least in np.arange(0, 1, step):
        kept = sure >= least - 1e-9
        if kept.any():
            found = {"kept": float(kept.mean()), "right": float(right[kept].mean())}
            rows.append({"from": round(float(least), 2), **found})
    return rows
