"""Every command that writes to a library, with a fault at each of its operations in turn.

After each fault a reader must find the old library or the new one, the same command run again must end with the bytes
of a run that nothing disturbed, without embedding again what was acknowledged, and ``verify`` must find it sound.
"""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path

from fake_library import FakeEmbedder, midi, write_folder
from faults import FaultyDisk, Gone, QuickDisk, using, vectors_in
from mmbert_indexer import batches, shards
from mmbert_indexer.build import build_library
from mmbert_indexer.gc import collect_garbage
from mmbert_indexer.remove import remove_paths
from mmbert_indexer.repair import repair_library

from mmbert.errors import LibraryError, MmbertError, SpaceError, UsageError
from mmbert.store import open_library
from mmbert.store.verify import verify_library

Command = Callable[[Path, Path, FakeEmbedder], object]  # (library, music, embedder)
Content = dict[str, str] | None


def _build(library: Path, music: Path, embedder: FakeEmbedder) -> None:
    build_library(library, [music], embedder, workers=0)


def _remove(library: Path, music: Path, embedder: FakeEmbedder) -> None:
    remove_paths(library, [music / "tune01.mid"])


def _repair(library: Path, music: Path, embedder: FakeEmbedder) -> None:
    repair_library(library)


def _gc(library: Path, music: Path, embedder: FakeEmbedder) -> None:
    collect_garbage(library)


def _new(library: Path, music: Path) -> None:
    """There is no library."""


def _built(library: Path, music: Path) -> None:
    """A library of two generations."""
    _build(library, music, FakeEmbedder())
    (music / "second.mid").write_bytes(midi(80))
    _build(library, music, FakeEmbedder())


def _changed(library: Path, music: Path) -> None:
    """One file is new, two have changed, one is gone, one is no music."""
    _built(library, music)
    (music / "third.mid").write_bytes(midi(81))
    (music / "tune00.mid").write_bytes(midi(82))
    (music / "tune02.mid").write_bytes(midi(83))
    (music / "tune03.mid").unlink()
    (music / "bad.mid").write_bytes(b"no music")


def _damaged(library: Path, music: Path) -> None:
    """CURRENT is garbage, the newest generation altered, a shard cut, and a build was killed."""
    _built(library, music)
    (library / "CURRENT").write_bytes(b"\0\0\0")
    os.truncate(library / "generations/gen-000002/joint.windows.f16", 100)
    os.truncate(sorted((library / "work/shards").glob("*/*.f16"))[-1], 100)
    (library / "generations/gen-000003.building-1").mkdir()


def _bereft(library: Path, music: Path) -> None:
    """The ledger is garbage and the newest generation altered."""
    _built(library, music)
    (library / "work/ledger.sqlite").write_bytes(b"garbage" * 1000)
    os.truncate(library / "generations/gen-000002/records.sqlite", 5000)


def _littered(library: Path, music: Path) -> None:
    """Old generations, orphaned shards, left-overs."""
    _built(library, music)
    shutil.copytree(library / "generations/gen-000002", library / "generations/gen-000003")
    shutil.copytree(library / "generations/gen-000001", library / "generations/gen-000004.building-1")
    shutil.copytree(library / "work/shards/joint-f00dfeed", library / "work/shards/joint-deadbeef")
    (library / "work/shards/joint-f00dfeed/000099.f16").write_bytes(bytes(64))


COMMANDS: dict[str, tuple[Callable[[Path, Path], None], Command]] = {
    "first build": (_new, _build),
    "second build": (_changed, _build),
    "remove": (_built, _remove),
    "repair": (_damaged, _repair),
    "repair without a ledger": (_bereft, _repair),
    "gc": (_littered, _gc),
}


@dataclass
class Tally:
    """What happened.

    Attributes:
        faults: By kind and operation.
        wrong: Sentences about what must not happen: mixes, losses, crashes; empty.
    """

    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[tuple[str, str]] = field(default_factory=list)

    def note(self, where: str, found: Iterable[tuple[str, str]]) -> None:
        """Keep what went wrong."""
        self.wrong += [(sort, f"{where}: {sentence}") for sort, sentence in found]


class Sweep:
    """One command under attack, in a folder of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        prepare, self.command = COMMANDS[name]
        self.music = write_folder(folder / "music", 5)
        with small_batches(), using(QuickDisk()), redirect_stderr(io.StringIO()):
            prepare(folder / "old", self.music)
            self.old = served(folder / "old")
            self.rows = rows(folder / "old")
            undisturbed, embedder = self._copy("new"), FakeEmbedder()
            self.command(undisturbed, self.music, embedder)
            self.new, self.asked = served(undisturbed), len(embedder.asked)
            self.files = listing(undisturbed)

    def operations(self, kind: str) -> int:
        """How many operations a fault of that kind can hit."""
        library = self._copy("counted")
        disk = FaultyDisk(kind, 0, library)
        with small_batches(), using(disk), redirect_stderr(io.StringIO()):
            self.command(library, self.music, FakeEmbedder())
        return disk.done

    def attack(self, faults: Sequence[tuple[str, int]], tally: Tally) -> None:
        """Run the command once for each fault (kind, operation), look after each, run it undisturbed, look again."""
        library, acknowledged = self._copy("attacked"), self.rows
        with small_batches(), redirect_stderr(io.StringIO()):  # the warnings are not what is looked at
            for kind, n in faults:
                disk = FaultyDisk(kind, n, library)
                found = list(self._disturbed(library, disk))
                tally.note(f"{self.name}, {kind} at {n} ({disk.operation})", found)
                if disk.operation:
                    tally.faults[kind, disk.operation] += 1
                acknowledged = max(acknowledged, disk.acknowledged)
            tally.note(f"{self.name}, after {list(faults)}", self._undisturbed(library, acknowledged - self.rows))

    def _disturbed(self, library: Path, disk: FaultyDisk) -> Iterator[tuple[str, str]]:
        finished = False
        try:
            with using(disk):
                self.command(library, self.music, FakeEmbedder())
            finished = True
        except Gone:
            pass
        except SpaceError as e:
            if disk.kind != "ENOSPC" or "The disk is full (needs about " not in str(e):
                yield "crash", f"wrong words: {e}"
        except UsageError as e:
            if self.name != "remove" or served(library) != self.new:  # it is removed already
                yield "crash", f"wrong words: {e}"
        except LibraryError as e:
            if disk.kind != "EIO":
                yield "crash", f"wrong words: {e}"
        except Exception as e:
            yield "crash", f"{type(e).__name__}: {e}"
        if finished and disk.kind.startswith("power cut"):
            disk.cut()
        disk.after()
        found = served(library)
        if found not in (self.old, self.new):
            yield "mix", "a reader finds neither the old library nor the new one"
        if finished and found != self.new:
            yield "loss", "what was said to be done is not done"

    def _undisturbed(self, library: Path, acknowledged: int) -> Iterator[tuple[str, str]]:
        embedder = FakeEmbedder()
        try:
            with using(QuickDisk()):
                try:
                    self.command(library, self.music, embedder)
                except UsageError:
                    if self.name != "remove" or served(library) != self.new:
                        raise
                    collect_garbage(
                        library
                    )  # it is removed already; what was not deleted goes with the next build, or so
        except (MmbertError, OSError) as e:
            yield "loss", f"the same command fails: {e}"
        if served(library) != self.new:
            yield "loss", "the same command ends with other bytes"
        if len(embedder.asked) > max(0, self.asked - acknowledged):
            yield "loss", f"{len(embedder.asked)} embedded again, {acknowledged} were acknowledged"
        verdict = verify_library(library)
        if not verdict.sound:
            yield "loss", f"not sound: {verdict.damaged}"
        if left := [name for name in listing(library) if name not in self.files]:
            yield "loss", f"left over: {left}"

    def _copy(self, name: str) -> Path:
        library = self.folder / name / "library"
        shutil.rmtree(library.parent, ignore_errors=True)
        library.parent.mkdir()
        if (self.folder / "old").exists():
            shutil.copytree(self.folder / "old", library)
        return library


@contextmanager
def small_batches() -> Iterator[None]:
    """Two pieces a batch and a shard, so that few files make many operations."""
    before = batches.PIECES_A_BATCH, shards.SEAL_BYTES
    batches.PIECES_A_BATCH, shards.SEAL_BYTES = 2, 150
    try:
        yield
    finally:
        batches.PIECES_A_BATCH, shards.SEAL_BYTES = before


def served(library: Path) -> Content:
    """Digests of what a reader gets; None where there is nothing yet."""
    try:
        generation = open_library(library).current()
    except LibraryError:
        return None
    try:
        return {name: facts["sha256"] for name, facts in generation.manifest["files"].items()}
    finally:
        generation.close()


def rows(library: Path) -> int:
    """Vectors that the ledger acknowledges; none where it is damaged."""
    try:
        connection = sqlite3.connect(f"file:{library}/work/ledger.sqlite?mode=ro", uri=True)
        try:
            return vectors_in(connection)
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return 0


def listing(library: Path) -> set[str]:
    """What killed commands leave."""
    names = (str(p.relative_to(library)) for p in library.rglob("*"))
    return {name for name in names if name.endswith((".tmp", ".deleted")) or ".building-" in name}
