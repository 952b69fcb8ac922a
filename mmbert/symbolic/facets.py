"""Facets of a score: what can be said of it by counting. Nothing here is guessed from words or learnt.

A few array operations a facet, about a millisecond a piece. What a file does not state and its notes do not
show stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmbert.facets import form_token
from mmbert.symbolic.instruments import DRUMS, family_of, name_of
from mmbert.symbolic.keys import estimate_key
from mmbert.symbolic.score import Score
from mmbert.types import Facets

# Measured on quantised scores and on performances (mean distances in sixteenths, 0.19 and 0.25 at random):
# every performance lies above both limits, and so do fewer than one in a hundred quantised files.
_OFF_GRID, _OFF_FINE_GRID = 0.10, 0.03
_TOGETHER_S = 0.03  # a performer's chord is spread over about this


def score_facets(score: Score, metadata: Mapping[str, str] | None = None) -> Facets:
    """The facets of a score.

    Args:
        score: At least one note, else only the metadata are known. Chord symbols that a reader turned into
            notes count for the key alone: nobody wrote them.
        metadata: ``title``, ``composer`` and ``form`` as the file states them.

    Where the notes do not follow the bar grid (:func:`is_free_time`) there is no metre, tempo or bar.
    """
    words = _words(metadata or {})
    key = _key(score)
    score = written(score)
    if not len(score.notes):
        return Facets(parts=0, bars=0, **words)
    pitched = score.notes[~score.notes["is_drum"]]
    sounding = pitched if len(pitched) else score.notes
    free = is_free_time(score)
    return Facets(
        **key,
        **_time(score, sounding, free),
        duration_s=score.duration_s,
        **_instruments(score),
        polyphony=_polyphony(sounding),
        pitch_low=int(pitched["pitch"].min()) if len(pitched) else None,
        pitch_high=int(pitched["pitch"].max()) if len(pitched) else None,
        velocity_mean=_velocity(score.notes),
        **words,
    )


def grid_residual(score: Score) -> float:
    """Mean distance of onsets to the nearest sixteenth or eighth triplet, in sixteenths, weighted by length.

    0 for a score in these values, about 0.19 for notes that know of no grid.
    """
    onset, weight = _distinct_onsets(score)
    return float(np.average(np.minimum(_distance(onset, 4), _distance(onset, 3)), weights=weight))


def is_free_time(score: Score) -> bool:
    """Whether a score was played without regard to its bar grid: bars, metre and tempo then mean nothing.

    So far off sixteenths and triplets that no human feel explains it, and off a grid of 24 to the quarter too
    (where ornaments and odd tuplets of quantised scores still lie).
    """
    if not len(score.notes) or grid_residual(score) <= _OFF_GRID:
        return False
    onset, weight = _distinct_onsets(score)
    return float(np.average(_distance(onset, 24) * 6, weights=weight)) > _OFF_FINE_GRID


def _distinct_onsets(score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Onsets in quarters without repeats, and the length of the longest note at each, at most a quarter."""
    notes = score.notes[~score.notes["is_drum"]]
    notes = notes if len(notes) else score.notes
    starts = np.flatnonzero(np.r_[True, np.diff(notes["onset"]) > 0])
    length = np.maximum.reduceat(notes["duration"], starts) / score.ticks_per_quarter
    return notes["onset"][starts] / score.ticks_per_quarter, np.clip(length, 1e-6, 1.0)


def _distance(onset: np.ndarray, per_quarter: int) -> np.ndarray:
    """Distance to the nearest of ``per_quarter`` places a quarter, in sixteenths."""
    place = onset * per_quarter
    return np.abs(place - np.round(place)) * (4 / per_quarter)


def written(score: Score) -> Score:
    """A score without the notes that a reader made of chord symbols."""
    kept = np.array([p.written for p in score.parts], dtype=bool)
    return score if kept.all() else score.with_notes(score.notes[kept[score.notes["part"]]])


def _words(metadata: Mapping[str, str]) -> dict[str, Any]:
    form = metadata.get("form", "").strip().lower()
    return {
        "form": form_token(form) or form or None,
        "title": metadata.get("title") or None,
        "composer": metadata.get("composer") or None,
    }


def _key(score: Score) -> dict[str, Any]:
    found = estimate_key(score)
    return {} if found is None else {"key": found.key, "mode": found.mode, "key_confidence": found.confidence}


def _time(score: Score, sounding: np.ndarray, free: bool) -> dict[str, Any]:
    seconds = score.seconds(sounding["onset"])
    length_s = float(score.duration_s - seconds[0])
    onsets = 1 + int(np.count_nonzero(np.diff(seconds) > _TOGETHER_S))
    a_second = onsets / length_s if length_s > 0 else None
    if free:
        return {"pace": a_second}
    first_bar = int(score.bars(int(score.notes["onset"][0])))
    tempo = _tempo(score)
    pace = a_second if tempo is not None else onsets / (score.n_bars - first_bar)
    return {
        "tempo_bpm": tempo,
        "pace": pace,
        "metre": _metre(score),
        "bars": score.n_bars,
        "notes_per_bar": len(score.notes) / (score.n_bars - first_bar),
    }


def _tempo(score: Score) -> float | None:
    """Quarter notes a minute where stated, each stretch weighted by its seconds."""
    if not len(score.tempo_map):
        return None
    start, end = max(int(score.tempo_map["tick"][0]), int(score.notes["onset"][0])), score.end_tick
    elapsed = float(score.seconds(end) - score.seconds(start))
    return 60 * (end - start) / score.ticks_per_quarter / elapsed if end > start and elapsed > 0 else None


def _metre(score: Score) -> str | None:
    """The metre in force for most bars."""
    if not len(score.metre_map):
        return None
    rows, which = np.unique(score.bar_metres, axis=0, return_inverse=True)
    numerator, denominator = rows[np.bincount(which.ravel()).argmax()]
    return f"{numerator}/{denominator}"


def _instruments(score: Score) -> dict[str, Any]:
    """Names and families of the parts whose instrument the file states, most notes first."""
    stated = np.array([p.program_stated or p.is_drum for p in score.parts])
    notes = score.notes[stated[score.notes["part"]]]
    program = np.where(notes["is_drum"], 128, notes["program"])
    count = np.bincount(program, minlength=129)
    names: dict[str, int] = {}
    families: dict[str, int] = {}
    for p in np.flatnonzero(count).tolist():
        name, family = name_of(p % 128, p == 128), family_of(p % 128, p == 128)
        names[name] = names.get(name, 0) + int(count[p])
        families[family] = families.get(family, 0) + int(count[p])
    return {
        "instruments": tuple(sorted(names, key=lambda n: -names[n])),
        "families": tuple(sorted(families, key=lambda n: -families[n])),
        "has_drums": DRUMS in names,
        "parts": int(np.count_nonzero(np.bincount(score.notes["part"]))),
    }


def _polyphony(notes: np.ndarray) -> float | None:
    """Mean number of notes sounding while any sounds."""
    onset = notes["onset"].astype(np.int64)
    end = onset + notes["duration"]
    before = np.maximum.accumulate(np.r_[onset[0], end[:-1]])  # where what came before ends
    some = int(np.maximum(end - np.maximum(onset, before), 0).sum())
    return float(notes["duration"].sum(dtype=np.int64) / some) if some > 0 else None


def _velocity(notes: np.ndarray) -> float | None:
    """Mean velocity; None where each part has but one: levels of a mixer, nobody played them."""
    order = np.argsort(notes["part"], kind="stable")
    part, velocity = notes["part"][order], notes["velocity"][order].astype(np.int16)
    changes = (np.diff(velocity) != 0) & (np.diff(part) == 0)
    return float(velocity.mean()) if changes.any() else None
