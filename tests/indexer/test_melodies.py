"""A library keeps the melody of every piece; one that was built before does after the next build, without a model."""

from __future__ import annotations

import io
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from fake_library import hashes, write_folder
from mmbert_indexer.build import build_library
from mmbert_indexer.reading import Request, results
from mmbert_indexer.remove import remove_paths
from mmbert_indexer.scan import hashed, look
from mmbert_indexer.wire import BadFrame, frame, read_frame

from mmbert.errors import ItemError
from mmbert.items import load_items
from mmbert.store import open_library
from mmbert.symbolic.tune_line import tune_line

KINDS = frozenset({"score", "text"})


def melodies(library):
    """uid -> melody of the current generation."""
    generation = open_library(library).current()
    lengths, notes = generation.melodies()
    ends = np.cumsum(lengths)
    found = {uid: notes[end - n : end] for uid, n, end in zip(generation.pieces.uid, lengths, ends, strict=True)}
    generation.close()
    return found


def expected(music):
    return {i.uid: tune_line(i.score) for path in music.glob("*.mid") for i in load_items(path)}


def test_every_score_has_its_melody(music, library, embedder):
    (music / "note.txt").write_text("A slow air, found on paper")
    build_library(library, [music], embedder)
    found, wanted = melodies(library), expected(music)
    assert {uid for uid, line in found.items() if len(line)} == set(wanted)
    assert len(found) == len(wanted) + 1
    for uid, line in wanted.items():
        assert (found[uid] == line).all()


def test_a_new_file_and_one_that_went_change_no_other_melody(music, library, embedder):
    build_library(library, [music], embedder)
    write_folder(music, 7)
    (music / "tune00.mid").unlink()
    build_library(library, [music], embedder)
    remove_paths(library, [music / "tune01.mid"])
    (music / "tune01.mid").unlink()
    found, wanted = melodies(library), expected(music)
    assert set(found) == set(wanted)
    assert all((found[uid] == line).all() for uid, line in wanted.items())


def test_an_old_library_gets_its_melodies_by_reading_alone(music, library, embedder, monkeypatch):
    monkeypatch.setattr("mmbert_indexer.build.reader_version", lambda: "older")
    build_library(library, [music], embedder)
    ledger = sqlite3.connect(library / "work" / "ledger.sqlite")
    ledger.execute("DROP TABLE melody")  # as it was before there were any
    ledger.commit()
    ledger.close()
    asked = len(embedder.asked)
    monkeypatch.undo()
    monkeypatch.setattr("mmbert_indexer.build.default_workers", lambda: 0)
    build_library(library, [music], embedder)
    assert len(embedder.asked) == asked
    assert all(len(line) for line in melodies(library).values())
    fresh = library.with_name("fresh")
    build_library(fresh, [music], embedder)
    assert hashes(library) == hashes(fresh)


def test_a_melody_that_cannot_be_found_refuses_its_piece(music, monkeypatch):
    def broken(score, found):
        raise ZeroDivisionError("no bars")

    monkeypatch.setattr("mmbert_indexer.reading.tune_line", broken)
    (refused,) = results(Request(hashed(look(str(music / "tune00.mid"))), KINDS))
    assert isinstance(refused, ItemError)
    assert refused.code == "E_UNEXPECTED"


def read(music):
    (found,) = results(Request(hashed(look(str(music / "tune00.mid"))), KINDS))
    return found


def test_a_melody_comes_through_the_pipe_as_it_is(music):
    found = read(music)
    again = read_frame(io.BytesIO(frame(found)).read)
    assert len(again.melody) == 2
    assert (again.melody == found.melody).all()


@pytest.mark.parametrize(
    ("field", "value"), [("pitch", 128), ("bar", -1), ("onset", np.nan), ("onset", -1), ("second", np.inf)]
)
def test_a_melody_that_cannot_be_is_no_frame(music, field, value):
    found = read(music)
    melody = found.melody.copy()
    melody[field][0] = value
    with pytest.raises(BadFrame):
        read_frame(io.BytesIO(frame(replace(found, melody=melody))).read)
