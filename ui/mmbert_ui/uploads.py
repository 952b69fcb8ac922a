"""Files that a person drops: read in a process of their own, kept in memory for a while, deleted from disk at once.

A damaged or hostile file may hang a parser, eat memory or end the process. All three end a worker here, not the
page, and the person is told which.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as LateError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from mmbert.errors import ItemError
from mmbert.types import Item

MAX_BYTES = 8 * 2**20
READ_SECONDS = 30.0
READ_MEMORY = 6 * 2**30
KEPT = 32
KEPT_SECONDS = 3600.0


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
    """At most :data:`KEPT` files of the last hour, newest kept. Safe to call from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def warm(self) -> None:
        """Start the reading process and let it import the readers before the first file comes."""
        self._workers().submit(_ready)

    def add(self, path: Path, name: str) -> Upload:
        """Read a file.

        Raises:
            ItemError: naming the file as the person calls it, the fault and a remedy.
        """
        if path.stat().st_size > MAX_BYTES:
            limit = f"the page takes files up to {MAX_BYTES // 2**20} MB"
            raise ItemError(name, limit, "Put it in the library's folder instead", code="E_SIZE")
        item, pieces = self._read(path, name)
        upload = Upload(f"upload-{secrets.token_hex(16)}", name, item, pieces, time.monotonic())
        with self._lock:
            self._kept[upload.id] = upload
            self._forget()
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
            self._stop()

    def _forget(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        for upload in list(self._kept.values()):
            if len(self._kept) > KEPT or upload.at < oldest:
                del self._kept[upload.id]

    def _read(self, path: Path, name: str) -> tuple[Item, int]:
        try:
            answer = self._workers().submit(_first_item, str(path)).result(READ_SECONDS)
        except LateError:
            self._stop()
            fault = f"could not be read within {READ_SECONDS:.0f} seconds"
            raise ItemError(name, fault, "It may be damaged or far too large", code="E_SLOW") from None
        except (BrokenProcessPool, MemoryError):
            self._stop()
            raise ItemError(name, "ended its reader", "It is probably damaged", code="E_READER") from None
        if isinstance(answer, ItemError):
            raise ItemError(name, answer.fault, answer.hint, code=answer.code, stage=answer.stage) from None
        return answer

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # spawn: a fork would copy this process's threads' locks and the model.
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_bound_memory)
        return self._pool

    def _stop(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):  # a hung parser does not end when asked
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


def _bound_memory() -> None:
    """At most :data:`READ_MEMORY` bytes for the reading process, where the system can say so."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (READ_MEMORY, READ_MEMORY))


def _ready() -> None:
    """In the reading process: import the readers."""
    import mmbert.items  # noqa: F401


def _first_item(path: str) -> tuple[Item, int] | ItemError:
    """In the reading process: the first piece of a file and the number of its pieces."""
    from mmbert.items import load_items

    faults: list[ItemError] = []
    first, pieces = None, 0
    try:
        for item in load_items(Path(path), on_reject=faults.append):
            first, pieces = first or item, pieces + 1
    except ItemError as e:
        faults.append(e)
    if first is not None:
        return first, pieces
    return faults[0] if faults else ItemError(path, "holds no piece of music", "", code="E_EMPTY")
