"""mn04, the network that hears: log-mel spectra to a state a second, and to the 527 sounds that AudioSet names.

MobileNetV3 of width 0.4, trained on AudioSet by Schmid, Koutini & Widmer 2023 (EfficientAT, MIT). One pass over ten
seconds gives everything: states of seconds, whose mean is the published embedding, and from any mean of them the logits
of named sounds.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio.mel import FRAMES_A_SECOND, SEGMENT_S, SILENT
from mmbert.audio.sounds import default_ear
from mmbert.errors import WeightsError
from mmbert.model.checkpoint import CONFIG, WEIGHTS

WIDTH = 384
_EPS = 1e-3  # of the batch norms
_HINT = "Install mmbert again: the file is part of it"
_ACTIVATIONS: dict[str | None, nn.Module] = {"ReLU": nn.ReLU(), "Hardswish": nn.Hardswish(), None: nn.Identity()}


class Mn04(nn.Module):
    """The network; frozen.

    Args:
        blocks: Its layers, as ``config.json`` lists them.
        weights: Their tensors.

    >>> ear = Mn04.load()
    >>> ear.hear(np.zeros((2500, 128), np.float16)).shape  # 25 seconds
    (25, 384)
    """

    def __init__(self, blocks: list[dict[str, Any]], weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.features = nn.Sequential(*(_Block(block, weights) for block in blocks))
        self.classifier = nn.Sequential(
            _linear(weights, "classifier.2"), nn.Hardswish(), _linear(weights, "classifier.5")
        )
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path | None = None) -> Mn04:
        """The network of a folder; None for the one inside the package.

        Raises:
            WeightsError: where it is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = default_ear() if folder is None else folder
        try:
            blocks = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["blocks"]
            return cls(blocks, load_file(folder / WEIGHTS))
        except (OSError, ValueError, LookupError, TypeError, SafetensorError, RuntimeError) as e:
            raise WeightsError(str(folder), f"is no network that hears ({type(e).__name__}: {e})", _HINT) from e

    def forward(self, mel: Tensor) -> Tensor:
        """Log-mel spectra float [B, T, 128] to a state a second, float [B, max(1, T / 100 rounded), 384]."""
        columns = self.features(mel.transpose(1, 2)[:, None]).mean(dim=2)  # [B, 384, T / 32]
        seconds = max(1, round(mel.shape[1] / FRAMES_A_SECOND))
        return torch.einsum("bdt,st->bsd", columns, _shares(columns.shape[2], seconds).to(columns))

    def sounds(self, states: Tensor) -> Tensor:
        """Logits of the named sounds, float [..., 527], of a mean of states float [..., 384]."""
        return self.classifier(states)

    @torch.inference_mode()
    def hear(self, mel: np.ndarray) -> np.ndarray:
        """A run of log-mel frames to states.

        Ten seconds are heard at a time; what is left over is heard with the last of them.

        Args:
            mel: float [T, 128], T > 0. Less than a second is heard as a second that ends in silence.

        Returns:
            float16 [seconds, 384].
        """
        mel = np.asarray(mel, np.float32)
        if len(mel) < FRAMES_A_SECOND:
            mel = np.pad(mel, ((0, FRAMES_A_SECOND - len(mel)), (0, 0)), constant_values=SILENT)
        device = next(self.parameters()).device
        length = SEGMENT_S * FRAMES_A_SECOND
        whole = max(0, len(mel) // length - 1)  # the last goes with what is left over
        parts = [torch.from_numpy(mel[whole * length :])[None]]
        if whole:
            parts.insert(0, torch.from_numpy(mel[: whole * length]).view(whole, length, -1))
        states = [self(part.to(device)).flatten(0, 1) for part in parts]
        return torch.cat(states).to("cpu", torch.float16).numpy()


class _Block(nn.Module):
    def __init__(self, block: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super().__init__()
        kinds = {"conv": _Conv, "se": _SqueezeExcite}
        self.layers = nn.Sequential(*(kinds[layer["op"]](layer, weights) for layer in block["layers"]))
        self.residual = block["residual"]

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.residual else y


class _Conv(nn.Module):
    """Convolution and batch norm as one convolution."""

    def __init__(self, layer: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super().__init__()
        norm = {k: weights[f"{layer['bn']}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}
        scale = norm["weight"] / torch.sqrt(norm["running_var"] + _EPS)
        self.weight = nn.Parameter(weights[f"{layer['name']}.weight"] * scale[:, None, None, None])
        self.bias = nn.Parameter(norm["bias"] - norm["running_mean"] * scale)
        self.act = _ACTIVATIONS[layer["act"]]
        self.stride, self.padding, self.groups = layer["s"], (layer["k"] - 1) // 2, layer["g"]

    def forward(self, x: Tensor) -> Tensor:
        return self.act(F.conv2d(x, self.weight, self.bias, self.stride, self.padding, groups=self.groups))


class _SqueezeExcite(nn.Module):
    def __init__(self, layer: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.fc1, self.fc2 = (_linear(weights, f"{layer['name']}.{fc}") for fc in ("fc1", "fc2"))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3))))).sigmoid()
        return x * weight[:, :, None, None]


def _linear(weights: dict[str, Tensor], name: str) -> nn.Linear:
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer


@cache
def _shares(columns: int, seconds: int) -> Tensor:
    """float32 [seconds, columns]: the share of each column in each second; all columns count alike over all seconds."""
    edges = torch.arange(seconds + 1, dtype=torch.float64) * columns / seconds
    at = torch.arange(columns, dtype=torch.float64)
    overlap = (torch.minimum(edges[1:, None], at + 1) - torch.maximum(edges[:-1, None], at)).clamp(min=0)
    return (overlap * seconds / columns).float()
