"""A tune to the pieces it comes from, as hits: which bars, how many notes agree, how far the key and the tempo are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmbert.audio.heard_tune import GOES_ON, SEVERAL_VOICES, heard_tune, several_voices
from mmbert.errors import UsageError
from mmbert.retrieval.calibrate import shares_beaten
from mmbert.retrieval.conditions import allowed, lies_in
from mmbert.retrieval.example import Like, read_item
from mmbert.retrieval.hits import hit_of
from mmbert.retrieval.intervals import apart
from mmbert.retrieval.tune_find import Found, as_a_whole, find
from mmbert.retrieval.tune_index import Tune, TuneIndex
from mmbert.retrieval.tune_whole import MOST
from mmbert.retrieval.versions import fold_versions
from mmbert.symbolic.tune_line import tune_line
from mmbert.types import Answer, Condition, Facets, Place, Query, TuneHit

if TYPE_CHECKING:
    from mmbert.store import Generation

LEAST = 3  # notes: two are one interval, which every piece has
ENOUGH = 0.7  # of the notes must agree, else nothing fits
_LENGTHS_AGREE = 0.8


def read_tune(like: Like) -> Tune:
    """The melody of a file (of its first piece) or an item; of a recording the one that is sung or played in it.

    Raises:
        UsageError: there is no such file, or nothing in it is a tune.
        ItemError: it cannot be read.
    """
    item = read_item(like)
    name = str(item.source.path)
    if item.score is None and item.recording is None:
        raise UsageError(name, f"is a {item.kind}", "A tune is found by its notes: give a score or a recording")
    score = heard_tune(item) if item.kind == "recording" else item.score
    assert score is not None
    line = tune_line(score)
    if not len(line):
        drums = len(score.notes) and score.notes["is_drum"].all()
        fault = "holds drums alone" if drums else "holds no melody"
        raise UsageError(name, fault, "A tune needs notes with a pitch")
    several = item.kind == "recording" and several_voices(score)
    said = [GOES_ON] * score.goes_on + [SEVERAL_VOICES] * several
    return checked_tune(Tune.of(line, " ".join(f"{sentence}." for sentence in said)), name)


def checked_tune(tune: Tune, name: str = "notes") -> Tune:
    """The tune, if it is long enough to be looked for; of a very long one the first five hundred notes.

    Raises:
        UsageError: naming ``name``.
    """
    if len(tune) < LEAST:
        count = "one note" if len(tune) == 1 else f"{len(tune)} notes"
        fault = f"{'are' if name == 'notes' else 'holds'} {count}"
        raise UsageError(name, fault, f"Give at least {LEAST}; from eight on a tune can be told from others")
    if len(tune) > MOST:
        cut = f"The first {MOST} of {len(tune):,} notes were looked for."
        return replace(tune.part(0, MOST), notice=f"{tune.notice} {cut}".strip())
    return tune


def search_tune(
    generation: Generation,
    index: TuneIndex,
    tune: Tune,
    query: Query,
    *,
    limit: int = 10,
    folder: str | None = None,
) -> Answer:
    """Find the pieces that a tune comes from.

    Args:
        generation: The open library.
        index: Its melodies.
        tune: What is looked for.
        query: As shown; its conditions exclude.
        limit: Hits wanted. Versions of one piece share a hit.
        folder: Only pieces whose file lies in this folder.

    Returns:
        Hits best first. A hit's ``score`` is the share of random pieces in which the tune is found less well.
        ``nothing_fits`` where in the best hit fewer than seven notes in ten agree.
    """
    keep = allowed(generation, query.conditions)
    if folder is not None:
        keep &= lies_in(generation.pieces.path, folder)
    found = find(index, tune)
    score = np.full(generation.n_pieces, -np.inf)
    score[found.piece] = found.score
    found = found.kept(keep[found.piece])
    shares = shares_beaten(score)[found.piece]  # of each rank: the best are ordered anew below
    found = as_a_whole(index, tune, found)
    place = {int(row): i for i, row in enumerate(found.piece)}
    groups = fold_versions(generation, found.piece.astype(np.int64), limit)
    facets = generation.facets_of([row for row, _ in groups])
    hits = tuple(
        _hit(generation, index, found, place[row], rank, float(shares[place[row]]), facets[row], versions)
        for rank, (row, versions) in enumerate(groups, 1)
    )
    nothing = not hits or found.right[place[groups[0][0]]] < ENOUGH * found.asked
    return Answer(query, hits, bool(nothing), int(keep.sum()), tune.notice)


def _hit(
    generation: Generation,
    index: TuneIndex,
    found: Found,
    i: int,
    rank: int,
    share: float,
    facets: Facets,
    versions: Sequence[int],
) -> TuneHit:
    row = int(found.piece[i])
    slower = float(found.slower[i])
    stretched = None if np.isnan(slower) else float(2.0**-slower)
    place = _place(index, int(found.first[i]), int(found.last[i]), facets)
    hit = hit_of(
        generation, row, rank=rank, similarity=None, score=share, place=place, facets=facets,
        why=_why(found, i, place, stretched), versions=versions,
    )  # fmt: skip
    return TuneHit(**vars(hit), transposed_by=-int(found.shift[i]), stretched_by=stretched)


def _place(index: TuneIndex, first: int, last: int, facets: Facets) -> Place:
    begin, end = index.notes[first], index.notes[last]
    quarters = float(end["onset"] - begin["onset"])
    seconds = float(end["second"] - begin["second"])
    end_s = float(end["second"]) + float(end["duration"]) * (seconds / quarters if quarters > 0 else 0.5)
    bars = (None, None) if facets.bars is None else (int(begin["bar"]), int(end["bar"]) + 1)
    return Place(float(begin["second"]), end_s, *bars)


def _why(found: Found, i: int, place: Place, stretched: float | None) -> str:
    """One true sentence.

    The piece is said to lie higher or lower than the tune as it was asked for.
    """
    begin = f"{int(place.start_s) // 60}:{int(place.start_s) % 60:02d}"
    where = f"bar {place.start_bar + 1}" if place.start_bar is not None else begin
    said = [f"{found.right[i]} of {found.asked} notes agree from {where} on, {apart(int(found.shift[i]))}"]
    if stretched is not None:
        close = found.agreement[i] >= _LENGTHS_AGREE
        said.append("the note lengths agree" if close else "the note lengths differ")
        if close and abs(stretched - 1) >= 0.05:
            said[-1] += f" at {1 / stretched:.2f} times yours"
    return "; ".join(said) + "."


def tune_query(conditions: Sequence[Condition], like: str | None, notes: str) -> Query:
    """The question as it is shown."""
    return Query(words=notes, conditions=tuple(conditions), like=like, mode="melody")
