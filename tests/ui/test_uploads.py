"""Dropped files: read elsewhere, bounded, forgotten."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mmbert_indexer import workers
from mmbert_ui import uploads
from mmbert_ui.uploads import Uploads

from mmbert.errors import BusyError, ItemError
from mmbert.items import load_items, write_midi
from tests.ui.conftest import melody

# A MIDI reader that does what the file's name says.
HOSTILE = """
import os, time
import mmbert.items.midi as midi
real = midi.read
def read(file):
    if file.path.name.startswith("hang"):
        time.sleep(60)
    if file.path.name.startswith("die"):
        os._exit(3)
    yield from real(file)
midi.read = read
"""


@pytest.fixture
def kept():
    box = Uploads(lambda: pytest.fail("nothing is to be heard"), lambda upload_id: None)
    yield box
    box.close()


@pytest.fixture
def tune(tmp_path):
    path = tmp_path / "tune.mid"
    path.write_bytes(write_midi(melody([60, 62, 64, 65] * 4), {"title": "Tune"}))
    return path


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HOSTILE)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])


def test_a_text_is_an_example_too(kept, tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("A slow air for the evening.")
    item = kept.add(path, "note.txt").item
    assert (item.kind, item.text, item.score) == ("text", "A slow air for the evening.", None)


def test_a_file_is_read_and_found_by_its_id_alone(kept, tune):
    upload = kept.add(tune, "tune.mid")
    assert upload.item.metadata["title"] == "Tune"
    assert kept.get(upload.id) is upload
    assert kept.get("upload-" + "0" * 32) is None
    assert len(upload.id) == len("upload-") + 32


def test_its_notes_are_those_that_reading_it_here_gives(kept, tune, tmp_path):
    (tmp_path / "book.abc").write_text(
        "".join(f"X:{n}\nT:Tune {n}\nM:3/4\nK:G\nQ:90\nG{n}AB|c3|\n\n" for n in (1, 2, 3))
    )
    for path, pieces in ((tune, 1), (tmp_path / "book.abc", 3)):
        upload, here = kept.add(path, path.name), next(iter(load_items(path)))
        assert upload.pieces == pieces
        assert upload.item.uid == here.uid
        for name in ("notes", "tempo_map", "metre_map", "key_map"):
            assert np.array_equal(getattr(upload.item.score, name), getattr(here.score, name))
        assert upload.item.score.parts == here.score.parts


@pytest.mark.usefixtures("hostile")
def test_a_hung_or_dying_reader_costs_only_its_file(kept, tune, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "READ_SECONDS", 1)
    for name, said in (("hang.mid", "within 1 seconds"), ("die.mid", "ended the process that reads it")):
        (tmp_path / name).write_bytes(tune.read_bytes())
        with pytest.raises(ItemError, match=said) as e:
            kept.add(tmp_path / name, f"my {name}")
        assert e.value.subject == f"my {name}"
    assert kept.add(tune, "tune.mid").pieces == 1


def test_a_book_that_never_ends_is_counted_as_far_as_time_allows(kept, tune, tmp_path, monkeypatch):
    (tmp_path / "book.abc").write_text("".join(f"X:{n}\nT:Tune {n}\nK:G\nGAB|\n\n" for n in range(1, 400)))
    monkeypatch.setattr(uploads, "COUNT_SECONDS", 0.0)
    assert kept.add(tmp_path / "book.abc", "book.abc").pieces < 400
    monkeypatch.undo()
    assert kept.add(tune, "tune.mid").pieces == 1


def test_files_are_read_one_after_the_other_and_too_many_at_once_are_told_so(kept, tune, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_WAITING", 2)
    kept._places = threading.BoundedSemaphore(2)
    inside, most, real = [0], [0], kept._read

    def read(*asked):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        try:
            return real(*asked)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(kept, "_read", read)
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(kept.add, tune, "tune.mid") for _ in range(6)]
        outcomes = [job.exception() for job in jobs]
    assert most == [1]
    assert any(isinstance(o, BusyError) for o in outcomes)
    assert any(o is None for o in outcomes)


def test_errors_name_the_file_as_the_person_does(kept, tmp_path):
    (tmp_path / "stored-0123.mid").write_bytes(b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk")
    with pytest.raises(ItemError) as e:
        kept.add(tmp_path / "stored-0123.mid", "my tune.mid")
    assert str(e.value).startswith("my tune.mid:")


def test_too_large_a_file_is_not_even_opened(kept, tmp_path):
    with (tmp_path / "big.mid").open("wb") as f:
        f.truncate(uploads.MAX_BYTES + 1)
    with pytest.raises(ItemError, match="up to 8 MB"):
        kept.add(tmp_path / "big.mid", "big.mid")


def test_a_file_is_forgotten_though_nobody_asks(tune, monkeypatch):
    monkeypatch.setattr(uploads, "KEPT_SECONDS", 0.2)
    gone = threading.Event()
    box = Uploads(lambda: pytest.fail("nothing is to be heard"), lambda upload_id: gone.set())
    box.add(tune, "tune.mid")
    assert gone.wait(20)
    assert not box._kept
    box.close()


def test_old_files_and_more_than_fit_are_forgotten(kept, tune, monkeypatch):
    monkeypatch.setattr(uploads, "KEPT", 2)
    first, second, third = (kept.add(tune, f"{i}.mid") for i in range(3))
    assert kept.get(first.id) is None
    assert kept.get(third.id) is third
    monkeypatch.setattr(uploads, "KEPT_SECONDS", -1.0)
    assert kept.get(second.id) is None
