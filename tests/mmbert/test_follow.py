"""A library that is served while it is built: real builds, readers in other threads, damage on the disk."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmbert_indexer.build import build_library
from mmbert_indexer.gc import collect_garbage
from mmbert_indexer.repair import repair_library

from mmbert import follow
from mmbert.api import Library
from mmbert.errors import LibraryError, UsageError
from mmbert.follow import Follower
from mmbert.store import manifest

from .conftest import WordEmbedder

TUNE = "X:1\nT:{title}\nR:jig\nM:6/8\nL:1/8\nK:D\n|:DFA {bar}|gec d3:|\n"


class Served:
    """A folder of music, its library, and a follower that looks when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.music, self.path, self.embedder = folder / "music", folder / "library", WordEmbedder()
        self.music.mkdir()
        self.written = 0
        self.add(3)
        self.follower = Follower(self.open())

    def open(self) -> Library:
        opened = Library.open(self.path)
        opened._model._loaded = self.embedder  # type: ignore[assignment]  # in place of weights
        return opened

    def add(self, count: int) -> None:
        """Write so many more tunes, and build."""
        for i in range(self.written, self.written + count):
            bar = f"{'ABcdefg'[i % 7]}{'CDEF'[i // 7]}f"
            (self.music / f"{i}.abc").write_text(TUNE.format(title=f"Tune {i}", bar=bar))
        self.written += count
        build_library(self.path, [self.music], self.embedder)

    def pieces(self) -> int:
        with self.follower.reading() as library:
            return len(library.search("jig", limit=100).hits)

    def notice(self) -> str:
        with self.follower.reading() as library:
            return str(library.status()["notice"])

    def break_current(self) -> str:
        """Flip one byte of the vectors of the current generation; returns its name."""
        name = (self.path / "CURRENT").read_text().strip()
        target = self.path / "generations" / name / "joint.pieces.f16"
        data = bytearray(target.read_bytes())
        data[5] ^= 1
        target.write_bytes(data)
        return name


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.follower.close()


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries count as too large to be hashed whenever they are opened."""
    monkeypatch.setattr(manifest, "SMALL", -1)


def test_a_build_is_seen_at_the_next_look_and_not_before(served: Served) -> None:
    served.add(2)
    assert served.pieces() == 3
    assert served.follower.look()
    assert served.pieces() == 5
    assert not served.follower.look()


def test_a_request_keeps_its_state_and_the_last_one_closes_it(served: Served) -> None:
    with served.follower.reading() as first, served.follower.reading() as second:
        assert first is second
        gone = next(p.id for p in first.pieces() if p.title == "Tune 0")
        (served.music / "0.abc").unlink()
        served.add(2)
        assert served.follower.look()
        assert len(first.search("jig", limit=100).hits) == 3
        with served.follower.reading() as newer:
            assert newer is not first
            assert len(newer) == 4
    with pytest.raises(LibraryError, match="was closed"):
        _ = first.generation
    with served.follower.reading() as newer, pytest.raises(UsageError):
        newer.piece(gone)


def test_the_model_is_not_loaded_again(served: Served) -> None:
    with served.follower.reading() as old:
        model = old._embedder
    served.add(1)
    served.follower.look()
    with served.follower.reading() as newer:
        assert newer._embedder is model


def test_requests_go_on_while_builds_publish_and_old_generations_are_deleted(served: Served) -> None:
    wrong: list[BaseException] = []
    seen: set[int] = set()
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                with served.follower.reading() as library:
                    hits = library.search("jig", limit=100).hits
                    assert len(hits) == len(library)  # never a mix of two generations
                    assert {library.piece(h.id).title for h in hits} == {h.title for h in hits}
                    seen.add(len(hits))
        except BaseException as e:
            wrong.append(e)

    served.follower.start(0.02)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(4):
        served.add(1)
    until = time.monotonic() + 20
    while 7 not in seen and time.monotonic() < until:
        time.sleep(0.02)
    stop.set()
    for t in threads:
        t.join()
    assert wrong == []
    assert {3, 7} <= seen
    assert len(list((served.path / "generations").iterdir())) == 2  # those before were deleted under the readers


def test_a_reader_lives_on_when_its_generation_is_deleted(served: Served) -> None:
    with served.follower.reading() as library:
        shutil.rmtree(library.generation.folder)
        assert len(library.search("jig", limit=100).hits) == 3
        assert library.rejects() == []
        assert library.status()["rejected"] == 0


def test_a_reader_lives_on_through_gc_and_repair(served: Served) -> None:
    with served.follower.reading() as library:
        for _ in range(3):
            served.add(1)
        collect_garbage(served.path)
        served.break_current()
        repair_library(served.path)
        assert not library.generation.folder.exists()
        assert len(library.search("jig", limit=100).hits) == 3
    assert served.follower.look()
    assert served.pieces() == 6
    assert served.notice() == ""


def test_what_cannot_be_opened_leaves_the_old_one_serving_with_a_notice(served: Served) -> None:
    served.add(1)
    name = (served.path / "CURRENT").read_text().strip()
    (served.path / "generations" / name / "records.sqlite").write_bytes(b"x" * 10)
    assert not served.follower.look()
    assert served.pieces() == 3
    assert f"{name} is damaged (records.sqlite" in served.notice()
    served.add(1)  # a build repairs
    assert served.follower.look()
    assert served.notice() == ""
    assert served.pieces() == 5


def test_a_library_of_another_model_leaves_the_old_one_serving(served: Served, tmp_path: Path) -> None:
    served.embedder = WordEmbedder()
    served.embedder.fingerprint = "e" * 64
    served.add(1)
    assert not served.follower.look()
    assert served.pieces() == 3
    assert "built with model eeeeeeee, you loaded ffffffff" in served.notice()
    assert "Serving gen-000001" in served.notice()


@pytest.mark.usefixtures("large")
def test_a_flipped_byte_is_found_in_the_background_and_the_previous_generation_serves(served: Served) -> None:
    served.add(1)
    name = served.break_current()
    assert served.follower.look()  # sizes are right: it is opened
    assert served.pieces() == 4
    assert served.follower.look()  # now every byte was read
    assert served.pieces() == 3
    assert f"{name} is damaged (joint.pieces.f16: the bytes were altered). Serving gen-000001" in served.notice()
    assert not served.follower.look()  # and it is not taken up again
    assert served.pieces() == 3


@pytest.mark.usefixtures("large")
def test_where_no_other_generation_is_whole_the_damaged_one_serves_and_says_so(served: Served) -> None:
    served.break_current()
    assert not served.follower.look()
    assert "no other generation is whole" in served.notice()
    assert served.pieces() == 3
    served.follower.look()
    assert "no other generation is whole" in served.notice()


def test_each_generation_is_hashed_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def damages(folder: Path, *, hashes: bool) -> list[dict[str, str]]:
        read.append(folder.name)
        return []

    monkeypatch.setattr(follow, "damages", damages)
    for _ in range(3):
        served.follower.look()
    served.add(1)
    for _ in range(4):
        served.follower.look()
    assert read == ["gen-000001", "gen-000002"]


@pytest.mark.parametrize("current", [None, "", "nonsense", "gen-000099"])
def test_current_gone_or_garbled_changes_nothing_but_the_notice(served: Served, current: str | None) -> None:
    served.follower.look()
    path = served.path / "CURRENT"
    good = path.read_text()
    path.unlink() if current is None else path.write_text(current)
    assert not served.follower.look()
    assert served.pieces() == 3
    assert "Serving gen-000001" in served.notice()
    path.write_text(good)
    served.follower.look()
    assert served.notice() == ""


def test_a_library_that_vanishes_goes_on_being_served(served: Served) -> None:
    os.rename(served.path, served.path.with_name("moved"))
    assert not served.follower.look()
    assert served.pieces() == 3
    assert "Serving gen-000001" in served.notice()


def test_what_fails_while_getting_ready_keeps_the_old_one(served: Served) -> None:
    def fail(library: Library) -> None:
        raise LibraryError("", "cannot be made ready")

    served.follower._prepare = fail
    served.add(1)
    assert not served.follower.look()
    assert served.pieces() == 3
    assert "cannot be made ready" in served.notice()
