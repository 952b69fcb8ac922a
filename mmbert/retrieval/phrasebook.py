"""What a question says of music, read with the known phrases: statements, each with how strongly it is said.

Whole phrases are found first, the longest before the shorter; each names its statements. Of the words that are left,
each speaks for the statements in whose phrases it occurs, the rarer the word and the fewer the statements the more.
Nothing is excluded by what is read here: it is one of the lists that a search fuses.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from mmbert.facets import TOKENS, fold
from mmbert.text.phrases import SPELLED, content_words, known_phrases

_WORD = re.compile(r"[^\W_]+(?:[/'’][^\W_]+)*#?")
_LONGEST = 8  # words of a phrase
_LOOSE = 0.5  # what a single word can say at most, beside a whole phrase


@dataclass(frozen=True)
class _Book:
    """Phrases as tuples of words -> statements; words -> statements with their share and weight."""

    phrases: Mapping[tuple[str, ...], tuple[str, ...]]
    words: Mapping[str, Mapping[str, float]]


def said(text: str) -> dict[str, float]:
    """Statements of ``mmbert.facets.TOKENS`` that a question makes, and how strongly, 0-1.

    >>> {k: v for k, v in said("a mournful waltz").items() if v == 1}
    {'mood=sad': 1.0, 'form=waltz': 1.0}
    """
    book = _book()
    words = _words(text)
    found: dict[str, float] = {}
    free = [True] * len(words)
    for n in range(min(_LONGEST, len(words)), 0, -1):
        for i in range(len(words) - n + 1):
            statements = book.phrases.get(tuple(words[i : i + n]))
            if statements and all(free[i : i + n]):
                free[i : i + n] = [False] * n
                found |= dict.fromkeys(statements, 1.0)
    for word, left in zip(words, free, strict=True):
        for stem in content_words(word) if left else ():
            for statement, weight in book.words.get(stem, {}).items():
                found[statement] = max(found.get(statement, 0.0), weight)
    return {t: found[t] for t in TOKENS if t in found}


def _words(text: str) -> list[str]:
    return _WORD.findall(fold(text).replace("-", " "))


@cache
def _book() -> _Book:
    phrases: dict[tuple[str, ...], tuple[str, ...]] = {}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    pool = known_phrases()
    # Names of instruments and families last: a chorale is a form first.
    for statement in sorted(TOKENS, key=lambda t: t.startswith(("instrument=", "family="))):
        if statement.startswith("key="):
            continue  # a note's name alone says little; with its mode below
        for phrase in pool.names(statement) or pool.of(statement):
            phrases.setdefault(tuple(_words(phrase)), (statement,))
            for word in content_words(fold(phrase)):
                counts[word][statement] += 1
    for key in (t for t in TOKENS if t.startswith("key=")):
        for mode in ("major", "minor"):
            for tonic in {key[4:], SPELLED.get(key[4:], key[4:])}:
                phrases[tuple(_words(f"{tonic} {mode}"))] = (key, f"mode={mode}")
    words = {}
    for word, statements in counts.items():
        total = sum(statements.values())
        words[word] = {t: _LOOSE * n / total / math.sqrt(len(statements)) for t, n in statements.items()}
    return _Book(phrases, words)
