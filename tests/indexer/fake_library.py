"""A model that costs nothing and files of a few notes, so that builds can be tested by the dozen."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from mmbert.errors import ItemError
from mmbert.items import write_midi
from mmbert.prepare import STATE, Prepared
from mmbert.symbolic.octuple import FIELDS
from mmbert.symbolic.phrases import PhraseTable, Task
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
        self.phrases = FakePhrases()

    def hear(self, mel: np.ndarray) -> np.ndarray:
        return np.zeros((max(1, len(mel) // 100), STATE), np.float16)

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


class FakePhrases:
    """Unit vectors drawn from the notes of each phrase; counts the phrases it was asked for."""

    dims: ClassVar = {"completion": 8, "accompaniment": 12}

    def __init__(self, fingerprint: str = "cafe" * 16) -> None:
        self.fingerprint = fingerprint
        self.asked = 0

    def document_vectors(self, table: PhraseTable, task: Task) -> np.ndarray:
        self.asked += len(table)
        rows = []
        for i in range(len(table)):
            one = table.rows(np.array([i]))
            seed = hashlib.sha256(one.melody.tobytes() + one.accompaniment.tobytes() + self.fingerprint.encode())
            drawn = np.random.default_rng(int.from_bytes(seed.digest()[:8], "big"))
            rows.append(unit(drawn.standard_normal(self.dims[task])))
        return np.array(rows, np.float32).reshape(-1, self.dims[task])


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


def song(seed: int, bars: int = 8, accompanied: bool = True, metre: tuple[int, int] = (4, 4)) -> bytes:
    """A MIDI file of a melody of random steps, with chords beneath it."""
    drawn = np.random.default_rng(seed)
    beat, beats = 1920 // metre[1], metre[0]
    steps = 60 + np.array([0, 2, 4, 5, 7, 9, 11, 12])[drawn.integers(0, 8, bars * beats)]
    notes = [(i * beat, beat, int(p), 80, 0, False, 0) for i, p in enumerate(steps)]
    if accompanied:
        roots = 48 + drawn.integers(0, 8, bars)
        chord = ((b * beats * beat, beats * beat, int(roots[b]) + n) for b in range(bars) for n in (0, 4, 7))
        notes += [(*some, 80, 0, False, 1) for some in chord]
    parts = (Part("Voice"), Part("Piano"))[: 1 + accompanied]
    score = Score.build(notes, 480, tempo_map=[(0, 96)], metre_map=[(0, *metre)], parts=parts)
    return write_midi(score, {"title": f"Song {seed}"})


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
