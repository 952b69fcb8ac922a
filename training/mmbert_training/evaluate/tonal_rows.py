"""Rows of ``mmbert eval audio-to-score`` by vectors of chroma alone: of the best window of a score, or of all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mmbert.audio.chroma import FRAMES_A_SECOND
from mmbert.model.tonal import TonalModel, turned, windows

if TYPE_CHECKING:
    from mmbert_training.evaluate.audio_to_score import Questions


def by_vector(seconds: float, rotations: Sequence[int] = (0,)) -> Callable[[Questions], np.ndarray]:
    """The first seconds of each recording against the windows of all scores: products of the best."""

    def score(asked: Questions) -> np.ndarray:
        first = [frames[: round(seconds * FRAMES_A_SECOND)] for frames in asked.heard]
        return near(first, asked.candidates, rotations)

    return score


def by_whole_vector(asked: Questions) -> np.ndarray:
    """Each recording against one vector a score, the mean of its windows'."""
    model = _model()
    there = np.stack([model.document(frames).mean(axis=0) for frames in asked.candidates])
    return model.vectors(asked.heard) @ (there / np.linalg.norm(there, axis=1, keepdims=True)).T


def by_passage_vector(seconds: float) -> Callable[[Questions], np.ndarray]:
    """What is written of each passage against all recordings, float32 [questions, questions]."""

    def score(asked: Questions) -> np.ndarray:
        passages = []
        for part, target in zip(asked.excerpts, asked.target.tolist()):
            start, end = part.start * FRAMES_A_SECOND, (part.start + seconds * part.speed) * FRAMES_A_SECOND
            passages.append(asked.candidates[target][int(start) : round(end)])
        return near(passages, asked.heard)

    return score


def near(asked: Sequence[np.ndarray], found: Sequence[np.ndarray], rotations: Sequence[int] = (0,)) -> np.ndarray:
    """Largest product of windows of each sequence with windows of each other one, in any of some keys.

    Args:
        asked: uint8 [frames, 12] each.
        found: Likewise.
        rotations: Semitones by which what is asked is moved.

    Returns:
        float32 [asked, found].
    """
    model = _model()
    there = [model.document(frames) for frames in found]
    bounds = np.cumsum([0, *(len(vectors) for vectors in there)])[:-1]
    out = np.full((len(asked), len(found)), -1.0, np.float32)
    for up in rotations:
        parts = [windows(turned(frames, up)) for frames in asked]
        own = np.cumsum([0, *(len(some) for some in parts)])[:-1]
        products = model.vectors([part for some in parts for part in some]) @ np.concatenate(there).T
        best = np.maximum.reduceat(np.maximum.reduceat(products, own, axis=0), bounds, axis=1)
        out = np.maximum(out, best)
    return out


@cache
def _model() -> TonalModel:
    return TonalModel.from_pretrained()
