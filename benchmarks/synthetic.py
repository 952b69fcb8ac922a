"""A library of any size around a real one, opened by the ordinary code: for benchmarks, meaningless as music.

Every synthetic piece is a real one moved a little: each of its rows turned on the sphere by noise of a stated size, its
tempo, length and density varied by up to a quarter, its title with words of other titles in it; 10 to 40 windows each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mmbert_indexer.ledger import VectorRow
from mmbert_indexer.live import LivePiece
from mmbert_indexer.phrases import KeptPhrases
from mmbert_indexer.records import RecordsWriter

from mmbert.store import Generation, files
from mmbert.store.manifest import FORMAT, NAME, describe, with_checksum
from mmbert.store.schema import PLACE
from mmbert.store.vectors import PHRASE_SPACES, file_name
from mmbert.symbolic.phrase_lines import PhraseLines
from mmbert.types import Facets

NOISE = 0.5  # length of the noise beside a row of length one: cosine 0.89 with the real row
VARIED = ("tempo_bpm", "duration_s", "notes_per_bar", "pace", "polyphony", "velocity_mean", "bars")
WINDOWS = (10, 40)  # of a piece
SOURCE = "/music"


def write_library(folder: Path, real: Generation, windows: int, seed: int = 0) -> None:
    """Write a library of exactly ``windows`` windows; ``folder`` must not exist."""
    rng = np.random.default_rng(seed)
    counts = _counts(windows, rng)
    _write(folder, real, ((piece, joint) for piece, _, joint in _pieces(real, counts, rng)), None)


def write_phrase_library(folder: Path, real: Generation, pieces: int, seed: int = 0) -> None:
    """Write a library of so many pieces with the phrases of the real ones, transposed and at other tempos."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(*WINDOWS, pieces).tolist()
    phrases = _Phrases(real)
    made = real.manifest["phrases"]

    def drawn() -> Iterator[tuple[LivePiece, dict[str, np.ndarray]]]:
        for piece, row, joint in _pieces(real, counts, rng):
            kept, rows = phrases.of(row, rng)
            yield replace(piece, phrases=kept), joint | rows

    _write(folder, real, drawn(), {"fingerprint": made["fingerprint"], "dims": made["dims"]})


def _write(
    folder: Path,
    real: Generation,
    pieces: Iterator[tuple[LivePiece, dict[str, np.ndarray]]],
    phrases: dict[str, Any] | None,
) -> None:
    """Write pieces with their rows by space."""
    generation = folder / "generations" / "gen-000001"
    generation.mkdir(parents=True)
    writer = RecordsWriter(generation / "records.sqlite", [SOURCE.encode()])
    spaces = ["joint/pieces", "joint/windows", *(phrases["dims"] if phrases else ())]
    with ExitStack() as stack:
        out = {space: stack.enter_context(open(generation / file_name(space), "wb")) for space in spaces}
        for piece, rows in pieces:
            writer.add(piece)
            for space, block in rows.items():
                out[space].write(block.tobytes())
    writer.finish()
    (generation / "rejects.jsonl").touch()
    names = ["records.sqlite", "rejects.jsonl", *map(file_name, spaces)]
    manifest = {
        "format": FORMAT,
        "fingerprint": real.fingerprint,
        "dim": real.vectors.dim,
        "counts": {"pieces": writer.pieces, "windows": writer.windows, "files": writer.pieces, "rejected": 0},
        "sources": [SOURCE],
        "removed": [],
        "files": describe(generation, names),
    }
    if phrases:
        manifest["phrases"] = phrases | {"rows": writer.phrases}
    (generation / NAME).write_bytes(files.json_bytes(with_checksum(manifest)))
    (folder / "LIBRARY.json").write_text(json.dumps({"format": FORMAT}))
    (folder / "CURRENT").write_text("gen-000001\n")


class _Phrases:
    """The phrases of real pieces with their vectors, to be drawn from."""

    def __init__(self, real: Generation) -> None:
        counts, _ = real.phrase_heads()
        self._real = real
        self._kept = real.phrases_of(np.flatnonzero(counts))
        self._rows: dict[int, dict[str, slice]] = {}
        at = dict.fromkeys(PHRASE_SPACES.values(), 0)
        for row, lines in sorted(self._kept.items()):
            sizes = KeptPhrases.of(lines).rows
            self._rows[row] = {space: slice(at[space], at[space] + n) for space, n in sizes.items()}
            at = {space: at[space] + n for space, n in sizes.items()}

    def of(self, row: int, rng: np.random.Generator) -> tuple[KeptPhrases, dict[str, np.ndarray]]:
        """Those of a piece in another key and tempo, with rows that are moved a little."""
        if row not in self._kept:
            return KeptPhrases(), {}
        lines, by = self._kept[row], int(rng.integers(-5, 6))
        heads, notes = lines.heads.copy(), lines.notes.copy()
        heads["bpm"] *= rng.uniform(0.8, 1.25)
        heads["shift"] = (heads["shift"].astype(np.int64) - by + 6) % 12 - 6
        notes["pitch"] = np.clip(notes["pitch"].astype(np.int64) + by, 0, 127)
        rows = {}
        for space, place in self._rows[row].items():
            block = np.asarray(self._real.vectors.matrix(space)[place], np.float32)
            rows[space] = _moved(block, rng)
        return KeptPhrases.of(PhraseLines(heads, notes, lines.parts)), rows


def _counts(windows: int, rng: np.random.Generator) -> list[int]:
    """Windows of each piece, adding up."""
    counts: list[int] = []
    while windows > 0:
        counts.append(min(windows, int(rng.integers(WINDOWS[0], WINDOWS[1] + 1))))
        windows -= counts[-1]
    return counts


def _pieces(
    real: Generation, counts: list[int], rng: np.random.Generator
) -> Iterator[tuple[LivePiece, int, dict[str, np.ndarray]]]:
    """Pieces in order of uid, the row of the real one that each is like, and their rows, float16 [n, d] by space."""
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
    music = [row for row in range(real.n_pieces) if len(real.windows.of_piece(row))]  # a text has no windows
    digests = sorted(hashlib.sha256(f"{i}".encode()).digest() for i in range(len(counts)))
    for i, (digest, n) in enumerate(zip(digests, counts, strict=True)):
        row = music[int(rng.integers(len(music)))]
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
        yield piece, row, {"joint/pieces": moved[:1], "joint/windows": moved[1:]}


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
