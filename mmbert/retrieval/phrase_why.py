"""Why a phrase is suggested for a melody: where it lies, what it shares with it, how the two go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmbert.retrieval.intervals import apart
from mmbert.symbolic.phrase_pairs import accompaniment, completion
from mmbert.symbolic.phrase_profiles import accompaniments, melodies
from mmbert.symbolic.phrases import PITCH, PhraseTable, Task
from mmbert.types import bars_named

MOTIF = 4  # notes at least: three intervals that follow each other in both
_LONGEST = 8  # notes of a motif that are named
# Cosines of the two phrases' pitch classes, bar by bar: above these their harmonies are said to agree, or nearly.
_AGREES, _NEARLY = 0.9, 0.75
_MUCH = 0.5  # share of onsets that fall together, from which on that is said
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_TEMPO = 0.05  # relative difference of tempo from which on it is said


@dataclass(frozen=True)
class Placed:
    """Where a phrase lies, and how it was moved.

    Attributes:
        first: First bar, from 0.
        last: The one behind the last.
        bars: Of the piece; None where unknown.
        transposed_by: Semitones.
        bpm: Of the phrase; None where its file states none, or the melody's does not.
        asked_bpm: Of the melody.
        shift: Semitones that bring the melody's key to C major or A minor.
    """

    first: int
    last: int
    bars: int | None
    transposed_by: int
    bpm: float | None
    asked_bpm: float | None
    shift: int


def figures(query: PhraseTable, documents: PhraseTable, task: Task) -> dict[str, np.ndarray]:
    """What speaks for each of n phrases beside one query, float32 [n] by name (:mod:`mmbert.symbolic.phrase_pairs`)."""
    if task == "completion":
        pairs = completion(melodies(query), melodies(documents))
    else:
        pairs = accompaniment(melodies(query), accompaniments(documents))
    return {name: row[0] for name, row in pairs.items()}


def why(task: Task, placed: Placed, query: np.ndarray, found: np.ndarray, told: Mapping[str, float]) -> str:
    """The reason as one sentence.

    Args:
        task: What was asked.
        placed: Where the phrase lies.
        query: The melody's phrase, int32 [m, 3].
        found: The melody of the phrase that was found, int32 [n, 3].
        told: Figures of the two.

    >>> notes = np.array([[0, 48, 60], [48, 48, 62], [96, 48, 64], [144, 48, 67]])
    >>> told = {"pitch_classes": 0.7, "rhythms": 1.0, "onsets": 1.0}
    >>> why("completion", Placed(4, 8, 16, -5, None, None, 0), notes, notes + [0, 0, 5], told)
    'Bars 5-8 of 16, written a fourth higher; it has your motif C D E G; the rhythms are yours.'
    """
    of = "" if placed.bars is None else f" of {placed.bars}"
    said = [f"{bars_named(placed.first, placed.last, of).capitalize()}, {_moved(placed)}"]
    if task == "completion":
        if motif := shared_motif(query[:, PITCH], found[:, PITCH]):
            start, n = motif
            names = " ".join(_named(int(p), placed.shift) for p in query[start : start + min(n, _LONGEST), PITCH])
            said.append(f"it has your motif {names}{' ...' if n > _LONGEST else ''}")
        if told["pitch_classes"] >= _AGREES:
            said.append("it moves among the same notes")
        if told["rhythms"] >= 1:
            said.append("the rhythms are yours")
        elif told["rhythms"] >= _MUCH:
            said.append("it shares rhythms with yours")
        elif told["onsets"] >= _AGREES:
            said.append("the rhythm is nearly yours")
    else:
        sounding = f"{told['same_pitch_class']:.0%} of your notes sound in it"
        said.append(f"{sounding}, {told['consonance']:.0%} are consonant with it")
        said += _harmony(told["bar_pitch_classes"])
        if told["onset_overlap"] >= _MUCH:
            said.append(f"{told['onset_overlap']:.0%} of the onsets fall together")
    return "; ".join(said) + "."


def _moved(placed: Placed) -> str:
    words = f"written {apart(-placed.transposed_by)}"
    if placed.bpm and placed.asked_bpm and abs(placed.bpm / placed.asked_bpm - 1) >= _TEMPO:
        words += f" and at {placed.bpm:.0f} bpm"
    return words


def _named(pitch: int, shift: int) -> str:
    """A pitch as it is spelled in a key, without its octave.

    >>> _named(66, -2), _named(70, -5)  # in D major, in F major
    ('F#', 'Bb')
    """
    flats = 7 * -shift % 12 > 6
    return (_FLATS if flats else _SHARPS)[pitch % 12]


def _harmony(cosine: float) -> list[str]:
    if cosine >= _AGREES:
        return ["the harmony agrees"]
    return ["the harmony nearly agrees"] if cosine >= _NEARLY else []


def shared_motif(query: np.ndarray, found: np.ndarray) -> tuple[int, int] | None:
    """The longest run of notes of a melody that another one has too, in any key: (first note, notes) of the query.

    Runs of one repeated note are none, nor are those of fewer than :data:`MOTIF` notes; of equal ones the first.

    >>> shared_motif(np.array([60, 62, 64, 65, 60]), np.array([70, 67, 69, 71, 72]))
    (0, 4)
    """
    steps, others = np.diff(query.astype(np.int64)), np.diff(found.astype(np.int64))
    best = (0, 0)
    run = np.zeros(len(others) + 1, np.int64)  # of each place in the other, how long a run ends there
    for i, step in enumerate(steps.tolist()):
        run[1:] = np.where(others == step, run[:-1] + 1, 0)
        length = int(run.max(initial=0))
        if length > best[1] and steps[i + 1 - length : i + 1].any():
            best = (i + 1 - length, length)
    return (best[0], best[1] + 1) if best[1] + 1 >= MOTIF else None
