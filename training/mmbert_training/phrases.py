"""The two pools of wording: what the model learns from, and what it is tested with and never sees.

Every facet's phrasings were written first and then divided: of each value about a third is unseen, and at least half
of those share no content word with any known phrase of the same value (:func:`lexical_overlap` counts). Names of
instruments and keys must recur; there the patterns around them, and further names of an instrument, are divided.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from mmbert.facets import TOKENS
from mmbert.text.phrases import Phrases, content_words, known_phrases

Pool = Literal["known", "unseen"]
POOLS: tuple[Pool, ...] = ("known", "unseen")
NAMED = ("key", "instrument", "family")  # kinds of which the value's own name must recur


@cache
def phrases(pool: Pool) -> Phrases:
    """One of the pools."""
    if pool == "known":
        return known_phrases()
    return Phrases(files(__package__).joinpath("unseen.txt").read_text(encoding="utf-8"))


def lexical_overlap(named: bool = False) -> float:
    """Share of unseen phrases that have a content word in common with a known phrase of the same value.

    Args:
        named: Count keys, instruments and families as well.
    """
    shared = total = 0
    for token in TOKENS:
        if token.split("=")[0] in NAMED and not named:
            continue
        known = frozenset().union(*(content_words(p) for p in phrases("known").of(token)))
        for phrase in phrases("unseen").of(token):
            total += 1
            shared += bool(known & content_words(phrase))
    return shared / total
