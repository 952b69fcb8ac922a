"""MERT-style: convolutions on the wave and a transformer over 75 states a second, taught by masked prediction (Li et
al. 2024, "MERT: acoustic music understanding model with large-scale self-supervised training").

The network is HuBERT's (Hsu et al. 2021) from ``transformers``, on 24 kHz: seven convolutions with strides of 320
samples in all. What it is taught by: :mod:`mmbert.audio.teachers` and :mod:`mmbert.objectives.acoustic`.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from mmbert.audio.encoder import AudioEncoder

RATE, HOP = 24_000, 320
REACH = 400  # samples that one state's convolutions see
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)


@dataclass(frozen=True)
class MertConfig:
    """Sizes; the defaults suit a processor.

    Attributes:
        convolutions: Channels of the seven convolutions; published: 512.
        depth: Layers of the transformer; published: 12, large 24.
        dim: Of its states; published: 768, large 1024.
        heads: Of attention; published: 12, large 16.
        ffn: Of its dense layers; published: 3072, large 4096.
        norm: ``group`` after the first convolution, or ``layer`` after each; published: ``group``.
        norm_first: Whether layers normalise what they read (pre-LN); published: only the large model's do.
        positions: Reach in states of the convolution that tells positions; published: 128.
        dropout: Published: 0.1, large 0.
    """

    convolutions: int = 64
    depth: int = 3
    dim: int = 128
    heads: int = 4
    ffn: int = 512
    norm: Literal["group", "layer"] = "group"
    norm_first: bool = False
    positions: int = 32
    dropout: float = 0.1


PUBLISHED = MertConfig(512, 12, 768, 12, 3072, positions=128)


class Mert(AudioEncoder):
    """The network.

    >>> net = Mert(MertConfig()).eval()
    >>> net(torch.zeros(2, 5 * RATE)).states.shape, net.layers(torch.zeros(1, RATE)).shape
    (torch.Size([2, 374, 128]), torch.Size([4, 1, 74, 128]))
    """

    rate = RATE
    states_a_second = RATE / HOP

    def __init__(self, config: MertConfig) -> None:
        from transformers import HubertConfig, HubertModel

        super().__init__()
        self.config, self.width = config, config.dim
        sizes = HubertConfig(
            hidden_size=config.dim, num_hidden_layers=config.depth, num_attention_heads=config.heads,
            intermediate_size=config.ffn, conv_dim=(config.convolutions,) * len(KERNELS), conv_kernel=KERNELS,
            conv_stride=STRIDES, conv_bias=False, feat_extract_norm=config.norm,
            do_stable_layer_norm=config.norm_first, num_conv_pos_embeddings=config.positions,
            num_conv_pos_embedding_groups=16, hidden_dropout=config.dropout, attention_dropout=config.dropout,
            activation_dropout=0.0, feat_proj_dropout=config.dropout, layerdrop=0.0,
        )  # fmt: skip
        self.network = HubertModel(sizes)

    def layers(self, samples: Tensor) -> Tensor:
        samples = F.pad(samples, (0, max(0, REACH - samples.shape[1])))
        masked = torch.zeros(len(samples), (samples.shape[1] - REACH) // HOP + 1, dtype=torch.bool)
        found = self.network(samples, mask_time_indices=masked.to(samples.device), output_hidden_states=True)
        return torch.stack(found.hidden_states)

    def masked(self, samples: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """States where some of the convolutions' output is hidden.

        Args:
            samples: float [B, n].
            mask: bool [B, T], True where the learned embedding of hidden frames stands instead.

        Returns:
            States float [B, T, dim], and the convolutions' output float [B, T, convolutions].
        """
        heard = self.network.feature_extractor(samples).transpose(1, 2)
        states = self.network.feature_projection(heard)
        states = torch.where(mask[..., None], self.network.masked_spec_embed.to(states.dtype), states)
        return self.network.encoder(states).last_hidden_state, heard


def states_of(samples: int) -> int:
    """How many states so many samples give, at least as many as one state needs."""
    return (samples - REACH) // HOP + 1
