"""Contrast of two sides of one batch, with several positives a row and pairs that are neither."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Temperature(nn.Module):
    """The learned scale of cosines before a softmax (CLIP, Radford et al. 2021, section 2.3).

    Args:
        start: First temperature; the scale is its inverse.
        largest: Bound on the scale, kept by clamping.
    """

    def __init__(self, start: float = 0.07, largest: float = 100.0) -> None:
        super().__init__()
        self.largest = math.log(largest)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(start)))

    def forward(self) -> Tensor:
        """The scale, a scalar."""
        return self.log_scale.clamp(max=self.largest).exp()


def info_nce(similarity: Tensor, positive: Tensor, ignored: Tensor | None = None, decoupled: bool = False) -> Tensor:
    """Symmetric InfoNCE (CLIP, figure 3), a row's loss averaged over its positives.

    With several positives a row this is the supervised contrastive loss (Khosla et al. 2020, equation 2). Rows
    and columns without a positive do not count.

    Args:
        similarity: float [n, m], scaled cosines (see :class:`Temperature`).
        positive: bool [n, m], the pairs that belong together.
        ignored: bool [n, m], pairs that are neither positive nor negative (another setting of the same work);
            they leave the denominator. None for none.
        decoupled: Leave the positives out of the denominator (Yeh et al. 2022, "Decoupled contrastive learning",
            equation 6).

    Raises:
        ValueError: where no pair belongs together.
    """
    if not bool(positive.any()):
        raise ValueError("a contrast needs at least one positive pair")
    if ignored is not None:
        similarity = similarity.masked_fill(ignored & ~positive, -torch.inf)
    return (_one_way(similarity, positive, decoupled) + _one_way(similarity.T, positive.T, decoupled)) / 2


def sigmoid_loss(similarity: Tensor, bias: Tensor, positive: Tensor, ignored: Tensor | None = None) -> Tensor:
    """SigLIP (Zhai et al. 2023, algorithm 1): each pair by itself, summed over a row and averaged over rows.

    A row's positives share the weight of one, so that sentences that fit half of the batch do not drown the others.

    Args:
        similarity: float [n, m], scaled cosines.
        bias: Scalar, learned; begins at -10.
        positive: bool [n, m].
        ignored: bool [n, m], pairs that do not count; None for none.
    """
    sign = positive.to(similarity.dtype) * 2 - 1
    surprise = -F.logsigmoid(sign * (similarity + bias))
    weight = torch.where(positive, 1 / positive.sum(1, keepdim=True).clamp(min=1), 1.0)
    if ignored is not None:
        weight = weight.masked_fill(ignored & ~positive, 0)
    return (surprise * weight).sum() / len(similarity)


def _one_way(similarity: Tensor, positive: Tensor, decoupled: bool) -> Tensor:
    if decoupled:
        others = similarity.masked_fill(positive, -torch.inf).logsumexp(1, keepdim=True)
        surprise = others.masked_fill(others.isneginf(), 0) - similarity
    else:
        surprise = -F.log_softmax(similarity, dim=1)
    count = positive.sum(1)
    rows = surprise.masked_fill(~positive, 0).sum(1) / count.clamp(min=1)
    return rows.sum() / (count > 0).sum()
