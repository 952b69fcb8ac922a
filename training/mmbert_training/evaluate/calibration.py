"""What scores mean and when nothing fits: hubs, true questions lost, and questions answered that have no answer.

The rule is that of :mod:`mmbert.retrieval.calibrate`; simpler ones stand beside it, each with the threshold at
which 5 % of the true questions of the choosing half are lost (sentences and phrases count half each). A true
question is lost where it is told that nothing fits. The *removed* condition asks the sentences again without
their answers: without the pieces of which every fact of the sentence is true, or most (three of five) are.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.embed import Embedder
from mmbert.errors import WeightsError
from mmbert.metrics import standing
from mmbert.retrieval.calibrate import Calibration, answered, best_standard
from mmbert.retrieval.conditions import allowed, fits
from mmbert.retrieval.names import names_of
from mmbert.retrieval.shortlist import PIECES, by_meaning, by_words
from mmbert.retrieval.understand import understand
from mmbert_training.demo_recordings import FOLDER as RECORDINGS
from mmbert_training.evaluate.calibration_questions import (
    Question,
    chosen_on,
    first_of_clusters,
    phrases,
    sentences,
    written,
)
from mmbert_training.evaluate.candidates import load_candidates
from mmbert_training.evaluate.pieces import Candidate, embedded
from mmbert_training.evaluate.product import library_of
from mmbert_training.manifest import Work
from mmbert_training.phrases import POOLS

LOST = 0.05
MOST = 0.6  # of a sentence's facts
OCCURRENCES = 10
_AT_ONCE = 128


@dataclass(frozen=True)
class Judged:
    """What the rule sees of a question: whether facts settle it, and the two numbers it weighs where they do not."""

    settled: bool | None
    best_z: float
    nearness: float


Rule = tuple[bool, float, float]  # whether facts settle it; weights of best z and of nearness


def product(z_weight: float) -> Rule:
    """The product's rule: facts, else both."""
    return True, z_weight, 1.0


def rules(calibration: Calibration) -> dict[str, Rule]:
    """The product's rule, and simpler ones."""
    return {
        "best z alone": (False, 1.0, 0.0),
        "facts, else best z": (True, 1.0, 0.0),
        "facts, else nearness": product(0.0),
        "facts, else both (the product)": product(calibration.z_weight),
    }


def score(rule: Rule, judged: Sequence[Judged]) -> np.ndarray:
    """What a rule compares with its threshold, float64 [n]; infinite where facts settle it."""
    by_facts, z, near = rule
    return np.array([
        z * j.best_z + near * j.nearness if not by_facts or j.settled is None else np.inf if j.settled else -np.inf
        for j in judged
    ])  # fmt: skip


def threshold(groups: Sequence[np.ndarray], lost: float = LOST) -> float:
    """The largest threshold below which a share ``lost`` of all groups lies, each group weighing the same.

    >>> threshold([np.arange(100.0), np.arange(100.0)], 0.05), threshold([np.array([-np.inf, np.inf])], 0.05)
    (5.0, -inf)
    """
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(g), 1 / len(g) / len(groups)) for g in groups])
    order = np.argsort(values, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(weights[order])[:-1]])
    return float(values[order][before <= lost + 1e-9][-1])


class Bench:
    """An open library and what is needed to ask it without its ranking."""

    def __init__(self, library: Library, embedder: Embedder, calibration: Calibration) -> None:
        self.generation, self.embedder, self.calibration = library.generation, embedder, calibration
        self._names = names_of(self.generation.pieces.composer, self.generation.pieces.title)

    def judge(self, texts: Sequence[str], without: np.ndarray | None = None) -> list[Judged]:
        """What the rule sees; ``without`` bool [questions, pieces] takes pieces out."""
        queries = [understand(text, self._names) for text in texts]
        found = []
        for start in range(0, len(texts), _AT_ONCE):
            some = queries[start : start + _AT_ONCE]
            vectors = self.embedder.embed_texts([q.meaning for q in some])
            near = self.calibration.nearness(self.embedder.language([q.meaning for q in some]))
            for i, (query, vector) in enumerate(zip(some, vectors, strict=True)):
                keep = allowed(self.generation, query.conditions)
                if without is not None:
                    keep &= ~without[start + i]
                settled: bool | None = False
                best = -np.inf
                if keep.any():
                    fitting = np.array([fits(self.generation, c) == 1 for c in query.conditions], bool)
                    fitting = fitting.reshape(-1, len(keep))[:, keep]
                    settled = answered(query.conditions, fitting, by_words(self.generation, query.lexical)[keep])
                    best = best_standard(self.calibration, self.generation, by_meaning(self.generation, vector), keep)
                found.append(Judged(settled, best, float(near[i])))
        return found


@dataclass(frozen=True)
class Split:
    """The works of a split as a library, and true sentences over them."""

    bench: Bench
    works: list[Work]
    questions: list[Question]
    row: np.ndarray  # int64 [works], a work's row in the library
    true: np.ndarray  # float64 [questions, pieces in the library's order], share of the facts that are true


@contextmanager
def split_of(wanted: Sequence[Work], embedder: Embedder, calibration: Calibration) -> Iterator[Split]:
    """Embed works and open a library of them."""
    candidates: list[Candidate] = embedded(wanted, embedder)
    with library_of(embedder, [c.embedded for c in candidates]) as library:
        column = np.array([int(Path(str(path)).stem) for path in library.generation.pieces.path])
        asked = sentences([c.tokens for c in candidates])
        statements = [set(candidates[i].tokens) for i in column]
        true = np.array([[len(s & set(q.facts)) / len(q.facts) for s in statements] for q in asked])
        works = [c.work for c in candidates]
        yield Split(Bench(library, embedder, calibration), works, asked, np.argsort(column), true)


def choosing(split: Split, data: Path | None) -> dict[str, list[Judged]]:
    """The true questions that thresholds are chosen on: sentences of half of the works, and phrases."""
    mine = [q.text for q in split.questions if chosen_on(split.works[q.work].cluster)]
    said = [q.text for q in phrases(data, "choosing")]
    return {"sentences": split.bench.judge(mine), "phrases": split.bench.judge(said)}


def run(data: Path | None = None, weights: Path | None = None) -> dict[str, Any]:
    """Rules side by side, and hubness before and after.

    Raises:
        DataError: where the data are missing.
        WeightsError: where the weights are missing, or without a calibration.
    """
    embedder = Embedder.from_pretrained(weights)
    calibration = embedder.calibration
    if calibration is None:
        raise WeightsError(str(weights or "weights"), "have no calibration", "Run: python -m mmbert_training.calibrate")
    texts = written()
    with split_of(first_of_clusters(data, "validation"), embedder, calibration) as validation:
        chosen = choosing(validation, data)
        held = np.array([not chosen_on(validation.works[q.work].cluster) for q in validation.questions])
        asked = _true(validation, held)
        asked["phrases"] = validation.bench.judge([q.text for q in phrases(data, "held")])
        for name, share in (("all facts", 1.0), ("most facts", MOST)):
            gone = validation.true[held] >= share
            kept = [q.text for q, h in zip(validation.questions, held, strict=True) if h]
            asked[f"removed, {name}"] = validation.bench.judge(kept, gone)
        asked["nonsense, chosen with"] = validation.bench.judge(texts["development"])
        hubs = _hubness(validation, held)
    with split_of(load_candidates(data), embedder, calibration) as test:
        asked |= {f"test, {name}": found for name, found in _true(test, np.ones(len(test.questions), bool)).items()}
    with _demo(embedder) as demo:
        bench = Bench(demo, embedder, calibration)
        asked["nonsense, forty"] = bench.judge(texts["nonsense"])
        asked["vague"] = bench.judge([words for words, _ in texts["vague"]])
        told = {
            "nonsense": [t for t in texts["nonsense"] if not _told(demo, embedder, t)],
            "vague": [t for t, _ in texts["vague"] if _told(demo, embedder, t)],
        }
    rows = []
    for name, rule in rules(calibration).items():
        least = threshold([score(rule, judged) for judged in chosen.values()])
        rows.append({"rule": name, "threshold": least, **{k: below(score(rule, v), least) for k, v in asked.items()}})
    return {
        "pieces": {"validation": len(validation.works), "test": len(test.works)},
        "z_weight": calibration.z_weight,
        "questions": {name: len(judged) for name, judged in asked.items()},
        "told_that_nothing_fits": rows,
        "hubness": hubs,
        "product_in_the_demo_library": {
            "nonsense_told": 1 - len(told["nonsense"]) / len(texts["nonsense"]),
            "vague_told": len(told["vague"]) / len(texts["vague"]),
        },
        "nonsense_answered": told["nonsense"],
        "vague_lost": told["vague"],
    }


def below(scores: np.ndarray, least: float) -> float:
    """Share of questions that are told that nothing fits."""
    return float((scores < least).mean())


def _true(split: Split, mine: np.ndarray) -> dict[str, list[Judged]]:
    return {
        pool: split.bench.judge([q.text for q, m in zip(split.questions, mine, strict=True) if m and q.kind == pool])
        for pool in POOLS
    }


def _told(library: Library, embedder: Embedder, words: str) -> bool:
    """Whether the product's own search says that nothing fits."""
    library.__dict__["_embedder"] = embedder  # in place of loading the weights again
    return library.search(words).nothing_fits


def _hubness(split: Split, mine: np.ndarray) -> list[dict[str, Any]]:
    """How often pieces are among the first ten of a question, by cosine and by z, and what each finds.

    Skewness of the occurrences as in Radovanović, Nanopoulos and Ivanović 2010, section 3.
    """
    generation, calibration = split.bench.generation, split.bench.calibration
    pieces = generation.vectors.rows(PIECES, np.arange(generation.n_pieces))
    asked = [q for q, m in zip(split.questions, mine, strict=True) if m]
    vectors = split.bench.embedder.embed_texts([q.text for q in asked])
    cosine = vectors @ pieces.T
    rows = []
    for name, scores in (("cosine", cosine), ("z", np.stack([calibration.standard(s, pieces) for s in cosine]))):
        counts = occurrences(scores)
        found = standing(scores, [int(split.row[q.work]) for q in asked]).reciprocal_rank()
        rows.append(
            {"by": name, "skewness": skewness(counts), "most": int(counts.max()), "never": float((counts == 0).mean())}
            | {f"mrr, {pool}": float(found[[q.kind == pool for q in asked]].mean()) for pool in POOLS}
        )
    return rows


def occurrences(scores: np.ndarray, k: int = OCCURRENCES) -> np.ndarray:
    """N_k: in how many questions' first k each piece is, int64 [pieces] of scores [questions, pieces]."""
    first = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.bincount(first.ravel(), minlength=scores.shape[1])


def skewness(counts: np.ndarray) -> float:
    """Third standardised moment.

    >>> skewness(np.array([0, 0, 0, 4])) > 1, skewness(np.array([1, 2, 3]))
    (True, 0.0)
    """
    away = counts - counts.mean()
    return float((away**3).mean() / max(away.std(), 1e-9) ** 3)


@contextmanager
def _demo(embedder: Embedder) -> Iterator[Library]:
    """The scores of the demo library, built as anyone would build it: words are tried against what scores say."""
    with tempfile.TemporaryDirectory() as folder, as_file(files("mmbert") / "demo" / "library.zip") as archive:
        with zipfile.ZipFile(archive) as z:
            z.extractall(folder, [name for name in z.namelist() if not name.startswith(RECORDINGS)])
        build_library(Path(folder, "library"), [Path(folder, "music")], embedder)
        with Library.open(Path(folder, "library")) as opened:
            yield opened
