"""A library of any size around a real one, opened by the ordinary code: for benchmarks, meaningless as music.

Every synthetic piece is a real one moved a little: each of its rows turned on the sphere by noise of a stated size, its
tempo, length and density varied by up to a quarter, its title with words of other titles in it; 10 to 40 windows each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from mmbert_indexer.ledger import VectorRow
from mmbert_indexer.live import LivePiece
from mmbert_indexer.records import RecordsWriter

from mmbert.store import Generation, files
from mmbert.store.manifest import FORMAT, NAME, describe, with_checksum
from mmbert.store.schema import PLACE
from mmbert.store.vectors import file_name
from mmbert.types import Facets

NOISE = 0.5  # length of the noise beside a row of length one: cosine 0.89 with the real row
VARIED = ("tempo_bpm", "duration_s", "notes_per_bar", "pace", "polyphony", "velocity_mean", "bars")
WINDOWS = (10, 40)  # of a piece
SOURCE = "/music"


def write_library(folder: Path, real: Generation, windows: int, seed: int = 0) -> None:
    """Write a library of exactly ``windows`` windows; ``folder`` must not exist."""
    rng = np.random.default_rng(seed)
    generation = folder / "generations" / "gen-000001"
    generation.mkdir(parents=True)
    counts = _counts(windows, rng)
    writer = RecordsWriter(generation / "records.sqlite", [SOURCE.encode()])
    with (
        open(generation / file_name("joint/pieces"), "wb") as pieces,
        open(generation / file_name("joint/windows"), "wb") as rows,
    ):
        for piece, vector, own in _pieces(real, counts, rng):
            writer.add(piece)
            pieces.write(vector.tobytes())
            rows.write(own.tobytes())
    writer.finish()
    (generation / "rejects.jsonl").touch()
    names = ["records.sqlite", "rejects.jsonl", file_name("joint/pieces"), file_name("joint/windows")]
    manifest = {
        "format": FORMAT,
        "fingerprint": real.fingerprint,
        "dim": real.vectors.dim,
        "counts": {"pieces": len(counts), "windows": windows, "files": len(counts), "rejected": 0},
        "sources": [SOURCE],
        "removed": [],
        "files": describe(generation, names),
    }
    (generation / NAME).write_bytes(files.json_bytes(with_checksum(manifest)))
    (folder / "LIBRARY.json").write_text(json.dumps({"format": FORMAT}))
    (folder / "CURRENT").write_text("gen-000001\n")


def _counts(windows: int, rng: np.random.Generator) -> list[int]:
    """Windows of each piece, adding up."""
    counts: list[int] = []
    while windows > 0:
        counts.append(min(windows, int(rng.integers(WINDOWS[0], WINDOWS[1] + 1))))
        windows -= counts[-1]
    return counts


def _pieces(
    real: Generation, counts: list[int], rng: np.random.Generator
) -> Iterator[tuple[LivePiece, np.ndarray, np.ndarray]]:
    """Pieces in order of uid with their rows, float16 [d] and [n, d]."""
    facets = real.facets_of(range(real.n_pieces))
    metadata = real.metadata_of(range(real.n_pieces))
    vectors = np.asarray(real.vectors.matrix("joint/pieces"), np.float32)
    rows = np.asarray(real.vectors.matrix("joint/windows"), np.float32)
    places = real.places_of(range(len(rows)))
    packed = np.array(
        [(p.start_s, p.end_s, *(-1 if b is None else b for b in (p.start_bar, p.end_bar))) for p in places.values()],
        PLACE,
    )
    words = sorted({w for title in real.pieces.title for w in title.split() if w.isalpha()})
    digests = sorted(hashlib.sha256(f"{i}".encode()).digest() for i in range(len(counts)))
    for i, (digest, n) in enumerate(zip(digests, counts, strict=True)):
        row = int(rng.integers(real.n_pieces))
        own = real.windows.of_piece(row)
        taken = own[(int(rng.integers(len(own))) + np.arange(n)) % len(own)]
        title = _title(str(real.pieces.title[row]), words, rng)
        said = metadata[row] | {"title": title}
        path = f"{SOURCE}/{i // 1000:03}/{title.replace('/', '-')} {i}.mid"
        known = json.dumps(_varied(facets[row], rng).known())
        where = VectorRow(digest, 0, 0, 0, n, 0, packed[taken].tobytes(), known, None)
        kind = str(real.pieces.kind[row])
        piece = LivePiece(f"{digest.hex()[:32]}-0", digest, 0, kind, said, ((path.encode(), 9000),), False, where)
        moved = _moved(np.vstack((vectors[row], rows[taken])), rng)
        yield piece, moved[0], moved[1:]


def _moved(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(rows.shape, dtype=np.float32) * np.float32(NOISE / np.sqrt(rows.shape[1]))
    moved = rows + noise
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype("<f2")


def _varied(facets: Facets, rng: np.random.Generator) -> Facets:
    changed = {}
    for name in VARIED:
        if (value := getattr(facets, name)) is not None:
            moved = value * float(rng.uniform(0.8, 1.25))
            changed[name] = max(1, round(moved)) if name == "bars" else round(moved, 3)
    return replace(facets, **changed)


def _title(title: str, words: list[str], rng: np.random.Generator) -> str:
    """A title with two words of other titles in place of its last one."""
    kept = title.split()[:4]
    drawn = [words[int(i)] for i in rng.integers(len(words), size=2)]
    return " ".join([*kept[: max(1, len(kept) - 1)], *drawn])
