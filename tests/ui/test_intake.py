"""Files on their way in: few, small, soon gone."""

from __future__ import annotations

import os
import time

import mmbert_ui.page as page
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from mmbert_ui import intake
from mmbert_ui.intake import MOST_STORED, STORED_SECONDS, Intake, stored


def put(folder, n, age=0.0):
    (folder / f"{n:064x}").mkdir(parents=True)
    path = folder / f"{n:064x}" / "a.mid"
    path.write_bytes(b"MThd")
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.fixture
def client(tmp_path):
    app = FastAPI()

    @app.post("/gradio_api/upload")
    async def upload(request: Request) -> int:
        return len(await request.body())

    @app.post("/other")
    async def other(request: Request) -> int:
        return len(await request.body())

    return TestClient(Intake(app, lambda: tmp_path, 2**20))


def test_a_file_of_the_right_size_passes_and_other_routes_are_not_looked_at(client):
    assert client.post("/gradio_api/upload", files={"files": ("a.mid", b"0" * 2**20)}).status_code == 200
    assert client.post("/other", content=b"0" * 2**21).status_code == 200


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/upload/", "/upload"])
def test_what_is_too_large_is_refused_before_it_is_stored(client, path):
    answer = client.post(path, files={"files": ("a.mid", b"0" * 2**21)})
    assert answer.status_code == 413
    assert "1 MB" in answer.json()["error"]["fault"]
    many = [("files", (f"{n}.mid", b"0" * 2**18)) for n in range(8)]
    assert client.post(path, files=many).status_code == 413


def test_an_upload_without_a_length_is_refused(client):
    def parts():
        yield b"x"

    answer = client.post("/gradio_api/upload", content=parts())
    assert answer.status_code == 411


def test_a_length_does_not_count_beside_another_way_of_sending(client):
    headers = {"Content-Length": "10", "Transfer-Encoding": "chunked"}
    assert client.post("/gradio_api/upload", content=b"0" * 10, headers=headers).status_code == 411


def test_an_upload_that_is_longer_than_it_says_is_cut_off(client):
    headers = {"Content-Length": "10", "Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/gradio_api/upload", content=b"0" * 11, headers=headers)
    assert answer.status_code == 400
    assert "longer" in answer.json()["error"]["fault"]


def test_a_request_brings_one_file_however_it_is_cut_into_blocks():
    def left(body: bytes, block: int) -> str:
        form = intake._Form(b"multipart/form-data; boundary=xx-x", len(body))
        for at in range(0, len(body), block):
            form.count(body[at : at + block])
        return form.fault

    part = b'--xx-x\r\nContent-Disposition: form-data; name="files"; filename="a.mid"\r\n\r\nMThd\r\n'
    for block in range(1, 200):
        assert left(part + b"--xx-x--\r\n", block) == ""
        assert "more than one" in left(part * 2 + b"--xx-x--\r\n", block)


def test_many_small_files_in_one_request_leave_nothing_on_the_disk(library, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    with TestClient(page.build_app(library), base_url="http://127.0.0.1") as client:
        many = [("files", (f"{n}.mid", b"MThd%d" % n)) for n in range(200)]
        answer = client.post("/gradio_api/upload", files=many)
        assert (answer.status_code, answer.json()["error"]["fault"]) == (400, "holds more than one file")
        assert [p for p in (tmp_path / "uploads").rglob("*") if p.is_file()] == []
        assert client.post("/gradio_api/upload", files=many[:1]).status_code == 200


def test_a_full_folder_takes_no_more_until_files_are_old(client, tmp_path, monkeypatch):
    for n in range(MOST_STORED):
        put(tmp_path, n)
    answer = client.post("/gradio_api/upload", files={"files": ("a.mid", b"0")})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    later = time.time() + STORED_SECONDS + 9
    monkeypatch.setattr(intake.time, "time", lambda: later)
    assert client.post("/gradio_api/upload", files={"files": ("a.mid", b"0")}).status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_old_files_are_deleted_and_new_ones_counted(tmp_path):
    new, old = put(tmp_path, 1), put(tmp_path, 2, STORED_SECONDS + 1)
    assert stored(tmp_path)[0] == 1
    assert new.exists()
    assert not old.parent.exists()
    assert stored(tmp_path / "missing") == (0, 0)


def test_bytes_are_bounded_as_well_as_files(client, tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "MOST_STORED_BYTES", 10_000)
    assert client.post("/gradio_api/upload", files={"files": ("a.wav", b"0" * 5000)}).status_code == 200
    put(tmp_path, 1).write_bytes(b"0" * 6000)
    assert client.post("/gradio_api/upload", files={"files": ("a.wav", b"0" * 5000)}).status_code == 503
