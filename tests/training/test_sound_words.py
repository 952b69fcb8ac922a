"""Readers of words for sounds are learned as their equations say, and what is written is what is read."""

from __future__ import annotations

import numpy as np
import pytest
from mmbert_training.evaluate.audio_tags import tags
from mmbert_training.evaluate.sound_settings import grid
from mmbert_training.evaluate.text_to_audio import FLOOR, table
from mmbert_training.sound_statistics import statistics
from mmbert_training.sound_words import Captions, Setting, by_names, kept_terms, learn, of_music, ridge, taught

from mmbert.cli import main
from mmbert.retrieval.sound_words import STATISTICS, SoundWords, default_folder, tfidf

WORDS = ("violin", "drums", "flute", "organ")


@pytest.fixture(scope="module")
def captions() -> Captions:
    """Eighty captions of two instruments each; the text model knows a word by its own axis."""
    rng = np.random.default_rng(0)
    pairs = [rng.choice(4, 2, replace=False) for _ in range(80)]
    texts = [f"a {WORDS[a]} with {WORDS[b]} and reverberation" for a, b in pairs] + list(WORDS)
    truth = np.array([[i in p for i in range(4)] for p in pairs], np.float32)
    truth = np.concatenate([truth, np.eye(4, dtype=np.float32)])
    language = truth @ np.eye(4, 6, dtype=np.float32) + rng.normal(0, 0.05, (84, 6)).astype(np.float32)
    language /= np.linalg.norm(language, axis=1, keepdims=True)
    return Captions(tuple(texts), np.arange(84) >= 80, language, truth, np.array([191, 162, 196, 155]))


def test_ridge_minimises_its_sum_on_either_side():
    rng = np.random.default_rng(1)
    for n, d in ((30, 5), (6, 20)):
        x, y, w = rng.normal(size=(n, d)), rng.normal(size=(n, 2)), rng.uniform(1, 3, n).astype(np.float32)
        matrix, constant = ridge(x.astype(np.float32), y.astype(np.float32), w, 2.0)

        def cost(m, c):
            return (w[:, None] * (x @ m + c - y) ** 2).sum() + 2.0 * (m**2).sum()  # noqa: B023

        best = cost(matrix, constant)
        for _ in range(20):
            assert cost(matrix + rng.normal(0, 0.01, matrix.shape), constant + rng.normal(0, 0.01, 2)) > best - 1e-6


def test_what_readers_say_of_captions_is_standardised(captions):
    terms, idf = kept_terms(captions)
    for inputs, reader in (
        (said := tfidf(captions.texts, terms, idf), taught(captions, said, 3, 4)),
        (captions.language, by_names(captions)),
    ):
        found = (inputs @ reader.matrix + reader.constant)[:80]
        np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-4)


def test_what_is_learned_names_the_right_sound_and_is_read_as_it_was_written(captions, tmp_path):
    learned = learn(captions, Setting())
    learned.save(tmp_path)
    (tmp_path / STATISTICS).write_bytes((default_folder() / STATISTICS).read_bytes())
    read, made = SoundWords.load(tmp_path), learned.reader(SoundWords.load())
    asked = ["solo violin", "drums"]
    language = captions.language[[80, 81]]
    np.testing.assert_allclose(read.directions(asked, language), made.directions(asked, language), atol=2e-3)
    assert read.directions(asked, language).argmax(axis=1).tolist() == [191, 162]
    assert "sound_words" in (tmp_path / "README.md").read_text()


def test_a_reader_without_words_knows_none(captions):
    learned = learn(captions, Setting(terms=0, language=0, cosine=1))
    assert learned.terms == ()
    assert learned.reader(SoundWords.load()).directions(["organ"], captions.language[[83]]).argmax() == 155


def test_sentences_on_the_recording_are_left_out():
    assert of_music("A solo harp. The audio quality is poor. It is calm.") == "A solo harp. It is calm."
    assert of_music("This is an amateur recording.") == "This is an amateur recording."


def test_no_setting_of_the_grid_is_tried_twice_and_the_released_one_is_in_it():
    choices = grid()
    assert len(set(choices)) == len(choices) > 100
    assert Setting() in {choice.setting for choice in choices}


def test_kinds_of_sound_weigh_the_same():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, (5, 3)), rng.normal(4, 1, (500, 3))
    mean, deviation = statistics(a, b)
    np.testing.assert_allclose(mean, (a.mean(axis=0) + b.mean(axis=0)) / 2, rtol=1e-5)
    assert (deviation > 1.5).all()


def test_a_perfect_row_is_at_one_and_chance_where_it_belongs():
    rows = {"chance": np.zeros((30, 30))} | dict.fromkeys(("label_names", "words", "chosen", "product"), np.eye(30))
    found = table(rows)
    assert [found[key] for key in FLOOR] == [1, 1, 1]
    assert found["mrr_clips"] == 1
    assert not any(key.startswith("mrr_text_to_audio") for key in found)  # those are of renderings
    assert found["rows"][0]["r@10"].startswith("0.333")


def test_tags_that_are_right_are_right_and_chance_is_told():
    logits = np.full((4, 527), -5.0)
    truth = [("Flute",), ("Cello",), ("Piano", "Organ"), ("Organ",)]
    for row, column in enumerate((196, 193, 153, 153)):
        logits[row, column] = 3
    found = tags(logits, truth)
    assert found["top1"].startswith("0.750")
    assert found["top1_chance"] == pytest.approx((1 + 1 + 2 + 1) / 16)
    assert {row["sound"]: row["average_precision"] for row in found["sounds"]}["Cello"] == 1


def test_a_folder_of_sounds_is_for_the_evaluation_that_hears_them(capsys, tmp_path):
    assert main(["eval", "octuple", "--sounds", str(tmp_path)]) == 2
    assert "audio-tags" in capsys.readouterr().err
