"""Files to vectors, batch by batch: what a batch holds is either all in the ledger or not at all.

Batches are cut at a fixed number of pieces (or files), counted from the last commit. A build that was killed therefore
goes on with the same batches as one that was not, and ends with the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from mmbert.errors import ItemError, MmbertError
from mmbert.store.schema import PLACE
from mmbert.types import Embedded, Facets, Item
from mmbert_indexer.ledger import Key, Ledger, Maker, VectorRow
from mmbert_indexer.reading import FileChanged, read
from mmbert_indexer.rejects import PASSING, Reject
from mmbert_indexer.scan import FileState
from mmbert_indexer.shards import Shards
from mmbert_indexer.stages import Stages
from mmbert_indexer.stop import Stop

PIECES_A_BATCH, FILES_A_BATCH = 32, 256
Progress = Callable[[int, int, int], None]  # (files done, files to do, pieces embedded)


class EmbedderLike(Protocol):
    """What a build needs of :class:`mmbert.embed.Embedder`; ``seconds`` (by stage) is used where it is there."""

    fingerprint: str
    dim: int
    kinds: frozenset[str]

    def embed(self, items: Sequence[Item]) -> list[Embedded | ItemError]:
        """One result an item, in order."""


@dataclass
class Work:
    """One build's work in progress.

    Attributes:
        rejects: Refusals of a path or a moment, which the ledger does not keep.
        embedded: Pieces that got vectors.
    """

    ledger: Ledger
    shards: Shards
    embedder: EmbedderLike
    maker: Maker
    stages: Stages
    stop: Stop
    progress: Progress
    rejects: list[Reject] = field(default_factory=list)
    embedded: int = 0
    _batch: list[Item] = field(default_factory=list)
    _files: int = 0
    _before: int = 0

    def run(self) -> None:
        """Read and embed all that the ledger lists as not done.

        A content whose first file went away or changed is read from its next file; each file is tried once.

        Raises:
            BuildStopped: somebody asked to stop; all finished batches are kept.
        """
        tried: set[str] = set()
        done = 0
        self._before = self.ledger.contents() - len(self.ledger.todo(self.maker))
        while todo := [(k, path) for k, path in self.ledger.todo(self.maker) if path not in tried]:
            states = self.ledger.states()
            total = done + len(todo)
            for key, path in todo:
                tried.add(path)
                for _ in self._file(key, states[path]):
                    self._flush_if_full(done, total)
                done += 1
                self._files += 1
                self._flush_if_full(done, total)
                self.progress(done, total, self.embedded + len(self._batch))
            self._flush(done, total)

    def _flush_if_full(self, done: int, total: int) -> None:
        if len(self._batch) >= PIECES_A_BATCH or self._files >= FILES_A_BATCH:
            self._flush(done, total)

    def _file(self, key: Key, state: FileState) -> Iterator[None]:
        """Read a file; yields after each piece. A file that changed is read once more as it is now."""
        try:
            yield from self._pieces(key, state)
        except FileChanged as changed:
            now = replace(changed.state, context=state.context)
            self.ledger.set_state(now)
            try:
                yield from self._pieces(Key(bytes.fromhex(now.sha256), now.suffix, now.context), now)
            except FileChanged:
                fault, hint = "changed while it was read, twice", "Build again when nothing writes to it"
                self._pass(ItemError(state.path, fault, hint, code="E_CHANGED", stage="scan"), state.path)
            except OSError as e:
                self._pass(_gone(state.path, e), state.path)
        except OSError as e:
            self._pass(_gone(state.path, e), state.path)

    def _pass(self, error: ItemError, path: str) -> None:
        self.rejects.append(Reject.of(error, path))
        self.ledger.forget_file(path)

    def _pieces(self, key: Key, state: FileState) -> Iterator[None]:
        known = self.ledger.vectors_of(key.sha256, self.maker)
        known |= {item.source.number for item in self._batch if item.source.sha256 == state.sha256}
        refused: list[tuple[str, str, str, str]] = []
        results = read(state)
        while True:
            with self.stages.timed("parse"):
                result = next(results, None)
            if result is None:
                break
            if isinstance(result, ItemError):
                if result.code in PASSING:
                    return self._pass(result, state.path)
                refused.append((result.stage, result.code, result.fault, result.hint))
                continue
            number = result.source.number
            self.ledger.add_piece(key, self.maker, number, result.kind, _words(result.metadata))
            if number not in known:
                self._add(result)
                yield
        self.ledger.add_parse(key, self.maker, refused)

    def _add(self, item: Item) -> None:
        if item.kind in self.embedder.kinds:
            self._batch.append(item)
        else:  # at once: a decoded recording is large
            encoder = "audio" if item.kind == "recording" else item.kind
            fault, hint = f"no {encoder} encoder in these weights", "Give weights that were trained on it: --weights"
            code = f"E_NO_{encoder.upper()}_ENCODER"
            self._refuse(item, ItemError(str(item.source.path), fault, hint, code=code, stage="embed"))

    def _refuse(self, item: Item, error: ItemError) -> None:
        error_json = json.dumps([error.stage, error.code, error.fault, error.hint])
        row = VectorRow(bytes.fromhex(item.source.sha256), item.source.number, error=error_json)
        self.ledger.add_vector(self.maker, row)

    def _flush(self, done: int, total: int) -> None:
        """Embed the batch; rows reach the disk first, then the ledger says that they are there."""
        batch, self._batch, self._files = self._batch, [], 0
        with self.stages.embedding(self.embedder):
            results = embed_each(self.embedder, batch)
        with self.stages.timed("write"):
            for item, result in zip(batch, results, strict=True):
                if isinstance(result, Embedded):
                    self._store(item, result)
                else:
                    self._refuse(item, result)
            self.shards.sync()
            self.ledger.commit()
            self.shards.seal_if_full()
        self.stop.raise_if_asked(self._before + done, self._before + total)

    def _store(self, item: Item, result: Embedded) -> None:
        block = np.concatenate([result.piece[None], result.windows]).astype(np.float16)
        shard, row, crc32 = self.shards.append(block)
        places = np.array([_place_row(p) for p in result.places], PLACE).tobytes()
        row_of = VectorRow(
            bytes.fromhex(item.source.sha256), item.source.number, shard, row,
            len(result.windows), crc32, places, facets_json(result.facets),
        )  # fmt: skip
        self.ledger.add_vector(self.maker, row_of)
        self.embedded += 1


def embed_each(embedder: EmbedderLike, items: list[Item]) -> list[Embedded | ItemError]:
    """Embed a batch; where that fails as a whole, one piece at a time, so that one of them costs only itself."""
    if not items:
        return []
    try:
        return [_checked(embedder, item, r) for item, r in zip(items, embedder.embed(items), strict=True)]
    except MmbertError:
        raise
    except Exception as e:
        if len(items) > 1:
            return [embed_each(embedder, [item])[0] for item in items]
        fault = f"could not be embedded ({type(e).__name__}: {str(e)[:200]})"
        hint = "This is a fault of mmbert: please report it with the file"
        return [ItemError(str(items[0].source.path), fault, hint, code="E_UNEXPECTED", stage="embed")]


def _checked(embedder: EmbedderLike, item: Item, result: Embedded | ItemError) -> Embedded | ItemError:
    """The result, refused where it would poison a search: nothing but unit vectors enters a shard."""
    if isinstance(result, ItemError):
        return result
    if result.piece.shape != (embedder.dim,) or result.windows.shape != (len(result.places), embedder.dim):
        raise ValueError(f"vectors of shapes {result.piece.shape} and {result.windows.shape}")
    lengths = np.linalg.norm(np.concatenate([result.piece[None], result.windows]), axis=1)
    if np.all(np.abs(lengths - 1) < 1e-2):  # false for NaN
        return result
    fault, hint = "gives vectors that are not of unit length", "The weights or this machine's torch are faulty"
    return ItemError(str(item.source.path), fault, hint, code="E_NOT_FINITE", stage="embed")


def facets_json(facets: Facets) -> str:
    """Facets as they are kept; numbers that are none are unknown."""
    known = {k: v for k, v in facets.known().items() if not (isinstance(v, float) and not math.isfinite(v))}
    return json.dumps(known, default=lambda v: v.item())


def _place_row(place: Any) -> tuple[float, float, int, int]:
    start, end = (-1 if bar is None else bar for bar in (place.start_bar, place.end_bar))
    return place.start_s, place.end_s, start, end


def _words(metadata: Any) -> dict[str, str]:
    """Metadata that any program can read back: no half characters."""
    return {str(k): str(v).encode("utf-8", "replace").decode("utf-8") for k, v in metadata.items()}


def _gone(path: str, error: OSError) -> ItemError:
    if isinstance(error, FileNotFoundError):
        return ItemError(path, "was there, and is gone", "Was it moved or deleted?", code="E_GONE", stage="scan")
    hint = "Change its permissions" if isinstance(error, PermissionError) else "Is the disk sound?"
    code = "E_PERMISSION" if isinstance(error, PermissionError) else "E_IO"
    return ItemError(path, f"cannot be read ({error.strerror})", hint, code=code, stage="scan")
