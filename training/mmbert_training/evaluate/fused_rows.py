"""Rows of ``mmbert eval audio-to-score`` by the notes that are heard in a recording, alone and fused with its chroma.

What Basic Pitch hears is made a chroma sequence as a score is, and searched as one: so the notes are looked for in any
place, at any speed, with the search that the recording's own chroma has.

A fusion is a weighted sum of standard scores (:func:`mmbert.retrieval.fuse.standard`), the sequence at a weight of one.
Of :data:`GRID` those :data:`WEIGHTS` are taken that have the highest MRR over validation questions of five, ten and
thirty seconds; of equal ones the smallest. :func:`tried` prints all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from mmbert.audio.chroma import score_chroma
from mmbert.metrics import standing
from mmbert.retrieval.fuse import standard
from mmbert.symbolic.score import Score

if TYPE_CHECKING:
    from mmbert.retrieval.chroma_match import ChromaIndex
    from mmbert_training.evaluate.audio_to_score import Questions

By = Callable[["Questions"], np.ndarray]
Search = Callable[["ChromaIndex", Sequence[np.ndarray], Sequence[int]], np.ndarray]

GRID = (0.0, 0.25, 0.5, 1.0, 2.0)
WEIGHTS = (0.0, 0.5)
"""Of the vectors and of the transcription: any weight of the vectors makes the sequence worse."""
_TICKS_A_SECOND = 960


def transcribed(seconds: float, search: Search) -> By:
    """The notes of the first seconds of each recording as a chroma sequence, searched in all scores.

    Args:
        seconds: Of a question; what sounds on ends there.
        search: Finds sequences in an index, in some rotations.
    """

    def score(asked: Questions) -> np.ndarray:
        return search(asked.index, [noted_chroma(notes, seconds) for notes in asked.notes], (0,))

    return score


def noted_chroma(notes: np.ndarray, seconds: float) -> np.ndarray:
    """Chroma of notes that begin within some seconds, uint8 [frames, 12].

    Args:
        notes: ``score.NOTE`` [n], 960 ticks a second.
        seconds: At which what sounds on ends.
    """
    last = round(seconds * _TICKS_A_SECOND)
    kept = notes[notes["onset"] < last].copy()
    kept["duration"] = np.minimum(kept["duration"], last - kept["onset"])
    return score_chroma(Score.build(kept, _TICKS_A_SECOND // 2))


def fused(sequence: By, vectors: By, transcription: By) -> By:
    """All three ways, at :data:`WEIGHTS`."""

    def score(asked: Questions) -> np.ndarray:
        return _sum([_standard(asked.scores(by)) for by in (sequence, vectors, transcription)], WEIGHTS)

    return score


def tried(asked: Questions, ways: Sequence[tuple[By, By, By]]) -> list[dict[str, Any]]:
    """MRR of every pair of weights of :data:`GRID`, best first.

    Args:
        asked: Validation questions.
        ways: Of each length of a question its sequence, vectors and transcription.
    """
    lists = [[_standard(asked.scores(by)) for by in of_length] for of_length in ways]
    rows = []
    for weights in product(GRID, GRID):
        mrr = [standing(_sum(each, weights), asked.target).reciprocal_rank().mean() for each in lists]
        rows.append({"vectors": weights[0], "transcription": weights[1], "mrr": float(np.mean(mrr))})
    return sorted(rows, key=lambda row: (-round(row["mrr"], 4), row["vectors"] + row["transcription"]))


def _standard(scores: np.ndarray) -> np.ndarray:
    return np.stack([standard(row) for row in scores])


def _sum(lists: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    sequence, *others = lists
    return sequence + sum(weight * other for weight, other in zip(weights, others, strict=True))
