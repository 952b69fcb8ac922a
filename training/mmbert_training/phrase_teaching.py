"""How towers and pair scorers for phrases, and encoders of recordings, are taught: the loop around a loss, the same
for all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
import typer
from torch import Tensor, nn

_WARM_UP = 0.05
_EVERY = 100  # steps between lines that tell the loss


def teach(
    learned: Sequence[nn.Parameter],
    loss_of: Callable[[np.random.Generator], Tensor],
    *,
    steps: int,
    rate: float,
    decay: float,
    seed: int,
) -> None:
    """Lower a loss by AdamW, gradients clipped to a norm of 1, and tell it on stderr.

    Args:
        learned: What is changed, in place.
        loss_of: The loss of a batch that is drawn with a generator, which a step and the seed decide.
        steps: Batches.
        rate: The largest learning rate.
        decay: Of weights.
        seed: Of the batches.
    """
    optimiser = torch.optim.AdamW(learned, rate, weight_decay=decay)
    began, total = time.monotonic(), 0.0
    for step in range(steps):
        loss = loss_of(np.random.default_rng([seed, step]))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = rate * schedule(step / steps)
        optimiser.step()
        total += float(loss.detach())
        if (step + 1) % _EVERY == 0:
            typer.echo(f"step {step + 1}: loss {total / _EVERY:.3f}, {time.monotonic() - began:.0f} s", err=True)
            total = 0.0


def schedule(done: float) -> float:
    """Share of the largest learning rate after a share of all steps: a short rise, then half a cosine."""
    return max(min(1.0, done / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * done)), 1e-3)
