"""Finding pieces by words, and words by a piece.

Questions come in three columns: sentences of two to five facts in known and in unseen wording
(:mod:`mmbert_training.evaluate.queries`), and questions written by hand. The candidates are those of
:mod:`mmbert_training.evaluate.candidates`. Many fit a question as well as the piece that it was written for, so the row
to compare with is the oracle, which counts the facts of the question that are true of each candidate; the number of
facts a question moves all figures and is printed. The one right answer is that piece; ``mrr_any`` counts every
candidate that fits all facts as right as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmbert.embed import Embedder
from mmbert.metrics import standing
from mmbert_training.evaluate.candidates import load_candidates
from mmbert_training.evaluate.columns import Column, questions, score
from mmbert_training.evaluate.pieces import embedded
from mmbert_training.evaluate.queries import SEED
from mmbert_training.evaluate.tables import differences, figures
from mmbert_training.phrases import lexical_overlap

_COMPARED = (("fused", "bm25_sheet"), ("fused", "knn"), ("vectors", "knn"))
_SHARES = ("fused", "vectors", "notes")
_TO_TEXT = ("oracle", "minilm", "notes", "facets", "vectors")


def run(
    data: Path | None = None, weights: Path | None = None, split: Literal["test", "validation"] = "test"
) -> dict[str, Any]:
    """All rows and columns, again for the questions that name no form, and from music to words.

    Raises:
        DataError: where the data are missing, or the kept sentences are not true of them.
        WeightsError: where the weights are missing.
        MissingExtraError: where the text model is not installed.
    """
    embedder = Embedder.from_pretrained(weights)
    candidates = embedded(load_candidates(data, split), embedder)
    columns = score(embedder, candidates, questions(candidates, split))
    formless = [c.where([not any(f.startswith("form=") for f in q.facts) for q in c.asked]) for c in columns]
    rows = [row for c in columns for row in rows_of(c)]
    return {
        "split": split,
        "seed": SEED,
        "n_candidates": len(candidates),
        **{f"n_queries_{c.name}": len(c.asked) for c in columns},
        **{f"facts_a_query_{c.name}": float(np.mean([len(q.facts) for q in c.asked])) for c in columns},
        "share_unseen_with_a_known_word": lexical_overlap(),
        **{f"mrr_{r['row']}_{r['column']}": r["mrr"] for r in rows},
        **{f"share_{r['row']}_{r['column']}": r["share_of_oracle"] for r in rows if r["row"] in _SHARES},
        "rows": rows,
        "rows_without_form": [row for c in formless if c.asked for row in rows_of(c)],
        "music_to_text": [row for c in columns for row in rows_to_text(c)],
        "differences_of_mrr": [
            {"column": c.name, **row} for c in columns for row in differences(c.found, c.works, _COMPARED)
        ],
    }


def rows_of(column: Column) -> list[dict[str, Any]]:
    """A row of figures for each ranking, words to music."""
    best = float(column.found["oracle"].reciprocal_rank().mean())
    rows = []
    for name, where in column.found.items():
        own = figures(where, column.works)
        fitting = float(standing(column.scores[name], column.right).reciprocal_rank().mean())
        rows.append(
            {"row": name, "column": column.name, "queries": len(where), **own, "share_of_oracle": own["mrr"] / best,
             "mrr_any": fitting}
        )  # fmt: skip
    return rows


def rows_to_text(column: Column) -> list[dict[str, Any]]:
    """A row of figures for each ranking, music to words: each work's best own text among all texts of the column.

    The oracle counts the share of a text's facts that is true.
    """
    asked, first = np.unique(column.target, return_index=True)
    own = column.target == asked[:, None]
    works = [column.works[i] for i in first]
    rows = []
    best = None
    for name in _TO_TEXT:
        scores = column.scores[name]
        if name == "oracle":
            scores = scores / np.array([[len(q.facts)] for q in column.asked])
        row = figures(standing(scores[:, asked].T, own), works)
        best = best or row["mrr"]
        rows.append(
            {"row": name, "column": column.name, "works": len(works), **row, "share_of_oracle": row["mrr"] / best}
        )
    return rows
