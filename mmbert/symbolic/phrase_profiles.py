"""A phrase as counts of its notes, one row a phrase, so that pairs can be compared by matrix products.

Pitches are counted after the shift to no sharps or flats; time in sixteenth notes from the phrase's start, so that
two phrases of one metre lie on one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmbert.symbolic.phrases import DURATION, ONSET, PITCH, UNIT, PhraseTable
from mmbert.symbolic.windows import WINDOW_BARS

SLOTS = 96  # sixteenths that are looked at: four bars of six quarters
PLACES = 16  # of a bar
INTERVALS = 25  # an octave down to an octave up
DURATIONS = 13  # half powers of two, from a thirty-second to two whole notes
LOWEST, HIGHEST = 36, 96  # MIDI pitches of the piano roll, the upper one excluded
_SLOT = UNIT // 4
_BAR_STEPS = 48  # to a bar, for patterns that are compared as a whole


@dataclass(frozen=True, eq=False)
class Profile:
    """The notes of P phrases, counted. Float32 unless said otherwise.

    Attributes:
        metre: int64 [P], one number a metre.
        count: float64 [P], notes.
        mean_pitch: float64 [P].
        median_pitch: float64 [P].
        range: float64 [P], semitones from lowest to highest.
        first: float64 [P], pitch of the first note.
        last: float64 [P], of the last.
        pitch_classes: [P, 12], share of the summed durations.
        bar_pitch_classes: [P, 4 * 12], the same bar by bar.
        intervals: [P, 25], how often each interval follows (none for chords: read it of melodies only).
        durations: [P, 13], share of notes by duration.
        places: [P, 16], how many notes begin in each sixteenth part of the bar.
        onsets: [P, 96], 1 where a note begins.
        sounding: [P, 96, 12], 1 where a pitch class sounds.
        beginning: [P, 96, 12], how many notes of a pitch class begin.
        lowest: [P, 96, 12], 1 for the pitch class of the lowest sounding note.
        roll: [P, 96, 60], 1 where a pitch sounds.
        trigrams: int64 [t, 2], phrase and code of every three successive intervals in it, no row twice.
        rhythms: int64 [r, 2], phrase and code of the onsets of every bar, no row twice.
    """

    metre: np.ndarray
    count: np.ndarray
    mean_pitch: np.ndarray
    median_pitch: np.ndarray
    range: np.ndarray
    first: np.ndarray
    last: np.ndarray
    pitch_classes: np.ndarray
    bar_pitch_classes: np.ndarray
    intervals: np.ndarray
    durations: np.ndarray
    places: np.ndarray
    onsets: np.ndarray
    sounding: np.ndarray
    beginning: np.ndarray
    lowest: np.ndarray
    roll: np.ndarray
    trigrams: np.ndarray
    rhythms: np.ndarray

    def __len__(self) -> int:
        return len(self.metre)


def melodies(table: PhraseTable) -> Profile:
    """The melodies of some phrases, counted."""
    return _counted(table, table.melody, table.melody_start)


def accompaniments(table: PhraseTable) -> Profile:
    """The accompaniments of some phrases, counted."""
    return _counted(table, table.accompaniment, table.accompaniment_start)


def _counted(table: PhraseTable, notes: np.ndarray, start: np.ndarray) -> Profile:
    n, size = len(table), np.diff(start)
    phrase = np.repeat(np.arange(n), size)
    onset, duration = notes[:, ONSET].astype(np.int64), notes[:, DURATION].astype(np.int64)
    pitch = notes[:, PITCH].astype(np.int64) + table.shift[phrase]
    bar_length = (table.length // WINDOW_BARS)[phrase]
    bar = np.minimum(onset // np.maximum(bar_length, 1), WINDOW_BARS - 1)
    place = np.minimum((onset - bar * bar_length) * PLACES // np.maximum(bar_length, 1), PLACES - 1)
    by_bar = _histogram(phrase, bar * 12 + pitch % 12, n, WINDOW_BARS * 12, duration)
    has = size > 0
    ends = np.where(has, start[1:] - 1, 0), np.where(has, start[:-1], 0)
    last, first = (np.where(has, pitch[e] if len(pitch) else 0, 0).astype(np.float64) for e in ends)
    highest, lowest = _extremes(pitch, start)
    follows = np.flatnonzero(phrase[1:] == phrase[:-1])
    step = np.clip(pitch[follows + 1] - pitch[follows], -12, 12) + 12
    length = np.clip(np.rint(2 * np.log2(np.maximum(duration, 1) / UNIT)) + 6, 0, DURATIONS - 1).astype(np.int64)
    durations = _histogram(phrase, length, n, DURATIONS)
    slot = np.rint(onset / _SLOT).astype(np.int64)
    in_time = slot < SLOTS
    shown = [a[in_time] for a in (phrase, slot, pitch, duration)]
    onsets = np.zeros((n, SLOTS), np.float32)
    onsets[shown[0], shown[1]] = 1
    beginning = np.zeros((n, SLOTS, 12), np.float32)
    np.add.at(beginning, (shown[0], shown[1], shown[2] % 12), 1)
    sounding, bass, roll = _grids(n, *shown)
    return Profile(
        metre=table.metre[:, 0].astype(np.int64) * 1000 + table.metre[:, 1],
        count=size.astype(np.float64),
        mean_pitch=np.bincount(phrase, pitch, n) / np.maximum(size, 1),
        median_pitch=_medians(pitch, start),
        range=highest - lowest,
        first=first,
        last=last,
        pitch_classes=_shares(by_bar.reshape(n, WINDOW_BARS, 12).sum(axis=1)),
        bar_pitch_classes=by_bar,
        intervals=_histogram(phrase[follows], step, n, INTERVALS),
        durations=_shares(durations),
        places=_histogram(phrase, place, n, PLACES),
        onsets=onsets,
        sounding=sounding,
        beginning=beginning,
        lowest=bass,
        roll=roll,
        trigrams=_trigrams(phrase[follows], step),
        rhythms=_rhythms(phrase, bar, (onset - bar * bar_length) * _BAR_STEPS // np.maximum(bar_length, 1)),
    )


def _histogram(row: np.ndarray, column: np.ndarray, n: int, width: int, weight: np.ndarray | None = None) -> np.ndarray:
    return np.bincount(row * width + column, weight, n * width).reshape(n, width).astype(np.float32)


def _shares(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-9)


def _extremes(pitch: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    high, low = np.zeros(len(start) - 1), np.zeros(len(start) - 1)
    has = np.diff(start) > 0
    if has.any():
        high[has], low[has] = (f.reduceat(pitch, start[:-1][has]) for f in (np.maximum, np.minimum))
    return high, low


def _medians(pitch: np.ndarray, start: np.ndarray) -> np.ndarray:
    size = np.diff(start)
    phrase = np.repeat(np.arange(len(size)), size)
    ordered = np.append(pitch[np.lexsort((pitch, phrase))], 0)
    lower, upper = start[:-1] + (size - 1).clip(0) // 2, start[:-1] + size // 2
    upper = np.where(size > 0, np.minimum(upper, start[1:] - 1), len(pitch))
    return np.where(size > 0, (ordered[np.where(size > 0, lower, len(pitch))] + ordered[upper]) / 2, 0.0)


def _grids(
    n: int, phrase: np.ndarray, slot: np.ndarray, pitch: np.ndarray, duration: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sounding pitch classes, the lowest of them, and the piano roll."""
    length = np.clip(np.rint(duration / _SLOT).astype(np.int64), 1, SLOTS - slot)
    of = np.repeat(np.arange(len(phrase)), length)
    at = slot[of] + np.arange(len(of)) - np.repeat(np.cumsum(length) - length, length)
    row, height = phrase[of], pitch[of]
    sounding = np.zeros((n, SLOTS, 12), np.float32)
    sounding[row, at, height % 12] = 1
    depth = np.full((n, SLOTS), 999, np.int64)
    np.minimum.at(depth, (row, at), height)
    lowest = np.zeros((n, SLOTS, 12), np.float32)
    where = np.nonzero(depth < 999)
    lowest[*where, depth[where] % 12] = 1
    roll = np.zeros((n, SLOTS, HIGHEST - LOWEST), np.float32)
    roll[row, at, np.clip(height, LOWEST, HIGHEST - 1) - LOWEST] = 1
    return sounding, lowest, roll


def _trigrams(phrase: np.ndarray, step: np.ndarray) -> np.ndarray:
    third = np.flatnonzero(phrase[2:] == phrase[:-2]) if len(phrase) > 2 else np.empty(0, np.int64)
    code = (step[third] * INTERVALS + step[third + 1]) * INTERVALS + step[third + 2]
    return np.unique(np.stack([phrase[third], code], axis=1), axis=0)


def _rhythms(phrase: np.ndarray, bar: np.ndarray, step: np.ndarray) -> np.ndarray:
    """A bar's onsets as one number: the bits of the forty-eighths of the bar in which notes begin."""
    if not len(phrase):
        return np.zeros((0, 2), np.int64)
    bars, which = np.unique(phrase * WINDOW_BARS + bar, return_inverse=True)
    code = np.zeros(len(bars), np.int64)
    np.bitwise_or.at(code, which, np.int64(1) << np.clip(step, 0, _BAR_STEPS - 1))
    return np.unique(np.stack([bars // WINDOW_BARS, code], axis=1), axis=0)
