"""Files that are not what they seem: links, names, permissions, and what changes under the reader's eyes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_library import FakeEmbedder, midi, odd_name
from mmbert_indexer.build import build_library
from mmbert_indexer.scan import walk

from mmbert.console import clean
from mmbert.items import load_items
from mmbert.store import open_library


def codes(scan):
    return sorted((os.path.basename(r.path), r.code) for r in scan.rejects)


def names(scan):
    return sorted(os.path.relpath(p, os.path.commonpath(scan.files)) for p in scan.files)


def test_music_is_found_by_suffix_and_hidden_files_are_left_out(music):
    (music / "UPPER.MID").write_bytes(midi(60))
    (music / "notes.pdf").write_bytes(b"x")
    (music / ".hidden.mid").write_bytes(midi(61))
    (music / ".git").mkdir()
    (music / ".git" / "inner.mid").write_bytes(midi(62))
    scan = walk([str(music)])
    assert len(scan.files) == 6
    assert scan.others == 1
    assert codes(scan) == []


@pytest.mark.failure(13)
def test_links(music, tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    (away / "far.mid").write_bytes(midi(60))
    (music / "inner").mkdir()
    (music / "inner" / "deep.mid").write_bytes(midi(61))
    (music / "inner" / "up").symlink_to(music)
    (music / "same").symlink_to(music / "inner")
    (music / "far.mid").symlink_to(away / "far.mid")
    (music / "folder").symlink_to(away)
    (music / "near.mid").symlink_to(music / "tune00.mid")
    (music / "nowhere.mid").symlink_to(music / "missing.mid")
    (music / "self.mid").symlink_to("self.mid")
    (music / "ring").symlink_to("ring")
    scan = walk([str(music)])
    assert codes(scan) == [
        ("far.mid", "E_LINK_OUTSIDE"),
        ("folder", "E_LINK_OUTSIDE"),
        ("nowhere.mid", "E_GONE"),
        ("ring", "E_LINK_LOOP"),
        ("self.mid", "E_LINK_LOOP"),
        ("up", "E_LINK_LOOP"),
    ]
    assert {"inner/deep.mid", "near.mid"} < set(names(scan))
    assert not any(n.startswith(("same", "inner/up")) for n in names(scan))


def test_what_is_no_file_is_not_waited_for(music, library, embedder):
    os.mkfifo(music / "pipe.mid")
    (music / "folder.mid").mkdir()
    (music / "folder.mid" / "in.mid").write_bytes(midi(60))
    report = build_library(library, [music], embedder)
    assert report.pieces == 6
    assert report.rejected == 1


ODD = [b"caf\xe9.mid", b"two\nlines.mid", "\N{MUSICAL KEYBOARD} emoji.mid".encode(), b"x" * 251 + b".mid",
       b"<script>.mid", b"quote'\".mid", b"  blanks  .mid", b"%41#?.mid"]  # fmt: skip


@pytest.mark.failure(16)
def test_names_of_any_bytes(music, library, embedder):
    for i, raw in enumerate(ODD):
        Path(odd_name(os.fsencode(music) + b"/" + raw)).write_bytes(midi(70 + i))
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.rejected) == (5 + len(ODD), 0)
    generation = open_library(library).current()
    found = {os.path.basename(os.fsencode(p)) for p in generation.pieces.path}
    assert set(ODD) < found
    for title in generation.pieces.title:
        title.encode("utf-8")
        assert title.isprintable()
    assert len(generation.full_text(["emoji"], 5)) == 1
    assert len(generation.full_text(["script"], 5)) == 1
    back = json.loads(json.dumps(clean(list(generation.pieces.path))))
    assert {os.path.basename(os.fsencode(p)) for p in back} == found
    assert build_library(library, [music], embedder).embedded == 0


@pytest.mark.failure(16)
def test_a_refused_file_with_an_odd_name_is_named_in_the_rejects(music, library, embedder):
    Path(odd_name(os.fsencode(music) + b"/bad\xff\n.mid")).write_bytes(b"no music")
    build_library(library, [music], embedder)
    [line] = open_library(library).current().rejects()
    assert os.path.basename(os.fsencode(line["path"])) == b"bad\xff\n.mid"


def changing_reader(monkeypatch, path, change):
    """Run ``change`` just before the file is read, as often as it is read."""

    def load(p, **more):
        if p == path:
            change()
        return load_items(p, **more)

    monkeypatch.setattr("mmbert_indexer.reading.load_items", load)


@pytest.mark.failure(15)
def test_a_file_that_changes_is_read_as_it_is_then(music, library, embedder, monkeypatch):
    path = music / "tune00.mid"
    changing_reader(monkeypatch, path, lambda: path.write_bytes(midi(77, title="Changed")))
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.rejected) == (5, 0)
    assert "Changed" in open_library(library).current().pieces.title


@pytest.mark.failure(15)
@pytest.mark.parametrize("bad", [False, True])
def test_a_file_that_keeps_changing_is_rejected(music, library, embedder, monkeypatch, bad):
    path, times = music / "tune00.mid", iter(range(20))

    def change():
        n = next(times)
        path.write_bytes(b"no music %d" % n if bad else midi(70 + n))

    changing_reader(monkeypatch, path, change)
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.rejects["counts"]) == (4, {"E_CHANGED": 1})
    monkeypatch.undo()
    path.write_bytes(midi(90))
    assert build_library(library, [music], embedder).rejected == 0


@pytest.mark.failure(15)
def test_a_file_that_vanishes_is_rejected(music, library, embedder, monkeypatch):
    path = music / "tune00.mid"
    changing_reader(monkeypatch, path, lambda: path.unlink(missing_ok=True))
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.rejects["counts"]) == (4, {"E_GONE": 1})


def test_a_copy_stands_in_for_a_file_that_vanishes(music, library, embedder, monkeypatch):
    path = music / "tune00.mid"
    (music / "zz.mid").write_bytes(path.read_bytes())
    changing_reader(monkeypatch, path, lambda: path.unlink(missing_ok=True))
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.rejects["counts"]) == (5, {"E_GONE": 1})


def test_a_missing_extra_is_a_reason_that_passes(music, library, embedder, monkeypatch):
    from mmbert.errors import MissingExtraError

    def load(path, **more):
        if path.name == "tune00.mid":
            raise MissingExtraError.of("soundfile", "audio")
        return load_items(path, **more)

    monkeypatch.setattr("mmbert_indexer.reading.load_items", load)
    assert build_library(library, [music], embedder).rejects["counts"] == {"E_MISSING_EXTRA": 1}
    monkeypatch.undo()
    assert build_library(library, [music], embedder).pieces == 5


AS_NOBODY = """
import os, sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from fake_library import FakeEmbedder
from mmbert_indexer.build import build_library
build_library(Path(sys.argv[1]).with_name("root's"), [Path(sys.argv[2])], FakeEmbedder(), workers=0)  # imports all
os.setgid(65534); os.setuid(65534)
report = build_library(Path(sys.argv[1]), [Path(sys.argv[2])], FakeEmbedder(), workers=0)
print(report.pieces, report.rejects["counts"])
"""


@pytest.mark.failure(14)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without permissions")
def test_permissions(music, tmp_path):
    (music / "secret.mid").write_bytes(midi(90))
    (music / "secret.mid").chmod(0)
    (music / "locked").mkdir()
    (music / "locked" / "a.mid").write_bytes(midi(91))
    (music / "locked" / "b.mid").write_bytes(midi(92))
    (music / "locked").chmod(0)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for folder in (tmp_path, *list(tmp_path.parents)[:-1]):
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", AS_NOBODY, tmp_path / "open" / "library", music]
    command += [root, root / "indexer", root / "tests" / "indexer"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "5 {'E_PERMISSION': 2}", done.stderr[-800:]


def test_order_of_the_folder_does_not_matter(music, tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    build_library(first, [music], FakeEmbedder())
    data = {p.name: p.read_bytes() for p in music.iterdir()}
    for p in list(music.iterdir()):
        p.unlink()
    for name in sorted(data, reverse=True):
        (music / name).write_bytes(data[name])
    build_library(second, [music], FakeEmbedder())
    from fake_library import hashes

    assert hashes(first) == hashes(second)
