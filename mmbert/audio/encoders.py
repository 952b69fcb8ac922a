"""Which encoders of recordings there are, and how one is kept: a folder with ``config.json`` and ``model.safetensors``.

mn04 is the product's; the others are trained by ``python -m mmbert_training.audio_encoders``, and none of them ships.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmbert.audio.cola import Cola, ColaConfig
from mmbert.audio.encoder import AudioEncoder
from mmbert.audio.mel import RATE, LogMel
from mmbert.audio.mert import Mert, MertConfig
from mmbert.audio.mn04 import WIDTH, Mn04
from mmbert.audio.vggish import Vggish, VggishConfig
from mmbert.config import from_dict, to_dict
from mmbert.errors import ConfigError, WeightsError
from mmbert.model.checkpoint import CONFIG, WEIGHTS

ENCODERS: dict[str, tuple[type[Any], type[Any]]] = {
    "vggish": (Vggish, VggishConfig),
    "cola": (Cola, ColaConfig),
    "mert": (Mert, MertConfig),
}
_HINT = "Copy the whole folder again"


class Mn04Encoder(AudioEncoder):
    """The product's network as one encoder among others.

    >>> Mn04Encoder(Mn04.load())(torch.zeros(1, 3 * RATE)).states.shape
    torch.Size([1, 3, 384])
    """

    rate, width, states_a_second = RATE, WIDTH, 1.0

    def __init__(self, ear: Mn04) -> None:
        super().__init__()
        self.ear = ear

    def layers(self, samples: Tensor) -> Tensor:
        rows = []
        for sound in samples.cpu().numpy():
            mel = LogMel()
            rows.append(self.ear.hear(np.concatenate([mel.feed(sound), mel.finish()])))
        return torch.from_numpy(np.stack(rows)).float()[None].to(samples.device)


def save_encoder(encoder: Any, folder: Path) -> None:
    """Write an encoder's folder.

    Args:
        encoder: Of one of the classes in :data:`ENCODERS`.
        folder: Made where missing.

    Raises:
        WeightsError: for weights that are not finite.
    """
    from safetensors.torch import save_file

    name = next(name for name, (kind, _) in ENCODERS.items() if type(encoder) is kind)
    weights = {k: v.detach().cpu().contiguous() for k, v in encoder.state_dict().items()}
    for key, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(str(folder), f"{key} is not finite", "The training run has diverged")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)
    (folder / CONFIG).write_text(json.dumps({"encoder": name, **to_dict(encoder.config)}, indent=2) + "\n")


def load_encoder(folder: Path) -> AudioEncoder:
    """The encoder of a folder, in evaluation mode.

    Raises:
        WeightsError: where a file is missing or damaged, or they do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        kind, sizes = ENCODERS[config.pop("encoder")]
        encoder = kind(from_dict(config, sizes, str(folder / CONFIG)))
        encoder.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, LookupError, SafetensorError, RuntimeError, ConfigError) as e:
        fault = str(e).splitlines()[0]
        raise WeightsError(str(folder), f"is no encoder of recordings ({type(e).__name__}: {fault})", _HINT) from e
    return encoder.eval()
