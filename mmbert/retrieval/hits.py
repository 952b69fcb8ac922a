"""A row of the library as a hit: what every kind of question tells of a piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmbert.types import Facets, Hit, Place

if TYPE_CHECKING:
    from mmbert.store import Generation


def hit_of(
    generation: Generation, row: int, *, rank: int, similarity: float | None, score: float, place: Place,
    facets: Facets, why: str, versions: Sequence[int],
) -> Hit:  # fmt: skip
    """One piece as a hit. A hit that says more is made of it: ``TuneHit(**vars(hit), ...)``.

    Args:
        generation: The open library.
        row: Of the piece.
        rank: From 1.
        similarity: As of :class:`~mmbert.types.Hit`, and so are the other arguments.
        score: Share of random pieces that it beats.
        place: The bars and seconds that are meant.
        facets: Of the piece.
        why: The reason.
        versions: Rows of other settings of the piece.
    """
    pieces = generation.pieces
    return Hit(
        id=str(pieces.uid[row]),
        rank=rank,
        similarity=similarity,
        score=score,
        path=str(pieces.path[row]),
        number=int(pieces.number[row]),
        title=str(pieces.title[row]),
        modality=pieces.kind[row],
        place=place,
        facets=facets,
        why=why,
        versions=tuple(str(pieces.uid[r]) for r in versions),
    )
