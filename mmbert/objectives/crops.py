"""Two crops of one recording belong together, those of other recordings do not (COLA, Saeed et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def two_crops(clips: Tensor, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two crops of each clip, drawn independently.

    Args:
        clips: float [n, samples]; where shorter than a crop, silence is added on both sides.
        length: Samples of a crop.
        generator: On the processor.

    Returns:
        Anchors and positives, float [n, length] each.
    """
    short = max(0, length - clips.shape[1])
    clips = F.pad(clips, (short // 2, short - short // 2))
    start = torch.randint(clips.shape[1] - length + 1, (2, len(clips), 1), generator=generator).to(clips.device)
    at = start + torch.arange(length, device=clips.device)
    return clips.gather(1, at[0]), clips.gather(1, at[1])


def crops_loss(similarity: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """-ln(exp s(x, x+) / (sum of exp s(x, x-) + exp s(x, x+))), a mean over anchors; one direction, as published.

    Args:
        similarity: float [n, n] of anchors and positives; pair ``i`` is of one recording.

    Returns:
        The loss in nats, and ``accuracy_crop``: how often the own recording's crop is the nearest.
    """
    own = torch.arange(len(similarity), device=similarity.device)
    hits = similarity.detach().argmax(1) == own
    return F.cross_entropy(similarity.float(), own), {"accuracy_crop": hits.float().mean()}
