"""mmbert index repair: a library comes back from what is whole, nothing is lost, and what is left to do is said."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fake_library import FakeEmbedder, hashes, midi, write_folder
from mmbert_indexer import repair as repairing
from mmbert_indexer import shards
from mmbert_indexer.build import build_library
from mmbert_indexer.gc import collect_garbage
from mmbert_indexer.ledger import Ledger
from mmbert_indexer.lock import build_lock
from mmbert_indexer.remove import remove_paths
from mmbert_indexer.repair import repair_library
from mmbert_indexer.stop import BuildStopped

from mmbert.errors import LibraryError
from mmbert.store import open_library
from mmbert.store.verify import verify_library


def flip(path: Path, at: int = 40) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1
    path.write_bytes(data)


def current(library: Path) -> str:
    generation = open_library(library).current()
    generation.close()
    assert generation.notice == ""
    return generation.name


@pytest.fixture
def two(library, music, embedder) -> Path:
    """A library of two generations; five pieces, then six."""
    build_library(library, [music], embedder)
    (music / "new.mid").write_bytes(midi(90))
    build_library(library, [music], embedder)
    return library


def test_a_sound_library_is_left_alone(two):
    before = {p: p.read_bytes() for p in two.rglob("*") if p.is_file() and p.name != "LOCK"}
    report = repair_library(two)
    assert (report.generation, report.pieces, report.done, report.left) == ("gen-000002", 6, (), ())
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize("text", [None, "", "garbage", "gen-000099\n", "../../etc\n"])
def test_current_names_the_newest_whole_generation_again(two, text):
    before = hashes(two)
    (two / "CURRENT").unlink()
    if text is not None:
        (two / "CURRENT").write_text(text)
    report = repair_library(two)
    assert (report.generation, report.left) == ("gen-000002", ())
    assert report.done[0].startswith("CURRENT ")
    assert hashes(two) == before
    assert verify_library(two).sound


@pytest.mark.parametrize("name", ["MANIFEST.json", "records.sqlite", "joint.pieces.f16", "joint.windows.f16"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_damaged_current_generation_is_published_again_from_work(two, name, alone):
    before = hashes(two)
    if alone:
        shutil.rmtree(two / "generations/gen-000001")
    flip(two / "generations/gen-000002" / name)
    report = repair_library(two)
    assert (report.generation, report.pieces, report.left) == ("gen-000003", 6, ())
    assert report.done[0].startswith(f"gen-000002 is damaged ({name}")
    assert hashes(two) == before
    assert verify_library(two).sound
    assert (two / "generations/gen-000002.damaged" / name).exists()  # nothing is thrown away


def test_without_work_the_generation_before_is_current_and_a_build_is_named(two, music, embedder):
    before = hashes(two)
    shutil.rmtree(two / "work")
    (two / "generations/gen-000002/records.sqlite").unlink()
    report = repair_library(two)
    assert (report.generation, report.pieces) == ("gen-000001", 5)
    assert current(two) == "gen-000001"
    assert verify_library(two).sound
    assert build_library(two, [music], embedder).generation == "gen-000003"  # a number is never used twice
    assert hashes(two) == before
    assert [p.name for p in sorted((two / "generations").iterdir())] == ["gen-000001", "gen-000003"]


def test_work_that_waits_for_a_build_is_not_published_half(two, music, embedder):
    """The ledger lists a file that was never embedded: the older whole generation serves until a build has run."""
    from mmbert_indexer.build import open_ledger
    from mmbert_indexer.scan import hashed, look

    (music / "later.mid").write_bytes(midi(91))
    ledger = open_ledger(two)
    ledger.set_state(hashed(look(str(music / "later.mid"))))
    ledger.commit()
    ledger.close()
    flip(two / "generations/gen-000002/records.sqlite")
    report = repair_library(two)
    assert report.generation == "gen-000001"
    assert report.left == (f"1 files have to be read again. Run: mmbert index build {two} {music}",)
    assert build_library(two, [music], embedder).pieces == 7


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "sealed", "ledger", "no ledger", "all shards"])
def test_damaged_work_is_taken_from_the_generations(library, music, damage, monkeypatch):
    monkeypatch.setattr(shards, "SEAL_BYTES", 300 if damage == "sealed" else 1 << 20)
    monkeypatch.setattr("mmbert_indexer.batches.PIECES_A_BATCH", 2)
    build_library(library, [music], FakeEmbedder())
    before = hashes(library)
    folder = library / "work/shards/joint-f00dfeed"
    if damage == "flip":
        flip(folder / "000001.open")
    elif damage == "cut":
        os.truncate(folder / "000001.open", 200)
    elif damage == "gone":
        (folder / "000001.open").unlink()
    elif damage == "sealed":
        flip(folder / "000001.f16")
    elif damage == "ledger":
        (library / "work/ledger.sqlite").write_bytes(b"garbage" * 1000)
    elif damage == "no ledger":
        for path in (library / "work").glob("ledger.sqlite*"):
            path.unlink()
    else:
        shutil.rmtree(library / "work/shards")
    report = repair_library(library)
    assert report.generation == "gen-000001"
    assert any("taken from the generations" in sentence for sentence in report.done)
    assert ("reads every file again" in "".join(report.left)) == ("ledger" in damage)
    assert verify_library(library).sound
    assert repair_library(library).done == ()
    rest = FakeEmbedder()
    (music / "new.mid").write_bytes(midi(90))
    build_library(library, [music], rest)
    assert len(rest.asked) == 1
    (music / "new.mid").unlink()
    build_library(library, [music], rest)
    assert hashes(library) == before
    assert len(rest.asked) == 1


def test_a_repaired_library_can_be_removed_from(two, music):
    flip(two / "work/shards/joint-f00dfeed/000001.open")
    repair_library(two)
    assert remove_paths(two, [music / "new.mid"]).pieces == 5


def test_nothing_whole_is_one_sentence_with_the_way_out(two, music):
    shutil.rmtree(two / "work")
    for name in ("gen-000001", "gen-000002"):
        flip(two / "generations" / name / "records.sqlite")
    with pytest.raises(LibraryError, match=r"gen-000002 is damaged .*, and no other generation is whole") as caught:
        repair_library(two)
    assert caught.value.hint == f"Run: mmbert index build {two} FOLDER"
    assert (two / "generations/gen-000002/records.sqlite").exists()


def test_a_build_that_never_finished_is_no_damage(library, music):
    (library / "generations").mkdir(parents=True)
    with pytest.raises(LibraryError, match=r"holds no finished build yet\. Run: mmbert index build"):
        repair_library(library)


def test_library_json_and_left_overs(two):
    (two / "LIBRARY.json").write_bytes(b"\xff{")
    (two / "generations/gen-000003.building-7").mkdir()
    report = repair_library(two)
    assert report.done == (
        "LIBRARY.json was missing or unreadable: written again",
        "deleted what nothing refers to: generations/gen-000003.building-7",
    )
    assert verify_library(two).sound


def test_orphaned_sealed_shards_do_not_stand_in_the_way(library, tmp_path, monkeypatch):
    """A lost ledger beside sealed shards: their numbers are used again, their bytes are not."""
    monkeypatch.setattr(shards, "SEAL_BYTES", 300)
    monkeypatch.setattr("mmbert_indexer.batches.PIECES_A_BATCH", 2)
    music = write_folder(tmp_path / "many", 9)
    build_library(library, [music], FakeEmbedder())
    before = hashes(library)
    (library / "work/ledger.sqlite").write_bytes(b"garbage" * 1000)
    shutil.rmtree(library / "generations/gen-000001")
    build_library(library, [music], FakeEmbedder())
    assert hashes(library) == before
    assert verify_library(library).sound


def test_refusals_are_as_before(two, music):
    with build_lock(two), pytest.raises(LibraryError, match="Another build is running"):
        repair_library(two)
    (two / "work").chmod(0o555)
    try:
        with pytest.raises(LibraryError, match="read-only"):
            repair_library(two)
    finally:
        (two / "work").chmod(0o755)


def test_steps_are_told(two):
    told = []
    repairing.repair_library(two, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_orphaned_shard_that_is_damaged_goes(two):
    folder = two / "work/shards/joint-deadbeef"
    folder.mkdir()
    (folder / "000001.f16").write_bytes(bytes(100))
    (folder / "000001.json").write_text('{"sha256": "0"}')
    assert not verify_library(two).sound
    assert repair_library(two).done == ("deleted what nothing refers to: work/shards/joint-deadbeef",)
    assert verify_library(two).sound


def test_generations_that_are_gone_altogether_come_back_from_work(two):
    before = hashes(two)
    shutil.rmtree(two / "generations")
    report = repair_library(two)
    assert (report.generation, report.pieces) == ("gen-000003", 6)
    assert hashes(two) == before


OTHER = "deadbeef" * 8


def stopped_rebuild(library: Path, music: Path) -> None:
    """A build with another model that was stopped after four of its pieces."""
    other = FakeEmbedder(fingerprint=OTHER)
    embed = other.embed_prepared

    def stopping(items):
        if len(other.asked) == 4:
            raise BuildStopped(4, 0, 0)
        return embed(items)

    other.embed_prepared = stopping
    with pytest.raises(BuildStopped):
        build_library(library, [music], other)


@pytest.mark.parametrize(
    ("name", "at", "again"), [("000001.f16", 40, 1), ("000001.json", None, 0), ("000001.json", 0, 0)]
)
def test_a_damaged_shard_of_an_unfinished_rebuild_is_mended(two, music, monkeypatch, name, at, again):
    """No generation tells how long its vectors are: the shards do. One without its statement is as good as new."""
    monkeypatch.setattr(shards, "SEAL_BYTES", 150)
    monkeypatch.setattr("mmbert_indexer.batches.PIECES_A_BATCH", 2)
    stopped_rebuild(two, music)
    damaged = two / "work/shards/joint-deadbeef" / name
    assert damaged.exists()
    if at is None:
        damaged.unlink()
    else:
        flip(damaged, at)
    assert not verify_library(two).sound
    report = repair_library(two)
    assert report.generation == "gen-000002"
    assert verify_library(two).sound
    rest = FakeEmbedder(fingerprint=OTHER)
    build_library(two, [music], rest)
    assert len(rest.asked) == 6 - 4 + again


def test_shards_that_nobody_can_read_any_more_are_embedded_again(two, music, monkeypatch):
    monkeypatch.setattr(shards, "SEAL_BYTES", 150)
    monkeypatch.setattr("mmbert_indexer.batches.PIECES_A_BATCH", 2)
    stopped_rebuild(two, music)
    for path in (two / "work/shards/joint-deadbeef").glob("*.json"):
        path.write_bytes(b"{}")
    repair_library(two)
    assert verify_library(two).sound
    assert build_library(two, [music], FakeEmbedder(fingerprint=OTHER)).embedded == 6


def test_work_with_a_damaged_ledger_is_kept_until_a_build_has_ended(two, music, monkeypatch):
    monkeypatch.setattr("mmbert_indexer.batches.PIECES_A_BATCH", 2)
    stopped_rebuild(two, music)
    (two / "work/ledger.sqlite").write_bytes(b"garbage" * 1000)
    before = {p.relative_to(two / "work"): p.read_bytes() for p in (two / "work").rglob("*") if p.is_file()}
    report = repair_library(two)
    assert any("put aside as work.damaged" in sentence for sentence in report.done)
    assert {p.relative_to(two / "work.damaged"): p.read_bytes() for p in (two / "work.damaged").rglob("*.*")
            if p.is_file()} == before  # fmt: skip
    collect_garbage(two)
    assert (two / "work.damaged").exists()
    build_library(two, [music], FakeEmbedder())
    assert not (two / "work.damaged").exists()


def test_what_was_put_aside_outlives_gc_while_an_older_generation_serves(two, music, embedder):
    """Without the shards of the new piece only the damaged generation still holds it."""
    shutil.rmtree(two / "work/shards")
    flip(two / "generations/gen-000002/records.sqlite")
    assert repair_library(two).generation == "gen-000001"
    assert collect_garbage(two).deleted == ()
    assert (two / "generations/gen-000002.damaged/joint.pieces.f16").exists()
    build_library(two, [music], embedder)
    assert not (two / "generations/gen-000002.damaged").exists()


def test_a_newer_generation_that_is_gone_is_published_again(two):
    before = hashes(two)
    shutil.rmtree(two / "generations/gen-000002")
    report = repair_library(two)
    assert (report.generation, report.pieces, report.left) == ("gen-000003", 6, ())
    assert report.done[0] == "CURRENT named gen-000002, which is not there: published again from work/ as gen-000003"
    assert hashes(two) == before


def test_salvaged_rows_are_those_that_were_lost(two):
    def rows():
        ledger = Ledger(two / "work")
        found = [ledger.vector_rows(sha256, "f00dfeed" * 8)[n] for sha256, n in sorted(ledger.embedded("f00dfeed" * 8))]
        ledger.close()
        facets = [json.loads(row.facets) | {"title": ""} for row in found]  # a title is given anew at each publishing
        return facets, [replace(row, shard=0, row=0, facets="") for row in found]

    before = rows()
    shutil.rmtree(two / "work/shards")
    repair_library(two)
    assert rows() == before
