"""What each stage of training does with a batch: the losses, and what learns from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mmbert.facets import TOKENS
from mmbert.model import MmbertModel
from mmbert.objectives.alignment import alike, pairs, pull
from mmbert.objectives.contrastive import info_nce, sigmoid_loss
from mmbert.objectives.facts import facts_loss
from mmbert.objectives.masked import Strategy, mask_octuples, masked_loss
from mmbert.objectives.mutual import hide_half, mutual_loss
from mmbert.objectives.vectors import mask_spans, masked_vectors_loss
from mmbert.objectives.words import masked_text_loss
from mmbert.symbolic.octuple import FIELDS, MASK_ID
from mmbert.symbolic.octuple_vocabulary import DRUM_PROGRAM
from mmbert.symbolic.windows import WINDOW_BARS
from mmbert.types import Stream
from mmbert_training.batches import Batch, Notes
from mmbert_training.learner import Learner
from mmbert_training.recipe import Objectives, StageConfig

MASKED_NOTES = 4096  # at most so many notes a step are asked for their masked fields: logits are wide
_PROGRAM = FIELDS.index("program")
_KINDS = [t.split("=")[0] for t in TOKENS]
_SAME_KIND = torch.tensor([[a == b for b in _KINDS] for a in _KINDS])
# Kinds of which any number of values may be true: what is not said is false, not unknown.
_LISTED = torch.tensor([k in ("instrument", "family", "drums", "mood") for k in _KINDS])

Losses = tuple[Tensor, dict[str, Tensor]]


def words(learner: Learner, batch: Batch, stage: StageConfig, want: Objectives) -> Losses:
    """Sentences against facets."""
    model = learner.model
    texts = text_vectors(model, batch)
    facets = dropped(model.encode_facets(batch.facets), stage.facet_drop)
    documents = model.project(join(model, [facets]), "document")
    parts = {"contrast": (1.0, contrast(learner, texts, documents, batch, 1, want))}
    scalars = _masked_text(learner, batch, want, parts, [facets])
    return _summed(parts, scalars)


def notes(learner: Learner, batch: Batch, stage: StageConfig, want: Objectives) -> Losses:
    """Masked octuples; vectors of notes, whole and by the window, to sentences and to the facets of their work."""
    model = learner.model
    with torch.no_grad():
        texts = text_vectors(model, batch)
        targets = model.project(join(model, [model.encode_facets(batch.facets)]), "document")
    bars, masked, scalars = read_notes(model, batch, want, stage.recompute)
    joint = join(model, [bars])
    whole = model.project(joint, "document")
    window = model.project(join(model, [random_window(bars)]), "document")
    parts = {
        "contrast": (1.0, contrast(learner, texts, torch.cat([whole, window]), batch, 2, want)),
        "pull": (want.pull, (pull(whole, targets) + pull(window, targets)) / 2),
        "masked": (want.masked, masked),
    }
    scalars |= _of_music(learner, batch, want, parts, bars, joint)
    return _summed(parts, scalars)


def together(learner: Learner, batch: Batch, stage: StageConfig, want: Objectives) -> Losses:
    """Sentences against facets alone, notes alone or both, and windows of notes; the other objectives beside."""
    model = learner.model
    texts = text_vectors(model, batch)
    bars, masked, scalars = read_notes(model, batch, want, stage.recompute)
    facets = dropped(model.encode_facets(batch.facets), stage.facet_drop)
    some_facets, some_bars = either_or_both(facets, bars)
    joint = join(model, [some_facets, some_bars])
    whole = model.project(joint, "document")
    window = model.project(join(model, [random_window(bars)]), "document")
    parts = {
        "contrast": (1.0, contrast(learner, texts, torch.cat([whole, window]), batch, 2, want)),
        "masked": (want.masked, masked),
    }
    scalars |= _of_music(learner, batch, want, parts, bars, joint)
    scalars |= _masked_text(learner, batch, want, parts, [facets, bars])
    if batch.rehearsal:
        parts["rehearsal"] = (1.0, words(learner, batch.rehearsal, stage, want)[0])
    return _summed(parts, scalars)


STAGES: dict[str, Callable[[Learner, Batch, StageConfig, Objectives], Losses]] = {
    "words": words,
    "notes": notes,
    "together": together,
}


def learns(kind: str, name: str) -> bool:
    """Whether a parameter of the learner learns in a stage.

    In ``words`` nothing that reads notes does, nor the layers of the shared transformer: they are the identity as long
    as they are closed, and a sum of facts has no need of them. In ``notes`` only what reads notes does, and the score's
    own entries of the shared transformer: sentences and facets stay where they are.
    """
    music = ("model.symbolic.", "model.bars.", "model.masked.", "fact_head.", "critic.", "bar_head.", "hidden_bar")
    score_side = name.startswith(music) or name in (
        "model.shared.modality.score", "model.shared.norms.score.weight", "model.shared.norms.score.bias",
    )  # fmt: skip
    if kind == "words":
        return not score_side and not name.startswith("model.shared.layers.")
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


def contrast(learner: Learner, texts: Tensor, documents: Tensor, batch: Batch, views: int, want: Objectives) -> Tensor:
    """Alignment of sentences with ``views`` vectors of each piece, stacked."""
    work = batch.piece_work.repeat(views)
    positive, ignored = pairs(batch.facts, batch.tokens.repeat(views, 1), batch.text_work, work, batch.same_text)
    if not want.every_fit:
        own = (batch.text_work[:, None] == work[None, :]) & (positive | ignored)
        own |= positive & (batch.text_work < 0)[:, None]  # a phrase is of no work: it keeps every piece that it fits
        positive, ignored = (own, ignored & ~own) if bool(own.any()) else (positive, ignored)
    if want.alike < 1:
        near = alike(batch.facts, want.alike).float() @ positive.float() > 0
        ignored = (ignored | near) & ~positive
    with torch.autocast(texts.device.type, enabled=False):  # bfloat16 would round cosines to two digits
        similarity = learner.temperature() * (texts.float() @ documents.float().T)
    if want.alignment == "siglip":
        return sigmoid_loss(similarity, learner.bias, positive, ignored)
    return info_nce(similarity, positive, ignored, decoupled=want.alignment == "decoupled")


def read_notes(
    model: MmbertModel, batch: Batch, want: Objectives, recompute: bool = False
) -> tuple[Stream, Tensor, dict[str, Tensor]]:
    """Masked notes to a stream of bars, the loss of what was masked, and its accuracy by field."""
    music = batch.notes
    if music is None:
        raise ValueError("this stage needs notes")
    generator = torch.Generator(music.octuples.device).manual_seed(int(torch.randint(2**31, ())))
    shown, masked, accuracy = music.octuples, music.octuples.new_zeros((), dtype=torch.float32), {}
    if want.masked:
        strategy: Strategy = "span" if float(torch.rand(())) < want.span else "bar"
        shown, chosen = mask_octuples(music.octuples, music.valid, strategy, generator, music.marginals)
    if bool(music.secret.any()):
        program = shown[..., _PROGRAM]
        hide = music.secret[:, None] & music.valid & (program != DRUM_PROGRAM)
        shown = shown.clone()
        shown[..., _PROGRAM] = program.masked_fill(hide, MASK_ID[_PROGRAM])
    states = note_states(model, shown, music.valid, recompute=recompute)
    if want.masked:
        chosen, true = chosen[music.valid], music.octuples[music.valid]
        asked = chosen.any(-1).nonzero()[:, 0]
        asked = asked[torch.randperm(len(asked), device=asked.device)[:MASKED_NOTES]]
        masked, scalars = masked_loss(model.predict_fields(states[asked]), true[asked], chosen[asked])
        accuracy = {k: v for k, v in scalars.items() if k.startswith("accuracy_")}
    return bars_of(model, music, states), masked, accuracy


def _of_music(
    learner: Learner,
    batch: Batch,
    want: Objectives,
    parts: dict[str, tuple[float, Tensor]],
    bars: Stream,
    joint: Tensor,
) -> dict[str, Tensor]:
    """Facet classification, masked music vectors and MIM over the bars of a batch."""
    scalars: dict[str, Tensor] = {}
    model = learner.model
    if want.facts:
        same, listed = _SAME_KIND.to(joint.device), _LISTED.to(joint.device)
        known = (batch.tokens.float() @ same.float() > 0) | listed
        parts["facts"] = (want.facts, facts_loss(learner.fact_head(joint), batch.tokens, known))
    if want.masked_vectors:
        hidden = mask_spans(bars.mask)
        shown = torch.where(hidden[..., None], learner.hidden_bar.to(bars.states.dtype), bars.states)
        last = model.shared.every_layer([Stream(shown, bars.mask, "score", bars.position)])[-1][:, 1:]
        loss, found = masked_vectors_loss(learner.bar_head(last), bars.states, hidden, bars.mask)
        parts["masked_vectors"], scalars = (want.masked_vectors, loss), scalars | found
    if want.mutual:
        dropped_bars = hide_half(bars.mask)
        rest = Stream(bars.states, bars.mask & ~dropped_bars, "score", bars.position)
        count = dropped_bars.sum(1)
        mean = (bars.states * dropped_bars[..., None]).sum(1) / count.clamp(min=1)[:, None]
        same = batch.piece_work[:, None] == batch.piece_work[None, :]
        loss, found = mutual_loss(learner.critic, join(model, [rest]), mean, count > 0, same)
        parts["mutual"], scalars = (want.mutual, loss), scalars | found
    return scalars


def _masked_text(
    learner: Learner, batch: Batch, want: Objectives, parts: dict[str, tuple[float, Tensor]], music: Sequence[Stream]
) -> dict[str, Tensor]:
    """Hidden words, from the sentence and all that is shown of its piece."""
    gaps = batch.hidden
    if not want.masked_text or gaps is None:
        return {}
    model = learner.model
    own = [Stream(s.states[gaps.piece], s.mask[gaps.piece], s.modality, _rows(s.position, gaps.piece)) for s in music]
    joint = join(model, [model.encode_text(gaps.states, gaps.mask), *own])
    loss, scalars = masked_text_loss(
        learner.word_head, model.text.tokens(gaps.states, gaps.mask), joint, gaps.place, gaps.word
    )
    parts["masked_text"] = (want.masked_text, loss)
    return scalars


def _rows(position: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if position is None else position[rows]


def _summed(parts: dict[str, tuple[float, Tensor]], scalars: dict[str, Tensor]) -> Losses:
    loss = torch.stack([weight * value for weight, value in parts.values() if weight]).sum()
    return loss, {name: value for name, (weight, value) in parts.items() if weight} | scalars


def note_states(
    model: MmbertModel, octuples: Tensor, valid: Tensor, groups: int = 4, recompute: bool = False
) -> Tensor:
    """States of the valid notes, float [notes, symbolic_dim], in order; passages of near lengths are read together.

    With ``recompute`` the gradient reads them again, a sixteenth at a time, and memory holds the layers' states of no
    more: batches of any size, as with cached gradients (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch
    Size under Memory Limited Setup"), whose second pass this is.
    """
    groups = 16 if recompute else groups
    length = valid.sum(1)
    order = torch.argsort(length, stable=True)
    found, places = [], []
    place = (torch.cumsum(valid.flatten(), 0) - 1).view_as(valid)
    for rows in order.tensor_split(groups):
        if len(rows):
            widest = int(length[rows].max())
            seen = valid[rows, :widest]
            args = (octuples[rows, :widest], seen)
            read = (
                checkpoint(model.encode_passages, *args, use_reentrant=False)
                if recompute
                else model.encode_passages(*args)
            )
            found.append(read[seen])
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
