"""The recording stream: shape and time, no dependence on what stands beside a row, and words where there is none."""

from __future__ import annotations

import pytest
import torch

from mmbert.audio.sounds import SOUNDS
from mmbert.model import MmbertModel, ModelConfig
from mmbert.model.recording import RecordingEncoder
from mmbert.prepare import STATE

CONFIG = ModelConfig(modalities=("text", "facets", "score", "recording"), layers=1, symbolic_layers=1)


@pytest.fixture(scope="module")
def model() -> MmbertModel:
    torch.manual_seed(3)
    return MmbertModel(CONFIG).eval()


def heard(rows: int, seconds: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows)
    states = torch.randn(rows, seconds, STATE, generator=generator)
    return states, torch.ones(rows, seconds, dtype=torch.bool), torch.randn(rows, SOUNDS, generator=generator)


def test_one_token_for_the_clip_and_one_a_second_in_half_seconds(model):
    stream = model.encode_recording(*heard(2, 5))
    assert stream.modality == "recording"
    assert stream.states.shape == (2, 6, CONFIG.dim)
    assert stream.mask.all()
    assert stream.position.tolist() == [[0, 0, 2, 4, 6, 8]] * 2


def test_a_row_is_the_same_beside_longer_ones(model):
    states, mask, logits = heard(3, 9)
    mask[0, 4:] = False
    with torch.inference_mode():
        beside = model.project(model.join([model.encode_recording(states, mask, logits)]), "document")
        alone = model.encode_recording(states[:1, :4], mask[:1, :4], logits[:1])
        vector = model.project(model.join([alone]), "document")
    torch.testing.assert_close(vector[0], beside[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(beside.norm(dim=1), torch.ones(3))


def test_recordings_join_with_facets(model):
    stream = model.encode_recording(*heard(2, 3))
    assert model.join([stream, model.encode_facets([[0], []])]).shape == (2, CONFIG.dim)


def test_logits_are_standardised_and_bounded():
    encoder = RecordingEncoder(CONFIG)
    encoder.mean.fill_(-5.0)
    encoder.deviation.fill_(2.0)
    logits = torch.full((1, SOUNDS), -5.0)
    logits[0, 0], logits[0, 1] = -3.0, 90.0
    assert encoder.standardised(logits)[0, :3].tolist() == [1.0, 4.0, 0.0]


def test_a_model_without_recordings_says_so():
    with pytest.raises(ValueError, match="no recording stream, only text, facets, score"):
        MmbertModel(ModelConfig(layers=1, symbolic_layers=1)).encode_recording(*heard(1, 1))
