"""The traps of a Gradio page, each with its number, and which test holds it shut.

A test whose name begins with ``test_t`` and a number holds the trap of that number, wherever it stands; the others are
named below. Those of looks and behaviour stand with the browser's tests in ``tests/journeys``.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import mmbert_ui.page as page
import pytest
from fastapi.testclient import TestClient
from gradio_client import Client
from mmbert_ui.asking import respond

from tests.ui.conftest import HOSTILE, StubLibrary, pieces_in
from tests.ui.test_served import serve

TESTS = Path(__file__).parents[1]
TRAPS = {
    "1": (  # a mounted app takes any path on the server for an uploaded file
        "ui/test_page.py::test_a_path_that_was_not_uploaded_is_refused",
        "ui/test_page.py::test_the_handler_itself_takes_only_what_lies_in_the_upload_folder",
    ),
    "2": (  # foreign origins are echoed with credentials
        "ui/test_harden.py::test_another_origin_is_refused",
        "ui/test_page.py::test_another_site_is_refused_by_the_whole_application",
        "ui/test_page.py::test_no_answer_allows_another_origin",
    ),
    "3": ("ui/test_page.py::test_any_json_may_arrive",),  # private handlers can be called by anybody
    "4": ("ui/test_harden.py::test_nothing_is_fetched_for_others",),  # the server fetches addresses for clients
    "5": ("ui/test_password.py::test_no_route_answers_without_it",),  # auth= leaves own routes open
    "6": (  # route lists and configuration are public
        "ui/test_page.py::test_no_route_list_is_shown",
        "ui/test_page.py::test_the_configuration_shows_no_path_of_the_library",
        "ui/test_programs.py::test_no_answer_holds_a_path_of_the_server",
        "ui/test_password.py::test_neither_the_page_nor_its_configuration_holds_it",
    ),
    "7": ("ui/test_page.py::test_no_template_holds_data",),  # templates run their data
    "8": (  # limits of components are not enforced
        "ui/test_page.py::test_any_json_may_arrive",
        "ui/test_programs.py::test_named_functions_refuse_in_words",
        "ui/test_programs.py::test_every_fault_names_what_is_wrong_in_one_form",
    ),
    "9": (  # file types are checked by their names alone
        "ui/test_page.py::test_what_is_no_music_is_refused_in_words",
        "ui/test_uploads.py::test_a_hung_or_dying_reader_costs_only_its_file",
    ),
    "10": (  # uploads have no limit of their own
        "ui/test_page.py::test_uploads_have_a_size_limit",
        "ui/test_intake.py::test_what_is_too_large_is_refused_before_it_is_stored",
        "ui/test_intake.py::test_a_full_folder_takes_no_more_until_files_are_old",
    ),
    "11": (  # nothing is deleted
        "ui/test_page.py::test_an_upload_is_deleted_once_it_is_read",
        "ui/test_intake.py::test_old_files_are_deleted_and_new_ones_counted",
        "ui/test_server.py::test_folders_of_pages_that_ended_are_removed",
        "ui/test_server.py::test_serve_says_where_answers_and_leaves_nothing_behind",
    ),
    "12": (  # allowed folders are open to who guesses names
        "ui/test_page.py::test_no_file_of_the_server_is_served",
        "ui/test_routes.py::test_an_id_that_names_nothing_is_not_found",
    ),
    "13": (
        "ui/test_server.py::test_serve_says_where_answers_and_leaves_nothing_behind",
    ),  # files of the working folder
    "15": ("ui/test_page.py::test_a_search_answer_is_small",),  # large values are slow
    "22": (  # faults reach clients as null, or as tracebacks
        "ui/test_page.py::test_a_mistake_of_ours_is_a_sentence_not_a_traceback",
        "ui/test_programs.py::test_named_functions_refuse_in_words",
    ),
    "26": ("ui/test_page.py::test_the_title_of_an_untitled_piece_is_its_file_name_in_words",),  # file names as titles
    "28": ("house/test_layers.py::test_import_and_help_load_nothing_heavy",),  # gradio is slow to import
}
NOT_OURS = {
    "23": "`block.event is block.event` is False: no handler here is chosen by comparing events",
    "27": "mcp_server=True without its extra fails silently: the page does not offer it",
}
NUMBERS = [str(n) for n in range(1, 29)] + ["19b"]


@cache
def _tests_there_are() -> dict[str, set[str]]:
    """Names of the test functions in each file."""
    return {
        path.relative_to(TESTS).as_posix(): {
            node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)
        }
        for path in TESTS.rglob("test_*.py")
    }


def test_every_trap_has_its_test_or_a_reason():
    numbered = {
        m[1] for names in _tests_there_are().values() for name in names if (m := re.match(r"test_t(\d+b?)_", name))
    }
    assert [n for n in NUMBERS if n not in {*TRAPS, *NOT_OURS, *numbered}] == []


@pytest.mark.parametrize("number", TRAPS)
def test_the_tests_that_are_named_are_there(number):
    for test in TRAPS[number]:
        path, _, name = test.partition("::")
        assert name in _tests_there_are().get(path, set()), test


# ---- those that have no other place -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> StubLibrary:
    return StubLibrary(pieces_in(tmp_path_factory.mktemp("music")))


@pytest.fixture(scope="module")
def app(library, tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield page.build_app(library)


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def listener():
    """A server of somebody else's; ``asked`` holds the paths that were fetched from it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"MThd")

        def log_message(self, *args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


def test_t4_no_address_in_a_file_field_is_fetched(client, listener):
    url, asked = listener
    for target in (
        f"{url}/a.mid",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
    ):
        for value in (
            {"path": target, "meta": {"_type": "gradio.FileData"}},
            {"path": "a.mid", "url": target, "meta": {"_type": "gradio.FileData"}},
            {"url": target, "meta": {"_type": "gradio.FileData"}},
            target,
        ):
            answer = client.post("/gradio_api/run/drop", json={"data": [value]})
            assert answer.status_code != 200 or answer.json()["data"][0]["state"] == "error"
            assert "root:" not in answer.text
        assert client.get(f"/gradio_api/file={target}").status_code in (403, 404)
        client.get(f"/gradio_api/proxy={target}")
        client.get(f"/api/search?like={quote(target)}")
    assert asked == []


FORMS = (
    "{}", "/{}", "//{}", "..%2f..%2f..%2f..%2f..%2f..{}", "%2e%2e/%2e%2e/%2e%2e/%2e%2e{}", "....//....//..../{}",
    "..%252f..%252f..%252f..{}", "..%5c..%5c..%5c{}", "%00{}", "{}%00.mid", "%5c%5c127.0.0.1%5cshare{}",
    "//127.0.0.1/share{}", "file:{}", "C:{}", "%c0%ae%c0%ae%c0%af{}",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_t12_no_form_of_a_path_reaches_a_file(client, form):
    target = form.format("/etc/passwd")
    for route in (
        "/gradio_api/file={}", "/download/{}", "/roll/{}.json", "/sound/{}.wav", "/piece/{}.json", "/assets/x/{}",
        "/assets/{}", "/static/{}", "/svelte/{}", "/api/piece/{}", "/api/similar/{}", "/api/search?like={}", "/{}",
        "/gradio_api/stream/x/y/0/{}",
    ):  # fmt: skip
        answer = client.get(f"http://127.0.0.1{route.format(target)}")
        assert "root:" not in answer.text, route


XSS = (
    HOSTILE,
    '"><script>alert(1)</script>',
    "</script><script>alert(1)</script>",
    "[a](javascript:alert(1))",
    "<svg/onload=alert(1)>",
    "\u202etxt.exe\u202c \u2066x\u2069",
    "{{constructor.constructor('alert(1)')()}}",
    "${`${alert(1)}`}",
    "=HYPERLINK(\"http://evil.example\")",
    "\x1b[2J\x07",
)  # fmt: skip


@pytest.mark.parametrize("text", XSS)
def test_t7_hostile_text_travels_as_json_alone(client, app, library, monkeypatch, text):
    one = next(iter(library.known.values()))[0]
    monkeypatch.setattr(one, "title", text)
    search = client.get("/api/search", params={"q": text, "limit": 50})
    assert text.strip() == search.json()["query"]
    assert text in [h["title"] for h in search.json()["hits"]]
    view = respond(app.state.page, {"words": text})
    assert view["ask"]["words"] == text
    for answer in (search, client.get(f"/api/piece/{one.id}"), client.get(f"/piece/{one.id}.json")):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert text not in client.get("/").text  # the page itself holds no data of the library


def test_t14_eight_questions_of_a_second_take_about_one(tmp_path, monkeypatch):
    library = StubLibrary(pieces_in(tmp_path))
    real = library.search

    def slow(words=None, **question):
        if words and words.startswith("wait"):
            time.sleep(1.0)
        return real(words, **question)

    library.search = slow  # type: ignore[method-assign]
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    url, stop = serve(page.build_app(library))
    clients = [Client(url, verbose=False) for _ in range(8)]
    begin = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda c: c.predict("wait", "", 2, api_name="/search"), clients))
    took = time.monotonic() - begin
    stop.set()
    assert all(a["hits"] for a in answers)
    assert took < 3.0  # one after the other they would take eight


def test_t16_quick_changes_do_not_pile_up(client):
    events = [d for d in client.get("/config").json()["dependencies"] if d["trigger_mode"] == "always_last"]
    assert len(events) == 1  # the question


def test_t23_no_handler_is_chosen_by_comparing_events():
    for path in Path(page.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
                compared = [node.left, *node.comparators]
                assert any(isinstance(c, ast.Constant) for c in compared) or not any(
                    isinstance(c, ast.Attribute) and c.attr in ("click", "change", "submit", "upload", "ask")
                    for c in compared
                )


def test_t25_length_and_place_are_of_the_notes_that_play(client, library):
    for piece in library.pieces():
        roll = client.get(f"/roll/{piece.id}.json").json()
        assert roll["duration_s"] == pytest.approx(
            client.get(f"/api/piece/{piece.id}").json()["facets"]["duration_s"], abs=0.01
        )


def test_t27_no_tool_server_is_offered(client):
    assert client.get("/gradio_api/mcp/sse").status_code == 404
    assert client.post("/gradio_api/mcp/", json={}).status_code in (404, 405)


def test_t28_gradio_is_imported_by_the_page_alone():
    root = TESTS.parent
    wrong = [
        str(path.relative_to(root))
        for room in ("mmbert", "indexer", "training", "ui")
        for path in (root / room).rglob("*.py")
        if re.search(r"^\s*(import|from) gradio", path.read_text("utf-8"), re.M)
        and path.name not in ("page.py", "blocks.py")
    ]
    assert wrong == []
    assert "gradio" not in sys.modules or os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
