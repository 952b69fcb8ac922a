"""mmbert index gc: what nobody needs goes, what a reader or a build may still use stays."""

from __future__ import annotations

import shutil

import pytest
from fake_library import FakeEmbedder, hashes, midi
from mmbert_indexer.build import build_library
from mmbert_indexer.gc import collect_garbage
from mmbert_indexer.lock import build_lock
from mmbert_indexer.repair import repair_library
from mmbert_indexer.stop import BuildStopped

from mmbert.errors import LibraryError
from mmbert.store import files, open_library
from mmbert.store.verify import verify_library


@pytest.fixture
def built(library, music, embedder):
    build_library(library, [music], embedder)
    return library


def test_after_a_build_there_is_nothing_to_free(built):
    report = collect_garbage(built)
    assert (report.generation, report.kept, report.deleted, report.bytes) == ("gen-000001", ("gen-000001",), (), 0)


def test_what_is_left_over_is_freed_and_named(built):
    before = hashes(built)
    generations = built / "generations"
    for number in (2, 3):
        shutil.copytree(generations / "gen-000001", generations / f"gen-00000{number}")
    (generations / "gen-000003.building-7").mkdir()
    (generations / "gen-000009.damaged").mkdir()
    (built / "CURRENT.tmp").write_bytes(b"gen-0")
    (built / "work/shards/joint-deadbeef").mkdir()
    (built / "work/shards/joint-deadbeef/000001.open").write_bytes(bytes(1000))
    (built / "work/shards/joint-f00dfeed/000007.f16").write_bytes(bytes(500))
    report = collect_garbage(built)
    assert report.deleted == (
        "generations/gen-000002",
        "work/shards/joint-deadbeef",
        "work/shards/joint-f00dfeed/000007.f16",
        "generations/gen-000009.damaged",
        "generations/gen-000003.building-7",
        "CURRENT.tmp",
    )
    assert report.kept == ("gen-000003", "gen-000001")
    assert 1505 < report.bytes < 200_000
    assert hashes(built) == before
    assert verify_library(built).sound


def test_an_open_reader_goes_on(built, music, embedder):
    generation = open_library(built).current()
    query = generation.vectors.rows("joint/pieces", [0])
    for number in range(2):
        (music / f"new{number}.mid").write_bytes(midi(90 + number))
        build_library(built, [music], embedder)
    collect_garbage(built)
    assert not (built / "generations" / generation.name).exists()
    similarity, rows = generation.vectors.search("joint/pieces", query, 3)
    assert rows[0, 0] == 0
    assert similarity[0, 0] == pytest.approx(1, abs=1e-3)
    assert len(generation.full_text(["tune"], 9)) == 5
    assert len(generation.paths(0)) == 1
    assert generation.rejects() == []
    generation.close()


def test_the_work_of_an_unfinished_build_stays(built, music, monkeypatch):
    """A build with another model was stopped: what it embedded is under no generation yet."""
    monkeypatch.setattr("mmbert_indexer.batches.PIECES_A_BATCH", 2)
    other = FakeEmbedder(fingerprint="deadbeef" * 8)
    embed, asked = other.embed_prepared, []

    def stopping(items):
        asked.extend(items)
        if len(asked) > 2:
            raise BuildStopped(2, 0, 0)
        return embed(items)

    other.embed_prepared = stopping
    with pytest.raises(BuildStopped):
        build_library(built, [music], other)
    assert collect_garbage(built).deleted == ()
    rest = FakeEmbedder(fingerprint="deadbeef" * 8)
    build_library(built, [music], rest)
    assert len(rest.asked) == 3


def test_vectors_of_files_that_are_gone_for_now_stay(built, music, embedder):
    (music / "tune00.mid").rename(music.parent / "tune00.mid")
    build_library(built, [music], embedder)
    collect_garbage(built)
    (music.parent / "tune00.mid").rename(music / "tune00.mid")
    assert build_library(built, [music], embedder).embedded == 0


@pytest.mark.parametrize("damage", ["CURRENT", "generations/gen-000001/records.sqlite", "work/ledger.sqlite"])
@pytest.mark.parametrize("gone", [False, True])
def test_in_a_damaged_library_nothing_is_deleted(built, damage, gone):
    (built / "generations/gen-000002.building-7").mkdir()
    if gone:
        (built / damage).unlink()
    else:
        (built / damage).write_bytes(b"garbage" * 1000)
    with pytest.raises(LibraryError, match=rf"nothing was deleted\. Run: mmbert index repair {built}"):
        collect_garbage(built)
    assert (built / "generations/gen-000002.building-7").exists()
    repair_library(built)
    collect_garbage(built)
    assert verify_library(built).sound


def test_a_library_without_its_work(built):
    shutil.rmtree(built / "work")
    assert collect_garbage(built).deleted == ()
    assert not (built / "work").exists()


def test_beside_a_build_nothing_is_deleted(built):
    with build_lock(built), pytest.raises(LibraryError, match="Another build is running"):
        collect_garbage(built)


def test_what_cannot_be_deleted_is_not_called_deleted(built, monkeypatch, capsys):
    class Stubborn(files.Disk):
        """A disk on which somebody holds a folder open."""

        def remove_tree(self, path):
            if "deadbeef" not in path.name:
                super().remove_tree(path)

    for name in ("deadbeef", "cafecafe"):
        (built / f"work/shards/joint-{name}").mkdir()
        (built / f"work/shards/joint-{name}/000001.open").write_bytes(bytes(1000))
    monkeypatch.setattr(files, "disk", Stubborn())
    report = collect_garbage(built)
    assert (report.deleted, report.bytes) == (("work/shards/joint-cafecafe",), 1000)
    assert "joint-deadbeef is no longer needed and could not be deleted" in capsys.readouterr().err
