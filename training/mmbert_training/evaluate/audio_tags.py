"""What the network hears, against what is known to sound: names of recordings, and instruments that were rendered.

Two sets. *real*: the development sounds whose name states a sound that AudioSet names. *rendered*: a line of eight
notes by one General MIDI instrument under each font of training. Candidates are the sounds that occur as truth in the
set, so that nothing is won by saying "Music". A sound counts as right in the first places where any of its true names
does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mmbert.audio.mn04 import Mn04
from mmbert.audio.sounds import sound_names
from mmbert.metrics import bootstrap, standing
from mmbert.symbolic.score import Part, Score
from mmbert_training.evaluate.real_sounds import check, real_sounds
from mmbert_training.hearing import logits, of_sound
from mmbert_training.rendering import TRAIN, render

PLACES = (1, 5)
INSTRUMENTS: dict[int, str] = {
    0: "Piano", 4: "Electric piano", 6: "Harpsichord", 9: "Glockenspiel", 11: "Vibraphone", 12: "Marimba, xylophone",
    14: "Tubular bells", 16: "Hammond organ", 19: "Organ", 21: "Accordion", 22: "Harmonica", 25: "Acoustic guitar",
    29: "Electric guitar", 33: "Bass guitar", 40: "Violin, fiddle", 42: "Cello", 43: "Double bass", 45: "Pizzicato",
    46: "Harp", 47: "Timpani", 48: "String section", 52: "Choir", 56: "Trumpet", 57: "Trombone", 60: "French horn",
    65: "Saxophone", 71: "Clarinet", 73: "Flute", 80: "Synthesizer", 104: "Sitar", 105: "Banjo", 109: "Bagpipes",
    114: "Steelpan",
}  # fmt: skip
"""Program of General MIDI and AudioSet's name for it."""
_LINE = (0, 2, 4, 5, 7, 5, 4, 0)  # semitones above the tonic
_LOW = (33, 42, 43, 47, 57)  # programs that play an octave and a half lower
_SECONDS = 5.0


def run(data: Path | None = None, weights: Path | None = None, sounds: Path | None = None) -> dict[str, Any]:
    """Both sets; of the first nothing where there is no folder of sounds.

    Args:
        data: Not used: no work of the data sets is heard.
        weights: Not used: the network is frozen.
        sounds: Folder of ``python -m mmbert_training.evaluate.real_sounds``.

    Raises:
        DataError: where sounds, FluidSynth or fonts are missing.
        WeightsError: where the network is missing.
    """
    ear = Mn04.load()
    found: dict[str, Any] = {}
    for name, (heard, truth) in {"real": real(sounds, ear), "rendered": rendered(ear)}.items():
        if len(heard):
            figures = tags(heard, truth)
            found |= {f"{key}_{name}": value for key, value in figures.items() if key != "sounds"}
            found[f"sounds_{name}"] = figures["sounds"]
    return found


def real(folder: Path | None, ear: Mn04) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Logits float32 [n, 527] and true names of the development sounds that have any."""
    if folder is None:
        return np.zeros((0, len(sound_names()))), []
    check(folder)
    named = [s for s in real_sounds() if s.sounds]
    return np.stack([logits(s.file(folder), ear, s.start_s, s.seconds) for s in named]), [s.sounds for s in named]


def rendered(ear: Mn04) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Logits and true names of single instruments under the fonts of training."""
    heard, truth = [], list[tuple[str, ...]]()
    for font in TRAIN:
        for program, name in INSTRUMENTS.items():
            heard.append(of_sound(render(_line(program), font, seconds=_SECONDS), ear))
            truth.append((name,))
    return np.stack(heard), truth


def tags(heard: np.ndarray, truth: list[tuple[str, ...]]) -> dict[str, Any]:
    """Share of sounds with a true name in the first places, mean average precision over names, and each name's own.

    Args:
        heard: Logits float [n, 527].
        truth: True names of each.
    """
    candidates = sorted({name for some in truth for name in some})
    column = [sound_names().index(name) for name in candidates]
    scores = heard[:, column].astype(np.float64)
    right = np.array([[name in some for name in candidates] for some in truth])
    where = standing(scores, right)
    each = [str(i) for i in range(len(truth))]
    precision = [average_precision(scores[:, i], right[:, i]) for i in range(len(candidates))]
    return {
        "n": len(truth),
        "names": len(candidates),
        **{f"top{k}": str(bootstrap(where.recall_at(k), each)) for k in PLACES},
        **{f"top{k}_chance": float(standing(scores * 0, right).recall_at(k).mean()) for k in PLACES},
        "map": float(np.mean(precision)),
        "map_chance": float(right.mean()),
        "sounds": [
            {"sound": name, "n": int(right[:, i].sum()), "average_precision": precision[i]}
            for i, name in enumerate(candidates)
        ],
    }


def average_precision(scores: np.ndarray, right: np.ndarray) -> float:
    """Mean over right answers of the share that is right among all that score as high or higher; ties count against it.

    >>> average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True])).__round__(3)
    0.833
    """
    return float(np.mean([(right & (scores >= s)).sum() / (scores >= s).sum() for s in scores[right]]))


def _line(program: int) -> Score:
    tonic = 41 if program in _LOW else 60
    notes = [(480 * i, 460, tonic + step, 90, program, False, 0) for i, step in enumerate(_LINE)]
    return Score.build(notes, 480, parts=(Part(program=program),))
