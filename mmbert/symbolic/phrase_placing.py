"""Phrases brought to a melody's key and octave, as they will be heard with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmbert.symbolic.phrases import PITCH, PhraseTable

_HIGHEST = 127
_PIANO = (21, 108)  # its lowest and highest key


def transpositions(query: PhraseTable, documents: PhraseTable) -> np.ndarray:
    """Semitones that bring each phrase to the key of a query, in the octave where the melodies lie nearest.

    A phrase of which a note would leave the range of a piano, and lie farther out than any that was written, is moved
    back by octaves: an accompaniment far below its melody would only rumble.

    Args:
        query: One phrase.
        documents: P phrases with melodies.

    Returns:
        int64 [P].
    """
    keys = documents.shift.astype(np.int64) - int(query.shift[0])
    middle = float(query.melody[:, PITCH].mean())
    sizes = np.diff(documents.melody_start)
    phrase = np.repeat(np.arange(len(documents)), sizes)
    means = np.bincount(phrase, documents.melody[:, PITCH], len(documents)) / np.maximum(sizes, 1)
    by = keys + 12 * np.rint((middle - means - keys) / 12).astype(np.int64)
    low, high = _compass(documents)
    least, most = np.minimum(low, _PIANO[0]), np.maximum(high, _PIANO[1])
    by += 12 * -(np.minimum(low + by - least, 0) // 12)
    return by - 12 * -(-np.maximum(high + by - most, 0) // 12)


def moved(documents: PhraseTable, by: np.ndarray) -> PhraseTable:
    """The same phrases, pitches moved by semitones int [P]; ``shift`` is that of the key they are in then."""
    tables = {}
    for name, start in (("melody", documents.melody_start), ("accompaniment", documents.accompaniment_start)):
        notes = getattr(documents, name).copy()
        notes[:, PITCH] += np.repeat(by, np.diff(start)).astype(np.int32)
        tables[name] = notes
    return replace(documents, shift=((documents.shift - by + 6) % 12 - 6).astype(np.int8), **tables)


def _compass(documents: PhraseTable) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest pitch of each phrase, int64 [P]."""
    low, high = np.full(len(documents), _HIGHEST, np.int64), np.zeros(len(documents), np.int64)
    for notes, start in (
        (documents.melody, documents.melody_start),
        (documents.accompaniment, documents.accompaniment_start),
    ):
        phrase = np.repeat(np.arange(len(documents)), np.diff(start))
        np.minimum.at(low, phrase, notes[:, PITCH])
        np.maximum.at(high, phrase, notes[:, PITCH])
    return low, high
