"""Ports, folders and the two commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from mmbert_ui import server

from mmbert.errors import UsageError
from mmbert.items import write_midi
from tests.ui.conftest import melody


def test_a_busy_default_port_is_passed_over(monkeypatch):
    with server.listen("127.0.0.1", None) as first:
        busy = first.getsockname()[1]
        monkeypatch.setattr(server, "DEFAULT_PORT", busy)
        with server.listen("127.0.0.1", None) as second:
            assert busy < second.getsockname()[1] < busy + server.PORTS_TRIED


def test_a_busy_port_that_was_asked_for_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}"):
            server.listen("127.0.0.1", port)


def test_a_host_that_is_not_this_machine_is_an_error():
    for host in ("203.0.113.7", "no such host"):
        with pytest.raises(UsageError):
            server.listen(host, None)


def test_folders_of_pages_that_ended_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead, alive = tmp_path / f"mmbert-page-{int(ended.stdout)}-x", tmp_path / f"mmbert-page-{os.getpid()}-y"
    other = tmp_path / "mmbert-page-notes"
    for folder in (dead, alive, other):
        folder.mkdir()
    new = server._work_folder()
    assert {p for p in (dead, alive, other, new) if p.exists()} == {alive, other, new}


def run(command: list[str], cwd: Path) -> subprocess.Popen:
    environment = os.environ | {"TMPDIR": str(cwd / "tmp"), "PYTHONUNBUFFERED": "1"}
    (cwd / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "mmbert", *command],
        cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_answers_and_leaves_nothing_behind(tmp_path, tiny_weights, end):
    from mmbert_indexer.build import build_library

    from mmbert.embed import Embedder

    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.mid").write_bytes(write_midi(melody([60, 62, 64, 65] * 8), {"title": "One"}))
    build_library(tmp_path / "library", [tmp_path / "music"], Embedder.from_pretrained(tiny_weights))
    process = run(["serve", "library", "--weights", str(tiny_weights), "--json"], tmp_path)
    try:
        said = json.loads(process.stdout.readline())
        assert said["pieces"] == 1
        with urllib.request.urlopen(f"{said['url']}/alive") as answer:
            assert json.load(answer) == {"alive": True}
        working = Path(f"/proc/{process.pid}/cwd")
        if working.exists():  # Gradio hands out copies of what lies there: nothing does
            assert list(working.iterdir()) == []
            assert working.resolve().name == "empty"
    finally:
        process.send_signal(end)
        out, err = process.communicate(timeout=30)
    assert out == ""
    assert "Traceback" not in err
    assert list((tmp_path / "tmp").glob("mmbert-page-*")) == []


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["serve", "nowhere", "--json"], 4, "nowhere"),
        (["serve", "nowhere", "--port", "0"], 2, "--port"),
        (["serve", "nowhere", "--password-file", "missing"], 2, "--password-file"),
        (["serve"], 2, "library"),
    ],
)
def test_mistakes_end_with_a_sentence_and_a_code(tmp_path, command, code, said):
    process = run(command, tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert said in err
    assert "Traceback" not in err
    assert not out or "error" in json.loads(out)


@pytest.mark.parametrize(
    ("host", "locked", "said"),
    [
        ("127.0.0.1", False, ""),
        ("0.0.0.0", False, "--password-file FILE keeps others out"),
        ("0.0.0.0", True, "TLS"),
        ("localhost", True, ""),
    ],
)
def test_letting_other_machines_in_is_said(tmp_path, capsys, host, locked, said):
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    password = server._password(server.Serving(tmp_path, host, password_file=path if locked else None))
    assert password == ("correct horse" if locked else None)
    err = capsys.readouterr().err
    assert said in err
    assert bool(said) == bool(err)
    assert "correct horse" not in err


def test_a_question_takes_one_thread_and_a_build_from_the_page_as_many_as_it_likes(monkeypatch):
    from mmbert import _runtime

    monkeypatch.setattr(_runtime, "_set_here", [])
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    _runtime.one_thread_a_question()
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["MKL_NUM_THREADS"] == "7"
    assert "OMP_NUM_THREADS" not in _runtime.environment()
    assert _runtime.environment()["MKL_NUM_THREADS"] == "7"
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
