"""The product's own search over the candidates: a library as anyone would have it, asked as anyone would ask it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.console import progress
from mmbert.embed import Embedder
from mmbert.errors import ItemError
from mmbert.items import write_midi
from mmbert.prepare import Prepared
from mmbert.retrieval.names import names_of
from mmbert.retrieval.search import search
from mmbert.retrieval.understand import understand
from mmbert.store import Generation
from mmbert.types import Embedded, Query

ASKED = 100  # hits a question; pieces behind them count as tied
_AT_ONCE = 256


class _AsEmbedded:
    """An embedder for the build: vectors and facets that were computed already; files are named by their number."""

    def __init__(self, embedder: Embedder, embedded: Sequence[Embedded]) -> None:
        self.fingerprint, self.dim, self.kinds = embedder.fingerprint, embedder.dim, embedder.kinds
        self._embedded = embedded

    def embed_prepared(self, ready: Sequence[Prepared]) -> list[Embedded | ItemError]:
        return [replace(self._embedded[int(p.item.source.path.stem)], item=p.item) for p in ready]


class _AsRead:
    """An embedder for the questions: all of them were embedded at once."""

    def __init__(self, embedder: Embedder, queries: Sequence[Query]) -> None:
        self.fingerprint, self.calibration, self._embedder = embedder.fingerprint, embedder.calibration, embedder
        texts = sorted({q.meaning for q in queries})
        self._vectors: dict[str, np.ndarray] = {}
        for start in range(0, len(texts), _AT_ONCE):
            some = texts[start : start + _AT_ONCE]
            self._vectors |= dict(zip(some, embedder.embed_texts(some), strict=True))

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        if all(t in self._vectors for t in texts):
            return np.stack([self._vectors[t] for t in texts])
        return self._embedder.embed_texts(texts)

    def language(self, texts: list[str]) -> np.ndarray:
        return self._embedder.language(texts)


def search_scores(embedder: Embedder, embedded: Sequence[Embedded], questions: Sequence[str]) -> np.ndarray:
    """Scores [questions, candidates] of the search of :class:`mmbert.api.Library`: minus the rank.

    The library holds titles, composers and forms of the candidates, under file names that say nothing. A
    candidate that is folded into a hit as another version of it has that hit's rank; those behind the first
    :data:`ASKED` hits are tied.
    """
    with library_of(embedder, embedded) as opened:
        return _ask(opened, embedder, questions)


@contextmanager
def library_of(embedder: Embedder, embedded: Sequence[Embedded]) -> Iterator[Library]:
    """An open library of pieces that are embedded already, under their numbers as file names."""
    with tempfile.TemporaryDirectory() as folder:
        music, library = Path(folder, "music"), Path(folder, "library")
        music.mkdir()
        for i, one in enumerate(embedded):
            if one.item.score is not None:
                (music / f"{i:04d}.mid").write_bytes(write_midi(one.item.score, one.item.metadata))
        build_library(library, [music], _AsEmbedded(embedder, embedded))
        with Library.open(library) as opened:
            yield opened


def _ask(library: Library, embedder: Embedder, questions: Sequence[str]) -> np.ndarray:
    generation: Generation = library.generation
    names = names_of(generation.pieces.composer, generation.pieces.title)
    queries = [understand(q, names) for q in questions]
    read = _AsRead(embedder, queries)
    column = {p.id: int(Path(p.path).stem) for p in library.pieces()}
    scores = np.full((len(questions), len(column)), -float(len(column)))
    with progress("asking the library", len(queries)) as advance:
        for row, query in enumerate(queries):
            for hit in search(generation, lambda: read, query, limit=ASKED).hits:
                scores[row, [column[uid] for uid in (hit.id, *hit.versions)]] = -hit.rank
            advance()
    return scores
