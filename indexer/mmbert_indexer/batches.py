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

from mmbert.console import warn
from mmbert.errors import ItemError, MmbertError
from mmbert.prepare import Prepared
from mmbert.store.schema import PLACE
from mmbert.types import Embedded, Facets, Source
from mmbert_indexer.ledger import Key, Ledger, Maker, ReadPiece, VectorRow
from mmbert_indexer.phrases import NUMBER, KeptPhrases, PhraseModelLike, WaitingPhrases, embed_one
from mmbert_indexer.reading import FileChanged, Found, Request, SoundPart
from mmbert_indexer.rejects import PASSING, Reject
from mmbert_indexer.scan import FileState
from mmbert_indexer.shards import JOINT, AllShards
from mmbert_indexer.stages import Stages
from mmbert_indexer.stop import Stop
from mmbert_indexer.workers import Readers

PIECES_A_BATCH, FILES_A_BATCH = 32, 256
Progress = Callable[[int, int, int], None]  # (files done, files to do, pieces embedded)


class EmbedderLike(Protocol):
    """What a build needs of :class:`mmbert.embed.Embedder`."""

    fingerprint: str
    dim: int
    kinds: frozenset[str]

    @property
    def phrases(self) -> PhraseModelLike | None:
        """The model of phrases; None where no phrases are to be kept."""

    def hear(self, mel: np.ndarray) -> np.ndarray:
        """Log-mel frames float16 [n, 128] to states, float16 [seconds, 384]."""

    def embed_prepared(self, ready: Sequence[Prepared]) -> list[Embedded | ItemError]:
        """One result a piece, in order."""


@dataclass
class Work:
    """One build's work in progress.

    Attributes:
        rejects: Refusals of a path or a moment, which the ledger does not keep.
        embedded: Pieces that got vectors.
    """

    ledger: Ledger
    shards: AllShards
    embedder: EmbedderLike
    readers: Readers
    maker: Maker
    stages: Stages
    stop: Stop
    progress: Progress
    rejects: list[Reject] = field(default_factory=list)
    embedded: int = 0
    _batch: list[Prepared] = field(default_factory=list)
    _phrases: WaitingPhrases = field(default_factory=WaitingPhrases)
    _files: int = 0
    _before: int = 0
    _tried: set[str] = field(default_factory=set)  # paths
    _changed: set[str] = field(default_factory=set)  # those that were not what was scanned, once

    def run(self) -> None:
        """Read and embed all that the ledger lists as not done.

        A content whose first file went away or changed is read from its next file. A file is read once; one that
        changed meanwhile, once more as it is then.

        Raises:
            BuildStopped: somebody asked to stop; all finished batches are kept.
        """
        done = 0
        self._before = self.ledger.contents() - len(self.ledger.todo(self.maker))
        while todo := [(k, path) for k, path in self.ledger.todo(self.maker) if path not in self._tried]:
            states = self.ledger.states()
            total = done + len(todo)
            requests = (self._request(key, states[path]) for key, path in todo)
            for (key, path), (_, results) in zip(todo, self.readers.read(requests), strict=True):
                self._tried.add(path)
                for _ in self._file(key, states[path], results):
                    self._flush_if_full(done, total)
                done += 1
                self._files += 1
                self._flush_if_full(done, total)
                self.progress(done, total, self.embedded + len(self._batch))
            self._flush(done, total)
        self._left_phrases()

    def _left_phrases(self) -> None:
        """Embed the phrases of files that need not be read: the model of phrases is another, or rows were lost."""
        if not (todo := self.ledger.phrases_todo(self.maker)):
            return
        warn(f"The phrases of {len(todo):,} pieces are embedded.")
        for digest in todo:
            self._phrases.add(self.ledger.kept_phrases(digest))
            if len(self._phrases) >= PIECES_A_BATCH:
                self._flush(0, 0)
        self._flush(0, 0)

    def _request(self, key: Key, state: FileState) -> Request:
        return Request(state, self.embedder.kinds, frozenset(self._known(key.sha256)))

    def _known(self, sha256: bytes) -> set[int]:
        """Numbers of the pieces of a content that have vectors, or will have them with this batch."""
        own = {p.item.source.number for p in self._batch if p.item.source.sha256 == sha256.hex()}
        return own | self.ledger.vectors_of(sha256, self.maker)

    def _flush_if_full(self, done: int, total: int) -> None:
        if max(len(self._batch), len(self._phrases)) >= PIECES_A_BATCH or self._files >= FILES_A_BATCH:
            self._flush(done, total)

    def _file(self, key: Key, state: FileState, results: Iterator[Found | SoundPart | ItemError]) -> Iterator[None]:
        """Take in what was read of a file; yields after each piece."""
        try:
            yield from self._pieces(key, state, results)
        except FileChanged as changed:
            if state.path in self._changed:
                fault, hint = "changed while it was read, twice", "Build again when nothing writes to it"
                return self._pass(ItemError(state.path, fault, hint, code="E_CHANGED", stage="scan"), state.path)
            self._changed.add(state.path)
            self._tried.remove(state.path)
            self.ledger.set_state(replace(changed.state, context=state.context))
        except OSError as e:
            self._pass(_gone(state.path, e), state.path)

    def _pass(self, error: ItemError, path: str) -> None:
        self.rejects.append(Reject.of(error, path))
        self.ledger.forget_file(path)

    def _pieces(self, key: Key, state: FileState, results: Iterator[Found | SoundPart | ItemError]) -> Iterator[None]:
        refused: list[tuple[str, str, str, str]] = []
        states: list[np.ndarray] = []  # of a recording that is being heard
        while True:
            with self.stages.timed("wait"):
                result = next(results, None)
            if result is None:
                break
            if isinstance(result, SoundPart):
                with self.stages.timed("forward"):
                    states.append(self.embedder.hear(result.mel))
                continue
            if isinstance(result, ItemError):
                if result.code in PASSING:
                    return self._pass(result, state.path)
                refused.append((result.stage, result.code, result.fault, result.hint))
                continue
            self.stages.beside("parse", result.parse_seconds)
            phrases = KeptPhrases.of(result.phrases)
            chroma = result.chroma.tobytes() if result.kind == "score" else b""  # a recording's goes with its vectors
            read = ReadPiece(result.kind, _words(result.metadata), result.melody.tobytes(), phrases, chroma)
            self.ledger.add_piece(key, self.maker, result.number, read)
            # What has vectors does not count for a batch: a build that goes on cuts the same ones.
            if not self.ledger.has_phrase_vectors(phrases.digest, self.maker):
                self._phrases.add(phrases)
            if result.ready is not None and result.number not in self._known(key.sha256):
                self._add(key, result, states)
            states = []
            yield
        self.ledger.add_parse(key, self.maker, refused)

    def _add(self, key: Key, found: Found, states: list[np.ndarray]) -> None:
        if isinstance(ready := found.ready, Prepared):
            if states:
                ready = replace(ready, states=np.concatenate(states), chroma=found.chroma)
            self._batch.append(ready)
            self.stages.beside("facets", ready.seconds[0])
            self.stages.beside("encode", ready.seconds[1])
        elif ready is not None:
            self._refuse(key.sha256, found.number, ready)

    def _refuse(self, sha256: bytes, number: int, error: ItemError) -> None:
        error_json = json.dumps([error.stage, error.code, error.fault, error.hint])
        self.ledger.add_vector(self.maker, VectorRow(sha256, number, error=error_json))

    def _flush(self, done: int, total: int) -> None:
        """Embed the batch; rows reach the disk first, then the ledger says that they are there."""
        batch, self._batch, self._files = self._batch, [], 0
        with self.stages.timed("forward"):
            results = embed_each(self.embedder, batch)
        with self.stages.timed("phrases"):
            phrases = self._embedded_phrases()
        with self.stages.timed("write"):
            for kept, rows in phrases:
                self._store_phrases(kept, rows)
            for ready, result in zip(batch, results, strict=True):
                source = ready.item.source
                if isinstance(result, Embedded):
                    self._store(source, result)
                else:
                    self._refuse(bytes.fromhex(source.sha256), source.number, result)
            self.shards.sync()
            self.ledger.commit()
            self.shards.seal_if_full()
        self.stop.raise_if_asked(self._before + done, self._before + total)

    def _store(self, source: Source, result: Embedded) -> None:
        block = np.concatenate([result.piece[None], result.windows]).astype(np.float16)
        shard, row, crc32 = self.shards[JOINT].append(block)
        places = np.array([place_row(p) for p in result.places], PLACE).tobytes()
        row_of = VectorRow(
            bytes.fromhex(source.sha256), source.number, shard, row,
            len(result.windows), crc32, places, facets_json(result.facets),
        )  # fmt: skip
        self.ledger.add_vector(self.maker, row_of)
        if result.heard is not None and result.chroma is not None:
            sounds = result.heard.astype(np.float16).tobytes()
            self.ledger.add_heard(self.maker, row_of, sounds, result.chroma.tobytes())
        self.embedded += 1

    def _embedded_phrases(self) -> list[tuple[KeptPhrases, dict[str, np.ndarray] | str]]:
        """The phrases of this batch with their vectors, or why they have none."""
        model, waiting = self.embedder.phrases, self._phrases.taken()
        return [] if model is None else [(kept, embed_one(model, kept)) for kept in waiting]

    def _store_phrases(self, kept: KeptPhrases, rows: dict[str, np.ndarray] | str) -> None:
        assert self.maker.phrases is not None  # else there are none
        for space, model in self.maker.phrases.models.items():
            row = VectorRow(kept.digest, NUMBER, error=rows if isinstance(rows, str) else None)
            if not isinstance(rows, str) and len(rows[space]):
                shard, first, crc32 = self.shards[space].append(rows[space].astype(np.float16))
                row = VectorRow(kept.digest, NUMBER, shard, first, len(rows[space]) - 1, crc32)
            self.ledger.add_vector(replace(self.maker, fingerprint=model), row)


def embed_each(embedder: EmbedderLike, ready: list[Prepared]) -> list[Embedded | ItemError]:
    """Embed a batch; where that fails as a whole, one piece at a time, so that one of them costs only itself."""
    if not ready:
        return []
    try:
        return [_checked(embedder, p, r) for p, r in zip(ready, embedder.embed_prepared(ready), strict=True)]
    except MmbertError:
        raise
    except Exception as e:
        if len(ready) > 1:
            return [embed_each(embedder, [one])[0] for one in ready]
        fault = f"could not be embedded ({type(e).__name__}: {str(e)[:200]})"
        hint = "This is a fault of mmbert: please report it with the file"
        return [ItemError(str(ready[0].item.source.path), fault, hint, code="E_UNEXPECTED", stage="embed")]


def _checked(embedder: EmbedderLike, ready: Prepared, result: Embedded | ItemError) -> Embedded | ItemError:
    """The result, refused where it would poison a search: nothing but unit vectors enters a shard."""
    if isinstance(result, ItemError):
        return result
    if result.piece.shape != (embedder.dim,) or result.windows.shape != (len(result.places), embedder.dim):
        raise ValueError(f"vectors of shapes {result.piece.shape} and {result.windows.shape}")
    lengths = np.linalg.norm(np.concatenate([result.piece[None], result.windows]), axis=1)
    if np.all(np.abs(lengths - 1) < 1e-2):  # false for NaN
        return result
    fault, hint = "gives vectors that are not of unit length", "The weights or this machine's torch are faulty"
    return ItemError(str(ready.item.source.path), fault, hint, code="E_NOT_FINITE", stage="embed")


def facets_json(facets: Facets) -> str:
    """Facets as they are kept; numbers that are none are unknown."""
    known = {k: v for k, v in facets.known().items() if not (isinstance(v, float) and not math.isfinite(v))}
    return json.dumps(known, default=lambda v: v.item())


def place_row(place: Any) -> tuple[float, float, int, int]:
    """A place as a row of :data:`mmbert.store.schema.PLACE`; a bar that is not known is -1."""
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
