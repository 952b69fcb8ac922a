"""Octuples back to a score."""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.instruments import name_of
from mmbert.symbolic.octuple_vocabulary import (
    BAR_LENGTHS,
    DRUM_PROGRAM,
    DURATIONS,
    FIELDS,
    LONGEST_BAR,
    METRES,
    MOST_BARS,
    POSITIONS_PER_QUARTER,
    SIZES,
    VELOCITY_STEP,
    metre_id,
    tempo_bpm,
)
from mmbert.symbolic.score import METRE, NOTE, TEMPO, Part, Score

TICKS_PER_QUARTER = 480
_TICKS = TICKS_PER_QUARTER // POSITIONS_PER_QUARTER
_SHORT = np.array([metre_id(length, 64) for length in range(1, LONGEST_BAR + 1)])  # metre of a bar of each length


def decode(octuples: np.ndarray) -> Score:
    """The score that octuples describe.

    ``encode(decode(x)).octuples == x`` for every ``x`` that :func:`mmbert.symbolic.octuple.encode` returns and for
    every other one in canonical order: rows sorted, one metre a bar and every position inside it, one tempo a
    position, program 128 exactly where the pitch is 128 or more. An ``x`` of the policy ``muzic`` comes back under
    that policy, as long as what is decoded ends before the position from which that policy drops notes.

    Parts are one a program. Velocities are the middle of their step, durations the step of the ladder (so a note of no
    length stays one), tempo and metre are stated where they first show; bars without notes have the metre before them.

    Args:
        octuples: int [n, 8] in canonical order.

    Raises:
        ValueError: naming the first row and field that is out of range or out of order.
    """
    x = np.asarray(octuples, np.int64).reshape(-1, len(FIELDS))
    if not len(x):
        return Score.build([], TICKS_PER_QUARTER)
    _check(x)
    bar, position, program, pitch, duration, velocity, metre, tempo = x.T
    start, changes = _bars(bar, position, metre)
    onset = (start + position) * _TICKS
    programs, part = np.unique(program, return_inverse=True)
    notes = np.zeros(len(x), NOTE)
    notes["onset"], notes["duration"], notes["part"] = onset, DURATIONS[duration] * _TICKS, part
    notes["is_drum"] = program == DRUM_PROGRAM
    notes["program"], notes["pitch"] = np.where(notes["is_drum"], 0, program), pitch & 127
    notes["velocity"] = VELOCITY_STEP * velocity + VELOCITY_STEP // 2
    new = np.flatnonzero(np.diff(tempo, prepend=-1))
    tempos = np.zeros(len(new), TEMPO)
    tempos["tick"], tempos["bpm"] = onset[new], tempo_bpm(tempo[new])
    tempos["tick"][:1] = 0
    parts = tuple(_part(int(p)) for p in programs)
    return Score.build(notes, TICKS_PER_QUARTER, tempo_map=tempos, metre_map=changes, parts=parts)


def _part(program: int) -> Part:
    drum = program == DRUM_PROGRAM
    return Part(name_of(program % 128, drum), program % 128, drum, "drums" if drum else "unknown")


def _check(x: np.ndarray) -> None:
    low, high = x.min(axis=0, initial=0), x.max(axis=0, initial=0)
    for field, size, least, most in zip(FIELDS, (MOST_BARS, *SIZES[1:]), low, high):
        if least < 0 or most >= size:
            wrong = least if least < 0 else most
            raise ValueError(f"octuples: {field} {wrong} is not in 0-{size - 1}")
    key = x[:, 0] * SIZES[1] + x[:, 1]
    if (np.diff(key) < 0).any():
        row = int(np.flatnonzero(np.diff(key) < 0)[0]) + 1
        raise ValueError(f"octuples: row {row} comes before row {row - 1} in time; sort them by bar and position")


def _bars(bar: np.ndarray, position: np.ndarray, metre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position at which each note's bar starts, int64 [n], and the changes of metre."""
    first = np.flatnonzero(np.diff(bar, prepend=-1))
    last = np.append(first[1:], len(bar)) - 1
    opening = metre[first]
    beyond = position[last] >= BAR_LENGTHS[opening]
    if (beyond & (position[first] == 0)).any():
        i = int(np.flatnonzero(beyond & (position[first] == 0))[0])
        raise ValueError(
            f"octuples: bar {bar[first[i]]} holds position {position[last[i]]}, but a bar of its metre has only "
            f"{BAR_LENGTHS[opening[i]]}"
        )
    # The reference lets a metre change inside a bar: then the bar began in another metre, which no note shows.
    opening = np.where(beyond, _SHORT[position[last]], opening)
    closing = metre[last]
    gap = np.diff(bar[first], prepend=-1) - 1  # bars without notes before each bar
    before = np.append(opening[:1], closing[:-1])
    length = gap * BAR_LENGTHS[before] + np.append(0, BAR_LENGTHS[opening][:-1])
    start = np.cumsum(length[: len(first)])
    in_bar = np.searchsorted(first, np.arange(len(bar)), side="right") - 1
    # A change is written where a bar opens in a metre other than the one before it, and at the first note of another.
    rows = np.concatenate([np.stack([start, opening], 1), np.stack([start[in_bar] + position, metre], 1)])
    rank = np.concatenate([2 * first, 2 * np.arange(len(bar)) + 1])
    rows = rows[np.argsort(rank, kind="stable")]
    rows = rows[np.diff(rows[:, 1], prepend=-1) != 0]
    changes = np.zeros(len(rows), METRE)
    changes["tick"] = rows[:, 0] * _TICKS
    changes["tick"][:1] = 0
    table = np.array(METRES, np.int32)[rows[:, 1]]
    changes["numerator"], changes["denominator"] = table[:, 0], table[:, 1]
    return start[in_bar], changes
