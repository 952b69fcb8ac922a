"""A model and what is learned beside it: temperatures, and the heads that only the objectives need."""

from __future__ import annotations

import torch
from torch import nn

from mmbert.facets import TOKENS
from mmbert.model import MmbertModel, ModelConfig
from mmbert.objectives.contrastive import Temperature
from mmbert.objectives.mutual import Critic
from mmbert.objectives.words import WordHead


class Learner(nn.Module):
    """What a training run keeps; the model alone goes into a checkpoint.

    Args:
        config: Sizes of the model.
        words: Word pieces that masked text may hide.
    """

    def __init__(self, config: ModelConfig, words: int) -> None:
        super().__init__()
        self.model = MmbertModel(config)
        self.temperature = Temperature()
        self.bias = nn.Parameter(torch.tensor(-10.0))  # of the sigmoid loss
        self.hidden_bar = nn.Parameter(torch.zeros(config.dim))
        self.bar_head = nn.Linear(config.dim, config.dim)
        self.critic = Critic(config.dim)
        self.word_head = WordHead(config.text_dim, config.dim, max(words, 1))
        self.fact_head = nn.Linear(config.dim, len(TOKENS))
