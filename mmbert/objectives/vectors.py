"""Masked music vectors: spans of a piece's bars are hidden from the shared transformer, which then tells them apart.

Rossetto & Dalton (2019) rebuilt masked vectors, which copying a neighbour nearly solves; here whole spans are hidden
and the answer is chosen among the other bars of the same piece (InfoNCE, van den Oord et al. 2018, equation 4), of
which the neighbours look most alike.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SHARE = 0.15  # of the bars, in spans
SPAN = (2, 4)  # bars
TEMPERATURE = 0.1


def mask_spans(present: Tensor) -> Tensor:
    """Which bars to hide: spans of :data:`SPAN` bars, about :data:`SHARE` of each piece, never all of a piece.

    Args:
        present: bool [B, T], bars with notes.

    Returns:
        bool [B, T], within ``present``.
    """
    b, t = present.shape
    low, high = SPAN
    starts = torch.rand(b, t, device=present.device) < SHARE / ((low + high) / 2)
    length = torch.randint(low, high + 1, (b, t), device=present.device)
    hidden = torch.zeros_like(present)
    for back in range(high):
        reach = F.pad(starts & (length > back), (back, 0))[:, :t]
        hidden |= reach
    hidden &= present
    return hidden & (hidden != present).any(1, keepdim=True)


def masked_vectors_loss(
    said: Tensor, bars: Tensor, hidden: Tensor, present: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """InfoNCE of what is said of hidden bars against all bars of the same piece.

    Args:
        said: float [B, T, d], predictions.
        bars: float [B, T, d], the bars' true vectors (no gradient flows into them).
        hidden: bool [B, T] from :func:`mask_spans`.
        present: bool [B, T], bars with notes.

    Returns:
        The loss in nats (zero where nothing was hidden), and ``accuracy_bar_vector`` with ``chance_bar_vector``.
    """
    if not bool(hidden.any()):
        return said.sum() * 0, {}
    true = bars.detach().float()
    mean = (true * present[..., None]).sum(1, keepdim=True) / present.sum(1).clamp(min=1)[:, None, None]
    true = F.normalize(true - mean, dim=-1)  # what a bar has of its own, beside the piece's mean
    logits = F.normalize(said.float(), dim=-1) @ true.transpose(1, 2) / TEMPERATURE
    logits = logits.masked_fill(~present[:, None, :], -torch.inf)
    piece, place = hidden.nonzero().unbind(1)
    asked = logits[piece, place]
    scalars = {
        "accuracy_bar_vector": (asked.detach().argmax(1) == place).float().mean(),
        "chance_bar_vector": (1 / present.sum(1)[piece]).mean(),
    }
    return F.cross_entropy(asked, place), scalars
