"""A checkpoint comes back as it was, and says what is wrong where it cannot."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmbert import facets
from mmbert.errors import WeightsError
from mmbert.model import MmbertModel, ModelConfig, checkpoint


@pytest.fixture
def folder(tiny_weights: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(tiny_weights, tmp_path / "weights"))


def test_save_and_load_are_equal_but_for_float16(tiny_weights: Path, tmp_path: Path) -> None:
    model = MmbertModel.from_pretrained(tiny_weights)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert sorted(f.name for f in tiny_weights.iterdir()) == [
        "README.md", "config.json", "fingerprint", "model.safetensors"
    ]  # fmt: skip
    model.save_pretrained(tmp_path / "again")  # float16 values survive a second rounding
    for name in ("config.json", "model.safetensors", "fingerprint"):
        assert (tmp_path / "again" / name).read_bytes() == (tiny_weights / name).read_bytes()


def test_rounding_to_float16_is_all_that_saving_changes(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = MmbertModel(ModelConfig(layers=1, symbolic_layers=1))
    checkpoint.save(model, tmp_path)
    for name, tensor in MmbertModel.from_pretrained(str(tmp_path)).state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name].half().float()), name


def test_the_default_model_fits_into_16_mib() -> None:
    with torch.device("meta"):
        assert sum(2 * p.numel() for p in MmbertModel(ModelConfig()).parameters()) < 16 * 2**20


def test_a_given_card_is_written_and_then_kept(folder: Path) -> None:
    model = MmbertModel.from_pretrained(folder)
    checkpoint.save(model, folder, card="# Mine\n")
    model.save_pretrained(folder)
    assert (folder / "README.md").read_text() == "# Mine\n"


def test_fingerprint_follows_whatever_decides_a_vector(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MmbertModel.from_pretrained(tiny_weights)
    weights = model.state_dict()
    before = checkpoint.fingerprint(model.config, weights)
    assert before == (tiny_weights / "fingerprint").read_text().strip()
    weights["retrieval.query.bias"][0] += 1
    prints = {before, checkpoint.fingerprint(model.config, weights)}
    weights["retrieval.query.bias"][0] -= 1
    assert checkpoint.fingerprint(model.config, weights) == before
    prints.add(checkpoint.fingerprint(replace(model.config, text_sha256="0" * 64), weights))
    tempo = facets.BINS["tempo"]
    monkeypatch.setitem(facets.BINS, "tempo", replace(tempo, bounds=(77, *tempo.bounds[1:])))
    prints.add(checkpoint.fingerprint(model.config, weights))
    monkeypatch.setattr(checkpoint, "PREPROCESSING", "other")
    prints.add(checkpoint.fingerprint(model.config, weights))
    assert len(prints) == 5


def test_a_checkpoint_of_another_vocabulary_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tempo = facets.BINS["tempo"]
    monkeypatch.setitem(facets.BINS, "tempo", replace(tempo, bounds=(77, *tempo.bounds[1:])))
    with pytest.raises(WeightsError, match="another version of mmbert"):
        checkpoint.load(folder)


def _truncate(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _flip_a_byte(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-100] ^= 1
    (folder / "model.safetensors").write_bytes(data)


def _change_config(folder: Path, **fields: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps(config))


def _change_weights(folder: Path, name: str, tensor: torch.Tensor | None) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(name)
    save_file(weights | ({name: tensor} if tensor is not None else {}), folder / "model.safetensors")


BROKEN = {
    "no such checkpoint folder": shutil.rmtree,
    "model.safetensors missing": lambda f: (f / "model.safetensors").unlink(),
    "fingerprint missing": lambda f: (f / "fingerprint").unlink(),
    "safetensors: is damaged": _truncate,
    "fingerprint does not match": _flip_a_byte,
    r"bars.project.weight is F16 \[32, 65\], not F16 \[64, 65\]": lambda f: _change_config(f, dim=64),
    "unknown field layer. Did you mean layers": lambda f: _change_config(f, layer=3),
    "does not divide into its heads": lambda f: _change_config(f, heads=3),
    "config.json: is not YAML": lambda f: (f / "config.json").write_text("{"),
    "retrieval.query.bias is missing": lambda f: _change_weights(f, "retrieval.query.bias", None),
    r"bias is F32 \[32\], not F16": lambda f: _change_weights(f, "retrieval.query.bias", torch.zeros(32)),
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_checkpoint_is_refused_in_words(folder: Path, words: str) -> None:
    BROKEN[words](folder)
    with pytest.raises(WeightsError, match=words):
        checkpoint.load(folder)


def test_neither_folder_nor_repository() -> None:
    with pytest.raises(WeightsError, match="neither a checkpoint folder nor a hub repository"):
        MmbertModel.from_pretrained("nobody/nothing")


def test_weights_that_diverged_are_not_saved(tiny_weights: Path, tmp_path: Path) -> None:
    model = MmbertModel.from_pretrained(tiny_weights)
    with torch.no_grad():
        model.retrieval.query.bias[0] = 1e9
    with pytest.raises(WeightsError, match=r"retrieval\.query\.bias is not finite"):
        checkpoint.save(model, tmp_path)
