"""The melody of a score as a library keeps it: a few bytes a note, so that no file is read again to find a tune."""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.melody import Voices, voices
from mmbert.symbolic.score import Score

TUNE_NOTE = np.dtype(
    [
        ("onset", "<f4"),  # quarter notes from the start of the piece
        ("second", "<f4"),  # the same in seconds
        ("duration", "<f2"),  # quarter notes
        ("bar", "<i4"),  # from 0
        ("pitch", "u1"),  # MIDI, 0-127
    ]
)


def tune_line(score: Score, found: Voices | None = None) -> np.ndarray:
    """The melody of a score (:func:`mmbert.symbolic.melody.voices`), :data:`TUNE_NOTE` [n] in order of onset.

    Args:
        score: Any.
        found: Its melody, where that is known.

    >>> score = Score.build([(480, 240, 62, 80, 0, False, 0), (0, 480, 60, 80, 0, False, 0)], 480)
    >>> tune_line(score)[["onset", "bar", "pitch"]].tolist()
    [(0.0, 0, 60), (1.0, 0, 62)]
    """
    notes = (voices(score) if found is None else found).melody
    line = np.zeros(len(notes), TUNE_NOTE)
    line["onset"] = notes["onset"] / score.ticks_per_quarter
    line["second"] = score.seconds(notes["onset"])
    line["duration"] = np.minimum(notes["duration"] / score.ticks_per_quarter, 1e4)  # of half floats
    line["bar"], line["pitch"] = score.bars(notes["onset"]), notes["pitch"]
    return line
