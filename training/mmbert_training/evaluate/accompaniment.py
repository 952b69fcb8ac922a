"""Which accompaniment belongs to a melody phrase, among those of other works and of the same.

Candidates are those of :mod:`mmbert_training.evaluate.phrase_candidates`. All parts beside the melody are one
accompaniment, so one candidate is right and HITS@k can reach 1. Published figures for a task of this name (MusicBERT,
PiRhDy) count every accompanying track as right: their HITS@1 cannot exceed the mean of 1 / tracks, about a third.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from mmbert.model.phrase_model import PhraseModel
from mmbert_training.evaluate.phrase_learned import learned_rows
from mmbert_training.evaluate.phrase_ranking import rank

_COMPARED = (
    ("fitted", "hand"),
    ("fitted", "same_pitch_class"),
    ("towers_fitted", "fitted"),
    ("pair", "fitted"),
    ("pair", "towers_fitted"),
)


def run(
    data: Path | None = None, weights: Path | None = None, split: Literal["test", "validation"] = "test"
) -> dict[str, Any]:
    """All rows, sets and sources. ``weights``: a folder of phrase weights; None for the released ones.

    Raises:
        WeightsError: where that is none.
        DataError: where the data are missing, or the lists are not those of the kept digests.
    """
    model = PhraseModel.from_pretrained(weights)
    return rank("accompaniment", data, split, _COMPARED, learned_rows(model, "accompaniment"))
