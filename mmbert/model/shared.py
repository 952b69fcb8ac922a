"""The shared transformer: [CLS] and any subset of streams to one state.

The arrangement of Rossetto & Dalton (2019): modality encoders, then one transformer over all of them; positions
are on the music's own time base, and what reaches it are bars, not notes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbert.model.config import ModelConfig
from mmbert.model.layers import Block, some_mask
from mmbert.types import Stream


def sinusoids(position: Tensor, dim: int) -> Tensor:
    """int64 [...] to float32 [..., dim] (Vaswani et al. 2017, section 3.5)."""
    rate = 10_000 ** (-torch.arange(0, dim, 2, device=position.device, dtype=torch.float32) / dim)
    angle = position[..., None].to(torch.float32) * rate
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


def _small(dim: int) -> Tensor:
    return nn.init.normal_(torch.empty(dim), std=0.02)


class SharedTransformer(nn.Module):
    """One transformer over every stream that is there."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.cls = nn.Parameter(_small(config.dim))
        self.modality = nn.ParameterDict({m: _small(config.dim) for m in config.modalities})
        self.norms = nn.ModuleDict({m: nn.LayerNorm(config.dim) for m in config.modalities})
        sizes = (config.dim, config.heads, config.ffn, config.dropout)
        self.layers = nn.ModuleList(Block(*sizes) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, streams: Sequence[Stream]) -> Tensor:
        """Streams of the same B, in any order, each modality at most once, to [B, dim].

        Raises:
            ValueError: without a stream, or for a modality that this model was not made for.
        """
        if not streams:
            raise ValueError("the shared transformer needs at least one stream")
        # Attention does not care for the order of the parts, rounding does: one order for one set of streams.
        parts = sorted(streams, key=lambda s: s.modality)
        tokens, seen = torch.cat([self._tokens(s) for s in parts], dim=1), torch.cat([s.mask for s in parts], dim=1)
        # [CLS] begins as the mean of what is there: the layers then learn what to add to it, which short training
        # on a CPU finds far sooner than what to gather (EXPERIMENTS.md).
        mean = (tokens * seen[..., None]).sum(1, keepdim=True) / seen.sum(1).clamp(min=1)[:, None, None]
        x = torch.cat([self.cls + mean, tokens], dim=1)
        mask = some_mask(torch.cat([torch.ones_like(seen[:, :1]), seen], dim=1))
        for layer in self.layers[:-1]:
            x = layer(x, mask)
        return self.norm(self.layers[-1](x, mask, rows=1)[:, 0])  # only [CLS] leaves: its row alone is computed

    def _tokens(self, stream: Stream) -> Tensor:
        if stream.modality not in self.norms:
            raise ValueError(f"this model has no {stream.modality} stream, only {', '.join(self.norms)}")
        x = self.norms[stream.modality](stream.states) + self.modality[stream.modality]
        if stream.position is not None:
            x = x + sinusoids(stream.position, x.shape[-1]).to(x.dtype)
        return x
