"""Published weights of MERT from a folder: as on the Hugging Face hub, or with the names that fairseq gave them.

The folder holds ``config.json`` and ``model.safetensors`` (or ``pytorch_model.bin``, read as tensors alone), as
``m-a-p/MERT-v1-95M`` does; a checkpoint of fairseq's HuBERT is its ``model`` saved as ``model.safetensors`` beside the
same ``config.json``. MERT's weights are published for non-commercial use: none are part of mmbert.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmbert.audio.mert import KERNELS, STRIDES, Mert, MertConfig
from mmbert.config import from_dict
from mmbert.errors import ConfigError, WeightsError
from mmbert.model.checkpoint import CONFIG, WEIGHTS

_BIN = "pytorch_model.bin"
_HINT = "Give the whole folder of a MERT model, such as m-a-p/MERT-v1-95M"
_NAMES = {
    "convolutions": "conv_dim", "depth": "num_hidden_layers", "dim": "hidden_size", "heads": "num_attention_heads",
    "ffn": "intermediate_size", "norm": "feat_extract_norm", "norm_first": "do_stable_layer_norm",
    "positions": "num_conv_pos_embeddings",
}  # fmt: skip
# What a published configuration may say beside these, and what it means here; anything else is another network.
_FIXED = {
    "conv_kernel": list(KERNELS), "conv_stride": list(STRIDES), "conv_bias": False, "feature_extractor_cqt": False,
    "deepnorm": False, "num_conv_pos_embedding_groups": 16,
}  # fmt: skip
_FROM_FAIRSEQ = (
    (r"^mask_emb$", "masked_spec_embed"),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.0\.", r"\1.conv."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.2\.(1\.)?", r"\1.layer_norm."),
    (r"^encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"^(encoder\.layers\.\d+)\.self_attn\.", r"\1.attention."),
    (r"^(encoder\.layers\.\d+)\.self_attn_layer_norm\.", r"\1.layer_norm."),
    (r"^(encoder\.layers\.\d+)\.fc1\.", r"\1.feed_forward.intermediate_dense."),
    (r"^(encoder\.layers\.\d+)\.fc2\.", r"\1.feed_forward.output_dense."),
)
_FROM_HUB = (
    (r"^(hubert|mert|model)\.", ""),
    (r"^(encoder\.pos_conv_embed\.conv)\.weight_g$", r"\1.parametrizations.weight.original0"),
    (r"^(encoder\.pos_conv_embed\.conv)\.weight_v$", r"\1.parametrizations.weight.original1"),
)


def load_mert(folder: Path) -> Mert:
    """The network of a folder, in evaluation mode.

    Raises:
        WeightsError: naming what is missing, damaged, or of another network.
    """
    config = _config(folder)
    found = {_renamed(name): tensor for name, tensor in _tensors(folder).items()}
    net = Mert(config)
    wanted = net.network.state_dict()
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise WeightsError(str(folder), f"misses {len(missing)} tensors of MERT, such as {missing[0]}", _HINT)
    for name, tensor in wanted.items():
        if tensor.shape != found[name].shape:
            fault = f"{name} has the shape {tuple(found[name].shape)}, not {tuple(tensor.shape)}"
            raise WeightsError(str(folder), fault, "Do configuration and weights belong together?")
    net.network.load_state_dict({name: found[name].float() for name in wanted})
    return net.eval()


def _config(folder: Path) -> MertConfig:
    try:
        stated: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise WeightsError(str(folder), f"has no {CONFIG} that can be read", _HINT) from e
    for name, value in _FIXED.items():
        if stated.get(name, value) != value:
            raise WeightsError(str(folder), f"{name} is {stated[name]!r}, not {value!r}: another network", _HINT)
    absent = sorted(name for name in _NAMES.values() if name not in stated)
    if absent:
        raise WeightsError(str(folder), f"{CONFIG} does not state {', '.join(absent)}", _HINT)
    sizes = {own: stated[name] for own, name in _NAMES.items()}
    channels = set(sizes["convolutions"])
    if len(channels) != 1:
        raise WeightsError(str(folder), f"conv_dim is {stated['conv_dim']!r}: another network", _HINT)
    sizes["convolutions"] = channels.pop()
    try:
        return from_dict(sizes, MertConfig, str(folder / CONFIG))
    except ConfigError as e:
        raise WeightsError(str(folder), f"{CONFIG}: {e.fault}", _HINT) from e


def _tensors(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        if (folder / WEIGHTS).exists():
            return load_file(folder / WEIGHTS)
        found = torch.load(folder / _BIN, map_location="cpu", weights_only=True)
    except FileNotFoundError as e:
        raise WeightsError(str(folder), f"holds neither {WEIGHTS} nor {_BIN}", _HINT) from e
    except Exception as e:  # a damaged file may raise anything
        raise WeightsError(str(folder), f"holds weights that cannot be read ({type(e).__name__})", _HINT) from e
    if not isinstance(found, dict) or not all(isinstance(t, Tensor) for t in found.values()):
        raise WeightsError(str(folder), f"{_BIN} holds more than tensors", _HINT)
    return found


def _renamed(name: str) -> str:
    """The name of a tensor in ``transformers.HubertModel``.

    >>> _renamed("encoder.layers.0.self_attn.k_proj.weight"), _renamed("hubert.encoder.layer_norm.bias")
    ('encoder.layers.0.attention.k_proj.weight', 'encoder.layer_norm.bias')
    """
    for pattern, to in (*_FROM_FAIRSEQ, *_FROM_HUB):
        name = re.sub(pattern, to, name)
    return name
