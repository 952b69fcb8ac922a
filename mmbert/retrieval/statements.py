"""Which statements of the closed vocabulary are true of which pieces of a library, a column at a time.

The same as ``mmbert.facets.tokens_of`` of every piece, without making the facets of any; only that the name of an
instrument counts within a longer one (a pan flute is a flute).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from mmbert.facets import BINS, MOODS, SPEEDS, form_token
from mmbert.types import Condition

if TYPE_CHECKING:
    from mmbert.store import Generation

_NUMBERS = {
    "tempo": "tempo_bpm", "bars": "bars", "parts": "parts", "texture": "polyphony", "density": "notes_per_bar",
    "dynamics": "velocity_mean",
}  # fmt: skip
_LISTS = {"instrument": "instruments", "family": "families"}
_holding: WeakKeyDictionary[Generation, dict[str, np.ndarray]] = WeakKeyDictionary()


def by_statements(generation: Generation, said: Mapping[str, float]) -> np.ndarray:
    """How much of what was said is true of each piece: float32 [n_pieces], the sum of the weights.

    Args:
        generation: The open library.
        said: Statements and how strongly each was said (``mmbert.retrieval.phrasebook.said``).
    """
    total = np.zeros(generation.n_pieces, dtype=np.float32)
    for statement, weight in said.items():
        total += np.float32(weight) * holds(generation, statement)
    return total


def holds(generation: Generation, statement: str) -> np.ndarray:
    """Of which pieces a statement of ``mmbert.facets.TOKENS`` is true: bool [n_pieces]; kept with the generation."""
    known = _holding.setdefault(generation, {})
    if statement not in known:
        known[statement] = _holds(generation, *statement.split("=", 1))
    return known[statement]


def _holds(generation: Generation, kind: str, value: str) -> np.ndarray:
    if kind in _NUMBERS:
        return _binned(generation.numbers(_NUMBERS[kind]), kind, value)
    if kind == "pace":
        pace = generation.numbers("pace")
        by_second = _by_second(generation)
        return np.where(by_second, _binned(pace, "pace_second", value), _binned(pace, "pace_bar", value))
    if kind == "length":
        timed = _by_second(generation) & ~np.isnan(generation.numbers("parts"))
        return _binned(generation.numbers("duration_s"), kind, value) & timed
    if kind in ("range", "register"):
        low, high = (generation.numbers(f"pitch_{end}") for end in ("low", "high"))
        return _binned(high - low if kind == "range" else (high + low) / 2, kind, value)
    if kind == "mood":
        return np.logical_and.reduce([_part(generation, needed) for needed in MOODS[value]])
    if kind == "form":
        forms = generation.pieces.form
        named = {form: form_token(form) == value for form in set(forms)}
        return np.fromiter((named[form] for form in forms), dtype=bool, count=len(forms))
    if kind == "drums":
        return _fits(generation, "has_drums", True)
    if kind == "key":
        return _fits(generation, "key", value) & ~_unknown(generation, "mode")
    if kind == "mode":
        return _fits(generation, "mode", value) & ~_unknown(generation, "key")
    return _fits(generation, _LISTS.get(kind, kind), value)


def _part(generation: Generation, needed: str) -> np.ndarray:
    """A part of a mood's rule: a statement, or ``slow`` and ``fast`` as ``mmbert.facets.moods`` has them."""
    if needed not in SPEEDS:
        return holds(generation, needed)
    tempo = generation.numbers("tempo_bpm")
    agrees = np.logical_or.reduce([_binned(tempo, "tempo", name) for name in SPEEDS[needed]["tempo"]])
    paced = np.logical_or.reduce([holds(generation, f"pace={name}") for name in SPEEDS[needed]["pace"]])
    return paced & (np.isnan(tempo) | agrees)


def _by_second(generation: Generation) -> np.ndarray:
    """Pieces whose pace counts by the second: a tempo is stated, or they are played freely."""
    return ~np.isnan(generation.numbers("tempo_bpm")) | np.isnan(generation.numbers("bars"))


def _binned(values: np.ndarray, bins: str, name: str) -> np.ndarray:
    i = BINS[bins].names.index(name)
    return (np.searchsorted(BINS[bins].bounds, values, side="right") == i) & ~np.isnan(values)


def _fits(generation: Generation, facet: str, value: str | bool) -> np.ndarray:
    return np.asarray(generation.fits(Condition(facet, "=", value))) == 1


def _unknown(generation: Generation, facet: str) -> np.ndarray:
    return np.asarray(generation.fits(Condition(facet, "=", "C" if facet == "key" else "major"))) == -1
