"""Files that a person drops: read in a process of their own, kept in memory for a while, deleted from disk at once.

Of a recording what was heard is kept, and how loud it is over its length, not its sound; where it is dropped as a
melody, the notes of its tune alone.

A damaged or hostile file may hang a parser, eat memory or end the process. All three end a reading process of
:mod:`mmbert_indexer.workers`, not the page, and the person is told which; what that process sends is data, never code.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from mmbert_indexer.reading import FileChanged, Found, Request, SoundPart
from mmbert_indexer.scan import FileState, hashed, look
from mmbert_indexer.workers import WorkerPool

from mmbert.errors import BusyError, ItemError
from mmbert.items.recording import sniff
from mmbert.prepare import Prepared
from mmbert.types import Embedded, Item, Source
from mmbert_ui.waveform import Envelope, Waveform

MAX_BYTES = 8 * 2**20
MAX_RECORDING_BYTES = 64 * 2**20
MOST_HEARD_S = 1200.0  # of a recording: others wait meanwhile
COUNT_SECONDS = 30.0  # in which the pieces of a file are counted
KEPT = 32
KEPT_SECONDS = 3600.0
MOST_WAITING = 8


class RecordingEmbedder(Protocol):
    """What hears recordings (:class:`mmbert.sharing.SharedEmbedder`)."""

    def hear(self, mel: np.ndarray) -> np.ndarray:
        """Log-mel frames float16 [n, 128] to states, float16 [seconds, 384]."""

    def embed_prepared(self, ready: Sequence[Prepared]) -> list[Embedded | ItemError]:
        """One result a piece, in order."""


@dataclass(frozen=True)
class Upload:
    """One file that was read.

    Attributes:
        item: Its first piece; of a recording without its sound.
        pieces: How many pieces it holds.
        embedded: A recording as it was heard; None of other pieces, which are embedded when they are asked with.
        waveform: Of a recording.
        name: The file's name, for the page.
        id: ``upload-`` and 32 random hex digits: nobody guesses another person's file.
        at: Monotonic seconds when it came.
    """

    item: Item
    pieces: int
    embedded: Embedded | None = None
    waveform: Waveform | None = None
    name: str = ""
    id: str = field(default_factory=lambda: f"upload-{secrets.token_hex(16)}")
    at: float = field(default_factory=time.monotonic)

    @property
    def like(self) -> Item | Embedded:
        """The piece as an example to search by; of a recording that was dropped as a melody, its notes."""
        heard = self.item.kind == "recording" and self.item.score is not None
        return self.embedded or (replace(self.item, kind="score") if heard else self.item)


class Uploads:
    """At most :data:`KEPT` files of the last hour, newest kept. Safe to call from several threads.

    Args:
        embedder: Gives what hears recordings; called when one comes.
        gone: Called with the id of each file that is forgotten.
    """

    def __init__(self, embedder: Callable[[], RecordingEmbedder], gone: Callable[[str], None]) -> None:
        self._embedder, self._gone = embedder, gone
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

    def add(self, path: Path, name: str, *, as_melody: bool = False) -> Upload:
        """Read a file.

        Args:
            path: Where it lies.
            name: What the person calls it.
            as_melody: Of a recording the notes of its tune are wanted, in free time.

        Raises:
            ItemError: naming the file as the person calls it, the fault and a remedy.
            BusyError: too many files wait to be read.
            LibraryError, WeightsError: a recording cannot be heard with this library.
        """
        if path.stat().st_size > (most := _most_bytes(path)):
            what = "recordings" if most == MAX_RECORDING_BYTES else "files"
            limit = f"the page takes {what} up to {most // 2**20} MB"
            raise ItemError(name, limit, "Put it in the library's folder instead", code="E_SIZE")
        if not self._places.acquire(blocking=False):
            raise BusyError(name, "has to wait: others are being read", "Drop it again in a moment")
        try:
            with self._turn:
                upload = replace(self._read(path, as_melody), name=name)
        except ItemError as e:
            raise ItemError(name, e.fault, e.hint, code=e.code, stage=e.stage) from None
        finally:
            self._places.release()
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

    def _read(self, path: Path, as_melody: bool = False) -> Upload:
        """The first piece and how many there are; of a book that takes too long, how many were counted."""
        state, until = hashed(look(str(path))), time.monotonic() + COUNT_SECONDS
        request = Request(state, frozenset({"recording"}), to_show=True, as_melody=as_melody)
        if not as_melody:  # of which but the first minutes are heard
            request = replace(request, longest_s=MOST_HEARD_S)
        _, results = next(self._pool.read([request]))
        first: Item | None = None
        heard: _Hearing | None = None
        pieces, faults = 0, list[ItemError]()
        try:
            for result in results:
                if isinstance(result, SoundPart):
                    heard = heard or _Hearing(self._embedder())
                    heard.take(result.mel)
                    continue
                if isinstance(result, ItemError):
                    long = result.code == "E_LENGTH_LIMIT" and not as_melody
                    faults.append(_too_long() if long else result)
                elif isinstance(result.ready, Prepared) and heard is not None:
                    return heard.upload(replace(result.ready, chroma=result.chroma))
                else:
                    first, pieces = first or _item(result, state), pieces + 1
                if time.monotonic() > until:
                    self._pool.close()
                    break
        except (FileChanged, OSError):
            faults.append(ItemError("", "went away while it was read", "Drop it again", code="E_GONE"))
        except BaseException:
            self._pool.close()  # the rest of the recording is not wanted
            raise
        if first is not None:
            return Upload(first, pieces)
        raise faults[0] if faults else ItemError("", "holds no piece of music", code="E_EMPTY")


class _Hearing:
    """A recording while it is heard."""

    def __init__(self, embedder: RecordingEmbedder) -> None:
        self._embedder = embedder
        self._states: list[np.ndarray] = []
        self.waveform = Envelope()

    def take(self, mel: np.ndarray) -> None:
        """Hear what comes next, float16 [n, 128]."""
        self.waveform.feed(mel)
        self._states.append(self._embedder.hear(mel))

    def upload(self, ready: Prepared) -> Upload:
        """The recording, when all of it was heard.

        Raises:
            ItemError: it cannot be embedded.
        """
        [embedded] = self._embedder.embed_prepared([replace(ready, states=np.concatenate(self._states))])
        if isinstance(embedded, ItemError):
            raise embedded
        return Upload(embedded.item, 1, embedded, self.waveform.finish())


def _too_long() -> ItemError:
    fault = f"plays for more than {MOST_HEARD_S / 60:.0f} minutes, which is as long as the page listens"
    return ItemError("", fault, "Cut it, or put it in the library's folder", code="E_SIZE")


def _most_bytes(path: Path) -> int:
    """What a file may be as large as: its first bytes say whether it is a recording."""
    with path.open("rb") as f:
        return MAX_RECORDING_BYTES if sniff(f.read(64)) else MAX_BYTES


def _item(found: Found, state: FileState) -> Item:
    source = Source(Path(state.path), state.sha256, found.number, state.size)
    text = found.metadata.get("description") if found.kind == "text" else None
    return Item(found.kind, source, found.metadata, score=found.score, text=text)
