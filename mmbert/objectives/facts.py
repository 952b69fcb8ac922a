"""Facet classification: the measured facts of a piece, told from its joint state."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def facts_loss(logits: Tensor, facts: Tensor, known: Tensor) -> Tensor:
    """Binary cross entropy in nats over the statements whose kind is known of a piece, a mean over those.

    Args:
        logits: float [B, V].
        facts: bool [B, V], what is true.
        known: bool [B, V]; a tempo that no file states is neither slow nor fast.
    """
    each = F.binary_cross_entropy_with_logits(logits.float(), facts.float(), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)
