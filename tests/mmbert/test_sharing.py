"""One model, many threads: waiting questions go through together, faults reach everybody, words are not read twice."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.embed import Embedder
from mmbert.errors import WeightsError
from mmbert.retrieval.calibrate import Calibration
from mmbert.sharing import REMEMBERED, TOGETHER, SharedEmbedder


class Slow:
    """Takes its time; a text's vector is its length."""

    fingerprint, dim = "f" * 64, 2

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds, self.batches, self.inside, self.most = seconds, [], 0, 0
        self._lock = threading.Lock()

    def embed_texts(self, texts):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(self.seconds)
        self.batches.append(list(texts))
        with self._lock:
            self.inside -= 1
        if "fault" in texts:
            raise WeightsError("weights", "are faulty")
        return np.array([[len(t), 1] for t in texts], np.float32).reshape(-1, 2)

    def language(self, texts):
        return np.array([[len(t)] for t in texts], np.float32).reshape(-1, 1)

    def embed_statements(self):
        return np.ones((3, 2), np.float32)


def shared(slow: Slow) -> SharedEmbedder:
    out = SharedEmbedder()
    out._loaded = slow  # type: ignore[assignment]
    return out


def test_questions_that_wait_go_through_together_each_with_its_own_vectors() -> None:
    model = Slow()
    embedder = shared(model)
    questions = [["x" * n, "y" * (n + 1)] for n in range(1, 25)]
    with ThreadPoolExecutor(len(questions)) as pool:
        answers = list(pool.map(embedder.embed_texts, questions))
    for n, rows in enumerate(answers, 1):
        assert rows.tolist() == [[n, 1], [n + 1, 1]]
    assert len(model.batches) < 8
    assert model.most == 1
    assert max(map(len, model.batches)) <= TOGETHER


def test_one_question_alone_waits_for_nobody() -> None:
    model = Slow(0)
    assert shared(model).embed_texts(["abc"]).tolist() == [[3, 1]]
    assert shared(model).embed_texts([]).shape == (0, 2)
    assert shared(model).language(["abc"]).tolist() == [[3]]


def test_the_same_words_are_read_once_and_few_are_remembered() -> None:
    model = Slow(0)
    embedder = shared(model)
    for _ in range(3):
        embedder.embed_texts(["slow", "hymn"])
        embedder.language(["hymn"])
    assert model.batches == [["slow", "hymn"]]
    embedder.embed_texts([f"{n}" for n in range(REMEMBERED)])
    embedder.embed_texts(["slow"])
    assert model.batches[-1] == ["slow"]


def test_a_library_as_it_is_opened_judges_vague_words(tunes: Path, tiny_weights: Path, tmp_path: Path) -> None:
    """Nothing stands in for the model here: all that lies between a question and its weights must pass it on."""
    weights, path = tmp_path / "weights", tmp_path / "library"
    shutil.copytree(tiny_weights, weights)
    embedder = Embedder.from_pretrained(weights)
    build_library(path, [tunes], embedder)
    music = embedder.language(["wistful mood"])
    Calibration(np.zeros(32, np.float32), np.eye(32, dtype=np.float32), music, 0.05, 0.9).save(
        weights, embedder.fingerprint
    )
    with Library.open(path, weights) as library:
        assert not library.search("wistful mood").nothing_fits
        assert library.search("error 404 page").nothing_fits


def test_a_fault_reaches_everybody_who_waited_and_nobody_after() -> None:
    model = Slow()
    embedder = shared(model)
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(embedder.embed_texts, [t]) for t in ("a", "fault", "b", "c")]
        outcomes = [job.exception() for job in jobs]
    assert isinstance(outcomes[1], WeightsError)
    assert embedder.embed_texts(["d"]).tolist() == [[1, 1]]


def test_the_weights_are_loaded_once_by_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[object] = []

    def load(weights: object) -> Slow:
        time.sleep(0.05)
        loads.append(weights)
        return Slow(0)

    monkeypatch.setattr(Embedder, "from_pretrained", load)
    embedder = SharedEmbedder("some weights")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(embedder.embed_texts, [["a"], ["b"], ["c"], ["d"]]))
    assert loads == ["some weights"]


def test_words_read_among_others_get_the_vectors_that_they_get_alone(tiny_weights: Path) -> None:
    texts = ["slow", "a lively jig in D major", "hymn " * 60, "waltz", "something sad for two voices"] * 2
    texts = [f"{t} {n}" for n, t in enumerate(texts)]
    embedder = SharedEmbedder(tiny_weights)
    with ThreadPoolExecutor(len(texts)) as pool:
        together = list(pool.map(lambda t: (embedder.embed_texts([t])[0], embedder.language([t])[0]), texts))
    direct = Embedder.from_pretrained(tiny_weights)
    for text, (vector, mean) in zip(texts, together, strict=True):
        assert np.allclose(vector, direct.embed_texts([text])[0], atol=1e-5)
        assert np.allclose(mean, direct.language([text])[0], atol=1e-5)


def test_questions_are_answered_while_the_vocabulary_is_read_once() -> None:
    model = Slow(0.02)
    embedder = shared(model)
    with ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(lambda: embedder.vocabulary) for _ in range(2)]
        while not model.batches:
            time.sleep(0.005)
        pool.submit(embedder.embed_texts, ["a question"]).result()
        assert not reading[0].done()
        assert reading[0].result() is reading[1].result()
    texts = [text for batch in model.batches for text in batch]
    assert set(texts) == {"a question", *(words for words, _ in reading[0].result().phrases)}
    assert len(texts) <= len(reading[0].result().phrases) + 1
    assert max(map(len, model.batches)) <= TOGETHER + 1
