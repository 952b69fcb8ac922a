"""The network that hears gives what its authors' code gives, however its input is cut.

``mn04_outputs.json`` was written by a second implementation: ``torch.stft``, the published mel matrix, and batch norms
that are not folded into the convolutions.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.audio.mel import FRAMES_A_SECOND, MELS, RATE, LogMel
from mmbert.audio.mn04 import WIDTH, Mn04
from mmbert.audio.sounds import SOUNDS, sound_ids, sound_names
from mmbert.errors import WeightsError

STORED = json.loads((Path(__file__).parents[2] / "data" / "mn04_outputs.json").read_text())


def signal() -> np.ndarray:
    """Ten seconds: a chord struck twice a second, in a little noise."""
    t = np.arange(10 * RATE) / RATE
    tones = [0.2 * np.sin(2 * np.pi * f * t) * np.exp(-3 * (t % 0.5)) for f in (220, 277.18, 329.63, 440)]
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(t))
    return (sum(tones) + noise).astype(np.float32)


def spectra(samples: np.ndarray, size: int) -> np.ndarray:
    mel = LogMel()
    parts = [mel.feed(samples[at : at + size]) for at in range(0, len(samples), size)]
    return np.concatenate([*parts, mel.finish()])


@pytest.fixture(scope="module")
def ear() -> Mn04:
    return Mn04.load()


def test_outputs_are_the_published_ones(ear):
    mel = spectra(signal(), RATE)
    assert mel.shape == (10 * FRAMES_A_SECOND, MELS)
    with torch.inference_mode():
        embedding = ear(torch.from_numpy(mel)[None])[0].mean(0)
        logits = ear.sounds(embedding)
    np.testing.assert_allclose(embedding, STORED["embedding"], atol=1e-4)
    np.testing.assert_allclose(logits, STORED["logits"], atol=2e-4)
    assert sound_names()[int(logits.argmax())] == "Music"


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40_000), st.integers(50, 9_000))
def test_spectra_do_not_depend_on_how_the_sound_is_cut(length, size):
    samples = signal()[:length]
    whole, cut = spectra(samples, length), spectra(samples, size)
    assert len(whole) == (1 + (length - 1) // 320 if length > 1 else 0)
    np.testing.assert_allclose(whole, cut, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 99, 100, 149, 150, 999, 1000, 1999, 2000, 2049, 2050, 6000])
def test_a_state_a_second(ear, frames):
    states = ear.hear(np.zeros((frames, MELS), np.float16))
    assert states.shape == (max(1, round(frames / 100)), WIDTH)
    assert np.isfinite(states).all()


def test_names():
    assert len(sound_names()) == len(sound_ids()) == SOUNDS
    assert {"Piano", "Violin, fiddle", "Speech"} <= set(sound_names())


def test_a_folder_without_a_network(tmp_path):
    with pytest.raises(WeightsError, match="is no network that hears"):
        Mn04.load(tmp_path)
