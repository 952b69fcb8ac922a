"""Tunes as people remember them: a stretch from the middle, in another key and tempo, with wrong notes in it."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from mmbert.retrieval.tune_index import Tune

Fault = Literal["exact", "1_wrong", "2_wrong", "1_missing", "1_extra"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
AFTER = 4  # notes: nobody is asked for the first bar
_AWAY = (-3, -2, -1, 1, 2, 3)  # semitones of a wrong note
_JITTER = 0.07  # of the logarithm of every length, standard deviation
_TEMPO = (0.8, 1.25)
_KEYS = (-6, 6)  # semitones


def long_enough(line: np.ndarray, notes: int) -> bool:
    """Whether a stretch of so many notes can be taken from the middle of a melody, ``TUNE_NOTE`` [n]."""
    return len(line) >= AFTER + notes


def drawn(line: np.ndarray, notes: int, fault: Fault, rng: np.random.Generator) -> Tune:
    """A stretch of a melody, spoiled.

    Args:
        line: ``TUNE_NOTE`` [n], long enough.
        notes: Of the stretch, before a note is lost or added.
        fault: ``wrong`` notes lie one to three semitones off and are never the first or the last. A ``missing`` note
            (neither first nor last) is joined to the one before it, an ``extra`` one takes half of the one before it.
        rng: Everything is drawn from it.
    """
    start = int(rng.integers(AFTER, len(line) - notes + 1))
    stretch = line[start : start + notes]
    pitch = stretch["pitch"].astype(int).tolist()
    onset = stretch["onset"].astype(np.float64)
    length = np.diff(onset, append=onset[-1] + max(float(stretch["duration"][-1]), 0.125)).tolist()
    inner = np.arange(1, notes - 1)
    if fault in ("1_wrong", "2_wrong"):
        for k in rng.choice(inner, int(fault[0]), replace=False):
            pitch[k] += int(rng.choice(_AWAY))
    elif fault == "1_missing":
        k = int(rng.choice(inner))
        length[k - 1] += length.pop(k)
        del pitch[k]
    elif fault == "1_extra":
        k = int(rng.choice(inner))
        length[k] /= 2
        pitch.insert(k + 1, pitch[k] + int(rng.choice(_AWAY)))
        length.insert(k + 1, length[k])
    spoiled = np.array(length) * np.exp(rng.normal(0, _JITTER, len(length)) + rng.uniform(*np.log(_TEMPO)))
    low, high = max(_KEYS[0], -min(pitch)), min(_KEYS[1], 127 - max(pitch))
    key = int(rng.integers(low, high + 1))
    return Tune(np.array(pitch, np.int16) + np.int16(key), np.r_[0.0, np.cumsum(spoiled)[:-1]])
