"""Masked vectors: what is hidden, that padding is in nothing, and who wins the contrast."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmbert.objectives.vectors import SHARE, SPAN, mask_spans, masked_vectors_loss

D = 32


def pieces(lengths: list[int], t: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Bar states float [B, t, D] and bool [B, t]."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.arange(t)[None] < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), t, D, generator=generator), present


def test_about_a_seventh_is_hidden_in_short_runs_and_never_all_of_a_piece() -> None:
    torch.manual_seed(0)
    _, present = pieces([64] * 300 + [8] * 100 + [2] * 400 + [1] * 20 + [0] * 3, 64)
    hidden = mask_spans(present)
    assert not (hidden & ~present).any()
    assert hidden[:300].float().mean() == pytest.approx(SHARE, abs=0.02)
    some = present.any(1)
    assert ((hidden != present).any(1) == some).all()  # of every piece a bar is left
    assert not hidden[800:].any()  # a piece of one bar shows it
    assert hidden[400:800].any()
    inner = hidden[:300, :-1].int().tolist()  # a piece's end may cut a run
    runs = [len(run) for row in inner for run in "".join(map(str, row)).strip("0").split("0") if run]
    assert min(runs) >= SPAN[0] - 1
    assert max(runs) >= SPAN[1]
    assert sum(r < SPAN[0] for r in runs) < 0.05 * len(runs)


def test_a_perfect_predictor_wins_and_a_constant_one_is_at_chance() -> None:
    torch.manual_seed(1)
    bars, present = pieces([24, 16, 9, 24] * 16, 24)
    hidden = mask_spans(present)
    mean = (bars * present[..., None]).sum(1, keepdim=True) / present.sum(1)[:, None, None]
    loss, scalars = masked_vectors_loss(bars - mean, bars, hidden, present)
    assert loss.item() < 0.1
    assert scalars["accuracy_bar_vector"].item() == 1
    piece = hidden.nonzero()[:, 0]
    chance = present.sum(1)[piece].double()
    assert scalars["chance_bar_vector"].item() == pytest.approx((1 / chance).mean().item())
    for said in (torch.zeros_like(bars), torch.ones_like(bars), mean.expand_as(bars)):
        loss, scalars = masked_vectors_loss(said, bars, hidden, present)
        assert loss.item() > chance.log().mean().item() - 0.15
        assert scalars["accuracy_bar_vector"].item() < 0.15
    loss, _ = masked_vectors_loss(torch.zeros_like(bars), bars, hidden, present)
    assert loss.item() == pytest.approx(chance.log().mean().item(), rel=1e-4)


def test_bars_that_are_all_the_same_tell_nothing() -> None:
    bars, present = pieces([8], 8)
    bars = bars[:, :1].expand_as(bars)
    hidden = torch.zeros_like(present)
    hidden[0, 2:5] = True
    loss, _ = masked_vectors_loss(bars, bars, hidden, present)
    assert loss.item() == pytest.approx(math.log(8), rel=1e-3)


def test_neither_padding_nor_another_piece_is_in_the_loss() -> None:
    bars, present = pieces([12, 7], 12)
    hidden = torch.zeros_like(present)
    hidden[0, 3:5] = hidden[1, 5:7] = True
    said = torch.randn(bars.shape, generator=torch.Generator().manual_seed(2), requires_grad=True)
    loss, _ = masked_vectors_loss(said, bars, hidden, present)
    loss.backward()
    assert said.grad is not None
    assert said.grad[hidden].abs().amax(1).min() > 0
    assert not said.grad[~hidden].any()
    noisy = torch.where(present[..., None], bars, torch.full_like(bars, 50.0))
    assert masked_vectors_loss(said, noisy, hidden, present)[0].item() == loss.item()
    alone = [masked_vectors_loss(said[i, :n][None], bars[i, :n][None], hidden[i, :n][None], present[i, :n][None])[0]
             for i, n in enumerate((12, 7))]  # fmt: skip
    assert torch.stack(alone).mean().item() == pytest.approx(loss.item(), rel=1e-5)


def test_the_true_vectors_are_not_moved_towards_what_is_said() -> None:
    bars, present = pieces([6], 6)
    bars.requires_grad_()
    said = torch.randn(bars.shape, requires_grad=True)
    hidden = torch.zeros_like(present)
    hidden[0, 1] = True
    masked_vectors_loss(said, bars, hidden, present)[0].backward()
    assert bars.grad is None


def test_nothing_hidden_is_no_loss() -> None:
    bars, present = pieces([6], 6)
    said = torch.randn(bars.shape, requires_grad=True)
    loss, scalars = masked_vectors_loss(said, bars, torch.zeros_like(present), present)
    loss.backward()
    assert loss.item() == 0
    assert scalars == {}
