"""What is read off the states: vectors for search, and masked fields of notes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.model.config import ModelConfig
from mmbert.symbolic.octuple import SIZES

Side = Literal["document", "query"]


class RetrievalHead(nn.Module):
    """The shared state on the unit sphere; what is asked and what is stored have a projection each."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.document = nn.Linear(config.dim, config.out_dim)
        self.query = nn.Linear(config.dim, config.out_dim)

    def forward(self, cls: Tensor, side: Side) -> Tensor:
        """float [B, dim] to unit vectors [B, out_dim]."""
        return F.normalize((self.query if side == "query" else self.document)(cls), dim=-1)


class MaskedHead(nn.Module):
    """Each field of a note from its state, over the values of that field alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.values = nn.Linear(config.symbolic_dim, sum(SIZES))

    def forward(self, states: Tensor) -> tuple[Tensor, ...]:
        """float [..., symbolic_dim] to eight logits [..., size of the field], in the order of the octuple."""
        return self.values(states).split(SIZES, dim=-1)
