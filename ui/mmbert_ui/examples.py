"""Questions to try, made from the facets of the library at hand, so that each of them finds something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from mmbert.facets import satisfied, tokens_of
from mmbert.retrieval.conditions import is_pace_class, pace_fits
from mmbert.retrieval.names import names_of
from mmbert.retrieval.understand import understand
from mmbert.types import Condition, Facets

MOST = 4
CANDIDATES = 8  # tried of each kind of question
_NOBODY = ("trad", "anon", "unknown", "various", "?", "folk")
_VOICES = {"parts=two": "two-part", "parts=three": "three-part", "parts=four": "four-part"}


def examples(pieces: Sequence[Facets], most: int = MOST) -> list[str]:
    """At most ``most`` questions, each of which is understood and wholly fits at least one piece.

    >>> jig = Facets(key="D", mode="major", metre="6/8", pace=7.0, form="jig", bars=16, parts=1)
    >>> hymn = Facets(key="E", mode="minor", tempo_bpm=66.0, form="hymn", composer="Lowell Mason", parts=4)
    >>> examples([jig, jig, hymn])
    ['a lively jig in D major', 'slow four-part hymn in a minor key', 'something by Lowell Mason']
    """
    rows = [(frozenset((*tokens_of(f), *_pace(f))), f) for f in pieces]
    names = names_of([f.composer for f in pieces], [f.title for f in pieces])
    found: dict[str, None] = {}
    for maker in (_dances, _slow_and_minor, _composers, _instruments, _metres):
        for question in islice(maker(rows), CANDIDATES):
            if _finds(understand(question, names).conditions, pieces):
                found[question] = None
                break
    return list(found)[:most]


def _finds(conditions: Sequence[Condition], pieces: Sequence[Facets]) -> bool:
    """Whether the words mean something here and one piece fits all that they mean."""

    def fits(c: Condition, f: Facets) -> bool | None:
        return pace_fits(str(c.value), f) if is_pace_class(c) else satisfied(c, f)

    return bool(conditions) and any(all(fits(c, f) for c in conditions) for f in pieces)


Rows = Sequence[tuple[frozenset[str], Facets]]


def _pace(facets: Facets) -> list[str]:
    """The word for its pace, as the search understands it: by tempo where one is stated."""
    words = {"fast": "lively", "slow": "slow"}
    return [f"word={word}" for name, word in words.items() if pace_fits(name, facets)]


def _value(tokens: frozenset[str], name: str) -> str | None:
    return next((t.partition("=")[2] for t in sorted(tokens) if t.startswith(f"{name}=")), None)


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _by_count(seen: Counter, prefer: Callable[[Any], bool]) -> list:
    """The commonest first, those that are preferred before the others."""
    return sorted(seen, key=lambda k: (not prefer(k), -seen[k], k))


def _dances(rows: Rows) -> Iterator[str]:
    """The commonest form in its commonest pace and major key: ``a lively jig in D major``."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for tokens, _ in rows:
        form, key = _value(tokens, "form"), _value(tokens, "key")
        if form and key and "mode=major" in tokens:
            seen[form, _value(tokens, "word") or "", key] += 1
    for form, pace, key in _by_count(seen, lambda k: k[1] == "lively"):
        yield f"{_article(f'{pace} {form}'.strip())} in {key} major"


def _slow_and_minor(rows: Rows) -> Iterator[str]:
    """Slow and minor, with the form and number of voices that such pieces mostly have."""
    seen: Counter[tuple[str, str]] = Counter()
    for tokens, _ in rows:
        if {"mode=minor", "word=slow"} <= tokens:
            voices = next((word for token, word in _VOICES.items() if token in tokens), "")
            seen[voices, _value(tokens, "form") or ""] += 1
    for voices, form in _by_count(seen, lambda k: bool(k[1])):
        yield f"slow {' '.join(part for part in (voices, form or 'piece') if part)} in a minor key"


def _composers(rows: Rows) -> Iterator[str]:
    """The composer with most pieces, where the file names a person (not ``Trad.``)."""
    seen = Counter(f.composer for _, f in rows if f.composer and len(f.composer) < 40)
    for name in _by_count(seen, lambda n: True):
        if not any(word in name.casefold() for word in _NOBODY):
            yield f"something by {name}"


def _instruments(rows: Rows) -> Iterator[str]:
    """The commonest group of two or three instruments; else a single one other than the piano."""
    groups = Counter(f.instruments for _, f in rows if 2 <= len(f.instruments) <= 3 and "drums" not in f.instruments)
    for group in _by_count(groups, lambda n: True):
        names = [_short(n) for n in group]
        yield f"{', '.join(names[:-1])} and {names[-1]}"
    alone = Counter(i for _, f in rows for i in f.instruments if "piano" not in i and i != "drums")
    for name in _by_count(alone, lambda n: True):
        yield f"music with {name}"


def _short(instrument: str) -> str:
    """What people say: ``piano`` for ``acoustic grand piano``."""
    return "piano" if instrument.endswith("piano") else instrument


def _metres(rows: Rows) -> Iterator[str]:
    """A form with its commonest metre other than common time: ``waltz in 3/4``."""
    seen: Counter[tuple[str, str]] = Counter()
    for tokens, _ in rows:
        form, metre = _value(tokens, "form"), _value(tokens, "metre")
        if form and metre and metre not in ("4/4", "6/8", "2/2"):
            seen[form, metre] += 1
    for form, metre in _by_count(seen, lambda k: True):
        yield f"{form} in {metre}"
