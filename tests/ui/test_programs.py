"""Plain JSON for other programs: the library's own answers, ids alone, limits, one form of fault, caching."""

from __future__ import annotations

import json
from pathlib import Path

import mmbert_ui.page as page
import pytest
from fastapi.testclient import TestClient
from mmbert_ui.asking import respond
from mmbert_ui.state import PageState

from mmbert.console import clean
from mmbert.errors import BusyError, LibraryError
from tests.ui.conftest import HOSTILE, StubLibrary, pieces_in

ROUTES = ("/api/search", "/api/similar/{id}", "/api/piece/{id}")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    music = tmp_path_factory.mktemp("home") / "Music"
    music.mkdir()
    return StubLibrary(pieces_in(music), sources=[str(music)])


@pytest.fixture(scope="module")
def app(library, tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield page.build_app(library)


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def fault(answer) -> dict[str, str]:
    """The fault of an answer, which has exactly one form."""
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"subject", "fault", "hint"}
    assert body["error"]["fault"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return body["error"]


def test_a_search_is_what_the_library_answers_with_paths_below_the_folder_of_music(client, library):
    asked = {"q": "slow", "where": ["mode=minor"], "limit": 2}
    answer = client.get("/api/search", params=asked).json()
    expected = clean(library.search("slow", where=["mode=minor"], limit=2).to_json())
    for hit in expected["hits"]:
        hit["path"] = f"Music/{hit['path'].removeprefix(f'{library.sources[0]}/')}"
    assert answer == expected


def test_similar_is_a_search_with_an_example(client, library):
    piece = library.pieces()[0]
    asked = {"q": "minor", "where": ["form=hymn"], "limit": 3}
    answer = client.get(f"/api/similar/{piece.id}", params=asked)
    assert answer.status_code == 200
    assert answer.json() == client.get("/api/search", params=asked | {"like": piece.id}).json()
    assert library.asked[-1]["like"] == piece.id


def test_a_piece_has_its_facts_and_addresses_that_answer(client, library):
    for piece in library.pieces():
        found = client.get(f"/api/piece/{piece.id}").json()
        assert found["id"] == piece.id
        assert found["title"] == piece.title
        assert found["facets"] == clean(piece.facets.known())
        assert set(found["words"]) == {"sentence", "heard", "tags", "phrases", "left_out"}
        assert found["words"]["sentence"].startswith(f"A {piece.facets.form} in D {piece.facets.mode}, 4/4 time")
        assert found["words"]["tags"][0]["statements"] == ["mode=minor"]
        for name in ("roll", "sound", "download"):
            if found[name] and (name != "download" or Path(piece.path).exists()):
                assert client.head(found[name]).status_code == 200, name


def test_without_a_model_a_piece_has_its_facts_and_their_sentence(client, library, monkeypatch):
    def missing(like):
        raise LibraryError("the library", "was built with other weights")

    piece = library.pieces()[0]
    before = client.get(f"/api/piece/{piece.id}").json()
    monkeypatch.setattr(library, "describe", missing)
    found = client.get(f"/api/piece/{piece.id}").json()
    assert found["words"] == {
        "sentence": before["words"]["sentence"], "heard": None, "tags": None, "phrases": None, "left_out": None,
    }  # fmt: skip
    assert found | {"words": None} == before | {"words": None}


@pytest.mark.parametrize(
    ("route", "asked", "status", "named"),
    [
        ("/api/search", {}, 400, "q"),
        ("/api/search", {"q": "   "}, 400, "q"),
        ("/api/search", {"q": "x", "where": "nonsense"}, 400, ""),
        ("/api/search", {"like": "/etc/passwd"}, 404, "piece"),
        ("/api/search", {"like": "upload-" + "0" * 32}, 400, "dropped"),
        ("/api/search", {"like": "f" * 32 + "-0"}, 404, "piece"),
        ("/api/search", {"q": "x" * 2001}, 422, "q"),
        ("/api/search", {"q": "x", "limit": 201}, 422, "limit"),
        ("/api/search", {"q": "x", "limit": 0}, 422, "limit"),
        ("/api/search", {"q": "x", "limit": "many"}, 422, "limit"),
        ("/api/search", {"q": "x", "k": 5}, 422, "k"),
        ("/api/search", {"q": "x", "where": ["mode=minor"] * 21}, 422, "where"),
        ("/api/search", {"q": "x", "where": "m" * 201}, 422, "where"),
        ("/api/search", {"q": "x", "modality": "video"}, 422, "modality"),
        ("/api/search", {"q": "x", "path": "/etc/passwd"}, 422, "path"),
        ("/api/similar/" + "f" * 32 + "-0", {}, 404, "piece"),
        ("/api/similar/nothing", {}, 404, "piece"),
        ("/api/similar/" + "f" * 32 + "-0", {"limit": 201}, 422, "limit"),
        ("/api/piece/" + "f" * 32 + "-0", {}, 404, "piece"),
        ("/api/piece/..%2f..%2fetc%2fpasswd", {}, 404, ""),
        ("/api/nothing", {}, 404, "address"),
        ("/api/", {}, 404, "address"),
        ("/roll/nothing.json", {}, 404, ""),
        ("/piece/nothing.json", {}, 404, ""),
        ("/pieces.json", {"count": 10**6}, 422, "count"),
    ],
)
def test_every_fault_names_what_is_wrong_in_one_form(client, route, asked, status, named):
    answer = client.get(route, params=asked)
    assert answer.status_code == status
    assert named in fault(answer)["subject"]


def test_no_answer_holds_a_path_of_the_server(client, library):
    piece = library.pieces()[0].id
    whole = str(Path(library.pieces()[0].path).parent.parent)
    for route in ("/api/search?q=slow&limit=50", f"/api/similar/{piece}", f"/api/piece/{piece}"):
        answer = client.get(route)
        assert answer.status_code == 200
        assert whole not in answer.text


def test_an_answer_to_a_dropped_file_names_it_by_its_id(client, app, library):
    dropped = next(Path(p.path) for p in library.pieces() if p.title == "Slow Hymn")
    upload = app.state.page.uploads.add(dropped, "mine.mid")
    answer = client.get("/api/search", params={"like": upload.id})
    assert answer.json()["query"] == upload.id
    assert str(dropped.parent.parent) not in answer.text


def test_no_fault_holds_a_path_of_the_server(client, library, monkeypatch):
    music = Path(library.sources[0])

    def search(*args, **kwargs):
        raise LibraryError(str(music / "a b.mid"), f"is not {music}/c", "Weights are read from /srv/models/x.bin")

    monkeypatch.setattr(PageState, "search", search)
    told = client.get("/api/search", params={"q": "x"}).json()["error"]
    assert told == {"subject": "Music/a b.mid", "fault": "is not Music/c", "hint": "Weights are read from x.bin"}
    status, body = call(client, "search", ["x", "", 2])
    assert (status, str(music.parent) in str(body), "Music/a b.mid" in str(body)) == (500, False, True)
    shown = respond(client.app.state.page, {"words": "x"})
    assert (shown["title"], shown["hint"]) == ("Music/a b.mid: is not Music/c", "Weights are read from x.bin")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("route", [*ROUTES, "/roll/{id}.json", "/sound/{id}.wav", "/download/{id}", "/alive"])
def test_only_reading_is_allowed(client, method, route):
    answer = client.request(method, route.format(id="f" * 32 + "-0"))
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert "method" in fault(answer)["fault"]
    assert client.request(method, "/api/nothing").status_code == 404


@pytest.mark.parametrize(
    ("error", "status"),
    [(BusyError("The server", "has too many"), 503), (LibraryError("", "is damaged"), 500), (ZeroDivisionError(), 500)],
)
def test_what_the_server_cannot_do_says_so_without_a_traceback(client, monkeypatch, error, status):
    def search(*args, **kwargs):
        raise error

    monkeypatch.setattr(PageState, "search", search)
    answer = client.get("/api/search", params={"q": "x"})
    assert answer.status_code == status
    said = fault(answer)
    assert "division" not in said["fault"]
    assert ("retry-after" in answer.headers) == (status == 503)


def test_one_too_many_is_told_at_once(client, app):
    places = app.state.page.places
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    answer = client.get("/api/search", params={"q": "x"})
    assert answer.status_code == 503
    assert "Ask again" in fault(answer)["hint"]
    for _ in range(taken):
        places.release()
    assert client.get("/api/search", params={"q": "x"}).status_code == 200


def test_an_answer_may_be_kept_until_the_library_changes(client, library, monkeypatch):
    first = client.get("/api/search", params={"q": "slow"})
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    before = len(library.asked)
    for given in (tag, f"W/{tag}", f'"other", {tag}'):
        again = client.get("/api/search", params={"q": "slow"}, headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
    assert len(library.asked) == before  # nothing was searched
    monkeypatch.setattr(library, "state", "1" * 64)
    again = client.get("/api/search", params={"q": "slow"}, headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert again.headers["etag"] != tag


def test_head_has_the_headers_of_get(client, library):
    for route in ROUTES:
        address = route.format(id=library.pieces()[0].id)
        asked = {"q": "slow"} if route == "/api/search" else {}
        got, head = client.get(address, params=asked), client.head(address, params=asked)
        assert head.status_code == 200
        assert head.headers["etag"] == got.headers["etag"]
        assert head.headers["content-length"] == got.headers["content-length"]


def test_hostile_words_and_titles_come_back_as_json_text(client):
    answer = client.get("/api/search", params={"q": HOSTILE})
    assert answer.json()["query"] == HOSTILE
    assert HOSTILE in [h["title"] for h in answer.json()["hits"]]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("q", ["\0", "\ud800".encode("utf-8", "surrogatepass"), "%ff%fe", '"', "a AND OR NOT (", "*"])
def test_odd_words_are_answered(client, q):
    assert client.get("/api/search", params={"q": q}).status_code == 200


def call(client, name: str, data: list) -> tuple[int, dict]:
    answer = client.post(f"/gradio_api/run/{name}", json={"data": data})
    return answer.status_code, answer.json()


def test_the_named_functions_are_the_same_functions(client, library):
    piece = library.pieces()[0]
    pairs = [
        ("search", ["slow", "mode=minor; form=hymn", 2], "/api/search?q=slow&where=mode=minor&where=form=hymn&limit=2"),
        ("similar", [piece.id, "slow", "", 3], f"/api/similar/{piece.id}?q=slow&limit=3"),
        ("piece", [piece.id], f"/api/piece/{piece.id}"),
    ]
    for name, data, address in pairs:
        status, body = call(client, name, data)
        assert status == 200
        text = json.dumps(body["data"][0]).replace('"file":', '"path":')
        assert json.loads(text) == client.get(address).json()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("search", ["", "", 2]),
        ("search", ["x", "", 100_000]),
        ("search", ["x" * 5000, "", 2]),
        ("search", ["x", "; ".join(["mode=minor"] * 50), 2]),
        ("search", [{"path": "/etc/passwd"}, "", 2]),
        ("similar", ["/etc/passwd", "", "", 2]),
        ("piece", ["../../etc/passwd"]),
        ("piece", [7]),
    ],
)
def test_named_functions_refuse_in_words(client, name, data):
    status, body = call(client, name, data)
    assert status != 200
    assert body["error"]
    assert "Traceback" not in body["error"]
