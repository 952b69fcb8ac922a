"""Finding the phrase that follows, or accompanies, by notes alone: all rows, sets and sources of one task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.metrics import Standing, bootstrap, paired_bootstrap, standing
from mmbert.symbolic.phrases import Task
from mmbert_training.evaluate.phrase_candidates import (
    HOP,
    SETS,
    SOURCES,
    Candidates,
    candidates_of,
    load_candidates,
)
from mmbert_training.evaluate.phrase_published import NOTE, published
from mmbert_training.evaluate.phrase_rows import Figures, Scorer, figures_of, fitted_weights, simple_rows
from mmbert_training.manifest import Split, load_works
from mmbert_training.phrase_pack import WorkPhrases, gather, held_out_tenth

CUTS = (1, 5, 10, 25)
SHORT = {"pop909": "pop909", "nottingham": "nottingham", "openscore_lieder": "lieder"}
SHORTLIST = 200  # phrases that a library hands on from its index to be ordered
_FLAT = ("hand", "fitted", "towers", "pair")  # rows whose figures have a key of their own
_NO_CANDIDATE = -1e9


@dataclass(frozen=True, eq=False)
class Asked:
    """Phrases of one source, what is asked about them, and the single figures of all pairs."""

    source: str
    phrases: WorkPhrases
    candidates: Candidates
    figures: Figures


# What is asked, and the same of the training works that weights are fitted on, to further rows.
MoreRows = Callable[[Asked, Asked], Mapping[str, Scorer]]


def rank(
    task: Task,
    data: Path | None,
    split: Split,
    compared: Sequence[tuple[str, str]] = (("fitted", "hand"),),
    more: MoreRows = lambda asked, learned: {},
) -> dict[str, Any]:
    """All rows and sets of all sources.

    Args:
        task: What is asked.
        data: Folder of data zips; None for ``MMBERT_DATA``.
        split: Whose works are asked about.
        compared: Pairs of rows whose difference is printed.
        more: Further rows, such as those of trained models.

    Raises:
        DataError: where the data are missing, or the lists are not those of the kept digests.
    """
    rows, differences, weights = [], [], []
    found: dict[str, Any] = {"split": split, "right_answers_a_query": 1, "ceiling_of_hits": 1.0}
    for source in SOURCES:
        phrases, candidates = load_asked(task, source, data, split)
        asked = Asked(source, phrases, candidates, figures_of(phrases.table, task))
        tenth = gather(held_out_tenth([w for w in load_works(data, (source,)) if w.split == "train"]), HOP)
        learned = Asked(source, tenth, candidates_of(tenth, task), figures_of(tenth.table, task))
        fitted = fitted_weights([(learned.figures, learned.candidates)])
        scorers = {**simple_rows(asked.figures, task, fitted), **more(asked, learned)}
        short = SHORT[source]
        found |= {
            f"n_works_{short}": len({phrases.works[phrases.work[q]].cluster for q in candidates.queries}),
            f"n_queries_{short}": len(candidates.queries),
            f"n_phrases_{short}": len(phrases),
            f"n_left_out_{short}": sum(phrases.left_out.values()),
        }
        weights.append({"source": short, **{k: round(v, 4) for k, v in fitted.items()}})
        for name in SETS:
            which, ranked = ranks(scorers, candidates, name)
            of = phrases.cluster[candidates.queries[which]]
            if name == "full" and "towers" in ranked:
                found[f"shortlisted_{short}"] = float(ranked["towers"].recall_at(SHORTLIST).mean())
            rows += [{"row": r, "source": short, "set": name, **measured(s, of)} for r, s in ranked.items()]
            for a, b in compared:
                d = paired_bootstrap(ranked[a].reciprocal_rank(), ranked[b].reciprocal_rank(), of)
                error = standard_error(ranked[a].reciprocal_rank() - ranked[b].reciprocal_rank(), of)
                interval = {"mean": d.mean, "error": error, "low": d.low, "high": d.high, "differs": d.excludes_zero}
                differences.append({"rows": f"{a} - {b}", "source": short, "set": name, **interval})
    rows += means(rows)
    flat = {
        f"{key}_{r['set']}_{r['row']}_{r['source']}": r[column]
        for key, column in (("map", "map"), ("r10", "hits@10"))
        for r in rows
        if r["row"] in _FLAT
    }
    tables = {"rows": rows, "differences_of_map": differences, "fitted_weights": weights, "published": published(task)}
    return {**found, **flat, "note": NOTE, **tables}


def load_asked(task: Task, source: str, data: Path | None, split: Split) -> tuple[WorkPhrases, Candidates]:
    """The phrases of a source's works, and what is asked about them.

    Raises:
        DataError: where the data are missing, or the lists are not those of the kept digests.
    """
    phrases = gather([w for w in load_works(data, (source,)) if w.split == split], HOP)
    return phrases, load_candidates(phrases, task, source, split)


def ranks(scorers: Mapping[str, Scorer], candidates: Candidates, name: str) -> tuple[np.ndarray, dict[str, Standing]]:
    """Which queries have more than the answer to choose from in a set, int64 [q'], and the answer's standing in it."""
    if name == "full":
        every = np.arange(candidates.open.shape[1])
        shown = np.where(candidates.open, every, -1)
        target = candidates.answers
    else:
        shown = candidates.lists[name]
        target = np.zeros(len(shown), np.int64)
    asked = np.flatnonzero((shown >= 0).sum(axis=1) > 1)
    shown, target, queries = shown[asked], target[asked], candidates.queries[asked]
    out = {}
    for row, scorer in scorers.items():
        scores = np.where(shown >= 0, scorer(queries, shown), _NO_CANDIDATE)
        out[row] = standing(scores, target)
    return asked, out


def measured(where: Standing, works: np.ndarray) -> dict[str, float]:
    """MAP (with one right answer the mean reciprocal rank) with its 95 % interval over works, HITS@k, median rank.

    HITS@k is the share of queries whose one right answer is among the first k.
    """
    found = bootstrap(where.reciprocal_rank(), works)
    hits = {f"hits@{k}": float(where.recall_at(k).mean()) for k in CUTS}
    middle = float(np.median(where.rank()))
    interval = {"map": found.mean, "low": found.low, "high": found.high}
    return {"queries": len(where), "works": found.groups, **interval, **hits, "median_rank": middle}


def standard_error(values: np.ndarray, works: np.ndarray) -> float:
    """Of the mean of ``values`` [n], whose errors are shared within works [n].

    Liang and Zeger, "Longitudinal data analysis using generalized linear models" (1986), equation 8, of a mean.

    >>> round(standard_error(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])), 3)
    0.354
    """
    _, which = np.unique(works, return_inverse=True)
    return float(np.sqrt((np.bincount(which, values - values.mean()) ** 2).sum()) / len(values))


def means(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean over sources of each row and set."""
    out = []
    for key in dict.fromkeys((r["row"], r["set"]) for r in rows):
        some = [r for r in rows if (r["row"], r["set"]) == key]
        columns = ("map", *(f"hits@{k}" for k in CUTS))
        mean = {c: float(np.mean([r[c] for r in some])) for c in columns}
        out.append({"row": key[0], "source": "mean", "set": key[1], "queries": sum(r["queries"] for r in some), **mean})
    return out
