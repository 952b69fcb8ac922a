"""A model that costs nothing and files of a few notes, so that builds can be tested by the dozen."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import numpy as np

from mmbert.errors import ItemError
from mmbert.items import write_midi
from mmbert.prepare import Prepared
from mmbert.symbolic.octuple import FIELDS
from mmbert.symbolic.score import Part, Score
from mmbert.types import Embedded, Facets, Place

INSTRUMENTS = ("violin", "piano", "flute", "drums")


class FakeEmbedder:
    """Unit vectors drawn from the notes; two windows a piece; counts what it was asked for.

    ``pause`` seconds a batch make a build slow enough to be killed in the middle.
    """

    kinds = frozenset({"score", "text"})

    def __init__(self, dim: int = 16, fingerprint: str = "f00dfeed" * 8, pause: float = 0.0) -> None:
        self.dim, self.fingerprint, self.pause = dim, fingerprint, pause
        self.asked: list[str] = []

    def embed_prepared(self, ready: list[Prepared]) -> list[Embedded | ItemError]:
        time.sleep(self.pause)
        return [self._one(piece) for piece in ready]

    def _one(self, piece: Prepared) -> Embedded | ItemError:
        self.asked.append(piece.item.uid)
        if piece.chunks:
            seed = int.from_bytes(hashlib.sha256("".join(piece.chunks).encode()).digest()[:8], "big")
            row = unit(np.random.default_rng(seed).standard_normal(self.dim))
            return Embedded(piece.item, Facets(), row, np.zeros((0, self.dim), np.float32), ())
        pitches = piece.tokens[:, FIELDS.index("pitch")]
        if pitches.max() == 127:
            return ItemError(str(piece.item.source.path), "is too high", "Sing lower", code="E_HIGH", stage="encode")
        seed = int.from_bytes(hashlib.sha256(piece.tokens.tobytes()).digest()[:8], "big")
        rows = unit(np.random.default_rng(seed).standard_normal((3, self.dim)))
        places = (Place(0, 4, 0, 2), Place(2.5, 6.5))
        return Embedded(piece.item, facets_of(piece), rows[0], rows[1:], places)


def facets_of(piece: Prepared) -> Facets:
    """Facets that differ from piece to piece; some unknown."""
    n = first_pitch(piece)
    return Facets(
        key="CDEFGAB"[n % 7],
        mode=("major", "minor")[n % 2],
        tempo_bpm=60.0 + n if n % 3 else None,
        instruments=INSTRUMENTS[: n % 4],
        parts=n % 4 or None,
        has_drums=bool(n % 2),
        form=piece.item.metadata.get("form"),
        composer=piece.item.metadata.get("composer"),
    )


def first_pitch(piece: Prepared) -> int:
    """Pitch of the first note."""
    return int(piece.tokens[0, FIELDS.index("pitch")])


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one, float32."""
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def midi(pitch: int, *more: int, **metadata: str) -> bytes:
    """A MIDI file of a few quarter notes."""
    notes = [(i * 480, 480, p, 80, 0, False, 0) for i, p in enumerate((pitch, *more))]
    return write_midi(Score.build(notes, 480, parts=(Part("Melody"),)), metadata)


def write_folder(folder: Path, n: int = 5, start: int = 40) -> Path:
    """n different MIDI files ``tune00.mid`` ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        (folder / f"tune{i:02}.mid").write_bytes(midi(start + i, 60, title=f"Tune {i}", composer="Anon"))
    return folder


def hashes(library: Path) -> dict[str, str]:
    """Digests of the current generation's files."""
    import json

    name = (library / "CURRENT").read_text().strip()
    manifest = json.loads((library / "generations" / name / "MANIFEST.json").read_bytes())
    return {k: v["sha256"] for k, v in manifest["files"].items()}


def odd_name(raw: bytes) -> str:
    """A file name of any bytes, as Python writes it."""
    return os.fsdecode(raw)
