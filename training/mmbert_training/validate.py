"""Quick figures on validation works, printed while training: does the space order pieces by words?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmbert.model import MmbertModel
from mmbert.objectives.alignment import fitting
from mmbert.types import Stream
from mmbert_training import stages
from mmbert_training.batches import Batch, Batches, moved
from mmbert_training.pack import HELD_OUT, KNOWN
from mmbert_training.recipe import Recipe

MOST_WORKS = 256


@torch.no_grad()
def validate(model: MmbertModel, batches: Batches, recipe: Recipe) -> dict[str, Any]:
    """Mean reciprocal rank of the sentence's own work, by wording and by what the pieces show.

    Ranks are expected ranks where vectors tie; the row ``facts`` orders pieces by whether they fit the sentence
    (what a perfect reader of facts reaches). Also the accuracy of masked fields of notes.
    """
    was_training = model.training
    model.eval()
    torch.manual_seed(0)  # which notes are masked
    out: dict[str, Any] = {}
    for name, pool in (("known", KNOWN), ("held_out", HELD_OUT)):
        batch = moved(batches.validation(pool, MOST_WORKS), recipe.device)
        texts = stages.text_vectors(model, batch)
        own = batch.text_work[:, None] == batch.piece_work[None, :]
        facets = model.encode_facets(batch.facets)
        if name == "known":
            bars, accuracy = _bars(model, batch)
            out |= {"works": len(batch.facets), "masked_accuracy": {k: float(v) for k, v in accuracy.items()}}
        rows = {"facets": [facets], "notes": [bars], "both": [facets, bars]}
        ranks = {k: mrr(texts @ model.project(stages.join(model, v), "document").T, own) for k, v in rows.items()}
        out[name] = ranks | {"facts": mrr(fitting(batch.facts, batch.tokens).float(), own)}
    model.train(was_training)
    return out


def mrr(scores: Tensor, own: Tensor) -> float:
    """Mean over rows of the expected reciprocal rank of the best own column; ties are broken at random.

    >>> mrr(torch.ones(1, 2), torch.tensor([[True, False]]))
    0.75
    """
    best = scores.masked_fill(~own, -torch.inf).max(1, keepdim=True).values
    above = (scores > best).sum(1)
    tied = (scores == best).sum(1)
    total = 0.0
    for g, e in zip(above.tolist(), tied.tolist()):
        total += sum(1 / (g + j) for j in range(1, e + 1)) / e
    return total / len(scores)


def _bars(model: MmbertModel, batch: Batch) -> tuple[Stream, dict[str, Tensor]]:
    """Bars of the notes as they are, and the accuracy on masked ones."""
    _, _, accuracy = stages.read_notes(model, batch)
    music = batch.notes
    if music is None:
        raise ValueError("validation needs notes")
    return stages.bars_of(model, music, stages.note_states(model, music.octuples, music.valid)), accuracy
