"""Numbers in a question: tempo, length, bars, parts, metre, range, and operators such as ``tempo_bpm<90``."""

from __future__ import annotations

import re

from mmbert.errors import UsageError
from mmbert.facets import FACETS
from mmbert.retrieval.conditions import read_where
from mmbert.retrieval.lexicon import FACET_ALIASES, IN_N, METRES, MIDDLE_C, NUMBER_WORDS, Reading
from mmbert.retrieval.sentence import Sentence

TEMPO_TOLERANCE = 0.08  # "about 90 bpm": 8 % each way
LENGTH_TOLERANCE = 0.1

_N = r"(\d{1,6}(?:\.\d{1,6})?)"
_COUNT = rf"(\d{{1,6}}(?:\.\d{{1,6}})?|{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))})"
_BPM = r"(?:-?ish)?\s*(?:bpm|qpm|beats (?:per|a) minute)\b"
_UNDER = r"(under|below|(?:less|fewer|shorter|(?:no|not) (?:more|longer)) than|at most|up to|within|max)"
_OVER = r"(over|above|(?:more|longer|no less|no fewer) than|at least|min)"
_TIME = r"[- ]?(seconds?|secs?|minutes?|mins?|(?<=\d)s|(?<=\d)m)\b"
_PITCH = r"(middle c|[a-g][#b]?-?\d)"


def read_numbers(s: Sentence) -> None:
    """Take everything that has a number in it. Order matters: the longer wording first."""
    _operators(s)
    _tempo(s)
    _metre(s)
    _length(s)
    _parts_and_bars(s)
    _range(s)


def _operators(s: Sentence) -> None:
    names = "|".join(sorted((*FACETS, *FACET_ALIASES), key=len, reverse=True))
    value = r"(\"[^\"]+\"|[^\s,;\"]+(?:\s+(?:major|minor)\b)?)"

    def rule(m: re.Match[str]) -> tuple[Reading, ...] | None:
        facet, operator = FACET_ALIASES.get(m[1], m[1]), m[2].strip().replace(":", "=")
        raw = s.raw[m.start(3) : m.end(3)].strip('"')
        span = re.fullmatch(rf"{_N}(?:-|\.\.){_N}", raw)
        if span and FACETS[facet].kind == "number":
            return ((facet, ">=", float(span[1])), (facet, "<=", float(span[2])))
        try:
            found = read_where(f"{facet}{operator}{raw}")
        except UsageError:
            return None
        return tuple((c.facet, c.operator, c.value) for c in found)

    s.each(rf"\b({names})(\s*(?:<=|>=|!=|=|<|>|~)\s*|:\s?){value}", rule, hard=True)


def _tempo(s: Sentence) -> None:
    def between(m: re.Match[str]) -> tuple[Reading, ...]:
        return ("tempo_bpm", ">=", float(m[1])), ("tempo_bpm", "<=", float(m[2]))

    def about(m: re.Match[str]) -> tuple[Reading, ...]:
        return _near("tempo_bpm", float(m[1]), TEMPO_TOLERANCE)

    s.each(rf"\b(?:between |from )?{_N}\s*(?:-|and|to)\s*{_N}{_BPM}", between)
    s.each(rf"\btempo (?:of |between |from )?{_N}\s*(?:-|and|to)\s*{_N}\b", between)
    s.each(rf"\b(?:faster|quicker) than {_N}(?:{_BPM})?", lambda m: (("tempo_bpm", ">", float(m[1])),))
    s.each(rf"\bslower than {_N}(?:{_BPM})?", lambda m: (("tempo_bpm", "<", float(m[1])),))
    for comparison in (_OVER, _UNDER):
        s.each(rf"\b{comparison} {_N}{_BPM}", lambda m: _beyond("tempo_bpm", m[1], float(m[2])))
    for comparison in (_OVER, _UNDER):
        s.each(rf"\btempo {comparison} {_N}\b", lambda m: _beyond("tempo_bpm", m[1], float(m[2])))
    s.each(rf"(?:♩|\bquarter(?: note)?|\bcrotchet)\s*=\s*{_N}", about)
    s.each(rf"(?:\b(?:about|around|roughly|circa|ca\.?|at)\s+|~\s*|\b){_N}{_BPM}", about)
    s.each(rf"\btempo (?:of )?(?:about |around )?{_N}\b", about)


def _near(facet: str, value: float, tolerance: float) -> tuple[Reading, ...]:
    return (facet, ">=", value * (1 - tolerance)), (facet, "<=", value * (1 + tolerance))


def _beyond(facet: str, comparison: str, value: float) -> tuple[Reading, ...]:
    """One bound; ``at most``, ``no more than`` and ``at least`` include it."""
    inclusive = comparison.startswith(("at ", "no", "up", "within", "max", "min"))
    more = comparison.startswith(("over", "above", "more", "longer", "at least", "no less", "no fewer", "min"))
    return ((facet, (">" if more else "<") + "=" * inclusive, value),)


def _number(text: str) -> float:
    return NUMBER_WORDS.get(text) or float(text)


def _seconds(count: str, unit: str) -> float:
    return _number(count) * (60 if unit.startswith("m") else 1)


def _length(s: Sentence) -> None:
    def about(m: re.Match[str]) -> tuple[Reading, ...]:
        return _near("duration_s", _seconds(m[1], m[2]), LENGTH_TOLERANCE)

    def between(m: re.Match[str]) -> tuple[Reading, ...]:
        return ("duration_s", ">=", _seconds(m[1], m[3])), ("duration_s", "<=", _seconds(m[2], m[3]))

    def clock(m: re.Match[str]) -> tuple[Reading, ...]:
        return _near("duration_s", int(m[1]) * 60 + int(m[2]), LENGTH_TOLERANCE)

    s.each(r"\b(\d{1,3}):([0-5]\d)\b(?: long| minutes?)?", clock)
    s.each(r"\b(\d{1,3}) ?(?:minutes?|mins?|m)(?: and)? ?(\d{1,2}) ?(?:seconds?|secs?|s)\b(?: long)?", clock)
    s.each(rf"\b(?:between |from )?{_COUNT} (?:and|to) {_COUNT}{_TIME}(?: long)?", between)
    for comparison in (_UNDER, _OVER):
        s.each(
            rf"\b{comparison} {_COUNT}{_TIME}(?: long)?",
            lambda m: _beyond("duration_s", m[1], _seconds(m[2], m[3])),
        )
    s.each(rf"\b(?:about |around |lasting )?(?!an? ){_COUNT}{_TIME}(?: long)?", about)


def _parts_and_bars(s: Sentence) -> None:
    bars = r"[- ](?:bars?|measures?)\b(?: long)?"
    for comparison in (_UNDER, _OVER):
        s.each(rf"\b{comparison} {_COUNT}{bars}", lambda m: _beyond("bars", m[1], _number(m[2])))
    s.each(rf"\b(?!an? ){_COUNT}{bars}", lambda m: (("bars", "=", _number(m[1])),))
    players = r"[- ](?:parts?|voices?|players?|instruments?|singers?|staves)\b"
    for comparison in (_UNDER, _OVER):
        s.each(rf"\b{comparison} {_COUNT}{players}", lambda m: _beyond("parts", m[1], _number(m[2])))
    s.each(rf"\b(?:for |in )?{_COUNT}{players}", lambda m: (("parts", "=", _number(m[1])),) if m[1] != "a" else None)


def _metre(s: Sentence) -> None:
    time = r"(?:\s+(?:time|met(?:re|er)))?"
    s.each(rf"(?<![\d/])(\d{{1,2}}/(?:1|2|4|8|16|32)){time}(?![\d/])", lambda m: (("metre", "=", m[1]),))
    for pattern, metre in METRES:
        s.mark(rf"\b(?:in )?{pattern}\b", ("metre", "=", metre))
    ends = r"(?=\s*(?:$|[,.;:!?]|(?:time|and|with|for|but|please|to (?:a|the) bar)\b))"
    s.each(rf"\bin ({'|'.join(IN_N)}){ends}", lambda m: (("metre", "=", IN_N[m[1]]),))


def _pitch(text: str) -> int:
    """MIDI pitch of ``middle c``, ``c4``, ``bb3``."""
    if text == "middle c":
        return MIDDLE_C
    step = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}[text[0]]
    accidental, octave = re.findall(r"[#b]|-?\d", text[1:])[:-1], int(re.findall(r"-?\d", text)[-1])
    return step + sum(1 if a == "#" else -1 for a in accidental) + 12 * (octave + 1)


def _range(s: Sentence) -> None:
    def span(m: re.Match[str]) -> tuple[Reading, ...]:
        low, high = sorted((_pitch(m[1]), _pitch(m[2])))
        return ("pitch_low", ">=", low), ("pitch_high", "<=", high)

    s.each(rf"\b(?:from |between )?{_PITCH}\s*(?:to|and|-)\s*{_PITCH}\b", span)
    s.each(rf"\b(?:nothing|no notes?|not) (?:below|under) {_PITCH}\b", lambda m: (("pitch_low", ">=", _pitch(m[1])),))
    s.each(rf"\b(?:nothing|no notes?|not) (?:above|over) {_PITCH}\b", lambda m: (("pitch_high", "<=", _pitch(m[1])),))
    s.each(rf"\b(?:all )?(?:above|over) {_PITCH}\b", lambda m: (("pitch_low", ">", _pitch(m[1])),))
    s.each(rf"\b(?:all )?(?:below|under) {_PITCH}\b", lambda m: (("pitch_high", "<", _pitch(m[1])),))
