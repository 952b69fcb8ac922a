"""Recordings as a stream: one token for the sounds that are named in all of it, and one a second of what is heard.

What hears is frozen and outside of this model (:mod:`mmbert.audio.mn04`); it knows real recordings. The token of named
sounds is learned from labels of real recordings as well as from renderings, so that renderings cannot pull it away.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio.sounds import SOUNDS
from mmbert.model.config import ModelConfig
from mmbert.prepare import STATE
from mmbert.types import Stream

_HALF_SECONDS = 2  # of the common time base, to a state


class RecordingEncoder(nn.Module):
    """States of seconds and logits of named sounds to a stream."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(SOUNDS))
        self.register_buffer("deviation", torch.ones(SOUNDS))
        self.sounds = nn.Sequential(nn.Linear(SOUNDS, config.dim), nn.GELU(), nn.Linear(config.dim, config.dim))
        self.norm = nn.LayerNorm(STATE)
        self.seconds = nn.Sequential(nn.Linear(STATE, config.dim), nn.GELU(), nn.Linear(config.dim, config.dim))

    def forward(self, states: Tensor, mask: Tensor, logits: Tensor) -> Stream:
        """A stream [B, 1 + T, dim]; the token of named sounds comes first.

        Args:
            states: float [B, T, 384], a second each, in order and without gaps; T may be 0.
            mask: bool [B, T], True where there is a second.
            logits: float [B, 527], as mn04 gives them for the mean of a clip's states (not standardised).
        """
        clip = self.sounds(self.standardised(logits))[:, None]
        heard = self.seconds(self.norm(states))
        position = torch.arange(mask.shape[1], device=mask.device) * _HALF_SECONDS
        return Stream(
            torch.cat([clip, heard], dim=1),
            torch.cat([mask.new_ones(len(mask), 1), mask], dim=1),
            "recording",
            F.pad(position, (1, 0)).expand(len(mask), -1),
        )

    def standardised(self, logits: Tensor) -> Tensor:
        """Logits [..., 527] in standard deviations from what is usual of each sound, within four."""
        return ((logits - self.mean) / self.deviation).clamp(-4, 4)
