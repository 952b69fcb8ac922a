"""What each stage of training does with a batch: the losses, and what learns from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mmbert.model import MmbertModel, ModelConfig
from mmbert.objectives.alignment import pairs, pull
from mmbert.objectives.contrastive import Temperature, info_nce
from mmbert.objectives.masked import mask_octuples, masked_loss
from mmbert.symbolic.windows import WINDOW_BARS
from mmbert.types import Stream
from mmbert_training.batches import Batch, Notes
from mmbert_training.recipe import StageConfig

MASKED_NOTES = 4096  # at most so many notes a step are asked for their masked fields: logits are wide


class Learner(nn.Module):
    """A model and what is learned beside it: the temperature of the contrast."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.model = MmbertModel(config)
        self.temperature = Temperature()


Losses = tuple[Tensor, dict[str, Tensor]]


def words(learner: Learner, batch: Batch, stage: StageConfig) -> Losses:
    """Sentences against facets."""
    model = learner.model
    texts = text_vectors(model, batch)
    documents = model.project(join(model, [dropped(model.encode_facets(batch.facets), stage.facet_drop)]), "document")
    loss = contrast(learner, texts, documents, batch, 1)
    return loss, {"contrast": loss}


def notes(learner: Learner, batch: Batch, stage: StageConfig) -> Losses:
    """Masked octuples; vectors of notes, whole and by the window, to sentences and to the facets of their work."""
    model = learner.model
    with torch.no_grad():
        texts = text_vectors(model, batch)
        targets = model.project(join(model, [model.encode_facets(batch.facets)]), "document")
    bars, masked, accuracy = read_notes(model, batch)
    whole = model.project(join(model, [bars]), "document")
    window = model.project(join(model, [random_window(bars)]), "document")
    matched = contrast(learner, texts, torch.cat([whole, window]), batch, 2)
    pulled = (pull(whole, targets) + pull(window, targets)) / 2
    loss = matched + stage.pull * pulled + stage.masked * masked
    return loss, {"contrast": matched, "pull": pulled, "masked": masked, **accuracy}


def together(learner: Learner, batch: Batch, stage: StageConfig) -> Losses:
    """Sentences against facets alone, notes alone or both, and windows of notes; masked octuples beside."""
    model = learner.model
    texts = text_vectors(model, batch)
    bars, masked, accuracy = read_notes(model, batch)
    facets = dropped(model.encode_facets(batch.facets), stage.facet_drop)
    some_facets, some_bars = either_or_both(facets, bars)
    whole = model.project(join(model, [some_facets, some_bars]), "document")
    window = model.project(join(model, [random_window(bars)]), "document")
    matched = contrast(learner, texts, torch.cat([whole, window]), batch, 2)
    loss = matched + stage.masked * masked
    return loss, {"contrast": matched, "masked": masked, **accuracy}


STAGES: dict[str, Callable[[Learner, Batch, StageConfig], Losses]] = {
    "words": words,
    "notes": notes,
    "together": together,
}


def learns(kind: str, name: str) -> bool:
    """Whether a parameter of the learner learns in a stage.

    In ``words`` nothing that reads notes does; in ``notes`` only that, and the score's own entries of the shared
    transformer: sentences and facets stay where they are.
    """
    score_side = name.startswith(("model.symbolic.", "model.bars.", "model.masked.")) or name in (
        "model.shared.modality.score", "model.shared.norms.score.weight", "model.shared.norms.score.bias",
    )  # fmt: skip
    return kind == "together" or score_side == (kind == "notes")


# ---- parts ---------------------------------------------------------------------------------------------


def text_vectors(model: MmbertModel, batch: Batch) -> Tensor:
    """float [S, out_dim] of the sentences, as questions."""
    return model.project(join(model, [model.encode_text(batch.states, batch.mask)]), "query")


def join(model: MmbertModel, streams: Sequence[Stream], groups: int = 4) -> Tensor:
    """``model.join`` over groups of rows of near lengths: float [B, dim]. Padding would be half of the work."""
    length = torch.stack([s.mask.sum(1) for s in streams]).sum(0)
    order = torch.argsort(length, stable=True)
    found = [model.join([_trimmed(s, rows) for s in streams]) for rows in order.tensor_split(groups) if len(rows)]
    return torch.cat(found)[torch.argsort(order)]


def _trimmed(stream: Stream, rows: Tensor) -> Stream:
    """Some rows of a stream, without the columns in which none of them has anything (at least one is kept)."""
    mask = stream.mask[rows]
    used = torch.cat([mask.any(0).nonzero()[:, 0], mask.new_zeros(1, dtype=torch.int64)])[
        : max(1, int(mask.any(0).sum()))
    ]
    position = None if stream.position is None else stream.position[rows][:, used]
    return Stream(stream.states[rows][:, used], mask[:, used], stream.modality, position)


def contrast(learner: Learner, texts: Tensor, documents: Tensor, batch: Batch, views: int) -> Tensor:
    """InfoNCE of sentences with ``views`` vectors of each piece, stacked; every piece that a sentence fits counts."""
    positive, ignored = pairs(
        batch.facts, batch.tokens.repeat(views, 1), batch.text_work, batch.piece_work.repeat(views), batch.same_text
    )
    scale = learner.temperature()
    return info_nce(scale * (texts.float() @ documents.float().T), positive, ignored)


def read_notes(model: MmbertModel, batch: Batch) -> tuple[Stream, Tensor, dict[str, Tensor]]:
    """Masked notes to a stream of bars, the loss of what was masked, and its accuracy by field."""
    music = batch.notes
    if music is None:
        raise ValueError("this stage needs notes")
    generator = torch.Generator(music.octuples.device).manual_seed(int(torch.randint(2**31, ())))
    shown, chosen = mask_octuples(music.octuples, music.valid, "bar", generator, music.marginals)
    states = note_states(model, shown, music.valid)
    chosen, true = chosen[music.valid], music.octuples[music.valid]
    asked = chosen.any(-1).nonzero()[:, 0]
    asked = asked[torch.randperm(len(asked), device=asked.device)[:MASKED_NOTES]]
    masked, scalars = masked_loss(model.predict_fields(states[asked]), true[asked], chosen[asked])
    accuracy = {k: v for k, v in scalars.items() if k.startswith("accuracy_")}
    return bars_of(model, music, states), masked, accuracy


def note_states(model: MmbertModel, octuples: Tensor, valid: Tensor, groups: int = 4) -> Tensor:
    """States of the valid notes, float [notes, symbolic_dim], in order; passages of near lengths are read together."""
    length = valid.sum(1)
    order = torch.argsort(length, stable=True)
    found, places = [], []
    place = (torch.cumsum(valid.flatten(), 0) - 1).view_as(valid)
    for rows in order.tensor_split(groups):
        if len(rows):
            widest = int(length[rows].max())
            seen = valid[rows, :widest]
            found.append(model.encode_passages(octuples[rows, :widest], seen)[seen])
            places.append(place[rows, :widest][seen])
    return torch.cat(found)[torch.argsort(torch.cat(places))]


def bars_of(model: MmbertModel, music: Notes, states: Tensor) -> Stream:
    """States of the notes of a batch, [notes, symbolic_dim], to a stream of bars."""
    pieces = len(music.first_bar)
    bars, present = model.pool_bars(states, music.segment, pieces * music.n_bars)
    position = music.first_bar[:, None] + torch.arange(music.n_bars, device=bars.device)
    return Stream(bars.unflatten(0, (pieces, -1)), present.unflatten(0, (pieces, -1)), "score", position)


def random_window(bars: Stream) -> Stream:
    """Four consecutive bars of each piece, some of them with notes, counted from zero as a window's are."""
    b, t = bars.mask.shape
    at = torch.multinomial(bars.mask.float(), 1)  # a bar with notes, which the window must hold
    begin = (at - torch.randint(WINDOW_BARS, at.shape, device=at.device)).clamp(min=0)
    index = (begin + torch.arange(WINDOW_BARS, device=at.device)).clamp(max=t - 1)
    inside = (begin + torch.arange(WINDOW_BARS, device=at.device)) < t
    rows = torch.arange(b, device=at.device)[:, None]
    position = torch.arange(WINDOW_BARS, device=at.device).expand(b, -1)
    return Stream(bars.states[rows, index], bars.mask[rows, index] & inside, "score", position)


def dropped(facets: Stream, share: float) -> Stream:
    """The stream with a share of its tokens hidden."""
    keep = torch.rand(facets.mask.shape, device=facets.mask.device) >= share
    return Stream(facets.states, facets.mask & keep, "facets", facets.position)


def either_or_both(facets: Stream, bars: Stream) -> tuple[Stream, Stream]:
    """A third of the rows show facets alone, a third bars alone, a third both."""
    shown = torch.randint(3, (len(facets.mask), 1), device=facets.mask.device)
    no_facts = ~facets.mask.any(1, keepdim=True)  # such a piece always shows its notes
    return (
        Stream(facets.states, facets.mask & (shown != 1), "facets", facets.position),
        Stream(bars.states, bars.mask & ((shown != 0) | no_facts), "score", bars.position),
    )
