"""Phrases on a grid of sixteenth notes, whole numbers for the pair scorers to compare."""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.phrases import DURATION, ONSET, PITCH, UNIT, PhraseTable
from mmbert.symbolic.windows import WINDOW_BARS

BAR_SLOTS = 24  # sixteenths of the longest bar that is looked at, six quarters
NOTES = 32  # of a melody that are looked at
SOUNDS, BEGINS, STEP = range(3)  # columns of melody_bars
NONE = -99
SLOT, NEXT_SLOT, CLASS, PLACE, LENGTH, COMES, GOES = range(7)  # columns of melody_notes
PLACES, LENGTHS, INTERVALS = 16, 8, 15
_FIFTH = 7  # semitones, the largest interval that is told apart
_SLOT = UNIT // 4
_DEGREES = np.array([0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6])  # steps of C major below or at each pitch class


def melody_bars(table: PhraseTable) -> np.ndarray:
    """Melodies bar by bar, int16 [P, 4, 24, 3]: the pitch that sounds, the pitch that begins (after the shift), and by
    how many diatonic steps it was come to; ``NONE`` where there is none."""
    phrase, bar, slot, pitch = _placed(table, table.melody, table.melody_start)
    out = np.full((len(table), WINDOW_BARS * BAR_SLOTS, 3), NONE, np.int16)
    at = bar * BAR_SLOTS + slot
    duration = np.maximum(np.rint(table.melody[:, DURATION] / _SLOT).astype(np.int64), 1)
    longest = int(duration.max(initial=0))
    bar_slots = np.minimum((table.length // WINDOW_BARS)[phrase] // _SLOT, BAR_SLOTS)
    for further in range(longest):
        holds = np.flatnonzero(duration > further)
        moved = slot[holds] + further
        on, within = bar[holds] + moved // bar_slots[holds], moved % bar_slots[holds]
        inside = on < WINDOW_BARS
        out[phrase[holds[inside]], (on * BAR_SLOTS + within)[inside], SOUNDS] = pitch[holds[inside]]
    out[phrase, at, SOUNDS] = pitch
    out[phrase, at, BEGINS] = pitch
    height = pitch // 12 * 7 + _DEGREES[pitch % 12]
    second = np.flatnonzero(phrase[1:] == phrase[:-1]) + 1
    out[phrase[second], at[second], STEP] = np.clip(height[second] - height[second - 1], -12, 12)
    return out.reshape(len(table), WINDOW_BARS, BAR_SLOTS, 3)


def melody_ends(table: PhraseTable) -> np.ndarray:
    """How melodies begin and end, int16 [P, 8]: first and last pitch (after the shift), the interval after the first
    and before the last, onset of the first and time from the last onset to the phrase's end (sixteenths), length of
    the last, sixteenths in a bar."""
    start, end = table.melody_start[:-1], table.melody_start[1:] - 1
    pitch = table.melody[:, PITCH].astype(np.int64) + np.repeat(table.shift, np.diff(table.melody_start))
    onset = table.melody[:, ONSET]
    columns = [
        pitch[start], pitch[end], pitch[np.minimum(start + 1, end)] - pitch[start],
        pitch[end] - pitch[np.maximum(end - 1, start)], onset[start] // _SLOT, (table.length - onset[end]) // _SLOT,
        table.melody[end, DURATION] // _SLOT, table.length // WINDOW_BARS // _SLOT,
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.int16)


def melody_notes(table: PhraseTable) -> np.ndarray:
    """The first 32 notes of melodies, int16 [P, 32, 7]: grid slot, slot of the next onset, pitch class, sixteenth part
    of the bar, half powers of two of the length, intervals from the note before and to the next (-7 to 7, as 0 to 14);
    slot ``NONE`` where there is no note."""
    phrase, bar, slot, pitch = _placed(table, table.melody, table.melody_start)
    at = bar * BAR_SLOTS + slot
    length = np.clip(np.rint(np.log2(np.maximum(table.melody[:, DURATION], 1) / UNIT)) + 3, 0, LENGTHS - 1)
    same = phrase[1:] == phrase[:-1]
    step = np.where(same, np.clip(np.diff(pitch), -_FIFTH, _FIFTH), 0) + _FIFTH
    alone = np.full(min(1, len(pitch)), _FIFTH)
    following = np.append(np.where(same, at[1:], at[:-1]), at[-1:])
    bar_slots = np.minimum((table.length // WINDOW_BARS)[phrase] // _SLOT, BAR_SLOTS)
    place = np.minimum(slot * PLACES // bar_slots, PLACES - 1)
    columns = [at, following, pitch % 12, place, length, np.r_[alone, step], np.r_[step, alone]]
    out = np.full((len(table), NOTES, len(columns)), 0, np.int16)
    out[:, :, SLOT] = NONE
    number = np.arange(len(phrase)) - table.melody_start[:-1][phrase]
    kept = number < NOTES
    out[phrase[kept], number[kept]] = np.stack(columns, axis=1)[kept]
    return out


def accompaniment_grid(table: PhraseTable) -> np.ndarray:
    """Accompaniments as bits of pitch classes (1 for C), int16 [P, 96, 3]: those that sound, begin, and lie lowest."""
    phrase, bar, slot, pitch = _placed(table, table.accompaniment, table.accompaniment_start)
    bar_slots = np.minimum((table.length // WINDOW_BARS)[phrase] // _SLOT, BAR_SLOTS)
    # Slots counted without the empty ends of short bars while notes are held over bar lines.
    begin = bar * bar_slots + slot
    duration = np.maximum(np.rint(table.accompaniment[:, DURATION] / _SLOT).astype(np.int64), 1)
    count = np.minimum(duration, bar_slots * WINDOW_BARS - begin)
    of = np.repeat(np.arange(len(phrase)), count)
    dense = begin[of] + np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    at = dense // bar_slots[of] * BAR_SLOTS + dense % bar_slots[of]
    shape = len(table), WINDOW_BARS * BAR_SLOTS
    sounding, beginning, lowest = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, 999)
    bit = 1 << pitch % 12
    np.bitwise_or.at(sounding, (phrase[of], at), bit[of])
    np.bitwise_or.at(beginning, (phrase, bar * BAR_SLOTS + slot), bit)
    np.minimum.at(lowest, (phrase[of], at), pitch[of])
    return np.stack([sounding, beginning, np.where(lowest < 999, 1 << lowest % 12, 0)], axis=2).astype(np.int16)


def _placed(table: PhraseTable, notes: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, ...]:
    """Phrase, bar, sixteenth of the bar, and pitch after the shift, of every note."""
    phrase = np.repeat(np.arange(len(table)), np.diff(start))
    bar_length = (table.length // WINDOW_BARS)[phrase]
    onset = notes[:, ONSET].astype(np.int64)
    bar = np.minimum(onset // bar_length, WINDOW_BARS - 1)
    bar_slots = np.minimum(bar_length // _SLOT, BAR_SLOTS)
    slot = np.minimum((onset - bar * bar_length) // _SLOT, bar_slots - 1)
    return phrase, bar, slot, notes[:, PITCH].astype(np.int64) + table.shift[phrase]
