"""One ranking from three lists: a weighted sum of standard scores, and of the share of words that were found.

Standard scores keep how far ahead a piece is in a list, which reciprocal ranks throw away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_DEVIATIONS = 5.0  # one piece alone would have a standard score without bound
NAMED = 100.0  # a piece whose title or composer was asked for comes first, whatever else speaks against it


@dataclass(frozen=True)
class Weights:
    """What a standard deviation in each list is worth, and what all words found together are.

    The weight of words was chosen over the demo library on captions in known wordings (which it must not disturb)
    and on titles with one word left out (which it must find).
    """

    meaning: float = 1.0
    conditions: float = 1.0
    words: float = 6.0
    example: float = 1.0
    changes: float = 3.0  # conditions beside an example: "slower" is what is wanted of it


WEIGHTS = Weights()


def standard(values: np.ndarray) -> np.ndarray:
    """(x - mean) / deviation, float64, at most five either way; zeros where all are equal.

    >>> standard(np.array([0.0, 0.0, 3.0])).round(2).tolist()
    [-0.71, -0.71, 1.41]
    """
    values = np.asarray(values, dtype=np.float64)
    deviation = values.std() if len(values) else 0.0
    if deviation < 1e-9:
        return np.zeros(len(values))
    return np.clip((values - values.mean()) / deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS)


def fuse(
    *,
    meaning: np.ndarray | None = None,
    example: np.ndarray | None = None,
    words: np.ndarray,
    conditions: np.ndarray,
    tier: np.ndarray,
    weights: Weights = WEIGHTS,
) -> np.ndarray:
    """Fused score of every piece, float64 [n], rounded so that equal pieces tie.

    Args:
        meaning: Similarity with the words, None where there are none.
        example: Similarity with the example, None where there is none.
        words: How much of the words was found in the piece's own texts, 0-1.
        conditions: Share of conditions that fit.
        tier: How much of the piece was asked for by name.
    """
    total = weights.words * words.astype(np.float64)
    total = total + (weights.conditions if example is None else weights.changes) * standard(conditions)
    if meaning is not None:
        total = total + weights.meaning * standard(meaning)
    if example is not None:
        total = total + weights.example * standard(example)
    return np.round(total + NAMED * tier, 6)


def ranking(fused: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``rows`` best first; ties in order of row, which is the order of uid."""
    return rows[np.lexsort((rows, -fused[rows]))]
