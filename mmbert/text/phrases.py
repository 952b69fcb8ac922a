"""How people say each statement of the facet vocabulary: pools of phrases, kept as text files.

A line is ``statement | phrase; phrase``. A phrase has a shape, which sentences need: ``~`` marks words that stand
behind a noun (``~in a minor key``), ``=`` a noun (``=jig``); unmarked words stand before a noun (``slow``). Instruments
and families are named, and the names are put into patterns (lines ``instrument`` and ``family`` with ``{}``); keys fill
the patterns of ``key`` and ``key+mode``. ``frame`` and ``noun`` are what people say around a description.

The known pool (``known.txt``) is what the model learns from and what it finds words in; the pool that is held out for
testing belongs to the training package. Every phrase is written for this project.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from importlib.resources import files

from mmbert.facets import TOKENS

SPELLED = {"Db": "D flat", "Eb": "E flat", "Ab": "A flat", "Bb": "B flat", "F#": "F sharp", "C#": "C sharp",
            "G#": "G sharp"}  # fmt: skip
_KEYS = tuple(t for t in TOKENS if t.startswith("key="))
_MODES = ("mode=major", "mode=minor")
_STOP = frozenset((
    "a", "an", "the", "in", "on", "of", "for", "with", "and", "or", "to", "at", "by", "its", "it", "is", "are", "be",
    "been", "that", "which", "who", "whose", "where", "when", "as", "from", "into", "than", "this", "these", "you",
    "your", "i", "me", "my", "we", "our", "they", "their", "them", "but", "so", "if", "like", "very", "quite",
    "rather", "has", "have", "had", "do", "does", "one", "all", "piece", "music", "tune", "work", "bit",
))  # fmt: skip


class Phrases:
    """One pool.

    Args:
        text: Its lines.

    >>> pool = Phrases("mode=minor | minor; ~in a minor key\\nkey | ~in {}\\nkey+mode | {k} {m}")
    >>> pool.of("mode=minor"), pool.of("key=Bb"), pool.of_key("key=D", "mode=minor")
    (('minor', 'in a minor key'), ('in Bb', 'in B flat'), ('D minor',))
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, tuple[str, ...]] = {}
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                name, _, said = line.partition(" | ")
                self._lines[name.strip()] = tuple(p.strip() for p in said.split(";") if p.strip())

    @property
    def frames(self) -> tuple[str, ...]:
        """What people type around a description, with one ``{}``."""
        return self._lines["frame"]

    @property
    def nouns(self) -> tuple[str, ...]:
        """What people call a piece."""
        return self._lines["noun"]

    def names(self, statement: str) -> tuple[str, ...]:
        """What an instrument or a family is called; empty for other statements."""
        return self._lines.get(statement, ()) if statement.startswith(("instrument=", "family=")) else ()

    @cache  # noqa: B019  (pools live as long as the process)
    def marked(self, statement: str) -> tuple[str, ...]:
        """Phrases of a statement of ``mmbert.facets.TOKENS`` with their shape marks; empty where the pool has none."""
        kind, _, value = statement.partition("=")
        said = self._lines.get(statement, ())
        if kind in ("instrument", "family"):
            return _filled(self._lines.get(kind, ()), said)
        if kind == "key":
            return _filled(self._lines.get(kind, ()), _spellings(value))
        return said

    def of(self, statement: str) -> tuple[str, ...]:
        """Phrases of a statement as plain words."""
        return tuple(bare(p) for p in self.marked(statement))

    @cache  # noqa: B019
    def marked_key(self, key: str, mode: str) -> tuple[str, ...]:
        """Phrases that say key and mode at once, with their marks: ``~in D minor``."""
        fill = [(k, mode.removeprefix("mode=")) for k in _spellings(key.removeprefix("key="))]
        patterns = self._lines.get("key+mode", ())
        said = [p.format(k=k, m=m) for k, m in fill for p in patterns]
        return tuple(dict.fromkeys(said))

    def of_key(self, key: str, mode: str) -> tuple[str, ...]:
        """Phrases of a key with its mode as plain words."""
        return tuple(bare(p) for p in self.marked_key(key, mode))

    @cached_property
    def all(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Every phrase as plain words, with the statements that it makes."""
        single: list[tuple[str, tuple[str, ...]]] = [(p, (t,)) for t in TOKENS for p in self.of(t)]
        keyed: list[tuple[str, tuple[str, ...]]] = [
            (p, (k, m)) for k in _KEYS for m in _MODES for p in self.of_key(k, m)
        ]
        return tuple(single + keyed)


@cache
def known_phrases() -> Phrases:
    """The known pool."""
    return Phrases(files(__package__).joinpath("known.txt").read_text(encoding="utf-8"))


def bare(phrase: str) -> str:
    """A phrase without its shape mark.

    >>> bare("~in a minor key"), bare("slow")
    ('in a minor key', 'slow')
    """
    return phrase.lstrip("~=")


def content_words(phrase: str) -> frozenset[str]:
    """Words that carry meaning, in lower case and without a plural's s.

    >>> sorted(content_words("in minor keys"))
    ['key', 'minor']
    """
    words = frozenset(re.findall(r"[^\W_]+(?:[/#][0-9]*)?", phrase.lower())) - _STOP
    return frozenset(w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in words)


def _spellings(tonic: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((tonic, SPELLED.get(tonic, tonic))))


def _filled(patterns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        _article(p.format(n), n)
        for n in names
        for p in patterns
        if not (_is_plural(n) and (" a {}" in p or p == "={} music"))
    )


def _is_plural(name: str) -> bool:
    return name.endswith("s") and not name.endswith(("bass", "brass"))


def _article(phrase: str, name: str) -> str:
    return phrase.replace(f"a {name}", f"an {name}") if name[0] in "aeiouAEIOU" else phrase
