"""Keys and modes in a question: ``D minor``, ``in Bb``, ``F#m``, ``c-Moll``, ``in a minor key`` (no A there)."""

from __future__ import annotations

import re

from mmbert.facets import pitch_class
from mmbert.retrieval.lexicon import GERMAN_NOTES, ROMANCE_NOTES, TONICS, Reading, alternatives, forms
from mmbert.retrieval.sentence import Sentence

_NOTE = r"([a-g])(?:[ -]?(sharp|flat)\b|(#|b)(?![a-z]))?"
_MODE = r"(major|minor|maj|min)\b"
# What may follow ``in A`` or ``in a minor``: an end or a small word, no noun (``in a hurry``, ``in a minor key``).
_STOPS = r"(?=\s*(?:$|[,.;:!?)]|(?:and|with|for|but|without|no|not|please|by|at|on|instead|rather|like)\b))"
_KIND = rf"(?:tunes?|pieces?|melody|melodies|{alternatives(forms())})\b"
_CHURCH_MODES = r"dorian|phrygian|lydian|mixolydian|aeolian|ionian|modal"


def read_keys(s: Sentence) -> None:
    """Take keys and modes."""
    s.each(r"\b([a-h](?:is|es|s)?)[ -]?(dur|moll)\b", _german)
    s.each(rf"\b{_NOTE}[ -]?{_MODE}", lambda m: _tonic_and_mode(s, m))
    s.each(r"\b(do|ut|re|mi|fa|sol|la|si)( diese| bemol| bemolle)? (majeur|mineur|maggiore|minore)\b", _romance)
    s.each(rf"\bin {_NOTE} (?:or|and) {_NOTE}(?![a-z0-9'#-])", lambda m: _two_tonics(s, m))
    s.each(rf"\b(?:in|key(?: of)?)\s+(?:the key of\s+)?{_NOTE}(?![a-z0-9'#-])", lambda m: _tonic_alone(s, m))
    s.each(rf"(?:^|(?<=,))\s*{_NOTE}\s*(?=,|$)", lambda m: _written(s, m))
    s.each(rf"\b([a-g])(?:[ -]?(flat|sharp)|(#|b)) (?={_KIND})", lambda m: _written(s, m))
    s.each(rf"\b{_NOTE} (?={_CHURCH_MODES})", lambda m: _written(s, m))
    s.each(rf"\b(?:cent(?:red|ered) on|tonic) {_NOTE}(?![a-z0-9'#-])", lambda m: _tonic_alone(s, m))
    s.each(rf"\bwith {_NOTE} as (?:the )?tonic\b", lambda m: (("key", "=", _tonic(*m.groups())),))
    s.each(r"^\s*([a-g])(?:[ -](sharp|flat)|(#|b))\s*$", lambda m: (("key", "=", _tonic(*m.groups())),))
    s.each(r"\b([a-g])(#|b)?m\b(?!')", lambda m: _chord(s, m))
    s.each(r"\b(major|minor)\s+(?:instead of|rather than|not)\s+(?:major|minor)\b", lambda m: (("mode", "=", m[1]),))
    s.each(r"\b(?:in |in a )?(major|minor)[- ](?:keys?|keyed|mode|scale|tonality)\b", lambda m: (("mode", "=", m[1]),))
    s.each(rf"\bin (?:the )?(major|minor)\b{_STOPS}", lambda m: (("mode", "=", m[1]),))
    s.each(rf"\b(major|minor)\b(?=\s+(?!canon){_KIND})", lambda m: (("mode", "=", m[1]),))
    s.each(rf"(?:^\s*|(?<=\bnot ))(major|minor)\b{_STOPS}", lambda m: (("mode", "=", m[1]),))


def _tonic(letter: str, word: str | None, sign: str | None) -> str:
    accidental = "#" if word == "sharp" or sign == "#" else "b" if word or sign else ""
    name = letter.upper() + accidental
    if name in TONICS:
        return name
    same = [t for t in sorted(TONICS) if pitch_class(t) == pitch_class(name)]
    return same[0] if same else name


def _tonic_and_mode(s: Sentence, m: re.Match[str]) -> tuple[Reading, ...] | None:
    letter, word, sign, mode = m.groups()
    mode = {"maj": "major", "min": "minor"}.get(mode, mode)
    if letter == "a" and not word and not sign and _is_article(s, m):
        return None
    return ("key", "=", _tonic(letter, word, sign)), ("mode", "=", mode)


def _is_article(s: Sentence, m: re.Match[str]) -> bool:
    """Whether the A of ``a minor ...`` is the small word."""
    rest = s.plain[m.end() :]
    if re.match(r"[- ](?:keys?|keyed|mode|scale|tonality|third|chord)\b", rest):
        return True
    if s.raw[m.start()] == "A" and not s.raw.isupper():
        return m.start() == 0 and not re.match(_STOPS, rest) and not re.match(rf"\s+{_KIND}", rest)
    before = s.plain[: m.start()].rstrip()
    asked = not before or re.search(r"\b(?:in|of|to|into)$", before) is not None
    return not (asked and re.match(_STOPS, rest))


def _tonic_alone(s: Sentence, m: re.Match[str]) -> tuple[Reading, ...] | None:
    letter, word, sign = m.groups()
    plain_a = letter == "a" and not sign
    if plain_a and (s.raw[m.start(1)] == "a" or s.raw.isupper()) and not re.match(_STOPS, s.plain[m.end() :]):
        return None
    return (("key", "=", _tonic(letter, word, sign)),)


def _two_tonics(s: Sentence, m: re.Match[str]) -> None:
    """``in D or G``, each a wish of its own; not ``in a or ...`` where the A is a small word."""
    if any(m[i] == "a" and s.raw[m.start(i)] == "a" for i in (1, 4)):
        return
    s.take(m.start(), max(m.end(i) for i in (1, 2, 3)), (("key", "=", _tonic(*m.groups()[:3])),))
    s.take(m.start(4), m.end(), (("key", "=", _tonic(*m.groups()[3:])),))


def _written(s: Sentence, m: re.Match[str]) -> tuple[Reading, ...] | None:
    """A tonic that only its capital letter tells from a word: ``Bb blues``, ``jig, D, quick``, ``D dorian``."""
    return (("key", "=", _tonic(*m.groups())),) if s.raw[m.start(1)].isupper() else None


def _chord(s: Sentence, m: re.Match[str]) -> tuple[Reading, ...] | None:
    """``F#m``, ``Bbm``; ``Am`` and the like only where a key is asked for, or in front of a form."""
    if s.raw[m.end() - 1] != "m":
        return None
    before, after = s.plain[: m.start()].rstrip(), s.plain[m.end() :]
    asked = re.search(r"(?:\bin|\bkey(?: of)?)$", before) is not None or s.plain.strip() == m.group()
    listed = re.search(r"(?:^|,)$", before) is not None and re.match(r"\s*(?:,|$)", after) is not None
    written = s.raw[m.start()].isupper() and (listed or re.match(rf"\s+{_KIND}", after) is not None)
    return (("key", "=", _tonic(m[1], None, m[2])), ("mode", "=", "minor")) if m[2] or asked or written else None


def _german(m: re.Match[str]) -> tuple[Reading, ...] | None:
    note = GERMAN_NOTES.get(m[1])
    return (("key", "=", _tonic(note[0].lower(), None, note[1:] or None)), _mode_of(m[2])) if note else None


def _romance(m: re.Match[str]) -> tuple[Reading, ...]:
    sign = "#" if m[2] == " diese" else "b" if m[2] else None
    return ("key", "=", _tonic(ROMANCE_NOTES[m[1]].lower(), None, sign)), _mode_of(m[3])


def _mode_of(word: str) -> Reading:
    return ("mode", "=", "minor" if word in ("moll", "mineur", "minore") else "major")
