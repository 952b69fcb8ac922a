"""Notes, sound and files by id."""

from __future__ import annotations

import io
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from mmbert_ui import uploads
from mmbert_ui.notes import Playable
from mmbert_ui.render import Renderer, find_soundfont
from mmbert_ui.routes import add_routes
from mmbert_ui.state import Site

from mmbert.items import load_items

needs_soundfont = pytest.mark.skipif(find_soundfont() is None, reason="no SoundFont on this machine")


@pytest.fixture
def client(library) -> TestClient:
    font = find_soundfont()
    app = FastAPI()
    add_routes(app, Site(library, Renderer(font) if font else None))
    return TestClient(app)


def id_of(library, title: str) -> str:
    return next(p.id for p in library.pieces() if p.title == title)


def test_a_roll_holds_whole_numbers_on_the_clock(client, library):
    roll = client.get(f"/roll/{id_of(library, 'Morning Jig')}.json").json()
    assert roll["parts"] == ["Fiddle", "Bass"]
    assert roll["notes"][:3] == [[0, 240, 60, 0], [0, 1979, 36, 1], [250, 240, 62, 0]]
    assert roll["bars"][:3] == [0, 2000, 4000]
    assert roll["duration_s"] == pytest.approx(15.99, abs=0.02)


@pytest.mark.parametrize(
    "route", ["/roll/{}.json", "/sound/{}.wav", "/download/{}", "/piece/{}.json", "/words/{}.json"]
)
@pytest.mark.parametrize("name", ["f" * 32 + "-0", "nothing", "upload-" + "0" * 32, "..%2f..%2fx", "%2e%2e", "a.b"])
def test_an_id_that_names_nothing_is_not_found(client, route, name):
    assert client.get(route.format(name)).status_code == 404


def test_a_piece_in_words(client, library):
    found = client.get(f"/words/{id_of(library, 'Slow Hymn')}.json")
    assert found.headers["cache-control"] == "no-store"
    assert set(found.json()) == {"sentence", "heard", "tags", "phrases", "left_out"}
    assert found.json()["sentence"].startswith("A hymn in D minor, 4/4 time")


@needs_soundfont
def test_sound_is_a_wav_of_the_whole_piece(client, library):
    answer = client.get(f"/sound/{id_of(library, 'Morning Jig')}.wav")
    with wave.open(io.BytesIO(answer.content)) as w:
        samples = np.frombuffer(w.readframes(w.getnframes()), np.int16)
        assert w.getframerate() == 48_000
        assert w.getnframes() / w.getframerate() == pytest.approx(18.49, abs=0.05)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert 3000 < np.abs(samples).max() < 32_767


@needs_soundfont
@pytest.mark.parametrize("span", ["0-99", "40-50", "1000001-1400003", "-777", "3000000-"])
def test_any_range_is_that_part_of_the_whole(client, library, span):
    url = f"/sound/{id_of(library, 'Morning Jig')}.wav"
    whole = client.get(url).content
    part = client.get(url, headers={"Range": f"bytes={span}"})
    start, stop = part.headers["content-range"].split()[1].split("/")[0].split("-")
    assert part.status_code == 206
    assert part.content == whole[int(start) : int(stop) + 1]


@needs_soundfont
def test_a_range_beyond_the_end_is_refused(client, library):
    url = f"/sound/{id_of(library, 'Morning Jig')}.wav"
    assert client.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    assert client.head(url).headers["accept-ranges"] == "bytes"


def test_a_file_of_one_piece_is_downloaded_as_it_is(client, library):
    piece = next(p for p in library.pieces() if p.title == "Slow Hymn")
    answer = client.get(f"/download/{piece.id}")
    assert answer.content == Path(piece.path).read_bytes()
    assert answer.headers["content-disposition"].startswith('attachment; filename="Slow Hymn.mid"')


def test_a_tune_of_a_book_is_downloaded_as_midi(client, library, tmp_path):
    answer = client.get(f"/download/{id_of(library, 'Morning Jig')}")
    (tmp_path / "one.mid").write_bytes(answer.content)
    (item,) = load_items(tmp_path / "one.mid")
    assert item.metadata["title"] == "Morning Jig"


def test_a_file_that_changed_is_not_handed_out(client, library):
    piece = next(p for p in library.pieces() if p.title == "Slow Hymn")
    with open(piece.path, "ab") as f:
        f.write(b"x")
    assert client.get(f"/download/{piece.id}").status_code == 410


def test_a_hostile_title_cannot_leave_its_header(client, library):
    hostile = next(p for p in library.pieces() if p.title.startswith("<img"))
    book = client.get(f"/download/{id_of(library, 'Evening Jig')}")
    assert book.status_code == 200
    from mmbert_ui.routes import attachment

    header = attachment(hostile.title + '"\r\nSet-Cookie: a=b; filename=x.exe')
    assert "\r" not in header
    assert header.count('"') == 2


def test_the_library_lists_counts_rejects_and_pieces(client, library):
    view = client.get("/library.json").json()
    assert (view["pieces"], view["passages"], view["rejected"]) == (6, 40, 1)
    assert view["reasons"] == [["is empty", 1]]
    rows = client.get("/pieces.json", params={"text": "ANN waltz"}).json()
    assert [r["title"] for r in rows["rows"]] == ["the old mill"]
    assert client.get("/pieces.json", params={"start": 4, "count": 50}).json()["total"] == 6
    assert client.get("/pieces.json", params={"count": 10**6}).status_code == 422


def test_the_notes_of_a_dropped_file_go_with_it(library, tmp_path, monkeypatch):
    site, path = Site(library), tmp_path / "hymn.mid"
    upload = site.uploads.add(path, "mine.mid")
    app = FastAPI()
    add_routes(app, site)
    client = TestClient(app)
    assert client.get(f"/roll/{upload.id}.json").json()["notes"]
    assert not site._playables
    monkeypatch.setattr(uploads, "KEPT_SECONDS", -1.0)
    assert client.get(f"/roll/{upload.id}.json").status_code == 404
    site.uploads.close()


def test_builds_are_followed_though_warming_went_wrong(library, monkeypatch):
    site, followed = Site(library), threading.Event()
    monkeypatch.setattr(library, "pieces", lambda: 1 / 0)
    monkeypatch.setattr(site.following, "start", followed.set)
    monkeypatch.setattr(site.uploads, "warm", lambda: None)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    site.start()
    assert followed.wait(20)


def test_notes_of_a_piece_without_notes_draw_nothing():
    from mmbert.symbolic.score import Score

    empty = Playable.of(Score.build([], 480))
    assert empty.to_json()["notes"] == []
    assert empty.gain == 1.0
