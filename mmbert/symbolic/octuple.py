"""Scores to octuples: eight integers a note, those of OctupleMIDI (MusicBERT, Zeng et al. 2021, section 3.2).

The integers are the ones of the authors' public ``preprocess.py`` (microsoft/muzic); ``bar_policy="muzic"`` gives its
output for a whole piece. What the grid loses is counted by :attr:`Encoding.report`; :func:`decode` goes back.

>>> from mmbert.symbolic.score import Score
>>> score = Score.build([(0, 480, 60, 80, 0, False, 0), (1920, 240, 64, 81, 40, False, 1)], 480)
>>> encode(score).octuples.tolist()
[[0, 0, 0, 60, 16, 20, 9, 35], [1, 0, 40, 64, 8, 20, 9, 35]]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmbert.errors import ItemError
from mmbert.symbolic.octuple_decode import decode
from mmbert.symbolic.octuple_line import BarPolicy, Line, in_force, positions_of, representable, time_line
from mmbert.symbolic.octuple_report import EncodeReport, report_of
from mmbert.symbolic.octuple_vocabulary import (
    DRUM_PROGRAM,
    FIELDS,
    MASK_ID,
    MOST_BARS,
    PAD_ID,
    SIZES,
    VOCABULARY,
    duration_id,
)
from mmbert.symbolic.score import Score

__all__ = [
    "FIELDS", "MASK_ID", "PAD_ID", "SIZES", "VOCABULARY", "BarPolicy", "EncodeReport", "Encoding", "decode", "encode",
]  # fmt: skip

MUZIC_POSITIONS = 65_536  # the reference drops what starts there or later


@dataclass(frozen=True, eq=False)
class Encoding:
    """A score as octuples.

    Attributes:
        octuples: int16 [n, 8] in the order of :data:`FIELDS`, sorted by bar, position, program, pitch, duration,
            velocity; the bar counts from the start of the piece and may pass 255.
        note_index: int32 [n], which of ``score.notes`` each row is.
        score: What was encoded.
        bar_policy: How bars were counted.
    """

    octuples: np.ndarray
    note_index: np.ndarray
    score: Score
    bar_policy: BarPolicy = "honour"

    @cached_property
    def line(self) -> Line:
        """Where bars start, which metre and tempo is in force."""
        if self.bar_policy == "honour":
            return time_line(representable(self.score))
        onset = self.score.notes["onset"].max(initial=0)
        last = int(positions_of(onset, self.score.ticks_per_quarter))
        return time_line(self.score, "muzic", min(last, MUZIC_POSITIONS - 1))

    @cached_property
    def report(self) -> EncodeReport:
        """Every difference between the score and what the octuples say, counted when first asked for."""
        return report_of(self)


def encode(score: Score, bar_policy: BarPolicy = "honour") -> Encoding:
    """Octuples of a score; identical notes stay, each a row.

    Args:
        score: Any score.
        bar_policy: ``honour``: bars are those of :attr:`Score.bar_lines` (a change of metre starts a bar); a metre
            outside the table is replaced by the nearest one; nothing is refused or dropped. ``muzic``: as the
            reference does: the length of a bar is read at its start alone, 17/4 becomes 1/4, notes from position
            65,536 on are dropped (and counted).

    Raises:
        ItemError: E_METRE (``muzic`` alone) for a metre that the reference refuses; E_BARS beyond 32,768 bars.
        ValueError: for another policy.
    """
    if bar_policy not in ("honour", "muzic"):
        raise ValueError(f'bar_policy: "{bar_policy}" is neither "honour" nor "muzic"')
    notes, tpq = score.notes, score.ticks_per_quarter
    index = None
    onset = notes["onset"].astype(np.float64)
    start = positions_of(onset, tpq)
    if bar_policy == "muzic" and start.max(initial=0) >= MUZIC_POSITIONS:
        index = np.flatnonzero(start < MUZIC_POSITIONS)
        notes, onset, start = notes[index], onset[index], start[index]
    if not len(notes):
        return Encoding(np.empty((0, len(FIELDS)), np.int16), np.empty(0, np.int32), score, bar_policy)
    source = representable(score) if bar_policy == "honour" else score
    line = time_line(source, bar_policy, int(start.max()))
    bar, position = line.bars(start)
    if bar.max() >= MOST_BARS:
        fault = f"has {int(bar.max()) + 1} bars (at most {MOST_BARS} can be encoded)"
        raise ItemError("score", fault, "Is a metre or a time in it damaged?", code="E_BARS", stage="encode")

    drum = notes["is_drum"]
    octuples = np.empty((len(notes), len(FIELDS)), np.int16)
    program = np.where(drum, np.uint8(DRUM_PROGRAM), notes["program"])
    duration = duration_id(positions_of(onset + notes["duration"], tpq) - start)
    velocity = notes["velocity"] >> 2
    octuples[:, 0], octuples[:, 1], octuples[:, 2] = bar, position, program
    octuples[:, 3] = notes["pitch"] | (drum.view(np.uint8) << 7)
    octuples[:, 4], octuples[:, 5] = duration, velocity
    octuples[:, 6] = in_force(line.metre_start, line.metre, start)
    # Where bars are shorter than the grid can hold, notes are kept within them: one place, one tempo.
    octuples[:, 7] = in_force(line.tempo_start, line.tempo, line.kept(bar, position))

    # One integer a note that sorts as its octuple does: metre and tempo follow from bar and position, and the 128
    # that is added to a drum's pitch from its program.
    key = bar << 7 | position
    for column, bits in ((program, 8), (notes["pitch"], 7), (duration, 7), (velocity, 5)):
        key = key << bits | column
    order = np.argsort(key, kind="stable")
    found = order if index is None else index[order]
    return Encoding(octuples[order], found.astype(np.int32), score, bar_policy)
