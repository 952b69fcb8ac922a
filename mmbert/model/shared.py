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

# Logarithms. Measured facts say more of what words ask for than notes do: where both are there they begin with twenty
# times the weight, and training moves it from there.
_FIRST_WEIGHT = {"facets": 3.0}


def sinusoids(position: Tensor, dim: int) -> Tensor:
    """int64 [...] to float32 [..., dim] (Vaswani et al. 2017, section 3.5)."""
    rate = 10_000 ** (-torch.arange(0, dim, 2, device=position.device, dtype=torch.float32) / dim)
    angle = position[..., None].to(torch.float32) * rate
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


def _small(dim: int) -> Tensor:
    return nn.init.normal_(torch.empty(dim), std=0.02)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """float [B, T, d] over the T where the mask [B, T] is True, to [B, d]; zeros where there are none."""
    return (x * mask[..., None]).sum(1) / mask.sum(1).clamp(min=1)[:, None]


class SharedTransformer(nn.Module):
    """One transformer over every stream that is there.

    Its layers begin as the identity, and [CLS] as the mean of the streams' means, weighed by a learned scalar a
    modality: what short training has to find is what to add to a mean, not what to gather (EXPERIMENTS.md).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.cls = nn.Parameter(_small(config.dim))
        self.modality = nn.ParameterDict({m: _small(config.dim) for m in config.modalities})
        self.weight = nn.ParameterDict({m: torch.full((1,), _FIRST_WEIGHT.get(m, 0.0)) for m in config.modalities})
        self.norms = nn.ModuleDict({m: nn.LayerNorm(config.dim) for m in config.modalities})
        sizes = (config.dim, config.heads, config.ffn, config.dropout)
        self.layers = nn.ModuleList(Block(*sizes, gated=True) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, streams: Sequence[Stream]) -> Tensor:
        """Streams of the same B, in any order, each modality at most once, to the state of [CLS], [B, dim].

        Raises:
            ValueError: without a stream, or for a modality that this model was not made for.
        """
        x, mask = self._begin(streams)
        open_layers = [layer for layer in self.layers if not layer.closed]
        for layer in open_layers[:-1]:
            x = layer(x, mask)
        if open_layers:
            x = open_layers[-1](x, mask, rows=1)  # only [CLS] leaves: its row alone is computed
        return self.norm(x[:, 0])

    def every_layer(self, streams: Sequence[Stream]) -> list[Tensor]:
        """As ``forward``, the states of every position before the first and after each layer, [B, 1 + T, dim].

        Position 0 is [CLS]; then come the streams in the order of their modalities' names. The last states are normed.
        """
        x, mask = self._begin(streams)
        found = [x]
        for layer in self.layers:
            found.append(layer(found[-1], mask))
        return [*found[:-1], self.norm(found[-1])]

    def _begin(self, streams: Sequence[Stream]) -> tuple[Tensor, Tensor | None]:
        if not streams:
            raise ValueError("the shared transformer needs at least one stream")
        # Attention does not care for the order of the parts, rounding does: one order for one set of streams.
        parts = sorted(streams, key=lambda s: s.modality)
        states = [self._tokens(s) for s in parts]
        seen = torch.cat([s.mask for s in parts], dim=1)
        share = torch.stack([s.mask.any(1) * self.weight[s.modality].exp() for s in parts])  # [streams, B]
        share = share / share.sum(0).clamp(min=1e-6)
        mean = torch.stack([w[:, None] * _mean(x, s.mask) for w, x, s in zip(share, states, parts, strict=True)]).sum(0)
        x = torch.cat([(self.cls + mean)[:, None], *states], dim=1)
        return x, some_mask(torch.cat([torch.ones_like(seen[:, :1]), seen], dim=1))

    def _tokens(self, stream: Stream) -> Tensor:
        if stream.modality not in self.norms:
            raise ValueError(f"this model has no {stream.modality} stream, only {', '.join(self.norms)}")
        x = self.norms[stream.modality](stream.states) + self.modality[stream.modality]
        if stream.position is not None:
            x = x + sinusoids(stream.position, x.shape[-1]).to(x.dtype)
        return x
