"""Vectors of chroma are taught with the right window, in every key, and a few steps find a piece by its rendering."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmbert_training import tonal
from mmbert_training.sound_pack import Sounds
from mmbert_training.tonal import Examples, How, measured, resampled, train, unclean, window_of

from mmbert.model.tonal import HOP, WINDOW, TonalModel
from tests.training.toy_sounds import toy_sounds


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    return toy_sounds()


def test_a_window_holds_the_middle_of_what_is_asked():
    score = np.arange(400 * 12).reshape(400, 12)
    rng = np.random.default_rng(0)
    for low in (0, 100, 330):
        window = window_of(score, low, low + 70, rng)
        begin = int(window[0, 0]) // 12
        assert len(window) == WINDOW
        assert begin <= low + 35 <= begin + WINDOW
        assert abs(begin + WINDOW / 2 - (low + 35)) <= HOP / 2 + 1 or begin in (0, 320)
    assert len(window_of(score[:9], 0, 9, rng)) == 9


def test_a_faster_reading_skips_frames():
    frames = np.repeat(np.arange(10, dtype=np.uint8)[:, None] * 25, 12, axis=1)
    read = resampled(frames, 1.0, 2.0, 4)
    np.testing.assert_allclose(read[:, 0], np.array([25, 75, 125, 175]) / 255)
    assert resampled(frames, 8.0, 2.0, 4)[-1, 0] == pytest.approx(225 / 255)  # the end is held


def test_unclean_frames_are_stored_frames_that_still_sound_like_the_score():
    rng = np.random.default_rng(1)
    clean = resampled(toy_sounds(1).score_of(0), 0, 1.0, 60)
    heard = unclean(clean, rng)
    assert heard.dtype == np.uint8
    length = np.linalg.norm(heard / 255, axis=1)
    np.testing.assert_allclose(length, 1, atol=0.02)
    assert np.mean([a @ b for a, b in zip(clean, heard / 255)]) > 0.7


def test_a_batch_holds_each_work_once_and_renderings_first(sounds):
    examples = Examples(sounds, 0.5)
    queries, documents = examples.draw(np.random.default_rng(0), 20)
    assert len(queries) == len(documents) == 20
    assert all(q.shape[1] == 12 and 25 <= len(q) <= 75 for q in queries)
    assert {sounds.works[w]["split"] for w in examples.works} == {"train"}
    again, _ = examples.draw(np.random.default_rng(0), 20)
    np.testing.assert_array_equal(queries[0], again[0])


def test_a_few_steps_find_the_score_of_a_rendering(sounds):
    model = TonalModel(train(sounds, 1, How(steps=30, batch=24, dim=32)))
    rows, works = sounds.rows("validation"), sounds.works_of("validation")
    found = measured(model, sounds, rows, works)
    assert found["mrr_windows"] > 0.6  # chance .29
    assert measured(model, sounds, rows, works, seconds=4)["mrr_windows"] <= found["mrr_windows"] + 0.1
    one, other = (train(sounds, 5, How(steps=2, batch=8, dim=8)) for _ in range(2))
    for a, b in zip(one.parameters(), other.parameters()):
        torch.testing.assert_close(a, b)


def test_the_command_writes_a_model_with_a_card(sounds, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tonal, "load_sounds", lambda folder: sounds)
    tonal._main(Path("pack"), tmp_path, steps=1)
    assert TonalModel.from_pretrained(tmp_path).fingerprint
    assert "best window of a score" in (tmp_path / "README.md").read_text()
    line = capsys.readouterr().out.splitlines()[0]
    assert json.loads(line.partition(": ")[2])["mrr_mean"] > 0
