"""What a part is called, and what follows from it: its role, and its General MIDI program where none is stated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from mmbert.facets import fold
from mmbert.symbolic.instruments import NAMES
from mmbert.symbolic.score import Part, Role

_MELODY = (
    "melody", "melodie", "melodia", "voice", "vocal", "vocals", "singer", "singstimme", "gesang", "stimme", "chant",
    "canto", "voix", "lead", "solo", "tune", "soprano", "sopran", "soprani", "treble", "descant", "diskant",
)  # fmt: skip
_ACCOMPANIMENT = (
    "piano", "pianoforte", "fortepiano", "klavier", "accompaniment", "accomp", "acc", "begleitung", "chords", "chord",
    "harmony", "rhythm", "comp", "pad", "continuo", "left hand", "lh",
)  # fmt: skip
_BASS = ("bass", "basso", "base", "contrabass", "double bass", "kontrabass", "contrabasso", "bassline")
_FIRST_VIOLIN = re.compile(
    r"\b(violin|violino|violine|vln|vl|violon|fiddle)\.? ?(i|1|primo|1st)\b|\b(1st|first) violin\b"
)

# Names on scores that General MIDI's own do not cover; the first that is found in the name holds.
_SCORE_NAMES: tuple[tuple[str, int], ...] = (
    ("voice oohs", 53), ("choir", 52), ("chorus", 52), ("chor", 52), ("coro", 52), ("choeur", 52),
    ("soprano sax", 64), ("alto sax", 65), ("tenor sax", 66), ("baritone sax", 67), ("saxophon", 65), ("sax", 65),
    ("singstimme", 53), ("voice", 53), ("vocal", 53), ("voix", 53), ("canto", 53), ("gesang", 53), ("stimme", 53),
    ("chant", 53), ("singer", 53), ("mezzo", 53), ("soprano", 53), ("sopran", 53), ("contralto", 53), ("tenor", 53),
    ("tenore", 53), ("baritone", 53), ("baryton", 53), ("bariton", 53), ("alto", 53), ("alt", 53), ("treble", 53),
    ("harpsichord", 6), ("cembalo", 6), ("clavecin", 6), ("clavichord", 7), ("celesta", 8), ("harmonium", 20),
    ("organ", 19), ("orgel", 19), ("orgue", 19), ("organo", 19), ("accordion", 21), ("akkordeon", 21),
    ("electric piano", 4), ("pianoforte", 0), ("fortepiano", 0), ("klavier", 0), ("piano", 0), ("keyboard", 0),
    ("harp", 46), ("harfe", 46), ("harpe", 46), ("arpa", 46), ("lute", 24), ("laute", 24), ("mandolin", 25),
    ("bass guitar", 33), ("guitar", 24), ("guitare", 24), ("gitarre", 24), ("chitarra", 24), ("ukulele", 24),
    ("violoncello", 42), ("violoncelli", 42), ("violoncelle", 42), ("cello", 42), ("celli", 42),
    ("vlc", 42), ("vc", 42),
    ("contrabassoon", 70), ("contrabass", 43), ("contrabbasso", 43), ("contrebasse", 43), ("kontrabass", 43),
    ("double bass", 43), ("viola", 41), ("bratsche", 41), ("alto viola", 41), ("vla", 41), ("viole", 41),
    ("violin", 40), ("violino", 40), ("violini", 40), ("violine", 40), ("violon", 40), ("geige", 40), ("vln", 40),
    ("fiddle", 40), ("strings", 48), ("streicher", 48), ("archi", 48),
    ("piccolo", 72), ("recorder", 74), ("blockflote", 74), ("flute", 73), ("flauto", 73), ("flauti", 73), ("flote", 73),
    ("english horn", 69), ("corno inglese", 69), ("englischhorn", 69), ("oboe", 68), ("oboi", 68), ("hautbois", 68),
    ("clarinet", 71), ("clarinetto", 71), ("clarinetti", 71), ("klarinette", 71), ("clarinette", 71),
    ("bassoon", 70), ("fagotto", 70), ("fagotti", 70), ("fagott", 70), ("basson", 70),
    ("french horn", 60), ("horn", 60), ("corno", 60), ("corni", 60), ("cor", 60), ("trumpet", 56), ("tromba", 56),
    ("trombe", 56), ("trompete", 56), ("trompette", 56), ("cornet", 56), ("trombone", 57), ("posaune", 57),
    ("tuba", 58), ("timpani", 47), ("pauken", 47), ("glockenspiel", 9), ("bagpipe", 109), ("bagpipes", 109),
    ("bass", 53),
)  # fmt: skip


def _words(name: str) -> str:
    return " ".join(re.sub(r"[^\w#]+", " ", fold(name).replace("_", " ")).split())


def _has(words: str, wanted: str) -> bool:
    return re.search(rf"(?:^| ){re.escape(wanted)}(?: |\d|$)", words) is not None


@lru_cache(maxsize=4096)
def role_of(name: str, is_drum: bool = False) -> Role:
    """Role that a part's name states.

    Drums by channel; else the first of melody, accompaniment and bass that the name has a word of
    (``Violin I`` is a melody); else unknown. Pitches are never looked at.

    >>> [role_of(n) for n in ("MELODY", "Violin I", "Violin II", "Pianoforte", "Kontrabass", "Track 3")]
    ['melody', 'melody', 'unknown', 'accompaniment', 'bass', 'unknown']
    """
    if is_drum:
        return "drums"
    words = _words(name)
    if any(_has(words, w) for w in _MELODY) or _FIRST_VIOLIN.search(words):
        return "melody"
    if any(_has(words, w) for w in _ACCOMPANIMENT):
        return "accompaniment"
    return "bass" if any(_has(words, w) for w in _BASS) else "unknown"


def with_roles(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts with roles from their names.

    A lone pitched part accompanies nothing, so it stays unknown; beside chord symbols it is the melody, whatever
    a lead sheet calls it.
    """
    named = [p if p.role != "unknown" else replace(p, role=role_of(p.name, p.is_drum)) for p in parts]
    pitched = [p for p in named if not p.is_drum and p.written]
    if len(pitched) == 1 and pitched[0].role in ("accompaniment", "unknown"):
        role: Role = "melody" if any(not p.written for p in named) else "unknown"
        named = [replace(p, role=role) if p is pitched[0] else p for p in named]
    return tuple(named)


@lru_cache(maxsize=4096)
def program_of(name: str) -> int | None:
    """General MIDI program 0-127 that a part's name states, None where it states none.

    >>> program_of("Violino I"), program_of("Pianoforte"), program_of("Soprano"), program_of("Primo")
    (40, 0, 53, None)
    """
    words = _words(name)
    if words in NAMES:
        return NAMES.index(words)
    return next((program for wanted, program in _SCORE_NAMES if _has(words, wanted)), None)


_NO_TITLE = re.compile(
    r"(midi |new )?(track|sequence|part|staff|channel|voice|inst(rument)?|control track|tempo( track| map)?|"
    r"untitled|unnamed|conductor( track)?|master|meta( track)?|right hand|left hand|upper|lower|rh|lh|up|down|solo|seq|"
    r"grand piano|wood block|none|no name|default|midi( out| in| file)?|time( sig(nature)?)?|signature)?[ #:_.-]*\d*"
)


def is_title(name: str) -> bool:
    """Whether the name of a first track may be the piece's title: no instrument, role, file code or placeholder.

    >>> is_title("Greensleaves"), is_title("Piano"), is_title("Piano, Keys 1"), is_title("Track 1"), is_title("take_02")
    (True, False, False, False, False)
    >>> is_title("Piano Sonata No. 2"), is_title("The Four Seasons, Spring")
    (True, True)
    """
    words = _words(name.partition(",")[0])
    code = " " not in name.strip() and re.search(r"[\d_]", name) is not None
    if len(words) < 2 or code or _NO_TITLE.fullmatch(words):
        return False
    bare = re.sub(r" ?\b(i{1,3}|iv|v|\d+|left|right|hand|staff|rh|lh|primo|secondo)\b", "", words).strip()
    instrument = bare in NAMES or any(bare == wanted for wanted, _ in _SCORE_NAMES)
    return not (instrument or bare in (*_MELODY, *_ACCOMPANIMENT, *_BASS, "drums", "percussion", ""))
