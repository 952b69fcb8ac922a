"""The checks that every reader of notes makes against :class:`mmbert.items.limits.Limits`, in one wording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mmbert.items.reader import File
    from mmbert.symbolic.score import Score

_HINT = "Is it damaged, or many pieces in one file?"


def check_notes(file: File, notes: int, code: str) -> None:
    """Refuses a piece with too many notes."""
    if notes > file.limits.notes:
        raise file.refuse(f"has {notes} notes (at most {file.limits.notes} are read)", _HINT, code)


def check_map(file: File, events: int, code: str) -> None:
    """Refuses a piece with too many changes of tempo, metre and key."""
    if events > file.limits.map_events:
        fault = f"has {events} changes of tempo, metre and key (at most {file.limits.map_events} are read)"
        raise file.refuse(fault, _HINT, code)


def check_ticks(file: File, onset: np.ndarray, duration: np.ndarray, ticks_per_quarter: int, code: str) -> None:
    """Refuses times beyond the longest piece, and times that overflowed; int64 arrays, before they are cast."""
    longest = file.limits.quarters * ticks_per_quarter
    end = onset + duration
    if len(end) and (onset.min() < 0 or duration.min() < 0 or end.max() > min(longest, 2**31 - 1)):
        fault = f"is longer than {file.limits.quarters} quarter notes"
        raise file.refuse(fault, "Is a time in it damaged?", code)


def check_length(file: File, score: Score, code: str) -> None:
    """Refuses a piece of too many bars or seconds."""
    if score.n_bars > file.limits.bars:
        raise file.refuse(f"has {score.n_bars} bars (at most {file.limits.bars} are read)", _HINT, code)
    if not score.duration_s <= file.limits.seconds:
        hours = file.limits.seconds / 3600
        raise file.refuse(f"lasts longer than {hours:.0f} hours", "Is a tempo in it damaged?", code)
