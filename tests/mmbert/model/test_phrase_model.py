"""The released model of phrases: unit vectors, scores that no key, batch or order changes, and damage that is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmbert.errors import WeightsError
from mmbert.model.phrase_model import PhraseModel, default_phrase_weights
from mmbert.symbolic.phrases import TASKS, PhraseTable, joined

BAR = 4 * 48


def phrase(seed: int, semitones: int = 0, metre: tuple[int, int] = (4, 4)) -> PhraseTable:
    """A wandering line over held triads; written some semitones higher, its shift as many lower."""
    rng = np.random.default_rng(seed)
    line = 60 + semitones + np.array([0, 2, 4, 5, 7, 9, 11])[rng.integers(0, 7, 12)]
    melody = np.array([(i * 48, 48, p) for i, p in enumerate(line)], np.int32)
    chords = [(b * 144, 144, int(line[3 * b]) - 24 + k) for b in range(4) for k in (0, 4, 7)]
    return PhraseTable(
        np.zeros(1, np.int32), np.array([metre], np.int32), np.array([-semitones], np.int8),
        melody, np.array([0, len(melody)]), np.array(chords, np.int32), np.array([0, len(chords)]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def model() -> PhraseModel:
    return PhraseModel.from_pretrained()


@pytest.fixture(scope="module")
def documents() -> PhraseTable:
    return joined([phrase(seed, metre=(3, 4) if seed % 3 else (4, 4)) for seed in range(12)])


@pytest.mark.parametrize("task", TASKS)
def test_vectors_are_of_unit_length_whatever_stands_beside_them(model, documents, task):
    for vectors in (model.query_vectors, model.document_vectors):
        all_ = vectors(documents, task)
        assert all_.shape == (12, model.dims[task])
        assert all_.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(all_, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(vectors(documents.rows(np.array([7])), task)[0], all_[7], atol=1e-5)
        assert vectors(documents.rows(np.zeros(0, np.int64)), task).shape == (0, model.dims[task])


def test_vectors_fit_into_a_library(model):
    assert model.dims["completion"] <= 256
    assert model.dims["accompaniment"] <= 512
    assert sum(f.stat().st_size for f in default_phrase_weights().iterdir()) <= 2 * 2**20


@pytest.mark.parametrize("task", TASKS)
def test_scores_are_the_same_in_another_key_and_order(model, documents, task):
    def scores(query: PhraseTable, found: PhraseTable) -> np.ndarray:
        products = model.document_vectors(found, task) @ model.query_vectors(query, task)[0]
        return model.scores(query, found, task, products)

    here = scores(phrase(3), documents)
    assert here.shape == (12,)
    assert here.dtype == np.float32
    assert np.ptp(here) > 0.1
    np.testing.assert_allclose(scores(phrase(3, semitones=4), documents), here, atol=1e-4)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_allclose(scores(phrase(3), documents.rows(order)), here[order], atol=1e-4)
    np.testing.assert_allclose(scores(phrase(3), documents.rows(order[:2])), here[order[:2]], atol=1e-4)


def test_phrases_without_accompaniment_are_scored_too(model, documents):
    bare = documents.rows(np.arange(2))
    bare = PhraseTable(
        bare.start_bar, bare.metre, bare.shift, bare.melody, bare.melody_start,
        np.zeros((0, 3), np.int32), np.zeros(3, np.int64),
    )  # fmt: skip
    products = model.document_vectors(bare, "accompaniment") @ model.query_vectors(phrase(1), "accompaniment")[0]
    assert np.isfinite(model.scores(phrase(1), bare, "accompaniment", products)).all()


def test_what_does_not_belong_together_is_refused(model, documents):
    with pytest.raises(ValueError, match="query: 12 phrases"):
        model.scores(documents, documents, "completion", np.zeros(12, np.float32))
    with pytest.raises(ValueError, match="products: 3 for 12 documents"):
        model.scores(phrase(0), documents, "completion", np.zeros(3, np.float32))


def test_a_saved_model_is_the_same_and_damage_is_named(model, tmp_path: Path):
    model.save(tmp_path / "again", "# card\n")
    again = PhraseModel.from_pretrained(tmp_path / "again")
    assert again.fingerprint == model.fingerprint
    assert again.weights == model.weights
    with pytest.raises(WeightsError, match="no folder of phrase weights"):
        PhraseModel.from_pretrained(tmp_path / "nowhere")
    other = shutil.copytree(tmp_path / "again", tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "fingerprint": "0" * 64}))
    with pytest.raises(WeightsError, match="fingerprint"):
        PhraseModel.from_pretrained(other)
    (other / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="is damaged"):
        PhraseModel.from_pretrained(other)
