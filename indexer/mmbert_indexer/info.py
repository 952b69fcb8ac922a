"""What a library holds, for ``mmbert index info``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from mmbert.store.generations import open_library
from mmbert_indexer.clean import bytes_of
from mmbert_indexer.flaws import flawed
from mmbert_indexer.rejects import Reject, summary


def library_info(path: Path) -> dict[str, Any]:
    """Counts, model, folders, rejects and size of a library.

    Raises:
        LibraryError: there is none, or none of its generations is whole.
    """
    folder = open_library(path)
    generation = folder.current()
    try:
        manifest = generation.manifest
        return {
            "library": str(path),
            "generation": generation.name,
            "notice": generation.notice,
            **manifest["counts"],
            "kinds": dict(Counter(generation.pieces.kind).most_common()),
            "fingerprint": generation.fingerprint,
            "dim": manifest["dim"],
            "sources": manifest["sources"],
            "removed": manifest["removed"],
            "rejects": summary([Reject(**line) for line in generation.rejects()]),
            "flawed": flawed(generation),
            "bytes": bytes_of(folder.path),
            "built": generation.report(),
        }
    finally:
        generation.close()
