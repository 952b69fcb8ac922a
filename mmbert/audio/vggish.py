"""VGGish-style: patches of about a second of log-mel spectrum through a plain convolutional network.

Hershey et al. 2017, "CNN architectures for large-scale audio classification", and the parameters of AudioSet's VGGish:
16 kHz, Hann windows of 25 ms every 10 ms, 64 mel bands of 125 to 7,500 Hz, ln(mel + 0.01), patches of 96 frames without
overlap. Only a network that bears AudioSet's own weights is VGGish; nothing here is.
"""

from __future__ import annotations

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio.encoder import AudioEncoder
from mmbert.audio.spectrum import magnitudes, mel_basis

RATE, MELS, PATCH = 16_000, 64, 96
OFFSET = 0.01
_WINDOW, _HOP, _FFT = 400, 160, 512
_LOW, _HIGH = 125.0, 7_500.0
_POOLED_AFTER = (0, 1, 3, 5)  # of the six convolutions


@dataclass(frozen=True)
class VggishConfig:
    """Sizes; the defaults suit a processor.

    Attributes:
        channels: Of the six convolutions; published: 64, 128, 256, 256, 512, 512.
        dense: Of the two hidden dense layers; published: 4096, 4096.
        width: Of a patch's vector; published: 128.
    """

    channels: tuple[int, int, int, int, int, int] = (16, 32, 64, 64, 128, 128)
    dense: tuple[int, int] = (256, 256)
    width: int = 128


PUBLISHED = VggishConfig((64, 128, 256, 256, 512, 512), (4096, 4096), 128)


class Vggish(AudioEncoder):
    """The network: 3 x 3 convolutions with four poolings, flattened as time, band, channel, and three dense layers.

    >>> net = Vggish(VggishConfig())
    >>> net(torch.zeros(2, 5 * RATE)).states.shape  # five patches of 0.96 s
    torch.Size([2, 5, 128])
    """

    rate = RATE
    states_a_second = 100 / PATCH

    def __init__(self, config: VggishConfig) -> None:
        super().__init__()
        self.config, self.width = config, config.width
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip((1, *config.channels), config.channels)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            if i in _POOLED_AFTER:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        first, second = config.dense
        self.dense = nn.Sequential(
            nn.Linear(PATCH // 16 * (MELS // 16) * config.channels[-1], first), nn.ReLU(),
            nn.Linear(first, second), nn.ReLU(), nn.Linear(second, config.width), nn.ReLU(),
        )  # fmt: skip

    def layers(self, samples: Tensor) -> Tensor:
        patches = log_mel_patches(samples)
        vectors = self.patches(patches.flatten(0, 1))
        return vectors.view(1, *patches.shape[:2], self.width)

    def patches(self, patches: Tensor) -> Tensor:
        """Vectors float [n, width] of patches float [n, 96, 64]."""
        return self.dense(self.features(patches[:, None]).permute(0, 2, 3, 1).flatten(1))


def log_mel_patches(samples: Tensor) -> Tensor:
    """Patches float [B, P, 96, 64] of float [B, n] at 16 kHz.

    What is less than a patch at the end is left out; a recording of less than one patch is followed by silence.
    """
    samples = F.pad(samples, (0, max(0, (PATCH - 1) * _HOP + _WINDOW - samples.shape[1])))
    spectrum = magnitudes(samples, _WINDOW, _HOP, _FFT)
    mel = torch.log(spectrum @ mel_basis(RATE, _FFT, MELS, _LOW, _HIGH).to(spectrum) + OFFSET)
    whole = mel.shape[1] // PATCH
    return mel[:, : whole * PATCH].unflatten(1, (whole, PATCH))
