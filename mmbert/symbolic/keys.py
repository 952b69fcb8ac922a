"""Key and mode, estimated from the notes.

Evidence for each of the 24 keys is a weighted sum: how well pitch-class profiles fit (of the whole piece, its
opening, and its lowest notes), the bass on which it ends, and the key signature where one is written. A signature is
shared by two keys and is often left at its default, so it is one piece of evidence and never a tonic.

The profiles are those of Albrecht and Shanahan, "The Use of Large Corpora to Train a New Type of Key-Finding
Algorithm" (Music Perception 31, 2013), table of the major and minor vectors. On training works they did best of
six published sets (Krumhansl-Kessler, Temperley, Temperley-Kostka-Payne, Aarden, Bellman-Budge); square roots of
the summed durations did better than the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmbert.facets import tonic_name
from mmbert.symbolic.score import Score

_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
# Weights of the evidence: a conditional logit over the 24 keys, fitted on the training works of Nottingham and POP909,
# whole and melody alone, both collections counting equally. Half of the signatures were hidden and a tenth of the
# others set to the default, so that one is trusted no further than files deserve.
_WHOLE, _OPENING, _BASS, _LAST_BASS, _SIGNATURE, _MINOR_PRIOR = 9.0, 4.8, 1.2, 1.05, 2.35, 0.1
_OPENING_QUARTERS = 16

_TONICS = np.tile(np.arange(12), 2)
_MINORS = np.repeat([False, True], 12)
_FIFTHS = (7 * np.where(_MINORS, _TONICS + 3, _TONICS)) % 12  # of each key's signature, modulo 12


def _profiles() -> np.ndarray:
    rows = np.array([np.roll(p, t) for p in (_MAJOR, _MINOR) for t in range(12)])
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


_PROFILES = _profiles()  # float64 [24, 12]: major keys on C ... B, then minor


@dataclass(frozen=True)
class KeyEstimate:
    """A key.

    Attributes:
        pitch_class: Tonic, 0-11 from C.
        mode: ``major`` or ``minor``.
        confidence: 0-1, the share of the belief over 24 keys that falls on this one.
    """

    pitch_class: int
    mode: str
    confidence: float

    @property
    def key(self) -> str:
        """Tonic with the fewest accidentals.

        >>> KeyEstimate(10, "major", 0.9).key
        'Bb'
        """
        return tonic_name(self.pitch_class, self.mode)


def estimate_key(score: Score) -> KeyEstimate | None:
    """The key of most of a piece; None where it has no pitched note. Drums are left out.

    >>> scale = [(480 * i, 480, p, 80, 0, False, 0) for i, p in enumerate((69, 71, 72, 74, 76, 77, 80, 81))]
    >>> found = estimate_key(Score.build(scale, 480))
    >>> found.key, found.mode
    ('A', 'minor')
    """
    notes = score.notes[~score.notes["is_drum"]]
    if not len(notes):
        return None
    return _most_believed(_evidence(notes, score))


def estimate_key_of_strengths(strengths: np.ndarray, opening: int) -> KeyEstimate | None:
    """The key of a recording, of which neither bass nor signature is known; None where nothing has a pitch.

    Args:
        strengths: How strong each pitch class is over time, float [n, 12].
        opening: How many of the first rows are the opening.
    """
    histograms = np.stack([strengths.sum(axis=0), strengths[:opening].sum(axis=0)]).astype(np.float64)
    if not np.ptp(histograms[0]):
        return None
    return _most_believed(np.array([_WHOLE, _OPENING]) @ _fit(histograms) + _MINOR_PRIOR * _MINORS)


def _most_believed(evidence: np.ndarray) -> KeyEstimate:
    belief = np.exp(evidence - evidence.max())
    best = int(belief.argmax())
    return KeyEstimate(best % 12, "minor" if _MINORS[best] else "major", float(belief[best] / belief.sum()))


def _evidence(notes: np.ndarray, score: Score) -> np.ndarray:
    """float64 [24], log-odds up to a constant."""
    onset, pitch_class = notes["onset"].astype(np.int64), notes["pitch"] % 12
    duration = notes["duration"].astype(np.float64) + 1  # a note of no length is still a note
    opening = onset < onset[0] + _OPENING_QUARTERS * score.ticks_per_quarter
    starts = np.flatnonzero(np.r_[True, np.diff(onset) > 0])
    lowest = np.minimum.reduceat(notes["pitch"], starts) % 12
    histograms = np.stack([
        np.bincount(pitch_class, duration, 12),
        np.bincount(pitch_class[opening], duration[opening], 12),
        np.bincount(lowest, np.maximum.reduceat(duration, starts), 12),
    ])  # fmt: skip
    total = np.array([_WHOLE, _OPENING, _BASS]) @ _fit(histograms)
    end = onset + notes["duration"]
    last = notes["pitch"][end >= end.max() - score.ticks_per_quarter // 8]
    total += _LAST_BASS * (int(last.min()) % 12 == _TONICS)
    fifths = _signature(score, int(end.max()))
    if fifths is not None:
        total += _SIGNATURE * (fifths % 12 == _FIFTHS)
    return total + _MINOR_PRIOR * _MINORS


def _fit(histograms: np.ndarray) -> np.ndarray:
    """Correlation of the square roots of pitch-class durations [h, 12] with the 24 profiles: [h, 24]."""
    rows = np.sqrt(histograms)
    rows -= rows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norm > 0, norm, 1)) @ _PROFILES.T


def _signature(score: Score, end: int) -> int | None:
    """Fifths of the signature in force for the longest time; None where none is written."""
    keys = score.key_map
    if not len(keys):
        return None
    spans = np.diff(np.r_[np.clip(keys["tick"], 0, end), end])
    fifths, which = np.unique(keys["fifths"], return_inverse=True)
    return int(fifths[np.bincount(which, spans + 1e-9).argmax()])
