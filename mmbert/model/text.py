"""Text as a stream: the token states of a frozen text model, read by a few learned readers.

A sentence joins several facts, and one pooled vector blurs them. Each reader weighs the tokens by itself and may
keep to one part of the sentence (attention pooling, Lee et al. 2019, "Set Transformer", equation 11, one head a seed).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.model.config import ModelConfig
from mmbert.types import Stream


class TextReaders(nn.Module):
    """Token states to one state a reader, and their mean."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.text_dim)
        self.adapt = nn.Linear(config.text_dim, config.text_dim)
        self.weigh = nn.Linear(config.text_dim, config.text_readers, bias=False)
        self.project = nn.Linear(config.text_dim, config.dim)

    def tokens(self, states: Tensor, mask: Tensor) -> Tensor:
        """Token states float [B, T, text_dim], adapted: each plus what one layer makes of it; zeros behind the end."""
        place = mask.flatten().nonzero()[:, 0]
        normed = self.norm(states.flatten(0, 1)[place])
        adapted = normed + F.gelu(self.adapt(normed))
        # Not masked_scatter: its gradient takes as long as all the rest.
        return adapted.new_zeros(mask.numel(), states.shape[-1]).index_copy(0, place, adapted).view_as(states)

    def forward(self, states: Tensor, mask: Tensor) -> Stream:
        """float [B, T, text_dim] and bool [B, T] to a stream [B, text_readers + 1, dim] without positions."""
        tokens = self.tokens(states, mask)
        weight = self.weigh(tokens).masked_fill(~mask[..., None], -torch.inf).softmax(1)
        mean = mask[..., None] / mask.sum(1).clamp(min=1)[:, None, None]
        read = torch.cat([weight, mean.to(weight.dtype)], dim=2).transpose(1, 2) @ tokens
        return Stream(self.project(read), mask.any(1, keepdim=True).expand(-1, read.shape[1]), "text")
