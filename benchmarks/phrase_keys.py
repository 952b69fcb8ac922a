"""In which key is a melody compared with phrases of any key, and what does the octave do?

    python benchmarks/phrase_keys.py [--queries 300] [--json]

*Keys*, by the towers of mmbert-phrases alone, all queries of validation works: ``normalised``: every phrase after the
shift to no sharps or flats by its piece's estimated key (what ships). ``normalised, 12``: the melody besides in the
eleven other keys, the best product counts. ``written``: no shift anywhere. ``written, 12``: phrases as written, the
melody in twelve keys: no key is estimated. With it the milliseconds of a question: the vectors, and their products
with 100,000 phrases.

*Octaves*: the score that ships, over evenly spaced queries. ``as they lie``: phrases in their own octave, as ``mmbert
eval`` compares them. ``placed``: brought to the melody's key and octave first, as a library compares what it then plays
(:mod:`mmbert.symbolic.phrase_placing`). MAP, and for ``full`` R@10, 100 phrases re-ranked.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmbert_training.evaluate.phrase_candidates import SOURCES, Candidates
from mmbert_training.evaluate.phrase_ranking import SHORT, load_asked, ranks, standard_error
from mmbert_training.evaluate.phrase_rows import Scorer, looked_up
from mmbert_training.phrase_pack import WorkPhrases
from rich.table import Table

from mmbert.console import print_json, stdout_console
from mmbert.model.phrase_model import PhraseModel
from mmbert.retrieval.complete import SHORTLIST
from mmbert.symbolic.phrase_placing import moved, transpositions
from mmbert.symbolic.phrases import TASKS, PhraseTable, Task

SETS = ("paper", "hard", "full")
PLACED = ("as they lie", "placed")
KEYS = range(-6, 6)
OF_A_LIBRARY = 100_000
_TIMED = 50
_BEHIND = 1e3  # what is not on the shortlist follows in the towers' order


def by_key(model: PhraseModel, table: PhraseTable, task: Task) -> dict[str, np.ndarray]:
    """Products of all phrases with all, float32 [P, P], in four ways."""
    found = {}
    written = replace(table, shift=np.zeros_like(table.shift))
    for name, some in (("normalised", table), ("written", written)):
        documents = model.document_vectors(some, task).T
        of_keys = (model.query_vectors(replace(some, shift=some.shift + k), task) @ documents for k in KEYS)
        found[f"{name}, 12"] = np.maximum.reduce(list(of_keys))
        found[name] = model.query_vectors(some, task) @ documents
    return found


def milliseconds(model: PhraseModel, table: PhraseTable, task: Task) -> dict[str, float]:
    """Median of a question: vectors of the melody in one key and in twelve, and products with many phrases."""
    rng = np.random.default_rng(0)
    many = rng.standard_normal((OF_A_LIBRARY, model.dims[task]), np.float32)
    found = {}
    for name, keys in (("1", [0]), ("12", list(KEYS))):
        taken = []
        for row in range(_TIMED):
            began = time.perf_counter()
            asked = table.rows(np.full(len(keys), row))
            vectors = model.query_vectors(replace(asked, shift=asked.shift + np.array(keys)), task)
            (many @ vectors.T).max(axis=1)
            taken.append(time.perf_counter() - began)
        found[name] = 1000 * float(np.median(taken))
    return found


def spaced(candidates: Candidates, count: int) -> Candidates:
    """Evenly spaced queries with their lists."""
    rows = np.unique(np.linspace(0, len(candidates.queries) - 1, count).astype(np.int64))
    lists = {name: some[rows] for name, some in candidates.lists.items()}
    return Candidates(candidates.queries[rows], candidates.answers[rows], lists, candidates.open[rows])


def by_octave(
    model: PhraseModel, found: WorkPhrases, task: Task, candidates: Candidates, product: np.ndarray
) -> dict[str, Scorer]:
    """The score that ships, of phrases as they lie and placed."""
    table = found.table
    behind = product[candidates.queries] - _BEHIND
    said = {name: behind.copy() for name in PLACED}
    for row, query in enumerate(candidates.queries):
        every = np.flatnonzero(candidates.open[row])
        first = every[np.argsort(-product[query, every], kind="stable")[:SHORTLIST]]
        shown = np.unique(np.concatenate([first, *(candidates.lists[s][row] for s in ("paper", "hard"))]))
        shown = shown[shown >= 0]
        one, documents = table.rows(np.array([query])), table.rows(shown)
        for name in PLACED:
            some = documents if name == "as they lie" else moved(documents, transpositions(one, documents))
            said[name][row, shown] = model.scores(one, some, task, product[query, shown])
    place = {int(query): row for row, query in enumerate(candidates.queries)}

    def scorer(sums: np.ndarray) -> Scorer:
        return lambda queries, shown: np.take_along_axis(sums[[place[int(q)] for q in queries]], shown, axis=1)

    return {name: scorer(sums) for name, sums in said.items()}


def measured(scorers: Mapping[str, Scorer], found: WorkPhrases, candidates: Candidates) -> dict[str, dict[str, float]]:
    """MAP of every set, R@10 of ``full``; of the last row less the first its mean and standard error over works."""
    out: dict[str, dict[str, float]] = {name: {} for name in scorers}
    for name in SETS:
        which, ranked = ranks(scorers, candidates, name)
        for row, told in ranked.items():
            out[row][name] = float(told.reciprocal_rank().mean())
            if name == "full":
                out[row]["r10"] = float(told.recall_at(10).mean())
        if set(ranked) == set(PLACED):
            off = ranked["placed"].reciprocal_rank() - ranked["as they lie"].reciprocal_rank()
            works = found.cluster[candidates.queries[which]]
            error = standard_error(off, works)
            out.setdefault("placed - as they lie", {}).update({name: float(off.mean()), f"{name}_error": error})
    return out


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=300, help="of each source, for octaves")
    parser.add_argument("--data", type=Path, help="folder of data zips; else MMBERT_DATA")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = PhraseModel.from_pretrained()
    lines: list[dict[str, Any]] = []
    times: dict[str, dict[str, float]] = {}
    for task in TASKS:
        for source in SOURCES:
            found, candidates = load_asked(task, source, args.data, "validation")
            products = by_key(model, found.table, task)
            told = measured({k: looked_up(p) for k, p in products.items()}, found, candidates)
            few = spaced(candidates, args.queries)
            told |= measured(by_octave(model, found, task, few, products["normalised"]), found, few)
            place = {"task": task, "source": SHORT[source]}
            lines += [{**place, "row": row, **figures} for row, figures in told.items()]
        times[task] = milliseconds(model, found.table, task)
    if args.json:
        print_json({"lines": lines, "milliseconds_by_keys": times})
        return 0
    columns = ("paper", "hard", "full", "r10")
    table = Table("task", "source", "row", *columns)
    for line in lines:
        errors = {c: f" ± {line[f'{c}_error']:.3f}" if f"{c}_error" in line else "" for c in columns}
        cells = (f"{line[c]:.3f}{errors[c]}" if c in line else "" for c in columns)
        table.add_row(line["task"], line["source"], line["row"], *cells)
    stdout_console().print(table, {"milliseconds by keys": times})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
