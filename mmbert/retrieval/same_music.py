"""A recording to the scores of the same notes, a score to its recordings: in any key, slower or faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmbert.audio.chroma import FRAMES_A_SECOND, score_chroma
from mmbert.audio.listen import count
from mmbert.errors import UsageError
from mmbert.retrieval.calibrate import shares_beaten
from mmbert.retrieval.chroma_match import LEAST, PART, PARTS, ROTATIONS, ChromaIndex, ChromaMatches, askable
from mmbert.retrieval.conditions import allowed, checked_modality, lies_in
from mmbert.retrieval.example import Like, read_item
from mmbert.retrieval.hits import hit_of
from mmbert.retrieval.intervals import apart
from mmbert.retrieval.same_enough import ENOUGH, standing_out
from mmbert.retrieval.versions import fold_versions
from mmbert.symbolic.facets import score_facets
from mmbert.titles import title_of
from mmbert.types import Answer, Condition, Embedded, Facets, Kind, Place, Query, TuneHit

if TYPE_CHECKING:
    from mmbert.store import Generation

_SAME_SPEED = 0.04  # difference of speed that is not worth saying
_LOOKED_AT = 20  # of the best pieces, that are looked for in what was given where they are shorter
_SLOWER = 1.25  # how far a piece may be played slower than what was given and still be looked for
# What such a piece costs that is half as long as the two parts that count else, and again for each halving: by so much
# the best of wrong pieces is liker where less is compared.
_SHORT = 0.08


@dataclass(frozen=True)
class Sounding:
    """What is looked for.

    Attributes:
        name: As shown.
        uid: Of its content.
        frames: Its chroma sequence, uint8 [n, 12].
        timed: Whether its speed is known (:attr:`~mmbert.types.Facets.timed`).
    """

    name: str
    uid: str
    frames: np.ndarray
    timed: bool


def read_sounding(like: Like, generation: Generation, index: ChromaIndex) -> Sounding:
    """The chroma sequence of a file, an item, or a piece of the library.

    Raises:
        UsageError: there is no such file, or nothing in it has a pitch.
        ItemError: it cannot be read.
    """
    if isinstance(like, str) and (row := generation.row_of(like)) is not None:
        name, timed = str(generation.pieces.title[row]), generation.facets(row).timed
        return _checked(Sounding(name, like, index.frames_of(row), timed))
    item = read_item(like)
    name = title_of(item.metadata.get("title"), item.source.path)
    if isinstance(like, Embedded) and like.chroma is not None:
        return _checked(Sounding(name, item.uid, like.chroma, timed=True))
    if item.score is not None:
        return _checked(Sounding(name, item.uid, score_chroma(item.score), score_facets(item.score).timed))
    if item.recording is not None:
        return _checked(Sounding(name, item.uid, count(item.recording).chroma, timed=True))
    raise UsageError(
        str(item.source.path), f"is a {item.kind}", "Music is found by its sound: give a recording or a score"
    )


def _checked(sounding: Sounding) -> Sounding:
    seconds = LEAST / FRAMES_A_SECOND
    if len(sounding.frames) < LEAST:
        raise UsageError(sounding.name, f"is shorter than {seconds:.0f} seconds", "Give more of it")
    if not askable(sounding.frames):
        raise UsageError(sounding.name, "holds no sound with a pitch", "Drums alone tell no piece from another")
    return sounding


def search_same(
    generation: Generation,
    index: ChromaIndex,
    sounding: Sounding,
    conditions: Sequence[Condition] = (),
    *,
    limit: int = 10,
    modality: Kind | None = None,
    folder: str | None = None,
) -> Answer:
    """Find the pieces that sound like one, in any key.

    Args:
        generation: The open library.
        index: Its chroma sequences.
        sounding: What is looked for; it is not among its own hits.
        conditions: Exclude.
        limit: Hits wanted. Versions of one piece share a hit.
        modality: Only scores or recordings.
        folder: Only pieces whose file lies in this folder.

    Returns:
        Hits best first. A hit's ``similarity`` is the cosine of both sequences where they fit best, less what an
        unlikely speed costs; of more than half a minute the mean over its two best parts
        (:class:`~mmbert.retrieval.chroma_match.ChromaMatches`), or that of a shorter piece within it, less what its
        shortness costs. ``score`` is the share of random pieces that are less like it. ``nothing_fits`` where the best
        is not likely to be the same music (:mod:`~mmbert.retrieval.same_enough`).
    """
    checked_modality(modality)
    query = Query(conditions=tuple(conditions), like=sounding.name, mode="same")
    others = index.lengths > 0
    if (own := generation.row_of(sounding.uid)) is not None:
        others[own] = False
    keep = allowed(generation, query.conditions) & others
    if modality is not None:
        keep &= generation.pieces.kind == modality
    if folder is not None:
        keep &= lies_in(generation.pieces.path, folder)
    found = index.find(sounding.frames, rotations=ROTATIONS, wanted=2 * limit, among=keep)
    rows = np.flatnonzero(keep)
    _look_for(index, rows[np.argsort(-found.score[rows], kind="stable")[: max(limit, _LOOKED_AT)]], sounding, found)
    shares = shares_beaten(np.where(index.lengths > 0, found.score, -np.inf))
    same = np.zeros(len(index), bool)
    same[others] = standing_out(found.score[others], len(sounding.frames) / FRAMES_A_SECOND) >= ENOUGH
    rows = rows[found.score[rows] > -1]  # what a coarse pass left out is no hit, though versions share one
    rows = rows[np.lexsort((rows, -found.score[rows]))]
    groups = fold_versions(generation, rows, limit)
    facets = generation.facets_of([row for row, _ in groups])
    hits = tuple(
        _hit(generation, found, row, rank, float(shares[row]), bool(same[row]), facets[row], versions, sounding)
        for rank, (row, versions) in enumerate(groups, 1)
    )
    return Answer(query, hits, not (groups and same[groups[0][0]]), int(keep.sum()))


def _look_for(index: ChromaIndex, rows: np.ndarray, sounding: Sounding, found: ChromaMatches) -> None:
    """Look for shorter pieces in what was given, and note what fits better so.

    A recording of half a minute of a long score lies across two of its parts, and is like neither. A longer one holds
    a whole part, and need not be looked for.
    """
    whole = ChromaIndex.of([sounding.frames])
    step = max(PART, (len(sounding.frames) - PART) / (PARTS - 1))  # frames from one part to the next
    longest = min(len(sounding.frames), _SLOWER * (PART + step))
    for row in rows.tolist():
        frames = index.frames_of(row)
        if len(frames) >= longest or not askable(frames):
            continue
        least = found.score[row] + _SHORT * max(0.0, np.log2(2 * PART / len(frames)))
        if whole.roughly(frames, rotations=ROTATIONS).score[0] <= least:  # lies above the exact likeness as a rule
            continue
        there = whole.find(frames, rotations=ROTATIONS)
        if there.score[0] > least:
            found.score[row] += there.score[0] - least
            found.speed[row] = 1 / there.speed[0]
            found.start_s[row], found.part_s[row] = there.part_s[0], there.start_s[0]  # a part of the piece fits there
            found.rotation[row] = ROTATIONS[(-int(there.rotation[0]) - ROTATIONS[0]) % len(ROTATIONS)]


def _hit(
    generation: Generation,
    found: ChromaMatches,
    row: int,
    rank: int,
    share: float,
    same: bool,
    facets: Facets,
    versions: Sequence[int],
    sounding: Sounding,
) -> TuneHit:
    speed, up = float(found.speed[row]), int(found.rotation[row])
    start = float(found.start_s[row] - found.part_s[row] * speed)
    place = _place(generation, row, facets, start, start + len(sounding.frames) / FRAMES_A_SECOND * speed)
    stretched = 1 / speed if sounding.timed and facets.timed else None
    hit = hit_of(
        generation, row, rank=rank, similarity=float(found.score[row]), score=share, place=place, facets=facets,
        why=_why(place, up, stretched, same), versions=versions,
    )  # fmt: skip
    return TuneHit(**vars(hit), transposed_by=-up, stretched_by=stretched)


def _place(generation: Generation, row: int, facets: Facets, start: float, end: float) -> Place:
    """Where a piece sounds like what was asked for; its bars where it has any, read off its windows.

    What was asked for may begin before the piece and end after it; the place does not.
    """
    start, end = max(start, 0.0), min(end, facets.duration_s or np.inf)
    windows = generation.places_of(generation.windows.of_piece(row))
    known = [p for p in windows.values() if p.start_bar is not None and p.end_bar is not None]
    if facets.bars is None or not known:
        return Place(start, end)
    at = [known[0].start_s, *(p.end_s for p in known)]
    bars = [known[0].start_bar or 0, *(p.end_bar or 0 for p in known)]
    first, last = np.interp([start, end], at, bars)
    return Place(start, end, int(first), max(int(first) + 1, int(np.ceil(last - 1e-6))))


def _why(place: Place, up: int, stretched: float | None, same: bool) -> str:
    """One true sentence; ``same`` where it is likely to be the same music, ``stretched`` None where no one knows."""
    begin = f"{int(place.start_s) // 60}:{int(place.start_s) % 60:02d}"
    where = f"bar {place.start_bar + 1}" if place.start_bar is not None else begin
    said = f"{'the same' if same else 'like'} harmony from {where} on, {apart(up)}"
    if stretched is not None and abs(1 / stretched - 1) >= _SAME_SPEED:
        said += f", at {stretched:.2f} times the speed of yours"
    return f"{said[0].upper()}{said[1:]}."
