"""One ranking from several lists: a weighted sum of standard scores, and of the share of words that were found.

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

    ``mmbert eval fusion`` chose those of meaning, statements, conditions and words on validation questions; words must
    also find titles with one word left out.
    """

    meaning: float = 1.0
    statements: float = 0.5
    conditions: float = 0.75
    words: float = 6.0
    sounds: float = 2.0  # of recordings alone: `benchmarks/heard_words.py` and `benchmarks/mixed_kinds.py`
    sounds_beside_facts: float = 0.5
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


@dataclass(frozen=True)
class Lists:
    """What each way of looking says of every piece, each [n].

    Attributes:
        words: How much of the words was found in the piece's own texts, 0-1.
        conditions: Share of conditions that fit.
        tier: How much of the piece was asked for by name.
        meaning: Similarity with the words, None where there are none.
        statements: How much of what the known phrases read in the words is true, None where there are no words.
        example: Similarity with the example, None where there is none.
        sounds: Similarity of the words with what is heard, NaN of what is none; None without recordings or words.
        measured: Whether the words state a fact that no name of a sound tells: a key, a tempo, a form.
    """

    words: np.ndarray
    conditions: np.ndarray
    tier: np.ndarray
    meaning: np.ndarray | None = None
    statements: np.ndarray | None = None
    example: np.ndarray | None = None
    sounds: np.ndarray | None = None
    measured: bool = False

    def of(self, rows: np.ndarray) -> Lists:
        """Of some pieces alone: what is usual is then what is usual among them."""

        def some(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        own = (self.words[rows], self.conditions[rows], self.tier[rows], some(self.meaning), some(self.statements))
        return Lists(*own, some(self.example), some(self.sounds), self.measured)


def fuse(lists: Lists, weights: Weights = WEIGHTS) -> np.ndarray:
    """Fused score of every piece, float64 [n], rounded so that equal pieces tie."""
    near = (weights.conditions if lists.example is None else weights.changes) * standard(lists.conditions)
    if lists.meaning is not None:
        near = near + weights.meaning * standard(lists.meaning)
    if lists.statements is not None:
        near = near + weights.statements * standard(lists.statements)
    if lists.example is not None:
        near = near + weights.example * standard(lists.example)
    if lists.sounds is not None:
        heard = np.isfinite(lists.sounds)
        # No name of a sound tells a key: with their full weight, what is heard would outvote the facts.
        weight = weights.sounds_beside_facts if lists.measured else weights.sounds
        near[heard] = _levelled(near[heard] + weight * standard(lists.sounds[heard]), near[~heard])
    return np.round(near + weights.words * lists.words.astype(np.float64) + NAMED * lists.tier, 6)


def _levelled(recordings: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Recordings on the scale of the other pieces: how far ahead of its own kind a piece is, counts.

    Nothing that is compared with all pieces says which kind is meant.
    """
    mean, spread = (others.mean(), others.std()) if len(others) else (0.0, 0.0)
    if spread < 1e-9 or recordings.std() < 1e-9:
        return recordings
    return mean + spread * (recordings - recordings.mean()) / recordings.std()


def ranking(fused: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``rows`` best first; ties in order of row, which is the order of uid."""
    return rows[np.lexsort((rows, -fused[rows]))]
