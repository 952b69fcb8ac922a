"""The one layer through which everything is written to a library.

Whatever must survive a power cut is synced before anything refers to it; a name that readers look for only ever
appears complete, by a rename. Tests replace :data:`disk` to fail the n-th write.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from mmbert.errors import LibraryError, MmbertError, SpaceError

BLOCK = 1 << 20
LEAST = 1 << 20  # bytes that any change of a library may need: its ledger and its folders
_needed: ContextVar[int] = ContextVar("needed", default=LEAST)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SQLITE_FULL, _SQLITE_READONLY, _SQLITE_IOERR = 13, 8, 10


class Disk:
    """Every operation that changes a library, one method each."""

    def make_folder(self, path: Path) -> None:
        """Create a folder and its parents."""
        path.mkdir(parents=True, exist_ok=True)

    def open_new(self, path: Path) -> BinaryIO:
        """An empty file, open for writing."""
        return open(path, "wb", buffering=0)

    def open_append(self, path: Path) -> BinaryIO:
        """A file open for appending, made where it is missing."""
        return open(path, "ab", buffering=0)

    def append(self, handle: BinaryIO, data: bytes) -> None:
        """Write all of ``data``; a Python file object reports a full disk, ``ndarray.tofile`` does not."""
        view = memoryview(data)
        while len(view):
            view = view[handle.write(view) or 0 :]

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file to ``size`` bytes."""
        os.truncate(path, size)

    def sync(self, handle: BinaryIO) -> None:
        """Bring a file's bytes to the disk."""
        os.fsync(handle.fileno())

    def sync_data(self, handle: BinaryIO) -> None:
        """Bring a file's bytes to the disk, its times need not come along."""
        getattr(os, "fdatasync", os.fsync)(handle.fileno())

    def sync_folder(self, path: Path) -> None:
        """Bring a folder's names to the disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a finished file or folder its name; a file of that name is replaced."""
        os.replace(source, target)

    def remove(self, path: Path) -> None:
        """Delete a file, if it is there."""
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """Delete a folder and all it holds, or what else bears its name; what cannot be deleted of a folder stays."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def commit(self, connection: sqlite3.Connection) -> None:
        """Commit a database's open transaction."""
        connection.commit()


disk = Disk()


def make_folder(path: Path) -> None:
    """A folder and its parents, which are there after a power cut too."""
    new = [folder for folder in path.parents if not folder.exists()]
    disk.make_folder(path)
    for folder in (path, *new):  # the folder itself always: a run that made it may have been killed before this line
        disk.sync_folder(folder.parent)


def write_file(path: Path, data: bytes) -> None:
    """A whole file at once: readers see the old bytes or the new ones, also after a power cut."""
    temporary = path.with_name(path.name + ".tmp")
    with disk.open_new(temporary) as handle:
        disk.append(handle, data)
        disk.sync(handle)
    disk.rename(temporary, path)
    disk.sync_folder(path.parent)


def sync_path(path: Path) -> None:
    """Sync a file that somebody else wrote (SQLite)."""
    with open(path, "rb", buffering=0) as handle:
        disk.sync(handle)


def json_bytes(value: Any) -> bytes:
    """JSON that is the same for the same value. ASCII, so that a file name of any bytes can be written."""
    return (json.dumps(value, ensure_ascii=True, sort_keys=True, allow_nan=False, indent=1) + "\n").encode("ascii")


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def changing(library: Path) -> Iterator[None]:
    """Turn what goes wrong while a library is written into one sentence.

    Raises:
        SpaceError: the disk, or the quota, is full.
        LibraryError: the library cannot be written, or its ledger is damaged.
    """
    before = _needed.set(LEAST)
    try:
        yield
    except MmbertError:
        raise
    except (OSError, sqlite3.Error) as e:
        raise _explained(e, library) from e
    finally:
        _needed.reset(before)


def _explained(error: OSError | sqlite3.Error, library: Path) -> MmbertError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if getattr(error, "errno", None) in _FULL or code == _SQLITE_FULL or (code == _SQLITE_IOERR and _is_full(library)):
        return no_space(library)
    if getattr(error, "errno", None) in (errno.EROFS, errno.EACCES, errno.EPERM) or (code == _SQLITE_READONLY):
        return read_only(library)
    reason = getattr(error, "strerror", None) or str(error)
    return LibraryError(str(library), f"could not be written ({reason})", "What was published before is unchanged.")


def _is_full(library: Path) -> bool:
    """Whether nothing fits: SQLite calls it an I/O error where its index of a WAL finds no room."""
    return shutil.disk_usage(library).free < 64 * 1024


def require_space(library: Path, needed: int) -> None:
    """Refuse before it begins what would not fit, in bytes; if the disk fills up meanwhile, that is told with it.

    Raises:
        SpaceError: with what is needed and what is free.
    """
    _needed.set(needed + LEAST)
    if shutil.disk_usage(library).free < needed:
        raise no_space(library)


def no_space(library: Path) -> SpaceError:
    """The sentence for a full disk."""
    free = shutil.disk_usage(library if library.exists() else library.parent).free
    sizes = f"needs about {size_text(_needed.get())}, {size_text(free)} free"
    return SpaceError("", f"The disk is full ({sizes})", "The library is unchanged.")


def read_only(library: Path) -> LibraryError:
    """The sentence for a library in which nothing may be written."""
    return LibraryError("", f"This library is read-only: {library}", "Nothing was done.")


def size_text(size: int) -> str:
    """Bytes for a person.

    >>> size_text(1_234_567_890), size_text(40_000)
    ('1.2 GB', '0.0 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
