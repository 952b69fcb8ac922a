"""What is read at once and what is found: passages for the encoder, windows for the library, the time line of both.

Bars are the encoder's: those of :attr:`Score.bar_lines`, with metres that octuples cannot hold replaced
(:func:`mmbert.symbolic.octuple_line.representable`). Scores that were played without regard to their bar grid are
re-timed: a "bar" is then two seconds.
"""

from __future__ import annotations

import itertools

import numpy as np

from mmbert.symbolic.octuple import FIELDS, SIZES, Encoding
from mmbert.symbolic.octuple_line import positions_of, representable, time_line
from mmbert.symbolic.score import NOTE, Score
from mmbert.types import Place, Window

FREE_BAR_S = 2.0  # seconds of a "bar" in free time
PASSAGE_NOTES, PASSAGE_BARS = 256, 16  # the most of a passage
WINDOW_BARS = 4
HOP_BARS = 2
_FREE_TICKS, _FREE_BPM = 480, 120.0  # a quarter, and quarters a minute, of a re-timed score: one 4/4 bar = 2 s
_BAR = FIELDS.index("bar")


def timeline(score: Score, free_time: bool) -> Score:
    """The score to encode: itself, or in free time the same notes at the same seconds in 4/4 bars of two seconds."""
    if not free_time:
        return score
    per_second = _FREE_TICKS * _FREE_BPM / 60

    def moved(ticks: np.ndarray) -> np.ndarray:
        return np.rint(score.seconds(ticks) * per_second).astype(np.int64)

    notes = score.notes.astype(NOTE)
    onset = score.notes["onset"].astype(np.int64)
    notes["onset"] = moved(onset)
    notes["duration"] = moved(onset + score.notes["duration"]) - notes["onset"]
    keys = score.key_map.copy()
    keys["tick"] = moved(keys["tick"])
    return Score.build(
        notes, _FREE_TICKS, tempo_map=[(0, _FREE_BPM)], metre_map=[(0, 4, 4)], key_map=keys, parts=score.parts
    )


def passages(encoding: Encoding, max_notes: int = PASSAGE_NOTES, max_bars: int = PASSAGE_BARS) -> list[Window]:
    """Consecutive runs of whole bars with notes; together they hold every note once.

    A passage begins at a bar with notes and takes in following bars while it stays within ``max_bars`` bars and
    ``max_notes`` notes. A bar with more notes than that alone becomes several passages of the same bar.

    Returns:
        Windows with int16 octuples whose bars count from the passage's first, and places in bars and seconds.

    Raises:
        ValueError: for a ``max_notes`` below 1 or ``max_bars`` outside 1-256.
    """
    if max_notes < 1 or not 1 <= max_bars <= SIZES[_BAR]:
        raise ValueError(f"max_notes: {max_notes} and max_bars: {max_bars} must be at least 1, max_bars at most 256")
    octuples = encoding.octuples
    column = octuples[:, _BAR].astype(np.int64)
    if not len(column):
        return []
    first = np.flatnonzero(np.diff(column, prepend=-1))
    bars, begin = column[first], np.append(first, len(column))
    cuts: list[tuple[int, int]] = []  # rows of each passage
    i = 0
    while i < len(bars):
        within_bars = np.searchsorted(bars, bars[i] + max_bars)
        within_notes = np.searchsorted(begin, begin[i] + max_notes, side="right") - 1
        stop = max(int(min(within_bars, within_notes)), i + 1)
        rows = [*range(int(begin[i]), int(begin[stop]), max_notes), int(begin[stop])]
        cuts += itertools.pairwise(rows)
        i = stop
    start_bar = column[[a for a, _ in cuts]]
    end_bar = column[[b - 1 for _, b in cuts]] + 1
    start_s, end_s = _seconds(encoding, start_bar), _seconds(encoding, end_bar)
    out = []
    for (a, b), bar, end, begins, ends in zip(cuts, start_bar.tolist(), end_bar.tolist(), start_s, end_s):
        tokens = octuples[a:b].copy()
        tokens[:, _BAR] -= bar
        out.append(Window(tokens, Place(begins, ends, bar, end)))
    return out


def _seconds(encoding: Encoding, bars: np.ndarray) -> list[float]:
    return encoding.score.seconds(encoding.line.ticks(bars)).tolist()


def search_windows(score: Score, free_time: bool = False) -> tuple[Place, ...]:
    """The places that a library can answer with: four bars, every two bars; a shorter piece is one place.

    The last one ends with the last bar. In free time the same over two-second bars, whose numbers are not told.

    >>> score = Score.build([(0, 480 * 24, 60, 80, 0, False, 0)], 480)
    >>> [(p.start_bar, p.end_bar, p.start_s) for p in search_windows(score)]
    [(0, 4, 0.0), (2, 6, 4.0)]
    """
    score = representable(timeline(score, free_time))
    line = time_line(score)
    last_onset = positions_of(score.notes["onset"].max(initial=0), score.ticks_per_quarter)
    n = max(score.n_bars, int(line.bars(last_onset[None])[0][0]) + 1)
    starts = list(range(0, max(n - WINDOW_BARS, 0) + 1, HOP_BARS))
    if starts[-1] + WINDOW_BARS < n:
        starts.append(n - WINDOW_BARS)
    ends = [min(start + WINDOW_BARS, n) for start in starts]
    edges = score.seconds(line.ticks(np.array([starts, ends]))).tolist()
    if free_time:
        return tuple(Place(round(a, 6), round(b, 6)) for a, b in zip(*edges))
    return tuple(Place(*place) for place in zip(*edges, starts, ends))
