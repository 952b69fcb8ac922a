"""A tune laid note by note against the places at which it may begin, all places at once.

Edit distance with a band: the tune's note k meets the melody's note k + d of the place, d from -2 to 2. A wrong note
costs less where it is near the right one, as people's are. A note of the melody that the tune lacks costs least, since
every note that was asked for is still right; a note that the tune has too many agrees with nothing. Lengths are a
second opinion: the ratios of the time from one met note to the next, in the melody and in the tune, are all the same
where the tune is only faster or slower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmbert.retrieval.tune_index import MARGIN, Tune, TuneIndex
from mmbert.retrieval.tune_scan import Places

NOTE = 5  # what a whole note costs; all costs are in fifths of it, in signed bytes
_NEAR, _FAR, _NOTHING = 4, 5, 6  # a wrong note up to three semitones away; farther; where the melody has no note
EXTRA, PASSED = 5, 3  # a note of the tune that meets none; a note of the melody that is passed over
_NEARBY = 3  # semitones
NO_NOTE = -64  # far from every pitch, 0 to 127, in bytes that wrap round
_BAND = 2
_WIDTH = 2 * _BAND + 1
_CHUNK = 1 << 14  # places; a chunk's columns stay in the processor's cache
MEETS_NONE = -99
_TOLERANCE = 0.25  # octaves of tempo: how far a ratio of lengths may lie from the others to count .37


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a tune lies at some places.

    Attributes:
        cost: Of pitches, in fifths of a note, int8 [K].
        met: Which note of the melody each of the tune's notes meets, counted from the place, int8 [m, K];
            :data:`MEETS_NONE` where none.
    """

    cost: np.ndarray
    met: np.ndarray


def costs(index: TuneIndex, pitch: np.ndarray, places: Places) -> np.ndarray:
    """Least cost of the pitches (int [m]) at each place, in fifths of a note, int8 [K]."""
    out = np.empty(len(places), np.int8)
    for low in range(0, len(places), _CHUNK):
        chunk = places.kept(slice(low, low + _CHUNK))
        out[low : low + _CHUNK] = _last_row(*_rows(index, chunk, len(pitch)), pitch)[0].min(axis=0)
    return out


def align(index: TuneIndex, pitch: np.ndarray, places: Places) -> Alignment:
    """The cheapest alignment at each place."""
    cost, met = np.empty(len(places), np.int8), np.empty((len(pitch), len(places)), np.int8)
    for low in range(0, len(places), _CHUNK):
        chunk = places.kept(slice(low, low + _CHUNK))
        last, moves = _last_row(*_rows(index, chunk, len(pitch)), pitch, keep=True)
        cost[low : low + _CHUNK] = last.min(axis=0)
        met[:, low : low + _CHUNK] = _traced(last.argmin(axis=0), moves)
    return Alignment(cost, met)


def _rows(index: TuneIndex, places: Places, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Pitches of the melodies around the places, in the tune's key, int8 [m + 4, K]; and where there is none, int8."""
    steps = np.arange(-_BAND, m + _BAND, dtype=np.int8)[:, None]
    rows = index.pitch[places.start + MARGIN + steps] - places.shift.astype(np.int8)
    begin, end = (  # of the piece, counted from the place
        np.clip(index.start[places.piece + i] - places.start, -_BAND - 1, m + _BAND).astype(np.int8) for i in (0, 1)
    )
    outside = (steps < begin) | (steps >= end)
    rows[outside] = NO_NOTE
    return rows, outside.view(np.int8)


def _last_row(
    rows: np.ndarray, outside: np.ndarray, pitch: np.ndarray, keep: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Costs of the whole tune by where its last note falls, int8 [5, K]; and by which step each cell was reached.

    Steps, int8 [m, 5, K], with ``keep`` alone: 0 from the note before to the note before; 1 the tune's note meets none;
    2 a note of the melody is passed over.
    """
    m, n = len(pitch), rows.shape[1]
    steps = np.zeros((m, _WIDTH, n) if keep else (0, 0, 0), np.int8)
    before = here = np.empty((_WIDTH, n), np.int8)
    for k in range(m):
        here = np.empty((_WIDTH, n), np.int8)
        for d in range(_WIDTH):
            meeting = meeting_cost(rows[k + d], outside[k + d], int(pitch[k]))
            if k == 0:
                here[d] = meeting
                continue
            cell = before[d] + meeting
            if d > 0:
                passing = before[d - 1] + meeting
                passing += np.int8(PASSED)
                if keep:
                    steps[k, d][passing < cell] = 2
                np.minimum(cell, passing, out=cell)
            if d + 1 < _WIDTH:
                missing = before[d + 1] + np.int8(EXTRA)
                if keep:
                    steps[k, d][missing < cell] = 1
                np.minimum(cell, missing, out=cell)
            here[d] = cell
        before = here
    return here, steps


def meeting_cost(row: np.ndarray, outside: np.ndarray, pitch: int) -> np.ndarray:
    """What it costs that a note of this pitch meets these, int8 [K]. In bytes, which wrap round, far stays far."""
    away = row - np.int8(pitch)
    cost = (away != 0).view(np.int8) * np.int8(_NEAR)
    away += np.int8(_NEARBY)
    cost += (away.view(np.uint8) > 2 * _NEARBY).view(np.int8) * np.int8(_FAR - _NEAR)
    cost += outside * np.int8(_NOTHING - _FAR)
    return cost


def _traced(column: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The notes that are met, from the cell of the last note back to the first."""
    m, n = steps.shape[0], steps.shape[2]
    met, every = np.empty((m, n), np.int8), np.arange(n)
    for k in range(m - 1, -1, -1):
        step = steps[k, column, every]
        met[k] = np.where(step == 1, MEETS_NONE, k + column - _BAND)
        column = column + (step == 1) - (step == 2)
    return met


def lengths_agree(index: TuneIndex, tune: Tune, places: Places, alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """How well the times between notes agree, and how much slower the melodies are.

    Args:
        index: The melodies.
        tune: With onsets.
        places: The K places.
        alignment: At these places.

    Returns:
        Agreement float32 [K] from 0 to 1: the sum of ``exp(-|r - median| / .25)`` over the ratios r of the times from
        one met note to the next (octaves), divided by their greatest number; and the median, octaves, float32 [K], NaN
        where fewer than two notes are met.
    """
    assert tune.onset is not None
    m, n = alignment.met.shape
    if m < 2:
        return np.zeros(n, np.float32), np.full(n, np.nan, np.float32)
    ratio = np.full((m - 1, n), np.nan, np.float32)
    last_met = np.full(n, np.nan, np.float32)
    last_note = np.full(n, np.nan, np.float32)
    for k in range(m):
        meets = alignment.met[k] != MEETS_NONE
        note = np.clip(places.start + alignment.met[k], 0, index.n_notes - 1)
        onset, own = index.onset[note], np.float32(tune.onset[k])
        if k:
            with np.errstate(divide="ignore", invalid="ignore"):
                since = np.log2((onset - last_met) / (own - last_note))
            ratio[k - 1] = np.where(meets & np.isfinite(since), since, np.nan)
        np.copyto(last_met, onset, where=meets)
        np.copyto(last_note, own, where=meets)
    median = _median(ratio)
    agreeing = np.exp(-np.abs(ratio - median) / np.float32(_TOLERANCE))
    return np.nansum(agreeing, axis=0) / np.float32(m - 1), median


def _median(values: np.ndarray) -> np.ndarray:
    """Of each column, leaving out NaN; ``np.nanmedian`` takes columns one by one."""
    known = (~np.isnan(values)).sum(axis=0)
    rising, every = np.sort(values, axis=0), np.arange(values.shape[1])
    below, above = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, len(values) - 1)
    return (rising[below, every] + rising[above, every]) / 2
