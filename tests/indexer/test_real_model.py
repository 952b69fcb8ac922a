"""A build with the real embedder: small random weights, real octuples, facets and windows."""

from __future__ import annotations

import pytest
from fake_library import hashes, midi
from mmbert_indexer import batches
from mmbert_indexer.build import build_library

from mmbert.store import open_library

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def real():
    from mmbert.embed import Embedder
    from mmbert.model import MmbertModel, ModelConfig

    torch.manual_seed(0)
    return Embedder(MmbertModel(ModelConfig(symbolic_layers=1, layers=1)))


def test_a_library_of_the_real_embedder(tmp_path, real, monkeypatch):
    monkeypatch.setattr(batches, "PIECES_A_BATCH", 3)
    music = tmp_path / "music"
    music.mkdir()
    for i in range(8):
        (music / f"{i}.mid").write_bytes(midi(*range(50 + i, 90, 2), title=f"Scale {i}"))
    report = build_library(tmp_path / "library", [music], real)
    assert (report.pieces, report.rejected) == (8, 0)
    assert report.windows >= 8
    beside = report.seconds_beside
    assert min(beside["facets"], beside["encode"], report.seconds_by_stage["forward"]) > 0
    generation = open_library(tmp_path / "library").current()
    assert generation.fingerprint == real.fingerprint
    similarity, row = generation.vectors.search("joint/pieces", generation.vectors.rows("joint/pieces", [4]), 3)
    assert (row[0, 0], round(float(similarity[0, 0]), 3)) == (4, 1.0)
    assert generation.facets(0).bars is not None


def test_stopped_between_batches_it_ends_with_the_same_bytes(tmp_path, real, monkeypatch):
    monkeypatch.setattr(batches, "PIECES_A_BATCH", 3)
    music = tmp_path / "music"
    music.mkdir()
    for i in range(8):
        (music / f"{i}.mid").write_bytes(midi(*range(40 + i, 90, 2)))
    build_library(tmp_path / "undisturbed", [music], real)

    class Gone(BaseException):
        pass

    def stop(done, total, pieces):
        if done == 5:
            raise Gone

    with pytest.raises(Gone):
        build_library(tmp_path / "stopped", [music], real, progress=stop)
    assert build_library(tmp_path / "stopped", [music], real).embedded == 5
    assert hashes(tmp_path / "stopped") == hashes(tmp_path / "undisturbed")
