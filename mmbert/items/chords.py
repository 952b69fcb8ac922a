"""Chord symbols as sound: a root-position block chord, held to the next symbol."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from mmbert.symbolic.score import Part

PART = Part("chords", 0, False, "accompaniment", program_stated=False, written=False)
VELOCITY = 60  # below the melody's 80
_LOWEST_ROOT = 48  # roots from C3 to B3
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

# Semitones above the root by quality as written in symbols; the longest beginning holds.
_QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7), "maj": (0, 4, 7), "m": (0, 3, 7), "min": (0, 3, 7), "-": (0, 3, 7), "mi": (0, 3, 7),
    "dim": (0, 3, 6), "o": (0, 3, 6), "°": (0, 3, 6), "dim7": (0, 3, 6, 9), "o7": (0, 3, 6, 9), "°7": (0, 3, 6, 9),
    "aug": (0, 4, 8), "+": (0, 4, 8), "aug7": (0, 4, 8, 10), "+7": (0, 4, 8, 10), "7+": (0, 4, 8, 10),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11), "M7": (0, 4, 7, 11), "^7": (0, 4, 7, 11), "m7": (0, 3, 7, 10), "min7": (0, 3, 7, 10),
    "-7": (0, 3, 7, 10), "m7b5": (0, 3, 6, 10), "ø": (0, 3, 6, 10), "mM7": (0, 3, 7, 11), "m(maj7)": (0, 3, 7, 11),
    "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9), "9": (0, 4, 7, 10, 14), "m9": (0, 3, 7, 10, 14), "maj9": (0, 4, 7, 11, 14),
    "add9": (0, 4, 7, 14), "11": (0, 4, 7, 10, 17), "13": (0, 4, 7, 10, 21), "sus": (0, 5, 7), "sus4": (0, 5, 7),
    "sus2": (0, 2, 7), "7sus4": (0, 5, 7, 10), "7sus": (0, 5, 7, 10), "5": (0, 7),
    "7b5": (0, 4, 6, 10), "7#5": (0, 4, 8, 10), "7b9": (0, 4, 7, 10, 13), "7#9": (0, 4, 7, 10, 15),
}  # fmt: skip
_LONGEST = 40  # characters of a chord symbol; what is longer is words
_SYMBOL = re.compile(r"\(?([A-G])([#♯b♭]?)([^/\s)]*)(?:/[A-Ga-g][#♯b♭]?)?\)?")

# MusicXML's words for the kind of a harmony.
_KINDS = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7", "major-seventh": "maj7",
    "minor-seventh": "m7", "diminished-seventh": "dim7", "augmented-seventh": "aug7", "half-diminished": "m7b5",
    "major-minor": "mM7", "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "dominant-13th": "13", "suspended-second": "sus2",
    "suspended-fourth": "sus4", "power": "5",
}  # fmt: skip


@lru_cache(maxsize=2048)
def of_symbol(symbol: str) -> tuple[int, ...] | None:
    """MIDI pitches of a chord symbol; () for "no chord"; None for words that are no chord symbol.

    >>> of_symbol("Am"), of_symbol("D7/f#"), of_symbol("N.C."), of_symbol("Fine")
    ((57, 60, 64), (50, 54, 57, 60), (), None)
    """
    symbol = symbol.strip()
    if len(symbol) > _LONGEST:
        return None
    if symbol.rstrip(".").upper() in ("N.C", "NC"):
        return ()
    m = _SYMBOL.fullmatch(symbol)
    if not m:
        return None
    quality = m[3].replace("♭", "b").replace("♯", "#").replace("Maj", "maj").replace("Min", "m")
    known = next((quality[:n] for n in range(len(quality), -1, -1) if quality[:n] in _QUALITIES), "")
    rest = quality[len(known) :]
    if re.search(r"[a-ln-zA-Z]{2,}", rest.replace("add", "").replace("sus", "").replace("alt", "")):
        return None  # a word that happens to begin with a note's name
    return block(_STEPS[m[1]] + {"": 0, "b": -1, "♭": -1}.get(m[2], 1), _QUALITIES[known])


@lru_cache(maxsize=2048)
def of_kind(step: str, alter: int, kind: str) -> tuple[int, ...] | None:
    """MIDI pitches of a MusicXML harmony (root step, root alter, kind).

    >>> of_kind("B", -1, "dominant"), of_kind("C", 0, "none")
    ((58, 62, 65, 68), ())
    """
    if kind == "none":
        return ()
    if step not in _STEPS:
        return None
    return block(_STEPS[step] + alter, _QUALITIES[_KINDS.get(kind, "")])


def block(root: int, intervals: Sequence[int]) -> tuple[int, ...]:
    """A chord above the root's pitch class in the octave from C3."""
    return tuple(_LOWEST_ROOT + root % 12 + i for i in intervals)


def held(symbols: Sequence[tuple[int, tuple[int, ...]]], end: int, part: int, program: int = 0) -> list[tuple]:
    """Notes (rows of ``score.NOTE``) of symbols (tick, pitches), each held to the next, the last to ``end``."""
    ordered = sorted(dict(symbols).items())  # of two at one tick the later written holds
    stops = [tick for tick, _ in ordered[1:]] + [end]
    return [
        (tick, stop - tick, pitch, VELOCITY, program, False, part)
        for (tick, pitches), stop in zip(ordered, stops)
        for pitch in pitches
        if stop > tick
    ]
