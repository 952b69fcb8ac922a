"""What the machine does to a build: a disk that is full in earnest, two Ctrl-C, clocks, a million names."""

from __future__ import annotations

import datetime as times
import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from fake_library import FakeEmbedder, hashes, midi, write_folder
from mmbert_indexer.build import build_library
from mmbert_indexer.scan import walk

from mmbert.store import open_library

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join(map(str, (ROOT, ROOT / "indexer", ROOT / "tests" / "indexer")))
ENVIRONMENT = {**os.environ, "PYTHONPATH": PATHS}


def has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


FULL = """
import os, shutil, subprocess, sys
from pathlib import Path
from fake_library import FakeEmbedder, hashes, write_folder
from mmbert.errors import SpaceError
from mmbert.store import files, open_library
from mmbert.store.verify import verify_library
from mmbert_indexer import batches
from mmbert_indexer.build import build_library

batches.PIECES_A_BATCH = 4
music, place = Path(sys.argv[1]), Path(sys.argv[2])
mount = lambda *options: subprocess.run(["mount", *options, "none", place], check=True)
mount("-t", "tmpfs", "-o", "size=32m")
library = place / "library"
build_library(library, [music], FakeEmbedder(), workers=0)
shutil.copytree(library, place.with_name("old"))
old = hashes(library)
write_folder(music, 40)
build_library(place.with_name("new"), [music], FakeEmbedder(), workers=0)
new = hashes(place.with_name("new"))
files.require_space = lambda *_: None  # an estimate that says that it fits
full = 0
for kilobytes in (0, 8, 20, 36, 60, 100, 160, 240, 400):
    shutil.rmtree(library)
    shutil.copytree(place.with_name("old"), library)
    used = shutil.disk_usage(place).used
    mount("-o", f"remount,size={used + 1024 * kilobytes}")
    try:
        build_library(library, [music], FakeEmbedder(), workers=0)
    except SpaceError as e:
        full += 1
        assert e.exit_code == 5 and "The disk is full (needs about " in str(e) and "The library is unchanged." in str(e)
    generation = open_library(library).current()
    generation.close()
    assert generation.notice == "" and hashes(library) in (old, new), kilobytes
    mount("-o", "remount,size=32m")
    build_library(library, [music], FakeEmbedder(), workers=0)
    assert hashes(library) == new and verify_library(library).sound, kilobytes
print("full", full)
"""


@pytest.mark.failure(20)
@pytest.mark.skipif(not has_namespaces(), reason="no mount of one's own here")
def test_a_disk_that_is_full_in_earnest(tmp_path, music):
    (tmp_path / "place").mkdir()
    command = ["unshare", "-rm", sys.executable, "-c", FULL, music, tmp_path / "place"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= 5


SLOW = """
import sys, types
from fake_library import FakeEmbedder
module = types.ModuleType("mmbert.embed")
module.Embedder = types.SimpleNamespace(from_pretrained=lambda weights=None: FakeEmbedder(pause=30))
sys.modules["mmbert.embed"] = module
from mmbert_indexer import batches
from mmbert.cli import main
batches.PIECES_A_BATCH = 4
print("ready", flush=True)
sys.exit(main(["index", "build", "--workers", "0", *sys.argv[1:]]))
"""


@pytest.mark.failure(19)
def test_a_second_ctrl_c_ends_a_build_at_once(tmp_path, library, music):
    command = [sys.executable, "-c", SLOW, library, music]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    while not (library / "work" / "shards" / "joint-f00dfeed").exists():
        time.sleep(0.05)
    time.sleep(0.5)
    begun = time.perf_counter()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None  # it ends after its batch
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=20)
    assert time.perf_counter() - begun < 15  # the batch would have taken thirty
    assert (process.returncode, "Stopped." in words, "Traceback" in words) == (130, True, False)
    assert build_library(library, [music], FakeEmbedder()).pieces == 5


@pytest.mark.failure(14)
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything: tests/indexer/test_scan.py becomes somebody")
def test_what_may_not_be_read_is_named_once(library, music, embedder):
    (music / "secret.mid").write_bytes(midi(90))
    (music / "secret.mid").chmod(0)
    write_folder(music / "locked", 3, start=70).chmod(0)
    try:
        report = build_library(library, [music], embedder)
    finally:
        (music / "locked").chmod(0o755)
    assert (report.pieces, report.rejects["counts"]) == (5, {"E_PERMISSION": 2})


@pytest.mark.failure(25)
def test_a_clock_that_is_set_back_changes_nothing(library, music, embedder, monkeypatch):
    class Yesterday(times.datetime):
        @classmethod
        def now(cls, tz=None):
            return times.datetime(1999, 12, 31, tzinfo=tz)

    build_library(library, [music], embedder)
    monkeypatch.setattr("mmbert_indexer.build.datetime", Yesterday)
    monkeypatch.setattr("mmbert_indexer.lock.datetime", Yesterday)
    monkeypatch.setattr(time, "time", lambda: 946_598_400.0)
    (music / "new.mid").write_bytes(midi(90))
    report = build_library(library, [music], embedder)
    for path in (library / "generations/gen-000002", *(library / "generations/gen-000002").iterdir()):
        os.utime(path, (1, 1))
    os.utime(library / "CURRENT", (1, 1))
    assert (report.generation, report.pieces) == ("gen-000002", 6)
    (library / "CURRENT").unlink()
    generation = open_library(library).current()
    assert generation.name == "gen-000002"  # the highest number, not the latest time
    generation.close()


@pytest.mark.failure(17)
def test_a_piece_goes_with_its_last_file(library, music, embedder):
    shutil.copy(music / "tune00.mid", music / "copy.mid")
    build_library(library, [music], embedder)
    before = hashes(library)
    for name, pieces in (("tune00.mid", 5), ("copy.mid", 4)):
        (music / name).unlink()
        assert build_library(library, [music], embedder).pieces == pieces
    assert hashes(library) != before


def test_a_folder_of_very_many_names_is_read_as_it_comes(tmp_path):
    """Memory for what is indexed alone: names of other kinds pass by."""
    (tmp_path / "first").write_bytes(b"")
    for i in range(20_000):
        os.link(tmp_path / "first", tmp_path / f"picture number {i:07}.jpg")
    (tmp_path / "tune.mid").write_bytes(midi(60))
    tracemalloc.start()
    scan = walk([str(tmp_path)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(scan.files), scan.others) == (1, 20_001)
    assert peak < 200_000
