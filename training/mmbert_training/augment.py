"""Other true versions of a piece: transposed, faster or slower, louder or softer. Facets change with the notes.

All three are exact on octuples: pitch is a column; tempo ids are twelve to an octave of tempo; velocity ids are
four steps wide. What is said of the piece is read from the changed facets, so a caption can stay true.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as config_dataclass

from mmbert.facets import pitch_class, tonic_name
from mmbert.symbolic.octuple import FIELDS, SIZES
from mmbert.symbolic.octuple_vocabulary import DRUM_PROGRAM, VELOCITY_STEP
from mmbert.types import Facets

PROGRAM, PITCH, VELOCITY, TEMPO = (FIELDS.index(f) for f in ("program", "pitch", "velocity", "tempo"))
TEMPO_STEPS = 12  # tempo ids an octave


@config_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AugmentConfig:
    """How far versions may lie from what was written.

    Attributes:
        unchanged: Share of pieces left as they are.
        semitones: Most semitones up or down.
        tempo_ids: Most twelfths of an octave faster or slower.
        velocity_ids: Most steps of four MIDI velocities louder or softer.
    """

    unchanged: Annotated[float, Field(ge=0, le=1)] = 0.4
    semitones: Annotated[int, Field(ge=0, le=11)] = 5
    tempo_ids: Annotated[int, Field(ge=0, le=12)] = 2
    velocity_ids: Annotated[int, Field(ge=0, le=16)] = 3


@dataclass(frozen=True)
class Change:
    """One version: shifts in semitones, tempo ids and velocity ids."""

    semitones: int = 0
    tempo: int = 0
    velocity: int = 0


def draw(facets: Facets, config: AugmentConfig, rng: np.random.Generator) -> Change:
    """A version that this piece can have: pitches stay in 0-127, and what the file does not state is not changed."""
    if rng.random() < config.unchanged:
        return Change()
    low, high = facets.pitch_low, facets.pitch_high
    down = -min(config.semitones, low) if low is not None else 0
    up = min(config.semitones, 127 - high) if high is not None else 0
    semitones = int(rng.integers(down, up + 1))
    tempo = int(rng.integers(-config.tempo_ids, config.tempo_ids + 1)) if facets.tempo_bpm is not None else 0
    velocity = int(rng.integers(-config.velocity_ids, config.velocity_ids + 1)) if facets.velocity_mean else 0
    return Change(semitones, tempo, velocity)


def change_facets(facets: Facets, change: Change) -> Facets:
    """What is true of the version."""
    new = facets
    if change.semitones and facets.key is not None and facets.mode is not None:
        new = replace(new, key=tonic_name((pitch_class(facets.key) or 0) + change.semitones, facets.mode))
    if change.semitones and facets.pitch_low is not None and facets.pitch_high is not None:
        new = replace(
            new, pitch_low=facets.pitch_low + change.semitones, pitch_high=facets.pitch_high + change.semitones
        )
    if change.tempo and facets.tempo_bpm is not None:
        ratio = 2 ** (change.tempo / TEMPO_STEPS)
        new = replace(new, tempo_bpm=facets.tempo_bpm * ratio)
        if facets.pace is not None:
            new = replace(new, pace=facets.pace * ratio)
        if facets.duration_s is not None:
            new = replace(new, duration_s=facets.duration_s / ratio)
    if change.velocity and facets.velocity_mean is not None:
        louder = facets.velocity_mean + VELOCITY_STEP * change.velocity
        new = replace(new, velocity_mean=float(np.clip(louder, 1, 127)))
    return new


def change_octuples(octuples: np.ndarray, change: Change) -> np.ndarray:
    """Octuples [n, 8] of the version, int64; percussion is never transposed."""
    out = octuples.astype(np.int64)
    if change.semitones:
        pitched = out[:, PROGRAM] != DRUM_PROGRAM
        out[pitched, PITCH] = np.clip(out[pitched, PITCH] + change.semitones, 0, 127)
    for column, shift in ((TEMPO, change.tempo), (VELOCITY, change.velocity)):
        if shift:
            out[:, column] = np.clip(out[:, column] + shift, 0, SIZES[column] - 1)
    return out
