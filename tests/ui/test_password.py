"""A password in front of everything that the server answers, and of everything it might answer later."""

from __future__ import annotations

import base64
import os
import re

import mmbert_ui.page as page
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from mmbert_ui import password as module
from mmbert_ui.password import Password, read_password
from starlette.websockets import WebSocketDisconnect

from mmbert.errors import UsageError
from tests.ui.conftest import StubLibrary, pieces_in

SECRET = "correct horse: bättery"


def basic(secret: str, user: str = "ann") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return StubLibrary(pieces_in(tmp_path_factory.mktemp("music")))


@pytest.fixture(scope="module")
def app(library, tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield page.build_app(library, password=SECRET)


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def addresses(app) -> list[str]:
    """Every route that the application has, ours and Gradio's, with something in the place of its parameters."""
    found: set[str] = set()

    def walk(routes, prefix: str) -> None:
        for route in routes:
            path = prefix + getattr(route, "path", "")
            inner = getattr(route, "app", None) or getattr(route, "original_router", None)
            walk(getattr(inner, "routes", []), path) if hasattr(inner, "routes") else found.add(path)

    walk(app.routes, "")
    return sorted({re.sub(r"\{(\w+)(:\w+)?\}", r"\1", f) for f in found if f})


def test_no_route_answers_without_it(client, app, library):
    every = addresses(app)
    assert {"/api/search", "/config", "/gradio_api/upload", "/assets/version/name"} <= set(every)
    piece = library.pieces()[0].id
    every += [f"/sound/{piece}.wav", f"/download/{piece}", f"/roll/{piece}.json", "/", "/theme.css", "/nothing"]
    for path in every:
        for method in ("GET", "POST", "HEAD", "OPTIONS"):
            answer = client.request(method, path)
            if "/proxy=" in path:  # refused even to who knows it
                assert answer.status_code == 403
                continue
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Basic ")
            assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_it_opens_everything_and_the_name_beside_it_does_not_matter(client, library):
    piece = library.pieces()[0].id
    for user in ("", "ann", "мария"):
        for path in ("/", "/config", "/api/search?q=slow", f"/roll/{piece}.json", "/alive"):
            assert client.get(path, headers=basic(SECRET, user)).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"nocolon").decode(), "Basic " + "A" * 5000, ""],
)
def test_other_headers_do_not(client, header):
    assert client.get("/alive", headers={"Authorization": header}).status_code == 401


def test_neither_the_page_nor_its_configuration_holds_it(client):
    for path in ("/", "/config", "/gradio_api/info"):
        assert SECRET not in client.get(path, headers=basic(SECRET)).text


@pytest.fixture
def door():
    inner = FastAPI()

    @inner.get("/")
    def anything() -> str:
        return "in"

    @inner.websocket("/ws")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("in")

    now = [0.0]
    return Password(inner, SECRET, clock=lambda: now[0]), now


def test_guessing_is_ended_for_a_minute_even_for_the_right_one(door, capsys):
    app, now = door
    client = TestClient(app)
    for _ in range(module.TRIES):
        assert client.get("/", headers=basic("guess guess")).status_code == 401
    shut = client.get("/", headers=basic(SECRET))
    assert shut.status_code == 429
    assert int(shut.headers["retry-after"]) == 61
    assert client.get("/").status_code == 401  # who sends none guesses nothing
    now[0] = module.WINDOW_S + 1
    assert client.get("/", headers=basic(SECRET)).status_code == 200
    said = capsys.readouterr().err
    assert "10 wrong passwords" in said
    assert "guess" not in said


def test_another_address_is_not_shut_out_and_few_are_remembered(door, monkeypatch):
    app, _ = door
    for _ in range(module.TRIES):
        TestClient(app, client=("192.0.2.1", 1)).get("/", headers=basic("guess guess"))
    assert TestClient(app, client=("192.0.2.1", 1)).get("/", headers=basic(SECRET)).status_code == 429
    assert TestClient(app, client=("192.0.2.2", 1)).get("/", headers=basic(SECRET)).status_code == 200
    for host in ("2001:db8::1", "2001:db8::2"):
        for _ in range(module.TRIES // 2):
            TestClient(app, client=(host, 1)).get("/", headers=basic("guess guess"))
    assert TestClient(app, client=("2001:db8::3", 1)).get("/", headers=basic(SECRET)).status_code == 429
    monkeypatch.setattr(module, "ADDRESSES", 3)
    for n in range(9):
        TestClient(app, client=(f"198.51.100.{n}", 1)).get("/", headers=basic("guess guess"))
    assert len(app._wrong) == 3


def test_websockets_are_asked_too(door):
    client = TestClient(door[0])
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
        pass
    with client.websocket_connect("/ws", headers=basic(SECRET)) as ws:
        assert ws.receive_text() == "in"


def test_the_first_line_of_a_file_is_it(tmp_path, capsys):
    path = tmp_path / "password"
    path.write_bytes(f"{SECRET}\r\nnot this\n".encode())
    path.chmod(0o600)
    assert read_password(path) == SECRET
    assert capsys.readouterr().err == ""
    path.chmod(0o644)
    assert read_password(path) == SECRET
    said = capsys.readouterr().err
    assert "chmod 600" in said
    assert SECRET not in said


@pytest.mark.parametrize("data", [b"", b"\n", b"short\n", b"x" * 2000, b"\xff\xfe12345678", None])
def test_a_file_without_one_is_refused_and_not_shown(tmp_path, data):
    path = tmp_path / "password"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageError) as e:
        read_password(path)
    assert "--password-file" in str(e.value)
    assert "short." not in str(e.value)


def test_it_may_come_through_a_pipe():
    read, write = os.pipe()
    os.write(write, f"{SECRET}\n".encode())
    os.close(write)
    from pathlib import Path

    assert read_password(Path(f"/dev/fd/{read}")) == SECRET
    os.close(read)
