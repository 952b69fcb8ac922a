"""Nobody outside reads, writes, fetches through the page or loads anything into it."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from mmbert_ui.harden import Harden
from starlette.websockets import WebSocketDisconnect


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    def anything(path: str) -> PlainTextResponse:
        return PlainTextResponse("in", headers={"X-Content-Type-Options": "no"})

    @app.websocket("/ws")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("in")

    return TestClient(Harden(app, hosts=("music.example",)), base_url="http://127.0.0.1:7860")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:7860", "http://127.0.0.1:7861"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused(client, origin, method):
    assert client.request(method, "/x", headers={"Origin": origin}).status_code == 403


def test_the_own_origin_and_no_origin_pass(client):
    assert client.post("/x", headers={"Origin": "http://127.0.0.1:7860"}).text == "in"
    assert client.get("/x").text == "in"


def test_behind_a_proxy_the_scheme_is_that_of_the_person(client):
    headers = {"Origin": "https://127.0.0.1:7860", "X-Forwarded-Proto": "https"}
    assert client.get("/x", headers=headers).status_code == 200
    headers["Origin"] = "http://127.0.0.1:7860"
    assert client.get("/x", headers=headers).status_code == 403


def test_a_page_elsewhere_cannot_embed_answers_but_may_link(client):
    assert client.get("/x", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert client.get("/x", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_a_form_elsewhere_cannot_send_here(client):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.post("/x", headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "", "127.0.0.1.evil.example"])
def test_a_name_that_is_not_ours_is_refused(client, host):
    assert client.get("/x", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:7860", "192.168.0.7:80", "Music.Example"])
def test_addresses_and_given_names_are_ours(client, host):
    assert client.get("/x", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://10.0.0.1/x",
        "/gradio_api/file=HTTPS://example.com",
        "/gradio_api/file%3Dhttp%3A%2F%2Fexample.com",
        "/gradio_api/file=%2568ttp://example.com",
        "/gradio_api/proxy=http://example.com",
        "/gradio_api/file=/http://example.com",
    ],
)
def test_nothing_is_fetched_for_others(client, path):
    assert client.get(path).status_code == 403


def test_every_answer_carries_the_policy_once(client):
    for answer in (client.get("/x"), client.get("/x", headers={"Origin": "null"})):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


def test_websockets_go_through_the_same_door(client):
    own = {"Origin": "http://127.0.0.1:7860", "Host": "127.0.0.1:7860"}
    with client.websocket_connect("/ws", headers=own) as ws:
        assert ws.receive_text() == "in"
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/ws", headers=own | {"Origin": "http://evil.example"}),
    ):
        pass
