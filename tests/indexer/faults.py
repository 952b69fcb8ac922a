"""A disk that fails at its n-th operation, and a shadow of it that knows what a power cut would leave.

    disk = FaultyDisk("power cut", 17, library)
    with disk.in_use(): build_library(...)    # raises Gone at the 17th operation
    disk.after()                              # the folder is now what was synced, and nothing else

A power cut comes in two kinds. In the first all is lost that was not synced, names too: a rename without a sync of its
folder has not happened. In the second the names are as they were at the end, and the bytes that were not synced are
zeros: what a file system does that writes its names first.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from mmbert.store import files

KINDS = ("ENOSPC", "EIO", "short write", "SIGKILL", "power cut", "power cut, names kept")
OPERATIONS = tuple(name for name in vars(files.Disk) if not name.startswith("_"))


class Gone(BaseException):
    """The process is gone: nothing after it runs."""


class QuickDisk(files.Disk):
    """Syncs nothing: what a killed process has written, the system still has."""

    def sync(self, handle: Any) -> None:
        """Nothing."""

    def sync_data(self, handle: Any) -> None:
        """Nothing."""

    def sync_folder(self, path: Path) -> None:
        """Nothing."""


@contextmanager
def using(disk: files.Disk) -> Iterator[None]:
    """Write through another disk."""
    before, files.disk = files.disk, disk
    try:
        yield
    finally:
        files.disk = before


class FaultyDisk(QuickDisk):
    """Fails at the n-th operation (of those that the kind of fault concerns); 0 never fails.

    Attributes:
        done: Operations so far.
        operation: Name of the one that failed.
        dead: The process is gone, or the power is: nothing is written any more.
        acknowledged: Rows of vectors in the ledger at its last commit that returned.
    """

    def __init__(self, kind: str, n: int, library: Path) -> None:
        self.kind, self.n, self.done, self.operation, self.dead = kind, n, 0, "", False
        self.acknowledged = 0
        self._shadow = Shadow(library) if kind.startswith("power cut") else None

    def cut(self) -> None:
        """The power fails now, after all that was to be done."""
        self.dead, self.operation = True, "after the last"

    def after(self) -> None:
        """Bring the folder into the state in which a restarted machine would find it."""
        if self._shadow is not None and self.dead:
            self._shadow.restore(names_kept=self.kind.endswith("names kept"))

    def run(self, name: str, *arguments: Any) -> Any:
        """One operation."""
        if self.dead:
            if name.startswith("open"):
                raise Gone
            return None
        if self.kind != "short write" or name == "append":
            self.done += 1
            if self.done == self.n:
                self.operation = name
                self._fail(name, *arguments)
        if self._shadow is not None:
            self._shadow.before(name, *arguments)
        result = getattr(QuickDisk, name)(self, *arguments)
        if self._shadow is not None:
            self._shadow.after(name, *arguments)
        if name == "commit":
            self.acknowledged = vectors_in(arguments[0])
        return result

    def _fail(self, name: str, *arguments: Any) -> None:
        if self.kind in ("ENOSPC", "EIO"):
            number = getattr(errno, self.kind)
            raise _of_sqlite(self.kind) if name == "commit" else OSError(number, os.strerror(number))
        if self.kind == "short write":
            handle, data = arguments
            QuickDisk.append(self, handle, data[: len(data) // 2])
        if name == "remove_tree" and self.kind != "power cut":
            _half_removed(arguments[0])
        self.dead = True
        raise Gone


def _half_removed(folder: Path) -> None:
    """Deleting a folder is many operations: it ended in the middle."""
    inside = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
    for path in inside[: (len(inside) + 1) // 2]:
        path.unlink()


def _method(name: str) -> Any:
    return lambda self, *arguments: self.run(name, *arguments)


for _name in OPERATIONS:
    setattr(FaultyDisk, _name, _method(_name))


def _of_sqlite(kind: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full" if kind == "ENOSPC" else "disk I/O error")
    error.sqlite_errorcode = 13 if kind == "ENOSPC" else 10  # type: ignore[attr-defined]
    return error


def vectors_in(connection: sqlite3.Connection) -> int:
    """Rows of vectors in a ledger; 0 for any other database."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name='vector'").fetchone():
        return 0
    return connection.execute("SELECT count(*) FROM vector WHERE error IS NULL").fetchone()[0]


class Shadow:
    """What of a library would be left if the power failed now.

    Every file and folder has a number of its own (numbers of the file system are used again, and cannot serve). Of a
    file its bytes at the last sync are known, of a folder its names at the last sync. SQLite syncs by itself: at a
    commit its files are on the disk, unless it was told not to sync.
    """

    def __init__(self, library: Path) -> None:
        self.library = library
        self._numbers = count()
        self._number_of: dict[int, int] = {}  # of the file system -> ours, for what exists now
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._root: int | None = None
        if library.exists():
            for where, _, names in os.walk(library, topdown=False):
                for name in names:
                    self._bytes[self._number(Path(where, name))] = Path(where, name).read_bytes()
                self._sync_folder(Path(where))
            self._root = self._number(library)

    def before(self, name: str, *arguments: Any) -> None:
        """What is about to vanish gives up its number."""
        gone = {"remove": arguments[:1], "remove_tree": arguments[:1], "rename": arguments[1:2]}.get(name, ())
        for path in gone:
            for each in [path, *(path.rglob("*") if path.is_dir() else ())]:
                if each.exists():
                    self._number_of.pop(each.lstat().st_ino, None)

    def after(self, name: str, *arguments: Any) -> None:
        """Take note of what was synced."""
        if name in ("sync", "sync_data"):
            path = Path(arguments[0].name)
            self._bytes[self._number(path)] = path.read_bytes()
        elif name == "sync_folder" and arguments[0] == self.library.parent:
            self._root = self._number(self.library)
        elif name == "sync_folder":
            self._sync_folder(arguments[0])
        elif name == "commit":
            (synchronous,) = arguments[0].execute("PRAGMA synchronous").fetchone()
            path = Path(arguments[0].execute("PRAGMA database_list").fetchone()[2])
            if synchronous:
                self._names[self._number(path.parent)].update(self._of_database(path.parent))

    def restore(self, *, names_kept: bool) -> None:
        """Make the folder what it would be."""
        root = self._live(self.library) if names_kept else self._root
        if self.library.exists():
            shutil.rmtree(self.library)
        if root is not None:
            self._write(self.library, root)

    def _number(self, path: Path) -> int:
        inode = path.lstat().st_ino
        if inode not in self._number_of:
            self._number_of[inode] = next(self._numbers)
            if path.is_dir():
                self._names[self._number_of[inode]] = {}
        return self._number_of[inode]

    def _sync_folder(self, folder: Path) -> None:
        others = {p.name: self._number(p) for p in folder.iterdir() if not _is_database(p)}
        self._names[self._number(folder)] = others | self._of_database(folder)

    def _of_database(self, folder: Path) -> dict[str, int]:
        """SQLite deletes and makes files by itself, so each sight of one counts as a new file."""
        found = {}
        for path in folder.iterdir():
            if _is_database(path) and not path.name.endswith("-shm"):
                found[path.name] = number = next(self._numbers)
                self._bytes[number] = path.read_bytes()
        return found

    def _live(self, path: Path) -> int | None:
        """The names as they are; bytes that were not synced become zeros."""
        if not path.exists():
            return None
        number = self._number(path)
        if path.is_dir():
            found = {p.name: self._live(p) for p in path.iterdir() if not _is_database(p)}
            databases = {n: i for n, i in self._names.get(number, {}).items() if _is_database(Path(n))}
            self._names[number] = {n: i for n, i in found.items() if i is not None} | databases
        else:
            synced = self._bytes.get(number, b"")[: path.stat().st_size]
            self._bytes[number] = synced.ljust(path.stat().st_size, b"\0")
        return number

    def _write(self, path: Path, number: int) -> None:
        if number in self._names:
            path.mkdir()
            for name, child in self._names[number].items():
                self._write(path / name, child)
        else:
            path.write_bytes(self._bytes.get(number, b""))


def _is_database(path: Path) -> bool:
    return path.name.startswith("ledger.sqlite")
