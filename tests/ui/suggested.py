"""Suggestions made by rule over any pieces: real in form, so that the page can be tested without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmbert.retrieval.melody_query import how_read, read_melody
from mmbert.retrieval.suggestions import Accompaniments, Arranged, Continuations, Suggestions
from mmbert.types import Answer, PhraseHit, Place, Query

QUARTER = 48


def suggested(pieces: Sequence[Any], task: str, melody: Any, limit: int = 10, **asked: Any) -> Suggestions:
    """Each piece in turn: a scale behind the melody, or chords of two parts beneath it."""
    how = (asked.get(name) for name in ("part", "bar", "metre"))
    read = read_melody(melody, "end" if task == "complete" else "start", *how)
    hits = tuple(_hit(rank, piece) for rank, piece in enumerate(pieces[:limit], 1))
    arranged = {hit.id: (_scale if task == "complete" else _chords)(hit.rank, read.metre) for hit in hits}
    kind = Continuations if task == "complete" else Accompaniments
    query = Query(mode="continue" if task == "complete" else "accompany")
    return kind(Answer(query, hits, total=len(pieces)), read, how_read(read), arranged)


def _hit(rank: int, piece: Any) -> PhraseHit:
    return PhraseHit(
        piece.id, rank, 0.9 - rank / 20, 1.0 - rank / 20, piece.path, piece.number, piece.title, "score",
        Place(4.0, 10.0, 2, 6), piece.facets, f"The motif of bar 1 comes back; bars 3-6 of {piece.facets.bars}.", (),
        transposed_by=rank - 2, stretched_by=0.92 if rank % 2 else None, played_by=("flute", "cello")[: 1 + rank % 2],
    )  # fmt: skip


def _scale(rank: int, metre: tuple[int, int]) -> Arranged:
    count = 4 * 4 * metre[0] // metre[1] * 2
    onset = np.arange(count) * QUARTER // 2
    pitch = 62 + rank + np.array([0, 2, 4, 5, 7, 5, 4, 2])[np.arange(count) % 8]
    notes = np.stack([onset, np.full(count, QUARTER // 2), pitch], axis=1).astype(np.int32)
    return Arranged(notes, np.zeros(count, np.int64), (("flute", 73),))


def _chords(rank: int, metre: tuple[int, int]) -> Arranged:
    bar = QUARTER * 4 * metre[0] // metre[1]
    rows = [(i * bar, bar, 48 + rank + (0, 5, 7, 0)[i] + step) for i in range(4) for step in (0, 4, 7)]
    part = [int(step > 0) for _ in range(4) for step in (0, 4, 7)]
    return Arranged(np.array(rows, np.int32), np.array(part, np.int64), (("left hand", 32), ("right hand", 0)))
