"""MIM: mutual information between what the shared transformer makes of a part and the part that it was not shown.

A lower bound by InfoNCE (van den Oord, Li & Vinyals 2018, equations 4 and 5) as Rossetto & Dalton (2019) use it, with
the leak closed: the positive is never among the inputs. I >= log N - L, so N pieces can show no more than log N.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Critic(nn.Module):
    """Scores how well a state goes with a vector: cosines of two projections, scaled.

    Args:
        dim: Width of both.
        width: Of the projections.
    """

    def __init__(self, dim: int, width: int = 128) -> None:
        super().__init__()
        self.state, self.vector = nn.Linear(dim, width), nn.Linear(dim, width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, state: Tensor, vector: Tensor) -> Tensor:
        """float [n, dim] and [m, dim] to scores [n, m]."""
        scale = self.log_scale.clamp(max=math.log(100.0)).exp()
        return scale * F.normalize(self.state(state), dim=-1) @ F.normalize(self.vector(vector), dim=-1).T


def hide_half(present: Tensor) -> Tensor:
    """Which bars of each piece are kept from the input: a run of half of its bars, bool [B, T]; none of a piece of one.

    Args:
        present: bool [B, T], bars with notes.
    """
    number = present.long().cumsum(1) - 1  # among the bars with notes
    count = present.sum(1, keepdim=True)
    half = count // 2
    begin = (torch.rand(count.shape, device=count.device) * (count - half + 1)).long()
    return present & (number >= begin) & (number < begin + half)


def mutual_loss(
    critic: Critic, state: Tensor, dropped: Tensor, usable: Tensor, same: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """InfoNCE between joint states and the mean vectors of what was dropped.

    Args:
        critic: See :class:`Critic`.
        state: float [B, dim], the joint state of each piece without the dropped part.
        dropped: float [B, dim], mean vector of the dropped part.
        usable: bool [B], pieces of which something was dropped.
        same: bool [B, B], pieces of one work: not negatives of each other.

    Returns:
        The loss in nats and ``information``, the bound log N - L (N counts what a row was contrasted with, itself
        included); zero where fewer than two pieces are usable.
    """
    rows = usable.nonzero()[:, 0]
    if len(rows) < 2:
        return state.sum() * 0, {}
    scores = critic(state[rows], dropped[rows]).float()
    twins = same[rows][:, rows] & ~torch.eye(len(rows), dtype=torch.bool, device=scores.device)
    loss = F.cross_entropy(scores.masked_fill(twins, -torch.inf), torch.arange(len(rows), device=scores.device))
    return loss, {"information": (~twins).sum(1).log().mean() - loss.detach()}
