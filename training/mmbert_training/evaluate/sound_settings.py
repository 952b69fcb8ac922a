"""Choosing how words are read for sounds, on real sounds alone, and whether such a choice holds for other real sounds.

    python -m mmbert_training.evaluate.sound_settings SOUNDS --data DIR [--json]

Every setting of a grid asks for the development sounds (``evaluate.real_sounds``), three ways each, among all of them
and among those of each half of the packages alone. The setting that is best over the mean of both halves is what
``mmbert_training.sound_words.Setting`` holds; how the MRR of the halves correlates over the grid says whether one set
of real sounds ranks settings as another does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mmbert.audio.mn04 import Mn04
from mmbert.console import JsonOption, print_json, stdout_console
from mmbert.embed import Embedder
from mmbert.metrics import standing
from mmbert.retrieval.sound_words import SoundWords, positive, tfidf
from mmbert_training.evaluate.real_sounds import HALVES, real_sounds
from mmbert_training.evaluate.tables import figures
from mmbert_training.sound_statistics import real
from mmbert_training.sound_words import Captions, Setting, by_names, kept_terms, read_captions, taught

NAMES = (1.0, 3.0, 10.0)
TERMS_RIDGE = (4.0, 16.0, 64.0)
LANGUAGE_RIDGE = (1.0, 3.0, 10.0)
SHARES = (  # of words, text model and names of labels
    (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.75, 0.25, 0.25), (0.5, 0.5, 0.0), (0.5, 0.25, 0.25),
    (1.0, 1.0, 1.0),
)  # fmt: skip
SHARPNESS = (1, 2, 3)
HEARD = ("signed", "positive")
SHOWN = 5


@dataclass(frozen=True)
class Choice:
    """One setting of the grid.

    Attributes:
        setting: Of the readers.
        sharpness: Power of what is said.
        heard: Whether a logit below its mean counts against a recording (``signed``) or not at all.
    """

    setting: Setting
    sharpness: int
    heard: str


def grid() -> tuple[Choice, ...]:
    """All settings; what a reader without a share would be made by is not varied."""
    found: dict = {}
    for names, a, b, (terms, language, cosine), power, heard in product(
        NAMES, TERMS_RIDGE, LANGUAGE_RIDGE, SHARES, SHARPNESS, HEARD
    ):
        setting = Setting(
            names if terms or language else NAMES[0],
            a if terms else TERMS_RIDGE[0],
            b if language else LANGUAGE_RIDGE[0],
            terms,
            language,
            cosine,
        )
        found[Choice(setting, power, heard)] = None
    return tuple(found)


class Bench:
    """The development sounds with what each setting needs.

    Args:
        logits: Of the sounds in the order of their list, float32 [n, 527].
        captions: What the readers learn from.
        embedder: Reads the questions.
        statistics: Holds mean and deviation of logits.
    """

    def __init__(self, logits: np.ndarray, captions: Captions, embedder: Embedder, statistics: SoundWords) -> None:
        sounds = real_sounds()
        texts = [text for sound in sounds for text in sound.texts]
        self.answer = np.repeat(np.arange(len(sounds)), len(sounds[0].texts))
        self.half = np.array([sound.package in HALVES[1] for sound in sounds], dtype=int)
        standard = ((logits - statistics.mean) / statistics.deviation)[:, captions.labels]
        self._heard = {"signed": standard, "positive": positive(standard)}
        self._said = dict(_said(captions, texts, embedder.language(texts)))

    def scores(self, choice: Choice) -> np.ndarray:
        """What a setting says of every question and sound, float [questions, sounds]."""
        s = choice.setting
        said = s.terms * self._said["terms", s.names, s.terms_ridge]
        said = said + s.language * self._said["language", s.names, s.language_ridge]
        said = positive(said + s.cosine * self._said["cosine", 0.0, 0.0]) ** choice.sharpness
        heard = self._heard[choice.heard]
        return said @ (heard / np.linalg.norm(heard, axis=1, keepdims=True)).T

    def mrr(self, scores: np.ndarray, half: int) -> float:
        """Of the questions for the sounds of one half, among these alone."""
        inside = np.flatnonzero(self.half == half)
        rows = np.flatnonzero(self.half[self.answer] == half)
        right = np.searchsorted(inside, self.answer[rows])
        return float(standing(scores[np.ix_(rows, inside)], right).reciprocal_rank().mean())


def run(data: Path | None, sounds: Path) -> dict[str, Any]:
    """The whole grid.

    Raises:
        DataError: where the sounds or MusicCaps are missing.
    """
    embedder = Embedder.from_pretrained()
    logits = real(sounds, Mn04.load())
    bench = Bench(logits, read_captions(data, embedder), embedder, SoundWords.load())
    choices = grid()
    halves = np.array([[bench.mrr(bench.scores(choice), half) for half in (0, 1)] for choice in choices])
    order = np.argsort(-halves.mean(axis=1), kind="stable")
    without_signs = np.array([choice.heard == "positive" for choice in choices])
    best = choices[order[0]]
    rows = {"chosen": best} | {f"shares {shares}": _best(choices, order, shares) for shares in SHARES}
    rows |= {
        "chosen, not sharpened": replace(best, sharpness=1),
        "chosen, signed": replace(best, heard="signed"),
        "chosen, signed, not sharpened": replace(best, heard="signed", sharpness=1),
        "chosen, names as ten": replace(best, setting=replace(best.setting, names=10.0)),
    }
    table = []
    for name, choice in rows.items():
        where = standing(bench.scores(choice), bench.answer)
        table.append({"row": name, **figures(where, [str(i) for i in bench.answer])})
    return {
        "sounds": len(real_sounds()),
        "questions": len(bench.answer),
        "settings": len(choices),
        "correlation": float(np.corrcoef(halves.T)[0, 1]),
        "correlation_positive": float(np.corrcoef(halves[without_signs].T)[0, 1]),
        "chosen_by_first_half_in_second": _regret(halves, 0),
        "chosen_by_second_half_in_first": _regret(halves, 1),
        "best": [_line(choices[i], halves[i]) for i in order[:SHOWN]],
        "worst": [_line(choices[i], halves[i]) for i in order[-SHOWN:]],
        "rows": table,
    }


def _said(captions: Captions, texts: list[str], language: np.ndarray) -> Iterator[tuple[tuple, np.ndarray]]:
    """What every reader of the grid says of the texts, float32 [texts, labels]."""
    terms, idf = kept_terms(captions)
    inputs = tfidf(captions.texts, terms, idf)
    words = tfidf(texts, terms, idf)
    for names in NAMES:
        for penalty in TERMS_RIDGE:
            matrix, constant = taught(captions, inputs, names, penalty)
            yield ("terms", names, penalty), words @ matrix + constant
        for penalty in LANGUAGE_RIDGE:
            matrix, constant = taught(captions, captions.language, names, penalty)
            yield ("language", names, penalty), language @ matrix + constant
    matrix, constant = by_names(captions)
    yield ("cosine", 0.0, 0.0), language @ matrix + constant


def _best(choices: tuple[Choice, ...], order: np.ndarray, shares: tuple[float, float, float]) -> Choice:
    ranked = (choices[i] for i in order)
    return next(c for c in ranked if (c.setting.terms, c.setting.language, c.setting.cosine) == shares)


def _regret(halves: np.ndarray, half: int) -> str:
    """What the best setting of one half reaches in the other, and what is the best and the median there."""
    other = halves[:, 1 - half]
    return f"{other[halves[:, half].argmax()]:.3f} (best {other.max():.3f}, median {np.median(other):.3f})"


def _line(choice: Choice, halves: np.ndarray) -> dict[str, Any]:
    rest = {"sharpness": choice.sharpness, "heard": choice.heard}
    return {**asdict(choice.setting), **rest, "first_half": halves[0], "second_half": halves[1]}


def _main(
    sounds: Annotated[Path, typer.Argument(help="Folder of python -m mmbert_training.evaluate.real_sounds.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Try every setting on the development sounds."""
    found = run(data, sounds)
    if as_json:
        print_json(found)
    else:
        stdout_console().print(found)


if __name__ == "__main__":
    typer.run(_main)
