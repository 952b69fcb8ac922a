"""The tune of a recording: what is hummed, sung or played in it, as notes in free time."""

from __future__ import annotations

import numpy as np

from mmbert.audio.transcribe import LONGEST_S, leading, transcribe
from mmbert.errors import ItemError
from mmbert.symbolic.score import Score
from mmbert.types import Item

RECORD = "Record one voice, hummed, sung or played, for four bars or more"
_SEVERAL = 0.5  # of the time: `python benchmarks/heard_tunes.py voices`
GOES_ON = f"Only the first {LONGEST_S / 60:.0f} minutes of the recording were heard"
SEVERAL_VOICES = "Several voices sound at once: the highest notes were taken as the melody"


def heard_tune(item: Item) -> Score:
    """The leading notes of a recording, one part in free time.

    Args:
        item: With its sound, or with the notes where it was transcribed already.

    Raises:
        ItemError: the recording cannot be used, or no note is heard in it.
        MissingExtraError: onnxruntime or soxr is not installed.
        WeightsError: the network is missing or damaged.
    """
    if item.score is not None:
        return item.score
    assert item.recording is not None
    score = leading(transcribe(item.recording))
    if not len(score.notes):
        fault = "holds no notes that can be heard: silence, noise or speech"
        raise ItemError(str(item.source.path), fault, RECORD, code="E_NO_MELODY")
    return score


def several_voices(heard: Score) -> bool:
    """Whether what is heard is more than one voice, so that its highest notes are no tune that anybody sang."""
    return together(heard) > _SEVERAL


def together(score: Score) -> float:
    """In what share of the time in which anything sounds two notes or more do, 0-1.

    >>> line = [(0, 480, 60, 80, 0, False, 0), (480, 480, 62, 80, 0, False, 0)]
    >>> together(Score.build(line, 480)), together(Score.build([*line, (480, 480, 48, 80, 0, False, 0)], 480))
    (0.0, 0.5)
    """
    onset = score.notes["onset"].astype(np.int64)
    edge = np.r_[onset, onset + score.notes["duration"]]
    order = np.argsort(edge, kind="stable")
    sounding = np.cumsum(np.repeat([1, -1], len(onset))[order])[:-1]
    length = np.diff(edge[order])
    return float(length[sounding > 1].sum() / max(1, length[sounding > 0].sum()))
