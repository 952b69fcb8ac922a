"""The product's own search over the candidates: a library as anyone would have it, asked as anyone would ask it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.console import progress
from mmbert.embed import Embedder
from mmbert.errors import ItemError, LibraryError
from mmbert.items import write_midi
from mmbert.prepare import Prepared
from mmbert.retrieval.names import names_of
from mmbert.retrieval.search import answers_of, search
from mmbert.retrieval.shortlist import by_conditions
from mmbert.retrieval.understand import understand
from mmbert.store import Generation
from mmbert.types import Embedded

ASKED = 100  # hits a question; pieces behind them count as tied


class _AsEmbedded:
    """An embedder for the build: vectors and facets that were computed already; files are named by their number."""

    phrases = None  # nobody asks for any

    def __init__(self, embedder: Embedder, embedded: Sequence[Embedded]) -> None:
        self.fingerprint, self.dim, self.kinds = embedder.fingerprint, embedder.dim, embedder.kinds
        self._embedded = embedded

    def embed_prepared(self, ready: Sequence[Prepared]) -> list[Embedded | ItemError]:
        return [replace(self._embedded[int(p.item.source.path.stem)], item=p.item) for p in ready]

    def hear(self, mel: np.ndarray) -> np.ndarray:
        raise AssertionError("no recording is among scores")


class _AsRead:
    """An embedder for the questions: what was read already is not read again."""

    def __init__(self, embedder: Embedder, vectors: Mapping[str, np.ndarray]) -> None:
        self.fingerprint, self.calibration, self._embedder = embedder.fingerprint, embedder.calibration, embedder
        self.language = embedder.language
        self._vectors = vectors

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        if all(t in self._vectors for t in texts):
            return np.stack([self._vectors[t] for t in texts])
        return self._embedder.embed_texts(texts)


def search_scores(
    embedder: Embedder, embedded: Sequence[Embedded], questions: Sequence[str], vectors: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores [questions, candidates] of the search of :class:`mmbert.api.Library`, and of its rules alone.

    ``fused`` is minus the rank. The library holds titles, composers and forms of the candidates, under file names that
    say nothing. A candidate that is folded into a hit as another version of it has that hit's rank; those behind the
    first :data:`ASKED` hits are tied. ``rules`` is the share of the understood conditions that fit, unknown counting
    half, where the names of the library are not known.

    Args:
        embedder: What the candidates were embedded with.
        embedded: The candidates.
        questions: As typed.
        vectors: Of the questions, float32 [questions, dim].
    """
    read = dict(zip(questions, vectors, strict=True))
    with library_of(embedder, embedded) as opened:
        column = np.array([int(Path(str(path)).stem) for path in opened.generation.pieces.path])
        fitting = _fitting(opened.generation, questions)
        rules = np.empty_like(fitting)
        rules[:, column] = fitting
        return {"rules": rules, "fused": _ask(opened, _AsRead(embedder, read), questions)}


@contextmanager
def library_of(embedder: Embedder, embedded: Sequence[Embedded]) -> Iterator[Library]:
    """An open library of pieces that are embedded already, under their numbers as file names.

    Raises:
        LibraryError: where it does not hold each of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        music, library = Path(folder, "music"), Path(folder, "library")
        music.mkdir()
        for i, one in enumerate(embedded):
            if one.item.score is not None:
                (music / f"{i:04d}.mid").write_bytes(write_midi(one.item.score, one.item.metadata))
        build_library(library, [music], _AsEmbedded(embedder, embedded))
        with Library.open(library) as opened:
            if len(opened) != len(embedded):
                fault = f"holds {len(opened)} of {len(embedded)} candidates"
                raise LibraryError(
                    "the library of the candidates", fault, "Two candidates are the same file, or unreadable"
                )
            yield opened


def _fitting(generation: Generation, questions: Sequence[str]) -> np.ndarray:
    """Share of the conditions that fit, float64 [questions, pieces of the generation]."""
    rows = []
    for question in questions:
        query = understand(question)
        nameless = tuple(c for c in query.conditions if c.facet not in ("title", "composer"))
        rows.append(by_conditions(answers_of(generation, replace(query, conditions=nameless))))
    return np.array(rows, dtype=np.float64)


def _ask(library: Library, read: _AsRead, questions: Sequence[str]) -> np.ndarray:
    generation: Generation = library.generation
    names = names_of(generation.pieces.composer, generation.pieces.title)
    column = {p.id: int(Path(p.path).stem) for p in library.pieces()}
    scores = np.full((len(questions), len(column)), -float(len(column)))
    with progress("asking the library", len(questions)) as advance:
        for row, question in enumerate(questions):
            for hit in search(generation, lambda: read, understand(question, names), limit=ASKED).hits:
                scores[row, [column[uid] for uid in (hit.id, *hit.versions)]] = -hit.rank
            advance()
    return scores
