"""A library keeps the phrases of every piece and their vectors, whatever happens to it meanwhile."""

from __future__ import annotations

import io
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_library import FakeEmbedder, FakePhrases, hashes, midi, song
from mmbert_indexer.build import build_library
from mmbert_indexer.gc import collect_garbage
from mmbert_indexer.phrases import KeptPhrases
from mmbert_indexer.reading import Request, results
from mmbert_indexer.remove import remove_paths
from mmbert_indexer.repair import repair_library
from mmbert_indexer.scan import hashed, look
from mmbert_indexer.wire import BadFrame, frame, read_frame

from mmbert.errors import LibraryError
from mmbert.items import load_items
from mmbert.store import open_library
from mmbert.store.verify import verify_library
from mmbert.symbolic.phrase_lines import accompanied, phrase_lines

KINDS = frozenset({"score", "text"})
NEXT, BENEATH = "next/phrases", "accompaniment/phrases"


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Six files: four songs, a tune without accompaniment, and one too short for a phrase."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for i in range(4):
        (folder / f"song{i}.mid").write_bytes(song(i, bars=8 + 2 * i))
    (folder / "alone.mid").write_bytes(song(9, accompanied=False))
    (folder / "short.mid").write_bytes(midi(60, 62))
    return folder


def check(library: Path, songs: Path, model: FakePhrases) -> None:
    """The library's phrases are those of its files, its rows the vectors that the model gives for them."""
    generation = open_library(library).current()
    wanted = {item.uid: phrase_lines(item.score) for path in songs.glob("*.mid") for item in load_items(path)}
    counts, heads = generation.phrase_heads()
    assert generation.manifest["phrases"]["fingerprint"] == model.fingerprint
    assert len(heads) == sum(map(len, wanted.values())) > 0
    vectors: dict[str, list[np.ndarray]] = {NEXT: [], BENEATH: []}
    found = generation.phrases_of(np.flatnonzero(counts))
    for row, uid in enumerate(generation.pieces.uid):
        lines = wanted[uid]
        assert counts[row] == len(lines)
        if not len(lines):
            continue
        assert (found[row].heads == lines.heads).all()
        assert (found[row].notes == lines.notes).all()
        assert found[row].parts == lines.parts
        vectors[NEXT].append(model.document_vectors(lines.table(), "completion"))
        table = lines.table().rows(accompanied(lines.heads))
        vectors[BENEATH].append(model.document_vectors(table, "accompaniment"))
    for space, rows in vectors.items():
        assert (generation.vectors.matrix(space) == np.concatenate(rows).astype(np.float16)).all()
    generation.close()
    assert verify_library(library).sound


def flip(path: Path, at: int = 5) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1
    path.write_bytes(data)


def test_every_phrase_has_its_rows(songs, library, embedder):
    build_library(library, [songs], embedder)
    check(library, songs, FakePhrases())
    manifest = open_library(library).current().manifest
    assert manifest["counts"]["phrases"] == manifest["phrases"]["rows"][NEXT] == 21
    assert manifest["phrases"]["rows"][BENEATH] == 18


def test_a_build_embeds_phrases_once(songs, library, embedder):
    build_library(library, [songs], embedder)
    asked = embedder.phrases.asked
    before = hashes(library)
    build_library(library, [songs], embedder)
    (songs / "copy.mid").write_bytes((songs / "song1.mid").read_bytes())
    build_library(library, [songs], embedder)
    (songs / "copy.mid").unlink()
    build_library(library, [songs], embedder)
    assert embedder.phrases.asked == asked
    assert hashes(library) == before


def test_what_comes_and_goes_changes_no_other_phrase(songs, library, embedder):
    build_library(library, [songs], embedder)
    (songs / "new.mid").write_bytes(song(20))
    (songs / "song0.mid").unlink()
    build_library(library, [songs], embedder)
    remove_paths(library, [songs / "song2.mid"])
    (songs / "song2.mid").unlink()
    check(library, songs, FakePhrases())
    fresh = library.with_name("fresh")
    build_library(fresh, [songs], FakeEmbedder())
    assert hashes(fresh) == hashes(library)


def test_another_model_of_phrases_reads_no_file_and_embeds_no_piece_again(songs, library, embedder, monkeypatch):
    build_library(library, [songs], embedder)
    asked = len(embedder.asked)
    embedder.phrases = FakePhrases("beef" * 16)
    monkeypatch.setattr("mmbert_indexer.reading.load_items", None)
    build_library(library, [songs], embedder)
    assert len(embedder.asked) == asked
    check(library, songs, FakePhrases("beef" * 16))
    build_library(library, [songs], embedder)  # a second one, so that no generation needs the old vectors
    (songs / "short.mid").unlink()
    build_library(library, [songs], embedder)
    folders = {p.name for p in (library / "work" / "shards").iterdir()}
    assert folders == {"joint-f00dfeed", "next-beefbeef", "accompaniment-beefbeef"}


def test_a_library_without_phrases_says_so_and_gets_them_by_reading_alone(songs, library, embedder, monkeypatch):
    monkeypatch.setattr("mmbert_indexer.build.reader_version", lambda: "older")
    embedder.phrases = None
    build_library(library, [songs], embedder)
    ledger = sqlite3.connect(library / "work" / "ledger.sqlite")
    ledger.execute("DROP TABLE phrases")  # as it was before there were any
    ledger.commit()
    ledger.close()
    with pytest.raises(LibraryError, match=r"before phrases were kept.*index build"):
        open_library(library).current().phrase_heads()
    monkeypatch.undo()
    monkeypatch.setattr("mmbert_indexer.build.default_workers", lambda: 0)
    asked, embedder.phrases = len(embedder.asked), FakePhrases()
    build_library(library, [songs], embedder)
    assert len(embedder.asked) == asked
    check(library, songs, FakePhrases())


def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(songs, library, embedder, monkeypatch):
    class Killed(FakePhrases):
        def document_vectors(self, table, task):
            if self.asked > 12:
                raise KeyboardInterrupt
            return super().document_vectors(table, task)

    monkeypatch.setattr("mmbert_indexer.batches.PIECES_A_BATCH", 2)
    embedder.phrases = Killed()
    with pytest.raises(KeyboardInterrupt):
        build_library(library, [songs], embedder)
    embedder.phrases = FakePhrases()
    build_library(library, [songs], embedder)
    check(library, songs, FakePhrases())
    whole = FakeEmbedder()
    build_library(library.with_name("fresh"), [songs], whole)
    assert hashes(library.with_name("fresh")) == hashes(library)
    assert 0 < embedder.phrases.asked < whole.phrases.asked


@pytest.mark.parametrize("space", ["next", "accompaniment"])
def test_damaged_rows_in_work_are_embedded_again(songs, library, embedder, space):
    build_library(library, [songs], embedder)
    (shard,) = (library / "work" / "shards").glob(f"{space}-*/000001.open")
    flip(shard)
    (songs / "new.mid").write_bytes(song(20))
    build_library(library, [songs], embedder)
    check(library, songs, FakePhrases())


@pytest.mark.parametrize("name", ["next.phrases.f16", "accompaniment.phrases.f16", "records.sqlite"])
def test_a_damaged_generation_is_published_again_without_a_model(songs, library, embedder, name):
    build_library(library, [songs], embedder)
    before = hashes(library)
    flip(library / "generations" / "gen-000001" / name)
    assert not verify_library(library).sound
    report = repair_library(library)
    assert report.generation == "gen-000002"
    assert hashes(library) == before
    check(library, songs, FakePhrases())


def test_rows_lost_from_work_come_back_from_a_generation(songs, library, embedder):
    build_library(library, [songs], embedder)
    for path in (library / "work" / "shards").glob("[na]*/*"):
        path.unlink()
    report = repair_library(library)
    told = " ".join(report.done)
    assert "vectors of the phrases of 5 pieces were damaged" in told
    assert "vectors of the phrases of 5 pieces were taken from the generations" in told
    asked = embedder.phrases.asked
    (songs / "short.mid").unlink()
    build_library(library, [songs], embedder)
    assert embedder.phrases.asked == asked
    check(library, songs, FakePhrases())


def test_a_lost_ledger_costs_no_phrase_its_vector(songs, library, embedder):
    build_library(library, [songs], embedder)
    (library / "work" / "ledger.sqlite").unlink()
    repair_library(library)
    asked = embedder.phrases.asked
    build_library(library, [songs], embedder)
    assert embedder.phrases.asked == asked
    check(library, songs, FakePhrases())


def test_gc_keeps_what_phrases_need(songs, library, embedder):
    build_library(library, [songs], embedder)
    collect_garbage(library)
    (songs / "short.mid").unlink()
    asked = embedder.phrases.asked
    build_library(library, [songs], embedder)
    assert embedder.phrases.asked == asked
    check(library, songs, FakePhrases())


def test_phrases_that_cannot_be_embedded_are_told_and_cost_nothing_else(songs, library, embedder):
    class Broken(FakePhrases):
        def document_vectors(self, table, task):
            rows = super().document_vectors(table, task)
            return rows * np.nan if len(table) == 5 else rows  # twelve bars

    embedder.phrases = Broken()
    report = build_library(library, [songs], embedder)
    assert (report.pieces, report.rejected) == (6, 1)
    assert report.rejects["first"][0]["code"] == "E_PHRASES"
    counts, _ = open_library(library).current().phrase_heads()
    assert sorted(counts.tolist()) == [0, 0, 3, 3, 4, 6]


def read(songs):
    (found,) = results(Request(hashed(look(str(songs / "song0.mid"))), KINDS))
    return found


def test_phrases_come_through_the_pipe_as_they_are(songs):
    found = read(songs)
    again = read_frame(io.BytesIO(frame(found)).read)
    assert len(again.phrases) == 3
    assert KeptPhrases.of(again.phrases) == KeptPhrases.of(found.phrases)
    assert json.loads(KeptPhrases.of(found.phrases).parts) == [["Voice", 0], ["Piano", 0]]


@pytest.mark.parametrize(
    ("array", "column", "value"),
    [
        ("heads", "melody", 3), ("heads", "start_bar", -1), ("heads", "numerator", 0), ("heads", "bpm", np.nan),
        ("heads", "start_s", -1), ("heads", "shift", 7), ("notes", "pitch", 128), ("notes", "part", 2),
        ("notes", "onset", 60_000), ("notes", "duration", 0),
    ],
)  # fmt: skip
def test_phrases_that_cannot_be_are_no_frame(songs, array, column, value):
    found = read(songs)
    changed = getattr(found.phrases, array).copy()
    changed[column][1] = value
    with pytest.raises(BadFrame):
        read_frame(io.BytesIO(frame(replace(found, phrases=replace(found.phrases, **{array: changed})))).read)
