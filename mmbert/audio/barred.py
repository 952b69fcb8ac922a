"""A tune that was sung or played without a click, set in bars.

The tempo is the one at which the onsets come again (:func:`mmbert.audio.tempo.estimate_tempo`), made exact by how well
they lie on a grid: of eighths where all lie near to it, else of sixteenths, or of thirds of a beat, which are 6/8.
Notes alone hardly tell three beats from four, nor an upbeat: where nobody says the metre, other bars than 6/8 are 4/4.
The first note lies on a bar line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mmbert.audio.mel import FRAMES_A_SECOND
from mmbert.audio.tempo import estimate_tempo
from mmbert.symbolic.score import NOTE, Part, Score
from mmbert.symbolic.tune_line import tune_line

TICKS = 480  # a quarter
_BLUR = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)  # of an onset: 20 ms, as exactly as people play
_OFF = 0.06  # of the tempo: so far from the estimate a grid may fit better
_NEAR = 0.3  # of a step: where every onset lies nearer to a grid than that, it is fine enough
_THIRDS = 1.3  # so much better thirds of a beat have to fit than sixteenths, which are more common
_LEGATO = 0.625  # of the time to the next note: whoever holds a note that long means no rest
_VELOCITY = 80


@dataclass(frozen=True)
class _Grid:
    """Onsets on a grid.

    Attributes:
        place: Step that each begins on, int64 [n].
        steps: Of a beat.
        beat_s: Seconds of a beat.
        fit: 0-1, how exactly the onsets lie.
        near: Whether all lie near to steps of their own.
    """

    place: np.ndarray
    steps: int
    beat_s: float
    fit: float
    near: bool


def barred(score: Score, metre: tuple[int, int] | None = None) -> Score | None:
    """The melody of a score in free time, in bars; None where its onsets tell no tempo.

    Args:
        score: Its seconds count, its bars do not.
        metre: Of the bars; of threes of eighths (6/8) a beat is three, else it is a quarter. 4/4 or 6/8 where it is not
            known.

    Returns:
        One part of 480 ticks a quarter, one note at a time, the first at tick 0.

    >>> played = [(round(480 * at), 400, 60, 80, 0, False, 0) for at in (0, 1.01, 2, 3, 3.51, 4, 6, 7, 8.02)]
    >>> found = barred(Score.build(played, 480))
    >>> (found.notes["onset"] / TICKS).tolist(), round(found.tempo_map["bpm"][0])
    ([0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 6.0, 7.0, 8.0], 120)
    """
    line = tune_line(score)
    onset = line["second"].astype(np.float64)
    tempo = estimate_tempo(_curve(onset - onset[0])) if len(line) else None
    if tempo is None:
        return None
    grid = _fitted(onset - onset[0], 60 / tempo.bpm, metre)
    every = np.arange(len(line))
    place = np.maximum.accumulate(grid.place - every) + every  # a step holds one note
    place -= place[0]
    held = np.rint(line["duration"] * score.seconds(score.ticks_per_quarter) / grid.beat_s * grid.steps)
    held = np.maximum(held.astype(np.int64), 1)
    gap = np.append(np.diff(place), held[-1:])
    compound = grid.steps == 3
    step = TICKS // 2 if compound else TICKS // grid.steps
    rows = np.zeros(len(line), NOTE)
    rows["onset"], rows["pitch"], rows["velocity"] = place * step, line["pitch"], _VELOCITY
    rows["duration"] = np.where(held >= _LEGATO * gap, gap, held) * step
    found = Score.build(
        rows, TICKS, tempo_map=[(0, 60 / grid.beat_s * (1.5 if compound else 1))],
        metre_map=[(0, *(metre or ((6, 8) if compound else (4, 4))))],
        parts=(Part("", role="melody", program_stated=False),),
    )  # fmt: skip
    return replace(found, goes_on=score.goes_on)


def _curve(onset: np.ndarray) -> np.ndarray:
    """Strength of onsets over time, float32 [n], of seconds from 0 on."""
    curve = np.zeros(int(onset[-1] * FRAMES_A_SECOND) + FRAMES_A_SECOND, np.float32)
    np.add.at(curve, np.rint(onset * FRAMES_A_SECOND).astype(int), 1.0)
    return np.convolve(curve, _BLUR, "same").astype(np.float32)


def _fitted(onset: np.ndarray, beat_s: float, metre: tuple[int, int] | None) -> _Grid:
    eighths, thirds, sixteenths = (_on(onset, beat_s, steps) for steps in (2, 3, 4))
    if eighths.near:
        heard = eighths
    else:
        heard = thirds if thirds.fit > _THIRDS * sixteenths.fit else sixteenths
    if metre is None or _in_threes(metre) == (heard.steps == 3):
        return heard
    if heard.steps == 4:
        return thirds
    other = 2 if heard.steps == 3 else 3  # the same eighths, of which a beat has others than was heard
    return replace(heard, steps=other, beat_s=heard.beat_s / heard.steps * other)


def _in_threes(metre: tuple[int, int]) -> bool:
    return metre[0] % 3 == 0 and metre[1] == 8


def _on(onset: np.ndarray, beat_s: float, steps: int) -> _Grid:
    """The grid on which seconds lie best, near a tempo: the mean of their directions on a circle is longest."""
    tempos = 1 + 2 * int(np.ceil(8 * _OFF * onset[-1] * steps / beat_s))  # apart by an eighth of a step at the end
    off = np.linspace(-_OFF, _OFF, tempos)
    size = beat_s / steps * (1 + off)
    mean = np.exp(2j * np.pi * onset / size[:, None]).mean(axis=1)
    best = int((np.abs(mean) * (1 - np.abs(off))).argmax())
    exact = onset / size[best] - np.angle(mean[best]) / (2 * np.pi)
    place = np.rint(exact).astype(np.int64)
    near = bool((np.abs(exact - place) <= _NEAR).all() and (np.diff(place) > 0).all())
    return _Grid(place, steps, float(size[best] * steps), float(np.abs(mean[best])), near)
