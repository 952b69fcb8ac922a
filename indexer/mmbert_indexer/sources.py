"""Which folders a library is made of, and which paths were taken out of it.

A library holds what lies in all folders that were ever given to a build. A path that was removed stays out until it
is given again itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmbert.console import warn
from mmbert.errors import UsageError
from mmbert.items.reader import SUFFIXES
from mmbert_indexer.ledger import Ledger
from mmbert_indexer.scan import Scan


def under(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def any_under(paths: Iterable[str], folder: str) -> bool:
    """Whether any of the paths lies in a folder."""
    return any(under(path, folder) for path in paths)


def checked(library: Path, folders: Sequence[Path]) -> list[str]:
    """Absolute real paths of the folders given.

    Raises:
        UsageError: one is missing, or none is given.
    """
    if not folders:
        raise UsageError("FOLDER", "is missing", "Give the folders of music that the library shall hold.")
    home = os.path.realpath(library)
    found = []
    for folder in folders:
        if not os.path.exists(folder):
            raise UsageError(str(folder), "does not exist", "Nothing was done.")
        real = os.path.realpath(folder)
        if under(real, home):
            raise UsageError(str(folder), "lies inside the library itself", "Give the folder of the music.")
        found.append(real)
    return list(dict.fromkeys(found))


def joined(ledger: Ledger, given: list[str]) -> tuple[list[str], list[str]]:
    """(sources, removed paths) of the library with what is given now.

    A removed path that is given comes back; giving a folder around it is what every build does and changes nothing.
    What lies in a source already needs no entry of its own, unless it lies in something that was removed.
    """
    removed = [r for r in ledger.get("removed", []) if r not in given]
    before = ledger.get("sources", [])
    hidden = {g for g in given if any(under(g, r) for r in removed)}
    new = [g for g in given if g in hidden or not any(under(g, s) for s in before)]
    return sorted({*before, *new}), removed


def refuse_empty(given: Iterable[str], scan: Scan) -> None:
    """Refuse folders in which there is nothing to read.

    Raises:
        UsageError: with the number of files that were looked at.
    """
    for folder in given:
        if any_under(scan.files, folder) or any(under(r.path, folder) for r in scan.rejects):
            continue
        seen = f"0 files of music in it, {scan.others} of other kinds" if scan.others else "it is empty"
        raise UsageError(folder, f"holds no music ({seen})", f"mmbert reads {' '.join(SUFFIXES)}")


def warn_of_gone(roots: Iterable[str], known: Iterable[str]) -> None:
    """Say that a folder given earlier is no longer there: its pieces are dropped."""
    known = list(known)
    for root in roots:
        if not os.path.exists(root) and (count := sum(under(path, root) for path in known)):
            warn(f"{root}, given earlier, is gone: its {count:,} files leave the library (their vectors are kept).")
