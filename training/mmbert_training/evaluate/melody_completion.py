"""Which phrase follows a melody phrase, among phrases of other works and of the same.

Candidates are those of :mod:`mmbert_training.evaluate.phrase_candidates`; one is right. Published figures for a task of
this name (MusicBERT, PiRhDy) rank 50 phrases of Lakh files, keep velocities and choose negatives at random: ``paper``
is nearest to that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from mmbert.model.phrase_model import PhraseModel
from mmbert_training.evaluate.phrase_learned import learned_rows
from mmbert_training.evaluate.phrase_ranking import rank

_COMPARED = (("fitted", "hand"), ("towers_fitted", "fitted"), ("pair", "fitted"), ("pair", "towers_fitted"))


def run(
    data: Path | None = None, weights: Path | None = None, split: Literal["test", "validation"] = "test"
) -> dict[str, Any]:
    """All rows, sets and sources. ``weights``: a folder of phrase weights; None for the released ones.

    Raises:
        WeightsError: where that is none.
        DataError: where the data are missing, or the lists are not those of the kept digests.
    """
    model = PhraseModel.from_pretrained(weights)
    return rank("completion", data, split, _COMPARED, learned_rows(model, "completion"))
