"""Builds that are killed, stopped or meet another build: always the old or the new library."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_library import FakeEmbedder, hashes, midi, write_folder
from mmbert_indexer.build import build_library
from mmbert_indexer.lock import build_lock

from mmbert.errors import LibraryError, SpaceError
from mmbert.store import open_library
from mmbert.store.verify import verify_library

ROOT = Path(__file__).parents[2]
BUILD = """
import sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from fake_library import FakeEmbedder
from mmbert.errors import MmbertError
from mmbert_indexer import batches
from mmbert_indexer.build import build_library
batches.PIECES_A_BATCH = 4
say = lambda done, total, pieces: print(done, flush=True)
try:
    build_library(Path(sys.argv[1]), [Path(sys.argv[2])], FakeEmbedder(pause=0.02), progress=say)
except MmbertError as e:
    print(e, file=sys.stderr)
    sys.exit(e.exit_code)
"""


def start(library: Path, music: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", BUILD, library, music, ROOT, ROOT / "indexer", ROOT / "tests" / "indexer"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen, done: int) -> None:
    while (line := process.stdout.readline()) and int(line) < done:
        pass


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = write_folder(tmp_path / "music", 60, start=0)
    (folder / "bad.mid").write_bytes(b"no music")
    return folder


@pytest.fixture
def expected(tmp_path: Path, many: Path) -> dict[str, str]:
    build_library(tmp_path / "undisturbed", [many], FakeEmbedder())
    return hashes(tmp_path / "undisturbed")


@pytest.mark.failure(18)
def test_killed_at_any_moment_a_build_goes_on(many, library, expected):
    embedded = []
    for done in (1, 14, 33, 60):
        process = start(library, many)
        wait_for(process, done)
        process.kill()
        process.wait()
        if library.exists() and (library / "CURRENT").exists():
            assert hashes(library) == expected
        if (library / "work/ledger.sqlite").exists():
            rows = sqlite3.connect(library / "work/ledger.sqlite").execute(
                "SELECT count(*) FROM vector WHERE error IS NULL"
            )
            embedded.append(rows.fetchone()[0])
    assert embedded == sorted(embedded)
    assert embedded[-1] > 40
    last = FakeEmbedder()
    build_library(library, [many], last)
    assert len(last.asked) <= 60 - embedded[-1]
    assert hashes(library) == expected
    assert verify_library(library).sound
    assert not list((library / "generations").glob("*.building*"))


@pytest.mark.failure(19)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_a_build_says_so_and_goes_on(many, library, expected, number, code):
    process = start(library, many)
    wait_for(process, 10)
    process.send_signal(number)
    _, words = process.communicate(timeout=60)
    assert process.returncode == code
    assert "of 61 files done and kept. Run the same command to go on." in words
    assert words.startswith("Stopped. ")
    done = int(words.split()[1])
    rest = FakeEmbedder()
    build_library(library, [many], rest)
    assert len(rest.asked) <= 61 - done
    assert 10 <= done < 61
    assert hashes(library) == expected


def test_signals_are_given_back(library, music, embedder):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    build_library(library, [music], embedder)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.failure(22)
def test_a_second_build_stops_at_once_and_names_the_first(many, library, embedder):
    process = start(library, many)
    wait_for(process, 2)
    begun = time.perf_counter()
    with pytest.raises(
        LibraryError, match=rf"Another build is running .pid {process.pid} on host \S+, since \d\d:\d\d."
    ) as e:
        build_library(library, [many], embedder)
    assert time.perf_counter() - begun < 1
    assert str(e.value).endswith("Nothing was done.")
    process.kill()
    process.wait()
    build_library(library, [many], embedder)  # the text in LOCK is stale, the lock is not held


def test_readers_need_no_lock(music, library, embedder):
    build_library(library, [music], embedder)
    with build_lock(library):
        assert open_library(library).current().n_pieces == 5


@pytest.mark.failure(21)
@pytest.mark.parametrize("part", ["", "work", "generations"])
def test_a_read_only_library_is_searched_and_not_built(music, library, embedder, part):
    build_library(library, [music], embedder)
    (music / "new.mid").write_bytes(midi(99))
    (library / part).chmod(0o555)
    try:
        with pytest.raises(LibraryError, match=f"This library is read-only: {library}. Nothing was done."):
            build_library(library, [music], embedder)
        generation = open_library(library).current()
        assert len(generation.full_text(["tune"], 9)) == 5
    finally:
        (library / part).chmod(0o755)
    assert not (library / "generations" / "gen-000002").exists()


@pytest.mark.failure(20)
def test_too_little_space_is_said_before_anything_is_done(library, music, embedder, monkeypatch):
    real = shutil.disk_usage(music)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=1000))
    with pytest.raises(
        SpaceError, match=r"The disk is full .needs about \d+\.\d MB, 0.0 MB free.. The library is unchanged."
    ):
        build_library(library, [music], embedder)
    assert embedder.asked == []
