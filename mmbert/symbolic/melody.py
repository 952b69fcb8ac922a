"""Which notes of a score are its melody, and which accompany it.

A part that is named as one (``Voice``, ``MELODY``, ``Violin I``) is the melody. Where none is, of the parts that are
no bass, no named accompaniment and not rare, the one that is most nearly a single line. A single part with chords is
divided by its skyline. ``python -m mmbert_training.evaluate.melody_rule`` says how often these rules find what
POP909 labels as melody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmbert.symbolic.score import Score

_LOWEST_MEAN = 55  # MIDI pitch: parts whose highest notes lie below on average are basses
_RARE = 0.5  # a part with notes in fewer bars than this share of the fullest part's is no melody
_LINE = 0.5  # up to this share of chords and overlaps a part counts as a line, above as a part that holds one
_BELOW = 9  # semitones: notes of a skyline that lie farther below its course are left hand, heard in a pause
_COURSE_QUARTERS = 8.0  # on both sides


@dataclass(frozen=True, eq=False)
class Voices:
    """The notes of a score, divided.

    Attributes:
        melody: ``score.NOTE`` [n], one note at a time, each ending where the next begins at the latest.
        accompaniment: ``score.NOTE`` [m], everything else that has a pitch.
        rule: How the melody was found: ``named`` part, ``chosen`` part, ``skyline`` of a part with chords, or ``none``.
    """

    melody: np.ndarray
    accompaniment: np.ndarray
    rule: Literal["named", "chosen", "skyline", "none"]


def voices(score: Score, part: int | None = None) -> Voices:
    """Melody and accompaniment; chord symbols that a reader turned into notes accompany, drums do neither.

    Args:
        score: Any.
        part: The part that holds the melody (index into ``score.parts``) where the person says so; of its chords the
            highest notes.

    >>> notes = [(0, 480, 72, 80, 0, False, 0), (480, 480, 74, 80, 0, False, 0), (0, 960, 48, 80, 0, False, 0)]
    >>> found = voices(Score.build(notes, 480))
    >>> found.melody["pitch"].tolist(), found.accompaniment["pitch"].tolist(), found.rule
    ([72, 74], [48], 'skyline')
    """
    notes = score.notes[~score.notes["is_drum"]]
    if part is None:
        part, rule = _melody_part(score, notes)
    else:
        look = _look(score, notes[notes["part"] == part])
        rule = "chosen" if look[0] <= _LINE else "skyline"
    of_part = notes["part"] == part
    line = np.flatnonzero(of_part)
    line = line[_highest(notes[line])]
    if rule == "skyline":
        line = line[_near_its_course(notes[line], score.ticks_per_quarter)]
    kept = np.zeros(len(notes), bool)
    kept[line] = True
    other = ~kept if rule == "skyline" else ~of_part
    return Voices(_one_at_a_time(notes[line]), notes[other], rule)


def _melody_part(score: Score, notes: np.ndarray) -> tuple[int, Literal["named", "chosen", "skyline", "none"]]:
    present = [p for p in np.unique(notes["part"]).tolist() if score.parts[p].written]
    if not present:
        return -1, "none"
    named = [p for p in present if score.parts[p].role == "melody"]
    if named:
        return named[0], "named"
    open_ = [p for p in present if score.parts[p].role not in ("bass", "accompaniment")] or present
    looks = {p: _look(score, notes[notes["part"] == p]) for p in open_}
    fullest = max(bars for _, _, bars in looks.values())
    high = [p for p in open_ if looks[p][1] >= _LOWEST_MEAN and looks[p][2] >= _RARE * fullest] or open_
    best = min(high, key=lambda p: (round(looks[p][0], 2), -looks[p][1]))
    return best, "chosen" if looks[best][0] <= _LINE else "skyline"


def _look(score: Score, notes: np.ndarray) -> tuple[float, float, int]:
    """Share of onsets with a chord plus share that sound into the next; mean highest pitch; bars with notes."""
    starts, size = _onsets(notes)
    end = notes["onset"].astype(np.int64) + notes["duration"]
    touch = score.ticks_per_quarter // 16  # legato is no overlap
    into_next = np.maximum.accumulate(end)[starts[1:] - 1] > notes["onset"][starts[1:]] + touch
    overlap = float(into_next.mean()) if len(into_next) else 0.0
    highest = np.maximum.reduceat(notes["pitch"], starts)
    return float((size > 1).mean()) + overlap, float(highest.mean()), len(np.unique(score.bars(notes["onset"])))


def _onsets(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row of every onset and how many notes begin there; notes sorted by onset."""
    starts = np.flatnonzero(np.r_[True, np.diff(notes["onset"]) > 0])
    return starts, np.diff(np.r_[starts, len(notes)])


def _highest(notes: np.ndarray) -> np.ndarray:
    """Rows of the highest note at every onset, where nothing higher sounds on from before."""
    if not len(notes):
        return np.empty(0, np.int64)
    rows: list[int] = []
    sounding: list[tuple[int, int]] = []  # (end, pitch) of notes that may still lie above
    order = np.lexsort((-notes["pitch"].astype(np.int64), notes["onset"]))
    onset, end = notes["onset"].tolist(), (notes["onset"].astype(np.int64) + notes["duration"]).tolist()
    pitch = notes["pitch"].tolist()
    last = None
    for row in order.tolist():
        if onset[row] == last:
            continue
        last = onset[row]
        # A note that ends within the next one's first half is held over, not above it.
        length = max(end[row] - last, 1)
        sounding = [(stop, p) for stop, p in sounding if stop > last]
        if all(p <= pitch[row] or stop - last < length / 2 for stop, p in sounding):
            rows.append(row)
            sounding.append((end[row], pitch[row]))
    return np.array(rows, dtype=np.int64)


def _near_its_course(notes: np.ndarray, ticks_per_quarter: int) -> np.ndarray:
    """bool [n]: not far below the median pitch of the notes around."""
    reach = round(_COURSE_QUARTERS * ticks_per_quarter)
    onset = notes["onset"].astype(np.int64)
    first, behind = np.searchsorted(onset, onset - reach), np.searchsorted(onset, onset + reach, side="right")
    pitch = notes["pitch"].astype(np.float64)
    course = np.array([np.median(pitch[a:b]) for a, b in zip(first, behind)])
    return pitch >= course - _BELOW


def _one_at_a_time(line: np.ndarray) -> np.ndarray:
    out = line.copy()
    if len(out):
        gap = np.diff(out["onset"].astype(np.int64))
        out["duration"][:-1] = np.minimum(out["duration"][:-1], gap)
    return out
