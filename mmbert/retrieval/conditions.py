"""Conditions against a library: which pieces fit, and what ``pace=slow`` means.

Slow and fast are asked of the tempo where a file states one, else of the pace (onsets a second, or a bar). The
numbers are those of ``mmbert.facets.BINS``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmbert.errors import UsageError
from mmbert.facets import BINS, parse_where
from mmbert.types import Condition, Facets

if TYPE_CHECKING:
    from mmbert.store import Generation

PACES = BINS["tempo"].names  # slow, moderate, brisk, fast
_PACE_CLASS = {"slow": "slow", "moderate": "medium", "brisk": "medium", "fast": "fast"}


def is_pace_class(condition: Condition) -> bool:
    """Whether a condition is ``pace=slow`` and the like rather than a number."""
    return condition.facet == "pace" and isinstance(condition.value, str)


def read_where(text: str) -> tuple[Condition, ...]:
    """``--where`` text as hard conditions, the classes of pace included.

    Raises:
        UsageError: for an unknown facet, operator or value.

    >>> [str(c) for c in read_where("pace=slow")], [str(c) for c in read_where("bars<=32")]
    (['pace=slow'], ['bars<=32'])
    """
    facet, sign, value = text.replace("!=", "\0").partition("\0") if "!=" in text else text.partition("=")
    if facet.strip() == "pace" and value.strip().lower() in PACES:
        return (Condition("pace", "!=" if sign == "\0" else "=", value.strip().lower(), hard=True),)
    return parse_where(text)


def all_of(where: str | Iterable[str | Condition]) -> tuple[Condition, ...]:
    """Conditions given as text or ready made; what is given so excludes."""
    out: list[Condition] = []
    for entry in [where] if isinstance(where, str) else where:
        out += [entry] if isinstance(entry, Condition) else read_where(entry)
    return tuple(out)


def bounds(bins: str, name: str) -> tuple[float, float]:
    """Lowest (inclusive) and highest (exclusive) number of a class.

    >>> bounds("tempo", "slow"), bounds("tempo", "fast")
    ((-inf, 76), (132, inf))
    """
    i = BINS[bins].names.index(name)
    edges = (-math.inf, *BINS[bins].bounds, math.inf)
    return edges[i], edges[i + 1]


def paced_by(facets: Facets) -> str | None:
    """What says whether this piece is slow: ``tempo`` where stated, else ``pace``; None where neither is known."""
    return "tempo" if facets.tempo_bpm is not None else "pace" if facets.pace is not None else None


def pace_fits(name: str, facets: Facets) -> bool | None:
    """Whether one piece is slow, moderate, brisk or fast; None where neither tempo nor pace is known."""
    by = paced_by(facets)
    if by is None:
        return None
    value = facets.tempo_bpm if by == "tempo" else facets.pace
    low, high = bounds(by, name) if by == "tempo" else bounds(f"pace_{facets.pace_unit}", _PACE_CLASS[name])
    return low <= float(value) < high  # type: ignore[arg-type]  # paced_by says that it is known


def fits(generation: Generation, condition: Condition, pace_unit: str | None = None) -> np.ndarray:
    """Which pieces fit: int8 [n_pieces], 1 true, 0 false, -1 unknown.

    Args:
        generation: The open library.
        condition: Any condition, ``pace=slow`` included.
        pace_unit: What the pace of an example counts by; None without an example. Pieces that count otherwise
            are then unknown, and a preference for more or less is not met by what is equal but for rounding.
    """
    if is_pace_class(condition):
        return _paces(generation, str(condition.value), condition.operator == "!=")
    found = np.array(generation.fits(condition), dtype=np.int8)
    if pace_unit and not condition.hard and condition.operator in ("<", ">"):
        found[np.asarray(generation.fits(replace(condition, operator="="))) == 1] = 0
    if condition.facet == "pace" and pace_unit:
        in_seconds = _counts_by_second(generation)
        found = np.where(in_seconds == (pace_unit == "second"), found, np.int8(-1))
    return found


def _known(generation: Generation, facet: str) -> np.ndarray:
    return np.asarray(generation.fits(Condition(facet, ">=", 0))) != -1


def _counts_by_second(generation: Generation) -> np.ndarray:
    return _known(generation, "tempo_bpm") | ~_known(generation, "bars")


def _within(generation: Generation, facet: str, low: float, high: float) -> np.ndarray:
    above = np.asarray(generation.fits(Condition(facet, ">=", max(low, -1e9))))
    below = np.asarray(generation.fits(Condition(facet, "<", min(high, 1e9))))
    return np.minimum(above, below).astype(np.int8)


def _paces(generation: Generation, name: str, negated: bool) -> np.ndarray:
    by_tempo = _within(generation, "tempo_bpm", *bounds("tempo", name))
    per_second = _within(generation, "pace", *bounds("pace_second", _PACE_CLASS[name]))
    per_bar = _within(generation, "pace", *bounds("pace_bar", _PACE_CLASS[name]))
    by_pace = np.where(_counts_by_second(generation), per_second, per_bar)
    found = np.where(_known(generation, "tempo_bpm"), by_tempo, by_pace).astype(np.int8)
    return np.where(found >= 0, 1 - found, found).astype(np.int8) if negated else found


def allowed(generation: Generation, conditions: Iterable[Condition], pace_unit: str | None = None) -> np.ndarray:
    """Pieces that every hard condition leaves in: bool [n_pieces].

    A wish to leave something out (``!=``, no drums) keeps what is unknown; a wish for something does not.
    """
    keep = np.ones(generation.n_pieces, dtype=bool)
    for c in conditions:
        if c.hard:
            found = fits(generation, c, pace_unit)
            keep &= found != 0 if c.operator == "!=" or c.value is False else found == 1
    return keep


def checked_modality(modality: str | None) -> str | None:
    """The kind of piece asked for.

    Raises:
        UsageError: where it is none.
    """
    if modality is not None and modality not in ("score", "recording", "text"):
        raise UsageError("modality", f"is {modality!r}", "Choose score, recording or text")
    return modality


def lies_in(paths: np.ndarray, folder: str) -> np.ndarray:
    """Which files lie in a folder, or deeper: bool [n].

    >>> lies_in(np.array(["/m/jigs/a.abc", "/m/jigs old/b.abc"], dtype=object), "/m/jigs").tolist()
    [True, False]
    """
    inside = folder.rstrip(os.sep) + os.sep
    return np.fromiter((path.startswith(inside) for path in paths), dtype=bool, count=len(paths))


def known_value(facets: Facets, facet: str) -> Any:
    """A facet's value, None where unknown or empty."""
    value = getattr(facets, facet)
    return None if value == () else value
