"""Masked text: hidden places alone count, music beside a sentence is heard, and what can be told is learned."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmbert.objectives.words import WordHead, masked_text_loss, masked_words_loss

B, T, TEXT_DIM, DIM, WORDS = 4, 6, 12, 16, 5
PLACE = torch.tensor([[0, 1], [0, 4], [2, 3], [3, 1]])
WORD = torch.tensor([0, 3, 4, 3])


def parts(seed: int = 0) -> tuple[WordHead, Tensor, Tensor]:
    torch.manual_seed(seed)
    return WordHead(TEXT_DIM, DIM, WORDS), torch.randn(B, T, TEXT_DIM), torch.randn(B, DIM)


def test_loss_and_accuracy_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    loss, scalars = masked_words_loss(logits, torch.tensor([0, 1]))
    first, second = math.log(math.exp(2) + 2) - 2, math.log(math.e + 2)
    assert loss.item() == pytest.approx((first + second) / 2)
    assert scalars["accuracy_word"].item() == 0.5


def test_hidden_places_alone_count() -> None:
    head, tokens, joint = parts()
    tokens.requires_grad_()
    loss, _ = masked_text_loss(head, tokens, joint, PLACE, WORD)
    loss.backward()
    asked = torch.zeros(B, T, dtype=torch.bool)
    asked[PLACE[:, 0], PLACE[:, 1]] = True
    assert tokens.grad is not None
    assert tokens.grad[asked].abs().amax(1).min() > 0
    assert not tokens.grad[~asked].any()
    noisy = torch.where(asked[..., None], tokens, torch.full_like(tokens, 100.0))
    assert masked_text_loss(head, noisy, joint, PLACE, WORD)[0].item() == loss.item()


def test_a_word_is_told_from_the_music_of_its_own_sentence() -> None:
    head, tokens, joint = parts()
    joint.requires_grad_()
    loss, _ = masked_text_loss(head, tokens, joint, PLACE[:2], WORD[:2])
    loss.backward()
    assert joint.grad is not None
    assert joint.grad[0].any()
    assert not joint.grad[1:].any()  # of sentences without a hidden word
    turned = masked_text_loss(head, tokens, joint.roll(1, 0), PLACE[:2], WORD[:2])[0]
    assert (turned - loss).abs() > 1e-3


def test_what_the_music_says_is_learned() -> None:
    head, tokens, _ = parts()
    tokens.zero_()  # the sentence says nothing
    joint = torch.eye(B, DIM)
    words = torch.tensor([0, 1, 2, 3])
    place = torch.tensor([[i, 2] for i in range(B)])
    optimiser = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        loss, scalars = masked_text_loss(head, tokens, joint, place, words)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3
    assert scalars["accuracy_word"].item() == 1


def test_nothing_hidden_is_no_loss() -> None:
    head, tokens, joint = parts()
    none = torch.zeros(0, 2, dtype=torch.int64)
    loss, scalars = masked_text_loss(head, tokens, joint, none, none[:, 0])
    loss.backward()
    assert loss.item() == 0
    assert scalars == {}
