"""One part of a MusicXML 4.0 score, measure by measure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np

from mmbert.items import chords
from mmbert.items.dynamics import DEFAULT_VELOCITY, VELOCITIES
from mmbert.items.metres import Metre, valid
from mmbert.items.text import clean

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_QUARTERS = {
    "maxima": 32.0, "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25,
    "32nd": 0.125, "64th": 0.0625,
}  # fmt: skip
_SNARE = 38  # an unpitched note whose instrument states no sound
_SKIPPED = {"grace", "cue"}


class NumberFault(ValueError):
    """An element that needs a number and holds none, or one beyond all music: the words and the code of a reason."""

    def __init__(self, words: str, code: str = "E_MUSICXML_LIMIT") -> None:
        super().__init__(words)
        self.code = code


def number_in(text: str | None, name: str, default: float = 0.0) -> float:
    """The number in an element; ``default`` where it is empty.

    Raises:
        NumberFault: it is no number, or larger than a thousand million.
    """
    text = (text or "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        words = f'has "{clean(text, 20)}" in <{name}>, which needs a number'
        raise NumberFault(words, "E_MUSICXML_DAMAGED") from None
    if not abs(value) <= 1e9:
        raise NumberFault(f"has {clean(text, 20)} in <{name}>, which no music needs")
    return value


def round_half_up(values: np.ndarray) -> np.ndarray:
    """int64 of float64, halves up."""
    return np.floor(values + 0.5).astype(np.int64)


@dataclass
class Measure:
    """One measure of one part; times are units from its start.

    ``notes``: [onset, duration, pitch, velocity, tie stops here, tie starts here].
    """

    length: int = 0
    metre: Metre | None = None
    transposed: bool = False
    notes: list[list] = field(default_factory=list)
    symbols: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    tempi: list[tuple[int, float]] = field(default_factory=list)
    keys: list[tuple[int, tuple[int, bool]]] = field(default_factory=list)


class PartReader:
    """Reads the measures of one part in order and remembers what holds beyond a measure.

    Args:
        unit: Units a quarter note.
        longest: Units that a measure may last.
        declared: The part's ``score-part``.
    """

    def __init__(self, unit: int, longest: int, declared: Element | None) -> None:
        self.unit, self.longest = unit, longest
        self.scale: float = unit  # units a division
        self.metre: Metre | None = None
        self.transpose: dict[str | None, int] = {}
        self.velocity = DEFAULT_VELOCITY
        self.name, self.is_drum = "", False
        self.program: int | None = None
        self.unpitched: dict[str | None, int] = {}
        if declared is not None:
            self._declare(declared)

    def _declare(self, part: Element) -> None:
        self.name = clean(part.findtext("part-name") or part.findtext("score-instrument/instrument-name") or "")
        for instrument in part.findall("midi-instrument"):
            program = _int(instrument.findtext("midi-program"), 0)
            if 1 <= program <= 128 and self.program is None:
                self.program = program - 1
            self.is_drum |= instrument.findtext("midi-channel") == "10"
            sound = _int(instrument.findtext("midi-unpitched"), 0)
            if 1 <= sound <= 128:
                self.unpitched[instrument.get("id")] = sound - 1

    def measure(self, element: Element) -> Measure:
        """One measure."""
        out = Measure()
        now = onset = 0
        for child in element:
            tag = child.tag
            if tag == "note":
                now, onset = self._note(child, out, now, onset)
            elif tag == "backup":
                now = max(0, now - self._duration(child))
            elif tag == "forward":
                now += self._duration(child)
            elif tag == "attributes":
                self._attributes(child, out, now)
            elif tag == "direction":
                self._direction(child, out, now)
            elif tag == "harmony":
                self._harmony(child, out, now)
            elif tag == "sound":
                self._sound(child, out, now)
            if now > out.length:
                out.length = now
        if out.length > self.longest:
            raise NumberFault(f"has a measure of {out.length / self.unit:.4g} quarter notes")
        out.metre = self.metre
        out.transposed = any(self.transpose.values())
        return out

    def joined(self, measures: list[Measure], starts: list[int]) -> list[tuple[int, int, int, int]]:
        """(onset, duration, pitch, velocity) in units from the start of the score, tied notes as one."""
        out: list[list[int]] = []
        open_: dict[tuple[int, int], list[int]] = {}  # (pitch, end) -> note that a tie leaves open
        for start, measure in zip(starts, measures):
            for onset, duration, pitch, velocity, stops, begins in measure.notes:
                onset += start
                note = open_.pop((pitch, onset), None) if stops else None
                if note is None:
                    note = [onset, duration, pitch, velocity]
                    out.append(note)
                else:
                    note[1] = onset + duration - note[0]
                if begins:
                    open_[pitch, onset + duration] = note
        return [(a, b, c, d) for a, b, c, d in out]

    def _duration(self, element: Element) -> int:
        return round(number_in(element.findtext("duration"), "duration") * self.scale)

    def _note(self, element: Element, out: Measure, now: int, onset: int) -> tuple[int, int]:
        """Time after the note, and its onset (where a chord's next note stands too)."""
        duration, pitch, chord, stops, begins = 0, None, False, False, False
        staff = None
        for child in element:
            tag = child.tag
            if tag == "duration":
                duration = round(number_in(child.text, "duration") * self.scale)
            elif tag == "pitch":
                pitch = child
            elif tag == "chord":
                chord = True
            elif tag == "tie":
                stops |= child.get("type") == "stop"
                begins |= child.get("type") == "start"
            elif tag in _SKIPPED:
                return (now, onset) if tag == "grace" else (now + self._later(element), now)
            elif tag == "staff":
                staff = child.text
            elif tag == "unpitched":
                pitch = child
        at = onset if chord else now
        if pitch is not None and duration > 0:
            number = self._pitch(pitch, staff) if pitch.tag == "pitch" else self._hit(element)
            if 0 <= number <= 127:
                out.notes.append([at, duration, number, self._velocity_of(element), stops, begins])
        return (max(now, at + duration) if chord else now + duration), at

    def _later(self, element: Element) -> int:
        return 0 if element.find("chord") is not None else self._duration(element)

    def _pitch(self, element: Element, staff: str | None) -> int:
        step, octave, alter = "C", 4, 0
        for child in element:
            if child.tag == "step":
                step = (child.text or "C").strip()
            elif child.tag == "octave":
                octave = _int(child.text, 4)
            elif child.tag == "alter":
                alter = round(number_in(child.text, "alter"))  # quarter tones go to the nearest semitone
        shift = self.transpose.get(staff, self.transpose.get(None, 0)) if self.transpose else 0
        return 12 * (octave + 1) + _SEMITONES.get(step, 0) + alter + shift

    def _hit(self, element: Element) -> int:
        instrument = element.find("instrument")
        id_ = instrument.get("id") if instrument is not None else next(iter(self.unpitched), None)
        self.is_drum = True
        return self.unpitched.get(id_, _SNARE)

    def _velocity_of(self, element: Element) -> int:
        stated = number_in(element.get("dynamics"), "note dynamics", -1)  # per cent of a forte of 90
        return min(max(round(stated * 0.9), 1), 127) if stated >= 0 else self.velocity

    def _attributes(self, element: Element, out: Measure, now: int) -> None:
        for child in element:
            if child.tag == "divisions":
                self.scale = self.unit / divisions_of(child.text)
            elif child.tag == "key" and child.findtext("fifths"):
                fifths = _int(child.findtext("fifths"), 0)
                if abs(fifths) <= 7:
                    out.keys.append((now, (fifths, child.findtext("mode") == "minor")))
            elif child.tag == "time":
                self.metre = _metre(child)
            elif child.tag == "transpose":
                octaves = _int(child.findtext("octave-change"), 0)
                self.transpose[child.get("number")] = _int(child.findtext("chromatic"), 0) + 12 * octaves

    def _offset(self, element: Element) -> int:
        return round(number_in(element.findtext("offset"), "offset") * self.scale)

    def _direction(self, element: Element, out: Measure, now: int) -> None:
        at = max(0, now + self._offset(element))
        sound = element.find("sound")
        if not (sound is not None and self._sound(sound, out, at)):
            for metronome in element.iterfind("direction-type/metronome"):
                bpm = _metronome(metronome)
                if bpm is not None:
                    out.tempi.append((at, bpm))
        for marks in element.iterfind("direction-type/dynamics"):
            for mark in marks:
                self.velocity = VELOCITIES.get(mark.tag, self.velocity)

    def _sound(self, element: Element, out: Measure, at: int) -> bool:
        """Takes a tempo in quarter notes a minute; whether there was one."""
        try:
            bpm = float(element.get("tempo", ""))
        except ValueError:
            return False
        if 5 <= bpm <= 1000:
            out.tempi.append((at, bpm))
            return True
        return False

    def _harmony(self, element: Element, out: Measure, now: int) -> None:
        step, alter = element.findtext("root/root-step"), element.findtext("root/root-alter")
        kind = (element.findtext("kind") or "major").strip()
        pitches = chords.of_kind((step or "C").strip(), _int(alter, 0), kind) if step or kind == "none" else None
        if pitches is not None:
            out.symbols.append((max(0, now + self._offset(element)), pitches))


def divisions_of(text: str | None) -> float:
    """Divisions of a quarter note.

    Raises:
        NumberFault: below a thousandth, or more than a million.
    """
    value = number_in(text, "divisions", 1)
    if not 1e-3 <= value <= 1e6:
        raise NumberFault(f"has {value:g} in <divisions>, which no music needs")
    return value


def _int(text: str | None, default: int) -> int:
    try:
        return round(number_in(text, "", default))
    except NumberFault:
        return default


def _metre(element: Element) -> Metre | None:
    """A time signature; sums (3+2/8, or several fractions) as one; None for music without metre."""
    pairs = []
    for beats, kind in zip(element.findall("beats"), element.findall("beat-type")):
        pairs.append((sum(int(n) for n in re.findall(r"\d{1,3}", beats.text or "")), _int(kind.text, 0)))
    if not pairs or not all(valid(n, d) for n, d in pairs):
        return None
    denominator = max(d for _, d in pairs)
    return sum(n * denominator // d for n, d in pairs), denominator


def _metronome(element: Element) -> float | None:
    """Quarter notes a minute of a metronome mark; None for a metric modulation or a mark without a number."""
    quarters, dots, seen = 0.0, 0, False
    for child in element:
        if child.tag == "beat-unit" and not seen:
            quarters, seen = _QUARTERS.get((child.text or "").strip(), 0.0), True
        elif child.tag == "beat-unit-dot" and seen:
            dots += 1
    number = re.search(r"\d+(?:\.\d+)?", element.findtext("per-minute") or "")
    if not number or not quarters:
        return None
    bpm = float(number[0]) * quarters * (2 - 0.5**dots)
    return bpm if 5 <= bpm <= 1000 else None
