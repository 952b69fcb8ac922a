"""How people say each statement of the facet vocabulary: a pool to learn from and a pool held out for testing.

Every phrase is written for this project. A phrase has a shape, which :mod:`mmbert_training.captions` needs to
build sentences: ``~`` marks words that stand behind a noun (``~in a minor key``), ``=`` marks a noun (``=jig``),
unmarked words stand before a noun (``slow``). Keys, instruments and families follow patterns.

The held-out pool is a third of the wordings of each value. About a third of its phrases share a content word with
a known phrase of the same value (:func:`lexical_overlap` counts it), so it measures understanding, not recall.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

from mmbert.facets import TOKENS

Pool = Literal["known", "held_out"]
POOLS: tuple[Pool, ...] = ("known", "held_out")

# Names that people use for a General MIDI instrument, where its own name is not what anyone says.
_SAID = {
    "acoustic grand piano": ("piano", "grand piano"), "bright acoustic piano": ("bright piano",),
    "electric grand piano": ("electric grand",), "electric piano 2": ("FM electric piano",),
    "nylon guitar": ("classical guitar", "nylon-string guitar"),
    "steel guitar": ("acoustic guitar", "steel-string guitar"),
    "acoustic bass": ("upright bass", "plucked double bass"), "fingered bass": ("bass guitar", "electric bass"),
    "slap bass 2": ("slapped bass",), "synth bass 2": ("bass synth",), "synth strings 2": ("string synth",),
    "synth brass 2": ("brass synth",), "string ensemble": ("string orchestra", "string section"),
    "voice": ("voice", "singer"), "church organ": ("pipe organ", "church organ"), "tin whistle": ("whistle",),
    "fiddle": ("fiddle",), "french horn": ("horn", "French horn"), "distortion guitar": ("distorted guitar",),
    "alto sax": ("alto saxophone",), "tenor sax": ("tenor saxophone",), "soprano sax": ("soprano saxophone",),
    "baritone sax": ("baritone saxophone",), "english horn": ("cor anglais", "English horn"),
    "cello": ("cello", "violoncello"),
}  # fmt: skip
_INSTRUMENT = {
    "known": ("~for {}", "~with {}", "~with a {}", "{}", "={} music", "~played on {}", "~featuring {}"),
    "held_out": ("~where a {} plays", "~scored for {}", "={} number"),
}
_FAMILY_SAID = {
    "piano": ("piano", "keyboard"), "chromatic percussion": ("tuned percussion", "mallets"), "organ": ("organ",),
    "guitar": ("guitar",), "bass": ("bass",), "strings": ("strings", "bowed strings"),
    "voice": ("voices", "choir", "singing"),
    "ensemble": ("ensemble",), "brass": ("brass",), "reed": ("reeds", "woodwind"), "pipe": ("flutes", "woodwind"),
    "synth lead": ("synth lead",), "synth pad": ("synth pad",), "synth effects": ("synth effects",),
    "ethnic": ("world instruments", "folk instruments"), "percussive": ("percussion",),
    "sound effects": ("sound effects",), "drums": ("drums",),
}  # fmt: skip
_FAMILY = {
    "known": ("~for {}", "~with {}", "{}", "={} music", "~using {}"),
    "held_out": ("~that has {} in it", "~arranged for {}"),
}
_KEY = {
    "known": ("~in {}", "~in the key of {}", "~with {} as tonic", "~centred on {}"),
    "held_out": ("~that comes home to {}", "~rooted on {}"),
}
_KEY_AND_MODE = {
    "known": (
        "~in {k} {m}",
        "~in the key of {k} {m}",
        "{k} {m}",
        "{k} {m}",
        "{k}-{m}",
        "~written in {k} {m}",
        "~in {s}",
    ),
    "held_out": ("~whose key is {k} {m}", "~set in {k} {m}", "~with a {k} {m} tonality"),
}
_SPELLED = {
    "Db": "D flat",
    "Eb": "E flat",
    "Ab": "A flat",
    "Bb": "B flat",
    "F#": "F sharp",
    "C#": "C sharp",
    "G#": "G sharp",
}
_STOP = frozenset(
    "a an the in on of for with and to at by its it is that whose where as from very quite has have one".split()  # noqa: SIM905
)


@cache
def _table() -> dict[str, dict[str, tuple[str, ...]]]:
    """Marked phrases of every listed statement (or pair, joined by ``+``), by pool."""
    out: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in files(__package__).joinpath("phrases.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, known, held_out = (part.strip() for part in line.split(" | "))
        split = [tuple(p.strip() for p in part.split(";")) for part in (known, held_out)]
        out[name] = dict(zip(POOLS, split))
    return out


@cache
def marked(token: str, pool: Pool) -> tuple[str, ...]:
    """Phrases of a statement with their shape marks; never empty for a statement of ``TOKENS``."""
    name, _, value = token.partition("=")
    listed = _table().get(token, {}).get(pool, ())
    if name == "instrument":
        return _filled(_INSTRUMENT[pool], _SAID.get(value, (value,)))
    if name == "family":
        return _filled(_FAMILY[pool], _FAMILY_SAID[value])
    if name == "key":
        return _filled(_KEY[pool], tuple(dict.fromkeys((value, _SPELLED.get(value, value)))))
    return listed


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


@cache
def marked_pair(first: str, second: str, pool: Pool) -> tuple[str, ...]:
    """Phrases that say two statements at once (``D minor``; ``mournful`` for slow and minor); may be empty."""
    if first.startswith("key=") and second.startswith("mode="):
        tonic, mode = first[4:], second[5:]
        short = tonic + ("m" if mode == "minor" else " maj")
        names = dict.fromkeys((tonic, _SPELLED.get(tonic, tonic)))
        return tuple(dict.fromkeys(p.format(k=k, m=mode, s=short) for k in names for p in _KEY_AND_MODE[pool]))
    return _table().get(f"{first}+{second}", {}).get(pool, ())


def bare(phrase: str) -> str:
    """A phrase without its shape mark.

    >>> bare("~in a minor key"), bare("slow")
    ('in a minor key', 'slow')
    """
    return phrase.lstrip("~=")


def phrases_of(token: str, pool: Pool) -> tuple[str, ...]:
    """The wordings of one statement of ``mmbert.facets.TOKENS`` in one pool, as plain words.

    >>> "slow" in phrases_of("pace=slow", "known"), "slow" in phrases_of("pace=slow", "held_out")
    (True, False)
    """
    return tuple(bare(p) for p in marked(token, pool))


def pairs() -> tuple[tuple[str, str], ...]:
    """The pairs of statements that have phrases of their own, keys with modes left out (all of those have)."""
    return tuple(tuple(name.split("+", 1)) for name in _table() if "+" in name)  # type: ignore[misc]


def content_words(phrase: str) -> frozenset[str]:
    """Lower-case words that carry meaning.

    >>> sorted(content_words("in a minor key"))
    ['key', 'minor']
    """
    return frozenset(re.findall(r"[a-z0-9/#]+", phrase.lower())) - _STOP


def lexical_overlap() -> float:
    """Share of held-out phrases that have a content word in common with a known phrase of the same value."""
    shared = total = 0
    for token in TOKENS:
        if token.split("=")[0] in ("key", "instrument", "family"):
            continue  # the name itself must recur
        known = frozenset().union(*(content_words(p) for p in phrases_of(token, "known")))
        for phrase in phrases_of(token, "held_out"):
            total += 1
            shared += bool(known & content_words(phrase))
    return shared / total
