"""The page as a server: what Gradio lets through by default stays shut, and a question gets its answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import mmbert_ui.page as page
import pytest
from fastapi.testclient import TestClient
from mmbert_ui.asking import card, respond
from mmbert_ui.blocks import LIBRARY, RESULTS, dropped
from mmbert_ui.state import PageState

from mmbert.errors import BusyError
from tests.ui.conftest import HOSTILE


@pytest.fixture
def app(library, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return page.build_app(library)


@pytest.fixture
def client(app):
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def site(app):
    return app.state.page


def call(client, name: str, data: list) -> tuple[int, str]:
    answer = client.post(f"/gradio_api/run/{name}", json={"data": data})
    return answer.status_code, answer.text


# ---- Gradio's doors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/etc/passwd", "pyproject.toml", "../x.mid"])
def test_a_path_that_was_not_uploaded_is_refused(client, path):
    status, text = call(client, "drop", [{"path": path, "meta": {"_type": "gradio.FileData"}}])
    assert status != 200
    assert "root:" not in text


def test_the_handler_itself_takes_only_what_lies_in_the_upload_folder(app, tmp_path):
    outside = tmp_path / "outside.mid"
    outside.write_bytes(b"MThd")
    view = dropped(site(app), str(outside))
    assert view["state"] == "error"
    assert outside.exists()


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc", "/gradio_api/docs"])
def test_no_route_list_is_shown(client, path):
    assert client.get(path).status_code == 404


def test_the_configuration_shows_no_path_of_the_library(client, library):
    config = client.get("/config").text
    assert all(piece.path not in config for piece in library.pieces())


def test_no_file_of_the_server_is_served(client, library):
    targets = [Path("/etc/passwd"), Path(page.__file__), *(Path(p.path) for p in library.pieces())]
    for target in targets:
        assert client.get(f"/gradio_api/file={target}").status_code in (403, 404)
    for path in ("/assets/x/../page.py", "/assets/x/%2e%2e%2fpage.py", "/roll/..%2f..%2fetc%2fpasswd.json"):
        assert client.get(path).status_code == 404


def test_another_site_is_refused_by_the_whole_application(client):
    answer = client.get("/config", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_no_answer_allows_another_origin(client):
    answer = client.get("/config", headers={"Origin": "http://127.0.0.1"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_uploads_have_a_size_limit(client):
    answer = client.post("/gradio_api/upload", files={"files": ("big.wav", b"0" * (65 * 2**20))})
    assert answer.status_code == 413


def test_an_upload_is_deleted_once_it_is_read(client, app, library, tmp_path):
    from mmbert.items import write_midi
    from tests.ui.conftest import melody

    data = write_midi(melody([60, 64, 67] * 8), {"title": "Dropped"})
    stored = client.post("/gradio_api/upload", files={"files": ("<b>my${x} tune.mid", data)}).json()[0]
    assert Path(stored).exists()
    view = dropped(site(app), stored)
    assert view["state"] == "hits"
    assert view["example"]["title"] == "Dropped"
    assert view["example"]["facts"][0] == {"label": "Notes", "value": "27", "fits": False}
    assert library.asked[-1]["like"].metadata["title"] == "Dropped"
    assert list((tmp_path / "uploads").rglob("*.mid")) == []
    assert client.get(f"/roll/{view['ask']['like']}.json").json()["duration_s"] > 1
    assert client.get(f"/download/{view['ask']['like']}").content[:4] == b"MThd"


@pytest.mark.parametrize(("name", "data"), [("x.mid", b"not music"), ("x.pdf", b"%PDF-1.4"), ("x.mid", b"")])
def test_what_is_no_music_is_refused_in_words(client, app, name, data):
    stored = client.post("/gradio_api/upload", files={"files": (name, data or b" ")}).json()[0]
    view = dropped(site(app), stored)
    assert view["state"] == "error"
    assert name in view["title"]
    assert not Path(stored).exists()


def test_no_template_holds_data():
    for template in (RESULTS, LIBRARY):
        assert "${" not in template
        assert "{{" not in template


def test_assets_come_with_their_types(client):
    config = client.get("/config").text
    version = config.split("/assets/")[1].split("/")[0]
    for name in ("page.js", "roll.js", "style.css"):
        answer = client.get(f"/assets/{version}/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(("text/javascript", "text/css"))


def test_nothing_names_an_outside_address():
    from mmbert_ui.routes import ASSETS, asset

    assert [name for name in ASSETS if b"http://" in asset(name) or b"https://" in asset(name)] == []


# ---- questions --------------------------------------------------------------------------------------------


def ask(app, **question):
    return respond(site(app), question)


def test_a_question_gives_cards_and_chips(app):
    view = ask(app, words="slow minor", serial=3)
    assert view["state"] == "hits"
    assert view["ask"]["serial"] == 3
    assert [c["text"] for c in view["chips"]] == ["pace under 3.5", "minor"]
    first = view["cards"][0]
    assert first["title"] == "Slow Hymn"
    assert first["why"].startswith("piece 1")
    assert {"label": "Key", "value": "D minor", "fits": True} in first["facts"]
    shown = [fact["value"] for card in view["cards"] for fact in card["facts"]]
    assert not {"", "None", "unknown"} & set(shown)


def test_a_chip_made_a_filter_leaves_others_out_and_is_shown_once(app):
    view = ask(app, words="slow minor", where=["mode=minor"])
    assert [(c["text"], c["hard"]) for c in view["chips"]] == [("pace under 3.5", False), ("minor", True)]
    assert {f["value"] for card in view["cards"] for f in card["facts"] if f["label"] == "Key"} == {"D minor"}


def test_filters_that_leave_nothing_say_which_to_take_out(app):
    view = ask(app, words="", where=["mode=minor", "form=jig"])
    assert view["cards"] == []
    found = [(way["text"], way["change"], way["total"]) for way in view["relax"]]
    assert found == [("“jig”", {"where": ["mode=minor"]}, 3), ("“minor”", {"where": ["form=jig"]}, 2)]


def test_ways_out_that_must_wait_do_not_cost_the_answer(app, monkeypatch):
    real, asked = PageState.search, []

    def search(self, words, **question):
        asked.append(words)
        if len(asked) > 2:
            raise BusyError("The server", "has too many questions at once")
        return real(self, words, **question)

    monkeypatch.setattr(PageState, "search", search)
    view = ask(app, words="", where=["mode=minor", "form=jig"])
    assert (view["state"], view["cards"], len(view["relax"])) == ("hits", [], 1)


def test_nothing_fits_keeps_its_hits_and_calls_them_loose(app):
    view = ask(app, words="zzz")
    assert view["nothing_fits"]
    assert {c["band"] for c in view["cards"]} == {"loose"}


def test_a_listing_by_filters_alone_has_no_band(app):
    with site(app).now() as state:
        hit = state.search("slow").hits[0]
    assert card(hit)["band"]
    assert card(replace(hit, similarity=None))["band"] == ""


def test_more_like_this_takes_an_id_and_never_a_path(app, library):
    piece = library.pieces()[0]
    assert ask(app, like=piece.id)["example"]["title"] == piece.title
    for like in ("/etc/passwd", "../x", piece.path[:60], "upload-" + "0" * 32, "0" * 32 + "-0"):
        assert ask(app, like=like)["state"] == "error"


@pytest.mark.parametrize(
    "question",
    [
        {"words": "x" * 5000},
        {"words": 7},
        {"words": "x", "limit": 10**6},
        {"words": "x", "limit": "10"},
        {"words": "x", "where": ["mode=minor"] * 1000},
        {"words": "x", "where": ["m" * 10**5]},
        {"words": "x", "where": ["nonsense"]},
        {"words": "x", "extra": 1},
        {"serial": -5, "words": "x"},
        ["words"],
        None,
        "words",
    ],
)
def test_any_json_may_arrive(app, question):
    assert respond(site(app), question)["state"] == "error"


def test_a_mistake_of_ours_is_a_sentence_not_a_traceback(app, monkeypatch, capsys):
    monkeypatch.setattr(PageState, "search", lambda *a, **k: 1 / 0)
    view = ask(app, words="x")
    assert view["state"] == "error"
    assert "division" not in json.dumps(view)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_hostile_words_and_titles_come_back_as_they_are(app):
    view = ask(app, words=HOSTILE)
    assert view["ask"]["words"] == HOSTILE
    assert HOSTILE in [c["title"] for c in view["cards"]]


def test_the_title_of_an_untitled_piece_is_its_file_name_in_words(app):
    assert "the old mill" in [c["title"] for c in ask(app, words="x")["cards"]]


def test_a_search_answer_is_small(app):
    assert len(json.dumps(ask(app, words="slow minor jig"))) < 10_000


def test_the_named_function_answers_over_http(client):
    status, text = call(client, "search", ["slow", "mode=minor", 2])
    answer = json.loads(text)["data"][0]
    assert status == 200
    assert answer["query"] == "slow"
    assert [h["facets"]["mode"] for h in answer["hits"]] == ["minor", "minor"]
    assert call(client, "search", ["", "", 2])[0] != 200
    assert call(client, "search", ["x", "", 100_000])[0] != 200
