"""Fixtures for every room: one thread, no network, tiny weights that mean nothing, MiniLM loaded once."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch

from mmbert.text.encoder import TextEncoder

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of a tiny model with random weights: real in form, meaningless in what it finds."""
    from mmbert.model import MmbertModel, ModelConfig, checkpoint

    torch.manual_seed(0)
    fields = (8, 8, 8, 16, 8, 8, 8, 8)
    config = ModelConfig(
        symbolic_dim=32, symbolic_layers=1, symbolic_heads=2, symbolic_ffn=32, field_dims=fields,
        dim=32, layers=2, heads=2, ffn=32, out_dim=32,
    )  # fmt: skip
    model = MmbertModel(config)
    for name, parameter in model.named_parameters():
        if name.endswith("gates"):  # they begin at zero, where no layer does anything
            torch.nn.init.normal_(parameter, 1.0, 0.1)
    folder = tmp_path_factory.mktemp("weights")
    checkpoint.save(model, folder)
    return folder


@pytest.fixture(scope="session")
def minilm() -> TextEncoder:
    """The text model of the ``text`` extra."""
    return TextEncoder.load()
