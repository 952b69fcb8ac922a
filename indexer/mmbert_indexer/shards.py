"""work/shards: float16 rows in order of arrival, appended and synced, sealed when full, never rewritten."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mmbert.store import files
from mmbert.store.files import json_bytes, sha256_of
from mmbert_indexer.ledger import Ledger, Maker

SEAL_BYTES = 64 << 20
JOINT = "joint"


class DamagedRows(Exception):
    """Rows of a shard are not those that were written."""


def folder_of(work: Path, model: str) -> Path:
    """Where the shards of a model lie: two models never share a folder. Those of phrases name their space.

    >>> folder_of(Path("work"), "0123456789").name, folder_of(Path("work"), "next:0123456789").name
    ('joint-01234567', 'next-01234567')
    """
    space, _, fingerprint = model.rpartition(":")
    return work / "shards" / f"{space or JOINT}-{fingerprint[:8]}"


def orphans(folder: Path, used: Collection[int]) -> list[Path]:
    """Files of shards of which no row is in use; whatever bears no shard's name is none of ours."""
    found = sorted(folder.glob("[0-9]*.*")) if folder.is_dir() else []
    return [path for path in found if (stem := path.name.partition(".")[0]).isdigit() and int(stem) not in used]


def stated_dim(folder: Path) -> int | None:
    """Length of the vectors, from the first sealed shard that is as long as is written beside it; None without one."""
    for sealed in sorted(folder.glob("[0-9]*.f16")):
        try:
            facts = json.loads(sealed.with_suffix(".json").read_bytes())
            if facts["dim"] > 0 and facts["rows"] * facts["dim"] * 2 == sealed.stat().st_size > 0:
                return int(facts["dim"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


class Shards:
    """The shards of one model.

    Opening repairs what a kill left: bytes that the ledger does not know are cut off, and what the ledger believes to
    be in a shard that is gone or short, or that was altered since it was sealed, is forgotten (and will be embedded
    again). Shards of which the ledger knows nothing are deleted.
    """

    def __init__(self, work: Path, fingerprint: str, dim: int, ledger: Ledger) -> None:
        self.folder, self.fingerprint, self.dim = folder_of(work, fingerprint), fingerprint, dim
        self.row_bytes = 2 * dim
        self._open: dict[int, BinaryIO] = {}  # for reading
        files.make_folder(self.folder)
        self.used = ledger.shard_rows(fingerprint)
        for number, rows in list(self.used.items()):
            if (there := self._rows_there(number)) < rows:
                ledger.forget_beyond(fingerprint, number, there)
                self.used[number] = there
            if self._sealed(number).exists() and not self._is_as_sealed(number):
                self._mend(number, ledger)
        ledger.commit()
        for path in orphans(self.folder, self.used):  # a new shard of that number must not meet them
            files.disk.remove(path)
        self.number = max(self.used, default=0)
        if self._sealed(self.number).exists() or self.number == 0:
            self.number += 1
        path = self._growing(self.number)
        self.rows = self.used.get(self.number, 0)
        if path.exists():
            files.disk.truncate(path, self.rows * self.row_bytes)
        self._handle = files.disk.open_append(path)
        files.disk.sync_folder(self.folder)

    def append(self, block: np.ndarray) -> tuple[int, int, int]:
        """Write rows, float16 [n, d]; returns (shard, first row, crc32). Nothing counts before :meth:`sync`."""
        data = np.ascontiguousarray(block, dtype="<f2").tobytes()
        files.disk.append(self._handle, data)
        first, self.rows = self.rows, self.rows + len(block)
        return self.number, first, zlib.crc32(data)

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        files.disk.sync_data(self._handle)

    def seal_if_full(self) -> None:
        """Close a shard of 64 MB for good, after its rows are in the ledger, and begin the next."""
        if self.rows * self.row_bytes < SEAL_BYTES:
            return
        files.disk.sync(self._handle)
        self._handle.close()
        growing, sealed = self._growing(self.number), self._sealed(self.number)
        self._state(self.number, growing)
        files.disk.rename(growing, sealed)
        self.number, self.rows = self.number + 1, 0
        self._handle = files.disk.open_append(self._growing(self.number))
        files.disk.sync_folder(self.folder)

    def read(self, shard: int, row: int, rows: int, crc32: int) -> np.ndarray:
        """Rows as they were written, float16 [n, d].

        Raises:
            DamagedRows: their bytes are not what they were.
        """
        if shard not in self._open:
            path = self._sealed(shard) if self._sealed(shard).exists() else self._growing(shard)
            try:
                self._open[shard] = path.open("rb", buffering=0)
            except OSError as e:
                raise DamagedRows(str(path)) from e
        # Read, not mapped: what is published would count as memory of the build, all of it.
        data = os.pread(self._open[shard].fileno(), rows * self.row_bytes, row * self.row_bytes)
        if len(data) != rows * self.row_bytes or zlib.crc32(data) != crc32:
            raise DamagedRows(f"{self.folder.name}/{shard:06d}")
        return np.frombuffer(data, "<f2").reshape(rows, self.dim)

    def mend_all(self, ledger: Ledger) -> None:
        """Read every row, and forget the pieces whose rows are not what they were."""
        for number in self.used:
            ledger.forget_vectors(self._damaged(number, ledger), self.fingerprint)
        ledger.commit()

    def close(self) -> None:
        """Close files."""
        self._handle.close()
        for handle in self._open.values():
            handle.close()
        self._open.clear()

    def _state(self, number: int, path: Path) -> None:
        """Write down what a sealed shard holds."""
        facts = {"rows": path.stat().st_size // self.row_bytes, "dim": self.dim, "sha256": sha256_of(path)}
        files.write_file(self._sealed(number).with_suffix(".json"), json_bytes(facts))

    def _is_as_sealed(self, number: int) -> bool:
        try:
            stated = json.loads(self._sealed(number).with_suffix(".json").read_bytes())["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return sha256_of(self._sealed(number)) == stated

    def _mend(self, number: int, ledger: Ledger) -> None:
        """Forget the pieces of an altered shard whose rows are not what they were; what is left is sealed anew."""
        ledger.forget_vectors(self._damaged(number, ledger), self.fingerprint)
        ledger.commit()
        self._state(number, self._sealed(number))

    def _damaged(self, number: int, ledger: Ledger) -> list[tuple[bytes, int]]:
        """Pieces of a shard whose rows are not what they were."""
        damaged = []
        for key, row, rows, crc32 in ledger.blocks(self.fingerprint, number):
            try:
                self.read(number, row, rows, crc32)
            except DamagedRows:
                damaged.append(key)
        return damaged

    def _rows_there(self, number: int) -> int:
        for path in (self._sealed(number), self._growing(number)):
            if path.exists():
                return path.stat().st_size // self.row_bytes
        return 0

    def _growing(self, number: int) -> Path:
        return self.folder / f"{number:06d}.open"

    def _sealed(self, number: int) -> Path:
        return self.folder / f"{number:06d}.f16"


class AllShards:
    """The shards of all models at work, by space: ``joint``, and those of phrases.

    Those of phrases of which the ledger knows none are made when the first one comes: many libraries have none.

    Args:
        work: The library's work folder.
        maker: The models.
        dim: Length of the vectors of ``joint``.
        ledger: What is in them.
    """

    def __init__(self, work: Path, maker: Maker, dim: int, ledger: Ledger) -> None:
        self._work, self._ledger = work, ledger
        self._models = {JOINT: (maker.fingerprint, dim)}
        if (phrases := maker.phrases) is not None:
            self._models |= {space: (model, phrases.dims[space]) for space, model in phrases.models.items()}
        self._open: dict[str, Shards] = {}
        known = ledger.models()
        try:
            for space, (model, _) in self._models.items():
                if space == JOINT or model in known:
                    self[space]
        except BaseException:
            self.close()
            raise

    def __getitem__(self, space: str) -> Shards:
        if space not in self._open:
            model, dim = self._models[space]
            self._open[space] = Shards(self._work, model, dim, self._ledger)
        return self._open[space]

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        for shards in self._open.values():
            shards.sync()

    def seal_if_full(self) -> None:
        """As of each."""
        for shards in self._open.values():
            shards.seal_if_full()

    def close(self) -> None:
        """Close files."""
        for shards in self._open.values():
            shards.close()
