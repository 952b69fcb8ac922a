"""Masking: shares and units on a fixed seed, padding, and the loss against a computation by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmbert.objectives.masked import SHARE, STRATEGIES, WEIGHTS, marginals_of, mask_octuples, masked_loss
from mmbert.symbolic.octuple import FIELDS, MASK_ID, PAD_ID, SIZES

BARS, PROGRAMS, NOTES = 16, 4, 8


def batch(rows: int = 64, padding: int = 5) -> tuple[Tensor, Tensor]:
    """Rows of 16 bars, 4 programs and 8 notes a bar and program, in canonical order, then padding."""
    n = BARS * PROGRAMS * NOTES
    generator = torch.Generator().manual_seed(1)
    tokens = torch.tensor(PAD_ID).expand(rows, n + padding, -1).clone()
    i = torch.arange(n)
    for f, size in enumerate(SIZES):
        tokens[:, :n, f] = torch.randint(min(size, 40), (rows, n), generator=generator)
    tokens[:, :n, 0], tokens[:, :n, 1] = i // (PROGRAMS * NOTES), i // PROGRAMS % NOTES
    tokens[:, :n, 2], tokens[:, :n, 6] = i % PROGRAMS, 9
    tokens[:, :n, 7] = 30 + i // (4 * PROGRAMS * NOTES)
    valid = torch.zeros(rows, n + padding, dtype=torch.bool)
    valid[:, :n] = True
    return tokens, valid


def masked(strategy: str, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    tokens, valid = batch()
    generator = torch.Generator().manual_seed(seed)
    return tokens, valid, *mask_octuples(tokens, valid, strategy, generator, marginals_of(tokens[valid]))  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_share_of_what_is_chosen_and_of_what_becomes_of_it(strategy: str) -> None:
    tokens, valid, inputs, mask = masked(strategy)
    possible = mask[valid].any(0)  # a span hides neither program nor bar, metre, tempo
    chosen = mask[valid][:, possible]
    few = strategy == "span"  # units in a batch
    assert chosen.float().mean() == pytest.approx(SHARE, abs=0.04 if few else 0.015)
    hidden = (inputs == torch.tensor(MASK_ID))[mask].float().mean()
    changed = ((inputs != tokens) & (inputs != torch.tensor(MASK_ID)))[mask].float().mean()
    assert hidden == pytest.approx(0.8, abs=0.05)
    assert 0.05 < changed < 0.14  # a tenth is replaced, some of it by its own value


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_not_chosen_stays_and_replacements_are_values_of_the_field(strategy: str) -> None:
    tokens, valid, inputs, mask = masked(strategy)
    assert torch.equal(inputs[~mask], tokens[~mask])
    other = mask & (inputs != torch.tensor(MASK_ID))
    for f in range(len(FIELDS)):
        values = inputs[..., f][other[..., f]]
        assert set(values.tolist()) <= set(tokens[valid][:, f].tolist())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_masks_depend_on_the_seed_and_not_on_padding(strategy: str) -> None:
    tokens, valid, inputs, mask = masked(strategy)
    assert not mask[~valid].any()
    assert torch.equal(inputs[~valid], tokens[~valid])
    again = masked(strategy)
    assert torch.equal(inputs, again[2])
    assert not torch.equal(inputs, masked(strategy, seed=1)[2])
    wide, wider = batch(padding=40)
    generator = torch.Generator().manual_seed(0)
    padded = mask_octuples(wide, wider, strategy, generator, marginals_of(wide[wider]))  # type: ignore[arg-type]
    assert torch.equal(padded[0][wider], inputs[valid])
    assert torch.equal(padded[1][wider], mask[valid])


def groups(mask: Tensor, valid: Tensor, key: Tensor) -> Tensor:
    """Of each unit (a value of ``key``), the share of its notes that was chosen, float [units, 8]."""
    _, which = torch.unique(key[valid], return_inverse=True)
    total = torch.zeros(int(which.max()) + 1, 8).index_add(0, which, mask[valid].float())
    return total / torch.bincount(which)[:, None]


def whole(share: Tensor) -> bool:
    return bool(((share == 0) | (share == 1)).all())


def test_an_octuple_is_chosen_as_a_whole_and_a_token_alone() -> None:
    _, valid, _, mask = masked("octuple")
    assert (mask[valid].all(1) == mask[valid].any(1)).all()
    _, valid, _, mask = masked("token")
    assert mask[valid].all(1).float().mean() < 0.001


def test_a_bar_unit_is_one_field_of_one_program_in_one_bar() -> None:
    tokens, valid, _, mask = masked("bar")
    row = torch.arange(len(tokens))[:, None].expand(valid.shape)
    bar, program = tokens[..., 0], tokens[..., 2]
    own = [FIELDS.index(f) for f in ("position", "program", "pitch", "duration", "velocity")]
    share = groups(mask, valid, (row * 300 + bar) * 300 + program)
    assert whole(share[:, own])
    assert not whole(groups(mask, valid, row * 300 + bar)[:, own])  # programs draw apart
    drawn = share[:, own]
    assert 0.02 < (drawn[:, 0] * drawn[:, 1]).mean() < 0.03  # and so do fields: 0.15 squared


def test_bar_metre_and_tempo_are_chosen_over_runs_of_one_value() -> None:
    tokens, valid, _, mask = masked("bar")
    row = torch.arange(len(tokens))[:, None].expand(valid.shape)
    for name in ("bar", "metre", "tempo"):
        f = FIELDS.index(name)
        assert whole(groups(mask, valid, row * 300 + tokens[..., f])[:, f])


def test_a_span_is_two_to_eight_whole_bars_of_one_program() -> None:
    tokens, valid, _, mask = masked("span")
    row = torch.arange(len(tokens))[:, None].expand(valid.shape)
    note = [FIELDS.index(f) for f in ("position", "pitch", "duration", "velocity")]
    rest = [f for f in range(8) if f not in note]
    assert not mask[..., rest].any()
    assert (mask[..., note].all(-1) == mask[..., note].any(-1)).all()
    bars = groups(mask, valid, (row * 300 + tokens[..., 2]) * 300 + tokens[..., 0])[:, note[0]]
    assert whole(bars)
    bars = bars.reshape(-1, BARS)  # rows and programs x bars
    runs = [run for line in bars.int().tolist() for run in "".join(map(str, line)).strip("0").split("0") if run]
    inner = [r for line in bars.int().tolist() for r in "".join(map(str, line))[:-1].split("0")[:-1] if r]
    assert max(map(len, runs)) >= 6
    assert min(map(len, inner)) >= 2  # only the end of a passage cuts a span


def test_an_empty_batch_and_an_unknown_strategy() -> None:
    tokens, valid = batch(rows=2)
    nothing = torch.zeros_like(valid)
    for strategy in STRATEGIES:
        inputs, mask = mask_octuples(tokens, nothing, strategy, torch.Generator(), marginals_of(tokens[valid]))
        assert torch.equal(inputs, tokens)
        assert not mask.any()
    with pytest.raises(ValueError, match='"chord" is none of token'):
        mask_octuples(tokens, valid, "chord", torch.Generator(), marginals_of(tokens[valid]))  # type: ignore[arg-type]


def test_loss_and_accuracy_by_hand() -> None:
    targets = torch.zeros(1, 3, 8, dtype=torch.int64)
    targets[0, :, 3] = torch.tensor([5, 6, 256])  # the third is padding
    logits = [torch.zeros(1, 3, size) for size in SIZES]
    logits[3][0, 0, 5] = 2.0
    logits[3][0, 1, 9] = 2.0
    mask = torch.zeros(1, 3, 8, dtype=torch.bool)
    mask[0, :2, 3] = True
    mask[0, 0, 7] = True
    loss, scalars = masked_loss(logits, targets, mask)
    norm = math.log(255 + math.exp(2))
    pitch, tempo = ((norm - 2) + norm) / 2, math.log(49)
    expected = (WEIGHTS["pitch"] * pitch + WEIGHTS["tempo"] * tempo) / (WEIGHTS["pitch"] + WEIGHTS["tempo"])
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert scalars["loss_pitch"].item() == pytest.approx(pitch, rel=1e-5)
    assert scalars["accuracy_pitch"].item() == scalars["accuracy_note"].item() == 0.5
    assert scalars["accuracy_tempo"].item() == 1.0
    assert set(scalars) == {"loss_pitch", "loss_tempo", "accuracy_pitch", "accuracy_tempo", "accuracy_note"}


def test_padding_never_changes_the_loss_and_nothing_chosen_is_no_loss() -> None:
    tokens, valid, _, mask = masked("bar")
    tokens, valid, mask = tokens[:2], valid[:2], mask[:2]
    generator = torch.Generator().manual_seed(3)
    logits = [torch.randn(*tokens.shape[:2], size, generator=generator, requires_grad=True) for size in SIZES]
    loss, _ = masked_loss(logits, tokens, mask)
    noisy = [torch.where(valid[..., None], part, torch.full_like(part, 100.0)) for part in logits]
    assert masked_loss(noisy, tokens, mask)[0].item() == loss.item()
    loss.backward()
    assert not any(part.grad[~valid].any() for part in logits)
    zero, scalars = masked_loss(logits, tokens, torch.zeros_like(mask))
    zero.backward()
    assert zero.item() == 0.0
    assert scalars == {}
