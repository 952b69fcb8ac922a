"""Numbers where the phrases say classes: a tempo in beats a minute, bars and minutes counted, a key as its signature.

People write all of these; as phrases they would be endless. The numbers are the piece's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from mmbert.facets import BINS, pitch_class
from mmbert.types import Facets
from mmbert_training.phrases import phrases

# Written for this project. All stand behind a noun.
_TEMPO = (
    "at {n} bpm", "at {n}", "around {n} bpm", "about {n} bpm", "{n} bpm", "at {n} beats per minute", "tempo {n}",
    "quarter note = {n}", "crotchet = {n}", "at roughly {n} beats a minute", "metronome around {n}", "ca. {n} bpm",
)  # fmt: skip
_BARS = (
    "{n} bars", "{n} bars long", "of {n} bars", "{n} measures", "about {n} bars", "{n} bars in all",
    "lasting {n} measures", "{n} bars total",
)  # fmt: skip
_FEW_BARS = ("just {n} bars", "only {n} bars", "no more than {n} bars", "only {n} measures")
_SECONDS = ("{n} seconds", "about {n} seconds", "{n} seconds long", "around {n} s", "lasting {n} seconds", "0:{n}")
_MINUTES = ("{n} minutes", "about {n} minutes", "{n} minutes long", "around {n} minutes", "over {n} minutes")
_SIGNATURE = (
    "{m}, {s}", "{m} with {s}", "with {s}, {m}", "in the {m} key of {s}", "{s}, {m} key",
    "{m} mode, key signature of {s}",
)  # fmt: skip
WORDS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip


def numbered(statement: str, facets: Facets, rng: np.random.Generator) -> str | None:
    """A phrase with the piece's number for a statement that is true of it, None for one that has none.

    >>> numbered("bars=few", Facets(bars=16), np.random.default_rng(1))
    '~16 bars'
    >>> numbered("form=jig", Facets(form="jig"), np.random.default_rng(1))
    """
    if statement.startswith("tempo=") and facets.tempo_bpm is not None:
        return _said(_TEMPO, str(int(facets.tempo_bpm)), rng)
    if statement == "length=short" and facets.duration_s is not None and facets.duration_s >= 1:
        return _said(_SECONDS, str(int(facets.duration_s)), rng)
    if statement == "length=long" and facets.duration_s is not None:
        return _said(_MINUTES, _counted(int(facets.duration_s // 60), rng), rng)
    return bars(facets, rng) if statement.startswith("bars=") else None


def bars(facets: Facets, rng: np.random.Generator) -> str | None:
    """How many bars there are; of neither few nor many nothing but this can be said. None where it is not known."""
    if facets.bars is None:
        return None
    few = BINS["bars"].name(facets.bars) == "few"
    return _said((*_BARS, *_FEW_BARS) if few else _BARS, _counted(facets.bars, rng), rng)


def signature(key: str, mode: str, rng: np.random.Generator) -> str:
    """A key as its signature and mode.

    Args:
        key: The tonic.
        mode: ``major`` or ``minor``.
        rng: What is drawn.

    >>> signature("C", "minor", np.random.default_rng(7))
    '~three flats, minor key'
    """
    tonic = (pitch_class(key) or 0) + (3 if mode == "minor" else 0)
    fifths = 7 * tonic % 12
    if fifths > 6 or (fifths == 6 and rng.random() < 0.5):
        fifths -= 12
    count = str(abs(fifths)) if rng.random() < 0.3 and fifths else WORDS[abs(fifths)]
    accidental = "sharp" if fifths > 0 else "flat" if fifths < 0 else "sharps or flat"
    said = f"{count} {accidental}{'' if abs(fifths) == 1 else 's'}"
    return "~" + _one(_SIGNATURE, rng).format(m=mode, s=said)


def _said(patterns: Sequence[str], number: str, rng: np.random.Generator) -> str | None:
    """A phrase that the unseen pool does not hold; None where it holds all."""
    said = [p for p in (pattern.format(n=number) for pattern in patterns) if p not in _unseen()]
    return f"~{_one(said, rng)}" if said else None


@cache
def _unseen() -> frozenset[str]:
    return frozenset(phrase for phrase, _ in phrases("unseen").all)


def _counted(number: int, rng: np.random.Generator) -> str:
    return WORDS[number] if number < len(WORDS) and rng.random() < 0.5 else str(number)


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
