"""Every encoder of recordings is one: shapes, places, independence of the batch, a folder that comes back."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmbert.audio import cola, mert, vggish
from mmbert.audio.encoders import ENCODERS, Mn04Encoder, load_encoder, save_encoder
from mmbert.audio.mert import states_of
from mmbert.audio.mn04 import Mn04
from mmbert.errors import WeightsError

STATES = {"vggish": 5, "cola": 5, "mert": 374, "mn04": 5}  # of five seconds


@pytest.fixture(scope="module")
def encoders():
    torch.manual_seed(1)
    made = {name: kind(config()).eval() for name, (kind, config) in ENCODERS.items()}
    return {**made, "mn04": Mn04Encoder(Mn04.load())}


@pytest.mark.parametrize("name", STATES)
def test_a_window_becomes_a_stream(encoders, name):
    encoder = encoders[name]
    sound = 0.1 * torch.randn(2, 5 * encoder.rate, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        stream, alone = encoder(sound), encoder(sound[1:])
        short = encoder(sound[:, :50])
    assert stream.states.shape == (2, STATES[name], encoder.width)
    assert stream.modality == "recording"
    assert stream.mask.all()
    assert stream.position[0, 0] == 0
    assert int(stream.position[0, -1]) == 9 - (STATES[name] == 5) * (1 if name != "vggish" else 2)
    assert torch.isfinite(stream.states).all()
    torch.testing.assert_close(alone.states[0], stream.states[1], atol=1e-4, rtol=1e-3)
    assert short.states.shape[1] == 1


@pytest.mark.parametrize("name", ENCODERS)
def test_a_folder_comes_back(encoders, name, tmp_path):
    save_encoder(encoders[name], tmp_path)
    again = load_encoder(tmp_path)
    sound = 0.1 * torch.randn(1, again.rate)
    with torch.inference_mode():
        assert torch.equal(again(sound).states, encoders[name](sound).states)
    assert json.loads((tmp_path / "config.json").read_text())["encoder"] == name
    assert load_file(tmp_path / "model.safetensors")


def test_a_folder_that_is_none(encoders, tmp_path):
    with pytest.raises(WeightsError, match="is no encoder of recordings"):
        load_encoder(tmp_path)
    save_encoder(encoders["vggish"], tmp_path)
    stated = json.loads((tmp_path / "config.json").read_text())
    for change in ({"encoder": "whisper"}, {"width": 64}, {"depth": 128}):
        (tmp_path / "config.json").write_text(json.dumps(stated | change))
        with pytest.raises(WeightsError):
            load_encoder(tmp_path)


def test_published_sizes():
    with torch.device("meta"):
        millions = [
            sum(p.numel() for p in made.parameters()) / 1e6
            for made in (vggish.Vggish(vggish.PUBLISHED), cola.Cola(cola.PUBLISHED).network, mert.Mert(mert.PUBLISHED))
        ]
    assert [round(m, 1) for m in millions] == [72.1, 4.0, 94.4]


@pytest.mark.parametrize("samples", [400, 719, 720, 24_000, 120_000])
def test_states_of_the_convolutions(encoders, samples):
    with torch.inference_mode():
        assert encoders["mert"](torch.zeros(1, samples)).states.shape[1] == states_of(samples)


def test_hidden_frames_are_not_seen(encoders):
    net = encoders["mert"]
    a, b = 0.1 * torch.randn(2, 1, 24_000)
    hidden = torch.ones(1, states_of(24_000), dtype=torch.bool)
    with torch.inference_mode():
        assert torch.equal(net.masked(a, hidden)[0], net.masked(b, hidden)[0])
        torch.testing.assert_close(net.masked(a, ~hidden)[0], net(a).states)


def test_nothing_but_torch_is_needed():
    """The other packages for sound break this torch or are not on every machine with a GPU."""
    audio = Path(mert.__file__).parent
    imported = {
        name.split(".")[0]
        for path in audio.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported.isdisjoint({"torchaudio", "torchvision", "librosa", "nnAudio", "encodec", "timm", "soundfile"})
