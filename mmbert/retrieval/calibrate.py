"""What a score means: the share of random pieces that a hit beats, and when to say that nothing fits.

THE rule (:func:`answered`, :meth:`Calibration.margin`). A piece whose title or composer was asked for, or most of
the words, is an answer. Where something was understood (a key, a form, an instrument ...), a piece that fits half
of it is an answer and nothing less is. Where nothing was understood the question must be near enough to what
people say about music, and its best hit near enough to it, for the same sum to be reached by true questions:
the threshold is the sum that 5 % of them miss, and the weight of a standard score in it the one with which most
nonsense is told (``mmbert_training.calibrate``). Among recordings two things are different, chosen by
``benchmarks/heard_words.py --answers``: what was understood and cannot be known of a recording speaks against
nothing, nearness decides then; and a question must come nearer by :data:`UNKNOWN` of which the reader of words for
sounds knows no word.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mmbert.errors import WeightsError
from mmbert.retrieval.shortlist import MOST_FOUND, PIECES, Meaning
from mmbert.types import Condition

if TYPE_CHECKING:
    from mmbert.store import Generation

log = logging.getLogger("mmbert")
FILE = "calibration.safetensors"
SAMPLE = 1000
SEED = 20_260_101
LOOKED_AT = 100  # nearest pieces of which the standard scores are taken; the best of all is among them
NEIGHBOURS = 10
HALF = 0.5  # of what was understood
UNKNOWN = 0.05  # above the threshold


class TextEmbedder(Protocol):
    """What turns words into unit vectors of the library's space."""

    @property
    def fingerprint(self) -> str:
        """Of the weights."""
        ...

    @property
    def calibration(self) -> Calibration | None:
        """What similarities mean under the weights; None where that was not measured."""
        ...

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        """float32 [n, d]."""
        ...

    def language(self, texts: list[str]) -> np.ndarray:
        """What the text model alone makes of words: float32 [n, t], unit length."""
        ...


@dataclass(frozen=True, eq=False)
class Calibration:
    """What similarities with 1,000 random training captions are like, and what such captions are like.

    The mean of a piece's similarities is the inner product of its vector with the captions' mean, and their
    variance is a quadratic form of it, so neither the captions nor a table over the library has to be kept.

    Attributes:
        mean: float32 [d], of the captions' query vectors.
        factor: float32 [d, d]: ``|factor @ x|`` is the deviation of the captions' similarities with ``x``.
        language: float32 [r, t], what the text model alone makes of captions and of musicians' phrases.
        z_weight: What a standard score weighs beside a nearness.
        threshold: Least sum of nearness and weighted standard score of a question that is answered.
    """

    mean: np.ndarray
    factor: np.ndarray
    language: np.ndarray
    z_weight: float
    threshold: float

    def standard(self, similarity: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """z = (s - mean) / deviation of each piece's similarities with captions, against hubs: [n].

        Local scaling: a piece that is near to every question has to be nearer to this one.

        Args:
            similarity: [n], of one question with the pieces.
            vectors: float32 [n, d], the pieces.
        """
        deviation = np.linalg.norm(vectors @ self.factor.T, axis=1)
        return (similarity - vectors @ self.mean) / np.maximum(deviation, 1e-6)

    def nearness(self, language: np.ndarray) -> np.ndarray:
        """How near words come to what is said of music: mean cosine with the ten nearest, [n] of [n, t]."""
        near = language @ self.language.T
        k = min(NEIGHBOURS, near.shape[1])
        return np.partition(near, -k, axis=1)[:, -k:].mean(axis=1)

    def margin(self, language: np.ndarray, best_z: float) -> float:
        """How far a question of which nothing was understood is above the threshold; below 0 nothing fits.

        Args:
            language: float32 [t], what the text model makes of it.
            best_z: Standard score of its best hit (:func:`best_standard`).
        """
        return float(self.nearness(language[None])[0]) + self.z_weight * best_z - self.threshold

    def save(self, folder: Path, fingerprint: str) -> None:
        """Write it beside the weights of that fingerprint, which it does not change."""
        from safetensors.numpy import save_file

        half = self.language.astype(np.float16)
        arrays = {"mean": self.mean, "factor": self.factor, "language": half}
        rule = {"z_weight": json.dumps(self.z_weight), "threshold": json.dumps(self.threshold)}
        stated = {"fingerprint": fingerprint} | rule
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / FILE, metadata=stated)
        (folder / FILE).chmod(0o644)

    @classmethod
    def load(cls, folder: Path, fingerprint: str) -> Calibration | None:
        """That of a checkpoint folder; None where there is none, or one of other weights (which is logged).

        Raises:
            WeightsError: the file is damaged.
        """
        from safetensors import SafetensorError, safe_open

        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                stated = file.metadata() or {}
                mean, factor, language = (
                    np.asarray(file.get_tensor(name), np.float32) for name in ("mean", "factor", "language")
                )
            of = stated["fingerprint"]
            if "z_weight" not in stated:
                log.warning(f"{path} was made by another version: it is not used")
                return None
            made = cls(mean, factor, language, float(stated["z_weight"]), float(stated["threshold"]))
        except (SafetensorError, OSError, KeyError, ValueError) as e:
            hint = f"Make it again (python -m mmbert_training.calibrate) or delete it: {path}"
            raise WeightsError(str(path), f"is damaged: {e}", hint) from e
        if of != fingerprint:
            log.warning(f"{path} was made for weights {of[:8]}, these are {fingerprint[:8]}: it is not used")
            return None
        return made


def shares_beaten(fused: np.ndarray) -> np.ndarray:
    """Share of (up to 1,000, always the same) random pieces that each piece beats, float64 [n], 0-1.

    >>> shares_beaten(np.array([3.0, 1.0, 2.0])).tolist()
    [1.0, 0.0, 0.5]
    """
    n = len(fused)
    if n < 2:
        return np.ones(n)
    rows = np.arange(n) if n <= SAMPLE else np.random.default_rng(SEED).choice(n, SAMPLE, replace=False)
    drawn = np.sort(fused[rows])
    others = np.full(n, len(rows), dtype=np.float64)
    others[rows] -= 1  # nobody is compared with itself
    return np.searchsorted(drawn, fused, side="left") / others


def answered(conditions: Sequence[Condition], fitting: np.ndarray, words: np.ndarray) -> bool | None:
    """Whether names, words and facts answer a question; None where they say nothing about it.

    Args:
        conditions: What was understood of the words.
        fitting: bool [conditions, n], which pieces fit each.
        words: [n], how much of the words each piece's texts hold (``shortlist.by_words``).
    """
    named = [c.facet in ("title", "composer") and c.operator in ("=", "~") for c in conditions]
    if fitting[named].any() or (words > MOST_FOUND).any():
        return True
    return bool(fitting.mean(axis=0).max(initial=0.0) >= HALF) if len(conditions) else None


def best_standard(calibration: Calibration, generation: Generation, meaning: Meaning, keep: np.ndarray) -> float:
    """Standard score of the best hit by meaning: the largest among the nearest pieces. ``keep`` leaves some in."""
    rows = np.flatnonzero(keep)
    if len(rows) > LOOKED_AT:
        rows = rows[np.argpartition(-meaning.similarity[rows], LOOKED_AT)[:LOOKED_AT]]
    vectors = generation.vectors.rows(PIECES, rows)
    return float(calibration.standard(vectors @ meaning.vector, vectors).max())
