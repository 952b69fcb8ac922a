"""Which phrase follows a melody phrase, among phrases of other works and of the same.

Candidates are those of :mod:`mmbert_training.evaluate.phrase_candidates`; one is right. Published figures for a task of
this name (MusicBERT, PiRhDy) rank 50 phrases of Lakh files, keep velocities and choose negatives at random: ``paper``
is nearest to that.
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
    return rank("completion", data, split)
