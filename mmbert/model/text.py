"""Text as a stream: the token states of a frozen text model, projected."""

from __future__ import annotations

from torch import Tensor, nn

from mmbert.model.config import ModelConfig
from mmbert.types import Stream


class TextProjection(nn.Module):
    """Token states to the shared width. They know their order already, so the stream has no positions."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.text_dim)
        self.project = nn.Linear(config.text_dim, config.dim)

    def forward(self, states: Tensor, mask: Tensor) -> Stream:
        """float [B, T, text_dim] and bool [B, T] to a stream [B, T, dim]."""
        return Stream(self.project(self.norm(states)), mask, "text")
