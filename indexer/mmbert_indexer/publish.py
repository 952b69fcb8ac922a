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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmbert.errors import LibraryError
from mmbert.store import files
from mmbert.store.files import json_bytes
from mmbert.store.generations import LibraryFolder
from mmbert.store.manifest import FORMAT, NAME, DamageError, check, describe, with_checksum
from mmbert.store.vectors import file_name
from mmbert_indexer.clean import Cleaner
from mmbert_indexer.ledger import Ledger, Maker
from mmbert_indexer.live import LivePiece, count_files, live
from mmbert_indexer.records import RecordsWriter
from mmbert_indexer.rejects import Reject, in_order
from mmbert_indexer.shards import DamagedRows, Shards

BYTES_A_PIECE = 5000  # of records, measured with full text, indexes and the melodies of folk tunes
_PACKAGES = ("mmbert", "numpy", "symusic", "music21", "soundfile", "torch", "faiss-cpu", "faiss-gpu")


class LostVectors(Exception):
    """Some pieces' vectors are not what was written; they must be embedded again."""

    def __init__(self, keys: list[tuple[bytes, int]]) -> None:
        super().__init__(len(keys))
        self.keys = keys


class Publisher:
    """Writes generations of one library; the caller holds its lock.

    Args:
        library: The folder.
        ledger: What the library holds.
        maker: The model and the reading code whose work is published.
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

    def publish(self, shards: Shards, report: dict[str, Any]) -> str:
        """Write and name a new generation; returns its name.

        Raises:
            LostVectors: nothing was published, these pieces have to be embedded again.
            SpaceError: the generation would not fit.
        """
        pieces, rows = self.ledger.size(self.maker)
        files.require_space(self.library, rows * 2 * self.dim + pieces * 2 * BYTES_A_PIECE)
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

    def _name_current(self, name: str) -> None:
        """Make a named generation the current one, once what lies on the disk is what was meant."""
        try:
            check(self.folder.generations / name, hashes=True)
        except DamageError as e:
            raise LibraryError(str(self.library), f"{name} does not read back ({e.fault})", "Is the disk sound?") from e
        files.write_file(self.library / "CURRENT", f"{name}\n".encode("ascii"))
        self.ledger.put("published", {"generation": name, "state": self._state()})
        self.ledger.put("model", {"fingerprint": self.maker.fingerprint, "dim": self.dim})
        self.ledger.put("reader", self.maker.reader)
        self.ledger.commit()

    # ---- the files of a generation --------------------------------------------------------------------

    def _write(self, building: Path, shards: Shards, report: dict[str, Any]) -> None:
        rejects = list(self.passing)
        pieces, windows = self._write_rows(building, shards, rejects)
        rejects = in_order(rejects)
        lines = "".join(json.dumps(asdict(r), ensure_ascii=True) + "\n" for r in rejects)
        files.write_file(building / "rejects.jsonl", lines.encode("ascii"))
        names = ["records.sqlite", "rejects.jsonl", file_name("joint/pieces"), file_name("joint/windows")]
        counts = {"pieces": pieces, "windows": windows, "files": count_files(self.ledger), "rejected": len(rejects)}
        manifest = {
            "format": FORMAT,
            "fingerprint": self.maker.fingerprint,
            "dim": self.dim,
            "counts": counts,
            "sources": self.ledger.get("sources", []),
            "removed": self.ledger.get("removed", []),
            "files": describe(building, names),
        }
        report |= {"counts": counts, "versions": versions(), "machine": machine(), "command": sys.argv}
        files.write_file(building / "REPORT.json", json_bytes(report))
        files.write_file(building / NAME, json_bytes(with_checksum(manifest)))

    def _write_rows(self, building: Path, shards: Shards, rejects: list[Reject]) -> tuple[int, int]:
        """Records and packed vectors in one pass; returns the numbers of pieces and windows."""
        sources = [os.fsencode(s) for s in self.ledger.get("sources", [])]
        writer = RecordsWriter(building / "records.sqlite", sources)
        lost: list[tuple[bytes, int]] = []
        try:
            with (
                files.disk.open_new(building / file_name("joint/pieces")) as piece_rows,
                files.disk.open_new(building / file_name("joint/windows")) as window_rows,
            ):
                for piece in live(self.ledger, self.maker, rejects):
                    try:
                        block = _block(shards, piece)
                    except DamagedRows:
                        lost.append((piece.sha256, piece.number))
                        continue
                    writer.add(piece)
                    files.disk.append(piece_rows, block[:1].tobytes())
                    files.disk.append(window_rows, block[1:].tobytes())
                files.disk.sync(piece_rows)
                files.disk.sync(window_rows)
            if lost:
                raise LostVectors(lost)
            writer.finish()
        finally:
            writer.abandon()
        return writer.pieces, writer.windows

    def _state(self) -> str:
        """Digest of all that decides what a generation holds."""
        digest = hashlib.sha256(json.dumps([asdict(self.maker), self.dim]).encode())
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
        models = {self.maker.fingerprint, *(manifest["fingerprint"] for manifest in cleaner.generations())}
        self.ledger.forget_models(models, self.maker.reader)
        self.ledger.commit()
        cleaner.model_folders(models)
        if aside:
            cleaner.set_aside()
        cleaner.half_done()


def _block(shards: Shards, piece: LivePiece) -> Any:
    row = piece.vectors
    if row.shard is None or row.row is None:
        raise DamagedRows(piece.uid)
    return shards.read(row.shard, row.row, 1 + row.windows, row.crc32)


def refuse_if_full(library: Path, pieces: int, windows_a_piece: int, dim: int) -> None:
    """Refuse before starting what would not fit: shards, and records and packed vectors of a new generation.

    Raises:
        SpaceError: with what is needed and what is free.
    """
    vectors = pieces * (1 + windows_a_piece) * 2 * dim
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
