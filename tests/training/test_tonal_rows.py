"""Rows by vectors of chroma: shapes, keys that are looked for, and that a piece finds itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from mmbert_training.evaluate import tonal_rows
from mmbert_training.evaluate.tonal_rows import by_passage_vector, by_vector, by_whole_vector, near

from mmbert.model.tonal import turned
from tests.training.toy_sounds import toy_sounds


@pytest.fixture
def asked():
    sounds = toy_sounds(6)
    scores = tuple(sounds.score_of(i) for i in range(6))
    parts = tuple(SimpleNamespace(start=8.0, speed=1.0) for _ in scores)
    heard = tuple(score[20:95] for score in scores)
    return SimpleNamespace(heard=heard, candidates=scores, excerpts=parts, target=np.arange(6))


def test_every_row_finds_what_is_played_in_clean_notes(asked):
    for row in (by_vector(30), by_passage_vector(30), by_whole_vector):
        scores = row(asked)
        assert scores.shape == (6, 6)
        assert (scores.argmax(axis=1) == np.arange(6)).mean() >= 0.8


def test_another_key_is_found_by_turning(asked):
    high = [turned(frames, 3) for frames in asked.heard]
    plain, any_key = near(high, asked.candidates), near(high, asked.candidates, (0, -3))
    np.testing.assert_allclose(any_key, np.maximum(plain, near(asked.heard, asked.candidates)), atol=1e-5)


def test_a_long_question_counts_its_best_window(asked):
    whole = near([asked.candidates[2]], asked.candidates)
    assert whole[0, 2] == pytest.approx(1, abs=1e-4)
    assert tonal_rows._model() is tonal_rows._model()
