"""Facets as a stream: one token a known fact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from mmbert.facets import TOKENS, tokens_of
from mmbert.model.config import ModelConfig
from mmbert.types import Facets, Stream

_ID = {token: i for i, token in enumerate(TOKENS)}
_NAMES = tuple(dict.fromkeys(token.partition("=")[0] for token in TOKENS))
_NAME_OF = [_NAMES.index(token.partition("=")[0]) for token in TOKENS]


def facet_ids(facets: Facets) -> list[int]:
    """Indices into :data:`mmbert.facets.TOKENS` of what is known.

    >>> [TOKENS[i] for i in facet_ids(Facets(metre="6/8", form="jig"))]
    ['metre=6/8', 'form=jig']
    """
    return token_ids(tokens_of(facets))


def token_ids(tokens: Iterable[str]) -> list[int]:
    """Indices of statements such as ``pace=fast``; KeyError for one that is not in the vocabulary."""
    return [_ID[token] for token in tokens]


class FacetEncoder(nn.Module):
    """A fact's vector is its value's plus its name's, so that a rare value still says what it is about."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.value = nn.Embedding(len(TOKENS), config.dim)
        self.name = nn.Embedding(len(_NAMES), config.dim)

    def forward(self, ids: Sequence[Sequence[int]]) -> Stream:
        """B lists of indices into ``TOKENS`` (lengths differ, may be empty) to a stream [B, T, dim]."""
        device = self.value.weight.device
        length = max((len(row) for row in ids), default=0) or 1
        padded = torch.zeros(len(ids), length, dtype=torch.int64)
        mask = torch.zeros(len(ids), length, dtype=torch.bool)
        for i, row in enumerate(ids):
            padded[i, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[i, : len(row)] = True
        names = torch.tensor(_NAME_OF)[padded]
        states = self.value(padded.to(device)) + self.name(names.to(device))
        return Stream(states, mask.to(device), "facets")
