"""The information fields of ABC 2.1 ("The abc music standard 2.1", section 3): key, metre, unit length, tempo."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from mmbert.items.metres import Metre, valid

WHOLE = 1_935_360  # internal units of a whole note: exact for every length up to 1/512 and tuplets of 3, 5, 7, 9
TICKS_PER_QUARTER = 480
UNITS_PER_TICK = WHOLE // (4 * TICKS_PER_QUARTER)

_SHARPS, _FLATS = "FCGDAEB", "BEADGCF"
_FIFTHS = {"C": 0, "D": 2, "E": 4, "F": -1, "G": 1, "A": 3, "B": 5}
_MODES = {
    "": 0, "maj": 0, "ion": 0, "m": -3, "min": -3, "aeo": -3, "dor": -2, "phr": -4, "lyd": 1, "mix": -1, "loc": -5,
}  # fmt: skip
_MINOR = {"m", "min", "aeo"}
_ACCIDENTALS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
_TONIC = re.compile(r"([A-Ga-g])\s?([#b♯♭_]?)\s*(?:\\?$|([A-Za-z]*))")
_EXPLICIT = re.compile(r"(\^\^|\^|__|_|=)([A-Ga-g])(?![A-Za-z])")
_FRACTION = re.compile(r"([\d.+()\s]+)/\s*(\d+)")


@dataclass(frozen=True)
class Key:
    """A key field: accidentals by letter, signature (None where the field states none) and shifts."""

    accidentals: dict[str, int] = field(default_factory=dict)
    fifths: int | None = None
    minor: bool = False
    octave: int = 0
    transpose: int = 0


@lru_cache(maxsize=1024)
def key(text: str) -> Key:
    """A ``K:`` field, with modes, added or explicit accidentals, Highland pipes, ``octave=`` and ``transpose=``.

    >>> key("Ador").fifths, key("Bm").accidentals, key("D Phr ^f").accidentals["F"], key("none").fifths
    (1, {'F': 1, 'C': 1}, 1, None)
    >>> key("C clef=bass octave=-1").octave
    -1
    """
    text = text.strip()
    octave = _setting(text, "octave")
    transpose = _setting(text, "transpose")
    if text[:2] in ("HP", "Hp"):  # Highland pipes; HP writes no signature, but the tunes are in these two sharps
        return Key({"F": 1, "C": 1}, 2 if text[:2] == "Hp" else None, False, octave, transpose)
    accidentals: dict[str, int] = {}
    fifths, minor = None, False
    m = _TONIC.match(text)
    mode = (m[3] or "").lower() if m else ""
    if m and not text[m.end() :].startswith("=") and (mode[:3] in _MODES or mode in ("exp",)):
        shift = {"#": 7, "♯": 7, "b": -7, "♭": -7, "_": -7}.get(m[2], 0)
        if mode != "exp":
            fifths = _FIFTHS[m[1].upper()] + shift + _MODES[mode[:3]]
            minor = mode[:3] in _MINOR
            names = _SHARPS[:fifths] if fifths > 0 else _FLATS[: -fifths if fifths else 0]
            accidentals = dict.fromkeys(names, 1 if fifths > 0 else -1)
            if abs(fifths) > 7:
                fifths = None
    for sign, letter in _EXPLICIT.findall(text[m.end(2) :] if m else text):
        accidentals[letter.upper()] = _ACCIDENTALS[sign]
    return Key(accidentals, fifths, minor, octave, transpose)


def _setting(text: str, name: str) -> int:
    m = re.search(rf"\b{name}=(-?\d{{1,3}})", text)
    return int(m[1]) if m else 0


@lru_cache(maxsize=1024)
def metre(text: str) -> Metre | None:
    """An ``M:`` field; None for free metre and for what is no metre.

    >>> metre("6/8"), metre("C|"), metre("(2+3+2)/8"), metre("none")
    ((6, 8), (2, 2), (7, 8), None)
    """
    text = text.strip()
    if text[:2] == "C|":
        return 2, 2
    if text[:1] in ("C", "c"):
        return 4, 4
    m = _FRACTION.match(text)
    if not m:
        return None
    numerator = sum(int(n) for n in re.findall(r"\d{1,3}", m[1]))
    denominator = int(m[2][:3])
    return (numerator, denominator) if valid(numerator, denominator) else None


@lru_cache(maxsize=4096)
def length(text: str) -> tuple[int, int]:
    """A note's length as (numerator, denominator) in unit lengths.

    >>> [length(t) for t in ("", "3", "/", "//", "3/2", "/4")]
    [(1, 1), (3, 1), (1, 2), (1, 4), (3, 2), (1, 4)]
    """
    head, slash, tail = text.partition("/")
    numerator = int(head[:4]) if head else 1
    if not slash:
        return numerator, 1
    digits = tail.lstrip("/")
    denominator = int(digits[:4]) if digits else 2 ** min(1 + len(tail), 9)
    return numerator, max(denominator, 1)


@lru_cache(maxsize=1024)
def unit(text: str) -> int | None:
    """An ``L:`` field in internal units, None where it is none."""
    m = re.match(r"\s*(\d{1,3})(?:\s*/\s*(\d{1,3}))?", text)
    if not m or not int(m[1]) or (m[2] and not int(m[2])):
        return None
    return WHOLE * int(m[1]) // int(m[2] or 1)


def unit_of(metre_: Metre | None) -> int:
    """The unit length where ``L:`` is absent: a sixteenth in metres below 3/4, else an eighth."""
    return WHOLE // 16 if metre_ and metre_[0] / metre_[1] < 0.75 else WHOLE // 8


def tempo(text: str, unit_length: int) -> float | None:
    """A ``Q:`` field as quarter notes a minute; None where it states no number or an absurd one.

    ``Q:120`` counts unit lengths, ``Q:C=120`` and ``Q:C3=40`` too (older forms that section 10.1 keeps).

    >>> tempo("1/4=120", WHOLE // 8), tempo("3/8=100", WHOLE // 8), tempo('"Allegro" 180', WHOLE // 8)
    (120.0, 150.0, 90.0)
    """
    text = re.sub(r'"[^"]*"', "", text)
    before, equals, after = text.partition("=")
    m = re.match(r"\s*(\d{1,9}(?:\.\d{1,9})?)", after if equals else text)
    if not m:
        return None
    beat, rate = unit_length, float(m[1])
    if equals:
        counted = before[len(before.rstrip("0123456789C/ \t")) :]
        beats = sum(WHOLE * int(a) // max(int(b), 1) for a, b in re.findall(r"(\d{1,3})/(\d{1,3})", counted))
        old = re.search(r"C(\d{0,2})", counted)
        beat = beats or (unit_length * int(old[1] or 1) if old else unit_length)
    bpm = rate * beat * 4 / WHOLE
    return round(bpm, 6) if 5 <= bpm <= 1000 else None
