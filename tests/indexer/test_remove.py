"""Taking paths out of a library, and giving them back."""

from __future__ import annotations

import shutil

import pytest
from fake_library import FakeEmbedder, midi, write_folder
from mmbert_indexer.build import build_library
from mmbert_indexer.remove import remove_paths

from mmbert.errors import LibraryError, UsageError
from mmbert.store import open_library
from mmbert.store.verify import verify_library


def titles(library):
    return sorted(open_library(library).current().pieces.title)


def test_a_removed_file_stays_out_until_it_is_given_itself(library, music, embedder):
    build_library(library, [music], embedder)
    report = remove_paths(library, [music / "tune00.mid"])
    assert (report.files, report.removed, report.pieces, report.generation) == (1, 1, 4, "gen-000002")
    assert (music / "tune00.mid").exists()
    assert build_library(library, [music], embedder).generation == "gen-000002"
    assert "Tune 0" not in titles(library)
    report = build_library(library, [music / "tune00.mid"], embedder)
    assert (report.pieces, report.embedded) == (5, 0)
    assert open_library(library).current().manifest["sources"] == [str(music)]
    assert verify_library(library).sound


def test_a_removed_folder_and_all_in_it(library, music, embedder):
    write_folder(music / "inner", 3, start=80)
    build_library(library, [music], embedder)
    assert remove_paths(library, [music / "inner"]).removed == 3
    assert build_library(library, [music], embedder).pieces == 5
    assert build_library(library, [music / "inner"], embedder).pieces == 8


def test_a_removed_source_is_forgotten(library, music, tmp_path, embedder):
    other = write_folder(tmp_path / "other", 2, start=80)
    build_library(library, [music, other], embedder)
    remove_paths(library, [other])
    manifest = open_library(library).current().manifest
    assert (manifest["sources"], manifest["removed"]) == ([str(music)], [])
    assert build_library(library, [music], embedder).pieces == 5


def test_a_file_that_is_gone_from_the_disk_can_be_removed(library, music, embedder):
    build_library(library, [music], embedder)
    (music / "tune00.mid").unlink()
    assert remove_paths(library, [music / "tune00.mid"]).pieces == 4


def test_a_piece_stays_while_another_file_holds_it(library, music, embedder):
    shutil.copy(music / "tune00.mid", music / "copy.mid")
    build_library(library, [music], embedder)
    report = remove_paths(library, [music / "tune00.mid"])
    assert (report.files, report.removed, report.pieces) == (1, 0, 5)


def test_the_last_piece_can_be_removed(library, music, embedder):
    build_library(library, [music], embedder)
    assert remove_paths(library, [music]).pieces == 0
    generation = open_library(library).current()
    assert generation.n_pieces == 0
    assert generation.full_text(["tune"], 5) == []
    _, row = generation.vectors.search("joint/pieces", generation.vectors.rows("joint/pieces", []).sum(0), 3)
    assert row.tolist() == [[-1, -1, -1]]
    assert build_library(library, [music], embedder).pieces == 5


def test_rejects_of_a_removed_file_go_with_it(library, music, embedder):
    (music / "bad.mid").write_bytes(b"no music")
    build_library(library, [music], embedder)
    assert remove_paths(library, [music / "bad.mid"]).pieces == 5
    assert open_library(library).current().rejects() == []


def test_what_is_not_there_cannot_be_removed(library, music, embedder, tmp_path):
    with pytest.raises(LibraryError, match="does not exist"):
        remove_paths(library, [music])
    build_library(library, [music], embedder)
    with pytest.raises(UsageError, match="not in this library"):
        remove_paths(library, [music / "tune00.mid", tmp_path / "nothing"])
    assert open_library(library).current().name == "gen-000001"


def test_removing_after_the_model_changed_keeps_the_published_one(library, music, embedder):
    build_library(library, [music], embedder)
    remove_paths(library, [music / "tune00.mid"])
    assert open_library(library).current().fingerprint == FakeEmbedder().fingerprint


@pytest.mark.parametrize("lost", ["work", "work/shards", "work/ledger.sqlite"])
def test_nothing_else_goes_where_the_work_folder_is_lost(library, music, embedder, lost):
    build_library(library, [music], embedder)
    path = library / lost
    shutil.rmtree(path) if path.is_dir() else path.write_bytes(b"garbage" * 999)
    with pytest.raises(LibraryError, match="Run mmbert index build, then remove again"):
        remove_paths(library, [music / "tune00.mid"])
    assert len(titles(library)) == 5
    build_library(library, [music], embedder)
    assert remove_paths(library, [music / "tune00.mid"]).pieces == 4


def test_what_a_repair_put_aside_waits_for_a_build(library, music, embedder):
    build_library(library, [music], embedder)
    aside = library / "generations" / "gen-000000.damaged"
    aside.mkdir()
    remove_paths(library, [music / "tune00.mid"])
    assert aside.exists()
    (music / "new.mid").write_bytes(midi(99))
    build_library(library, [music], embedder)
    assert not aside.exists()
