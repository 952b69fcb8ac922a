"""A reader gets a whole generation or one sentence, whatever happened to the folder."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from mmbert.errors import LibraryError
from mmbert.store import open_library
from mmbert.store.manifest import with_checksum
from mmbert.store.verify import verify_library

FILES = ("MANIFEST.json", "records.sqlite", "joint.pieces.f16", "joint.windows.f16", "rejects.jsonl")


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 0x20
    path.write_bytes(data)


def test_current(built):
    folder = open_library(built)
    assert folder.names() == ["gen-000002", "gen-000001"]
    generation = folder.current()
    assert (generation.name, generation.n_pieces, generation.notice) == ("gen-000002", 10, "")
    assert repr(generation) == "Generation(gen-000002, 10 pieces, 20 windows)"
    generation.close()


@pytest.mark.parametrize(
    "text", [None, "", "garbage", "gen-000099\n", "../../etc\n", "\udcff\x00", "gen-000003.building-7"]
)
def test_without_a_usable_current_the_newest_whole_generation_serves(library, text):
    if text is None:
        (library / "CURRENT").unlink()
    else:
        (library / "CURRENT").write_text(text, errors="surrogateescape")
    generation = open_library(library).current()
    assert (generation.name, generation.n_pieces) == ("gen-000002", 10)
    assert f"Serving gen-000002. Run: mmbert index repair {library}" in generation.notice
    verdict = verify_library(library)
    assert [d["file"] for d in verdict.damaged] == ["CURRENT"]


@pytest.mark.failure(23)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "gone"])
def test_a_damaged_generation_is_named_and_the_one_before_serves(library, name, how):
    path = library / "generations/gen-000002" / name
    if name == "rejects.jsonl":
        if how != "gone":
            path.write_bytes(b"x")  # it is empty in a library without rejects
        else:
            path.unlink()
    elif how == "flip":
        flip(path, 777)
    elif how == "gone":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size - 1 if how == "cut" else 0)
    generation = open_library(library).current()
    assert (generation.name, generation.n_pieces) == ("gen-000001", 9)
    assert generation.notice.startswith(f"gen-000002 is damaged ({name}")
    assert "Serving gen-000001" in generation.notice
    verdict = verify_library(library)
    assert not verdict.sound
    assert verdict.serving == "gen-000001"
    assert [d["file"] for d in verdict.damaged] == [f"gen-000002/{name}"]


def test_every_byte_of_the_manifest_counts(library):
    path = library / "generations/gen-000002/MANIFEST.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 41):
        flip(path, at)
        assert open_library(library).current().name == "gen-000001", at
        path.write_bytes(whole)


@pytest.mark.failure(23)
def test_nothing_whole_is_one_sentence(library):
    for name in ("gen-000001", "gen-000002"):
        os.truncate(library / "generations" / name / "joint.windows.f16", 10)
    with pytest.raises(LibraryError, match=r"gen-000002 is damaged .* no other generation is whole") as caught:
        open_library(library).current()
    assert caught.value.exit_code == 4


def test_a_large_generation_is_not_hashed_at_every_opening(library, monkeypatch):
    monkeypatch.setattr("mmbert.store.manifest.SMALL", 0)
    flip(library / "generations/gen-000002/joint.windows.f16", 50)
    assert open_library(library).current().name == "gen-000002"  # `mmbert index verify` finds it
    os.truncate(library / "generations/gen-000002/joint.windows.f16", 50)
    assert open_library(library).current().name == "gen-000001"


def test_damage_met_after_opening_is_a_sentence(library):
    generation = open_library(library).current()
    path = library / "generations/gen-000002/records.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(LibraryError, match="mmbert index repair"):
        generation.full_text(["tune"], 3)


def test_a_generation_that_a_build_deletes_meanwhile_is_no_damage(library, monkeypatch):
    from mmbert.store import verify

    really = verify.damages

    def damages(folder, *, hashes):
        if folder.name == "gen-000001":
            shutil.rmtree(folder)
        return really(folder, hashes=hashes)

    monkeypatch.setattr(verify, "damages", damages)
    verdict = verify_library(library)
    assert (verdict.sound, verdict.serving) == (True, "gen-000002")


def test_a_generation_that_vanishes_while_it_is_opened(library, monkeypatch):
    """A build may delete the generation that CURRENT named a moment ago."""
    folder = open_library(library)
    (library / "CURRENT").write_text("gen-000001\n")
    names = iter(["gen-000001"])
    shutil.rmtree(library / "generations/gen-000001")
    real = type(folder).current_name
    monkeypatch.setattr(type(folder), "current_name", lambda self: next(names, None) or real(self))
    (library / "CURRENT").write_text("gen-000002\n")
    generation = folder.current()
    assert (generation.name, generation.notice) == ("gen-000002", "")


def test_what_is_no_library(tmp_path):
    with pytest.raises(LibraryError, match=r"does not exist\. Build one: mmbert index build"):
        open_library(tmp_path / "nowhere")
    with pytest.raises(LibraryError, match="is not a library"):
        open_library(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="is no folder"):
        open_library(tmp_path / "file")


def test_a_library_without_a_finished_build(library):
    shutil.rmtree(library / "generations")
    (library / "generations").mkdir()
    (library / "CURRENT").unlink()
    with pytest.raises(LibraryError):
        open_library(library).current()


def test_a_newer_format_is_refused(library):
    facts = json.loads((library / "LIBRARY.json").read_text())
    (library / "LIBRARY.json").write_text(json.dumps(facts | {"format": 2}))
    with pytest.raises(LibraryError, match="has format 2, this mmbert reads up to 1"):
        open_library(library)
    (library / "LIBRARY.json").write_text(json.dumps(facts))
    path = library / "generations/gen-000002/MANIFEST.json"
    path.write_text(json.dumps(with_checksum(json.loads(path.read_bytes()) | {"format": 9})))
    with pytest.raises(LibraryError, match="has format 9"):
        open_library(library).current()


def test_a_garbled_library_file_does_not_hide_the_generations(library):
    (library / "LIBRARY.json").write_bytes(b"\xff{")
    assert open_library(library).current().n_pieces == 10
    assert verify_library(library).damaged == ({"file": "LIBRARY.json", "fault": "cannot be read"},)


@pytest.mark.failure(24)
def test_another_model_is_refused_before_any_search(generation):
    generation.require(generation.fingerprint)
    words = "This library was built with model f00dfeed, you loaded deadbeef. Rebuild, or load the first."
    with pytest.raises(LibraryError) as caught:
        generation.require("deadbeef" * 8)
    assert str(caught.value) == words


def test_readers_write_nothing(library):
    for path in [library, *library.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(str(p) for p in library.rglob("*"))
    generation = open_library(library).current()
    assert generation.full_text(["tune"], 3)
    assert verify_library(library).sound
    assert sorted(str(p) for p in library.rglob("*")) == before
    for path in [library, *library.rglob("*")]:
        path.chmod(0o755)


def test_a_sealed_shard_and_the_ledger_are_verified(library):
    shards = library / "work/shards/joint-f00dfeed"
    (shards / "000001.open").rename(shards / "000001.f16")
    (shards / "000001.json").write_text(json.dumps({"sha256": "0" * 64}))
    (library / "work/ledger.sqlite").write_bytes(b"garbage" * 999)
    assert [d["file"] for d in verify_library(library).damaged] == [
        "work/shards/joint-f00dfeed/000001.f16",
        "work/ledger.sqlite",
    ]


def test_a_library_may_be_given_away_without_its_work_folder(library):
    shutil.rmtree(library / "work")
    assert verify_library(library).sound
