"""Phrases as time slots, an eighth of a bar each: what the towers for accompaniments read."""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.phrases import DURATION, ONSET, PITCH, PhraseTable

SLOTS = 32  # of a phrase
CHANNELS = 39
_MIDDLE = 60  # MIDI pitch
_USUAL = 768  # length of four bars of 4/4


def slots(notes: np.ndarray, start: np.ndarray, length: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Phrases as slots, float32 [P, 32, 39]: share of the slot in which each pitch class sounds [12]; whether it begins
    [12]; the lowest that sounds [12]; mean height in octaves from middle C; how many notes begin; the length of a bar.

    Args:
        notes: int32 [n, 3], as in :class:`PhraseTable`.
        start: int64 [P + 1].
        length: int64 [P], of the phrases.
        shift: int [P], semitones that are added.
    """
    n = len(length)
    phrase = np.repeat(np.arange(n), np.diff(start))
    slot_length = length[phrase] / SLOTS
    begin = notes[:, ONSET] / slot_length
    end = np.minimum((notes[:, ONSET] + notes[:, DURATION]) / slot_length, SLOTS)
    first = np.minimum(begin.astype(np.int64), SLOTS - 1)
    count = np.maximum(np.ceil(end - 1e-6).astype(np.int64), first + 1) - first
    of = np.repeat(np.arange(len(notes)), count)
    at = first[of] + np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    pitch = notes[:, PITCH].astype(np.int64) + shift[phrase]
    row, height = phrase[of], pitch[of]
    share = (np.minimum(end[of], at + 1) - np.maximum(begin[of], at)).clip(0, 1)
    out = np.zeros((n, SLOTS, CHANNELS), np.float32)
    np.maximum.at(out, (row, at, height % 12), share)
    out[phrase, first, 12 + pitch % 12] = 1
    lowest = np.full((n, SLOTS), 999, np.int64)
    np.minimum.at(lowest, (row, at), height)
    where = np.nonzero(lowest < 999)
    out[*where, 24 + lowest[where] % 12] = 1
    cell = row * SLOTS + at
    sounding = np.bincount(cell, minlength=n * SLOTS)
    total = np.bincount(cell, height - _MIDDLE, n * SLOTS)
    out[:, :, 36] = (total / np.maximum(sounding, 1) / 12).reshape(n, SLOTS)
    out[:, :, 37] = np.bincount(phrase * SLOTS + first, minlength=n * SLOTS).reshape(n, SLOTS) / 4
    out[:, :, 38] = (length / _USUAL - 1)[:, None]
    return out


def melody_slots(table: PhraseTable) -> np.ndarray:
    """Melodies after the shift to no sharps or flats, float32 [P, 32, 39]."""
    return slots(table.melody, table.melody_start, table.length, table.shift)


def accompaniment_slots(table: PhraseTable) -> np.ndarray:
    """What sounds with them, float32 [P, 32, 39]."""
    return slots(table.accompaniment, table.accompaniment_start, table.length, table.shift)
