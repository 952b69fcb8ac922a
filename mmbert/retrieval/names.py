"""Composers and titles of a library, as they are found in a question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from mmbert.facets import fold
from mmbert.retrieval.lexicon import COMMON_SURNAMES, NO_COMPOSER, STOP, forms

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LONGEST_TITLE = 12  # words
_PARTICLES = frozenset(("van", "von", "de", "der", "den", "du", "la", "le", "di", "da", "d'"))


@dataclass(frozen=True)
class Found:
    """A name in a question: its characters there, and the words of the library's own spelling that they match."""

    facet: str
    value: str
    start: int
    end: int


@dataclass(frozen=True)
class Names:
    """What the grammar knows of a library.

    >>> names = Names(composers=("Schubert, Franz (1797-1828)",), titles=("Silent Night (Stille Nacht)",))
    >>> [(f.facet, f.value) for f in names.find("silent night, franz schubert")]
    [('title', 'Silent Night'), ('composer', 'Schubert')]
    """

    composers: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()

    @cached_property
    def _surnames(self) -> dict[str, list[tuple[str, str]]]:
        """Folded surname -> (surname as written, whole name)."""
        out: dict[str, list[tuple[str, str]]] = {}
        for name in dict.fromkeys(self.composers):
            for surname in surnames_of(name):
                if fold(surname) not in NO_COMPOSER and fold(surname) not in forms():
                    out.setdefault(fold(surname), []).append((surname, name))
        # BACH is shown as Bach where anyone writes it so.
        return {folded: sorted(entries, key=lambda e: e[0].isupper()) for folded, entries in out.items()}

    @cached_property
    def _titles(self) -> dict[tuple[str, ...], str]:
        """Folded words -> the slice of a title that they are."""
        out: dict[tuple[str, ...], str] = {}
        for title in dict.fromkeys(self.titles):
            for part in _title_parts(title):
                words = tuple(m.group() for m in _WORD.finditer(fold(part)))
                if 0 < len(words) <= _LONGEST_TITLE:
                    out.setdefault(words, part)
        return out

    def find(self, question: str) -> Iterator[Found]:
        """Titles (longest first from each word), then composers; what overlaps a title is not a composer."""
        spans = list(_WORD.finditer(question))
        words = [fold(m.group()) for m in spans]
        taken = [False] * len(words)
        for i in range(len(words)):
            for n in range(min(_LONGEST_TITLE, len(words) - i), 0, -1):
                title = self._titles.get(tuple(words[i : i + n]))
                if title and not any(taken[i : i + n]) and _telling(words, i, n):
                    taken[i : i + n] = [True] * n
                    yield Found("title", title, spans[i].start(), spans[i + n - 1].end())
                    break
        for i, m in enumerate(spans):
            bare = re.sub(r"['’]s$", "", words[i])
            if i + 1 < len(words) and self._is_first_name(bare, words[i + 1]):
                continue  # the Scott of Scott Joplin, where another composer is called Scott
            if not taken[i] and (entries := self._surnames.get(bare)) and _meant(question, m, bare, len(words)):
                first = words[i - 1] if i and words[i - 1] not in STOP else ""  # some names begin with "by"
                value, uses_first = _spelling(entries, first, bare)
                yield Found("composer", value, spans[i - uses_first].start(), m.start() + len(bare))

    def _is_first_name(self, word: str, following: str) -> bool:
        people = self._surnames.get(re.sub(r"['’]s$", "", following), ())
        return any(re.search(rf"\b{re.escape(word)}\b", fold(whole)) for _, whole in people)

    def closest_surname(self, word: str) -> str | None:
        """The surname that ``word`` is one slip away from; None where none or several are."""
        near = [
            entries[0][0]
            for surname, entries in self._surnames.items()
            if len(surname) > 5 and one_slip(fold(word), surname)
        ]
        return near[0] if len(near) == 1 else None


def surnames_of(name: str) -> tuple[str, ...]:
    """Surnames of a composer's name, or of several.

    >>> surnames_of("Schubert, Franz (1797-1828)"), surnames_of("J.S.Bach"), surnames_of("Ben Bernie, Maceo Pinkard")
    (('Schubert',), ('Bach',), ('Bernie', 'Pinkard'))
    """
    bare = re.sub(r"\(.*?\)|\[.*?\]|\d{3,4}\s*[-–]\s*\d{0,4}", "", name).strip(" .,;")
    people = re.split(r"\s*(?:;|&|/|\band\b)\s*", bare)
    if len(people) == 1 and "," in bare:
        first = bare.split(",")[0].strip()
        names = [w for w in first.split() if w not in _PARTICLES]
        people = [first] if len(names) < 2 else bare.split(",")
    found = [re.split(r"[\s.]+", person.split(",")[0].strip(" .,;"))[-1] for person in people]
    return tuple(s for s in found if len(s) > 2 and not s[0].islower() and not any(c.isdigit() for c in s))


def _title_parts(title: str) -> Iterator[str]:
    yield title
    for pattern in (r"\s*[\(\[].*", r"\s+[-–—/]\s.*", r":.*"):
        part = re.sub(pattern, "", title).strip()
        if part and part != title:
            yield part
            break
    for part in re.split(r"\s+[-–—/]\s+|[\(\)\[\]]", title):
        if len(part.split()) > 1:
            yield part.strip()
    without = re.sub(r"^(the|a|an)\s+", "", title, flags=re.I)
    if without != title and len(without.split()) > 1:
        yield without


def _telling(words: list[str], i: int, n: int) -> bool:
    """Whether words that are a title mean it: two words that say something, or all that the question says."""
    said = [w for w in words[i : i + n] if w not in STOP]
    others = [w for w in words[:i] + words[i + n :] if w not in STOP]
    return len(said) > 1 or (not others and len("".join(said)) > 2)


def _meant(question: str, m: re.Match[str], surname: str, n_words: int) -> bool:
    """Whether a surname that is a word as well stands for the composer."""
    if surname not in COMMON_SURNAMES:
        return True
    before = question[: m.start()].rstrip().lower()
    capital = m.group()[:1].isupper() and not question.isupper() and (m.start() > 0 or n_words == 1)
    return before.endswith(" by") or before == "by" or capital


def _spelling(entries: list[tuple[str, str]], first: str, surname: str) -> tuple[str, int]:
    """The library's spelling of a composer, and how many words before the surname it uses.

    The surname is enough (``J.S. Bach`` is Johann Sebastian) unless somebody of another first name shares it.
    """
    fitting = [e for e in entries if first and re.search(rf"\b{re.escape(first)}\b", fold(e[1]))]
    if not fitting:
        return entries[0][0], 0
    others = [whole for _, whole in entries if first[0] not in _initials(whole, surname)]
    for _, whole in fitting if others else ():
        text = fold(whole)
        for spelling in (f"{first} {surname}", f"{surname}, {first}"):
            if len(text) == len(whole) and spelling in text:
                at = text.index(spelling)
                return whole[at : at + len(spelling)], 1
    return fitting[0][0], 1


def _initials(whole: str, surname: str) -> set[str]:
    """First letters of the words of a name but its surname; any letter where there are none."""
    letters = {w[0] for w in re.findall(r"[^\W\d_]+", fold(whole)) if w != surname}
    return letters or set("abcdefghijklmnopqrstuvwxyz")


def one_slip(a: str, b: str) -> bool:
    """Whether two words differ by one letter added, dropped, changed, or swapped with its neighbour.

    >>> one_slip("harpsicord", "harpsichord"), one_slip("viloin", "violin"), one_slip("canon", "piano")
    (True, True, False)
    """
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    i = 0
    while i < min(len(a), len(b)) and a[i] == b[i]:
        i += 1
    if len(a) == len(b):
        return a[i + 1 :] == b[i + 1 :] or (a[i : i + 2] == b[i : i + 2][::-1] and a[i + 2 :] == b[i + 2 :])
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[i + 1 :] == shorter[i:]


def names_of(composers: Iterable[str | None], titles: Iterable[str | None]) -> Names:
    """Names from the columns of a library, empty ones dropped."""
    return Names(tuple(c for c in composers if c), tuple(t for t in titles if t))
