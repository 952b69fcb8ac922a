"""Items and words to vectors: order, errors, places, and no vector depends on its neighbours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmbert.embed import Embedder, _evenly
from mmbert.errors import ItemError, WeightsError
from mmbert.items import write_midi
from mmbert.model.config import PIECE_BARS
from mmbert.prepare import prepare
from mmbert.retrieval.calibrate import Calibration
from mmbert.symbolic.score import Score
from mmbert.types import Embedded, Item, Recording, Sound, Source


def item(notes: Sequence[tuple], number: int = 0, **metadata: str) -> Item:
    score = Score.build(list(notes), 480, tempo_map=[(0, 100.0)], metre_map=[(0, 4, 4)])
    return Item("score", Source(Path("a.mid"), "0" * 64, number), metadata, score=score)


def melody(bars: int, seed: int = 0) -> list[tuple]:
    """Four quarters a bar."""
    rng = np.random.default_rng(seed)
    return [(i * 480, 480, int(rng.integers(55, 80)), 80, 0, False, 0) for i in range(4 * bars)]


@pytest.fixture(scope="module")
def embedder(tiny_weights: Path) -> Embedder:
    return Embedder.from_pretrained(tiny_weights)


@pytest.fixture(scope="module")
def some() -> list[Item]:
    """Pieces of 1 to 200 bars."""
    return [item(melody(bars, bars), bars) for bars in (3, 200, 1, 17, 40)]


def vectors(result: Embedded | ItemError) -> np.ndarray:
    assert isinstance(result, Embedded)
    return np.concatenate([result.piece[None], result.windows])


def test_a_piece_has_a_row_and_its_windows_have_rows(embedder: Embedder, some: list[Item]) -> None:
    for piece, result in zip(some, embedder.embed(some), strict=True):
        assert isinstance(result, Embedded)
        assert result.item is piece
        assert result.facets.bars == piece.source.number
        assert result.piece.shape == (32,)
        assert result.windows.shape == (len(result.places), 32)
        assert result.piece.dtype == result.windows.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors(result), axis=1), 1, atol=1e-5)
        assert result.places[0].start_bar == 0
        assert result.places[-1].end_bar == piece.source.number
        assert all(p.end_bar - p.start_bar <= 4 for p in result.places)
    assert embedder.kinds == {"score", "recording", "text"}
    assert embedder.dim == 32
    assert all(embedder.seconds[name] > 0 for name in ("facets", "encode", "forward"))


def test_vectors_do_not_depend_on_batch_order_or_neighbours(
    tiny_weights: Path, embedder: Embedder, some: list[Item]
) -> None:
    together = embedder.embed(some)
    small = Embedder.from_pretrained(tiny_weights, batch_size=1)
    for i, piece in enumerate(some):
        assert np.abs(vectors(small.embed([piece])[0]) - vectors(together[i])).max() < 1e-5
    for a, b in zip(embedder.embed(some[::-1])[::-1], together, strict=True):
        assert np.abs(vectors(a) - vectors(b)).max() < 1e-5


def test_memory_is_bounded_by_groups_that_change_nothing(
    embedder: Embedder, some: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = embedder.embed(some)
    monkeypatch.setattr("mmbert.embed._NOTES_AT_ONCE", 100)
    for a, b in zip(embedder.embed(some), together, strict=True):
        assert np.abs(vectors(a) - vectors(b)).max() < 1e-5


def test_a_window_is_the_same_wherever_in_the_piece_it_stands(embedder: Embedder) -> None:
    twice = embedder.embed([item(melody(16) + [(t + 16 * 1920, *rest) for t, *rest in melody(16)])])[0]
    assert isinstance(twice, Embedded)
    where = {p.start_bar: row for p, row in zip(twice.places, twice.windows, strict=True)}
    assert np.abs(where[0] - where[16]).max() < 1e-5
    assert np.abs(where[0] - where[4]).max() > 1e-3


def test_silent_stretches_have_no_row(embedder: Embedder) -> None:
    late = [(t + 24 * 1920, *rest) for t, *rest in melody(8)]
    result = embedder.embed([item(melody(8) + late)])[0]
    assert isinstance(result, Embedded)
    assert not [p for p in result.places if p.start_bar >= 8 and p.end_bar <= 24]
    assert {p.start_bar for p in result.places} >= {0, 24}


def test_facets_reach_the_piece_but_not_its_windows(embedder: Embedder) -> None:
    plain, jig = embedder.embed([item(melody(8)), item(melody(8), form="jig")])
    assert np.abs(vectors(plain)[0] - vectors(jig)[0]).max() > 1e-4
    assert np.abs(vectors(plain)[1:] - vectors(jig)[1:]).max() < 1e-5


def test_rows_of_one_stream_know_that_stream_alone(
    embedder: Embedder, some: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    jigs = [replace(piece, metadata={"form": "jig"}) for piece in some]
    ready = [prepare(piece, embedder.kinds) for piece in (*some, *jigs)]
    choices = (("facets", "score"), ("score",), ("facets",))
    both, notes, facets = embedder.piece_rows(ready, choices)
    whole = np.stack([r.piece for r in embedder.embed_prepared(ready) if isinstance(r, Embedded)])
    assert np.abs(both - whole).max() < 1e-5
    n = len(some)
    assert np.abs(notes[:n] - notes[n:]).max() < 1e-5
    assert np.abs(facets[:n] - facets[n:]).max(axis=1).min() > 1e-4
    other = replace(ready[0], facets=ready[1].facets)
    assert np.abs(embedder.piece_rows([other], [("facets",)])[0, 0] - facets[1]).max() < 1e-5
    assert embedder.piece_rows([], choices).shape == (3, 0, 32)
    monkeypatch.setattr("mmbert.embed._NOTES_AT_ONCE", 100)
    assert np.abs(embedder.piece_rows(ready, choices) - [both, notes, facets]).max() < 1e-5


def test_errors_stand_where_their_items_stood(embedder: Embedder) -> None:
    def silent() -> Sound:
        raise ItemError("x.wav", "is silent", code="E_SILENT")

    sound = Recording(8000, silent)
    source = Source(Path("x.wav"), "1" * 64)
    music = item(melody(4))
    results = embedder.embed(
        [
            Item("recording", source, recording=sound),
            music,
            item([]),
            Item("text", source, text=" "),
            Item("text", source, text="a jig"),
            replace(music, source=source),
        ]
    )
    codes = [r.code if isinstance(r, ItemError) else "" for r in results]
    assert codes == ["E_SILENT", "", "E_NO_NOTES", "E_EMPTY", "", ""]
    assert embedder.embed([]) == []
    assert embedder.embed([item([])])[0].stage == "encode"


def test_a_bar_of_very_many_notes(embedder: Embedder) -> None:
    crowd = [(i % 480, 10, 30 + i % 60, 80, 0, False, 0) for i in range(700)]
    result = embedder.embed([item(crowd + melody(6))])[0]
    assert np.isfinite(vectors(result)).all()


def test_a_performance_without_a_bar_grid_has_places_in_seconds(embedder: Embedder) -> None:
    rng = np.random.default_rng(0)
    onset = np.cumsum(rng.uniform(0.05, 0.6, 200)) * 480
    free = item([(int(t), 200, int(rng.integers(40, 90)), int(rng.integers(30, 100)), 0, False, 0) for t in onset])
    result = embedder.embed([free])[0]
    assert isinstance(result, Embedded)
    assert result.facets.free_time
    assert all(p.start_bar is None and p.end_bar is None for p in result.places)
    assert result.places[-1].end_s == pytest.approx(free.score.duration_s, abs=2.0)
    assert len(result.windows) > 5


def test_files_and_words(embedder: Embedder, tmp_path: Path) -> None:
    piece = item(melody(8))
    (tmp_path / "a.mid").write_bytes(write_midi(piece.score, {}))
    found = embedder.embed_files([tmp_path / "a.mid"])
    assert [f.item.source.path for f in found] == [tmp_path / "a.mid"]
    (tmp_path / "bad.mid").write_bytes(b"MThd")
    with pytest.raises(ItemError, match=r"bad\.mid"):
        embedder.embed_files([tmp_path / "bad.mid"])

    words = ["a lively jig in D major", "", "slow hymn"]
    rows = embedder.embed_texts(words)
    assert rows.shape == (3, 32)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.abs(embedder.embed_texts(words[2:])[0] - rows[2]).max() < 1e-5
    assert embedder.embed_texts([]).shape == (0, 32)


def test_words_as_the_text_model_alone_has_them(tiny_weights: Path) -> None:
    fresh = Embedder.from_pretrained(tiny_weights)
    words = ["a slow hymn", "hymn, slow", "error 404 page not found"]
    said = fresh.language(words)
    assert said.dtype == np.float32
    assert np.allclose(np.linalg.norm(said, axis=1), 1, atol=1e-5)
    assert said[0] @ said[1] > said[0] @ said[2]
    fresh.embed_texts(words)  # the other order of asking, and other words in between
    assert np.abs(fresh.language(words[2:])[0] - said[2]).max() < 1e-5
    assert np.abs(fresh.language(words) - said).max() < 1e-5


def test_weights_bring_their_calibration_where_they_have_one(tiny_weights: Path, tmp_path: Path) -> None:
    bare = Embedder.from_pretrained(tiny_weights)
    assert bare.calibration is None
    folder = tmp_path / "weights"
    shutil.copytree(tiny_weights, folder)
    made = Calibration(np.zeros(32, np.float32), np.eye(32, dtype=np.float32), bare.language(["a jig"]), 0.05, 0.5)
    made.save(folder, bare.fingerprint)
    found = Embedder.from_pretrained(folder)
    assert found.fingerprint == bare.fingerprint
    assert found.calibration is not None
    assert found.calibration.threshold == 0.5
    made.save(folder, "0" * 64)
    assert Embedder.from_pretrained(folder).calibration is None


def test_questions_from_several_threads(tiny_weights: Path) -> None:
    fresh = Embedder.from_pretrained(tiny_weights)
    words = ["a slow hymn"] * 3 + ["a jig for fiddle, lively and in D major"] * 3
    with ThreadPoolExecutor(6) as pool:
        rows = list(pool.map(lambda w: fresh.embed_texts([w])[0], words))
    assert np.abs(fresh.embed_texts(words) - np.stack(rows)).max() < 1e-5


def test_vectors_that_are_not_finite_never_leave(tiny_weights: Path) -> None:
    broken = Embedder.from_pretrained(tiny_weights)
    with torch.no_grad():
        broken.model.retrieval.document.bias[0] = float("nan")
        broken.model.retrieval.query.bias[0] = float("nan")
    result = broken.embed([item(melody(4))])[0]
    assert isinstance(result, ItemError)
    assert result.code == "E_NOT_FINITE"
    with pytest.raises(WeightsError, match="not finite"):
        broken.embed_texts(["a jig"])
    with pytest.raises(WeightsError, match="not finite"):
        broken.piece_rows([prepare(item(melody(4)), broken.kinds)], [("score",)])


def test_fingerprint_is_the_checkpoints(tiny_weights: Path, embedder: Embedder) -> None:
    assert embedder.fingerprint == (tiny_weights / "fingerprint").read_text().strip()


def test_bars_of_a_long_piece_are_spread_evenly() -> None:
    assert _evenly(30).tolist() == list(range(30))
    assert len(_evenly(1000)) == PIECE_BARS
    assert _evenly(1000)[[0, -1]].tolist() == [0, 999]
    assert set(np.diff(_evenly(1000))) == {7, 8}
    assert len(set(_evenly(PIECE_BARS + 1))) == PIECE_BARS
