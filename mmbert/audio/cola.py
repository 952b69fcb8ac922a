"""COLA: what two crops of one recording have in common (Saeed, Grangier & Zeghidour 2021, "Contrastive learning of
general-purpose audio representations").

Front end, network and similarity as in the authors' code (google-research, ``cola``): a clip is scaled to unit length
as a vector, a second of it becomes 98 frames of 64 mel bands from 60 to 7,800 Hz (25 ms windows every 10 ms, 1,024
points, magnitudes between 1e-5 and 1e8, ln), an EfficientNet with global max pooling reads them (f), and a dense layer
with LayerNorm and tanh (g) is compared; g is for training alone.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio.encoder import AudioEncoder
from mmbert.audio.spectrum import magnitudes, mel_basis

RATE, MELS = 16_000, 64
CROP = RATE  # samples of one view
_WINDOW, _HOP, _FFT = 400, 160, 1024
_LOW, _HIGH = 60.0, 7_800.0
_LEAST, _MOST = 1e-5, 1e8
_TOP = 1280  # channels of EfficientNet-B0's last convolution
_STEP = 8  # EfficientNet's channel counts are multiples of it
# Keras's momentum of .99 is .01 in torch's words; larger, since runs on a processor have few steps.
_NORM_MOMENTUM = 0.1


@dataclass(frozen=True)
class ColaConfig:
    """Sizes; the defaults suit a processor.

    Attributes:
        channels: Factor on the channels of EfficientNet-B0; published: 1.
        depth: Factor on its repeats; published: 1.
        projection: Width of g; published: 512.
        similarity: What compares two projections; published: ``bilinear``.
        temperature: Of the cosine form.
    """

    channels: float = 0.25
    depth: float = 0.5
    projection: int = 512
    similarity: Literal["bilinear", "cosine"] = "bilinear"
    temperature: float = 0.2


PUBLISHED = ColaConfig(1.0, 1.0)


class Cola(AudioEncoder):
    """f, g and the similarity; as an encoder it gives f for every whole second.

    >>> net = Cola(ColaConfig()).eval()
    >>> net(torch.zeros(2, 3 * RATE + 100)).states.shape
    torch.Size([2, 3, 320])
    """

    rate = RATE
    states_a_second = 1.0

    def __init__(self, config: ColaConfig) -> None:
        from transformers import EfficientNetConfig, EfficientNetModel

        super().__init__()
        self.config = config
        self.width = max(_STEP, int(_TOP * config.channels + _STEP / 2) // _STEP * _STEP)
        sizes = EfficientNetConfig(
            num_channels=1, width_coefficient=config.channels, depth_coefficient=config.depth, hidden_dim=self.width,
            dropout_rate=0.0, batch_norm_momentum=_NORM_MOMENTUM,
        )  # fmt: skip
        network: Any = EfficientNetModel(sizes)
        # Depthwise convolutions take half of the time so.
        self.network = network.to(memory_format=torch.channels_last)
        _begin(self.network)
        self.compared: nn.Module
        if config.similarity == "bilinear":
            self.projection = nn.Sequential(
                nn.Linear(self.width, config.projection), nn.LayerNorm(config.projection), nn.Tanh()
            )
            self.compared = Bilinear(config.projection)
        else:
            self.projection = nn.Sequential(nn.Linear(self.width, config.projection))
            self.compared = Cosine(config.temperature)

    def layers(self, samples: Tensor) -> Tensor:
        samples = unit_clip(samples)
        samples = F.pad(samples, (0, max(0, CROP - samples.shape[1])))
        whole = samples.shape[1] // CROP
        crops = samples[:, : whole * CROP].reshape(-1, CROP)
        return self.encode(log_mel(crops)).view(1, len(samples), whole, self.width)

    def encode(self, mel: Tensor) -> Tensor:
        """f, float [n, width], of float [n, frames, 64]."""
        images = mel[:, None].contiguous(memory_format=torch.channels_last)
        return self.network(images).last_hidden_state.amax((2, 3))

    def similarity(self, anchors: Tensor, positives: Tensor) -> Tensor:
        """s of every anchor and every positive, float [n, m], from f of each, float [n, width] and [m, width]."""
        return self.compared(self.projection(anchors), self.projection(positives))


def _begin(network: nn.Module) -> None:
    """First values after He et al. 2015. ``transformers`` draws even the scales of batch norms from N(0, 0.02), so that
    after seven blocks nothing is left of the input."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()


class Bilinear(nn.Module):
    """s(x, x') = x W x' (Saeed et al. 2021).

    W begins as a multiple of the identity. Drawn from N(0, 0.05), as published, it begins with sums so large that three
    hundred steps do not unlearn them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(width) / width**0.5)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """float [n, m] of float [n, width] and [m, width]."""
        return a @ self.weight @ b.T


class Cosine(nn.Module):
    """s(x, x') = cos(x, x') / temperature (Saeed et al. 2021; published as the weaker one)."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """float [n, m] of float [n, width] and [m, width]."""
        return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T / self.temperature


def unit_clip(samples: Tensor) -> Tensor:
    """A whole clip float [B, n] scaled to the length of 1 as a vector; silence stays silence."""
    return F.normalize(samples, dim=-1)


def log_mel(crops: Tensor) -> Tensor:
    """float [n, 98, 64] of seconds float [n, 16000] out of clips of unit length."""
    mel = magnitudes(crops, _WINDOW, _HOP, _FFT) @ mel_basis(RATE, _FFT, MELS, _LOW, _HIGH).to(crops)
    return torch.log(mel.clamp(_LEAST, _MOST))
