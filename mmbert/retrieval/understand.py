"""Words -> a question with its conditions. Nothing read from words removes a piece, but operators and negations.

``a lively jig in D major, no drums`` -> pace=fast, form=jig, key=D, mode=major (preferences) and has_drums=False
(hard). Each condition keeps the words that it was read from, so that it can be shown and taken back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from mmbert.retrieval.conditions import known_value
from mmbert.retrieval.keys import read_keys
from mmbert.retrieval.lexicon import (
    NO_SLIPS,
    QUALITIES,
    RELATIVE,
    STOP,
    Reading,
    is_silent,
    paces,
    things,
    things_pattern,
)
from mmbert.retrieval.names import Found, Names, one_slip
from mmbert.retrieval.numbers import read_numbers
from mmbert.retrieval.sentence import Read, Sentence, condition
from mmbert.types import Condition, Facets, Query

_NEGATORS = (
    r"\b(?:(?:anything|everything|all) but|nothing with|free (?:of|from)|other than|apart from"
    r"|(?:don't|do not|doesn't|does not) (?:want|like|need|have)"
    r"|no|not|without|non|sans|except|excluding|nothing|never|minus|avoid|neither|nor|isn't|aren't)\b"
    r"(?!\s+(?:only|just|but|matter))"
)
LONGEST = 2000  # characters that are read; the text encoder reads fewer
_SLIP_LETTERS = 6  # shorter words are too near to others
_NEGATED_WORDS = 3  # how far a negation reaches
_COUNTED = r"\b(?!(?:a|an|any|the|of|or|and|in|by|too|very)\b)\S+"  # small words are not counted
_REACH_ENDS = r"[,.;:!?]|\b(?:but|with|yet|instead|rather)\b"
_INSTEAD = r"\b(?:instead of|rather than)\b"
_INVERSE = {"=": "!=", "~": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_LEXICAL = frozenset(("title", "composer", "form", "instruments", "families", "has_drums"))


def understand(
    words: str, names: Names | None = None, example: Facets | None = None, *, like: str | None = None
) -> Query:
    """Read a question.

    Args:
        words: As typed; may be empty.
        names: Composers and titles of the library that is asked.
        example: Facets of the example beside the words; ``slower`` is then slower than that.
        like: The example as it is shown.

    >>> [str(c) for c in understand("a lively jig in D major").conditions]
    ['pace=fast', 'form=jig', 'key=D', 'mode=major']
    >>> q = understand("slow march without drums")
    >>> [(str(c), c.hard) for c in q.conditions], q.meaning
    ([('pace=slow', False), ('form=march', False), ('has_drums=False', True)], 'slow march')
    """
    s = Sentence(words[:LONGEST])
    known = names or Names()
    read_numbers(s)
    read_keys(s)
    if example is not None:
        _relative(s, example)
    _vocabulary(s)
    _names(s, known)
    _slips(s, known)
    reads = sorted(s.reads, key=lambda r: r.start)
    spans, conditions = _negate(s, reads)
    return Query(
        words=words,
        meaning=_without(s.raw, spans),
        lexical=_lexical(s, reads, spans),
        conditions=_once(conditions),
        like=like,
    )


def as_it_stands(words: str, *, like: str | None = None) -> Query:
    """A question for texts, which have no facets: its words are looked for as they are, none becomes a condition.

    >>> q = as_it_stands("my letter about a slow march")
    >>> q.meaning, q.lexical, q.conditions
    ('my letter about a slow march', 'letter slow march', ())
    """
    read = words[:LONGEST]
    lexical = " ".join(w for w in re.findall(r"[^\W_]+(?:['’][^\W_]+)*", read) if not is_silent(w))
    return Query(words=words, meaning=read, lexical=lexical, like=like)


def _once(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """What was said twice is one condition, with the words that said it first."""
    return tuple({(str(c), c.hard): c for c in reversed(conditions)}.values())[::-1]


def _relative(s: Sentence, example: Facets) -> None:
    for pattern, facet, operator in RELATIVE:
        value = known_value(example, facet)
        if value is not None:
            reading: Reading = (facet, operator, round(float(value), 2))
            s.mark(rf"\b(?:{pattern})\b", reading)


def _vocabulary(s: Sentence) -> None:
    """Pace, qualities, instruments and forms; first what only looks like one of them."""
    for trap in (
        r"quick[- ]?steps?", r"bass (?:clef|line)s?", r"in march\b(?! time)", r"player piano", r"on (?:the )?air",
        r"[a-g][- ]strings?",
        r"(?:less|half as|twice as) (?:fast|quick|lively|slow|long|short|quiet|soft|loud|sparse|busy|dense)",
    ):  # fmt: skip
        s.mark(rf"\b{trap}\b")
    s.each(r"\b(?:drumless|drum[- ]free)\b", lambda _: (("has_drums", "=", False),), hard=True)
    s.mark(r"\b(?:more slowly|slower|calmer)\b", ("pace", "=", "slow"))
    s.mark(r"\b(?:faster|quicker|livelier)\b", ("pace", "=", "fast"))
    s.mark(r"\bandante con moto\b", ("pace", "=", "moderate"))
    s.mark(r"\ballegro (?:moderato|ma non troppo|non troppo)\b", ("pace", "=", "brisk"))
    s.mark(r"\bminuets? and trios?\b", ("form", "=", "minuet"))
    s.each(rf"\b(?:{things_pattern()})\b", lambda m: things()[m.group()])
    for word, readings in paces().items():
        s.mark(rf"\b{word}\b", *readings)
    for pattern, reading in QUALITIES:
        s.mark(rf"\b(?:{pattern})(?!\w)", reading)


def _names(s: Sentence, names: Names) -> None:
    """Composers and titles. A title that other rules explain in full is not one (``slow waltz``)."""
    for found in names.find(s.raw):
        if found.facet == "title" and not _is_title(s, found):
            continue
        if found.facet == "title":
            s.reads[:] = [r for r in s.reads if r.end <= found.start or r.start >= found.end]
        elif not s.free(found.start, found.end):
            continue
        s.take(found.start, found.end, ((found.facet, "~", found.value),))
    for m in re.finditer(r"\"([^\"]{3,})\"", s.raw):
        if s.free(m.start(), m.end()):
            s.take(m.start(), m.end(), (("title", "~", m[1]),))
    for m in re.finditer(r"\bby ((?:[A-Z]\w[\w'’.-]*\s?){1,3})", s.raw):
        if s.free(*m.span(1)) and not s.raw.isupper():
            s.take(*m.span(1), (("composer", "~", m[1].strip()),))


def _is_title(s: Sentence, found: Found) -> bool:
    """The whole question, or words of which the grammar understood none."""
    if s.free(found.start, found.end):
        return True
    around = (s.plain[: found.start] + " " + s.plain[found.end :]).split()
    whole = all(w.strip(",.;:!?\"'") in STOP for w in around)
    read = sum(r.end - r.start for r in s.reads if r.start >= found.start and r.end <= found.end)
    return whole and read < 0.6 * (found.end - found.start)


def _slips(s: Sentence, names: Names) -> None:
    """Words with one wrong letter: instruments, forms, surnames; six letters at least."""
    tables = things()
    for m in list(s.free_words()):
        word = m.group()
        if len(word) < _SLIP_LETTERS or word in NO_SLIPS:
            continue
        near = {tables[k] for k in tables if len(k) >= _SLIP_LETTERS and k[0] == word[0] and one_slip(word, k)}
        if len(near) == 1:
            s.take(m.start(), m.end(), near.pop())
        # A composer asked for comes first in the ranking, so a guess needs a capital letter.
        elif not near and s.raw[m.start()].isupper() and (surname := names.closest_surname(word)):
            s.take(m.start(), m.end(), (("composer", "~", surname),))


def _negate(s: Sentence, reads: Sequence[Read]) -> tuple[list[tuple[int, int]], list[Condition]]:
    """Conditions with negations applied, and the spans of words that exclude."""
    negated = _reaches(s, _NEGATORS)
    dropped = _reaches(s, _INSTEAD)
    spans: list[tuple[int, int]] = []
    out: list[Condition] = []
    for i, r in enumerate(reads):
        words = s.raw[r.start : r.end]
        reach = next(((a, b) for a, b in negated if a < r.start < b), None)
        if r.hard:
            spans.append((r.start, r.end))
            out += [condition(reading, words, True) for reading in r.readings]
        elif reach is not None and (excluded := _excluded(r.readings)):
            negated.append((reach[0], _listed(s, reads, i)))
            spans.append((reach[0], r.end))
            out += [condition(_inverse(reading), s.raw[reach[0] : r.end], True) for reading in excluded]
        elif reach is not None:
            continue
        elif not any(a < r.start < b for a, b in dropped):
            out += [condition(reading, words, False) for reading in r.readings]
    return spans, out


def _excluded(readings: Sequence[Reading]) -> Sequence[Reading]:
    """What a negation excludes: a waltz but not its metre, the key of ``D minor`` but not all that is minor.

    A number with its tolerance has no opposite that one condition could say: it is left to the meaning.
    """
    if len(readings) == 2 and readings[0][0] == readings[1][0] and readings[0][1] == ">=":
        return ()
    side = ("metre", "parts", "mode") if len(readings) > 1 else ()
    return [x for x in readings if x[0] not in side] or readings


def _listed(s: Sentence, reads: Sequence[Read], i: int) -> int:
    """Where a list that starts with a negated reading ends: ``no violin, viola or cello`` means all three."""
    end = reads[i].end
    for before, after in pairwise(reads[i:]):
        between = s.plain[before.end : after.start].strip()
        if between in ("or", "nor", ", or"):
            end = after.end
        elif between != ",":
            break
    return end


def _reaches(s: Sentence, pattern: str) -> list[tuple[int, int]]:
    """Where each negation starts and where its reach of three words ends."""
    out = []
    for m in re.finditer(pattern, s.plain):
        if not s.free(m.start(), m.end()):
            continue
        rest = s.plain[m.end() :]
        number = re.match(r"\s+\d+", rest)
        if m.group() == "no" and number and s.free(m.end(), m.end() + number.end()):
            continue  # "no 5": a number among others
        end = re.search(_REACH_ENDS, rest)
        words = list(re.finditer(_COUNTED, rest[: end.start()] if end else rest))[:_NEGATED_WORDS]
        out.append((m.start(), m.end() + (words[-1].end() if words else 0)))
    return out


def _inverse(reading: Reading) -> Reading:
    facet, operator, value = reading
    if isinstance(value, bool):
        return facet, operator, not value
    return facet, _INVERSE[operator], value


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    keep = "".join(c if not any(a <= i < b for a, b in spans) else " " for i, c in enumerate(text))
    return re.sub(r"\s+([,.;!?])", r"\1", re.sub(r"\s+", " ", keep)).strip(" ,;")


def _lexical(s: Sentence, reads: Sequence[Read], spans: Sequence[tuple[int, int]]) -> str:
    """Words for full text: names, forms, instruments and all that the grammar did not understand.

    Single letters and words that any title may hold are none of them, but in a title that is asked for by name.
    """
    numeric = [(r.start, r.end) for r in reads if r.readings and not any(x[0] in _LEXICAL for x in r.readings)]
    kept = _without(s.raw, [*spans, *numeric])
    titled = any(x[0] == "title" for r in reads for x in r.readings)
    words = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", kept)
    return " ".join(w for w in words if not (w.casefold() in STOP if titled else is_silent(w)))
