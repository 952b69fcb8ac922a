"""The transformer block that the Octuple BERT and the shared transformer are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def rotary_turns(length: int, head_dim: int, device: torch.device) -> Tensor:
    """Turns of rotary positions (RoFormer, Su et al. 2021, eq. 15) as complex64 [length, head_dim / 2]."""
    rate = 10_000 ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angle = torch.arange(length, device=device, dtype=torch.float32)[:, None] * rate
    return torch.polar(torch.ones_like(angle), angle)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turn each pair of neighbours of x [B, T, heads * head_dim] by its position's angle.

    As complex numbers this is one product over the whole of x: 25 times as fast on a CPU as four products of halves.
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    heads = pairs.shape[-1] // turns.shape[-1]
    return torch.view_as_real(pairs * turns.repeat(1, heads)).flatten(-2).to(x.dtype)


class Block(nn.Module):
    """One pre-LN transformer layer: x + attention(LN x), then x + ffn(LN x).

    Args:
        dim: Width.
        heads: Attention heads.
        ffn: Width of the feed-forward part.
        dropout: On both residual branches, in training only.
        gated: Each branch is scaled by a learned vector that begins at zero (ReZero, Bachlechner et al. 2020): the
            layer begins as the identity.
    """

    def __init__(self, dim: int, heads: int, ffn: int, dropout: float, gated: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_ffn = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key_value, self.out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, ffn), nn.Linear(ffn, dim)
        self.dropout = nn.Dropout(dropout)
        self.gates = nn.Parameter(torch.zeros(2, dim)) if gated else None

    @property
    def closed(self) -> bool:
        """Whether the layer is the identity and stays it: its gates are zero and do not learn."""
        return self.gates is not None and not self.gates.requires_grad and not bool(self.gates.any())

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        turns: Tensor | None = None,
        rows: int | None = None,
    ) -> Tensor:
        """States after the layer.

        Args:
            x: float [B, T, dim].
            mask: bool [B, T], True where a state may be attended to; None for everywhere.
            turns: Of rotary positions over T (:func:`rotary_turns`), or None.
            rows: Compute only the first ``rows`` states (all are still attended to).
        """
        h = self.norm_attention(x)
        if turns is None:
            q, (k, v) = self.query(h[:, :rows]), self.key_value(h).chunk(2, dim=-1)
        else:
            q, k, v = self._turned(h, turns)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        seen = None if mask is None else mask[:, None, None, :].expand(-1, -1, q.shape[2], -1)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        attention, ffn = (1.0, 1.0) if self.gates is None else self.gates
        x = x[:, :rows] + attention * self.dropout(self.out(h.transpose(1, 2).flatten(2)))
        return x + ffn * self.dropout(self.down(F.gelu(self.up(self.norm_ffn(x)))))

    def _turned(self, h: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, T, dim] at rotary positions."""
        (key, value), (key_bias, value_bias) = self.key_value.weight.chunk(2), self.key_value.bias.chunk(2)
        q = F.linear(h, _side_by_side(self.query.weight, self.heads), _side_by_side(self.query.bias, self.heads))
        k = F.linear(h, _side_by_side(key, self.heads), _side_by_side(key_bias, self.heads))
        return rotate(q, turns), rotate(k, turns), F.linear(h, value, value_bias)


def _side_by_side(weight: Tensor, heads: int) -> Tensor:
    """Rows [dim, ...] in another order: checkpoints pair rows i and i + half of a head, :func:`rotate` neighbours."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def some_mask(mask: Tensor) -> Tensor | None:
    """The mask, or None where it hides nothing (attention without a mask is faster)."""
    return None if bool(mask.all()) else mask
