"""Which pieces a tune comes from: scan every place, align the likely ones, keep the best of each piece.

A long tune is looked for in stretches, and laid as a whole against the pieces that have most of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from mmbert.retrieval.tune_align import MEETS_NONE, NOTE, Alignment, align, costs, lengths_agree
from mmbert.retrieval.tune_index import LONGEST, MARGIN, Tune, TuneIndex
from mmbert.retrieval.tune_scan import Places, scan
from mmbert.retrieval.tune_whole import align_whole

LENGTHS_WEIGHT = 4.0  # notes: what lengths that agree throughout are worth
_ALIGNED = 20_000  # places whose lengths are compared
_STRETCH, _STRETCHES = 12, 8  # a longer tune is looked for by so many stretches of so many notes
_WHOLE = 40  # pieces that the whole of it is laid against


@dataclass(frozen=True, eq=False)
class Found:
    """Where a tune lies in the pieces that have it, best piece first; of equal ones in order of piece.

    Attributes:
        asked: Notes that were looked for.
        piece: int64 [P].
        begin: Number of the note that would be the tune's first if nothing were missing or extra before its best part,
            counted over all melodies, int64 [P]; may lie before the piece's first.
        score: Notes' worth of agreement, of pitches and of lengths, float64 [P].
        right: Notes of the tune that meet one of the same pitch, int64 [P].
        first: Number of the melody's note that the tune begins at, counted over all melodies, int64 [P].
        last: And ends at.
        shift: Semitones from the tune to the piece, int64 [P].
        slower: Octaves of time from the tune to the piece, float64 [P]; NaN where lengths say nothing.
        agreement: Of the lengths, 0 to 1, float64 [P]; NaN without lengths.
    """

    asked: int
    piece: np.ndarray
    begin: np.ndarray
    score: np.ndarray
    right: np.ndarray
    first: np.ndarray
    last: np.ndarray
    shift: np.ndarray
    slower: np.ndarray
    agreement: np.ndarray

    def __len__(self) -> int:
        return len(self.piece)

    def kept(self, which: np.ndarray) -> Found:
        """Some of the pieces; ``which`` as NumPy indexes."""
        columns = {f.name: getattr(self, f.name)[which] for f in fields(self) if f.name != "asked"}
        return replace(self, **columns)


def find(index: TuneIndex, tune: Tune) -> Found:
    """The best place of every piece that has one.

    A tune of more than ``LONGEST`` notes is looked for by eight stretches of twelve notes, evenly spread. A piece's
    score is that of all of them; all else is said of its best stretch, of those in the key that most speaks for, until
    :func:`as_a_whole` has compared the tune as a whole.
    """
    if len(tune) <= LONGEST:
        return _find(index, tune)
    starts = np.unique(np.linspace(0, len(tune) - _STRETCH, _STRETCHES).astype(int)).tolist()
    parts = [_find(index, tune.part(start, start + _STRETCH)) for start in starts]
    parts = [replace(part, begin=part.begin - start) for part, start in zip(parts, starts, strict=True)]
    every = _joined(len(tune), parts)
    total = np.bincount(every.piece, every.score, minlength=len(index))
    keys, key = np.unique(np.stack([every.piece, every.shift]), axis=1, return_inverse=True)
    in_key = np.bincount(key.ravel(), every.score, minlength=keys.shape[1])[key.ravel()]
    order = np.lexsort((every.piece, -every.score, -in_key, -total[every.piece]))
    chosen = every.kept(order[_first_of_each(every.piece[order])])
    return replace(chosen, score=total[chosen.piece])


def as_a_whole(index: TuneIndex, tune: Tune, found: Found) -> Found:
    """The same pieces, the best forty of them with the whole of a long tune laid against each, and ordered by that.

    Args:
        index: The melodies.
        tune: What was looked for.
        found: By :func:`find`, or some of it.

    Returns:
        Notes that are right, places, keys and tempos of the whole tune, and its scores.
    """
    if len(tune) <= LONGEST or not len(found):
        return found
    near, rest = found.kept(np.arange(len(found)) < _WHOLE), found.kept(np.arange(len(found)) >= _WHOLE)
    places = Places(near.begin - len(tune), near.shift.astype(np.int16), near.piece.astype(np.int32))
    whole = best(index, tune, Laid(places, align_whole(index, tune.pitch, places)), len(tune) / _STRETCH)
    whole = replace(whole, begin=whole.begin + len(tune))
    rest = replace(rest, score=np.minimum(rest.score, whole.score.min()))
    return _joined(len(tune), (whole, rest))


def _joined(asked: int, parts: Sequence[Found]) -> Found:
    """One after the other."""
    columns = (f.name for f in fields(Found) if f.name != "asked")
    return Found(asked=asked, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns})


def _find(index: TuneIndex, tune: Tune) -> Found:
    return best(index, tune, lay(index, tune.pitch))


@dataclass(frozen=True, eq=False)
class Laid:
    """A tune's pitches at the places where they lie best, and how they lie there."""

    places: Places
    alignment: Alignment


def lay(index: TuneIndex, pitch: np.ndarray) -> Laid:
    """Scan every place for pitches, int [m], and align those where the most notes agree."""
    pitch = pitch.astype(np.int64)
    places = scan(index, pitch)
    cost = costs(index, pitch, places)
    at_most = np.cumsum(np.bincount(cost, minlength=1))
    places = places.kept(cost <= max(int(cost.min(initial=127)), int((at_most <= _ALIGNED).sum()) - 1))
    return Laid(places, align(index, pitch, places))


def best(index: TuneIndex, tune: Tune, laid: Laid, stretches: float = 1.0) -> Found:
    """The best place of each piece, by pitches and, where the tune has them, by lengths, which count as in so many
    stretches."""
    places, alignment = laid.places, laid.alignment
    score = len(tune) - alignment.cost / NOTE
    agreement = slower = np.full(len(places), np.nan)
    if tune.onset is not None:
        agreement, slower = lengths_agree(index, tune, places, alignment)
        score = score + stretches * LENGTHS_WEIGHT * agreement
    score = np.round(score, 6)
    order = np.lexsort((places.start, places.piece, -score))
    chosen = order[_first_of_each(places.piece[order])]
    met, shift = alignment.met[:, chosen], places.shift[chosen].astype(np.int64)
    piece, note = places.piece[chosen].astype(np.int64), places.start[chosen] + met
    meets = (met != MEETS_NONE) & (note >= index.start[piece]) & (note < index.start[piece + 1])
    pitch = tune.pitch.astype(np.int64)[:, None]
    same = meets & (index.pitch[np.where(meets, note, 0) + MARGIN] - shift == pitch)
    return Found(
        asked=len(tune),
        piece=piece,
        begin=places.start[chosen],
        score=score[chosen],
        right=same.sum(axis=0),
        first=np.where(meets, note, index.n_notes).min(axis=0, initial=index.n_notes),
        last=np.where(meets, note, -1).max(axis=0, initial=-1),
        shift=shift,
        slower=slower[chosen].astype(np.float64),
        agreement=agreement[chosen].astype(np.float64),
    )


def _first_of_each(pieces: np.ndarray) -> np.ndarray:
    """Where each piece comes first, in the order in which they come, int64."""
    return np.sort(np.unique(pieces, return_index=True)[1])
