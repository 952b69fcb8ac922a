"""A melody phrase as one row of traits, what the towers for completion read: what two phrases of a tune share are
onsets, pitches, steps, lengths and motifs, wherever in the phrase they stand."""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.phrases import DURATION, ONSET, PITCH, UNIT, PhraseTable
from mmbert.symbolic.windows import WINDOW_BARS

_PLACES = 16  # of a bar
_LOWEST, _PITCHES = 40, 60
_INTERVALS, _STEPS = 25, 15  # up to an octave up and down; up to a fifth where several follow one another
_LENGTHS = 13  # half powers of two
_MOTIFS, _RHYTHMS = 384, 192  # buckets that three intervals, and the onsets of a bar, are hashed into
_METRES = ((4, 4), (3, 4), (2, 4), (6, 8), (3, 2), (2, 2))
_WIDTHS = (
    WINDOW_BARS * _PLACES, _PLACES, WINDOW_BARS * 12, 12, _PITCHES, _INTERVALS, _LENGTHS, _STEPS**2, _MOTIFS, _RHYTHMS,
    12, 12, 10, len(_METRES),
)  # fmt: skip
TRAITS = sum(_WIDTHS)


def traits(table: PhraseTable) -> np.ndarray:
    """Traits of melodies after the shift to no sharps or flats, float32 [P, 1079].

    Each of these is of unit length: onsets in sixteenth parts of the four bars, and of a bar; summed durations of pitch
    classes by bar and in all, and of pitches; intervals; lengths; two intervals in a row; three, and the onsets of a
    bar, by hash. Then the pitch classes of the first and the last note; ten numbers of height, range, count, length and
    rests; the metre.

    Args:
        table: Phrases, each with at least one melody note.
    """
    n, start, notes = len(table), table.melody_start, table.melody
    size = np.diff(start)
    phrase = np.repeat(np.arange(n), size)
    onset, duration = notes[:, ONSET].astype(np.int64), notes[:, DURATION].astype(np.int64)
    pitch = notes[:, PITCH].astype(np.int64) + table.shift[phrase]
    length = table.length[phrase]
    slots = WINDOW_BARS * _PLACES
    slot = np.minimum((onset * slots + length // 2 // slots) // length, slots - 1)
    bar = np.minimum(onset // (length // WINDOW_BARS), WINDOW_BARS - 1)
    step = np.diff(pitch)
    follows = np.flatnonzero(phrase[1:] == phrase[:-1])
    second = np.flatnonzero(phrase[2:] == phrase[:-2]) if len(phrase) > 2 else follows[:0]
    third = np.flatnonzero(phrase[3:] == phrase[:-3]) if len(phrase) > 3 else follows[:0]
    few = np.clip(step, -7, 7) + 7
    power = np.clip(np.rint(2 * np.log2(np.maximum(duration, 1) / UNIT)) + 6, 0, _LENGTHS - 1).astype(np.int64)
    motif = (few[third] * _STEPS + few[third + 1]) * _STEPS + few[third + 2]
    bars, which = np.unique(phrase * WINDOW_BARS + bar, return_inverse=True)
    pattern = np.zeros(len(bars), np.int64)
    np.bitwise_or.at(pattern, which, np.int64(1) << slot % _PLACES)
    first, last = pitch[start[:-1]], pitch[start[1:] - 1]
    parts = [
        _unit(_counts(phrase, slot, n, slots) > 0),
        _unit(_counts(phrase, slot % _PLACES, n, _PLACES)),
        _unit(_counts(phrase, bar * 12 + pitch % 12, n, WINDOW_BARS * 12, duration)),
        _unit(_counts(phrase, pitch % 12, n, 12, duration)),
        _unit(_counts(phrase, np.clip(pitch - _LOWEST, 0, _PITCHES - 1), n, _PITCHES, duration)),
        _unit(_counts(phrase[follows], np.clip(step[follows], -12, 12) + 12, n, _INTERVALS)),
        _unit(_counts(phrase, power, n, _LENGTHS)),
        _unit(_counts(phrase[second], few[second] * _STEPS + few[second + 1], n, _STEPS**2)),
        _unit(np.sqrt(_counts(phrase[third], _hashed(motif, _MOTIFS), n, _MOTIFS))),
        _unit(_counts(bars // WINDOW_BARS, _hashed(pattern, _RHYTHMS), n, _RHYTHMS)),
        np.eye(12)[first % 12],
        np.eye(12)[last % 12],
        _numbers(table, phrase, pitch, slot, first, last),
        (table.metre[:, None] == np.array(_METRES)).all(axis=2),
    ]
    return np.concatenate([p.astype(np.float32) for p in parts], axis=1)


def _numbers(
    table: PhraseTable, phrase: np.ndarray, pitch: np.ndarray, slot: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    start, size = table.melody_start, np.diff(table.melody_start)
    mean = np.bincount(phrase, pitch, len(size)) / size
    low, high = (f.reduceat(pitch, start[:-1]) if len(size) else mean for f in (np.minimum, np.maximum))
    rest = table.length - table.melody[start[1:] - 1, ONSET]
    columns = [
        (mean - 66) / 6, (first - 66) / 6, (last - 66) / 6, (low - 60) / 6, (high - 72) / 6, (high - low - 12) / 6,
        np.log(size / 16), table.length / (16 * UNIT) - 1, slot[start[:-1]] / 8, rest / (2 * UNIT) - 1,
    ]  # fmt: skip
    return np.stack(columns, axis=1)


def _counts(row: np.ndarray, column: np.ndarray, n: int, width: int, weight: np.ndarray | None = None) -> np.ndarray:
    return np.bincount(row * width + column, weight, n * width).reshape(n, width)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _hashed(code: np.ndarray, buckets: int) -> np.ndarray:
    """Buckets that codes fall into, by two steps of SplitMix64."""
    mixed = code.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed >> np.uint64(40)) % np.uint64(buckets)).astype(np.int64)
