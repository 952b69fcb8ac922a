"""Facet classification: the mean over what is known, and nothing of what is not."""

from __future__ import annotations

import math

import pytest
import torch

from mmbert.objectives.facts import facts_loss

FACTS = torch.tensor([[True, False, False], [False, True, False]])
KNOWN = torch.tensor([[True, True, False], [False, True, True]])


def test_the_loss_is_the_hand_computed_number() -> None:
    logits = torch.tensor([[2.0, -1.0, 7.0], [5.0, 0.5, 1.0]])
    expected = [math.log(1 + math.exp(x)) for x in (-2.0, -1.0, -0.5, 1.0)]
    assert facts_loss(logits, FACTS, KNOWN).item() == pytest.approx(sum(expected) / 4)


def test_kinds_that_are_not_known_of_a_piece_do_not_count() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    loss = facts_loss(logits, FACTS, KNOWN)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad is not None
    assert (logits.grad[KNOWN & FACTS] < 0).all()
    assert (logits.grad[KNOWN & ~FACTS] > 0).all()
    assert not logits.grad[~KNOWN].any()
    wild = torch.where(KNOWN, logits, torch.full_like(logits, 1e4))
    assert facts_loss(wild, FACTS, KNOWN).item() == loss.item()


def test_nothing_known_is_no_loss() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = facts_loss(logits, FACTS, torch.zeros_like(KNOWN))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
