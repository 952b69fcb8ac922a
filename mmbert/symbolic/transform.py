"""True versions of a score: transposed, faster or slower, louder or softer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmbert.symbolic.score import DEFAULT_BPM, TEMPO, Score

_MOST_SIGNS = 7  # sharps or flats of a key signature


def transpose(score: Score, semitones: int) -> Score:
    """All pitched notes and key signatures moved; drums stay.

    Raises:
        ValueError: where a pitch would leave 0-127.

    >>> s = Score.build([(0, 480, 60, 80, 0, False, 0), (0, 480, 36, 80, 0, True, 1)], 480, key_map=[(0, -3, True)])
    >>> up = transpose(s, 2)
    >>> up.notes["pitch"].tolist(), up.key_map["fifths"].tolist()
    ([62, 36], [-1])
    """
    notes = score.notes.copy()
    pitched = ~notes["is_drum"]
    pitch = notes["pitch"][pitched].astype(np.int64) + semitones
    if len(pitch) and (pitch.min() < 0 or pitch.max() > 127):
        raise ValueError(f"semitones: {semitones} would move pitches to {pitch.min()}-{pitch.max()}, outside 0-127")
    notes["pitch"][pitched] = pitch
    keys = score.key_map.copy()
    fifths = keys["fifths"].astype(np.int64) + (7 * semitones + 5) % 12 - 5  # the nearer way round the circle
    keys["fifths"] = fifths - 12 * (fifths > _MOST_SIGNS) + 12 * (fifths < -_MOST_SIGNS)
    return replace(score, key_map=keys).with_notes(notes)


def stretch(score: Score, ratio: float) -> Score:
    """The same notes ``ratio`` times as fast; a score without a tempo is read at 120 quarter notes a minute.

    Raises:
        ValueError: for a ratio that is not above 0.

    >>> stretch(Score.build([(0, 480, 60, 80, 0, False, 0)], 480, tempo_map=[(0, 90.0)]), 2).tempo_map["bpm"].tolist()
    [180.0]
    """
    if not ratio > 0 or not np.isfinite(ratio):
        raise ValueError(f"ratio: {ratio} is not a number above 0")
    tempos = score.tempo_map
    if not len(tempos) or tempos["tick"][0] > 0:
        tempos = np.concatenate([np.array([(0, DEFAULT_BPM)], TEMPO), tempos])
    tempos = tempos.copy()
    tempos["bpm"] *= ratio
    return replace(score, tempo_map=tempos)


def scale_velocity(score: Score, factor: float) -> Score:
    """All velocities times ``factor``, kept within 1-127.

    Raises:
        ValueError: for a factor that is not above 0.

    >>> scale_velocity(Score.build([(0, 480, 60, 80, 0, False, 0)], 480), 0.5).notes["velocity"].tolist()
    [40]
    """
    if not factor > 0 or not np.isfinite(factor):
        raise ValueError(f"factor: {factor} is not a number above 0")
    notes = score.notes.copy()
    notes["velocity"] = np.clip(np.rint(notes["velocity"] * factor), 1, 127)
    return score.with_notes(notes)
