"""How well two phrases go together, by counting: one after the other (completion), or at once (accompaniment).

Every figure is larger where they fit better, so that a weighted sum of them is a score. All pairs of two sets of
phrases come from a few matrix products.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmbert.symbolic.phrase_profiles import SLOTS, Profile

CONSONANT = (0, 3, 4, 7, 8, 9)  # semitones above a lower note, modulo the octave
# Weights set by hand, before anything was measured here; what is not named counts nothing.
COMPLETION_BY_HAND: Mapping[str, float] = {
    "pitch_classes": 2, "mean_pitch": 1 / 6, "join": 1 / 24, "metre": 1, "durations": 1, "trigrams": 2,
}  # fmt: skip
ACCOMPANIMENT_BY_HAND: Mapping[str, float] = {"pitch_classes": 1, "onset_overlap": 1, "consonance": 2}


def completion(query: Profile, candidate: Profile) -> dict[str, np.ndarray]:
    """What speaks for each candidate melody to follow each query: float32 [queries, candidates] by name.

    ``pitch_classes``, ``bar_pitch_classes`` (bar by bar), ``intervals``, ``places`` (of the bar), ``onsets`` (of all
    four bars), ``tonnetz`` and ``piano_roll`` are cosines; ``durations`` is minus the L1 distance; ``trigrams`` and
    ``rhythms`` (of bars) are shared ones by the size of the smaller set; ``mean_pitch``, ``range`` and ``join`` (last
    note to first) are minus a distance in semitones; ``count`` minus the logarithm of the ratio; ``metre`` 1 or 0.
    """
    both = _common(query, candidate)
    return both | {
        "intervals": _cosine(query.intervals, candidate.intervals),
        "durations": -_l1(query.durations, candidate.durations),
        "trigrams": _shared(query.trigrams, candidate.trigrams, len(query), len(candidate)),
        "rhythms": _shared(query.rhythms, candidate.rhythms, len(query), len(candidate)),
        "onsets": _cosine(query.onsets, candidate.onsets),
        "places": _cosine(query.places, candidate.places),
        "join": _nearness(query.last, candidate.first),
        "mean_pitch": _nearness(query.mean_pitch, candidate.mean_pitch),
    }


def accompaniment(melody: Profile, candidate: Profile) -> dict[str, np.ndarray]:
    """What speaks for each accompaniment to sound with each melody: float32 [melodies, candidates] by name.

    ``same_pitch_class``: share of melody onsets whose pitch class sounds; ``consonance``: share at which some sounding
    pitch class lies :data:`CONSONANT` below, in any octave; ``bass_consonance``: the same of the lowest note;
    ``clashes``: minus the mean number of sounding neighbours a semitone away; ``sounding``: cosine of what sounds when;
    ``struck``: cosine of the pitch classes that begin together; ``onset_overlap``: Jaccard of onsets; ``below``: by how
    much its mean pitch lies below, at most two octaves; else as for :func:`completion`.
    """
    at_onset = _flat(melody.beginning) / np.maximum(melody.count, 1)[:, None].astype(np.float32)
    sounding = _flat(candidate.sounding)
    beside = np.roll(candidate.sounding, 1, axis=2) + np.roll(candidate.sounding, -1, axis=2)
    over_bass = sum(np.roll(candidate.lowest, n, axis=2) for n in CONSONANT)
    together = melody.onsets @ candidate.onsets.T
    either = melody.onsets.sum(axis=1)[:, None] + candidate.onsets.sum(axis=1)[None] - together
    lower = melody.mean_pitch[:, None] - candidate.mean_pitch[None]
    return _common(melody, candidate) | {
        "same_pitch_class": at_onset @ sounding.T,
        "consonance": _consonance(melody, candidate),
        "bass_consonance": at_onset @ _flat(np.asarray(over_bass)).T,
        "clashes": -at_onset @ _flat(beside).T,
        "sounding": _cosine(_flat(melody.sounding), sounding),
        "struck": _cosine(_flat(melody.beginning), _flat(candidate.beginning)),
        "onset_overlap": together / np.maximum(either, 1),
        "below": np.clip(lower, -24, 24).astype(np.float32) / 12,
    }


def weighted(figures: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """The sum of some figures, each times its weight.

    >>> weighted({"a": np.ones((1, 2)), "b": np.array([[1.0, 2.0]])}, {"a": 1, "b": 0.5}).tolist()
    [[1.5, 2.0]]
    """
    return np.sum([weight * figures[name] for name, weight in weights.items()], axis=0)


def tonnetz(sounding: np.ndarray) -> np.ndarray:
    """Pitch classes [..., 12] as six coordinates: circles of fifths, minor and major thirds.

    Harte, Sandler and Gasser, "Detecting Harmonic Change in Musical Audio" (2006), equations 1 and 2, radii 1, 1, 0.5.
    """
    steps = np.arange(12)
    angles = [7 * np.pi / 6 * steps, 3 * np.pi / 2 * steps, 2 * np.pi / 3 * steps]
    basis = np.concatenate([[r * np.sin(a), r * np.cos(a)] for r, a in zip((1, 1, 0.5), angles)]).T
    share = sounding / np.maximum(sounding.sum(axis=-1, keepdims=True), 1)
    return share.astype(np.float32) @ basis.astype(np.float32)


def _common(query: Profile, candidate: Profile) -> dict[str, np.ndarray]:
    return {
        "pitch_classes": _cosine(query.pitch_classes, candidate.pitch_classes),
        "bar_pitch_classes": _cosine(query.bar_pitch_classes, candidate.bar_pitch_classes),
        "tonnetz": _cosine(*(_flat(tonnetz(p.sounding)) for p in (query, candidate))),
        "piano_roll": _cosine(_flat(query.roll), _flat(candidate.roll)),
        "metre": (query.metre[:, None] == candidate.metre[None]).astype(np.float32),
        "count": _nearness(np.log(np.maximum(query.count, 1)), np.log(np.maximum(candidate.count, 1))),
        "range": _nearness(query.range, candidate.range),
    }


def _flat(grid: np.ndarray) -> np.ndarray:
    return grid.reshape(len(grid), -1)


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    length = (np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9) for rows in (a, b))
    return ((a / next(length)) @ (b / next(length)).T).astype(np.float32)


def _nearness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return -np.abs(a[:, None] - b[None]).astype(np.float32)


def _l1(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sum([np.abs(x[:, None] - y[None]) for x, y in zip(a.T, b.T)], axis=0)


def _shared(a: np.ndarray, b: np.ndarray, n: int, m: int) -> np.ndarray:
    """Codes that two phrases have in common, by the number of the one that has fewer; rows (phrase, code)."""
    codes, which = np.unique(np.concatenate([a[:, 1], b[:, 1]]), return_inverse=True)
    has = [np.zeros((rows, len(codes)), np.float32) for rows in (n, m)]
    has[0][a[:, 0], which[: len(a)]] = 1
    has[1][b[:, 0], which[len(a) :]] = 1
    smaller = np.minimum(has[0].sum(axis=1)[:, None], has[1].sum(axis=1)[None])
    return (has[0] @ has[1].T) / np.maximum(smaller, 1)


def _consonance(melody: Profile, candidate: Profile) -> np.ndarray:
    """Twelve bits a slot say what sounds; a melody onset is consonant where they meet those it may stand on."""
    bits = (1 << np.arange(12)).astype(np.int32)
    sounding = candidate.sounding.astype(np.int32) @ bits
    below = np.array([sum(1 << (pitch - n) % 12 for n in CONSONANT) for pitch in range(12)], np.int32)
    out = np.zeros((len(melody), len(candidate)), np.float32)
    for row in range(len(melody)):
        slot, pitch = np.nonzero(melody.beginning[row].reshape(SLOTS, 12))
        if len(slot):
            out[row] = ((sounding[:, slot] & below[pitch]) != 0).mean(axis=1)
    return out
