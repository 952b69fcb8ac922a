"""Builds that the page starts: one at a time, of the library's own folders, and never one that loses pieces."""

from __future__ import annotations

import os
import signal
import time

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from mmbert_ui import building, building_process
from mmbert_ui.building import Builder
from mmbert_ui.pulse import add_pulse_routes
from mmbert_ui.state import Site

from mmbert.errors import LibraryError
from tests.ui.conftest import StubLibrary


def ended(builder: Builder, seconds: float = 8) -> dict:
    for _ in range(int(seconds / 0.02)):
        if builder.view()["state"] not in ("running", "stopping"):
            return builder.view()
        time.sleep(0.02)
    raise AssertionError("the build did not end")


@pytest.fixture
def script(monkeypatch):
    """Makes the build process run a few lines of Python instead."""
    real = building.subprocess.Popen

    def run(code: str) -> None:
        monkeypatch.setattr(building.subprocess, "Popen", lambda command, **how: real([command[0], "-c", code], **how))

    return run


@pytest.fixture
def builder(tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "library").mkdir()
    builder = Builder(tmp_path / "library", lambda: [str(tmp_path / "music")])
    yield builder
    builder.close()


def test_progress_and_report_come_from_the_process(builder, script):
    line = '{"done": 3, "total": 4, "pieces": 9, "rate": 2.0}'
    script(f"import time; print('noise'); print('{line}', flush=True); time.sleep(99)")
    builder.start()
    for _ in range(400):
        if "done" in builder.view():
            break
        time.sleep(0.02)
    assert builder.view() | {"seconds": 0} == {
        "state": "running", "done": 3, "total": 4, "pieces": 9, "rate": 2.0, "seconds": 0,
    }  # fmt: skip
    with pytest.raises(LibraryError, match="running already"):
        builder.start()
    builder.stop()
    assert ended(builder)["state"] == "failed"


def test_a_report_ends_a_build(builder, script):
    script('print(\'{"report": {"pieces": 7}}\')')
    builder.start()
    assert ended(builder) == {"state": "built", "report": {"pieces": 7}}


def test_lines_that_are_no_objects_are_passed_over(builder, script):
    script("""print('[1, 2]\\n7\\nnull\\n"report"\\n{"report": {"pieces": 7}}\\n[8]')""")
    builder.start()
    assert ended(builder) == {"state": "built", "report": {"pieces": 7}}


def test_a_build_is_its_own_group_and_is_told_to_stop_once(builder, script):
    told = "import signal, sys; n = []; signal.signal(signal.SIGTERM, lambda *_: n.append(1)); "
    script(told + """import time; print('{"done": 1}', flush=True); time.sleep(1); print('{"report": %d}' % len(n))""")
    builder.start()
    process = builder._process
    assert os.getpgid(process.pid) == process.pid  # Ctrl-C in a terminal goes to a group
    while "done" not in builder.view():
        time.sleep(0.02)
    for _ in range(3):
        builder.stop()
        assert builder.view()["state"] == "stopping"
        time.sleep(0.1)
    assert ended(builder) == {"state": "built", "report": 1}


def test_a_page_that_ignores_ctrl_c_can_stop_its_build(builder, script):
    """As one that a shell started in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        script("import time; time.sleep(99)")
        builder.start()
        builder.stop()  # before its Python has begun
        assert ended(builder)["error"]["fault"] == "Stopped"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_build_that_was_stopped_says_what_is_kept():
    from mmbert_indexer.stop import BuildStopped
    from mmbert_ui.outside import error_words, outside

    told = outside(BuildStopped(signal.SIGTERM, 1272, 1595), ["/music"])
    assert error_words(told)["fault"] == "Stopped. 1,272 of 1,595 files done and kept"


def test_a_process_that_dies_is_a_sentence(builder, script):
    script("raise SystemExit(9)")
    builder.start()
    assert "begin it again" in ended(builder)["error"]["hint"]


def test_no_build_begins_that_would_lose_pieces_or_cannot_write(builder, tmp_path):
    other = Builder(tmp_path / "library", lambda: [str(tmp_path / "music"), str(tmp_path / "unplugged")])
    assert "unplugged" in str(other.obstacle())
    assert "not on this machine" in str(Builder(tmp_path / "library", list).obstacle())
    assert builder.obstacle() is None
    (tmp_path / "library").chmod(0o555)
    assert "read-only" in str(builder.obstacle())
    (tmp_path / "library").chmod(0o755)


def test_beside_another_build_none_begins(tmp_path, tiny_weights):
    from mmbert_indexer.build import build_library
    from mmbert_indexer.lock import build_lock

    from mmbert.embed import Embedder

    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.abc").write_text("X:1\nT:A tune\nM:6/8\nL:1/8\nK:D\n|:DFA dfa|gec d3:|\n")
    library = tmp_path / "library"
    build_library(library, [tmp_path / "music"], Embedder.from_pretrained(tiny_weights))
    builder = Builder(library, lambda: [str(tmp_path / "music")], tiny_weights)
    with build_lock(library):
        builder.start()
        said = ended(builder, seconds=60)
    assert said["state"] == "failed"
    assert "Another build is running" in said["error"]["fault"]


def test_a_build_that_fails_names_no_folder_of_the_machine(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(building_process.os, "nice", lambda _: 0)
    monkeypatch.setattr(building_process.signal, "signal", lambda *_: None)
    assert building_process.main(str(tmp_path / "my library")) == 1
    said = capsys.readouterr().out
    assert "my library" in said
    assert str(tmp_path) not in said


def test_only_who_sits_here_is_told_where_an_empty_library_lies(tmp_path):
    app = FastAPI()
    add_pulse_routes(app, Site(StubLibrary({}, path=tmp_path / "library")), Builder(tmp_path, list))
    said = [TestClient(app, client=(host, 1)).get("/settings.json").json() for host in ("127.0.0.1", "192.0.2.7")]
    assert [s["library"] for s in said] == [str(tmp_path / "library"), "library"]


def test_the_routes_take_no_path_and_say_what_is_in_the_way(library, tmp_path):
    app = FastAPI()
    builder = Builder(tmp_path, list)
    add_pulse_routes(app, Site(library), builder)
    client = TestClient(app)
    answer = client.post("/build", json={"folder": "/etc"}, params={"folder": "/etc"})
    assert answer.status_code == 409
    assert "not on this machine" in answer.json()["error"]["fault"]
    assert client.get("/build").status_code == 405
    assert client.get("/pulse.json").json() == {
        "generation": "gen-000001", "notice": "", "build": {"state": "idle"},
    }  # fmt: skip
    assert client.get("/settings.json").json()["obstacle"]["fault"]
    filters = client.get("/filters.json").json()
    assert filters["form"] == [["jig", 2], ["waltz", 2], ["hymn", 1], ["song", 1]]
    assert filters["instruments"] == [["acoustic bass", 6], ["violin", 6]]
