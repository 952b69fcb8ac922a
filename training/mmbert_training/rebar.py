"""Bars for POP909, whose MIDI files have none: taken from the beat annotation beside each song.

The ticks of these files agree with the annotated tempo but not with its phase, and most declare 1/4 metre.
``beat_midi.txt`` is the grid (its first column; the flags behind it slip). Which beat begins a bar is put to a
vote of the flags, of the downbeats heard in the recording and of the chord changes; where the vote changes for
good, one short bar is written there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mmbert.errors import DataError
from mmbert.symbolic.score import METRE, TEMPO, Score
from mmbert_training.manifest import Work, read

TICKS = 480
FILES = ("beat_midi.txt", "beat_audio.txt", "chord_midi.txt")
_FLAG, _AUDIO, _CHORD = 1.0, 1.0, 0.5  # weights of the three votes
_SAME_RATE = 0.05  # downbeats of the recording count where both files have the same beats, up to this share
_EARLY = 1 / 16  # a first note so little (of a beat) before the first beat is on it
_BARS_TO_SLIP = 8  # a new phase has to hold for so many bars


@dataclass(frozen=True)
class RebarResult:
    """A song on its bars.

    Attributes:
        score: One beat is one quarter of 480 ticks; tempo and metre maps follow the annotation.
        confidence: 0-1, by how much of all votes the winning phase leads the next; below 0.1 bars are a guess.
        start_s: Second of the file at which the score's time line begins.
    """

    score: Score
    confidence: float
    start_s: float


@dataclass(frozen=True)
class _Votes:
    """``weight`` [beats]: how much speaks for a bar to begin at each beat; ``metre`` beats a bar."""

    weight: np.ndarray
    metre: int

    @property
    def by_phase(self) -> np.ndarray:
        return np.bincount(np.arange(len(self.weight)) % self.metre, self.weight, self.metre)


def rebar_work(work: Work, score: Score) -> Score:
    """A POP909 work on its bars, its score as the file has it."""
    return rebar(score, annotation(work)).score


def annotation(work: Work) -> dict[str, str]:
    """Text of the :data:`FILES` beside a POP909 work."""
    song = work.path.rpartition("/")[0]
    return {name: read(work, f"{song}/{name}").decode() for name in FILES}


def rebar(score: Score, files: Mapping[str, str], with_chords: bool = True) -> RebarResult:
    """A song on the beats and bars of its annotation.

    Args:
        score: The song as its file has it.
        files: Text of :data:`FILES` by name.
        with_chords: Whether chord changes vote (they do not where they are the check).

    Raises:
        DataError: where the annotation has fewer than two beats or is not numbers.
    """
    beats = _table(files, "beat_midi.txt")
    if len(beats) < 2:
        raise DataError("beat_midi.txt", "has fewer than two beats", "Is it the file of this song?")
    votes = _vote(beats, _table(files, "beat_audio.txt"), chord_changes(files) if with_chords else np.empty(0))
    ranked = np.sort(votes.by_phase)
    line, before = _extended(beats[:, 0], score)
    starts = _bar_starts(votes) + before
    notes = score.notes.copy()
    onset, end = (
        np.round(np.interp(score.seconds(t), line, np.arange(len(line))) * TICKS).astype(np.int64)
        for t in (notes["onset"], notes["onset"].astype(np.int64) + notes["duration"])
    )
    notes["onset"], notes["duration"] = onset, np.maximum(end - onset, 1)
    moved = replace(
        score, ticks_per_quarter=TICKS, tempo_map=_tempo_map(line), metre_map=_metre_map(starts, votes.metre)
    )
    confidence = (ranked[-1] - ranked[-2]) / max(ranked.sum(), 1e-9)
    return RebarResult(moved.with_notes(notes), float(confidence), float(line[0]))


def chord_changes(files: Mapping[str, str]) -> np.ndarray:
    """Seconds at which ``chord_midi.txt`` has a new chord, float64 [n]."""
    rows = [line.split() for line in files["chord_midi.txt"].splitlines() if line.strip()]
    return np.array([float(r[0]) for last, r in zip([["", "", ""], *rows], rows) if r[2] not in ("N", last[2])])


def _table(files: Mapping[str, str], name: str) -> np.ndarray:
    try:
        rows = [[float(v) for v in line.split()] for line in files[name].splitlines() if line.strip()]
        return np.array(rows, dtype=np.float64) if rows else np.empty((0, 3))
    except KeyError:
        raise DataError(name, "is missing beside the song", "The zip is not POP909 as expected") from None
    except ValueError:
        raise DataError(name, "is not a table of numbers", "The zip is not POP909 as expected") from None


def _vote(beats: np.ndarray, audio: np.ndarray, chords: np.ndarray) -> _Votes:
    """Each kind of evidence has one vote, shared over the beats that it names."""
    times, metre = beats[:, 0], 3 if len(audio) and audio[:, 1].max() == 3 else 4
    evidence = [(_FLAG, np.flatnonzero(beats[:, 2] > 0)), (_CHORD, _nearest(times, chords))]
    if len(audio) > 1:
        rate = np.median(np.diff(times)) / np.median(np.diff(audio[:, 0]))
        if abs(rate - 1) <= _SAME_RATE:
            evidence.append((_AUDIO, _nearest(times, audio[audio[:, 1] == 1, 0])))
    weight = np.zeros(len(times))
    for vote, where in evidence:
        if len(where):
            weight += vote * np.bincount(where, minlength=len(times)) / len(where)
    return _Votes(weight, metre)


def _nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index of the beat nearest to each time."""
    middle = (times[1:] + times[:-1]) / 2
    return np.searchsorted(middle, wanted)


def _bar_starts(votes: _Votes) -> np.ndarray:
    """Beats at which bars begin, ascending: the best course of phases through the song (Viterbi).

    A change of phase costs what a new phase wins in eight bars where all votes agree.
    """
    n, beats = votes.metre, len(votes.weight)
    cost = _BARS_TO_SLIP * votes.weight.sum() / max(beats / n, 1)
    gain = np.zeros(n)
    came = np.zeros((beats, n), np.int64)
    for i, weight in enumerate(votes.weight):
        best = int(gain.argmax())
        came[i] = np.where(gain[best] - cost > gain, best, np.arange(n))
        gain = np.maximum(gain, gain[best] - cost)
        gain[i % n] += weight
    phase = int(gain.argmax())
    starts = []
    for i in range(beats - 1, -1, -1):
        if i % n == phase:
            starts.append(i)
        phase = int(came[i, phase])
    return np.array(starts[::-1], dtype=np.int64)


def _extended(times: np.ndarray, score: Score) -> tuple[np.ndarray, int]:
    """Beat times with as many beats at both ends as the notes need, and how many came before the first."""
    step = float(np.median(np.diff(times)))
    first, last = score.seconds(int(score.notes["onset"].min())), score.duration_s
    before = max(0, int(np.ceil((times[0] - first) / step - _EARLY)))
    behind = max(0, int(np.ceil((last - times[-1]) / step))) + 1
    head, tail = times[0] - step * np.arange(before, 0, -1), times[-1] + step * np.arange(1, behind + 1)
    return np.r_[head, times, tail], before


def _tempo_map(line: np.ndarray) -> np.ndarray:
    bpm = 60 / np.maximum(np.diff(line), 1e-3)
    changed = np.flatnonzero(np.r_[True, np.abs(np.diff(bpm)) > 1e-6])
    return np.array([(i * TICKS, bpm[i]) for i in changed], dtype=TEMPO)


def _metre_map(starts: np.ndarray, metre: int) -> np.ndarray:
    """Metre changes from bar starts: a pickup, whole bars, and one short bar where the phase slips."""
    first = int(starts[0]) % metre  # whole bars back from the first start, then the pickup
    lines = [0] if first else []
    lines += range(first, int(starts[0]), metre)
    for a, b in pairwise(starts):
        lines += range(int(a), int(b), metre)  # a gap longer than a bar: the bar, then what is left
    lines.append(int(starts[-1]))
    lengths = [*np.diff(lines), metre]
    rows: list[tuple[int, int, int]] = []
    for at, length in zip(lines, lengths):
        if not rows or rows[-1][1] != length:
            rows.append((at * TICKS, int(length), 4))
    return np.array(rows, dtype=METRE)
