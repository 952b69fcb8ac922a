"""How well POP909 sits on the bars that its beat annotation gives."""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.facets import score_facets
from mmbert.symbolic.score import Score
from mmbert.types import Facets
from mmbert_training.manifest import Work
from mmbert_training.rebar import TICKS, annotation, chord_changes, rebar

RESIDUAL = 0.05  # of a sixteenth
STRONG = 0.7  # share of chord changes that fall on a strong beat
ONSETS = f"re-barred: onsets within {RESIDUAL} of a sixteenth"
CHORDS = f"re-barred: {STRONG:.0%} of chord changes on a strong beat"


def check(work: Work, score: Score) -> tuple[list[tuple[str, float]], Facets]:
    """Whether onsets lie on the grid and chords change on strong beats, and the facets of the re-barred song.

    Chord changes do not vote on the bars here: they are the independent check.
    """
    files = annotation(work)
    found = rebar(score, files, with_chords=False)
    onset = found.score.notes["onset"] * (4 / TICKS)
    residual = float(np.abs(onset - np.round(onset)).mean())
    values = [(ONSETS, float(residual < RESIDUAL))]
    changes = chord_changes(files)
    if len(changes):
        values.append((CHORDS, float(_on_strong_beats(found.score, changes - found.start_s) > STRONG)))
    return values, score_facets(rebar(score, files).score)


def _on_strong_beats(score: Score, seconds: np.ndarray) -> float:
    """Share of times whose nearest beat is the first of its bar, or the third of four."""
    beat = np.clip(np.round(score.ticks(seconds) / TICKS), 0, score.bar_lines[-2] // TICKS + 3).astype(np.int64)
    bar = score.bars(beat * TICKS)
    place = beat - score.bar_lines[bar] // TICKS
    return float(np.mean((place == 0) | ((place == 2) & (score.bar_metres[bar, 0] == 4))))
