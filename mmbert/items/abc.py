"""ABC 2.1 tune books, read by our own parser: one Item a tune, numbered by its place in the file.

Read: the fields T C R B M L Q K P V and their inline forms; modes, explicit accidentals; voices; ties, tuplets,
broken rhythm, chords, overlays; repeats, numbered endings and the order of parts are played out. Chord symbols
("Am7") become block chords in a part named ``chords``, held to the next symbol. Passed over: grace notes, lyrics,
decorations other than dynamics, ``D.C.`` and ``D.S.``. Nottingham's ``Y:`` is an order of parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mmbert.errors import ItemError
from mmbert.items import abc_fields, bounds
from mmbert.items.abc_play import PlayError, play
from mmbert.items.abc_voice import Voice
from mmbert.items.text import clean, decode
from mmbert.symbolic.score import Score
from mmbert.types import Item

if TYPE_CHECKING:
    from mmbert.items.reader import File

SUFFIXES: tuple[str, ...] = (".abc",)
NOT = ("E_NOT_ABC", "has no ABC tune", "A tune begins with a line X: and has a line K:")

_FIRST = re.compile(r"^X:[ \t]*\d*", re.M)
_FIELD = re.compile(r"([A-Za-z+]):(?![|:])\s*(.*)")
_VOICE = re.compile(r"\[V:([^\]]{0,200})\]")
_PROGRAM = re.compile(r"(?:%%|I:)\s*MIDI[ =]+program\s+(\d{1,3})(?:\s+(\d{1,3}))?")
_COMMENT = re.compile(r"(?<!\\)%.*")
_INHERITED = "MLQRCBK"  # what a file's header hands to its tunes
_FIELD_LENGTH = 1000  # characters of a field that are read
_NOT_A_COMPOSER = re.compile(
    r"(words|text|lyrics|copyright|setting|arr|arranged|translat|this score|transcri|source)\b", re.I
)
_MUSIC_BY = re.compile(r"\bmusic(?: by)?:\s*(.*?)(?:\s*\b(?:setting|words|arr(?:anged)?|copyright)\b.*)?$", re.I)


def sniff(head: bytes) -> bool:
    """Whether the bytes hold a tune: a line ``X:`` and a line of another header field."""
    if head[:4] == b"%abc":
        return True
    return (
        b"\0" not in head[:4096]
        and re.search(rb"^(?:\xef\xbb\xbf)?X:[ \t]*\d", head, re.M) is not None
        and re.search(rb"^[TKM]:", head, re.M) is not None
    )


@dataclass
class Tune:
    """One tune as read: its fields and its voices in the order of their declaration."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    voices: dict[str, Voice] = field(default_factory=dict)
    part_order: str = ""


def read(file: File) -> Iterator[Item | ItemError]:
    """The tunes of a book; an ItemError in place of a tune refuses that tune.

    Raises:
        ItemError: E_NOT_ABC, E_ABC_LIMIT (too many tunes).
    """
    text = decode(file.data).replace("\r\n", "\n").replace("\r", "\n")
    starts = [m.start() for m in _FIRST.finditer(text)]
    if not starts:
        code, fault, hint = NOT
        raise file.refuse(fault, hint, code)
    if len(starts) > file.limits.tunes:
        hint = "Split the book"
        raise file.refuse(f"has {len(starts)} tunes (at most {file.limits.tunes} are read)", hint, "E_ABC_LIMIT")
    preamble = _file_header(text[: starts[0]])
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(text)])):
        yield _item(file, number, text[start:stop], preamble)


def _item(file: File, number: int, text: str, preamble: dict[str, list[str]]) -> Item | ItemError:
    limits = file.limits
    label = f"tune {number + 1} ({clean(text[:200].partition(chr(10))[0], 40)})"
    if len(text) > limits.tune_bytes:
        return file.refuse(f"{label} is longer than {limits.tune_bytes} characters", "Is it a tune?", "E_ABC_LIMIT")
    try:
        tune = parse(text, preamble, limits.tracks)
        score = play(
            list(tune.voices.values()),
            tune.part_order,
            max_notes=limits.notes,
            max_quarters=limits.quarters,
            max_order=limits.part_order,
        )
        if score is None:
            return file.refuse(f"{label}: No notes", "Is it a tune of words alone?", "E_EMPTY")
        bounds.check_length(file, score, "E_ABC_LIMIT")
    except PlayError as fault:
        return file.refuse(f"{label}: {fault}", "Is a number in it mistyped?", "E_ABC_LIMIT")
    except ItemError as fault:
        return fault
    except (ValueError, ArithmeticError, LookupError) as fault:
        return file.refuse(f"{label} cannot be read ({clean(str(fault), 100)})", "Is it damaged?", "E_DAMAGED")
    return Item("score", file.source(number), metadata(tune), score=score)


def parse_score(text: str) -> Score:
    """The score of one tune (for tests and notebooks).

    Raises:
        ValueError: no notes.

    >>> parse_score("X:1\\nK:D\\nD2 FA|").notes["pitch"].tolist()
    [62, 66, 69]
    """
    tune = parse(text, {}, 64)
    score = play(list(tune.voices.values()), tune.part_order, max_notes=10**6, max_quarters=10**5, max_order=1000)
    if score is None:
        raise ValueError("text: no notes in this tune")
    return score


def metadata(tune: Tune) -> dict[str, str]:
    """Title, composer, form and collection as the fields T, C, R and B state them."""
    first = {name: clean(next((v for v in tune.fields.get(name, ()) if v.strip()), "")) for name in "TRB"}
    found = {
        "title": first["T"],
        "composer": _composer(tune.fields.get("C", [])),
        "form": first["R"],
        "collection": first["B"],
    }
    return {k: v for k, v in found.items() if v}


def _composer(lines: list[str]) -> str:
    """The lines ``C:``; of a hymn's, which name the author and the setting too, what follows ``Music:``."""
    lines = [clean(line) for line in lines]
    for line in lines:
        if m := _MUSIC_BY.search(line):
            return re.sub(r"^'[^']*'\s*,?\s*|^\"[^\"]*\"\s*,?\s*", "", m[1]).strip(" .,;")
    return clean(", ".join(line for line in lines if line and not _NOT_A_COMPOSER.match(line)))


def _file_header(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if (m := _FIELD.match(line)) and m[1] in _INHERITED:
            found.setdefault(m[1], []).append(_COMMENT.sub("", m[2]))
    return found


def parse(text: str, preamble: dict[str, list[str]], max_voices: int) -> Tune:
    """One tune's text, its ``X:`` line first.

    Raises:
        PlayError: more voices than ``max_voices``.
    """
    return _TuneReader(preamble, max_voices).read(text)


class _TuneReader:
    """Reads a tune line by line: the header up to ``K:`` or the first music, then the body."""

    def __init__(self, preamble: dict[str, list[str]], max_voices: int) -> None:
        self.tune = Tune({k: list(v) for k, v in preamble.items()})
        self.inherited = set(preamble)
        self.max_voices = max_voices
        self.in_body = self.has_unit = self.in_text = False
        self.default = Voice()
        self.current: Voice | None = None
        self.system_start = 0  # where the voices of the present system begin, in units
        self.programs: list[tuple[int, int]] = []  # voice number from 1, program
        for name in "MLQK":
            for value in preamble.get(name, ())[-1:]:
                self._header_field(name, value)

    def read(self, text: str) -> Tune:
        music = False
        for line in text.split("\n"):
            if line.startswith("%"):
                self._directive(line)
            elif self.in_text:
                continue
            elif not line.strip():
                if music:  # an empty line ends a tune; what follows is free text
                    break
            elif (m := _FIELD.match(line)) and not (self.in_body and m[1] in "abcdefgz"):
                self._field(m[1], _COMMENT.sub("", m[2]).strip()[:_FIELD_LENGTH], line)
            else:
                self._start_body()
                self._music(_COMMENT.sub("", line))
                music = True
        self._start_body()
        voices = list(self.tune.voices.values())
        for number, program in self.programs:
            if 1 <= number <= len(voices):
                voices[number - 1].program = program
        return self.tune

    def _directive(self, line: str) -> None:
        if line.startswith(("%%begintext", "%%beginps")):
            self.in_text = True
        elif line.startswith(("%%endtext", "%%endps")):
            self.in_text = False
        elif line.startswith(("%%staves", "%%score")) and self.in_body:
            # A new system of voices begins where the old ones have come to (abcm2ps).
            self.system_start = max((v.now for v in self.tune.voices.values()), default=0)
            for voice in self.tune.voices.values():
                voice.now = voice.bar_start = self.system_start
        elif m := _PROGRAM.match(line):
            self._program(m)

    def _program(self, m: re.Match) -> None:
        program = min(int(m[2] or m[1]), 127)
        if m[2]:
            self.programs.append((int(m[1]), program))
        else:
            (self.current or self.default).program = program

    def _field(self, name: str, value: str, line: str) -> None:
        if name == "I" and (m := _PROGRAM.match(line)):
            self._program(m)
        elif name == "V":
            self._voice(value)
        elif not self.in_body:
            if name in self.inherited:
                self.inherited.discard(name)
                self.tune.fields[name] = []
            self.tune.fields.setdefault(name, []).append(value)
            self._header_field(name, value)
            if name == "K":
                self._start_body()
        elif name in "KLMQP":
            self._voice_now().set_field(name, value)

    def _header_field(self, name: str, value: str) -> None:
        if name in "PY":
            self.tune.part_order = value
        elif name in "KLMQ":
            if name == "L":
                self.has_unit = True
            elif name == "M" and not self.has_unit:
                self.default.unit = abc_fields.unit_of(abc_fields.metre(value))
            self.default.set_field(name, value)

    def _start_body(self) -> None:
        if self.in_body:
            return
        self.in_body = True
        if "Q" in self.tune.fields and not self.tune.fields["Q"][-1].strip().startswith("C"):
            self.default.tempos.clear()  # Q: may stand before L:, which it counts by
            self.default.set_field("Q", self.tune.fields["Q"][-1])
        for id_, voice in list(self.tune.voices.items()):
            self.tune.voices[id_] = self._fresh(voice)
        self.current = next(iter(self.tune.voices.values()), None)

    def _fresh(self, declared: Voice) -> Voice:
        """A voice with the header's metre, unit, key and tempo."""
        voice = copy(self.default)
        voice.id, voice.name, voice.octave, voice.transpose = (
            declared.id, declared.name, declared.octave, declared.transpose,
        )  # fmt: skip
        voice.program = declared.program if declared.program is not None else self.default.program
        for name in ("notes", "symbols", "marks", "metres", "tempos", "keys", "group"):
            setattr(voice, name, list(getattr(self.default, name)))
        voice.altered, voice.tied = {}, {}
        voice.now = voice.bar_start = self.system_start
        return voice

    def _voice(self, value: str) -> None:
        id_ = (value.split() or [""])[0]
        if id_ not in self.tune.voices:
            if len(self.tune.voices) >= self.max_voices:
                raise PlayError(f"it has more than {self.max_voices} voices")
            self.tune.voices[id_] = self._fresh(Voice(id_)) if self.in_body else Voice(id_)
        voice = self.tune.voices[id_]
        if m := re.search(r'\b(?:name|nm)=(?:"([^"]*)"|(\S+))', value):
            voice.name = clean(m[1] or m[2] or "")
        for name in ("octave", "transpose"):
            if m := re.search(rf"\b{name}=(-?\d{{1,3}})", value):
                setattr(voice, name, int(m[1]))
        self.current = voice

    def _voice_now(self) -> Voice:
        if self.current is None:
            self.current = self.tune.voices.setdefault("", self._fresh(Voice()))
        return self.current

    def _music(self, line: str) -> None:
        pieces = _VOICE.split(line)  # music, voice, music, voice, music ...
        for i, piece in enumerate(pieces):
            if i % 2:
                self._voice(piece)
            elif piece.strip():
                self._voice_now().read(piece)
