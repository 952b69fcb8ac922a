"""Masked octuples: which fields of which notes are hidden, and the loss of what is said about them.

After MusicBERT (Zeng et al. 2021, section 3.3): a unit is chosen with probability 0.15; of the chosen, 80 % are hidden,
10 % replaced and 10 % left. Deviations: a replacement is drawn from the field's own values (the reference draws from
the vocabulary of all fields, where most replacements give themselves away); bar, metre and tempo are hidden together
over all programs and every run of one value (else a neighbour tells them); and spans of bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from mmbert.symbolic.octuple import FIELDS, MASK_ID, SIZES

Strategy = Literal["token", "octuple", "bar", "span"]
STRATEGIES: tuple[Strategy, ...] = ("token", "octuple", "bar", "span")
SHARE = 0.15  # of the units are chosen
REPLACED, KEPT = 0.1, 0.1  # of the chosen; the others are hidden
SPAN_BARS = (2, 8)
WEIGHTS = {
    "bar": 0.1, "position": 1.0, "program": 0.5, "pitch": 1.0, "duration": 1.0, "velocity": 0.5, "metre": 0.1,
    "tempo": 0.1,
}  # fmt: skip
NOTE_FIELDS = ("position", "pitch", "duration", "velocity")  # what is not shared with the notes around

_BAR, _PROGRAM = FIELDS.index("bar"), FIELDS.index("program")
_TIED = [FIELDS.index(name) for name in ("bar", "metre", "tempo")]
_SPANNED = [FIELDS.index(name) for name in NOTE_FIELDS]


def marginals_of(octuples: Tensor) -> tuple[Tensor, ...]:
    """How often each value of each field occurs in int [n, 8]: eight float32 [size of the field]."""
    return tuple(torch.bincount(octuples[:, f].long(), minlength=size).float() for f, size in enumerate(SIZES))


def mask_octuples(
    tokens: Tensor, valid: Tensor, strategy: Strategy, generator: torch.Generator, marginals: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Hide some of a batch. What is hidden depends on the valid notes and the generator, not on padding.

    | strategy | unit |
    |---|---|
    | token | one field of one note |
    | octuple | all fields of one note |
    | bar | one field of all notes of one program in one bar; bar, metre and tempo: of all notes of a run of one value |
    | span | position, pitch, duration and velocity of 2-8 whole bars of one program (its bars are cut at random) |

    Args:
        tokens: int64 [B, T, 8] in the order of the octuple.
        valid: bool [B, T], False for padding.
        strategy: What a unit is.
        generator: On the device of ``tokens``.
        marginals: Of the field's values, see :func:`marginals_of`; a replacement is drawn from them.

    Returns:
        What the model reads, int64 [B, T, 8], and bool [B, T, 8], True where the loss counts.

    Raises:
        ValueError: for an unknown strategy.
    """
    notes = tokens[valid]
    row = valid.nonzero()[:, 0]
    u = _draw(notes, row, strategy, generator)
    chosen = u < SHARE
    shown = torch.where(chosen & (u >= SHARE * (REPLACED + KEPT)), notes.new_tensor(MASK_ID), notes)
    replaced = u < SHARE * REPLACED
    counts = replaced.sum(0).tolist()
    for f, n in enumerate(counts):
        if n:
            drawn = torch.multinomial(marginals[f].to(u.device), n, replacement=True, generator=generator)
            shown[replaced[:, f], f] = drawn
    inputs, mask = tokens.clone(), torch.zeros_like(tokens, dtype=torch.bool)
    inputs[valid], mask[valid] = shown, chosen
    return inputs, mask


def _draw(notes: Tensor, row: Tensor, strategy: Strategy, generator: torch.Generator) -> Tensor:
    """float [n, 8] in [0, 1): one number a unit; 1 where a field is in no unit."""

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=notes.device)

    n = len(notes)
    if strategy == "token":
        return rand(n, len(FIELDS))
    if strategy == "octuple":
        return rand(n, 1).expand(n, len(FIELDS))
    voice = row * SIZES[_PROGRAM] + notes[:, _PROGRAM]
    if strategy == "bar":
        n_units, unit = _units(voice * SIZES[_BAR] + notes[:, _BAR])
        u = rand(n_units, len(FIELDS))[unit]
        for f in _TIED:
            run = _runs(row, notes[:, f])
            u[:, f] = rand(int(run[-1]) + 1 if n else 0)[run]
        return u
    if strategy != "span":
        raise ValueError(f'strategy: "{strategy}" is none of {", ".join(STRATEGIES)}')
    n_voices, voice = _units(voice)
    bars = int(notes[:, _BAR].max()) + 1 if n else 0
    most = bars // SPAN_BARS[0] + 1
    shape = (n_voices, most)
    lengths = torch.randint(SPAN_BARS[0], SPAN_BARS[1] + 1, shape, generator=generator, device=notes.device)
    span = torch.searchsorted(lengths.cumsum(1)[voice], notes[:, _BAR, None].contiguous(), right=True)[:, 0]
    u = torch.ones(n, len(FIELDS), device=notes.device)
    u[:, _SPANNED] = rand(*shape)[voice, span][:, None].expand(n, len(_SPANNED))
    return u


def _units(key: Tensor) -> tuple[int, Tensor]:
    """How many values a key has, and which of them each note has."""
    values, which = torch.unique(key, return_inverse=True)
    return len(values), which


def _runs(row: Tensor, value: Tensor) -> Tensor:
    """Number of the run of equal values in one row that each note is in, from 0."""
    new = (row[1:] != row[:-1]) | (value[1:] != value[:-1])
    return F.pad(new.long().cumsum(0), (min(len(row), 1), 0))


def masked_loss(logits: Sequence[Tensor], targets: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross entropy of what was chosen, in nats, averaged a field and weighted over the fields by :data:`WEIGHTS`.

    Args:
        logits: Eight float [B, T, size of the field].
        targets: int64 [B, T, 8], the notes before masking.
        mask: bool [B, T, 8] from :func:`mask_octuples`.

    Returns:
        The loss (0 where nothing was chosen), and ``loss_<field>`` and ``accuracy_<field>`` of each field of which
        something was chosen, and ``accuracy_note`` over :data:`NOTE_FIELDS`, detached.
    """
    loss, weight = targets.new_zeros((), dtype=torch.float32), 0.0
    scalars: dict[str, Tensor] = {}
    right, counted = [], []
    for f, name in enumerate(FIELDS):
        where = mask[..., f]
        said, true = logits[f][where].float(), targets[..., f][where]
        if not len(true):
            continue
        surprise = F.cross_entropy(said, true)
        hits = said.detach().argmax(1) == true
        loss, weight = loss + WEIGHTS[name] * surprise, weight + WEIGHTS[name]
        scalars[f"loss_{name}"], scalars[f"accuracy_{name}"] = surprise.detach(), hits.float().mean()
        if name in NOTE_FIELDS:
            right.append(hits.sum())
            counted.append(len(true))
    if right:
        scalars["accuracy_note"] = torch.stack(right).sum() / sum(counted)
    return (loss / weight if weight else logits[0].sum() * 0), scalars
