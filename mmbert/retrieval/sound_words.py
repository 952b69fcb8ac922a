"""Words to the sounds that AudioSet names, so that recordings are found by what is heard in them.

Two linear readers of a question, one of its words and pairs of words (TF-IDF), one of the text model's vector, learned
from captions of recordings (``mmbert_training.sound_words``): no pair of sound and caption is needed, since the network
that hears names the same sounds. Ridge regression: Hoerl and Kennard 1970; TF-IDF: Salton and Buckley 1988.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from mmbert.audio.sounds import SOUNDS
from mmbert.errors import WeightsError

SHARPNESS = 2  # power of what is said: what a question names counts for more than what goes with it
CONFIG, WEIGHTS, STATISTICS = "config.json", "model.safetensors", "statistics.safetensors"
_HINT = "Install mmbert again: the file is part of it"


@dataclass(frozen=True, eq=False)
class SoundWords:
    """The readers of words, and what logits of recordings are like.

    Attributes:
        terms: Words and pairs of words, each with its row.
        idf: float32 [terms], how rare each is.
        by_terms: float32 [terms, labels].
        by_language: float32 [t, labels], for the text model's vector.
        bias: float32 [labels].
        labels: int64 [labels], which of the 527 sounds are spoken of.
        mean: float32 [527], of logits over real recordings and rendered music.
        deviation: float32 [527], likewise.

    >>> reader = SoundWords.load()
    >>> logits = np.random.default_rng(0).standard_normal((3, 527)).astype(np.float32)
    >>> np.linalg.norm(reader.standardised(logits), axis=1).round(5).tolist()
    [1.0, 1.0, 1.0]
    """

    terms: dict[str, int]
    idf: np.ndarray
    by_terms: np.ndarray
    by_language: np.ndarray
    bias: np.ndarray
    labels: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def directions(self, texts: Sequence[str], language: np.ndarray) -> np.ndarray:
        """Where recordings lie of which the words are true: float32 [n, 527], unit length.

        Their inner products with :meth:`standardised` logits say how well recordings fit.

        Args:
            texts: Questions in words.
            language: float32 [n, t], what ``Embedder.language`` makes of them.
        """
        said = tfidf(texts, self.terms, self.idf) @ self.by_terms + language @ self.by_language + self.bias
        found = np.zeros((len(texts), SOUNDS), np.float32)
        found[:, self.labels] = positive(said) ** SHARPNESS
        return _unit(found)

    def knows(self, text: str) -> bool:
        """Whether any word of a text is one of the captions that this was learned from.

        >>> SoundWords.load().knows("a barking dog"), SoundWords.load().knows("qwertz uiop asdf")
        (True, False)
        """
        return any(term in self.terms for term in terms_of(text))

    def standardised(self, logits: np.ndarray) -> np.ndarray:
        """Logits of recordings, float [n, 527], as vectors to compare: float32 [n, 527], unit length.

        Each logit less its mean over music, divided by its deviation, so that what is said of all music counts for
        nothing; what is heard less than usual counts as not heard, and what no caption speaks of is left out.
        """
        heard = ((np.asarray(logits, np.float32) - self.mean) / self.deviation)[:, self.labels]
        found = np.zeros((len(heard), SOUNDS), np.float32)
        found[:, self.labels] = positive(heard)
        return _unit(found)

    @classmethod
    @cache
    def load(cls, folder: Path | None = None) -> SoundWords:
        """The readers of a folder; None for those inside the package.

        Raises:
            WeightsError: a file is missing, damaged, or does not belong to the others.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = default_folder() if folder is None else folder
        try:
            terms = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["terms"]
            arrays = load_file(folder / WEIGHTS)
            arrays |= load_file(folder / STATISTICS)
            labels = arrays.pop("labels").astype(np.int64)
            numbers = {name: array.astype(np.float32) for name, array in arrays.items()}
            made = cls({term: i for i, term in enumerate(terms)}, labels=labels, **numbers)
        except (OSError, ValueError, LookupError, TypeError, SafetensorError) as e:
            raise WeightsError(str(folder), f"is no reader of words for sounds ({type(e).__name__}: {e})", _HINT) from e
        if fault := made._fault():
            raise WeightsError(str(folder), f"is no reader of words for sounds ({fault})", _HINT)
        return made

    def _fault(self) -> str:
        """What does not fit, empty where all does."""
        spoken, terms = self.labels.shape, len(self.terms)
        shapes = {
            "idf": (terms,), "by_terms": (terms, *spoken), "by_language": (*self.by_language.shape[:1], *spoken),
            "bias": spoken, "mean": (SOUNDS,), "deviation": (SOUNDS,),
        }  # fmt: skip
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                return f"{name} is {array.shape}, not {shape}" if array.shape != shape else f"{name} is not finite"
        if len(spoken) != 1 or not ((self.labels >= 0) & (self.labels < SOUNDS)).all():
            return "labels are no numbers of sounds"
        return "" if (self.deviation > 0).all() else "deviation is not positive"


def default_folder() -> Path:
    """Folder of the readers inside the installed package."""
    return Path(__file__).parent.parent / "pretrained" / "sound-words"


def terms_of(text: str) -> list[str]:
    """Words of two letters or more, and neighbouring pairs of them, in lower case.

    >>> terms_of("A solo-violin melody")
    ['solo', 'violin', 'melody', 'solo violin', 'violin melody']
    """
    words = re.findall(r"\b\w\w+\b", text.lower())
    return words + [f"{a} {b}" for a, b in pairwise(words)]


def tfidf(texts: Sequence[str], terms: dict[str, int], idf: np.ndarray) -> np.ndarray:
    """How often each known term stands in each text, times how rare it is: float32 [n, terms], unit length.

    A text without a known term is a row of noughts.
    """
    found = np.zeros((len(texts), len(terms)), np.float32)
    for row, text in zip(found, texts, strict=True):
        for term, times in Counter(terms_of(text)).items():
            if (at := terms.get(term)) is not None:
                row[at] = times * idf[at]
    return _unit(found)


def positive(rows: np.ndarray) -> np.ndarray:
    """The positive part of each row [n, d]; of a row without one, its largest number as a little, so that a length is
    left.

    >>> positive(np.array([[2.0, -1.0], [-3.0, -2.0]])).round(3).tolist()
    [[2.0, 0.0], [0.0, 0.001]]
    """
    return np.maximum(rows - np.minimum(rows.max(axis=1, keepdims=True) - 1e-3, 0), 0)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)
