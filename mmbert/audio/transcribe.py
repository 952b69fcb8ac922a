"""A recording to the notes that are played in it, by Basic Pitch.

Bittner, Bosch, Rubinstein, Meseguer-Brocal & Ewert 2022, "A lightweight instrument-agnostic model for polyphonic note
transcription and multipitch estimation" (ICASSP); the network is Spotify's own (Apache-2.0), read by onnxruntime. It
takes two seconds of sound and says of 88 keys, 86 times a second, whether a note sounds and whether one begins; notes
are made of that as in section 2.4 of the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.audio.resampled import resampled
from mmbert.errors import MissingExtraError, WeightsError
from mmbert.symbolic.score import NOTE, Score
from mmbert.types import Recording

LONGEST_S = 600  # of a recording that is transcribed: the rest of a longer one is not
_RATE, _HOP = 22_050, 256
_MOST_SAMPLES = (LONGEST_S + 1) * _RATE  # a second more is read, to know whether the recording goes on
_SAMPLES = 43_844  # that the network takes at once
_OVERLAP = 30  # frames that two neighbours share; half of them belong to each
_STEP = _SAMPLES - _OVERLAP * _HOP
_KEYS, _LOWEST = 88, 21
_BEGINS, _SOUNDS = 0.5, 0.3  # from which a note begins, and goes on to sound
_PATIENCE = 11  # frames below that before a note has ended
_SHORTEST = 11  # frames of a note, 128 ms
_SLACK = 48  # ticks by which notes of one stroke may begin apart
_AT_ONCE = 256  # notes that are compared with their neighbours
_OVERTONES = (24, 28, 31, 34, 36)  # semitones above a note: the fourth to the eighth
_TICKS_A_SECOND = 960  # 480 a quarter, at 120 quarters a minute
_INPUT, _NOTES, _ONSETS = "serving_default_input_2:0", "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"
_HINT = "Install mmbert again: the file is part of it"


def transcribe(recording: Recording) -> Score:
    """The notes of a recording, as one part in free time.

    Args:
        recording: Anything that sounds; the first :data:`LONGEST_S` seconds are read.

    Returns:
        A score of 480 ticks a quarter at 120 quarters a minute: a second is 960 ticks. It may hold no notes. It
        ``goes_on`` where a second or more was not read.

    Raises:
        ItemError: the recording cannot be used.
        MissingExtraError: onnxruntime or soxr is not installed.
        WeightsError: the network is missing or damaged.
    """
    sounds, begins, goes_on = _posteriors(recording)
    notes = _notes(sounds, begins)
    rows = np.zeros(len(notes), NOTE)
    for row, (first, last, key, strength) in zip(rows, notes, strict=True):
        onset, end = (round(frame * _HOP / _RATE * _TICKS_A_SECOND) for frame in (first, last))
        row["onset"], row["duration"] = onset, max(end - onset, 1)
        row["pitch"], row["velocity"] = key + _LOWEST, max(1, min(127, round(127 * strength)))
    return replace(Score.build(rows, 480), goes_on=goes_on)


def leading(score: Score) -> Score:
    """A transcription without its weak notes: those that begin while one of more than twice their strength sounds, or,
    of notes on whose fourth to eighth overtone they lie, one and a half times.

    They are overtones more often than not. What is left is the tune where one is sung or played alone.
    """
    notes = score.notes
    end, kept = notes["onset"].astype(np.int64) + notes["duration"], np.empty(len(notes), bool)
    for low in range(0, len(notes), _AT_ONCE):
        some = notes[low : low + _AT_ONCE]  # in order of onset: few others sound while these begin
        near = notes[(end > some["onset"][0]) & (notes["onset"] <= some["onset"][-1] + _SLACK)]
        kept[low : low + _AT_ONCE] = ~_overpowered(some, near)
    return score.with_notes(notes[kept])


def _overpowered(notes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which notes, ``NOTE`` [n], begin while another, ``NOTE`` [m], sounds that is so much stronger; bool [n]."""
    onset, strength, pitch = (notes[name].astype(np.int64)[:, None] for name in ("onset", "velocity", "pitch"))
    begin, length, loud, key = (others[name].astype(np.int64) for name in ("onset", "duration", "velocity", "pitch"))
    together = (begin <= onset + _SLACK) & (begin + length > onset)
    weak = 2 * strength < np.where(np.isin(pitch - key, _OVERTONES), 4 / 3, 1) * loud
    return np.logical_or.reduce(together & weak, axis=1)


def _posteriors(recording: Recording) -> tuple[np.ndarray, np.ndarray, bool]:
    """How likely each key sounds, and begins to, in each frame: two of float32 [frames, 88]; and whether the recording
    goes on."""
    network = _network()
    notes: list[np.ndarray] = []
    onsets: list[np.ndarray] = []
    samples = 0
    for window, fresh in _windows(recording):
        samples += fresh
        found = network.run([_NOTES, _ONSETS], {_INPUT: window[None, :, None]})
        for kept, said in zip((notes, onsets), found, strict=True):
            kept.append(said[0, _OVERLAP // 2 : -(_OVERLAP // 2)])
    frames = -(-min(samples, LONGEST_S * _RATE) // _HOP)
    empty = [np.zeros((0, _KEYS), np.float32)]
    goes_on = samples >= _MOST_SAMPLES
    return np.concatenate(empty + notes)[:frames], np.concatenate(empty + onsets)[:frames], goes_on


def _windows(recording: Recording) -> Iterator[tuple[np.ndarray, int]]:
    """float32 [43844] of each two seconds, overlapping, and how many of its samples no window before had."""
    before = _OVERLAP // 2 * _HOP
    waiting, left = np.zeros(before, np.float32), _MOST_SAMPLES
    there = 0  # samples that wait to be in a window
    for _, block in resampled(recording.sound(), recording.sample_rate, _RATE):
        block = block[:left]
        left, there = left - len(block), there + len(block)
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= _SAMPLES:
            yield waiting[:_SAMPLES], min(there, _STEP)
            waiting, there = waiting[_STEP:], max(0, there - _STEP)
        if not left:
            break
    while there > 0:
        yield np.pad(waiting, (0, max(0, _SAMPLES - len(waiting))))[:_SAMPLES], min(there, _STEP)
        waiting, there = waiting[_STEP:], there - _STEP


def _notes(sounds: np.ndarray, begins: np.ndarray) -> list[tuple[int, int, int, float]]:
    """(first frame, frame behind the last, key, strength) of every note, from the last onset to the first.

    What a note has taken is no longer there for the others: a key that is struck again ends the note before.
    """
    left, edged = sounds.copy(), np.pad(begins, ((1, 1), (0, 0)))
    peak = (begins > edged[:-2]) & (begins >= edged[2:]) & (begins >= _BEGINS)
    found = []
    for first, key in sorted(zip(*np.nonzero(peak)), reverse=True):
        quiet = np.pad(left[first + 1 :, key] < _SOUNDS, (0, _PATIENCE), constant_values=True)
        runs = np.convolve(quiet, np.ones(_PATIENCE), "valid") >= _PATIENCE
        last = int(first) + 1 + int(runs.argmax())
        if last - first <= _SHORTEST:
            continue
        strength = float(sounds[first:last, key].mean())
        left[first:last, max(0, key - 1) : key + 2] = 0
        found.append((int(first), last, int(key), strength))
    return found[::-1]


@cache
def _network() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError.of("onnxruntime", "audio") from None
    path = Path(__file__).parent.parent / "pretrained" / "basic-pitch" / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as e:  # its own errors have no common class
        raise WeightsError(str(path), f"is no network that transcribes ({type(e).__name__})", _HINT) from e
