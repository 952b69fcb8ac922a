"""The list of facets: how each is labelled, worded and compared, for all that shows, filters or learns facets.

The values live in :class:`mmbert.types.Facets`; ``mmbert.symbolic.facets`` measures them.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal

from mmbert.errors import UsageError
from mmbert.symbolic.instruments import NAMES, family_of
from mmbert.types import Condition, Facets, Operator

ValueKind = Literal["key", "category", "number", "list", "flag", "text"]


@dataclass(frozen=True)
class Fact:
    """How one facet is worded and compared.

    Attributes:
        label: Column heading.
        kind: ``key`` (pitch class, enharmonics equal), ``category`` (exact, case-folded), ``number``, ``list``
            (``=`` means contains), ``flag``, ``text`` (``=`` and ``~`` mean contains, case- and accent-folded).
        unit: Behind a number, such as ``bpm``.
        digits: Decimals shown.
    """

    label: str
    kind: ValueKind
    unit: str = ""
    digits: int = 0


FACETS: dict[str, Fact] = {
    "key": Fact("Key", "key"),
    "mode": Fact("Mode", "category"),
    "key_confidence": Fact("Key confidence", "number", "", 2),
    "tempo_bpm": Fact("Tempo", "number", "bpm"),
    "tempo_confidence": Fact("Tempo confidence", "number", "", 2),
    "pace": Fact("Pace", "number", "", 1),
    "metre": Fact("Metre", "category"),
    "bars": Fact("Bars", "number"),
    "duration_s": Fact("Length", "number", "s"),
    "instruments": Fact("Instruments", "list"),
    "families": Fact("Families", "list"),
    "has_drums": Fact("Drums", "flag"),
    "parts": Fact("Parts", "number"),
    "polyphony": Fact("Voices at once", "number", "", 1),
    "notes_per_bar": Fact("Notes a bar", "number", "", 1),
    "pitch_low": Fact("Lowest", "number"),
    "pitch_high": Fact("Highest", "number"),
    "velocity_mean": Fact("Velocity", "number"),
    "loudness_db": Fact("Loudness", "number", "dB", 1),
    "sounds": Fact("Sounds", "list"),
    "form": Fact("Form", "category"),
    "title": Fact("Title", "text"),
    "composer": Fact("Composer", "text"),
}
if tuple(FACETS) != tuple(f.name for f in fields(Facets)):
    raise AssertionError("mmbert.facets.FACETS and mmbert.types.Facets name different facets")

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MAJOR_TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


def tonic_name(pitch_class: int, mode: str) -> str:
    """Spelling of a tonic with the fewest accidentals.

    >>> tonic_name(1, "major"), tonic_name(1, "minor")
    ('Db', 'C#')
    """
    return (MINOR_TONICS if mode == "minor" else MAJOR_TONICS)[pitch_class % 12]


def pitch_class(name: str) -> int | None:
    """Pitch class 0-11 of a note name, None where it is none.

    >>> pitch_class("Bb"), pitch_class("f#"), pitch_class("E flat"), pitch_class("H")
    (10, 6, 3, None)
    """
    m = re.fullmatch(r"\s*([A-Ga-g])\s*[-\s]?(#|♯|sharp|b|♭|flat)?\s*", name)
    if not m:
        return None
    shift = {"#": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}.get(m[2] or "", 0)
    return (_STEPS[m[1].upper()] + shift) % 12


def fold(text: str) -> str:
    """Lower case without accents, for comparing text.

    >>> fold("Dvořák")
    'dvorak'
    """
    if text.isascii():  # most text: nothing to take apart
        return text.lower()
    import unicodedata

    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def show(name: str, facets: Facets) -> str:
    """One facet as a person reads it; empty where unknown.

    >>> f = Facets(key="D", mode="minor", tempo_bpm=91.7, duration_s=125, instruments=("violin", "piano"), bars=32)
    >>> show("key", f), show("tempo_bpm", f), show("duration_s", f), show("instruments", f)
    ('D minor', '92 bpm', '2:05', 'violin, piano')
    """
    value = getattr(facets, name)
    if value is None or value == ():
        return ""
    if name == "key":
        return f"{value} {facets.mode}" if facets.mode else str(value)
    if name == "duration_s":
        return f"{int(value) // 60}:{int(value) % 60:02d}"
    if name == "pace":
        return f"{value:.1f} onsets a {facets.pace_unit}"
    if name in ("pitch_low", "pitch_high"):
        return note_name(int(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, (int, float)):
        number = f"{value:.{FACETS[name].digits}f}"
        return f"{number} {FACETS[name].unit}".rstrip()
    return str(value)


def note_name(pitch: int) -> str:
    """MIDI pitch as a note name, middle C = C4.

    >>> note_name(60), note_name(61)
    ('C4', 'C#4')
    """
    return f"{('C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B')[pitch % 12]}{pitch // 12 - 1}"


def satisfied(condition: Condition, facets: Facets) -> bool | None:
    """Whether facets fit a condition; None where the facet is unknown (neither true nor false).

    >>> f = Facets(tempo_bpm=84.0, instruments=("violin", "piano"), key="Db", mode="major")
    >>> satisfied(Condition("tempo_bpm", "<", 90), f), satisfied(Condition("instruments", "=", "Violin"), f)
    (True, True)
    >>> satisfied(Condition("key", "=", "C#"), f), satisfied(Condition("metre", "=", "3/4"), f)
    (True, None)
    """
    value = getattr(facets, condition.facet)
    if value is None or (value == () and facets.parts is None):
        return None
    wanted, operator, kind = condition.value, condition.operator, FACETS[condition.facet].kind
    if kind == "number":
        number = float(value)
        return {
            "=": abs(number - float(wanted)) <= 1e-9 + 0.005 * abs(float(wanted)),
            "!=": abs(number - float(wanted)) > 1e-9 + 0.005 * abs(float(wanted)),
            "<": number < float(wanted),
            "<=": number <= float(wanted),
            ">": number > float(wanted),
            ">=": number >= float(wanted),
        }[operator]
    if kind == "flag":
        fits = bool(value) == bool(wanted)
    elif kind == "key":
        fits = pitch_class(str(value)) == pitch_class(str(wanted))
    elif kind == "list":
        fits = any(_has_word(fold(v), fold(str(wanted))) for v in value)
    elif kind == "text" or operator == "~":
        fits = fold(str(wanted)) in fold(str(value))
    else:
        fits = fold(str(value)) == fold(str(wanted))
    return not fits if operator == "!=" else fits


def _has_word(text: str, wanted: str) -> bool:
    """``guitar`` is in ``nylon guitar``, ``sax`` in ``alto sax``; ``organ`` is not in ``organic``."""
    return re.search(rf"\b{re.escape(wanted)}\b", text) is not None


_WHERE = re.compile(r"\s*([a-z_]+)\s*(<=|>=|!=|=|<|>|~)\s*(.+?)\s*")


def parse_where(text: str) -> tuple[Condition, ...]:
    """``--where`` text as hard conditions; ``key=D minor`` gives two.

    Raises:
        UsageError: for an unknown facet (with the nearest known name), operator or value.

    >>> [str(c) for c in parse_where("tempo_bpm<90")], [str(c) for c in parse_where("key=D minor")]
    (['tempo_bpm<90'], ['key=D', 'mode=minor'])
    """
    m = _WHERE.fullmatch(text)
    if not m:
        raise UsageError(f"--where {text!r}", "is not a condition", "Write FACET OPERATOR VALUE, such as tempo_bpm<90")
    name, operator, raw = m[1], m[2], m[3].strip("\"'")
    if name not in FACETS:
        near = difflib.get_close_matches(name, FACETS, 1)
        hint = f"Did you mean {near[0]}?" if near else f"The facets are: {', '.join(FACETS)}"
        raise UsageError(f"--where {text!r}", f"no facet is called {name}", hint)
    if name == "key" and re.search(r"\b(major|minor)\b", raw, re.I):
        if operator == "!=":
            raise UsageError(
                f"--where {text!r}", "cannot leave out a key and mode together", "Write key!=D or mode!=minor"
            )
        tonic, _, mode = raw.rpartition(" ")
        return (_checked(text, "key", operator, tonic), _checked(text, "mode", operator, mode.lower()))
    return (_checked(text, name, operator, raw),)


def _checked(text: str, name: str, operator: str, raw: str) -> Condition:
    kind = FACETS[name].kind
    if kind != "number" and operator in ("<", "<=", ">", ">="):
        raise UsageError(f"--where {text!r}", f"{name} has no order", "Use =, != or ~")
    if kind == "number" and operator == "~":
        raise UsageError(f"--where {text!r}", f"{name} is a number", "Use =, !=, <, <=, > or >=")
    value: Any = raw
    if kind == "number":
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UsageError(f"--where {text!r}", f"{raw!r} is not a number")
    elif kind == "flag":
        if raw.lower() not in ("true", "false", "yes", "no", "1", "0"):
            raise UsageError(f"--where {text!r}", f"{name} is true or false, not {raw!r}")
        value = raw.lower() in ("true", "yes", "1")
    elif kind == "key" and pitch_class(raw) is None:
        raise UsageError(
            f"--where {text!r}", f"{raw!r} is not a note name", "Write C, F# or Bb, with or without major/minor"
        )
    return Condition(name, _operator(operator), value, hard=True)


def _operator(text: str) -> Operator:
    return text  # type: ignore[return-value]  # the pattern of _WHERE admits operators alone


def from_mapping(known: Mapping[str, Any]) -> Facets:
    """Facets from a JSON object, unknown names ignored (an older or newer library may have others)."""
    return Facets.from_known({k: v for k, v in known.items() if k in FACETS})


# ---- tokens: the same facts as a closed vocabulary --------------------------------------------------
# One token is one statement such as ``pace=fast``. The model reads them, captions say them, the oracle row
# of an evaluation counts them. A middle class carries no token where nobody would say it in words.

METRES = ("2/2", "2/4", "3/2", "3/4", "3/8", "4/4", "4/2", "5/4", "6/4", "6/8", "7/8", "9/8", "12/8")
FORMS = (
    "air", "anthem", "aria", "ballad", "barcarolle", "blues", "bourree", "canon", "carol", "chorale", "courante",
    "dance", "etude", "fantasia", "fugue", "galliard", "gavotte", "gigue", "hornpipe", "hymn", "invention", "jig",
    "lament", "lied", "lullaby", "march", "mazurka", "minuet", "nocturne", "overture", "pavane", "polka", "prelude",
    "quartet", "ragtime", "reel", "romance", "rondo", "sarabande", "scherzo", "schottische", "slip jig", "sonata",
    "song", "strathspey", "study", "suite", "swing", "tango", "theme", "toccata", "trio", "variations", "waltz",
)  # fmt: skip


@dataclass(frozen=True)
class Bins:
    """Upper bounds (exclusive) of the classes of a number; a class named "" has no token."""

    bounds: tuple[float, ...]
    names: tuple[str, ...]

    def name(self, value: float) -> str:
        """Class of a value."""
        return self.names[sum(value >= b for b in self.bounds)]


# Outer classes hold roughly the outer quarters of the training works, moved to where musicians draw the line: most
# jigs and reels are fast, waltzes and hymns are not; most folk tunes lie high, most piano pieces neither high nor low.
BINS: dict[str, Bins] = {
    "tempo": Bins((76, 104, 132), ("slow", "moderate", "brisk", "fast")),  # quarter notes a minute
    "pace_second": Bins((2.1, 4.3), ("slow", "medium", "fast")),  # onsets a second
    "pace_bar": Bins((3.2, 4.6), ("slow", "medium", "fast")),  # onsets a bar
    "length": Bins((60, 240), ("short", "", "long")),  # seconds
    "bars": Bins((20, 72), ("few", "", "many")),
    "parts": Bins((2, 3, 4, 5), ("one", "two", "three", "four", "many")),
    "texture": Bins((1.15, 2.3, 4.6), ("single line", "thin", "", "thick")),  # notes sounding at once
    "density": Bins((5.5, 19), ("sparse", "", "dense")),  # notes a bar, all parts
    "range": Bins((15, 55), ("narrow", "", "wide")),  # semitones, all written parts
    "register": Bins((57, 70), ("low", "", "high")),  # middle of lowest and highest pitch
    "dynamics": Bins((60, 90), ("soft", "", "loud")),  # mean velocity
}


def tokens_of(facets: Facets) -> tuple[str, ...]:
    """The statements that are true of a piece, in a fixed order.

    >>> tokens_of(Facets(key="D", mode="major", metre="6/8", bars=16, pace=6.6, parts=1, form="Jig"))
    ('key=D', 'mode=major', 'metre=6/8', 'pace=fast', 'bars=few', 'parts=one', 'mood=happy', 'form=jig')
    """
    found: list[str] = []

    def add(name: str, value: str | None) -> None:
        if value:
            found.append(f"{name}={value}")

    def binned(name: str, value: float | None, bins: str | None = None) -> None:
        if value is not None:
            add(name, BINS[bins or name].name(value))

    if facets.key is not None and facets.mode is not None:
        add("key", tonic_name(pitch_class(facets.key) or 0, facets.mode))
        add("mode", facets.mode)
    if facets.metre in METRES:
        add("metre", facets.metre)
    binned("tempo", facets.tempo_bpm)
    binned("pace", facets.pace, f"pace_{facets.pace_unit}")
    binned("length", facets.duration_s if facets.tempo_bpm is not None or facets.free_time else None)
    binned("bars", facets.bars)
    for instrument in facets.instruments:
        add("instrument", instrument if instrument in NAMES else None)
    for family in facets.families:
        add("family", family)
    if facets.has_drums:
        add("drums", "yes")
    binned("parts", facets.parts)
    binned("texture", facets.polyphony)
    binned("density", facets.notes_per_bar)
    if facets.pitch_low is not None and facets.pitch_high is not None:
        binned("range", facets.pitch_high - facets.pitch_low)
        binned("register", (facets.pitch_low + facets.pitch_high) / 2)
    binned("dynamics", facets.velocity_mean)
    for mood in moods(found):
        add("mood", mood)
    add("form", form_token(facets.form))
    return tuple(found)


# What a mood is derived from; every statement of a row must hold. Happy, calm, sad and agitated are the quadrants that
# mode (valence) and pace (arousal) span; the others are Hevner's findings for tempo and pitch, density as force.
# Hevner, "The affective value of pitch and tempo in music", American Journal of Psychology 49, 1937; Gabrielsson and
# Lindstrom, "The role of structure in the musical expression of emotions", in Juslin and Sloboda 2010.
MOODS: dict[str, tuple[str, ...]] = {
    "happy": ("fast", "mode=major"),
    "calm": ("slow", "mode=major"),
    "sad": ("slow", "mode=minor"),
    "agitated": ("fast", "mode=minor"),
    "solemn": ("slow", "register=low"),
    "dreamy": ("slow", "density=sparse"),
    "playful": ("fast", "mode=major", "register=high"),
    "energetic": ("fast", "density=dense"),
}
SPEEDS = {"slow": {"tempo": ("slow", "moderate"), "pace": ("slow",)},
           "fast": {"tempo": ("brisk", "fast"), "pace": ("fast",)}}  # fmt: skip


def moods(statements: Sequence[str]) -> tuple[str, ...]:
    """Moods derived from mode, speed, density and register; nobody stated or measured them.

    Slow and fast are said where pace says so and a stated tempo does not contradict.

    >>> moods(("mode=minor", "tempo=slow", "pace=slow")), moods(("mode=minor", "tempo=fast", "pace=slow"))
    (('sad',), ())
    """
    said = dict(s.split("=", 1) for s in statements)
    holds = set(statements) | {
        speed
        for speed, allowed in SPEEDS.items()
        if said.get("pace") in allowed["pace"] and said.get("tempo", allowed["tempo"][0]) in allowed["tempo"]
    }
    return tuple(mood for mood, needed in MOODS.items() if holds.issuperset(needed))


# What must be known for a statement to be true or false. A form is not here: what a file calls itself excludes no other
# word for it, a quartet may be a minuet.
_SPEAKS: dict[str, tuple[str, ...]] = {
    "key": ("key", "mode"), "mode": ("key", "mode"), "metre": ("metre",), "tempo": ("tempo_bpm",), "pace": ("pace",),
    "length": ("duration_s",), "bars": ("bars",), "instrument": ("instruments",), "family": ("families",),
    "drums": ("has_drums",), "parts": ("parts",), "texture": ("polyphony",), "density": ("notes_per_bar",),
    "range": ("pitch_low", "pitch_high"), "register": ("pitch_low", "pitch_high"), "dynamics": ("velocity_mean",),
}  # fmt: skip


def denied(facets: Facets) -> frozenset[str]:
    """Statements that a piece's facts speak against: other values of what is known; moods that need one of those.

    What a network does not hear in a recording may sound in it all the same: nothing speaks against that.

    >>> minor = denied(Facets(key="A", mode="minor", instruments=("violin",)))
    >>> sorted(minor & {"mode=major", "mode=minor", "mood=happy", "mood=sad", "instrument=flute", "metre=3/4"})
    ['instrument=flute', 'mode=major', 'mood=happy']
    >>> sorted(t for t in denied(Facets(instruments=("violin",), sounds=("Violin, fiddle",))) if "flute" in t)
    []
    """
    true = frozenset(tokens_of(facets))
    unknown = {name for name, needed in _SPEAKS.items() if any(getattr(facets, f) in (None, ()) for f in needed)}
    if facets.tempo_bpm is None and not facets.free_time:
        unknown.add("length")
    if facets.sounds:
        unknown |= {"instrument", "family"}
    found = {t for t in TOKENS if (name := t.partition("=")[0]) in _SPEAKS and name not in unknown and t not in true}
    slow_or_fast = {
        speed
        for speed, allowed in SPEEDS.items()
        if any(name not in unknown and not {f"{name}={v}" for v in values} & true for name, values in allowed.items())
    }
    return frozenset(found | {f"mood={mood}" for mood, needed in MOODS.items() if {*needed} & (found | slow_or_fast)})


FORM_SPELLINGS = {
    "allemande": "dance", "art song": "song", "berceuse": "lullaby", "canción": "song", "chanson": "song",
    "corrente": "courante", "danza": "dance", "dirge": "lament", "double jig": "jig", "elegie": "lament",
    "elegy": "lament", "étude": "etude", "fantasie": "fantasia", "fantasy": "fantasia", "fuga": "fugue",
    "fuge": "fugue", "gaillarde": "galliard", "gavota": "gavotte", "gavotta": "gavotte", "giga": "gigue",
    "jigs": "jig", "lieder": "lied", "lullabies": "lullaby", "marcha": "march", "marche": "march", "marsch": "march",
    "mazurca": "mazurka", "menuet": "minuet", "menuett": "minuet", "menuetto": "minuet", "minué": "minuet",
    "minuetto": "minuet", "ouverture": "overture", "pavan": "pavane", "polca": "polka", "praeludium": "prelude",
    "preludio": "prelude", "rag": "ragtime", "rags": "ragtime", "reinländer": "schottische", "romanza": "romance",
    "rondeau": "rondo", "sarabanda": "sarabande", "schottis": "schottische", "scottiche": "schottische",
    "single jig": "jig", "sonatina": "sonata", "sonatine": "sonata", "string quartet": "quartet", "tonada": "song",
    "vals": "waltz", "valse": "waltz", "variaciones": "variations", "variation": "variations", "walzer": "waltz",
    "waltzes": "waltz", "wiegenlied": "lullaby",
}  # fmt: skip


@lru_cache(maxsize=4096)  # a corpus repeats its few words, and a hundred patterns are tried for each
def form_token(form: str | None) -> str | None:
    """The listed form that a file's own word for itself names, None where it names none.

    >>> form_token("Reels"), form_token("Slip Jig"), form_token("string quartet (all movements)")
    ('reel', 'slip jig', 'quartet')
    """
    if not form:
        return None
    text = fold(form)
    for spelling, name in FORM_SPELLINGS.items():
        if _has_word(text, fold(spelling)):
            return "slip jig" if name == "jig" and "slip" in text else name
    found = [name for name in FORMS if _has_word(text, name) or _has_word(text, name + "s")]
    return max(found, key=len) if found else None


def _token_vocabulary() -> tuple[str, ...]:
    out = [f"key={t}" for t in dict.fromkeys((*MAJOR_TONICS, *MINOR_TONICS))] + ["mode=major", "mode=minor"]
    out += [f"metre={m}" for m in METRES]
    for name, bins in BINS.items():
        out += [f"{name.removesuffix('_second').removesuffix('_bar')}={c}" for c in bins.names if c]
    out += [f"instrument={n}" for n in NAMES] + ["drums=yes"]
    out += [f"family={f}" for f in dict.fromkeys(family_of(p) for p in range(128))] + ["family=drums"]
    out += [f"mood={m}" for m in MOODS]
    out += [f"form={f}" for f in FORMS]
    return tuple(dict.fromkeys(out))


TOKENS: tuple[str, ...] = _token_vocabulary()
