"""The phrases of pieces: as they are kept, and their vectors in the spaces ``next`` and ``accompaniment``.

Vectors belong to the phrases' bytes, not to a file: whatever is read again and has the same phrases keeps them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from mmbert.errors import MmbertError
from mmbert.store.vectors import PHRASE_SPACES
from mmbert.symbolic.phrase_lines import PHRASE, PhraseLines, accompanied, packed, table_of, unpacked
from mmbert.symbolic.phrases import PhraseTable, Task

NUMBER = 0  # of the rows of a piece's phrases in the ledger, which counts pieces within a file


class PhraseModelLike(Protocol):
    """What a build needs of :class:`mmbert.model.phrase_model.PhraseModel`."""

    fingerprint: str
    dims: Mapping[Task, int]

    def document_vectors(self, table: PhraseTable, task: Task) -> np.ndarray:
        """Unit vectors of what may be found, float32 [P, dims[task]]."""


@dataclass(frozen=True)
class PhraseMaker:
    """Which model of phrases is at work.

    Attributes:
        fingerprint: Of its weights.
        dims: Length of a vector in each space.
    """

    fingerprint: str
    dims: dict[str, int]

    @classmethod
    def of(cls, model: PhraseModelLike | None) -> PhraseMaker | None:
        """Of a model; None without one."""
        if model is None:
            return None
        return cls(model.fingerprint, {space: model.dims[task] for task, space in PHRASE_SPACES.items()})

    @classmethod
    def read(cls, stated: Mapping | None) -> PhraseMaker | None:
        """As a manifest or the ledger states it; None where that says nothing of phrases."""
        return None if stated is None else cls(stated["fingerprint"], dict(stated["dims"]))

    @property
    def models(self) -> dict[str, str]:
        """Of each space the name under which the ledger keeps its vectors."""
        return {space: f"{space.partition('/')[0]}:{self.fingerprint}" for space in self.dims}


@dataclass(frozen=True)
class KeptPhrases:
    """The phrases of a piece as the ledger and the records keep them; all empty where there are none.

    Attributes:
        heads: :data:`mmbert.symbolic.phrase_lines.PHRASE` as bytes.
        notes: As :func:`mmbert.symbolic.phrase_lines.packed`.
        parts: JSON.
    """

    heads: bytes = b""
    notes: bytes = b""
    parts: str = "[]"

    @classmethod
    def of(cls, lines: PhraseLines) -> KeptPhrases:
        """Of phrases as they were read."""
        if not len(lines):
            return cls()
        parts = [[_whole(name), program] for name, program in lines.parts]
        return cls(lines.heads.tobytes(), packed(lines.notes), json.dumps(parts))

    def __bool__(self) -> bool:
        return bool(self.heads)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of what decides the vectors."""
        return hashlib.sha256(self.heads + self.notes).digest()

    @cached_property
    def rows(self) -> dict[str, int]:
        """How many rows they have in each space."""
        heads = np.frombuffer(self.heads, PHRASE)
        return {"next/phrases": len(heads), "accompaniment/phrases": int(accompanied(heads).sum())}

    def table(self) -> PhraseTable:
        """The phrases."""
        heads = np.frombuffer(self.heads, PHRASE)
        n = int(heads["melody"].sum(dtype=np.int64) + heads["accompaniment"].sum(dtype=np.int64))
        return table_of(heads, unpacked(self.notes, n))


def _whole(name: str) -> str:
    """A name that any program can read back: no half characters."""
    return name.encode("utf-8", "replace").decode("utf-8")


def vectors_of(model: PhraseModelLike, kept: KeptPhrases) -> Iterator[tuple[str, np.ndarray]]:
    """(space, float32 [n, d]) of the phrases of one piece; a phrase without accompaniment has no row there.

    One piece at a time, so that what others are embedded with it changes no byte.

    Raises:
        ValueError: vectors that would poison a search.
    """
    table = kept.table()
    for task, space in PHRASE_SPACES.items():
        some = table if task == "completion" else table.rows(accompanied(np.frombuffer(kept.heads, PHRASE)))
        rows = np.zeros((0, model.dims[task]), np.float32)
        if len(some):
            rows = np.asarray(model.document_vectors(some, task), np.float32)
        if rows.shape != (kept.rows[space], model.dims[task]):
            raise ValueError(f"vectors of shape {rows.shape} in {space}")
        if not np.all(np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-2):  # false for NaN
            raise ValueError(f"vectors in {space} that are not of unit length")
        yield space, rows


def embed_one(model: PhraseModelLike, kept: KeptPhrases) -> dict[str, np.ndarray] | str:
    """The vectors of one piece's phrases by space, or JSON of (stage, code, fault, hint)."""
    try:
        return dict(vectors_of(model, kept))
    except MmbertError:
        raise
    except Exception as e:
        fault = f"has phrases that could not be embedded ({type(e).__name__}: {str(e)[:200]})"
        hint = "It is found by everything else. This is a fault of mmbert: please report it with the file"
        return json.dumps(["embed", "E_PHRASES", fault, hint])


@dataclass
class WaitingPhrases:
    """Phrases that were read and wait for the end of a batch, each kind once."""

    kept: dict[bytes, KeptPhrases] = field(default_factory=dict)

    def add(self, kept: KeptPhrases) -> None:
        """Let some wait, if they are any."""
        if kept:
            self.kept[kept.digest] = kept

    def __len__(self) -> int:
        return len(self.kept)

    def taken(self) -> list[KeptPhrases]:
        """All, in order of arrival; none wait any more."""
        some = list(self.kept.values())
        self.kept.clear()
        return some
