"""What a build did not index, and why: the lines of rejects.jsonl."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mmbert.errors import ItemError

# These are faults of a moment or of a path, not of the content: they are never remembered for it.
PASSING = frozenset({"E_CHANGED", "E_GONE", "E_IO", "E_LINK_LOOP", "E_MISSING_EXTRA", "E_NOT_FILE", "E_PERMISSION"})


@dataclass(frozen=True)
class Reject:
    """One file, or one piece in it, that is not in the library.

    Attributes:
        path: The file, decoded as Python does.
        sha256: Digest of its content; empty where it was not read.
        stage: ``scan``, ``decode``, ``facets``, ``encode`` or ``embed``.
        code: Stable word such as ``E_MIDI_TRUNCATED``.
        fault: What is wrong.
        hint: Likely cause or remedy.
    """

    path: str
    sha256: str
    stage: str
    code: str
    fault: str
    hint: str

    @classmethod
    def of(cls, error: ItemError, path: str, sha256: str = "") -> Reject:
        """The line for an error that a reader or the embedder gave."""
        return cls(path, sha256, error.stage, error.code, error.fault, error.hint)


def in_order(rejects: Iterable[Reject]) -> list[Reject]:
    """Sorted by path; those of one file stay as they came."""
    return sorted(rejects, key=lambda r: os.fsencode(r.path))


def summary(rejects: list[Reject], shown: int = 5) -> dict[str, Any]:
    """Counts by code and the first few, for the report of a build."""
    counts = Counter(r.code for r in rejects)
    return {"counts": dict(counts.most_common()), "first": [asdict(r) for r in rejects[:shown]]}
