"""One file to its pieces, however the file behaves meanwhile."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import mmbert
from mmbert.errors import ItemError, MissingExtraError
from mmbert.items import load_items
from mmbert.types import Item
from mmbert_indexer.scan import FileState, hashed, look


@functools.cache
def reader_version() -> str:
    """Digest of the code that reads and measures files: what older code refused is tried again by newer."""
    root = Path(mmbert.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.glob("items/*.py"), *root.glob("symbolic/*.py"), root / "embed.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class FileChanged(Exception):
    """The file is not what it was when it was scanned; ``state`` is what it is now."""

    def __init__(self, state: FileState) -> None:
        super().__init__(state.path)
        self.state = state


def read(state: FileState) -> Iterator[Item | ItemError]:
    """The pieces of a file, and in place of those that cannot be read, why.

    Pieces carry the digest of the bytes that they were read from, so one look at it tells whether the file is still
    the one that was scanned; where nothing could be read, size, time and digest must be as they were.

    Raises:
        FileChanged: before anything is given.
        OSError: before anything is given: the file cannot be looked at any more.
    """
    refused: list[ItemError] = []
    given = changed = False
    try:
        for item in load_items(Path(state.path), on_reject=refused.append):
            if changed := item.source.sha256 != state.sha256:
                break
            given = True
            yield from refused
            refused.clear()
            yield item
    except MissingExtraError as e:
        fault = f"needs {e.subject}, which is not installed"
        refused.append(ItemError(state.path, fault, e.hint, code="E_MISSING_EXTRA"))
    except Exception as e:
        fault = f"could not be read ({type(e).__name__}: {str(e)[:200]})"
        hint = "This is a fault of mmbert: please report it with the file"
        refused.append(ItemError(state.path, fault, hint, code="E_UNEXPECTED"))
    if not given:
        now = hashed(look(state.path))
        if changed or now.sha256 != state.sha256:
            raise FileChanged(now)
    yield from refused
