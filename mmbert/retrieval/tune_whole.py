"""A long tune laid as a whole against the pieces that have its stretches, so that each of its notes counts once.

The same costs as of a stretch (:mod:`mmbert.retrieval.tune_align`), without a band: any number of the melody's notes
may be passed over, and the tune may go on anywhere else at the price of four notes, since people leave out repeats and
sing as often as they like what a book writes once.
"""

from __future__ import annotations

import numpy as np

from mmbert.retrieval.tune_align import EXTRA, MEETS_NONE, NO_NOTE, NOTE, PASSED, Alignment, meeting_cost
from mmbert.retrieval.tune_index import MARGIN, TuneIndex
from mmbert.retrieval.tune_scan import Places

MOST = 500  # notes of a tune: costs, and columns three times as many, fit in two bytes
_ELSEWHERE = 4 * NOTE  # what it costs to go on anywhere else
_CELLS = 1 << 24  # of one table: what is held at once, two bytes a cell


def align_whole(index: TuneIndex, pitch: np.ndarray, places: Places) -> Alignment:
    """The cheapest alignment of a whole tune in a stretch of each melody that is three times as long.

    Args:
        index: The melodies.
        pitch: The tune's, int [m], at most ``MOST``.
        places: Where the stretches begin, K of them; they may lie beyond a piece's ends.

    Returns:
        Costs, and the notes that are met, counted from where the stretch begins; both int16.
    """
    cost, met = np.empty(len(places), np.int16), np.empty((len(pitch), len(places)), np.int16)
    at_once = max(1, _CELLS // (3 * len(pitch) ** 2))
    for low in range(0, len(places), at_once):
        chunk = slice(low, low + at_once)
        cost[chunk], met[:, chunk] = _aligned(index, pitch.astype(np.int64), places.kept(chunk))
    return Alignment(cost, met)


def _aligned(index: TuneIndex, pitch: np.ndarray, places: Places) -> tuple[np.ndarray, np.ndarray]:
    m, n = len(pitch), len(places)
    note = places.start[:, None] + np.arange(3 * m)
    outside = (note < index.start[places.piece][:, None]) | (note >= index.start[places.piece + 1][:, None])
    melody = index.pitch[np.where(outside, 0, note) + MARGIN] - places.shift.astype(np.int8)[:, None]
    melody[outside] = NO_NOTE
    column, every = np.arange(3 * m, dtype=np.int16), np.arange(n)
    came = np.empty((m, n, 3 * m), np.int16)  # from which column; from its own where the tune's note meets none
    before = np.zeros((n, 3 * m), np.int16)
    for k in range(m):
        here = meeting_cost(melody, outside.view(np.int8), int(pitch[k])).astype(np.int16)
        if k:
            here += _reached(before, column, came[k])
        else:
            came[k] = -1
        before += np.int16(EXTRA)
        np.copyto(came[k], column, where=before < here)
        np.minimum(before, here, out=before)
    last, met = before.argmin(axis=1), np.empty((m, n), np.int16)
    cost = before[every, last]
    for k in range(m - 1, -1, -1):
        previous = came[k, every, last]
        met[k] = np.where(previous == last, MEETS_NONE, last)
        last = previous.astype(np.int64)
    return cost, met


def _reached(before: np.ndarray, column: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Least cost of the tune so far if its next note falls on a column, int16 [n, 3m]; ``came`` is filled with the
    column of the note before it."""
    rising = np.int16(PASSED) * column
    level = before - rising
    least = np.minimum.accumulate(level, axis=1)
    nearest = np.maximum.accumulate(np.where(level == least, column, np.int16(0)), axis=1)
    best = before.argmin(axis=1)
    cost = np.empty_like(before)
    cost[:] = (before[np.arange(len(before)), best] + np.int16(_ELSEWHERE))[:, None]
    came[:] = best[:, None]
    least += rising
    near = least[:, :-1] <= cost[:, 1:]
    np.copyto(came[:, 1:], nearest[:, :-1], where=near)
    np.minimum(cost[:, 1:], least[:, :-1], out=cost[:, 1:])
    return cost
