"""A checkpoint is a folder: ``config.json``, ``model.safetensors`` (float16), ``README.md``, ``fingerprint``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mmbert.config import load_config, to_dict
from mmbert.errors import ConfigError, WeightsError
from mmbert.facets import BINS, TOKENS
from mmbert.model.config import PIECE_BARS, ModelConfig
from mmbert.symbolic.octuple import FIELDS, SIZES
from mmbert.symbolic.windows import FREE_BAR_S, HOP_BARS, WINDOW_BARS

if TYPE_CHECKING:
    from mmbert.model.mmbert import MmbertModel

CONFIG, WEIGHTS, CARD, FINGERPRINT = "config.json", "model.safetensors", "README.md", "fingerprint"
PREPROCESSING = (
    f"1: passages 256 notes 16 bars; windows {WINDOW_BARS} bars hop {HOP_BARS}; piece {PIECE_BARS} bars; "
    f"free time {FREE_BAR_S} s a bar"
)
"""What is done to a score before the model reads it. Count up when encoding or facets change what they say."""

_HINT = "Copy or download the whole checkpoint folder again"


def default_weights() -> Path:
    """Folder of the released weights inside the installed package."""
    return Path(__file__).parent.parent / "pretrained" / "mmbert-small"


def fingerprint(config: ModelConfig, weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over all that decides a vector: weights (as float16), sizes, vocabularies, bins, preprocessing.

    The checksum of the text model and the width of the vectors are fields of the configuration.
    """
    rules = {
        "config": to_dict(config),
        "octuple": [FIELDS, SIZES],
        "facets": TOKENS,
        "bins": {name: asdict(bins) for name, bins in BINS.items()},
        "preprocessing": PREPROCESSING,
    }
    digest = hashlib.sha256(json.dumps(rules, sort_keys=True).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().to("cpu", torch.float16).contiguous()
        digest.update(f"\n{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def save(model: MmbertModel, folder: Path, card: str | None = None) -> str:
    """Write a checkpoint folder and return its fingerprint; a card that is there is kept unless one is given.

    Raises:
        WeightsError: for weights that float16 cannot hold (not finite), named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in model.state_dict().items()}
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(str(folder), f"{name} is not finite in float16", "The training run has diverged")
    print_ = fingerprint(model.config, weights)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)  # safetensors writes for its owner alone; weights are given away
    (folder / CONFIG).write_text(json.dumps(to_dict(model.config), indent=2, sort_keys=True) + "\n")
    if card is not None or not (folder / CARD).exists():
        (folder / CARD).write_text(card or "# mmbert checkpoint\n\nNo card was written for these weights.\n")
    (folder / FINGERPRINT).write_text(print_ + "\n")
    return print_


def load(folder: Path) -> MmbertModel:
    """The model of a checkpoint folder: float32, on the CPU, in evaluation mode.

    Names, shapes and types in the file's header are compared with the configuration before any tensor is read.

    Raises:
        WeightsError: where a file is missing or damaged, or they do not belong together.
    """
    from mmbert.model.mmbert import MmbertModel

    stated = _stated_fingerprint(folder)
    config = _config(folder)
    with torch.device("meta"), _AsTheyCome():
        model = MmbertModel(config)
    weights = read_weights(folder, {k: tuple(v.shape) for k, v in model.state_dict().items()})
    if fingerprint(config, weights) != stated:
        raise WeightsError(
            str(folder),
            "the fingerprint does not match weights, configuration and this version's vocabularies",
            f"A file was changed, or the checkpoint is of another version of mmbert. {_HINT}",
        )
    model.load_state_dict({k: v.float() for k, v in weights.items()}, assign=True)
    return model.eval()


class _AsTheyCome(TorchFunctionMode):
    """Leaves out first values: the file's replace them. On tensors without memory they would import a compiler."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == nn.init.__name__:
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        return func(*args, **(kwargs or {}))


def from_hub(
    name: str,
    *,
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | Path | None,
    local_files_only: bool,
) -> Path:
    """Folder of a hub repository's checkpoint, from the cache where it is there.

    Raises:
        WeightsError: where it is neither in the cache nor can be fetched.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                name, revision=revision, token=token, cache_dir=cache_dir, local_files_only=local_files_only
            )
        )
    except (OSError, ValueError) as e:
        raise WeightsError(name, "is neither a checkpoint folder nor a hub repository at hand", _HINT) from e


def read_weights(folder: Path, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The float16 tensors of a folder's weights file, after its header has been compared with names and shapes.

    Raises:
        WeightsError: where the file is missing, damaged, or of another model.
    """
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            names = set(file.keys())
            for name in sorted(names ^ set(expected)):
                what = "is missing" if name in expected else "is not part of this model"
                raise WeightsError(str(folder / WEIGHTS), f"{name} {what}", _HINT)
            for name, shape in expected.items():
                part = file.get_slice(name)
                if tuple(part.get_shape()) != shape or part.get_dtype() != "F16":
                    found = f"{part.get_dtype()} {part.get_shape()}"
                    raise WeightsError(str(folder / WEIGHTS), f"{name} is {found}, not F16 {list(shape)}", _HINT)
            return {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as e:
        raise WeightsError(str(folder / WEIGHTS), f"is damaged: {e}", _HINT) from e


def _stated_fingerprint(folder: Path) -> str:
    if not folder.is_dir():
        raise WeightsError(str(folder), "no such checkpoint folder", "Train one (mmbert train CONFIG) or give another")
    missing = [name for name in (CONFIG, WEIGHTS, FINGERPRINT) if not (folder / name).is_file()]
    if missing:
        raise WeightsError(str(folder), f"is not a checkpoint of mmbert: {', '.join(missing)} missing", _HINT)
    return (folder / FINGERPRINT).read_text(errors="replace").strip()


def _config(folder: Path) -> ModelConfig:
    try:
        return load_config(folder / CONFIG, ModelConfig)
    except ConfigError as e:
        raise WeightsError(e.subject, e.fault, e.hint or _HINT) from e
