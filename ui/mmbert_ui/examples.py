"""Questions to try, made from the facets of the library at hand, so that each of them finds something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mmbert.facets import tokens_of
from mmbert.types import Facets

MOST = 4
_PACE = {"pace=fast": "lively", "pace=slow": "slow", "tempo=fast": "fast", "tempo=slow": "slow"}
_VOICES = {"parts=two": "two-part", "parts=three": "three-part", "parts=four": "four-part"}


def examples(pieces: Iterable[Facets], most: int = MOST) -> list[str]:
    """At most ``most`` questions, each of which fits at least one piece; the more pieces, the earlier.

    >>> jig = Facets(key="D", mode="major", metre="6/8", pace=7.0, form="jig", bars=16, parts=1)
    >>> hymn = Facets(key="E", mode="minor", tempo_bpm=66.0, form="hymn", composer="Lowell Mason", parts=4)
    >>> examples([jig, jig, hymn])
    ['a lively jig in D major', 'slow four-part hymn in a minor key', 'something by Lowell Mason']
    """
    rows = [(frozenset(tokens_of(f)), f) for f in pieces]
    makers = (_dances, _slow_and_minor, _composers, _instruments, _metres)
    found: dict[str, None] = {}
    for maker in makers:
        question = maker(rows)
        if question:
            found[question] = None
    return list(found)[:most]


Rows = Sequence[tuple[frozenset[str], Facets]]


def _value(tokens: frozenset[str], name: str) -> str | None:
    return next((t.partition("=")[2] for t in sorted(tokens) if t.startswith(f"{name}=")), None)


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _dances(rows: Rows) -> str | None:
    """The commonest form in its commonest pace and major key: ``a lively jig in D major``."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for tokens, _ in rows:
        form, key = _value(tokens, "form"), _value(tokens, "key")
        if form and key and "mode=major" in tokens:
            pace = next((word for token, word in _PACE.items() if token in tokens), "")
            seen[form, pace, key] += 1
    lively = {k: n for k, n in seen.items() if k[1] in ("lively", "fast")}
    if not seen:
        return None
    form, pace, key = max(lively or seen, key=lambda k: (seen[k], k))
    return f"{_article(f'{pace} {form}'.strip())} in {key} major"


def _slow_and_minor(rows: Rows) -> str | None:
    """Slow and minor, with the form and number of voices that such pieces mostly have."""
    seen: Counter[tuple[str, str]] = Counter()
    for tokens, _ in rows:
        if "mode=minor" in tokens and {"tempo=slow", "pace=slow"} & tokens:
            voices = next((word for token, word in _VOICES.items() if token in tokens), "")
            seen[voices, _value(tokens, "form") or ""] += 1
    named = {k: n for k, n in seen.items() if k[1]} or seen
    if not named:
        return None
    voices, form = max(named, key=lambda k: (named[k], k))
    thing = " ".join(part for part in (voices, form or "piece") if part)
    return f"slow {thing} in a minor key"


def _composers(rows: Rows) -> str | None:
    """The composer with most pieces, where the file names a person (not ``Trad.``)."""
    names = Counter(f.composer for _, f in rows if f.composer)
    unknown = ("trad", "anon", "unknown", "various", "?", "folk")
    known = {n: c for n, c in names.items() if not any(u in n.casefold() for u in unknown) and len(n) < 40}
    if not known:
        return None
    return f"something by {max(known, key=lambda n: (known[n], n))}"


def _instruments(rows: Rows) -> str | None:
    """The commonest group of two or three instruments; else a single one other than the piano."""
    groups = Counter(f.instruments for _, f in rows if 2 <= len(f.instruments) <= 3 and "drums" not in f.instruments)
    if groups:
        names = [_short(n) for n in max(groups, key=lambda n: (groups[n], n))]
        return f"{', '.join(names[:-1])} and {names[-1]}"
    alone = Counter(i for _, f in rows for i in f.instruments if "piano" not in i and i != "drums")
    return f"music with {max(alone, key=lambda n: (alone[n], n))}" if alone else None


def _short(instrument: str) -> str:
    """What people say: ``piano`` for ``acoustic grand piano``."""
    return "piano" if instrument.endswith("piano") else instrument


def _metres(rows: Rows) -> str | None:
    """A form with its commonest metre other than common time: ``waltz in 3/4``."""
    seen: Counter[tuple[str, str]] = Counter()
    for tokens, _ in rows:
        form, metre = _value(tokens, "form"), _value(tokens, "metre")
        if form and metre and metre not in ("4/4", "6/8", "2/2"):
            seen[form, metre] += 1
    if not seen:
        return None
    form, metre = max(seen, key=lambda k: (seen[k], k))
    return f"{form} in {metre}"
