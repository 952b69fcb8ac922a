"""Vectors of chroma sequences: unit length, no dependence on neighbours, windows that cover all, named damage."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmbert.errors import WeightsError
from mmbert.model.tonal import HOP, OUT, WINDOW, TonalModel, TonalTower, default_tonal_weights, turned, windows


def frames(n: int, seed: int = 0) -> np.ndarray:
    """Chords that change every second or so."""
    rng = np.random.default_rng(seed)
    roots = np.repeat(rng.integers(0, 12, n), 3)[:n]
    out = np.zeros((n, 12), np.uint8)
    for up in (0, 4, 7):
        out[np.arange(n), (roots + up) % 12] = 147
    return out


@pytest.fixture(scope="module")
def model() -> TonalModel:
    torch.manual_seed(1)
    return TonalModel(TonalTower(16))


def test_vectors_are_of_unit_length_whatever_stands_beside_them(model):
    some = [frames(n, n) for n in (75, 1, 80, 12)]
    all_ = model.vectors(some)
    assert all_.shape == (4, OUT)
    assert all_.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(all_, axis=1), 1, atol=1e-5)
    for sequence, vector in zip(some, all_):
        np.testing.assert_allclose(model.vectors([sequence])[0], vector, atol=1e-5)
    assert model.vectors([]).shape == (0, OUT)


def test_silence_has_a_vector_and_no_frames_have_none(model):
    assert np.isfinite(model.vectors([np.zeros((5, 12), np.uint8)])).all()
    with pytest.raises(ValueError, match="at least one frame"):
        model.vectors([np.zeros((0, 12), np.uint8)])


@given(st.integers(1, 700))
def test_windows_cover_all_and_the_last_ends_where_the_music_does(n):
    sequence = np.arange(n * 12).reshape(n, 12)
    found = windows(sequence)
    assert {len(w) for w in found} == {min(n, WINDOW)}
    starts = [int(w[0, 0]) // 12 for w in found]
    assert starts[0] == 0
    assert starts[-1] == max(0, n - WINDOW)
    assert all(0 < b - a <= HOP for a, b in pairwise(starts))


def test_turning_a_whole_octave_changes_nothing():
    sequence = frames(20)
    assert (turned(turned(sequence, 5), 7) == sequence).all()
    assert turned(sequence, 1)[0].argmax() == (sequence[0].argmax() + 1) % 12


def test_a_saved_model_gives_the_same_vectors_and_names_damage(model, tmp_path):
    model.save(tmp_path / "saved", "# Card\n")
    again = TonalModel.from_pretrained(tmp_path / "saved")
    assert again.fingerprint == model.fingerprint
    np.testing.assert_array_equal(again.vectors([frames(75)]), model.vectors([frames(75)]))
    broken = Path(shutil.copytree(tmp_path / "saved", tmp_path / "broken"))
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"fingerprint": "0"}))
    with pytest.raises(WeightsError, match="fingerprint"):
        TonalModel.from_pretrained(broken)
    (broken / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match="damaged"):
        TonalModel.from_pretrained(broken)
    with pytest.raises(WeightsError, match="no folder of tonal weights"):
        TonalModel.from_pretrained(tmp_path / "none")


def test_released_weights_are_small_and_tell_pieces_apart():
    assert sum(f.stat().st_size for f in default_tonal_weights().iterdir()) <= 2**19
    released = TonalModel.from_pretrained()
    pieces = [frames(200, seed) for seed in range(12)]
    asked = released.vectors([piece[40:115] for piece in pieces])
    near = np.stack([(released.document(piece) @ asked.T).max(axis=0) for piece in pieces])  # [pieces, asked]
    assert (near.argmax(axis=0) == np.arange(12)).mean() >= 0.9
