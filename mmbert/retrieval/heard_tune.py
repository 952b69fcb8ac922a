"""The tune of a recording: what is hummed, sung or played in it, as notes in free time or in bars."""

from __future__ import annotations

from mmbert.errors import UsageError
from mmbert.symbolic.barred import barred
from mmbert.symbolic.score import Score
from mmbert.types import Recording

_RECORD = "Record one voice, hummed, sung or played, for four bars or more"


def heard_tune(recording: Recording) -> Score:
    """The leading notes of a recording, one part in free time; it may hold none.

    Raises:
        ItemError: the recording cannot be used.
        MissingExtraError: onnxruntime or soxr is not installed.
        WeightsError: the network is missing or damaged.
    """
    from mmbert.audio.transcribe import leading, transcribe

    return leading(transcribe(recording))


def tune_in_bars(recording: Recording, name: str) -> Score:
    """The same as a melody in bars (:mod:`mmbert.symbolic.barred`).

    Args:
        recording: Of one voice; of several the highest notes are taken.
        name: What a person calls it.

    Raises:
        UsageError: no tune is heard in it, or it is too short to be set in bars.
    """
    free = heard_tune(recording)
    if not len(free.notes):
        raise UsageError(name, "holds no notes that can be heard: silence, noise or speech", _RECORD)
    score = barred(free)
    if score is None:
        raise UsageError(name, "holds a tune that is too short to tell its tempo", _RECORD)
    return score
