"""What ranks candidate phrases: single figures, their sum by hand, their fitted sum.

A row is a :data:`Scorer`. Rows of trained models are made of the same phrases and stand beside these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mmbert.symbolic.phrase_pairs import (
    ACCOMPANIMENT_BY_HAND,
    COMPLETION_BY_HAND,
    accompaniment,
    completion,
    weighted,
)
from mmbert.symbolic.phrase_profiles import accompaniments, melodies
from mmbert.symbolic.phrases import PhraseTable, Task
from mmbert_training.conditional_logit import fit
from mmbert_training.evaluate.phrase_candidates import Candidates

# Queries int64 [q] and candidates int64 [q, n], rows of the phrases, to scores float [q, n]; -1 is no candidate, and
# whatever is scored there does not count.
Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]
Figures = Mapping[str, np.ndarray]
BY_HAND: Mapping[Task, Mapping[str, float]] = {"completion": COMPLETION_BY_HAND, "accompaniment": ACCOMPANIMENT_BY_HAND}
FITTED_ON = ("paper", "hard")


def figures_of(table: PhraseTable, task: Task) -> Figures:
    """Every single figure of all pairs, float32 [P, P] by name."""
    if task == "completion":
        profile = melodies(table)
        return completion(profile, profile)
    return accompaniment(melodies(table), accompaniments(table))


def simple_rows(figures: Figures, task: Task, weights: Mapping[str, float]) -> dict[str, Scorer]:
    """Chance, each figure, ``hand`` and ``fitted``.

    Args:
        figures: Of all pairs of the phrases.
        task: What the hand weights are for.
        weights: The fitted ones.
    """
    sums = {"hand": weighted(figures, BY_HAND[task]), "fitted": weighted(figures, weights)}
    chance = np.zeros((1, 1), np.float32)
    rows: dict[str, Scorer] = {"chance": lambda queries, candidates: np.broadcast_to(chance, candidates.shape)}
    return rows | {name: looked_up(matrix) for name, matrix in {**figures, **sums}.items()}


def looked_up(matrix: np.ndarray) -> Scorer:
    """The scorer that reads a matrix of all pairs, [P, P]."""
    return lambda queries, candidates: matrix[queries[:, None], candidates]


def fitted_weights(learned: Sequence[tuple[Figures, Candidates]]) -> dict[str, float]:
    """Weights of the figures, from phrases that are no part of the test: for each a conditional logit over the lists
    ``paper`` and ``hard``.

    Args:
        learned: Figures of all pairs of some phrases, and their candidates; of several sources each query counts alike.
    """
    names = list(learned[0][0])
    seen, present = [], []
    for figures, candidates in learned:
        for name in FITTED_ON:
            rows = candidates.lists[name]
            seen.append(np.stack([figures[n][candidates.queries[:, None], rows] for n in names], axis=2))
            present.append(rows >= 0)
    width = max(p.shape[1] for p in present)
    wide = [(0, 0), (0, width)]
    figures_, present_ = (
        np.concatenate([np.pad(x, [*wide, (0, 0)][: x.ndim])[:, :width] for x in some]) for some in (seen, present)
    )
    return dict(zip(names, fit(figures_.astype(np.float64), present_).tolist()))
