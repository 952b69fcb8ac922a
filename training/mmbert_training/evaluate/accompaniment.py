"""Which accompaniment belongs to a melody phrase, among those of other works and of the same.

Candidates are those of :mod:`mmbert_training.evaluate.phrase_candidates`. All parts beside the melody are one
accompaniment, so one candidate is right and HITS@k can reach 1. Published figures for a task of this name (MusicBERT,
PiRhDy) count every accompanying track as right: their HITS@1 cannot exceed the mean of 1 / tracks, about a third.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from mmbert_training.evaluate.phrase_ranking import rank


def run(
    data: Path | None = None, weights: Path | None = None, split: Literal["test", "validation"] = "test"
) -> dict[str, Any]:
    """All rows, sets and sources. ``weights`` are of no account: no row is a trained model's.

    Raises:
        DataError: where the data are missing, or the lists are not those of the kept digests.
    """
    return rank("accompaniment", data, split, compared=(("fitted", "hand"), ("fitted", "same_pitch_class")))
