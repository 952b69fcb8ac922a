"""What each list of a search is worth, and which weights of their sum find most: chosen on validation questions.

    mmbert eval fusion

Rows: each list alone, plain reciprocal ranks (Cormack et al. 2009, k = 60), the weights that the product has, and the
best weights of a grid by the mean over the columns of the share of the oracle's MRR, a share above one counting as one
(numbers break ties that facts leave). Nothing of the test split is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.embed import Embedder
from mmbert.metrics import standing
from mmbert.retrieval import phrasebook
from mmbert.retrieval.fuse import WEIGHTS, Lists, Weights, fuse
from mmbert.retrieval.names import names_of
from mmbert.retrieval.search import answers_of
from mmbert.retrieval.shortlist import by_conditions, by_meaning, by_words, named
from mmbert.retrieval.statements import by_statements
from mmbert.retrieval.understand import understand
from mmbert.store import Generation
from mmbert_training.evaluate.baselines import true_facts
from mmbert_training.evaluate.candidates import load_candidates
from mmbert_training.evaluate.columns import questions
from mmbert_training.evaluate.pieces import embedded
from mmbert_training.evaluate.product import library_of

RRF_K = 60
GRID = {
    "statements": (0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
    "conditions": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
    "words": (1.0, 3.0, 6.0),
}  # beside meaning at 1
_LISTS = ("meaning", "statements", "conditions", "words")


def run(data: Path | None = None, weights: Path | None = None) -> dict[str, Any]:
    """Every row with its MRR and share of the oracle by column, and the best weights.

    Raises:
        DataError: where the data are missing.
        WeightsError: where the weights are missing.
        MissingExtraError: where the text model is not installed.
    """
    embedder = Embedder.from_pretrained(weights)
    candidates = embedded(load_candidates(data, "validation"), embedder)
    asked = questions(candidates, "validation")
    flat = [q for some in asked.values() for q in some]
    column = np.repeat([*asked], [len(some) for some in asked.values()])
    place = {c.work.id: i for i, c in enumerate(candidates)}
    target = np.array([place[q.work] for q in flat])
    with library_of(embedder, [c.embedded for c in candidates]) as library:
        own = np.array([int(Path(str(path)).stem) for path in library.generation.pieces.path])
        lists = list(_looked(library.generation, embedder, [q.text for q in flat]))
    target = np.argsort(own)[target]  # a candidate's row in the library
    oracle = true_facts([c.tokens for c in candidates], [q.facts for q in flat])[:, own]
    best = {name: _mrr(oracle, target, column == name) for name in asked}

    def row(name: str, scores: np.ndarray) -> dict[str, Any]:
        mrr = {c: _mrr(scores, target, column == c) for c in asked}
        return (
            {"row": name}
            | {f"mrr_{c}": v for c, v in mrr.items()}
            | {f"share_{c}": v / best[c] for c, v in mrr.items()}
        )

    alone = [row(name, np.array([getattr(one, name) for one in lists])) for name in _LISTS]
    tried = [(_with(values), row("grid", _fused(lists, _with(values)))) for values in product(*GRID.values())]
    chosen, found = max(tried, key=lambda t: np.mean([min(t[1][f"share_{c}"], 1.0) for c in asked]))
    rows = [
        *alone,
        row("reciprocal ranks", _reciprocal(lists)),
        row("the product's weights", _fused(lists, WEIGHTS)),
        found | {"row": "best of the grid"},
    ]
    return {"candidates": len(candidates), "oracle": best, "rows": rows, "best_weights": asdict(chosen)}


def _looked(generation: Generation, embedder: Embedder, texts: Sequence[str]) -> Iterator[Lists]:
    names = names_of(generation.pieces.composer, generation.pieces.title)
    for text in texts:
        query = understand(text, names)
        answers = answers_of(generation, query)
        yield Lists(
            words=by_words(generation, query.lexical, np.arange(generation.n_pieces)),
            conditions=by_conditions(answers),
            tier=named(answers, query.conditions),
            meaning=by_meaning(generation, embedder.embed_texts([query.meaning])[0]).similarity,
            statements=by_statements(generation, phrasebook.said(query.meaning)),
        )


def _with(values: tuple[float, ...]) -> Weights:
    return replace(WEIGHTS, **dict(zip(GRID, values, strict=True)))


def _fused(lists: Sequence[Lists], weights: Weights) -> np.ndarray:
    return np.array([fuse(one, weights) for one in lists])


def _reciprocal(lists: Sequence[Lists]) -> np.ndarray:
    """Sum over the lists of 1 / (k + rank), equal pieces at their mean rank."""
    out = []
    for one in lists:
        total = np.zeros(len(one.words))
        for name in _LISTS:
            values = np.round(getattr(one, name), 6)
            ranks = (values[None, :] > values[:, None]).sum(1) + ((values[None, :] == values[:, None]).sum(1) + 1) / 2
            total += 1 / (RRF_K + ranks)
        out.append(total)
    return np.array(out)


def _mrr(scores: np.ndarray, target: np.ndarray, rows: np.ndarray) -> float:
    return float(standing(scores[rows], target[rows]).reciprocal_rank().mean())
