"""Front ends give what arithmetic says of pure tones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.audio import cola, vggish
from mmbert.audio.spectrum import BINS_AN_OCTAVE, CQT_BINS, LOWEST, chroma, constant_q, mel_basis, resample


def tone(hertz: float, rate: int, seconds: float = 2.0, amplitude: float = 1.0) -> torch.Tensor:
    return amplitude * torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate)[None]


@pytest.mark.parametrize("wanted", [16_000, 24_000, 32_000, 48_000])
def test_a_tone_keeps_its_wave_at_another_rate(wanted):
    found = resample(tone(1000, 32_000), 32_000, wanted)
    assert found.shape == (1, 2 * wanted)
    assert (found - tone(1000, wanted))[:, 200:-200].abs().max() < 2e-3


def test_what_lies_above_nyquist_is_gone():
    assert resample(tone(9000, 32_000), 32_000, 16_000)[:, 200:-200].abs().max() < 0.02


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3000), st.sampled_from([(32_000, 24_000), (24_000, 16_000), (16_000, 48_000)]))
def test_lengths_are_rounded_up(n, rates):
    assert resample(torch.ones(2, n), *rates).shape == (2, math.ceil(n * rates[1] / rates[0]))


def test_a_mel_band_is_where_the_formula_puts_it():
    basis = mel_basis(16_000, 512, 64, 125.0, 7_500.0)
    low, high = (1127 * math.log1p(f / 700) for f in (125.0, 7_500.0))
    at_1000_hz = (1127 * math.log1p(1000 / 700) - low) / (high - low) * 65 - 1
    assert abs(int(basis[32].argmax()) - at_1000_hz) < 1  # 32 bins of 31.25 Hz
    assert not basis[0].any()


def test_vggish_patches():
    patches = vggish.log_mel_patches(tone(1000, vggish.RATE, 5.0))
    assert patches.shape == (1, 5, 96, 64)
    assert set(patches[0].flatten(0, 1).argmax(1).tolist()) == {19}  # mel 1000 of 185 to 2773, in 65 steps
    silent = vggish.log_mel_patches(torch.zeros(1, 100))
    assert silent.shape == (1, 1, 96, 64)
    np.testing.assert_allclose(silent, math.log(0.01), atol=1e-5)


def test_cola_spectra():
    clip = cola.unit_clip(tone(1000, cola.RATE, 1.0))
    assert clip.norm() == pytest.approx(1.0, abs=1e-5)
    mel = cola.log_mel(clip)
    assert mel.shape == (1, 98, 64)
    peak = int(mel[0].mean(0).argmax())
    low, high = (1127 * math.log1p(f / 700) for f in (60.0, 7_800.0))
    assert abs(peak - ((1127 * math.log1p(1000 / 700) - low) / (high - low) * 65 - 1)) < 1
    np.testing.assert_allclose(cola.log_mel(torch.zeros(1, cola.RATE)), math.log(1e-5), atol=1e-4)
    louder = cola.log_mel(cola.unit_clip(7 * tone(1000, cola.RATE, 1.0)))
    np.testing.assert_allclose(louder.exp(), mel.exp(), atol=1e-5)  # near the floor a logarithm shows rounding


@pytest.mark.parametrize("note", [0, 12, 45, 57, 83])
def test_constant_q_of_a_note(note):
    found = constant_q(tone(LOWEST * 2 ** (note / 12), 24_000, 4.0))
    assert found.shape == (1, 300, CQT_BINS)
    middle = found[0, 150]
    assert int(middle.argmax()) == note * BINS_AN_OCTAVE // 12
    assert middle.max() == pytest.approx(0.5, abs=0.01)
    assert int(chroma(middle).argmax()) == note % 12
    assert chroma(middle).norm() == pytest.approx(1.0)
