"""What an octuple encoding loses, counted: every difference between a score and what its octuples decode to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from mmbert.symbolic.octuple_line import Line, representable
from mmbert.symbolic.octuple_vocabulary import (
    DURATIONS,
    LONGEST,
    METRES,
    POSITIONS_PER_QUARTER,
    SIZES,
    VELOCITY_STEP,
    metre_id,
    tempo_bpm,
)
from mmbert.symbolic.score import Score

if TYPE_CHECKING:
    from mmbert.symbolic.octuple import Encoding

_KEPT = ("notes", "octuples", "beyond_bar_255", "duplicates_kept", "overlaps_kept", "duration_zero")  # no differences


@dataclass(frozen=True)
class EncodeReport:
    """Counts of what differs between a score and its octuples. What a reader of files left out is not seen here.

    Attributes:
        notes: Notes of the score.
        octuples: Rows that they became.
        dropped: Notes from position 65,536 on (``muzic`` alone).
        onset_moved: Notes that start elsewhere within their bar: off the grid of a sixteenth of a quarter.
        onset_error_max: The farthest of them, in quarters.
        duration_changed: Notes of another length.
        duration_error_max: The most changed of them, in quarters.
        duration_zero: Notes whose octuple has no length.
        duration_clipped: Notes of 255 quarters or more, which is past the ladder's end.
        velocity_changed: Notes that are not in the middle of a step of four.
        tempo_changed: Notes under a tempo that is rounded, clipped or not stated.
        tempo_error_max: The most changed of them, as a share of the stated tempo.
        tempo_assumed: Those of them under 120 because none is stated.
        tempo_clipped: Tempo events outside 16-256 bpm.
        tempo_unheard: Tempo events under which no note starts.
        tempo_late: Tempo events that come back later, at the first note under them.
        metre_changed: Notes under another metre than the one stated, or none stated.
        metre_assumed: Those of them under 4/4 because none is stated.
        metre_replaced: Metre events that the table does not hold.
        metre_unheard: Metre events under which no note starts.
        metre_late: Metre events that come back later, at the first bar with a note.
        metre_inside_bar: Metre events that did not start a bar (``muzic`` alone).
        bars_cut: Bars that a change of metre closed early; they come back whole.
        parts_merged: Parts that became one with another of their program.
        parts_split: Parts that came apart because their program changes.
        drum_kits: Drum notes of another kit than the first.
        part_names: Named parts; octuples have no names or roles.
        key_signatures: Key events; octuples have none.
        beyond_bar_255: Rows that a window of 256 bars from the start would not hold; kept.
        duplicates_kept: Rows equal to the one before them; kept.
        overlaps_kept: Notes that start while the same pitch of their program sounds; kept.
    """

    notes: int = 0
    octuples: int = 0
    dropped: int = 0
    onset_moved: int = 0
    onset_error_max: float = 0.0
    duration_changed: int = 0
    duration_error_max: float = 0.0
    duration_zero: int = 0
    duration_clipped: int = 0
    velocity_changed: int = 0
    tempo_changed: int = 0
    tempo_error_max: float = 0.0
    tempo_assumed: int = 0
    tempo_clipped: int = 0
    tempo_unheard: int = 0
    tempo_late: int = 0
    metre_changed: int = 0
    metre_assumed: int = 0
    metre_replaced: int = 0
    metre_unheard: int = 0
    metre_late: int = 0
    metre_inside_bar: int = 0
    bars_cut: int = 0
    parts_merged: int = 0
    parts_split: int = 0
    drum_kits: int = 0
    part_names: int = 0
    key_signatures: int = 0
    beyond_bar_255: int = 0
    duplicates_kept: int = 0
    overlaps_kept: int = 0

    @property
    def losses(self) -> dict[str, float]:
        """What differs, by name; empty where the score comes back as it was."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _KEPT and getattr(self, f.name)}

    def __str__(self) -> str:
        """
        >>> print(EncodeReport(notes=9, octuples=9, onset_moved=3, onset_error_max=1 / 32))
        9 notes in 9 octuples: onset_moved 3, onset_error_max 0.0312
        """
        parts = [f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in self.losses.items()]
        return f"{self.notes} notes in {self.octuples} octuples: {', '.join(parts) or 'nothing lost'}"

    @classmethod
    def total(cls, reports: Iterable[EncodeReport]) -> EncodeReport:
        """Counts added up, the largest of the maxima.

        >>> EncodeReport.total([EncodeReport(notes=1, onset_error_max=0.01), EncodeReport(notes=2)]).notes
        3
        """
        rows = [[getattr(r, f.name) for f in fields(cls)] for r in reports] or [[0] * len(fields(cls))]
        both = {f.name: (max if f.name.endswith("_max") else sum) for f in fields(cls)}
        return cls(**{name: add(column) for (name, add), column in zip(both.items(), zip(*rows))})


def report_of(encoding: Encoding) -> EncodeReport:
    """Count what an encoding loses."""
    score, x = encoding.score, encoding.octuples.astype(np.int64)
    notes = score.notes[encoding.note_index]
    counts: dict[str, int | float] = {
        "notes": len(score.notes),
        "octuples": len(x),
        "dropped": len(score.notes) - len(x),
    }
    counts |= _times(notes, x, encoding.line, score.ticks_per_quarter)
    counts |= {
        "velocity_changed": _n(VELOCITY_STEP * x[:, 5] + VELOCITY_STEP // 2 != notes["velocity"]),
        "drum_kits": _n(notes["is_drum"] & (notes["program"] != 0)),
        "part_names": sum(bool(part.name) for part in score.parts),
        "key_signatures": len(score.key_map),
        "beyond_bar_255": _n(x[:, 0] >= SIZES[0]),
        "duplicates_kept": _n((x[1:] == x[:-1]).all(axis=1)),
        "overlaps_kept": _overlaps(notes, x),
    }
    pairs = np.unique(notes["part"].astype(np.int64) * SIZES[2] + x[:, 2])
    counts["parts_merged"] = len(pairs) - len(np.unique(pairs % SIZES[2]))
    counts["parts_split"] = len(pairs) - len(np.unique(pairs // SIZES[2]))
    onset = np.sort(notes["onset"].astype(np.int64))
    counts |= _tempo(score, notes, x, onset) | _metre(score, notes, x) | _bars(encoding, score, onset)
    return EncodeReport(**counts)  # type: ignore[arg-type]


def _n(which: np.ndarray) -> int:
    return int(np.count_nonzero(which))


def _times(notes: np.ndarray, x: np.ndarray, line: Line, ticks_per_quarter: int) -> dict[str, int | float]:
    per_quarter = float(POSITIONS_PER_QUARTER)
    onset = (notes["onset"] - line.ticks(x[:, 0])) / ticks_per_quarter - x[:, 1] / per_quarter
    quarters = notes["duration"] / ticks_per_quarter
    duration = quarters - DURATIONS[x[:, 4]] / per_quarter
    onset, duration = (np.where(np.abs(d) < 1e-9, 0.0, np.abs(d)) for d in (onset, duration))
    return {
        "onset_moved": _n(onset),
        "onset_error_max": float(onset.max(initial=0)),
        "duration_changed": _n(duration),
        "duration_error_max": float(duration.max(initial=0)),
        "duration_zero": _n(x[:, 4] == 0),
        "duration_clipped": _n(quarters * per_quarter >= LONGEST),
    }


def _overlaps(notes: np.ndarray, x: np.ndarray) -> int:
    order = np.lexsort((notes["onset"], x[:, 3], x[:, 2]))
    one, two = order[:-1], order[1:]
    same = (x[one, 2] == x[two, 2]) & (x[one, 3] == x[two, 3])
    return _n(same & (notes["onset"][two] < notes["onset"][one].astype(np.int64) + notes["duration"][one]))


def _tempo(score: Score, notes: np.ndarray, x: np.ndarray, onset: np.ndarray) -> dict[str, int | float]:
    tick, bpm = score.tempo_map["tick"], score.tempo_map["bpm"]
    stated = np.append(np.nan, bpm)[np.searchsorted(tick, notes["onset"], side="right")]
    back = tempo_bpm(x[:, 7])
    first, heard = _heard(tick, onset)
    return {
        "tempo_changed": _n(~np.isclose(stated, back, rtol=1e-9, atol=0)),
        "tempo_error_max": float(np.nanmax(np.abs(back / stated - 1), initial=0)),
        "tempo_assumed": _n(np.isnan(stated)),
        "tempo_clipped": _n((bpm < 16) | (bpm > 256)),
        "tempo_unheard": _n(~heard),
        "tempo_late": _n(heard & (first > tick) & (tick > 0)),
    }


def _metre(score: Score, notes: np.ndarray, x: np.ndarray) -> dict[str, int | float]:
    tick = score.metre_map["tick"]
    metres = np.stack([score.metre_map["numerator"], score.metre_map["denominator"]], axis=1)
    stated = np.concatenate([[(0, 0)], metres])[np.searchsorted(tick, notes["onset"], side="right")]
    return {
        "metre_changed": _n((stated != np.array(METRES)[x[:, 6]]).any(axis=1)),
        "metre_assumed": _n(stated[:, 1] == 0),
        "metre_replaced": sum(metre_id(num, den) is None for num, den in metres.tolist()),
    }


def _heard(tick: np.ndarray, onset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tick of the first onset under each event, and whether there is one before the next event."""
    at = np.searchsorted(onset, tick)
    first = np.append(onset, np.iinfo(np.int64).max)[at]
    return first, first < np.append(tick[1:], np.iinfo(np.int64).max)[: len(tick)]


def _bars(encoding: Encoding, score: Score, onset: np.ndarray) -> dict[str, int | float]:
    """What happens to bar lines: changes of metre that come late, inside a bar, or cut one short."""
    line = encoding.line
    muzic = encoding.bar_policy == "muzic"
    map_ = (score if muzic else representable(score)).metre_map
    tick = map_["tick"]
    first, heard = _heard(tick, onset)
    last = int(encoding.octuples[:, 0].max(initial=0))
    cut = np.zeros(len(line.start), bool)
    cut[:-1] = (np.diff(line.start) % line.length[:-1] != 0) & (line.bar[1:] <= last) & (not muzic)
    bar = line.ticks_per_position * np.array([64 * n / d for _, n, d in map_.tolist()])
    inside = ~np.isin(line.metre_start, line.start) & (line.metre_start > 0)
    return {
        "metre_unheard": _n(~heard),
        "metre_late": _n(heard & (first >= tick + bar) & (tick > 0)),
        "metre_inside_bar": _n(inside) if muzic else 0,
        "bars_cut": _n(cut),
    }
