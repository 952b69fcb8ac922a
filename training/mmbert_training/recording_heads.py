"""What objectives of recordings need beside the model; no part of a checkpoint."""

from __future__ import annotations

import torch
from torch import nn

from mmbert.audio.sounds import SOUNDS
from mmbert.model import ModelConfig
from mmbert.objectives.mutual import Critic
from mmbert.prepare import STATE


class RecordingHeads(nn.Module):
    """Heads over vectors and seconds of recordings.

    ``sounds`` tells how many standard deviations each of the 527 sounds stands out, from a vector of length sqrt(d);
    ``hidden`` stands where a second is hidden; ``second`` tells mn04's state of it; the critics compare a vector with
    the score's and with a caption's.

    Args:
        config: Sizes of the model.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.sounds = nn.Linear(config.out_dim, SOUNDS)
        self.hidden = nn.Parameter(torch.zeros(config.dim))
        self.second = nn.Linear(config.dim, STATE)
        self.with_score, self.with_caption = Critic(config.out_dim), Critic(config.out_dim)
