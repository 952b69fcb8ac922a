"""The product's own search over the candidates: a library as anyone would have it, asked as anyone would ask it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.embed import Embedder
from mmbert.items import write_midi
from mmbert.types import Embedded, Item

ASKED = 100  # hits a question; pieces behind them count as tied


class _AsEmbedded:
    """An embedder that gives the vectors and facets that were computed already; files are named by their number."""

    def __init__(self, embedder: Embedder, embedded: Sequence[Embedded]) -> None:
        self.fingerprint, self.dim, self.kinds = embedder.fingerprint, embedder.dim, embedder.kinds
        self._embedded = embedded

    def embed(self, items: Sequence[Item]) -> list[Embedded]:
        return [replace(self._embedded[int(i.source.path.stem)], item=i) for i in items]


def search_scores(
    embedder: Embedder, embedded: Sequence[Embedded], queries: Sequence[str], weights: Path | None
) -> np.ndarray:
    """Scores [queries, candidates] of ``Library.search``: minus the rank, below all ranks where not found.

    The library holds titles, composers and forms of the candidates, under file names that say nothing. A
    candidate that is folded into a hit as another version of it has that hit's rank.
    """
    with tempfile.TemporaryDirectory() as folder:
        music, library = Path(folder, "music"), Path(folder, "library")
        music.mkdir()
        for i, one in enumerate(embedded):
            if one.item.score is not None:
                (music / f"{i:04d}.mid").write_bytes(write_midi(one.item.score, one.item.metadata))
        build_library(library, [music], _AsEmbedded(embedder, embedded))
        with Library.open(library, weights) as opened:
            column = {p.id: int(Path(p.path).stem) for p in opened.pieces()}
            scores = np.full((len(queries), len(embedded)), -float(len(embedded)))
            for row, query in enumerate(queries):
                for hit in opened.search(query, limit=ASKED).hits:
                    scores[row, [column[uid] for uid in (hit.id, *hit.versions)]] = -hit.rank
    return scores
