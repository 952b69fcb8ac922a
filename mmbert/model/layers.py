"""The transformer block that the Octuple BERT and the shared transformer are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def rotary_angles(length: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine, float32 [length, head_dim / 2], of rotary positions (RoFormer, Su et al. 2021, eq. 15)."""
    rate = 10_000 ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angle = torch.arange(length, device=device, dtype=torch.float32)[:, None] * rate
    return angle.cos(), angle.sin()


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair (i, i + half) of the last axis of x [..., T, head_dim] by its position's angle."""
    cos, sin = (a.to(x.dtype) for a in angles)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


class Block(nn.Module):
    """One pre-LN transformer layer: x + attention(LN x), then x + ffn(LN x).

    Args:
        dim: Width.
        heads: Attention heads.
        ffn: Width of the feed-forward part.
        dropout: On both residual branches, in training only.
    """

    def __init__(self, dim: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_ffn = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key_value, self.out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, ffn), nn.Linear(ffn, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        angles: tuple[Tensor, Tensor] | None = None,
        rows: int | None = None,
    ) -> Tensor:
        """States after the layer.

        Args:
            x: float [B, T, dim].
            mask: bool [B, T], True where a state may be attended to; None for everywhere.
            angles: Rotary angles over T, or None.
            rows: Compute only the first ``rows`` states (all are still attended to).
        """
        h = self.norm_attention(x)
        q, (k, v) = self.query(h[:, :rows]), self.key_value(h).chunk(2, dim=-1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        if angles is not None:
            q, k = rotate(q, angles), rotate(k, angles)
        seen = None if mask is None else mask[:, None, None, :].expand(-1, -1, q.shape[2], -1)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = x[:, :rows] + self.dropout(self.out(h.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.down(F.gelu(self.up(self.norm_ffn(x)))))


def some_mask(mask: Tensor) -> Tensor | None:
    """The mask, or None where it hides nothing (attention without a mask is faster)."""
    return None if bool(mask.all()) else mask
