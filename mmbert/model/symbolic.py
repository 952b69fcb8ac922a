"""The Octuple BERT: notes to note states, note states to bar states.

Per-field embeddings, concatenated and projected, as in MusicBERT (Zeng et al. 2021, figure 1), with per-field
tables, rotary positions and pre-LN layers in place of its shared table, learned positions and post-LN.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.model.config import ModelConfig
from mmbert.model.layers import Block, rotary_turns, some_mask
from mmbert.symbolic.octuple import FIELDS, VOCABULARY


class OctupleEmbedding(nn.Module):
    """Octuples to vectors of width ``symbolic_dim``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, d) for n, d in zip(VOCABULARY, config.field_dims, strict=True))
        self.project = nn.Linear(sum(config.field_dims), config.symbolic_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [..., 8] to float [..., symbolic_dim].

        Projecting a concatenation is summing one projected row a field, and the tables have fewer rows than a
        batch has notes: the tables are projected, then looked up and summed.

        Raises:
            ValueError: for an id outside its field, named.
        """
        sizes = torch.tensor(VOCABULARY, device=tokens.device)
        outside = ((tokens < 0) | (tokens >= sizes)).flatten(0, -2).any(0)
        if bool(outside.any()):
            field = int(outside.nonzero()[0])
            raise ValueError(f"octuple field {FIELDS[field]} holds an id outside 0-{VOCABULARY[field] - 1}")
        parts = self.project.weight.split([t.embedding_dim for t in self.tables], dim=1)
        table = torch.cat([t.weight @ w.T for t, w in zip(self.tables, parts, strict=True)])
        ids = tokens + (sizes.cumsum(0) - sizes)
        summed = F.embedding_bag(ids.flatten(0, -2), table, mode="sum")
        return (summed + self.project.bias).unflatten(0, tokens.shape[:-1])


class OctupleBert(nn.Module):
    """Transformer over the notes of a passage."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.symbolic_dim // config.symbolic_heads
        self.embed = OctupleEmbedding(config)
        sizes = (config.symbolic_dim, config.symbolic_heads, config.symbolic_ffn, config.dropout)
        self.layers = nn.ModuleList(Block(*sizes, gated=True) for _ in range(config.symbolic_layers))
        self.norm = nn.LayerNorm(config.symbolic_dim)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """int64 [B, T, 8] and bool [B, T] to note states [B, T, symbolic_dim]; padding is never attended to."""
        x = self.embed(tokens)
        mask, turns = some_mask(valid), rotary_turns(tokens.shape[1], self.head_dim, x.device)
        for layer in self.layers:
            x = layer(x, mask, turns)
        return self.norm(x)


class BarPool(nn.Module):
    """Note states to bar states: mean, maximum and the logarithm of the number of notes, projected."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.project = nn.Linear(2 * config.symbolic_dim + 1, config.dim)

    def forward(self, states: Tensor, segment: Tensor, n_segments: int) -> tuple[Tensor, Tensor]:
        """States [N, symbolic_dim] pooled by segment int64 [N] to [n_segments, dim], and bool: any notes?"""
        notes = torch.bincount(segment, minlength=n_segments).to(states.dtype)[:, None]
        empty = states.new_zeros(n_segments, states.shape[1])
        mean = empty.index_add(0, segment, states) / notes.clamp(min=1)
        index = segment[:, None].expand_as(states)
        top = empty.scatter_reduce(0, index, states, "amax", include_self=False)
        pooled = self.project(torch.cat((mean, top, notes.log1p()), dim=1))
        return pooled, notes[:, 0] > 0
