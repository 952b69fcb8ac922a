"""Dropped files: read elsewhere, bounded, forgotten."""

from __future__ import annotations

import os
import time

import pytest
from mmbert_ui import uploads
from mmbert_ui.uploads import Uploads

from mmbert.errors import ItemError
from mmbert.items import write_midi
from tests.ui.conftest import melody


@pytest.fixture
def kept():
    box = Uploads()
    yield box
    box.close()


@pytest.fixture
def tune(tmp_path):
    path = tmp_path / "tune.mid"
    path.write_bytes(write_midi(melody([60, 62, 64, 65] * 4), {"title": "Tune"}))
    return path


def hang(path: str) -> None:
    time.sleep(60)


def die(path: str) -> None:
    os._exit(3)


def test_a_file_is_read_and_found_by_its_id_alone(kept, tune):
    upload = kept.add(tune, "tune.mid")
    assert upload.item.metadata["title"] == "Tune"
    assert kept.get(upload.id) is upload
    assert kept.get("upload-" + "0" * 32) is None
    assert len(upload.id) == len("upload-") + 32


def test_a_hung_reader_is_ended_and_the_next_file_is_read(kept, tune, monkeypatch):
    monkeypatch.setattr(uploads, "READ_SECONDS", 1.0)
    with monkeypatch.context() as m:
        m.setattr(uploads, "_first_item", hang)
        with pytest.raises(ItemError, match="within 1 seconds"):
            kept.add(tune, "tune.mid")
    monkeypatch.setattr(uploads, "READ_SECONDS", 60.0)
    assert kept.add(tune, "tune.mid").pieces == 1


def test_a_reader_that_dies_costs_only_its_file(kept, tune, monkeypatch):
    with monkeypatch.context() as m:
        m.setattr(uploads, "_first_item", die)
        with pytest.raises(ItemError, match="ended its reader"):
            kept.add(tune, "tune.mid")
    assert kept.add(tune, "tune.mid").pieces == 1


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


def test_old_files_and_more_than_fit_are_forgotten(kept, tune, monkeypatch):
    monkeypatch.setattr(uploads, "KEPT", 2)
    first, second, third = (kept.add(tune, f"{i}.mid") for i in range(3))
    assert kept.get(first.id) is None
    assert kept.get(third.id) is third
    monkeypatch.setattr(uploads, "KEPT_SECONDS", -1.0)
    assert kept.get(second.id) is None
