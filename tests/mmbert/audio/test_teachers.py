"""Teachers are deterministic, aligned with the encoder's states, and hear what there is."""

from __future__ import annotations

import math

import pytest
import torch

from mmbert.audio import teachers
from mmbert.audio.mert import RATE, states_of
from mmbert.audio.spectrum import chroma
from mmbert.errors import WeightsError


def click(at: int, samples: int = RATE) -> torch.Tensor:
    sound = torch.zeros(1, samples)
    sound[0, at] = 1.0
    return sound


@pytest.mark.parametrize("samples", [400, 1000, 24_000, 72_123])
def test_a_frame_a_state(samples):
    sound = torch.zeros(2, samples)
    assert teachers.log_mel(sound).shape == (2, states_of(samples), teachers.MELS)
    assert teachers.cqt(sound).shape == (2, states_of(samples), 336)


@pytest.mark.parametrize("features", [teachers.log_mel, teachers.cqt])
def test_a_click_is_heard_where_the_state_looks(features):
    frame = 30
    found = features(click(200 + frame * 320))[0]
    loudness = found.sum(1) if features is teachers.log_mel else found[:, -48:].sum(1)
    assert int(loudness.argmax()) == frame


def test_k_means_is_deterministic_and_lowers_the_distance():
    vectors = torch.randn(500, 4, generator=torch.Generator().manual_seed(1))
    one, two, other = (teachers.KMeans.fit(vectors, 8, seed) for seed in (1, 1, 2))
    assert torch.equal(one.centres, two.centres)
    assert not torch.equal(one.centres, other.centres)
    nearest = one(vectors)
    assert torch.equal(nearest, torch.cdist(vectors, one.centres).argmin(1))
    spread = (vectors - one.centres[nearest]).pow(2).sum(1).mean()
    assert spread < 0.7 * vectors.var(dim=0).sum()
    assert one(vectors.view(50, 10, 4)).shape == (50, 10)


def test_k_means_with_copies_fills_its_clusters():
    vectors = torch.cat([torch.zeros(50, 2), torch.ones(2, 2)])
    assert torch.isfinite(teachers.KMeans.fit(vectors, 5, 0).centres).all()


def test_notes_of_one_pitch_class_are_one_code():
    t = torch.arange(RATE) / RATE
    notes = torch.stack([torch.sin(2 * math.pi * 32.7 * 2 ** (n / 12) * t) for n in range(24, 60)])
    found = chroma(teachers.cqt(notes)[:, 20:50].mean(1))
    codes = teachers.KMeans(torch.eye(12))(found)
    assert codes.tolist() == [n % 12 for n in range(24, 60)]


@pytest.fixture(scope="module")
def encodec(tmp_path_factory):
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("encodec")
    EncodecModel(EncodecConfig(num_filters=4, num_lstm_layers=1, hidden_size=16, codebook_dim=16)).save_pretrained(
        folder
    )
    return folder


def test_encodec_from_a_folder(encodec):
    teacher = teachers.Encodec.load(str(encodec))
    sound = 0.1 * torch.randn(2, 2 * RATE)
    codes = teacher(sound)
    assert codes.shape == (2, states_of(2 * RATE), teachers.ENCODEC_BOOKS)
    assert codes.dtype == torch.int64
    assert 0 <= int(codes.min()) <= int(codes.max()) < teachers.ENCODEC_CODES
    assert torch.equal(codes, teacher(sound))
    assert not any(p.requires_grad for p in teacher.parameters())


def test_what_is_no_encodec(encodec, tmp_path):
    with pytest.raises(WeightsError, match="holds no EnCodec"):
        teachers.Encodec.load(str(tmp_path))
    from safetensors.torch import load_file, save_file

    (tmp_path / "config.json").write_text((encodec / "config.json").read_text())
    kept = {k: v for k, v in load_file(encodec / "model.safetensors").items() if not k.startswith("quantizer")}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"misses \d+ tensors of an EnCodec, such as quantizer"):
        teachers.Encodec.load(str(tmp_path))
