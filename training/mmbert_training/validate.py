"""Quick figures on validation works, logged after every stage: are pieces ordered by words, how does the space look?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmbert.objectives.alignment import fitting
from mmbert.types import Stream
from mmbert_training import diagnose, stages
from mmbert_training.batches import Batch, Batches, moved
from mmbert_training.learner import Learner
from mmbert_training.pack import HAND, KNOWN, UNSEEN
from mmbert_training.recipe import Recipe

MOST_WORKS = 512
POOLS = (("known", KNOWN), ("unseen", UNSEEN), ("hand", HAND))


@torch.no_grad()
def validate(learner: Learner, batches: Batches, recipe: Recipe) -> dict[str, Any]:
    """Mean reciprocal rank of the sentence's own work, by wording and by what the pieces show; and the space's look.

    Columns are those of :func:`reciprocal_ranks`. Also the accuracy of masked fields of notes.
    """
    was_training = learner.training
    learner.eval()
    torch.manual_seed(0)  # which notes are masked
    batch = moved(batches.validation(KNOWN, MOST_WORKS), recipe.device)
    *_, accuracy = stages.read_notes(learner.model, batch, recipe.objectives)
    found = {
        k: {row: float(v.mean()) for row, v in rows.items()} for k, rows in _ranked(learner, batches, recipe).items()
    }
    facets, bars = learner.model.encode_facets(batch.facets), _bars(learner, batch)
    documents = learner.model.project(stages.join(learner.model, [facets, bars]), "document")
    space = _space(learner, batch, stages.text_vectors(learner.model, batch), documents, bars)
    learner.train(was_training)
    accuracies = {k: float(v) for k, v in accuracy.items()}
    return {"works": len(batch.facets), "masked_accuracy": accuracies, **found, "space": space}


@torch.no_grad()
def reciprocal_ranks(learner: Learner, batches: Batches, recipe: Recipe) -> dict[str, dict[str, np.ndarray]]:
    """Of every validation question: columns (wording, or ``music``) of rows (what the pieces show) of [questions].

    Expected reciprocal ranks where vectors tie. ``known``, ``unseen`` and ``hand`` are sentences, the row ``facts``
    orders pieces by how many statements of the sentence they fit (a perfect reader of facts). ``music`` are the
    works themselves, transposed and at another speed, among the works as they are.
    """
    learner.eval()
    return _ranked(learner, batches, recipe)


def _ranked(learner: Learner, batches: Batches, recipe: Recipe) -> dict[str, dict[str, np.ndarray]]:
    model = learner.model
    out: dict[str, dict[str, np.ndarray]] = {}
    first = moved(batches.validation(KNOWN, MOST_WORKS), recipe.device)
    facets, bars = model.encode_facets(first.facets), _bars(learner, first)
    shown = {"facets": [facets], "notes": [bars], "both": [facets, bars]}
    rows = {k: model.project(stages.join(model, v), "document") for k, v in shown.items()}
    for name, pool in POOLS:
        batch = moved(batches.validation(pool, MOST_WORKS), recipe.device)
        if not len(batch.facts):
            continue
        texts = stages.text_vectors(model, batch)
        own = batch.text_work[:, None] == batch.piece_work[None, :]
        counted = batch.facts.float() @ batch.tokens.float().T
        out[name] = {k: expected(texts @ v.T, own) for k, v in rows.items()} | {"facts": expected(counted, own)}
    changed = moved(batches.changed(MOST_WORKS), recipe.device)
    asked = model.project(stages.join(model, [_bars(learner, changed)]), "document")
    own = changed.piece_work[:, None] == first.piece_work[None, :]
    out["music"] = {"notes": expected(asked @ rows["notes"].T, own)}
    return out


def expected(scores: Tensor, own: Tensor) -> np.ndarray:
    """Expected reciprocal rank of the best own column of each row, float64; ties are broken at random.

    >>> expected(torch.ones(1, 2), torch.tensor([[True, False]]))
    array([0.75])
    """
    best = scores.masked_fill(~own, -torch.inf).max(1, keepdim=True).values
    above = (scores > best).sum(1).tolist()
    tied = (scores == best).sum(1).tolist()
    return np.array([sum(1 / (g + j) for j in range(1, e + 1)) / e for g, e in zip(above, tied, strict=True)])


def _space(learner: Learner, batch: Batch, texts: Tensor, documents: Tensor, bars: Stream) -> dict[str, Any]:
    fits = fitting(batch.facts, batch.tokens)
    rows = fits.any(1).nonzero()[:, 0]
    matched = documents[fits[rows].float().argmax(1)]
    layers = learner.model.shared.every_layer([bars])
    return {
        "alignment": diagnose.alignment(texts[rows], matched),
        "uniformity_texts": diagnose.uniformity(texts),
        "uniformity_documents": diagnose.uniformity(documents),
        "effective_rank_texts": diagnose.effective_rank(texts),
        "effective_rank_documents": diagnose.effective_rank(documents),
        "modality_gap": diagnose.modality_gap(texts, documents),
        "variance_within_pieces": diagnose.variance_within(bars.states, bars.mask),
        "neighbour_cosine": [diagnose.neighbour_cosine(x[:, 1:], bars.mask) for x in layers],
    }


def _bars(learner: Learner, batch: Batch) -> Stream:
    """Bars of the notes as they are."""
    music = batch.notes
    if music is None:
        raise ValueError("validation needs notes")
    return stages.bars_of(learner.model, music, stages.note_states(learner.model, music.octuples, music.valid))
