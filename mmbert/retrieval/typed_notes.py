"""Notes as they are typed: names with their octaves (``D4 E4 F#4 A4``) or ABC (``D2 E ^F | A4``)."""

from __future__ import annotations

import re

import numpy as np

from mmbert.errors import ItemError, MmbertError, UsageError
from mmbert.retrieval.tune_index import Tune
from mmbert.symbolic.tune_line import tune_line

TEXT_LENGTH = 4000  # characters
_HOW = "Write names with octaves (D4 E4 F#4 A4) or ABC (D E ^F A)"
_OCTAVES = "Octaves go from C-1 to G9; C4 is middle C"
_NAME = re.compile(r"([A-G])(##|bb|[#b♯♭x]?)(-?\d)")
_BEYOND = re.compile(r"[A-G](##|bb|[#b♯♭x]?)-?\d+")  # the same with any octave
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHIFTS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1, "x": 2, "##": 2, "bb": -2}
_SAID = re.compile(r'"[^"\n]*"|![^!\n]*!|\[[A-Za-z]:[^\]\n]*\]|^[A-Za-z]:.*$', re.M)  # of ABC: no notes
_ABC = re.compile(r"[A-Ga-gxyzXZ0-9/,'^_=|:\[\]()<>{}~.&$\\\s-]*")


def typed_notes(text: str) -> Tune:
    """The tune that is written in a line of notes.

    Names say no lengths. ABC does where they differ; without a key of its own it is read as in C, in which ``^F`` is
    the F sharp.

    Raises:
        UsageError: it is empty, or no notes.

    >>> typed_notes("D4 E4 F#4 A4").pitch.tolist(), typed_notes("D E ^F A").pitch.tolist()
    ([62, 64, 66, 69], [62, 64, 66, 69])
    >>> typed_notes("D4 E4 F#4 A4").onset, typed_notes("D2 E ^F | A4").onset.tolist()
    (None, [0.0, 1.0, 1.5, 2.0])
    """
    if not text.strip():
        raise UsageError("notes", "are empty", _HOW)
    if len(text) > TEXT_LENGTH:
        raise UsageError("notes", f"are longer than {TEXT_LENGTH:,} characters", "Save them as a file: --melody FILE")
    words = re.split(r"[\s,;|]+", text.strip(" \t\r\n,;|"))
    named = [_NAME.fullmatch(word) for word in words]
    if all(named):
        return Tune(np.array([_pitch(*name.groups()) for name in named if name], np.int16))
    if all(_BEYOND.fullmatch(word) for word in words):
        wrong = next(word for word, name in zip(words, named, strict=True) if name is None)
        raise UsageError(wrong, "is no note of MIDI", _OCTAVES)
    _refuse_words(text, words)
    return _abc(text)


def _pitch(step: str, shift: str, octave: str) -> int:
    pitch = 12 * (int(octave) + 1) + _STEPS[step] + _SHIFTS[shift]
    if not 0 <= pitch <= 127:
        raise UsageError(f"{step}{shift}{octave}", "is no note of MIDI", _OCTAVES)
    return pitch


def _refuse_words(text: str, words: list[str]) -> None:
    """Refuse what is neither, by the first word at fault."""
    if _ABC.fullmatch(_SAID.sub("", text)):
        return
    wrong = next((word for word in words if not _ABC.fullmatch(word)), text)
    if re.fullmatch(r"[A-Ga-g][#♯♭]+", wrong):
        raise UsageError(wrong, "lacks its octave", f"Write {wrong[0].upper()}{wrong[1:]}4, or ^{wrong[0]} in ABC")
    if re.fullmatch(r"[A-Ga-g][#b♯♭]*-?\d", wrong):
        other = next((word for word in words if not _NAME.fullmatch(word)), wrong)
        raise UsageError(other, f"is written otherwise than {wrong}", f"{_HOW}, and one way throughout")
    raise UsageError(repr(wrong[:40]), "is no note", _HOW)


def _abc(text: str) -> Tune:
    from mmbert.items.abc import parse_score

    whole = text if re.search(r"^K:", text, re.M) else f"X:1\nL:1/8\nM:none\nK:C\n{text}"
    try:
        line = tune_line(parse_score(whole))
    except (MmbertError, ArithmeticError, LookupError, ValueError) as e:
        fault = "hold no note" if str(e).startswith("text:") else f"cannot be read as ABC ({_said(e)})"
        raise UsageError("notes", fault, _HOW) from e
    tune = Tune.of(line)
    lengths = np.diff(line["onset"])
    return tune if len(lengths) and np.ptp(lengths) > 1e-6 else Tune(tune.pitch)


def _said(error: Exception) -> str:
    return error.fault if isinstance(error, ItemError) else str(error)[:100]
