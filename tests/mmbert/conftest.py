"""A small real library, built once: eight tunes and an embedder whose vectors follow the facets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from mmbert.errors import ItemError
from mmbert.facets import TOKENS, tokens_of
from mmbert.items import write_midi
from mmbert.prepare import Prepared, prepare
from mmbert.retrieval.describe import Vocabulary
from mmbert.symbolic.octuple import FIELDS
from mmbert.symbolic.score import Part, Score
from mmbert.types import Embedded, Item

DIM = 64
_SYNONYMS = {"lively": "fast", "quick": "fast", "calm": "slow"}


def _direction(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(DIM)


def _unit(v: np.ndarray) -> np.ndarray:
    return (v / max(float(np.linalg.norm(v)), 1e-9)).astype(np.float32)


class WordEmbedder:
    """Vectors without a model: a piece is the sum of its facet words, a text the sum of its words."""

    fingerprint = "f" * 64
    dim = DIM
    kinds = frozenset({"score", "text"})
    calibration = None
    phrases = None

    def __init__(self) -> None:
        self.texts_embedded = 0

    def embed(self, items: Sequence[Item]) -> list[Embedded | ItemError]:
        return self.embed_prepared([prepare(item, self.kinds) for item in items])

    def embed_prepared(self, ready: Sequence[Prepared]) -> list[Embedded | ItemError]:
        return [self._one(piece) for piece in ready]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.of(self)

    def embed_statements(self) -> np.ndarray:
        return np.array([_unit(_direction(t.partition("=")[2])) for t in TOKENS], np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.texts_embedded += len(texts)
        rows = []
        for text in texts:
            words = [_SYNONYMS.get(w, w) for w in re.findall(r"\w+", text.lower())]
            rows.append(_unit(sum((_direction(w) for w in words), np.zeros(DIM))))
        return np.array(rows, np.float32)

    def language(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 1), np.float32)

    def _one(self, ready: Prepared) -> Embedded:
        if ready.chunks:
            mean = _unit(self.embed_texts(ready.chunks).mean(axis=0))
            return Embedded(ready.item, ready.facets, mean, np.zeros((0, DIM), np.float32), ())
        words = [t.partition("=")[2] for t in tokens_of(ready.facets)]
        piece = _unit(sum((_direction(w) for w in words), np.zeros(DIM)))
        pitches = ready.tokens[:, FIELDS.index("pitch")]
        windows = []
        for _, low, high in ready.spans:  # a window's own notes move it a little
            here = pitches[(ready.segments >= low) & (ready.segments < high)]
            windows.append(_unit(piece + 0.2 * _unit(_direction(str(here.tolist())))))
        return Embedded(ready.item, ready.facets, piece, np.array(windows, np.float32), ready.places)


SCALES = {"major": (0, 2, 4, 5, 7, 9, 11, 12), "minor": (0, 2, 3, 5, 7, 8, 11, 12)}


def tune(
    tonic: int = 62,
    mode: str = "major",
    metre: tuple[int, int] = (4, 4),
    bars: int = 16,
    bpm: float | None = 120.0,
    a_bar: int = 4,
    program: int = 0,
    drums: bool = False,
) -> Score:
    """A tune that keeps to its tonic's chord and scale: ``a_bar`` equal notes a bar."""
    bar = 480 * 4 * metre[0] // metre[1]
    steps = (0, 4, 2, 7, 4, 2, 1, 0)
    notes = []
    for b in range(bars):
        for i in range(a_bar):
            step = 0 if b == bars - 1 else steps[(b + i * 2) % 8]
            pitch = tonic + SCALES[mode][step]
            notes.append((b * bar + i * bar // a_bar, bar // a_bar, pitch, 70, program, False, 0))
        chord = (0, 2, 4) if b % 2 == 0 or b == bars - 1 else (0, 4)
        notes += [(b * bar, bar, tonic - 12 + SCALES[mode][s], 60, program, False, 1) for s in chord]
        if drums:
            notes += [(b * bar + i * bar // a_bar, 60, 36, 90, 0, True, 2) for i in range(a_bar)]
    tempo = [] if bpm is None else [(0, bpm)]
    parts = (Part("tune", program), Part("chords", program), *([Part("kit", 0, True)] if drums else []))
    return Score.build(notes, 480, tempo_map=tempo, metre_map=[(0, *metre)], parts=parts)


TUNES: dict[str, tuple[Score, dict[str, str]]] = {
    "jig-d": (tune(62, metre=(6, 8), bpm=None, a_bar=8), {"title": "The Lilting Banshee", "form": "jig"}),
    "jig-g": (tune(67, metre=(6, 8), bpm=180, a_bar=6), {"title": "Kesh", "form": "jig"}),
    "hymn": (
        tune(64, "minor", bpm=66, a_bar=2, program=19),
        {"title": "Amazing Grace", "form": "hymn", "composer": "Wesley, Charles (1707-1788)"},
    ),
    "hymn-in-g": (
        tune(67, "minor", bpm=70, a_bar=2, program=19, bars=20),
        {"title": "Amazing Grace (in G)", "form": "hymn", "composer": "Wesley, Charles (1707-1788)"},
    ),
    "waltz": (
        tune(57, "minor", (3, 4), bpm=100, a_bar=3, program=40),
        {"title": "Waltz in A minor", "form": "waltz", "composer": "Franz Schubert"},
    ),
    "lied": (tune(60, bpm=84, a_bar=4), {"title": "An die Musik", "form": "lied", "composer": "Franz Schubert"}),
    "march": (tune(65, bpm=112, a_bar=4, drums=True, program=56), {"title": "Regiment on Parade", "form": "march"}),
    "rock": (tune(64, "minor", bpm=140, a_bar=8, drums=True, program=30), {"title": "Loud Engine"}),
}


@pytest.fixture(scope="session")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight MIDI files, a description beside one of them, and one file that is no music."""
    folder = tmp_path_factory.mktemp("tunes")
    for name, (score, metadata) in TUNES.items():
        (folder / f"{name}.mid").write_bytes(write_midi(score, metadata))
    (folder / "lied.txt").write_text("A prayer of thanks to the noble art", encoding="utf-8")
    (folder / "broken.mid").write_bytes(b"MThd\0\0")
    return folder


@pytest.fixture(scope="session")
def library_path(tunes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of :func:`tunes`."""
    from mmbert_indexer.build import build_library

    path = tmp_path_factory.mktemp("built") / "library"
    build_library(path, [tunes], WordEmbedder())
    return path


@pytest.fixture
def embedder() -> WordEmbedder:
    """The embedder that the library was built with."""
    return WordEmbedder()
