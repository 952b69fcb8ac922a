"""The music code of ABC 2.1, section 4: one voice from text to notes on its written time line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mmbert.items import abc_fields, chords
from mmbert.items.abc_fields import WHOLE, Key
from mmbert.items.dynamics import DEFAULT_VELOCITY, VELOCITIES
from mmbert.items.metres import Metre

_LENGTH = r"\d*(?:/+\d*)?"
_NOTE = rf"(?P<acc>\^\^|\^|__|_|=)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)(?P<len>{_LENGTH})"
# Every pattern below looks a bounded way ahead, so that no line costs more than its length.
_TOKEN = re.compile(
    rf"""
      (?P<space>[\s`$*;]+|\\|y\d*)
    | (?P<note>{_NOTE})
    | (?P<bar>:+\|+\]?:*|\[?\|+\]?:*|:{{2,}}|\.\|)(?P<volta>\[?\d[\d.,-]*)?
    | (?P<ending>\[(?P<numbers>\d[\d.,-]*))
    | (?P<field>\[(?P<name>[A-Za-z]):(?P<value>[^\]]{{0,200}})\])
    | (?P<chord>\[(?P<inner>[^\]\[|]*)\](?P<chordlen>{_LENGTH}))
    | (?P<symbol>"[^"]*"?)
    | (?P<deco>![^!|\[\]"]{{0,80}}!|\+[a-z.<>()0-9]{{2,}}\+)
    | (?P<grace>\{{[^}}]*\}}?)
    | (?P<tuplet>\((?P<p>\d)(?::(?P<q>\d*))?(?::(?P<r>\d*))?)
    | (?P<broken>>+|<+)
    | (?P<rest>[zx](?P<restlen>{_LENGTH}))
    | (?P<bars>[ZX](?P<count>\d*))
    | (?P<tie>-)
    | (?P<over>&+)
    """,
    re.X,
)
_INNER = re.compile(rf'(?:"[^"]*"|![^!]*!)|{_NOTE}(?P<tie>-?)|(?P<rest>[zx]{_LENGTH})')
_ACCIDENTALS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NOTES_AS_DECORATION = re.compile(r"[A-Ga-g0-9/,'^_=z<>() ]*")  # music between two old-style line breaks "!"

Note = list  # [onset, duration, pitch, velocity, tied to the next]
Spelling = tuple[str, str, int]  # letter, octave marks, alteration


@dataclass
class Voice:
    """A voice while it is read, and its result on the written time line in internal units.

    ``marks`` holds what steers the order of play: (time, kind, value) with kind ``bar``, ``double``, ``start``,
    ``end`` (value: times played), ``ending`` (value: numbers), ``part`` (value: label).
    """

    id: str = ""
    name: str = ""
    program: int | None = None
    metre: Metre | None = None
    unit: int = WHOLE // 8
    key: Key = field(default_factory=Key)
    octave: int = 0
    transpose: int = 0
    velocity: int = DEFAULT_VELOCITY
    now: int = 0
    notes: list[Note] = field(default_factory=list)
    symbols: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    marks: list[tuple[int, str, object]] = field(default_factory=list)
    metres: list[tuple[int, Metre | None]] = field(default_factory=list)
    tempos: list[tuple[int, float]] = field(default_factory=list)
    keys: list[tuple[int, Key]] = field(default_factory=list)
    bar_start: int = 0
    bar_end: int = 0
    altered: dict[str, int] = field(default_factory=dict)
    tied: dict[tuple[str, str], int] = field(default_factory=dict)
    last: tuple[int, int, int] = (0, 0, 0)  # first note, onset and duration of the last note, chord or rest
    broken: tuple[int, int] | None = None
    tuplet: tuple[int, int, int] = (0, 1, 1)  # notes left, factor
    spelt: Spelling = ("", "", 0)  # of the last pitch
    group: list[Spelling] = field(default_factory=list)  # of the last note or chord

    def read(self, line: str) -> None:
        """Reads one line of music code; what is no music code is passed over."""
        at, end, match = 0, len(line), _TOKEN.match
        while at < end:
            m = match(line, at)
            if m is None or m.end() == at:
                at += 1
                continue
            at = m.end()
            if m["note"] is not None:
                self._notes([self._pitch(m["acc"], m["letter"], m["octave"])], m["len"])
            elif m["space"] is None:
                self._other(m)

    def set_field(self, name: str, value: str) -> None:
        """A field within the tune, on a line of its own or in brackets."""
        if name == "K":
            self.key = abc_fields.key(value)
            self.altered.clear()
            self.keys.append((self.now, self.key))
        elif name == "M":
            self.metre = abc_fields.metre(value)
            self.metres.append((self.now, self.metre))
        elif name == "L":
            self.unit = abc_fields.unit(value) or self.unit
        elif name == "Q":
            bpm = abc_fields.tempo(value, self.unit)
            if bpm is not None:
                self.tempos.append((self.now, bpm))
        elif name == "P":
            self.marks.append((self.now, "part", value.strip()))

    def _other(self, m: re.Match) -> None:
        if m["bar"] is not None:
            self._bar(m["bar"])
            if m["volta"]:
                self._ending(m["volta"].lstrip("["))
        elif m["ending"] is not None:
            self._ending(m["numbers"])
        elif m["field"] is not None:
            self.set_field(m["name"], m["value"])
        elif m["chord"] is not None:
            self._chord(m["inner"], m["chordlen"])
        elif m["symbol"] is not None:
            pitches = chords.of_symbol(m["symbol"].strip('"'))
            if pitches is not None:
                self.symbols.append((self.now, pitches))
        elif m["deco"] is not None:
            self._decoration(m["deco"])
        elif m["tuplet"] is not None:
            self._tuplet(m)
        elif m["broken"] is not None:
            self._break(m["broken"])
        elif m["rest"] is not None:
            self._notes([], m["restlen"])
        elif m["bars"] is not None:
            num, den = self.metre or (4, 4)
            self._advance(WHOLE * num // den * int(m["count"][:4] or 1), len(self.notes))
        elif m["tie"] is not None:
            self._tie()
        elif m["over"] is not None:
            self.bar_end, self.now = max(self.bar_end, self.now), self.bar_start

    def _pitch(self, accidental: str | None, letter: str, marks: str) -> int:
        name = letter.upper()
        octave = 5 + (letter >= "a") + marks.count("'") - marks.count(",") + self.octave + self.key.octave
        if accidental:
            alter = self.altered[name] = _ACCIDENTALS[accidental]
        elif (letter, marks) in self.tied:
            alter = self.tied[letter, marks]  # a tie carries its accidental over the bar line
        else:
            alter = self.altered.get(name, self.key.accidentals.get(name, 0))
        self.spelt = (letter, marks, alter)
        return octave * 12 + _SEMITONES[name] + alter + self.transpose + self.key.transpose

    def _notes(self, pitches: list[int], length: str, spelt: list | None = None, ties: list | None = None) -> None:
        num, den = abc_fields.length(length)
        duration = self.unit * num // den
        left, q, p = self.tuplet
        if left:
            duration = duration * q // p
            self.tuplet = (left - 1, q, p)
        if self.broken:
            duration = duration * self.broken[0] // self.broken[1]
            self.broken = None
        self.tied = {}
        first = len(self.notes)
        for i, pitch in enumerate(pitches):
            tied = bool(ties and ties[i])
            self.notes.append([self.now, duration, pitch, self.velocity, tied])
            if tied and spelt:
                self.tied[spelt[i][:2]] = spelt[i][2]
        self.group = spelt or ([self.spelt] if pitches else [])
        self._advance(duration, first)

    def _advance(self, duration: int, first: int) -> None:
        self.last = (first, self.now, duration)
        self.now += duration

    def _chord(self, inner: str, outer: str) -> None:
        pitches, spelt, ties, lengths = [], [], [], []
        for m in _INNER.finditer(inner):
            if m["letter"]:
                pitches.append(self._pitch(m["acc"], m["letter"], m["octave"]))
                spelt.append(self.spelt)
                ties.append(bool(m["tie"]))
                lengths.append(m["len"])
        if not pitches:
            return
        (a, b), (c, d) = abc_fields.length(lengths[0]), abc_fields.length(outer)
        self._notes(pitches, f"{a * c}/{b * d}", spelt, ties)

    def _tie(self) -> None:
        for note, (letter, marks, alter) in zip(self.notes[self.last[0] :], self.group):
            note[4] = True
            self.tied[letter, marks] = alter

    def _break(self, signs: str) -> None:
        if not self.last[2] or self.broken:
            return
        whole = 2 ** min(len(signs), 3)
        longer, shorter = (2 * whole - 1, whole), (1, whole)
        mine, self.broken = (longer, shorter) if signs[0] == ">" else (shorter, longer)
        first, onset, duration = self.last
        new = duration * mine[0] // mine[1]
        for note in self.notes[first:]:
            note[1] = new
        self.now += new - duration
        self.last = (first, onset, new)

    def _tuplet(self, m: re.Match) -> None:
        p = int(m["p"])
        if p < 2:
            return
        compound = self.metre is not None and self.metre[0] in (6, 9, 12)
        n = 3 if compound else 2
        q = int(m["q"][:2]) if m["q"] else {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(p, n)
        self.tuplet = (int(m["r"][:2]) if m["r"] else p, max(q, 1), p)

    def _decoration(self, text: str) -> None:
        word = text[1:-1]
        if word in VELOCITIES:
            self.velocity = VELOCITIES[word]
        elif text[0] == "!" and _NOTES_AS_DECORATION.fullmatch(word):
            self.read(word)

    def _ending(self, numbers: str) -> None:
        found: set[int] = set()
        for low, high in re.findall(r"(\d{1,2})(?:-(\d{1,2}))?", numbers):
            found.update(range(int(low), int(high or low) + 1))
        self.marks.append((self.now, "ending", tuple(sorted(found))))

    def _bar(self, text: str) -> None:
        self.now = max(self.now, self.bar_end)
        self.bar_start, self.bar_end = self.now, 0
        self.altered.clear()
        self.tuplet = (0, 1, 1)
        ends = len(text) - len(text.lstrip(":"))
        starts = len(text) - len(text.rstrip(":"))
        if ends == len(text):  # "::" is both
            ends, starts = max(ends // 2, 1), 1
        if ends:
            self.marks.append((self.now, "end", min(ends + 1, 9)))
        if starts:
            self.marks.append((self.now, "start", None))
        if not ends and not starts:
            double = text.count("|") > 1 or "]" in text or "[" in text
            self.marks.append((self.now, "double" if double else "bar", None))
