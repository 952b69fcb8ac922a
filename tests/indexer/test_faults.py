"""Faults at a few of the operations of every command; ``python benchmarks/faults.py`` goes through all of them."""

from __future__ import annotations

import logging
import os

import pytest
from faults import KINDS, FaultyDisk, Gone, using
from sweep import COMMANDS, Sweep, Tally

from mmbert.store import files

POINTS = 4  # of each command and kind of fault


@pytest.mark.failure(18, 20)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_fault_leaves_the_old_or_the_new_library_and_the_next_run_ends_the_same(tmp_path, command):
    logging.getLogger("mmbert").setLevel(logging.ERROR)
    sweep, tally = Sweep(command, tmp_path), Tally()
    for turn, kind in enumerate(KINDS):
        operations = sweep.operations(kind)
        step = max(1, operations // POINTS)
        for n in range(1 + turn % step, operations + 2, step):
            sweep.attack([(kind, n)], tally)
    assert tally.wrong == []
    assert tally.faults.total() > 15


def write_some(library):
    """Ten operations, of which the tenth comes to nothing."""
    with files.disk.open_new(library / "synced") as handle:
        files.disk.append(handle, b"ab")
        files.disk.sync(handle)
        files.disk.sync_folder(library)
        files.disk.append(handle, b"cd")
    with files.disk.open_new(library / "unsynced") as handle:
        files.disk.append(handle, b"xyz")
    files.disk.rename(library / "old", library / "kept")
    files.disk.make_folder(library / "folder")
    files.disk.remove(library / "kept")


def test_the_shadow_drops_what_was_not_synced(tmp_path):
    """The tool itself: it must find what it is there to find."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "old").write_bytes(b"old")
    for kind, left in [
        ("power cut", {"old": b"old", "synced": b"ab"}),
        ("power cut, names kept", {"kept": b"old", "synced": b"ab\0\0", "unsynced": b"\0\0\0"}),
    ]:
        (library / "old").write_bytes(b"old")
        disk = FaultyDisk(kind, 10, library)
        with using(disk), pytest.raises(Gone):
            write_some(library)
        disk.after()
        assert {p.name: p.read_bytes() for p in library.iterdir() if p.is_file()} == left
        assert (library / "folder").exists() == ("kept" in kind)
        for path in library.iterdir():
            path.rmdir() if path.is_dir() else os.unlink(path)


def test_a_missing_sync_is_found(tmp_path, monkeypatch):
    """A build that forgets one sync loses what it had acknowledged: the sweep says so."""
    sweep, tally = Sweep("first build", tmp_path), Tally()
    monkeypatch.setattr("mmbert_indexer.shards.Shards.sync", lambda self: None)
    operations = sweep.operations("power cut")
    for n in range(operations // 3, operations, 12):
        sweep.attack([("power cut", n)], tally)
    assert {sort for sort, _ in tally.wrong} == {"loss"}
