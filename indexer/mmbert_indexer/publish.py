"""A new generation, in the order of writing that a power cut cannot break.

Built under a name that no reader looks for; each file is synced; MANIFEST.json comes last; the folder gets its name;
what was written is read back; then CURRENT is replaced. Only after that is anything old deleted.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.errors import LibraryError
from mmbert.store import files
from mmbert.store.files import json_bytes
from mmbert.store.generations import LibraryFolder
from mmbert.store.manifest import FORMAT, NAME, DamageError, check, describe, with_checksum
from mmbert.store.vectors import file_name
from mmbert_indexer.clean import Cleaner
from mmbert_indexer.ledger import Ledger, Maker, VectorRow
from mmbert_indexer.live import LivePiece, count_files, live
from mmbert_indexer.phrases import NUMBER, PhraseMaker
from mmbert_indexer.records import RecordsWriter
from mmbert_indexer.rejects import Reject, in_order
from mmbert_indexer.shards import JOINT, AllShards, DamagedRows, Shards

BYTES_A_PIECE = 6500  # of records, measured with full text, indexes, the melodies and phrases of folk tunes
_PACKAGES = ("mmbert", "numpy", "symusic", "music21", "soundfile", "torch", "faiss-cpu", "faiss-gpu")


class LostVectors(Exception):
    """Some pieces' vectors are not what was written; they must be embedded again.

    Attributes:
        keys: (sha256, number) of the rows, by model.
        pieces: How many pieces they are of.
    """

    def __init__(self, keys: dict[str, list[tuple[bytes, int]]], pieces: int) -> None:
        super().__init__(pieces)
        self.keys, self.pieces = keys, pieces


class Publisher:
    """Writes generations of one library; the caller holds its lock.

    Args:
        library: The folder.
        ledger: What the library holds.
        maker: The model, the reading code and the ears whose work is published.
        dim: Length of a vector.
        rejects: Refusals that the ledger does not keep.
    """

    def __init__(self, library: Path, ledger: Ledger, maker: Maker, dim: int, rejects: list[Reject]) -> None:
        self.folder = LibraryFolder(library)
        self.library, self.ledger, self.maker, self.dim = library, ledger, maker, dim
        self.passing = rejects

    def is_published(self) -> bool:
        """Whether the current generation already holds exactly this, and every byte of it is as it was written."""
        published = self.ledger.get("published")
        name = self.folder.current_name()
        if name is None or published != {"generation": name, "state": self._state()}:
            return False
        try:
            check(self.folder.generations / name, hashes=True)
        except DamageError:
            return False
        return True

    def publish(self, shards: AllShards, report: dict[str, Any]) -> str:
        """Write and name a new generation; returns its name.

        Raises:
            LostVectors: nothing was published, these pieces have to be embedded again.
            SpaceError: the generation would not fit.
        """
        pieces, rows = self.ledger.size(self.maker)
        files.require_space(self.library, self._bytes(pieces, rows))
        name = self.folder.next_name()
        generations = self.folder.generations
        building = generations / f"{name}.building-{os.getpid()}"
        Cleaner(self.library).half_done()
        files.disk.make_folder(building)
        try:
            self._write(building, shards, report)
        except BaseException:
            files.disk.remove_tree(building)
            raise
        files.disk.sync_folder(building)
        files.disk.rename(building, generations / name)
        files.disk.sync_folder(generations)
        self._name_current(name)
        return name

    def _bytes(self, pieces: int, rows: int) -> int:
        return rows * 2 * self.dim + self.ledger.phrase_bytes(self.maker) + pieces * 2 * BYTES_A_PIECE

    def _name_current(self, name: str) -> None:
        """Make a named generation the current one, once what lies on the disk is what was meant."""
        try:
            check(self.folder.generations / name, hashes=True)
        except DamageError as e:
            raise LibraryError(str(self.library), f"{name} does not read back ({e.fault})", "Is the disk sound?") from e
        files.write_file(self.library / "CURRENT", f"{name}\n".encode("ascii"))
        self.ledger.put("published", {"generation": name, "state": self._state()})
        phrases = None if self.maker.phrases is None else asdict(self.maker.phrases)
        self.ledger.put("model", {"fingerprint": self.maker.fingerprint, "dim": self.dim, "phrases": phrases})
        self.ledger.put("reader", self.maker.reader)
        self.ledger.put("ears", self.maker.ears)
        self.ledger.commit()

    # ---- the files of a generation --------------------------------------------------------------------

    def _write(self, building: Path, shards: AllShards, report: dict[str, Any]) -> None:
        rejects = list(self.passing)
        written = self._write_rows(building, shards, rejects)
        rejects = in_order(rejects)
        lines = "".join(json.dumps(asdict(r), ensure_ascii=True) + "\n" for r in rejects)
        files.write_file(building / "rejects.jsonl", lines.encode("ascii"))
        names = ["records.sqlite", "rejects.jsonl", *map(file_name, self._spaces())]
        counts = {"pieces": written.pieces, "windows": written.windows}
        counts |= {"files": count_files(self.ledger), "rejected": len(rejects)}
        manifest = {
            "format": FORMAT,
            "fingerprint": self.maker.fingerprint,
            "dim": self.dim,
            "counts": counts,
            "sources": self.ledger.get("sources", []),
            "removed": self.ledger.get("removed", []),
            "files": describe(building, names),
        }
        if self.maker.phrases is not None:
            manifest["phrases"] = asdict(self.maker.phrases) | {"rows": written.phrases}
            counts["phrases"] = written.phrases["next/phrases"]
        report |= {"counts": counts, "versions": versions(), "machine": machine(), "command": sys.argv}
        files.write_file(building / "REPORT.json", json_bytes(report))
        files.write_file(building / NAME, json_bytes(with_checksum(manifest)))

    def _spaces(self) -> list[str]:
        return ["joint/pieces", "joint/windows", *(self.maker.phrases.dims if self.maker.phrases else ())]

    def _write_rows(self, building: Path, shards: AllShards, rejects: list[Reject]) -> RecordsWriter:
        """Records and packed vectors in one pass; returns the writer, which has counted them."""
        sources = [os.fsencode(s) for s in self.ledger.get("sources", [])]
        writer = RecordsWriter(building / "records.sqlite", sources)
        lost: dict[str, list[tuple[bytes, int]]] = {}
        pieces_lost = 0
        try:
            with ExitStack() as stack:
                out = {
                    space: stack.enter_context(files.disk.open_new(building / file_name(space)))
                    for space in self._spaces()
                }
                for piece in live(self.ledger, self.maker, rejects):
                    blocks = _Blocks(shards, piece, self.maker)
                    for model, key in blocks.lost:
                        lost.setdefault(model, []).append(key)
                    if blocks.lost:
                        pieces_lost += 1
                        continue
                    writer.add(piece)
                    for space, rows in blocks.rows.items():
                        files.disk.append(out[space], rows.tobytes())
                for handle in out.values():
                    files.disk.sync(handle)
            if lost:
                raise LostVectors(lost, pieces_lost)
            writer.finish()
        finally:
            writer.abandon()
        return writer

    def _state(self) -> str:
        """Digest of all that decides what a generation holds."""
        digest = hashlib.sha256(json.dumps([asdict(self.maker), self.dim], sort_keys=True).encode())
        digest.update(json.dumps([self.ledger.get("sources"), self.ledger.get("removed")]).encode())
        for sha256, path, _, suffix, context in self.ledger.file_rows():
            digest.update(json.dumps([sha256.hex(), path.hex(), suffix, context]).encode())
        digest.update(json.dumps([asdict(r) for r in in_order(self.passing)]).encode())
        digest.update(
            json.dumps(self.ledger.size(self.maker)).encode()
        )  # what was refused may have been taken in since
        return digest.hexdigest()

    def clean(self, *, aside: bool) -> None:
        """Delete what the library no longer needs, now that all of this is published.

        Args:
            aside: Also what a repair put aside: only a build has read all that it may still hold.
        """
        cleaner = Cleaner(self.library)
        models = self.maker.models.union(*(dims_of(manifest) for manifest in cleaner.generations()))
        self.ledger.forget_models(models, self.maker.reader)
        self.ledger.commit()
        cleaner.model_folders(models)
        if aside:
            cleaner.set_aside()
        cleaner.half_done()


class _Blocks:
    """The rows of a piece in every space.

    Attributes:
        rows: float16 [n, d] by space.
        lost: (model, key) of those that are not what was written.
    """

    def __init__(self, shards: AllShards, piece: LivePiece, maker: Maker) -> None:
        self.lost: list[tuple[str, tuple[bytes, int]]] = []
        self.rows: dict[str, np.ndarray] = {}
        block = self._read(shards[JOINT], maker.fingerprint, (piece.sha256, piece.number), piece.vectors)
        self.rows |= {"joint/pieces": block[:1], "joint/windows": block[1:]}
        for space, model in (maker.phrases.models if maker.phrases and piece.phrases else {}).items():
            key, row = (piece.phrases.digest, NUMBER), piece.phrase_vectors.get(space)
            if piece.phrases.rows[space] or row is None:
                self.rows[space] = self._read(shards[space], model, key, row, piece.phrases.rows[space])

    def _read(
        self, shards: Shards, model: str, key: tuple[bytes, int], row: VectorRow | None, n: int | None = None
    ) -> np.ndarray:
        try:
            if row is None or row.shard is None or row.row is None or n not in (None, 1 + row.windows):
                raise DamagedRows(key[0].hex())
            return shards.read(row.shard, row.row, 1 + row.windows, row.crc32)
        except DamagedRows:
            self.lost.append((model, key))
            return np.zeros((0, shards.dim), np.float16)


def dims_of(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Length of the vectors of every model that a generation was made with, by its name in the ledger."""
    dims = {manifest["fingerprint"]: manifest["dim"]}
    if (made := PhraseMaker.read(manifest.get("phrases"))) is not None:
        dims |= {model: made.dims[space] for space, model in made.models.items()}
    return dims


def refuse_if_full(library: Path, pieces: int, windows_a_piece: int, dim: int, phrases: PhraseMaker | None) -> None:
    """Refuse before starting what would not fit: shards, and records and packed vectors of a new generation.

    Raises:
        SpaceError: with what is needed and what is free.
    """
    width = dim + sum(phrases.dims.values() if phrases else ())
    vectors = pieces * (1 + windows_a_piece) * 2 * width
    needed = 2 * vectors + 2 * pieces * BYTES_A_PIECE
    files.require_space(library, needed)


def versions() -> dict[str, str]:
    """Versions of what took part."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The kind of machine; not its name."""
    return {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}
