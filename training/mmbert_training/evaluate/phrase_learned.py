"""Rows of a trained model of phrases: its towers alone, with the single figures, and what it ships."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmbert.model.phrase_model import PhraseModel
from mmbert.symbolic.phrase_pairs import weighted
from mmbert.symbolic.phrases import Task
from mmbert_training.evaluate.phrase_ranking import SHORTLIST, Asked, MoreRows
from mmbert_training.evaluate.phrase_rows import Scorer, fitted_weights, looked_up
from mmbert_training.phrase_model import pair_scores, products

_BEHIND = 1e3  # further back than any difference of sums: what is not on the shortlist follows in the towers' order


def learned_rows(model: PhraseModel, task: Task) -> MoreRows:
    """``towers``: inner products alone. ``towers_fitted``: with the figures, fitted like ``fitted``. ``pair``: what
    ships, the first :data:`SHORTLIST` by the towers, ordered by the sum that :meth:`PhraseModel.scores` gives."""

    def rows(asked: Asked, learned: Asked) -> Mapping[str, Scorer]:
        here, there = (products(model, a.phrases.table, task) for a in (asked, learned))
        weights = fitted_weights([({**learned.figures, "towers": there}, learned.candidates)])
        return {
            "towers": looked_up(here),
            "towers_fitted": looked_up(weighted({**asked.figures, "towers": here}, weights)),
            "pair": _shipped(model, task, asked, here),
        }

    return rows


def _shipped(model: PhraseModel, task: Task, asked: Asked, product: np.ndarray) -> Scorer:
    weights = dict(model.weights[task])
    by_pair = weights.pop("pair")
    rest = weighted({**asked.figures, "towers": product}, weights).astype(np.float32)
    known = np.full(product.shape, np.nan, np.float32)  # what the pair scorer said: lists share candidates

    def scores(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        near = product[queries[:, None], candidates]
        near = np.where(candidates >= 0, near, -np.inf)
        if candidates.shape[1] <= SHORTLIST:
            return by_pair * pair(queries, candidates) + rest[queries[:, None], candidates]
        first = np.argpartition(-near, SHORTLIST, axis=1)[:, :SHORTLIST]
        rows = np.take_along_axis(candidates, first, axis=1)
        out = np.where(candidates >= 0, near, 0) - _BEHIND
        sums = by_pair * pair(queries, rows) + rest[queries[:, None], rows]
        np.put_along_axis(out, first, sums.astype(out.dtype), axis=1)
        return out

    def pair(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        new = np.where((rows >= 0) & np.isnan(known[queries[:, None], rows]), rows, -1)
        order = np.argsort(new < 0, axis=1, kind="stable")
        new = np.take_along_axis(new, order, axis=1)[:, : int((new >= 0).sum(axis=1).max(initial=0))]
        said = pair_scores(model.pairs[task], asked.phrases.table, queries, new)
        query, at = np.nonzero(new >= 0)
        known[queries[query], new[query, at]] = said[query, at]
        return np.nan_to_num(known[queries[:, None], rows])

    return scores
