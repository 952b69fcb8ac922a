"""The contrast of crops keeps its laws."""

from __future__ import annotations

import math

import pytest
import torch

from mmbert.audio.cola import Bilinear, Cosine
from mmbert.objectives.crops import crops_loss, two_crops


def test_crops_are_of_their_clip():
    clips = torch.arange(3)[:, None] * 100.0 + torch.arange(50)
    a, b = two_crops(clips, 10, torch.Generator().manual_seed(1))
    for crop in (a, b):
        assert crop.shape == (3, 10)
        assert torch.equal(crop.diff(dim=1), torch.ones(3, 9))
        assert torch.equal(crop[:, 0] // 100, torch.arange(3.0))
    assert not torch.equal(a, b)
    again = two_crops(clips, 10, torch.Generator().manual_seed(1))
    assert torch.equal(a, again[0])


def test_short_clips_lie_in_the_middle_of_silence():
    a, b = two_crops(torch.ones(1, 4), 10, torch.Generator())
    assert a.tolist() == b.tolist() == [[0, 0, 0, 1, 1, 1, 1, 0, 0, 0]]


def test_alike_and_unlike():
    assert crops_loss(torch.zeros(8, 8))[0] == pytest.approx(math.log(8))
    loss, scalars = crops_loss(20 * torch.eye(8))
    assert loss < 1e-6
    assert scalars["accuracy_crop"] == 1


def test_order_of_the_batch_and_constants_do_not_count():
    s = torch.randn(6, 6)
    order = torch.randperm(6)
    assert crops_loss(s)[0] == pytest.approx(float(crops_loss(s[order][:, order])[0]), abs=1e-6)
    assert crops_loss(s)[0] == pytest.approx(float(crops_loss(s + 3)[0]), abs=1e-5)
    assert crops_loss(s)[0] != pytest.approx(float(crops_loss(s.T)[0]), abs=1e-3)  # one direction alone


def test_similarities():
    a, b = torch.randn(4, 8), torch.randn(5, 8)
    assert Cosine(0.2)(a, a).diagonal().tolist() == pytest.approx([5.0] * 4, abs=1e-4)
    torch.testing.assert_close(Cosine(0.2)(3 * a, b), Cosine(0.2)(a, b))
    bilinear = Bilinear(8)
    torch.testing.assert_close(bilinear(2 * a, b), 2 * bilinear(a, b))
    torch.testing.assert_close(bilinear(a, b), torch.einsum("ni,ij,mj->nm", a, bilinear.weight, b))
