"""Standard scores against hubs, and the rule that says that nothing fits."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.api import Library
from mmbert.audio.sounds import SOUNDS
from mmbert.errors import WeightsError
from mmbert.model.checkpoint import default_weights
from mmbert.retrieval.calibrate import FILE, UNKNOWN, Calibration, answered
from mmbert.retrieval.heard_words import HeardSounds, HeardWords
from mmbert.retrieval.shortlist import MOST_FOUND
from mmbert.types import Condition

PRINT = "f" * 64


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def calibration_of(queries: np.ndarray, language: np.ndarray | None = None, threshold: float = 0.5) -> Calibration:
    covariance = np.cov(queries.T, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    factor = (np.sqrt(np.maximum(values, 0))[:, None] * vectors.T).astype(np.float32)
    rows = np.eye(4, dtype=np.float32) if language is None else language
    return Calibration(queries.mean(axis=0).astype(np.float32), factor, rows, 0.05, threshold)


def test_the_standard_score_of_a_hub_falls() -> None:
    rng = np.random.default_rng(0)
    lean = np.zeros(16)
    lean[0] = 1.0
    queries = unit(lean + 0.15 * rng.standard_normal((1000, 16)))  # all questions lean one way
    asked = queries[0]
    hub = unit(lean)  # near to every question
    own = unit(asked - (asked @ hub) * hub)  # near to this one, and not to questions as such
    pieces = np.stack([hub, own])
    similarity = pieces @ asked
    assert similarity[0] > similarity[1]
    z = calibration_of(queries).standard(similarity, pieces)
    assert z[1] > z[0]


@given(st.integers(0, 2**32 - 1))
def test_mean_and_deviation_are_those_of_the_similarities_themselves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, pieces = unit(rng.standard_normal((60, 8))), unit(rng.standard_normal((5, 8)))
    asked = unit(rng.standard_normal(8))
    each = pieces @ queries.T
    expected = (pieces @ asked - each.mean(axis=1)) / each.std(axis=1)
    assert calibration_of(queries).standard(pieces @ asked, pieces) == pytest.approx(expected, abs=1e-3)


def test_a_piece_that_is_equally_near_to_all_has_a_finite_score() -> None:
    same = np.tile(unit(np.ones(4)), (10, 1))
    z = calibration_of(same).standard(np.array([1.0]), same[:1])
    assert np.isfinite(z).all()


COMPOSER, KEY, FORM, PACE = (Condition(*c) for c in (("composer", "~", "Bach"), ("key", "=", "D"),
                             ("form", "=", "jig"), ("pace", "=", "slow")))  # fmt: skip
NONE, FOUND = np.zeros(2), np.array([0.0, 1.0])


@pytest.mark.parametrize(
    ("conditions", "fitting", "words", "expected"),
    [
        ((), [], NONE, None),  # nothing was understood or found: the vectors decide
        ((), [], np.full(2, MOST_FOUND), None),  # half of the words alone
        ((), [], FOUND, True),
        ((COMPOSER, KEY, FORM), [[True, False], [False] * 2, [False] * 2], NONE, True),  # a name is an answer
        ((COMPOSER,), [[False, False]], NONE, False),  # and one that nobody here has is none
        ((KEY, FORM), [[True, False], [False, False]], NONE, True),
        ((KEY, FORM, PACE), [[True, False], [False, True], [False, False]], NONE, False),  # a third in one piece
        ((KEY, FORM, PACE), [[True, False], [True, False], [False, False]], NONE, True),
        ((KEY,), [[False, False]], FOUND, True),
    ],
)
def test_names_words_and_facts_decide_first(
    conditions: tuple[Condition, ...], fitting: list, words: np.ndarray, expected: bool | None
) -> None:
    assert answered(conditions, np.array(fitting, bool).reshape(-1, 2), words) is expected


def test_the_margin_counts_nearness_and_the_best_hit() -> None:
    music, other = np.array([[1.0, 0, 0, 0]], np.float32), np.array([0, 1.0, 0, 0], np.float32)
    calibration = calibration_of(unit(np.random.default_rng(0).standard_normal((9, 4))), music, threshold=0.6)
    assert calibration.margin(music[0], 0.0) == pytest.approx(0.4)
    assert calibration.margin(other, 2.0) == pytest.approx(-0.5)
    assert calibration.margin(music[0], 1.0) > calibration.margin(music[0], 0.0)


def test_it_is_kept_beside_its_weights_and_used_with_no_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = calibration_of(unit(np.random.default_rng(0).standard_normal((9, 4))), threshold=0.123456789)
    assert Calibration.load(tmp_path, PRINT) is None  # weights may come without
    made.save(tmp_path, PRINT)
    read = Calibration.load(tmp_path, PRINT)
    assert read is not None
    assert read.threshold == made.threshold
    for name in ("mean", "factor", "language"):
        assert np.array_equal(getattr(read, name), getattr(made, name))
    with caplog.at_level(logging.WARNING, "mmbert"):
        assert Calibration.load(tmp_path, "0" * 64) is None
    assert "ffffffff" in caplog.text
    assert "00000000" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"no tensors", None])
def test_a_damaged_file_is_named(tmp_path: Path, damage: bytes | None) -> None:
    calibration_of(unit(np.ones((3, 4)))).save(tmp_path, PRINT)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-3] if damage is None else damage)
    with pytest.raises(WeightsError, match=r"calibration\.safetensors.*mmbert_training\.calibrate"):
        Calibration.load(tmp_path, PRINT)


def test_the_released_weights_come_with_theirs() -> None:
    folder = default_weights()
    found = Calibration.load(folder, (folder / "fingerprint").read_text().strip())
    assert found is not None
    assert found.mean.shape == (256,)
    assert np.isfinite(found.factor).all()
    assert np.allclose(np.linalg.norm(found.language, axis=1), 1, atol=1e-2)
    assert 0 < found.threshold < 1


# ---- through a library -------------------------------------------------------------------------------------


class Speaking:
    """The embedder of the tests' library, calibrated; its text model knows music from all else."""

    def __init__(self, embedder: object, threshold: float) -> None:
        self._embedder = embedder
        self.fingerprint = PRINT
        words = embedder.embed_texts(["jig", "slow hymn", "a sad song"])  # type: ignore[attr-defined]
        self.calibration = calibration_of(words, np.eye(2, dtype=np.float32)[:1], threshold)
        self.asked: list[str] = []

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        return self._embedder.embed_texts(texts)  # type: ignore[attr-defined]

    def language(self, texts: list[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[1.0, 0.0] if "mood" in t else [0.0, 1.0] for t in texts], np.float32)


@pytest.fixture
def library(library_path: Path, embedder: object) -> Iterator[Library]:
    with Library.open(library_path) as opened:
        opened.__dict__["_embedder"] = Speaking(embedder, threshold=0.7)
        yield opened


def test_vague_words_about_music_are_answered_and_others_are_not(library: Library) -> None:
    assert not library.search("something for a wistful mood").nothing_fits
    answer = library.search("quarterly revenue report")
    assert answer.nothing_fits
    assert answer.hits  # the nearest are shown all the same
    assert library.search("zzz engine").nothing_fits  # half of the words are no answer where more can be known


@pytest.mark.parametrize("words", ["a", "x", "🎵🎵", "???", "what is it", "my"])
def test_a_question_without_a_word_that_says_anything_finds_nothing(library: Library, words: str) -> None:
    answer = library.search(words)
    assert answer.nothing_fits
    assert not any("has “" in hit.why for hit in answer.hits)
    assert library.__dict__["_embedder"].asked == []


def test_a_title_or_composer_is_an_answer_whatever_the_vectors_say(library: Library) -> None:
    for words in ("loud engine", "music by Schubert", "amazing grace"):
        assert not library.search(words).nothing_fits, words
    assert library.search("by Rachmaninoff").nothing_fits
    assert library.__dict__["_embedder"].asked == []  # nothing was asked of the vectors


def test_a_filter_of_ones_own_is_no_answer_to_ones_words(library: Library) -> None:
    assert library.search("quarterly revenue report", where="mode=minor").nothing_fits
    assert not library.search("slow waltz", where="form=waltz").nothing_fits
    assert not library.search(where="mode=minor").nothing_fits
    assert not library.search(like=library.pieces()[0].id).nothing_fits


# ---- beside recordings -------------------------------------------------------------------------------------


class Hearing(Speaking):
    """Reads words for sounds too; every question is a little nearer than it has to be."""

    class Near(Calibration):
        def margin(self, language: np.ndarray, best_z: float) -> float:
            return UNKNOWN / 2

    def __init__(self, embedder: object) -> None:
        super().__init__(embedder, 0.0)
        self.calibration = self.Near(**vars(self.calibration))

    def language(self, texts: list[str]) -> np.ndarray:
        return np.zeros((len(texts), 384), np.float32)


@pytest.fixture
def mixed(library: Library, embedder: object, monkeypatch: pytest.MonkeyPatch) -> Library:
    """The library as if its jig without a tempo were a recording, of whose seconds nothing is told."""
    monkeypatch.setattr(HeardWords, "places", lambda *_: {})
    library.__dict__["_embedder"] = Hearing(embedder)
    row = [piece.title for piece in library.pieces()].index("The Lilting Banshee")
    library.__dict__["_sounds"] = HeardSounds(np.array([row]), np.full((1, SOUNDS), SOUNDS**-0.5, np.float32))
    return library


def test_words_that_no_caption_has_come_nearer_or_are_not_answered_by_sounds(mixed: Library) -> None:
    assert mixed.search("qwertz uiop asdf").nothing_fits
    assert not mixed.search("a barking dog").nothing_fits
    mixed.__dict__["_sounds"] = None
    assert not mixed.search("qwertz uiop asdf").nothing_fits


def test_what_cannot_be_known_of_a_recording_speaks_against_nothing(mixed: Library) -> None:
    assert not mixed.search("a dog under 40 bpm").nothing_fits
    assert mixed.search("a dog in 7/8").nothing_fits  # the metre is known of all
    assert mixed.search("a dog under 40 bpm by Rachmaninoff").nothing_fits
    mixed.__dict__["_sounds"] = None
    assert mixed.search("a dog under 40 bpm").nothing_fits
