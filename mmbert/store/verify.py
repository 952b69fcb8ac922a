"""Reads every byte of a library and says what is not as it was written."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from mmbert.store.files import sha256_of
from mmbert.store.generations import LibraryFolder, open_library
from mmbert.store.manifest import damages


@dataclass(frozen=True)
class Verdict:
    """Whether a library is sound.

    Attributes:
        library: The folder.
        generation: What CURRENT names, or None.
        serving: Generation that readers get, or None where none is whole.
        checked: Files that were read.
        damaged: ``{"file", "fault"}`` of each file that is not as it was written.
    """

    library: str
    generation: str | None
    serving: str | None
    checked: int
    damaged: tuple[dict[str, str], ...]

    @property
    def sound(self) -> bool:
        """Nothing is damaged and there is a generation to serve."""
        return not self.damaged and self.serving is not None


def verify_library(path: str | Path) -> Verdict:
    """Check every generation against its manifest, every sealed shard against its digest, and the ledger.

    Raises:
        LibraryError: there is no library at ``path``.
    """
    folder = open_library(path)
    found, checked, whole = _generations(folder)
    current = folder.current_name()
    if current is None or current not in folder.names():
        fault = "is missing or unreadable" if current is None else f"names {current}, which is not there"
        found.insert(0, {"file": "CURRENT", "fault": fault})
    serving = current if current in whole else next(iter(whole), None)
    for more, count in (_shards(folder.path), check_ledger(folder.path)):
        found += more
        checked += count
    try:
        int(json.loads((folder.path / "LIBRARY.json").read_bytes())["format"])
    except FileNotFoundError:
        found.append({"file": "LIBRARY.json", "fault": "is missing"})
    except (OSError, ValueError, KeyError, TypeError):
        found.append({"file": "LIBRARY.json", "fault": "cannot be read"})
    return Verdict(str(folder.path), current, serving, checked + 1, tuple(found))


def _generations(folder: LibraryFolder) -> tuple[list[dict[str, str]], int, list[str]]:
    """(damages, files read, names of the whole generations, newest first)."""
    found: list[dict[str, str]] = []
    checked, whole = 0, []
    for name in folder.names():
        generation = folder.generations / name
        wrong = damages(generation, hashes=True)
        if not generation.exists():  # a build that is running has put a newer one in its place
            continue
        checked += len(list(generation.glob("*")))  # none where something else has taken its name
        found += wrong
        if not wrong:
            whole.append(name)
    return found, checked, whole


def _shards(library: Path) -> tuple[list[dict[str, str]], int]:
    found, checked = [], 0
    for sealed in sorted((library / "work" / "shards").glob("*/*.f16")):
        name = str(sealed.relative_to(library))
        try:
            facts = json.loads(sealed.with_suffix(".json").read_bytes())
            if sha256_of(sealed) != facts["sha256"]:
                found.append({"file": name, "fault": "the bytes were altered"})
        except (OSError, ValueError, KeyError) as e:
            found.append({"file": name, "fault": f"cannot be checked ({type(e).__name__})"})
        checked += 1
    return found, checked


def check_ledger(library: Path) -> tuple[list[dict[str, str]], int]:
    """(damages, files read) of the ledger."""
    path = library / "work" / "ledger.sqlite"
    if not path.exists():
        return [], 0  # a library may be given away without its work folder
    wal = path.with_name(path.name + "-wal")
    # Without a WAL the file is all there is, and it can be read without leaving anything beside it.
    modes = ("mode=ro", "mode=ro&immutable=1") if wal.exists() and wal.stat().st_size else ("mode=ro&immutable=1",)
    answer = ""
    for mode in modes:  # a read-only folder has no room for the index of a WAL
        try:
            connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
            try:
                answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            finally:
                connection.close()
        except sqlite3.DatabaseError as e:
            answer = str(e)
        if answer == "ok":
            return [], 1
    return [{"file": "work/ledger.sqlite", "fault": answer}], 1
