"""What the space looks like, logged with every run: are its dimensions used, do the two sides meet, do bars differ?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def alignment(first: Tensor, second: Tensor) -> float:
    """Mean squared distance of matched unit vectors [n, d] (Wang & Isola 2020, equation 4, exponent 2); 0 is best."""
    return float((first - second).square().sum(1).mean())


def uniformity(vectors: Tensor) -> float:
    """Logarithm of the mean Gaussian potential of all pairs of unit vectors (Wang & Isola 2020, equation 5, t = 2).

    0 for vectors that are all the same; the more negative, the better spread.
    """
    distance = torch.pdist(vectors.float()).square()
    return float((-2 * distance).exp().mean().log())


def effective_rank(vectors: Tensor) -> float:
    """Exponential of the entropy of the normed singular values of [n, d] (Roy & Vetterli 2007, definition 1).

    >>> round(effective_rank(torch.eye(4)), 2)
    4.0
    """
    values = torch.linalg.svdvals(vectors.float())
    share = values / values.sum()
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))


def modality_gap(texts: Tensor, documents: Tensor) -> float:
    """Distance of the two sides' mean vectors (Liang et al. 2022, section 2); 0 where they meet."""
    return float((texts.mean(0) - documents.mean(0)).norm())


def variance_within(bars: Tensor, present: Tensor) -> float:
    """Share of the variance of bar states [B, T, d] that lies within pieces; 0 where all bars of a piece are alike."""
    kept = bars * present[..., None]
    mean = kept.sum(1) / present.sum(1).clamp(min=1)[:, None]
    within = ((bars - mean[:, None]).square().sum(-1) * present).sum() / present.sum()
    overall = bars[present].mean(0)
    total = (bars[present] - overall).square().sum(-1).mean()
    return float(within / total.clamp(min=1e-12))


def neighbour_cosine(states: Tensor, present: Tensor) -> float:
    """Mean cosine of the states [B, T, d] of neighbouring bars; near 1 where attention has blurred them."""
    both = present[:, 1:] & present[:, :-1]
    cosine = F.cosine_similarity(states[:, 1:], states[:, :-1], dim=-1)
    return float(cosine[both].mean()) if bool(both.any()) else 0.0
