"""Two towers for phrases: what is asked with and what is found have sides of their own.

*Completion* compares what a tune is made of, wherever in the phrase it stands: traits, a layer that both sides share,
and for each side a linear map and a small correction of it. *Accompaniment* keeps time in order: a convolution over
slots, its vector numbers of every slot and some of the whole phrase. Averaged over a phrase, a vector no longer tells
which note sounds against which.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.symbolic.phrase_slots import CHANNELS, SLOTS, accompaniment_slots, melody_slots
from mmbert.symbolic.phrase_traits import TRAITS, traits


class CompletionTowers(nn.Module):
    """Traits [B, 1079] to unit vectors [B, out].

    Args:
        dim: Width inside.
        out: Width of the vectors.
        dropout: Of traits, in training only.
    """

    read_query = read_document = staticmethod(traits)

    def __init__(self, dim: int = 192, out: int = 256, dropout: float = 0.0) -> None:
        super().__init__()
        self.out = out
        self.drop = nn.Dropout(dropout)
        self.into = nn.Linear(TRAITS, dim)
        straight = [nn.Linear(dim, out) for _ in range(2)]
        last = [nn.Linear(dim, out) for _ in range(2)]
        # Both sides begin as nearly the same projection, so that likeness counts before anything is learned.
        with torch.no_grad():
            straight[1].weight.copy_(straight[0].weight)
            for layer in last:
                layer.weight.mul_(0.1)
        self.straight = nn.ModuleList(straight)
        self.bent = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(dim), nn.GELU(), nn.Linear(dim, dim), nn.GELU(), layer) for layer in last
        )

    def query(self, x: Tensor) -> Tensor:
        """What is asked with."""
        return self._side(x, 0)

    def document(self, x: Tensor) -> Tensor:
        """What may be found."""
        return self._side(x, 1)

    def _side(self, x: Tensor, side: int) -> Tensor:
        x = self.into(self.drop(x))
        return F.normalize(self.straight[side](x) + self.bent[side](x), dim=1)


class AccompanimentTowers(nn.Module):
    """Slots [B, 32, 39] to unit vectors [B, 32 * per_slot + whole].

    Args:
        dim: Width inside.
        layers: Convolutions of each side.
        per_slot: Numbers of the vector for each slot.
        whole: Numbers of the vector for the whole phrase.
        dropout: Of the slots' states, in training only.
    """

    read_query, read_document = staticmethod(melody_slots), staticmethod(accompaniment_slots)

    def __init__(
        self, dim: int = 96, layers: int = 3, per_slot: int = 12, whole: int = 128, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.out = SLOTS * per_slot + whole
        self.query, self.document = (_SlotSide(dim, layers, per_slot, whole, dropout) for _ in range(2))


class _SlotSide(nn.Module):
    def __init__(self, dim: int, layers: int, per_slot: int, whole: int, dropout: float) -> None:
        super().__init__()
        self.into = nn.Linear(CHANNELS, dim)
        self.place = nn.Parameter(torch.zeros(SLOTS, dim))
        self.drop = nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.mixers = nn.ModuleList(nn.Conv1d(dim, dim, 5, padding=2) for _ in range(layers))
        self.slot = nn.Linear(dim, per_slot)
        self.whole = nn.Linear(2 * dim, whole)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, grid: Tensor) -> Tensor:
        x = self.into(grid) + self.place
        for norm, mixer in zip(self.norms, self.mixers):
            x = x + F.gelu(mixer(self.drop(norm(x)).transpose(1, 2))).transpose(1, 2)
        in_order = F.normalize(self.slot(x).flatten(1), dim=1)
        pooled = F.normalize(self.whole(torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=1)), dim=1)
        share = self.share.sigmoid()
        return torch.cat([share.sqrt() * in_order, (1 - share).sqrt() * pooled], dim=1)


Towers = CompletionTowers | AccompanimentTowers
