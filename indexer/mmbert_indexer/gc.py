"""Deletes what a library no longer needs, beyond what each build deletes by itself."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from mmbert.errors import LibraryError
from mmbert.store.files import changing
from mmbert.store.generations import LibraryFolder, open_library
from mmbert.store.manifest import DamageError, check
from mmbert_indexer.clean import Cleaner
from mmbert_indexer.ledger import Ledger, is_damage
from mmbert_indexer.lock import build_lock, refuse_read_only


@dataclass(frozen=True)
class GcReport:
    """What was freed.

    Attributes:
        library: The folder.
        generation: Name of the current generation.
        kept: Names of the generations that are left, newest first.
        deleted: What was deleted, relative to the library.
        bytes: What it took.
    """

    library: str
    generation: str
    kept: tuple[str, ...]
    deleted: tuple[str, ...]
    bytes: int


def collect_garbage(library: Path) -> GcReport:
    """Delete old generations, shards that nothing refers to, and what killed builds left.

    What an unfinished build has embedded is kept, and so are the vectors of files that are gone for now, and what a
    repair put aside while the current generation is not the one that was published last.

    Raises:
        LibraryError: no library, read-only, locked by a build, or damaged: then nothing was deleted.
    """
    library = Path(library)
    folder = open_library(library)
    refuse_read_only(library)
    with changing(library), build_lock(library):
        current = _sound(folder)
        cleaner = Cleaner(library)
        ledger = _ledger(library)
        try:
            cleaner.generations()
            if ledger is not None:
                cleaner.shards(ledger)
            if ledger is not None and (ledger.get("published") or {}).get("generation") == current:
                cleaner.set_aside()
            cleaner.half_done()
        finally:
            if ledger is not None:
                ledger.close()
    return GcReport(os.fspath(library), current, tuple(folder.names()), tuple(cleaner.deleted), cleaner.bytes)


def _sound(folder: LibraryFolder) -> str:
    """Name of the current generation; where it is not whole, an older one may still be needed."""
    name = folder.current_name()
    try:
        if name is None:
            raise DamageError("CURRENT is missing or unreadable")
        check(folder.generations / name, hashes=True)
        return name
    except DamageError as e:
        what = f"{name} is damaged ({e.fault})" if name else e.fault
        raise _refused(folder.path, what) from e


def _ledger(library: Path) -> Ledger | None:
    """The ledger; None where there is no work folder (a library may be given away without it)."""
    if not (library / "work").exists():
        return None
    if not (library / "work" / "ledger.sqlite").exists():
        raise _refused(library, "the ledger is gone from work/")
    try:
        return Ledger(library / "work")
    except sqlite3.DatabaseError as e:
        if not is_damage(e):
            raise
        raise _refused(library, f"the ledger is damaged ({e})") from e


def _refused(library: Path, fault: str) -> LibraryError:
    return LibraryError(str(library), f"{fault}; nothing was deleted", f"Run: mmbert index repair {library}")
