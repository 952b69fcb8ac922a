"""Files that a person drops: read in a process of their own, kept in memory for a while, deleted from disk at once.

A damaged or hostile file may hang a parser, eat memory or end the process. All three end a reading process of
:mod:`mmbert_indexer.workers`, not the page, and the person is told which; what that process sends is data, never code.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mmbert_indexer.reading import FileChanged, Found, Request
from mmbert_indexer.scan import FileState, hashed, look
from mmbert_indexer.workers import WorkerPool

from mmbert.errors import BusyError, ItemError
from mmbert.types import Item, Source

MAX_BYTES = 8 * 2**20
COUNT_SECONDS = 30.0  # in which the pieces of a file are counted
KEPT = 32
KEPT_SECONDS = 3600.0
MOST_WAITING = 8


@dataclass(frozen=True)
class Upload:
    """One file that was read.

    Attributes:
        id: ``upload-`` and 32 random hex digits: nobody guesses another person's file.
        name: The file's name, for the page.
        item: Its first piece.
        pieces: How many pieces it holds.
        at: Monotonic seconds when it came.
    """

    id: str
    name: str
    item: Item
    pieces: int
    at: float


class Uploads:
    """At most :data:`KEPT` files of the last hour, newest kept. Safe to call from several threads.

    Args:
        gone: Called with the id of each file that is forgotten.
    """

    def __init__(self, gone: Callable[[str], None] = lambda upload_id: None) -> None:
        self._gone = gone
        self._timer: threading.Timer | None = None  # one, for the oldest file: nobody need ask for it to be forgotten
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # one file at a time, each with its own time
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._pool = WorkerPool(1)

    def warm(self) -> None:
        """Start the reading process before the first file comes; returns at once."""

        def start() -> None:
            nothing = Request(FileState("", 0, 0, 0), frozenset(), to_show=True)
            with self._turn, suppress(Exception):  # who drops a file is told
                list(next(self._pool.read([nothing]))[1])

        threading.Thread(target=start, name="warm-uploads", daemon=True).start()

    def add(self, path: Path, name: str) -> Upload:
        """Read a file.

        Raises:
            ItemError: naming the file as the person calls it, the fault and a remedy.
            BusyError: too many files wait to be read.
        """
        if path.stat().st_size > MAX_BYTES:
            limit = f"the page takes files up to {MAX_BYTES // 2**20} MB"
            raise ItemError(name, limit, "Put it in the library's folder instead", code="E_SIZE")
        if not self._places.acquire(blocking=False):
            raise BusyError(name, "has to wait: others are being read", "Drop it again in a moment")
        try:
            with self._turn:
                item, pieces = self._read(path)
        except ItemError as e:
            raise ItemError(name, e.fault, e.hint, code=e.code, stage=e.stage) from None
        finally:
            self._places.release()
        upload = Upload(f"upload-{secrets.token_hex(16)}", name, item, pieces, time.monotonic())
        with self._lock:
            self._kept[upload.id] = upload
            self._forget()
            self._set_timer()
        return upload

    def get(self, upload_id: str) -> Upload | None:
        """A file that is still kept."""
        with self._lock:
            self._forget()
            return self._kept.get(upload_id)

    def close(self) -> None:
        """Forget all files and end the reading process."""
        with self._lock:
            self._kept.clear()
            if self._timer is not None:
                self._timer.cancel()
        self._pool.close()

    def _forget(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        for upload in list(self._kept.values()):
            if len(self._kept) > KEPT or upload.at < oldest:
                del self._kept[upload.id]
                self._gone(upload.id)

    def _set_timer(self) -> None:
        if self._kept and self._timer is None:
            oldest = next(iter(self._kept.values()))
            self._timer = threading.Timer(max(0.1, oldest.at + KEPT_SECONDS - time.monotonic()), self._on_time)
            self._timer.daemon = True
            self._timer.start()

    def _on_time(self) -> None:
        with self._lock:
            self._timer = None
            self._forget()
            self._set_timer()

    def _read(self, path: Path) -> tuple[Item, int]:
        """The first piece and how many there are; of a book that takes too long, how many were counted."""
        state, until = hashed(look(str(path))), time.monotonic() + COUNT_SECONDS
        _, results = next(self._pool.read([Request(state, frozenset(), to_show=True)]))
        first, pieces, faults = None, 0, []
        try:
            for result in results:
                if isinstance(result, Found):
                    first, pieces = first or _item(result, state), pieces + 1
                elif isinstance(result, ItemError):
                    faults.append(result)
                if time.monotonic() > until:
                    self._pool.close()
                    break
        except (FileChanged, OSError):
            faults.append(ItemError("", "went away while it was read", "Drop it again", code="E_GONE"))
        if first is not None:
            return first, pieces
        raise faults[0] if faults else ItemError("", "holds no piece of music", code="E_EMPTY")


def _item(found: Found, state: FileState) -> Item:
    source = Source(Path(state.path), state.sha256, found.number, state.size)
    text = found.metadata.get("description") if found.kind == "text" else None
    return Item(found.kind, source, found.metadata, score=found.score, text=text)
