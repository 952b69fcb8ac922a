"""Masked acoustic frames: spans, mixtures, and what the losses say."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.objectives.acoustic import CodeHeads, codes_loss, feature_penalty, mask_frames, mix_excerpts, rebuilt_loss


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_as_many_frames_are_hidden_as_the_rule_says():
    hidden = mask_frames(50, 1000, rng())
    assert float(hidden.float().mean()) == pytest.approx(1 - 0.84**5, abs=0.02)
    starts = hidden[:, 1:] & ~hidden[:, :-1]
    row, at = starts[:, :-6].nonzero().unbind(1)
    for k in range(2, 6):
        assert hidden[row, at + k].all()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 1000))
def test_something_is_always_hidden(clips, frames, seed):
    assert mask_frames(clips, frames, rng(seed)).any(1).all()


def test_mixtures_come_from_other_clips():
    clips = torch.stack([torch.full((8000,), 10.0**i) for i in range(3)])
    mixed = mix_excerpts(clips, 4000, rng(3))
    more = mixed - clips
    assert more.abs().sum() > 0
    allowed = [{0.0, 10.0, 100.0}, {0.0, 1.0, 100.0}, {0.0, 1.0, 10.0}]
    for row, values in zip(more, allowed):
        sums = {a * i + b * j for a in values for b in values for i in range(4) for j in range(4 - i)}
        assert set(row.tolist()) <= sums
    assert torch.equal(clips[:, 0], torch.tensor([1.0, 10.0, 100.0]))  # as they were
    assert torch.equal(mix_excerpts(clips[:1], 4000, rng()), clips[:1])


def test_half_of_the_clips_are_mixed():
    clips = torch.randn(400, 100)
    changed = (mix_excerpts(clips, 100, rng()) != clips).any(1).float().mean()
    assert float(changed) == pytest.approx(0.5, abs=0.08)


def test_codes():
    heads = CodeHeads(16, [5, 7])
    states = torch.randn(40, 16)
    logits = [said.detach() for said in heads(states)]
    assert [tuple(said.shape) for said in logits] == [(40, 5), (40, 7)]
    assert max(float(said.abs().max()) for said in logits) <= 10 + 1e-4  # a cosine over 0.1
    even = codes_loss([torch.zeros(9, 5)], [torch.arange(9) % 5])[0]
    assert even == pytest.approx(math.log(5))
    true = torch.arange(9) % 5
    loss, scalars = codes_loss([20 * torch.eye(5)[true]], [true])
    assert loss < 1e-6
    assert scalars["accuracy_code"] == 1
    order = torch.randperm(40)
    codes = [torch.randint(n, (40,)) for n in (5, 7)]
    shuffled = codes_loss([said[order] for said in logits], [c[order] for c in codes])[0]
    assert codes_loss(logits, codes)[0] == pytest.approx(float(shuffled), abs=1e-5)


def test_rebuilding():
    true = torch.randn(50, 8)
    assert rebuilt_loss(true, true)[0] == 0
    _, scalars = rebuilt_loss(true.mean(0).expand_as(true), true)
    assert float(scalars["explained_cqt"]) == pytest.approx(0.0, abs=0.05)
    assert feature_penalty(torch.full((2, 3, 4), 2.0)) == pytest.approx(40.0)
