"""Recordings in a library: listened to once, in reading processes, and kept with what was heard."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from mmbert_indexer.build import build_library
from mmbert_indexer.cli import _print_build
from mmbert_indexer.info import library_info
from mmbert_indexer.reading import _HEARD_BY, Request, ears_version
from mmbert_indexer.repair import repair_library

import mmbert
from mmbert.audio.sounds import SOUNDS, default_ear
from mmbert.embed import Embedder
from mmbert.model import MmbertModel, ModelConfig
from mmbert.retrieval.shortlist import by_words
from mmbert.store import open_library

soundfile = pytest.importorskip("soundfile")
DATA = Path(__file__).parents[1] / "data"
RATE = 22_050


class Counting(Embedder):
    """Counts the seconds that it hears."""

    heard = 0

    @property
    def phrases(self):
        return None

    def hear(self, mel: np.ndarray) -> np.ndarray:
        self.heard += len(mel) // 100
        return super().hear(mel)


@pytest.fixture
def embedder() -> Counting:
    return Counting(MmbertModel(ModelConfig(dim=64, out_dim=32, layers=1, ffn=64)))


@pytest.fixture
def music(tmp_path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    t = np.arange(75 * RATE) / RATE
    soundfile.write(folder / "long.flac", 0.3 * np.sin(2 * np.pi * 440 * t), RATE)
    soundfile.write(folder / "short.ogg", 0.3 * np.sin(2 * np.pi * 330 * t[: 3 * RATE]), RATE)
    shutil.copy(DATA / "waltz.mid", folder)
    return folder


def test_words_find_a_recording_by_its_artist_and_its_album(tmp_path, music, embedder):
    with soundfile.SoundFile(music / "tagged.flac", "w", RATE, 1) as f:
        f.title, f.artist, f.album = "Salt Road", "Mary Brown", "Winter Songs"
        f.write(0.3 * np.sin(np.arange(RATE) / 9))
    build_library(tmp_path / "lib", [music], embedder, workers=0)
    generation = open_library(tmp_path / "lib").current()
    [tagged] = np.flatnonzero(generation.pieces.title == "Salt Road")
    assert generation.pieces.composer[tagged] == "Mary Brown"
    for words in ("mary brown", "winter songs"):
        assert np.flatnonzero(by_words(generation, words)).tolist() == [tagged]
    generation.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_heard_is_kept(tmp_path, music, embedder, workers):
    report = build_library(tmp_path / "lib", [music], embedder, workers=workers)
    assert (report.pieces, report.rejected, embedder.heard) == (3, 0, 78)
    generation = open_library(tmp_path / "lib").current()
    kinds = dict(zip(generation.pieces.title, generation.pieces.kind))
    assert sorted(kinds.values()) == ["recording", "recording", "score"]
    rows, logits = generation.heard(SOUNDS)
    assert (generation.pieces.kind[rows] == "recording").all()
    assert logits.shape == (2, SOUNDS)
    assert np.isfinite(logits).all()
    counts, frames = generation.chroma()
    assert (counts > 0).all()
    assert counts.sum() == len(frames)
    long = int(np.flatnonzero(generation.pieces.title == "long")[0])
    assert generation.windows.place(int(generation.windows.of_piece(long)[-1])).end_s == pytest.approx(75)
    assert generation.heard_windows([long], SOUNDS)[long].shape == (int(generation.pieces.windows[long]), SOUNDS)
    assert generation.facets(long).sounds
    generation.close()


def test_what_is_damaged_and_was_taken_is_told(tmp_path, music, embedder, capsys):
    soundfile.write(music / "whole.flac", 0.3 * np.random.default_rng(0).normal(size=20 * RATE).clip(-1, 1), RATE)
    (music / "cut.flac").write_bytes((music / "whole.flac").read_bytes()[:300_000])
    report = build_library(tmp_path / "lib", [music], embedder, workers=0)
    told = {"path": str(music / "cut.flac"), "flaws": report.flawed["first"][0]["flaws"]}
    assert report.flawed == library_info(tmp_path / "lib")["flawed"] == {"count": 1, "first": [told]}
    assert told["flaws"].startswith("breaks off at 0:")
    _print_build(asdict(report))
    printed = capsys.readouterr()
    assert "1 recording is damaged or clipped" in printed.out
    assert "cut.flac: breaks off" in printed.err


def test_nothing_is_listened_to_twice(tmp_path, music, embedder, monkeypatch):
    build_library(tmp_path / "lib", [music], embedder, workers=0)
    (music / "short.ogg").rename(music / "moved.ogg")
    report = build_library(tmp_path / "lib", [music], embedder, workers=0)
    assert (report.embedded, embedder.heard) == (0, 78)
    monkeypatch.setattr("mmbert_indexer.build.reader_version", lambda: "newer")
    report = build_library(tmp_path / "lib", [music], embedder, workers=0)
    assert (report.pieces, report.embedded, embedder.heard) == (3, 0, 78)
    generation = open_library(tmp_path / "lib").current()
    assert len(generation.heard(SOUNDS)[0]) == 2
    assert (generation.chroma()[0] > 0).all()
    generation.close()


def test_other_ears_hear_recordings_again_and_read_no_score(tmp_path, music, embedder, monkeypatch):
    build_library(tmp_path / "lib", [music], embedder, workers=0)
    requested = []
    monkeypatch.setattr("mmbert_indexer.batches.Request", lambda *of: requested.append(of[0].path) or Request(*of))
    for ears in ("other", "first"):
        if ears == "other":
            monkeypatch.setattr("mmbert_indexer.build.ears_version", lambda: "other")
        else:  # what was heard before the last time is not taken for what is heard now
            monkeypatch.setattr("mmbert_indexer.build.ears_version", ears_version)
        embedder.heard = 0
        requested.clear()
        report = build_library(tmp_path / "lib", [music], embedder, workers=0)
        assert (report.pieces, report.embedded, embedder.heard) == (3, 2, 78)
        assert sorted(Path(path).name for path in requested) == ["long.flac", "short.ogg"]
    report = build_library(tmp_path / "lib", [music], embedder, workers=0)
    assert (report.embedded, embedder.heard, len(requested)) == (0, 78, 2)
    assert len(open_library(tmp_path / "lib").current().heard(SOUNDS)[0]) == 2


def test_a_ledger_that_does_not_know_its_ears_has_recordings_heard_again(tmp_path, music, embedder):
    build_library(tmp_path / "lib", [music], embedder, workers=0)
    with closing(sqlite3.connect(tmp_path / "lib" / "work" / "ledger.sqlite")) as ledger:
        ledger.execute("ALTER TABLE heard DROP COLUMN ears")
    report = build_library(tmp_path / "lib", [music], embedder, workers=0)
    assert (report.pieces, report.embedded, embedder.heard) == (3, 2, 2 * 78)


def test_a_repair_from_a_ledger_that_does_not_know_its_ears(tmp_path, music, embedder):
    build_library(tmp_path / "lib", [music], embedder, workers=0)
    with closing(sqlite3.connect(tmp_path / "lib" / "work" / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("ALTER TABLE heard DROP COLUMN ears")
        ledger.execute("DELETE FROM meta WHERE key='ears'")
    (generation,) = (tmp_path / "lib" / "generations").iterdir()
    (generation / "joint.windows.f16").unlink()
    repair_library(tmp_path / "lib")
    opened = open_library(tmp_path / "lib").current()
    assert len(opened.heard(SOUNDS)[0]) == 2
    opened.close()


def test_a_repair_without_shards_leaves_recordings_to_the_next_build(tmp_path, music, embedder):
    build_library(tmp_path / "lib", [music], embedder, workers=0)
    shutil.rmtree(tmp_path / "lib" / "work" / "shards")
    repair_library(tmp_path / "lib")
    report = build_library(tmp_path / "lib", [music], embedder, workers=0)
    assert (report.pieces, report.embedded) == (3, 2)
    generation = open_library(tmp_path / "lib").current()
    assert len(generation.heard(SOUNDS)[0]) == 2
    assert (generation.chroma()[0] > 0).all()
    generation.close()


def test_ears_are_known_by_the_network_and_all_code_that_hears(tmp_path, monkeypatch):
    shutil.copytree(default_ear(), tmp_path / "mn04")
    monkeypatch.setattr("mmbert_indexer.reading.default_ear", lambda: tmp_path / "mn04")
    same = ears_version.__wrapped__()
    assert same == ears_version()
    with (tmp_path / "mn04" / "model.safetensors").open("ab") as file:
        file.write(b"0")
    assert ears_version.__wrapped__() != same
    code = "import sys, mmbert.audio.ears, mmbert.audio.listen; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    audio = {f"audio/{name.rpartition('.')[2]}.py" for name in loaded if name.startswith("mmbert.audio.")}
    assert audio <= set(_HEARD_BY)
    items, new = set(), {"recording"}
    while new:  # what the reader of recordings is made of
        items |= new
        code = "".join((Path(mmbert.__file__).parent / "items" / f"{name}.py").read_text() for name in new)
        new = set(re.findall(r"^from mmbert\.items\.(\w+) import", code, re.M)) - items - {"text"}  # cleans words
    assert {f"items/{name}.py" for name in items} <= set(_HEARD_BY)


def test_a_recording_that_fails_late_costs_itself_alone(tmp_path, music, embedder):
    samples = 0.3 * np.sin(np.arange(90 * 8000) / 9)
    samples[-1] = np.inf
    soundfile.write(music / "bad.wav", samples, 8000, subtype="FLOAT")
    data = (music / "long.flac").read_bytes()
    (music / "cut.flac").write_bytes(data[: len(data) // 2])
    report = build_library(tmp_path / "lib", [music], embedder, workers=1)
    assert (report.pieces, report.rejected) == (4, 1)
    generation = open_library(tmp_path / "lib").current()
    [reject] = generation.rejects()
    assert (Path(reject["path"]).name, reject["code"]) == ("bad.wav", "E_AUDIO_NAN")
    cut = int(np.flatnonzero(generation.pieces.title == "cut")[0])
    assert "breaks off" in generation.metadata(cut)["flaws"]
    generation.close()
