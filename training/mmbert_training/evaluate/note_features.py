"""A piece as a few counts of its notes: what a search without a model would compare.

The counts are of the kinds that jSymbolic and, after it, music21 offer (McKay, Cumming and Fujinaga, "jSymbolic 2.2",
ISMIR 2018; Cuthbert, Ariza and Friedland, "Feature Extraction and Machine Learning on Symbolic Music using the music21
Toolkit", ISMIR 2011): pitch classes, melodic intervals, durations, places in the bar, density, compass.
"""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.facets import written
from mmbert.symbolic.keys import estimate_key
from mmbert.symbolic.score import Score

_OCTAVE = 12
_SHORTEST, _LONGEST = -4, 3  # durations, as powers of two of a quarter
_PLACES = 16  # of a bar


def pitch_classes(score: Score) -> np.ndarray:
    """Share of the sounding time that each pitch class has, float64 [12] from C; drums do not count."""
    notes = _pitched(score)
    return _shares(notes["pitch"] % 12, 12, notes["duration"] + 1.0)  # a note of no length is still a note


def features(score: Score) -> np.ndarray:
    """Everything that is counted, float64 [64].

    Pitch classes from the tonic of the estimated key [12]; intervals of the highest notes, an octave at most either
    way [25]; durations by powers of two of a quarter [8]; sixteenths of the bar in which notes start [16]; notes a
    quarter (logarithm), compass in semitones and mean pitch [3].
    """
    notes = _pitched(score)
    key = estimate_key(score)
    starts = np.flatnonzero(np.r_[True, np.diff(notes["onset"]) > 0])
    highest = np.maximum.reduceat(notes["pitch"], starts).astype(np.int64)
    steps = np.clip(np.diff(highest), -_OCTAVE, _OCTAVE) + _OCTAVE
    quarters = np.maximum(notes["duration"], 1) / score.ticks_per_quarter
    lengths = np.clip(np.round(np.log2(quarters)), _SHORTEST, _LONGEST).astype(np.int64) - _SHORTEST
    bars = score.bars(notes["onset"])
    within = (notes["onset"] - score.bar_lines[bars]) / np.diff(score.bar_lines)[bars]
    places = np.clip((within * _PLACES).astype(np.int64), 0, _PLACES - 1)
    pitch = notes["pitch"].astype(np.float64)
    density = len(notes) * score.ticks_per_quarter / max(score.end_tick - int(notes["onset"][0]), 1)
    return np.concatenate([
        np.roll(pitch_classes(score), -(key.pitch_class if key else 0)),
        _shares(steps, 2 * _OCTAVE + 1),
        _shares(lengths, _LONGEST - _SHORTEST + 1),
        _shares(places, _PLACES),
        [np.log(density), np.ptp(pitch), pitch.mean()],
    ])  # fmt: skip


def by_features(questions: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Cosine of rows [n, d], each number as standard score over the candidates: float64 [questions, candidates]."""
    mean, deviation = candidates.mean(axis=0), candidates.std(axis=0)
    scale = np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0)
    return _cosine((questions - mean) * scale, (candidates - mean) * scale)


def by_pitch_classes(questions: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Best cosine over the twelve rotations of pitch-class rows [n, 12]: float64 [questions, candidates]."""
    return np.max([_cosine(np.roll(questions, n, axis=1), candidates) for n in range(12)], axis=0)


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = (np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (a, b))
    first, second = (rows / length for rows, length in zip((a, b), lengths))
    return first @ second.T


def _pitched(score: Score) -> np.ndarray:
    """Notes that were written and have a pitch; all notes where there are none."""
    notes = written(score).notes
    notes = notes[~notes["is_drum"]]
    return notes if len(notes) else score.notes


def _shares(values: np.ndarray, n: int, weights: np.ndarray | None = None) -> np.ndarray:
    counts = np.bincount(values, weights, n).astype(np.float64)
    return counts / max(counts.sum(), 1e-12)
