"""One build at a time: an advisory lock that the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mmbert.errors import LibraryError
from mmbert.store.files import read_only


@contextmanager
def build_lock(library: Path) -> Iterator[None]:
    """Hold the library's LOCK.

    Raises:
        LibraryError: another process holds it; its words say which.
    """
    descriptor = os.open(library / "LOCK", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LibraryError("", f"Another build is running{_holder(library)}", "Nothing was done.") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _who().encode("utf-8", "replace"), 0)
        yield
    finally:
        os.close(descriptor)  # the lock goes with it


def _who() -> str:
    """For people only: the lock is the kernel's, not this text."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return f"pid {os.getpid()}\nhost {socket.gethostname()}\nsince {now}\ncommand {shlex.join(sys.argv)}\n"


def _holder(library: Path) -> str:
    try:
        text = (library / "LOCK").read_text("utf-8", "replace")
        said = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
        return f" (pid {said['pid']} on host {said['host']}, since {said['since'][11:16]})"
    except (OSError, KeyError):
        return ""


def refuse_read_only(library: Path) -> None:
    """Refuse a library, or a place for one, in which nothing may be written, before any work is done.

    A folder without any write permission counts as read-only for the superuser too: somebody wanted it so.

    Raises:
        LibraryError: with the path.
    """
    place = library
    while not place.exists() and place != place.parent:
        place = place.parent
    folders = [place] + ([library / "work", library / "generations"] if place == library else [])
    for folder in folders:
        if folder.exists() and not (folder.stat().st_mode & 0o222 and os.access(folder, os.W_OK)):
            raise read_only(library)
