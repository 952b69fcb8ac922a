"""Reading processes: the same answers as without them, and a file that crashes or hangs its parser is one reject."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_library import FakeEmbedder, hashes, midi, odd_name, write_folder
from mmbert_indexer import workers
from mmbert_indexer.build import build_library
from mmbert_indexer.reading import FileChanged, Found, Request, results
from mmbert_indexer.scan import FileState, hashed, look
from mmbert_indexer.wire import END, BadFrame, belongs, frame, read_frame, read_request, request_line
from mmbert_indexer.workers import WorkerPool

from mmbert.errors import ItemError, UsageError
from mmbert.store import open_library

KINDS = frozenset({"score"})
# A parser that does what the file's name says.
HOSTILE = """
import ctypes, os, sys, time
import mmbert.items.midi as midi
real = midi.read
def read(file):
    name = file.path.name
    if name.startswith("crash"):
        ctypes.string_at(0)
    if name.startswith("once") and not os.path.exists(mark := str(file.path.parent / "seen")):
        open(mark, "w").close()
        os.kill(os.getpid(), 9)
    if name.startswith("hang"):
        time.sleep(60)
    while name.startswith("spin"):
        pass
    if name.startswith("greedy"):
        bytearray(8 << 30)
    if name.startswith("talks"):
        os.write(1, b"not a frame" * 9)
        print("nor this", flush=True)
    yield from real(file)
midi.read = read
"""


def state(path: Path) -> FileState:
    return hashed(look(str(path)))


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading processes whose MIDI reader misbehaves on request."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HOSTILE)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])


def equal(a: Found | ItemError, b: Found | ItemError) -> bool:
    if isinstance(a, ItemError) or isinstance(b, ItemError):
        return a.args == b.args and (a.code, a.stage) == (b.code, b.stage)
    if isinstance(a.ready, ItemError) or a.ready is None:
        same = a.ready is b.ready or equal(a.ready, b.ready)
    else:
        arrays = ("tokens", "passages", "segments", "bars", "spans")
        same = all(np.array_equal(getattr(a.ready, n), getattr(b.ready, n)) for n in arrays)
        same &= a.ready.facets == b.ready.facets and a.ready.places == b.ready.places
        same &= a.ready.item.source == b.ready.item.source and a.ready.item.uid == b.ready.item.uid
    return same and (a.number, a.kind, dict(a.metadata)) == (b.number, b.kind, dict(b.metadata))


def test_a_reading_process_tells_what_reading_here_gives(music):
    tune = "X:{0}\nT:Tune {0}\nM:6/8\nL:1/8\nK:D\n|:DFA dfa|gec d3:|\n\n"
    (music / "book.abc").write_text("".join(tune.format(n) for n in range(40)) + "X:99\nT:Empty\nK:C\n")
    (music / "bad.mid").write_bytes(b"no music")
    (music / odd_name(b"caf\xe9\n.mid")).write_bytes(midi(70, title="Café"))
    requests = [Request(state(p), KINDS, frozenset({3})) for p in sorted(music.iterdir())]
    pool = WorkerPool(2)
    try:
        read = [(request, list(answers)) for request, answers in pool.read(requests)]
    finally:
        pool.close()
    assert [request for request, _ in read] == requests
    for request, answers in read:
        expected = list(results(request))
        assert len(answers) == len(expected)
        assert all(map(equal, answers, expected))
    assert sum(len(answers) for _, answers in read) == 48


def test_a_file_that_changed_or_went_is_told_as_such(music):
    changed, gone = state(music / "tune00.mid"), state(music / "tune01.mid")
    (music / "tune00.mid").write_bytes(midi(99))
    (music / "tune01.mid").unlink()
    pool = WorkerPool(1)
    try:
        (_, first), (_, second) = pool.read([Request(changed, KINDS), Request(gone, KINDS)])
        with pytest.raises(FileChanged) as now:
            list(first)
        with pytest.raises(FileNotFoundError):
            list(second)
    finally:
        pool.close()
    assert now.value.state == state(music / "tune00.mid")


def test_crashes_and_greed_cost_only_their_file(library, music, hostile):
    for name in ("crash", "greedy", "talks", "once"):
        (music / f"{name}.mid").write_bytes(midi(70, title=name))
    report = build_library(library, [music], FakeEmbedder(), workers=1)
    lines = {os.path.basename(r["path"]): r for r in open_library(library).current().rejects()}
    assert {name: r["code"] for name, r in lines.items()} == {"crash.mid": "E_CRASH", "greedy.mid": "E_MEMORY"}
    assert lines["crash.mid"]["fault"] == "ended the process that reads it, twice"
    assert report.pieces == 5 + 2  # what is printed does not reach the pipe; one death may be bad luck
    again = build_library(library, [music], FakeEmbedder(), workers=1)
    assert (again.rejected, again.generation) == (2, report.generation)  # not paid for again
    assert build_library(library, [music], FakeEmbedder(), workers=1, retry_rejects=True).rejected == 2


def test_files_that_hang_are_given_up(library, music, hostile, monkeypatch):
    monkeypatch.setattr(workers, "READ_SECONDS", 1)
    (music / "hang.mid").write_bytes(midi(70))
    (music / "spin.mid").write_bytes(midi(71))
    start = time.perf_counter()
    report = build_library(library, [music], FakeEmbedder(), workers=1)
    assert (report.pieces, report.rejects["counts"]) == (5, {"E_TIMEOUT": 2})
    assert "gave no piece within 1 seconds" in report.rejects["first"][0]["fault"]
    assert time.perf_counter() - start < 40


def test_the_number_of_processes_changes_no_byte(tmp_path):
    music = write_folder(tmp_path / "music", 40)
    for n in (0, 1, 3):
        build_library(tmp_path / f"library{n}", [music], FakeEmbedder(), workers=n)
    assert hashes(tmp_path / "library0") == hashes(tmp_path / "library1") == hashes(tmp_path / "library3")


def test_no_process_outlives_a_build_that_is_interrupted(library, music):
    class Gone(BaseException):
        pass

    def interrupt(done, total, pieces):
        raise Gone

    before = threading.active_count()
    with pytest.raises(Gone):
        build_library(library, [music], FakeEmbedder(), workers=2, progress=interrupt)
    assert threading.active_count() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_process_that_cannot_start_is_no_fault_of_the_files(library, music, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(UsageError, match=r"^--workers: a process that reads files cannot be started"):
        build_library(library, [music], FakeEmbedder(), workers=1)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UsageError, match=r"it ended at once.*Give --workers 0"):
        build_library(library, [music], FakeEmbedder(), workers=1)


def test_closing_lets_nobody_wait_and_the_pool_can_be_used_again(music, hostile):
    (music / "hang.mid").write_bytes(midi(70))
    pool = WorkerPool(1)
    (_, answers) = next(pool.read([Request(state(music / "hang.mid"), KINDS)]))
    threading.Timer(0.5, pool.close).start()
    start = time.perf_counter()
    with pytest.raises(ItemError, match="reading was stopped") as e:
        list(answers)
    assert (time.perf_counter() - start < 10, e.value.code) == (True, "E_STOPPED")
    try:
        (_, answers) = next(pool.read([Request(state(music / "tune00.mid"), KINDS)]))
        assert [a.number for a in answers] == [0]
    finally:
        pool.close()


# ---- frames ---------------------------------------------------------------------------------------------


def took(data: bytes):
    stream = io.BytesIO(data)

    def take(n: int) -> bytes:
        if len(part := stream.read(n)) != n:
            raise EOFError
        return part

    return read_frame(take)


def test_requests_survive_names_of_any_bytes():
    name = os.fsdecode(b"/m/\xe9\n\"'.mid")
    request = Request(FileState(name, 1, 2, 3, "ab" * 32, "c"), KINDS, frozenset({1, 5}))
    line = request_line(request)
    assert line.count(b"\n") == 1
    assert read_request(line) == request


def test_frames_come_back_as_they_were(music):
    (found,) = results(Request(state(music / "tune00.mid"), KINDS))
    assert equal(took(frame(found)), found)
    refusal = ItemError("a", "is bad", "mend it", code="E_BAD", stage="decode")
    assert equal(took(frame(refusal)), refusal)
    assert took(frame(END)) == END
    assert isinstance(took(frame(PermissionError(13, "Permission denied"))), PermissionError)


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_frame_is_refused_and_takes_no_memory(music, seed):
    (found,) = results(Request(state(music / "tune00.mid"), KINDS))
    data = bytearray(frame(found))
    rng = np.random.default_rng(seed)
    for _ in range(4):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    with suppress(BadFrame, EOFError):
        took(bytes(data))


def test_an_example_comes_with_the_notes_of_its_first_piece_alone(music):
    (music / "book.abc").write_text("".join(f"X:{n}\nT:Tune {n}\nK:G\nGAB|c3|\n\n" for n in range(1, 4)))
    request = Request(state(music / "book.abc"), frozenset(), to_show=True)
    assert read_request(request_line(request)) == request
    found = [read_frame(io.BytesIO(frame(r)).read) for r in results(request)]
    assert [f.ready for f in found] == [None] * 3
    assert [f.score is None for f in found] == [False, True, True]


def test_that_a_recording_goes_on_is_sent_with_its_tune(music):
    (found,) = results(Request(state(music / "tune00.mid"), frozenset(), to_show=True))
    for goes_on in (True, False):
        sent = replace(found, score=replace(found.score, goes_on=goes_on))
        assert read_frame(io.BytesIO(frame(sent)).read).score.goes_on is goes_on


@pytest.mark.parametrize(
    ("field", "value"), [("part", 99), ("part", -1), ("pitch", 200), ("onset", -5), ("duration", -1), ("program", 128)]
)
def test_notes_that_cannot_be_are_no_frame(music, field, value):
    request = Request(state(music / "tune00.mid"), frozenset(), to_show=True)
    (found,) = results(request)
    notes = found.score.notes.copy()
    notes[field][0] = value
    broken = replace(found, score=replace(found.score, notes=notes))
    with pytest.raises(BadFrame):
        read_frame(io.BytesIO(frame(broken)).read)


@pytest.mark.parametrize(
    "head",
    [
        b'{"is": "piece", "number": 1e400, "kind": "score", "metadata": {}, "parse_seconds": 0}',
        b'{"is": "piece", "number": 1, "kind": "score", "metadata": [1], "parse_seconds": 0}',
        b'{"is": "piece", "number": 1, "kind": {}, "metadata": {}, "parse_seconds": 0}',
        b"[" * 5000,
        b"7",
    ],
)
def test_a_forged_head_is_no_message(head):
    with pytest.raises(BadFrame):
        took(len(head).to_bytes(4, "little") + head)


@pytest.mark.parametrize("name", ["passages", "segments", "spans"])
def test_arrays_that_do_not_belong_together_are_refused(music, name):
    (found,) = results(Request(state(music / "tune00.mid"), KINDS))
    wrong = replace(found.ready, **{name: getattr(found.ready, name) + 1_000_000})
    with pytest.raises(BadFrame):
        took(frame(replace(found, ready=wrong)))


def test_a_text_comes_as_its_passages_and_nothing_else_does(music):
    (music / "note.txt").write_text("A slow air. " * 100)
    (found,) = results(Request(state(music / "note.txt"), KINDS | {"text"}))
    again = took(frame(found))
    assert again.ready.chunks == found.ready.chunks
    assert again.metadata["description"].startswith("A slow air.")
    for chunks in ((), ("x" * 10_000,), ("x",) * 1000, (7,)):
        with pytest.raises(BadFrame):
            took(frame(replace(found, ready=replace(found.ready, chunks=chunks))))
    (tune,) = results(Request(state(music / "tune00.mid"), KINDS))
    with pytest.raises(BadFrame):
        took(frame(replace(tune, ready=replace(tune.ready, chunks=("x",)))))


def test_a_message_about_another_file_is_not_believed(music):
    one, other = Request(state(music / "tune00.mid"), KINDS), Request(state(music / "tune01.mid"), KINDS)
    (found,) = results(one)
    assert belongs(found, one)
    assert belongs(FileChanged(one.state), one)
    assert not belongs(found, other)
    assert not belongs(FileChanged(one.state), other)


def test_nothing_is_started_by_what_was_closed():
    opening = workers._Opening()
    opening.close()
    opening.start_one()
    assert opening.drivers == []
