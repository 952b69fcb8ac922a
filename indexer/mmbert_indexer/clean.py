"""What a library no longer needs: the one place that decides it, for a build, a repair and ``mmbert index gc``.

Kept are the current generation, one whole generation before it, and every shard that the ledger refers to. Readers are
not in the way: what they have open stays theirs until they close it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmbert.console import warn
from mmbert.store import files
from mmbert.store.generations import ASIDE, LibraryFolder
from mmbert.store.manifest import DamageError, check
from mmbert_indexer.ledger import Ledger
from mmbert_indexer.shards import folder_of, orphans

GOING = ".deleted"
KEPT = 2  # generations: the current one and the one before it


class Cleaner:
    """Deletes, and remembers what; the caller holds the library's lock.

    Attributes:
        deleted: Paths that are gone, relative to the library.
        left: Paths that could not be deleted; each was warned of once.
        bytes: What was freed.
    """

    def __init__(self, library: Path) -> None:
        self.folder, self.library = LibraryFolder(library), library
        self.deleted: list[str] = []
        self.left: list[Path] = []
        self.bytes = 0

    def generations(self) -> list[dict[str, Any]]:
        """Delete all but the current one, which the caller has read, and one whole one; returns their manifests."""
        current = self.folder.current_name()
        kept: dict[str | None, dict[str, Any]] = {}
        for name in self.folder.names():
            folder = self.folder.generations / name
            try:
                wanted = name == current or len(kept.keys() | {current}) < KEPT
                manifest = check(folder, hashes=name != current) if wanted else None
            except DamageError:
                manifest = None
            if manifest is None:
                going = folder.with_name(name + GOING)  # half deleted it must not look like a damaged one
                files.disk.rename(folder, going)
                self._delete(going, name)
            else:
                kept[name] = manifest
        return list(kept.values())

    def model_folders(self, models: Collection[str]) -> None:
        """Delete the shards of all other models."""
        work = self.library / "work"
        needed = {folder_of(work, model) for model in models}
        for folder in _entries(work / "shards"):
            if folder not in needed:
                self._delete(folder)

    def shards(self, ledger: Ledger) -> None:
        """Delete the shards of which the ledger knows no row; none may be open for writing."""
        models = ledger.models()
        self.model_folders(models)
        for model in models:
            for path in orphans(folder_of(self.library / "work", model), ledger.shard_rows(model)):
                self._delete(path)

    def set_aside(self) -> None:
        """Delete what was damaged and put aside; the caller knows that all it held is published."""
        for path in [*self.folder.set_aside(), *self.library.glob(f"work{ASIDE}")]:
            self._delete(path)

    def half_done(self) -> None:
        """Delete what a kill left half done: we hold the lock, so nobody is working on it."""
        patterns = ("generations/*.building-*", f"generations/*{GOING}", "*.json.tmp", "CURRENT.tmp")
        for pattern in (*patterns, "work/shards/*/*.json.tmp"):
            for path in sorted(self.library.glob(pattern)):
                self._delete(path)

    def _delete(self, path: Path, name: str | None = None) -> None:
        size = bytes_of(path)
        files.disk.remove_tree(path)
        self.bytes += size - bytes_of(path)
        if not os.path.lexists(path):
            self.deleted.append(str(path.with_name(name or path.name).relative_to(self.library)))
        elif path not in self.left:
            self.left.append(path)
            warn(f"{path} is no longer needed and could not be deleted: delete it yourself.")


def bytes_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for file in _files(path):
        with suppress(FileNotFoundError):
            total += file.lstat().st_size
    return total


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
    else:
        for where, _, names in os.walk(path):
            yield from (Path(where, name) for name in names)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
