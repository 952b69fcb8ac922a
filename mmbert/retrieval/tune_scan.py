"""Where in all melodies a tune may begin: every note of every piece is looked at.

A place is an anchor, a note of a melody that is taken for one of the tune's first three; it fixes the transposition. Of
the tune's other notes those are counted that are found at the right interval from the anchor, in their place or up to
two places beside it (one, next to the anchor), so that notes missing before them or inserted cost nothing yet. This is
generous: what it lets through is aligned note by note (:mod:`mmbert.retrieval.tune_align`). NumPy compares the bytes of
a block at once, which is as fast as a compiled loop and needs no compiler.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmbert.retrieval.tune_index import MARGIN, TuneIndex

ANCHORS = 3  # of the first three notes one is right, unless two of them are wrong and the third is missing
REACH = 2
MOST, SHARE = 100_000, 8  # places that are aligned: so many, or one for so many notes where that is more
_BLOCK = 1 << 16  # notes; the columns of a block stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Places:
    """Where a tune may begin.

    Attributes:
        start: Number of the note that would be the tune's first, int64 [K]; may lie before the piece's first note.
        shift: Semitones from the tune to the piece, int16 [K].
        piece: int32 [K].
    """

    start: np.ndarray
    shift: np.ndarray
    piece: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    def kept(self, which: np.ndarray | slice) -> Places:
        """Some of them."""
        return Places(self.start[which], self.shift[which], self.piece[which])


def scan(index: TuneIndex, pitch: np.ndarray, most: int | None = None) -> Places:
    """The places at which most notes agree: all that reach a number of agreeing notes, as low as ``most`` allows.

    Args:
        index: The melodies.
        pitch: The tune's, int [m], at most ``LONGEST``.
        most: Places wanted at most; None for 100,000, or an eighth of all notes where that is more. Where more agree in
            every note, an evenly spread part of them is taken, so many for each anchor.
    """
    m = len(pitch)
    most = max(MOST, index.n_notes // SHARE) if most is None else most
    agreeing = np.empty((min(ANCHORS, m), index.n_notes), np.int8)
    for low in range(0, index.n_notes, _BLOCK):
        high = min(low + _BLOCK, index.n_notes)
        for anchor, counts in enumerate(agreeing):
            _count(index.pitch, pitch, anchor, low, counts[low:high])
    least = _least(agreeing, m, most)
    return _places(index, pitch, agreeing >= least, most)


def _count(column: np.ndarray, pitch: np.ndarray, anchor: int, low: int, counts: np.ndarray) -> None:
    """Agreeing notes if a note of the block were the tune's note ``anchor``; fills ``counts``, int8 [block]."""
    n, first = len(counts), MARGIN + low
    here = column[first : first + n]
    wanted, same, found = np.empty(n, np.int8), np.empty(n, bool), np.empty(n, bool)
    counts.fill(1)
    for k, interval in enumerate((pitch.astype(np.int64) - int(pitch[anchor])).tolist()):
        if k == anchor:
            continue
        # Beyond a byte it wraps round to what no melody has: pitches are 0 to 127.
        np.add(here, np.int8((interval + 128) % 256 - 128), out=wanted)
        place, found[:] = k - anchor, False
        reach = 1 if abs(place) == 1 else REACH
        for beside in range(place - reach, place + reach + 1):
            if beside * place > 0:  # notes keep their order
                np.equal(column[first + beside : first + beside + n], wanted, out=same)
                np.logical_or(found, same, out=found)
        counts += found.view(np.int8)


def _least(agreeing: np.ndarray, m: int, most: int) -> int:
    """How many notes have to agree."""
    least, lowest = m, max(m - m // 4 - 1, (m + 1) // 2)
    while least > lowest and np.count_nonzero(agreeing >= least - 1) <= most:
        least -= 1
    return least


def _places(index: TuneIndex, pitch: np.ndarray, enough: np.ndarray, most: int) -> Places:
    starts, shifts, anchors = [], [], []
    column = index.pitch[MARGIN : MARGIN + index.n_notes]
    for anchor, here in enumerate(enough):
        note = np.flatnonzero(here)
        if len(note) > most:  # in every note alike: an evenly spread part of them
            note = note[:: -(-len(note) // most)]
        start, shift = note - anchor, column[note] - pitch[anchor].astype(np.int16)
        new = np.ones(len(note), bool)
        for earlier in range(anchor):  # one place may be reached from two anchors
            other = np.maximum(start + earlier, 0)
            new &= ~(enough[earlier][other] & (column[other] - pitch[earlier].astype(np.int16) == shift))
        starts.append(start[new])
        shifts.append(shift[new])
        anchors.append(np.full(int(new.sum()), anchor))
    start = np.concatenate(starts)
    return Places(start, np.concatenate(shifts).astype(np.int16), index.piece[start + np.concatenate(anchors)])
