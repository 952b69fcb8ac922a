"""Finding the tune that a few notes come from, in any key and tempo, with wrong, missing and extra notes among them.

The index holds every tune of La Taberna and Nottingham (research data: evaluated with, never trained on), or some 4,000
of them, whole clusters drawn at random. Questions are stretches from the middle of tunes
(:mod:`mmbert_training.evaluate.tune_queries`), asked with their note lengths and with their pitches alone. Any tune of
the same cluster is right; ranks are counted over clusters, ties by expectation. Beside the search stands an index of
interval runs on the same questions. Everything is drawn from one seed.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.console import progress, warn
from mmbert.errors import ItemError
from mmbert.metrics import bootstrap, standing
from mmbert.retrieval.tune_find import best, find, lay
from mmbert.retrieval.tune_index import Tune, TuneIndex
from mmbert.symbolic.tune_line import tune_line
from mmbert_training.evaluate.tune_ngrams import NGramIndex
from mmbert_training.evaluate.tune_queries import FAULTS, Fault, drawn, long_enough
from mmbert_training.manifest import Work, load_as_filed, load_works

SOURCES = ("taberna_abc", "nottingham")
SEED = 20_271
LENGTHS = (8, 12)  # notes of a question
SIZES: dict[str, int | None] = {"4k": 4000, "all": None}  # tunes
QUERIES = {"4k": 400, "all": 150}  # of each condition
TIMED = 200  # questions whose latency is taken, of all conditions
_ROWS = ("lengths", "pitches", "ngrams")


@dataclass(frozen=True, eq=False)
class Tunes:
    """Tunes and the clusters that they belong to.

    Attributes:
        lines: Melodies, ``TUNE_NOTE`` [n] each.
        cluster: Number of each one's cluster, int [tunes].
    """

    lines: list[np.ndarray]
    cluster: np.ndarray

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class Condition:
    """One row of the table: how long the questions are, and what is wrong with them."""

    size: str
    notes: int
    fault: Fault

    @property
    def seed(self) -> list[int]:
        """Of everything that is drawn for it."""
        return [SEED, list(SIZES).index(self.size), self.notes, FAULTS.index(self.fault)]


def run(data: Path | None = None, weights: Path | None = None, queries: int | None = None) -> dict[str, Any]:
    """All conditions.

    Args:
        data: Folder of data zips; None for ``MMBERT_DATA``.
        weights: Not used: nothing is learned here.
        queries: Of each condition at most; None for 400 among 4,000 tunes and 150 among all.

    Raises:
        DataError: where the data are missing.
    """
    every = load(load_works(data, SOURCES))
    found: dict[str, Any] = {"n_pieces": len(every), "n_clusters": len(np.unique(every.cluster)), "ngram_length": 4}
    rows = []
    for size, n in SIZES.items():
        tunes = every if n is None else part(every, n)
        asked = min(QUERIES[size], queries or QUERIES[size])
        conditions = [Condition(size, notes, fault) for notes in LENGTHS for fault in FAULTS]
        rows += recalls(tunes, conditions, asked)
        found |= {f"n_tunes_{size}": len(tunes), f"n_queries_{size}": asked}
        found |= latency(tunes, conditions, min(TIMED, asked * len(conditions)), size)
    for row in rows:
        name = f"r10_{row['notes']}_{row['fault']}"
        found |= {f"{name}_{kind}_{row['tunes']}": row[f"r@10_{kind}"] for kind in _ROWS}
    return {**found, "rows": rows}


# ---- tunes -----------------------------------------------------------------------------------------------


def load(works: Sequence[Work]) -> Tunes:
    """Melodies of works; those that cannot be read, or have no melody, are left out and counted."""
    chunks = [works[i : i + 100] for i in range(0, len(works), 100)]
    lines, clusters = [], []
    with _workers() as pool, progress("reading tunes", len(works)) as advance:
        for some, read in zip(chunks, pool.imap(_lines, chunks), strict=True):
            for work, line in zip(some, read, strict=True):
                if line is not None and len(line):
                    lines.append(line)
                    clusters.append(work.cluster)
            advance(len(some))
    if lost := len(works) - len(lines):
        warn(f"{lost:,} tunes are left out: they cannot be read, or hold no melody")
    return Tunes(lines, np.unique(clusters, return_inverse=True)[1])


def part(tunes: Tunes, n: int) -> Tunes:
    """Whole clusters at random until there are ``n`` tunes."""
    clusters = np.random.default_rng(SEED).permutation(np.unique(tunes.cluster))
    sizes = np.bincount(tunes.cluster)[clusters]
    chosen = clusters[: int(np.searchsorted(np.cumsum(sizes), n)) + 1]
    rows = np.flatnonzero(np.isin(tunes.cluster, chosen))
    return Tunes([tunes.lines[i] for i in rows], np.unique(tunes.cluster[rows], return_inverse=True)[1])


def _lines(works: Sequence[Work]) -> list[np.ndarray | None]:
    return [_line(work) for work in works]


def _line(work: Work) -> np.ndarray | None:
    try:
        score = load_as_filed(work).score
    except ItemError:
        return None
    return None if score is None else tune_line(score)


# ---- questions -------------------------------------------------------------------------------------------


def questions(tunes: Tunes, condition: Condition, n: int) -> Iterator[tuple[Tune, int]]:
    """Questions and the number of the cluster that is right."""
    rng = np.random.default_rng(condition.seed)
    able = [i for i, line in enumerate(tunes.lines) if long_enough(line, condition.notes)]
    for i in rng.choice(able, n, replace=n > len(able)):
        yield drawn(tunes.lines[i], condition.notes, condition.fault, rng), int(tunes.cluster[i])


def recalls(tunes: Tunes, conditions: Sequence[Condition], n: int) -> list[dict[str, Any]]:
    """R@1 and R@10 of every condition, with the interval over clusters, by every way of searching."""
    rows = []
    with _workers(tunes) as pool, progress(f"{len(tunes):,} tunes", n * len(conditions)) as advance:
        for condition in conditions:
            asked = list(questions(tunes, condition, n))
            answers = []
            for answer in pool.imap(_answer, asked, chunksize=5):
                answers.append(answer)
                advance()
            row: dict[str, Any] = {"tunes": condition.size, "notes": condition.notes, "fault": condition.fault}
            for kind, (first, tenth) in zip(_ROWS, np.array(answers).transpose(1, 2, 0), strict=True):
                interval = bootstrap(tenth, [str(right) for _, right in asked])
                row |= {f"r@1_{kind}": float(first.mean()), f"r@10_{kind}": interval.mean}
                row |= {f"low_{kind}": interval.low, f"high_{kind}": interval.high}
            rows.append(row)
    return rows


@dataclass(frozen=True, eq=False)
class _Searched:
    """What a worker searches."""

    index: TuneIndex
    runs: NGramIndex
    cluster: np.ndarray


_searched: _Searched | None = None  # of this worker process


def _prepare(tunes: Tunes | None) -> None:
    global _searched
    if tunes is not None:
        runs = NGramIndex([line["pitch"] for line in tunes.lines])
        _searched = _Searched(TuneIndex.of(tunes.lines), runs, tunes.cluster)


def _answer(asked: tuple[Tune, int]) -> list[tuple[float, float]]:
    """(R@1, R@10) of a question, in the order of ``_ROWS``."""
    assert _searched is not None
    tune, right = asked
    index = _searched.index
    laid = lay(index, tune.pitch)  # find() in its two steps: the first is the same with lengths and without
    scores = [np.zeros(len(index)), np.zeros(len(index)), _searched.runs.scores(tune.pitch)]
    for score, asked_so in zip(scores, (tune, replace(tune, onset=None)), strict=False):
        found = best(index, asked_so, laid)
        score[found.piece] = found.score  # what was not found stays worse than all that was
    return [_ranks(score, right) for score in scores]


def _ranks(score: np.ndarray, right: int) -> tuple[float, float]:
    assert _searched is not None
    clusters = np.zeros(int(_searched.cluster.max()) + 1)
    np.maximum.at(clusters, _searched.cluster, score)
    where = standing(clusters[None], [right])
    return float(where.recall_at(1)[0]), float(where.recall_at(10)[0])


def latency(tunes: Tunes, conditions: Sequence[Condition], n: int, size: str) -> dict[str, float]:
    """Milliseconds a question in this process, nothing of ours running beside it: wall time, and processor time."""
    index = TuneIndex.of(tunes.lines)
    each = -(-n // len(conditions))
    asked = [tune for condition in conditions for tune, _ in questions(tunes, condition, each)]
    find(index, asked[0])  # the first one computes what all share
    wall, processor = [], []
    for tune in asked:
        started, used = time.perf_counter(), time.process_time()
        find(index, tune)
        wall.append(1000 * (time.perf_counter() - started))
        processor.append(1000 * (time.process_time() - used))
    (p50, p95), (own50, own95) = np.percentile(wall, [50, 95]), np.percentile(processor, [50, 95])
    values = {"p50_ms": p50, "p95_ms": p95, "p50_processor_ms": own50, "p95_processor_ms": own95}
    return {f"{name}_{size}": float(value) for name, value in values.items()}


def _workers(tunes: Tunes | None = None) -> Any:
    """One process a core, started afresh: nothing of this one's threads is copied."""
    return multiprocessing.get_context("spawn").Pool(os.cpu_count(), partial(_prepare, tunes))
