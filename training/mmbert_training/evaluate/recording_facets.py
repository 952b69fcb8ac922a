"""Key and tempo as they are estimated from sound, against what the score and the labels say.

Half a minute of each work is rendered (:mod:`mmbert_training.evaluate.rendered`), .8 to 1.25 times as fast as its score
says. The key is compared with the label of the work, where its source has one; beside it stands what is estimated from
all of the score's notes. The tempo is compared with the score's, where it states one that is steady in the excerpt.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.audio.chroma import recording_key
from mmbert.audio.tempo import estimate_tempo
from mmbert.metrics import bootstrap
from mmbert.symbolic.keys import KeyEstimate, estimate_key
from mmbert.symbolic.score import Score
from mmbert_training.evaluate import labels
from mmbert_training.evaluate.rendered import SECONDS, Excerpt, Split, draw_all, hear, one_a_cluster, scores_of
from mmbert_training.manifest import load_works

_NEAR = 0.04  # of a tempo
_STEADY = 1.03  # the fastest tempo of an excerpt, of its slowest
_SURE = (0.0, 0.4, 0.6, 0.8, 1.0)  # confidence: how often are they right?
Measured = list[tuple[str, float, float, str]]  # (what, 1 or 0 or between, confidence, cluster)


def run(
    data: Path | None = None,
    weights: Path | None = None,
    split: Split = "test",
    queries: int | None = None,
    work: Path = Path("runs/audio-to-score"),
) -> dict[str, Any]:
    """Accuracy of each estimate, and of those of each confidence.

    Args:
        data: Folder of data zips; None for ``MMBERT_DATA``.
        weights: Not read: no estimate has any.
        split: ``validation`` to choose by, with the fonts of training.
        queries: Works at most, for a quick look.
        work: Folder of what was heard, shared with ``audio-to-score``.

    Raises:
        DataError: where the data, FluidSynth or a font are missing.
    """
    found = scores_of(one_a_cluster(w for w in load_works(data) if w.split == split))
    works, scores = {w.id: w for w, _ in found}, {w.id: score for w, score in found}
    excerpts = draw_all(scores, split)[:queries]
    measured: Measured = []
    for excerpt, frames in zip(excerpts, hear(excerpts, scores, work)):
        label = labels.key(works[excerpt.work])
        if label:
            cluster = works[excerpt.work].cluster
            measured += _keys(recording_key(frames), label, cluster, "of the sound")
            measured += _keys(estimate_key(scores[excerpt.work]), label, cluster, "of all notes")
    for excerpt, onsets in zip(excerpts, hear(excerpts, scores, work, "onsets")):
        tempo = steady_tempo(scores[excerpt.work], excerpt)
        if tempo:
            estimate = estimate_tempo(onsets)
            ratio, sure = (estimate.bpm / tempo, estimate.confidence) if estimate else (0.0, 0.0)
            cluster = works[excerpt.work].cluster
            measured.append(("tempo within 4 %", float(abs(ratio - 1) < _NEAR), sure, cluster))
            forgiven = any(abs(ratio / r - 1) < _NEAR for r in (1, 2, 3, 1 / 2, 1 / 3))
            measured.append(("tempo within 4 %, or 2, 3, 1/2 or 1/3 times it", float(forgiven), sure, cluster))
    return {"split": split, "works": len(excerpts), "rows": _rows(measured)}


def steady_tempo(score: Score, excerpt: Excerpt) -> float | None:
    """Quarters a minute that are heard in an excerpt; None where the score states none, or several."""
    tempos = score.tempo_map
    first, last = score.ticks(np.array([excerpt.start, excerpt.start + SECONDS * excerpt.speed]))
    before = int(np.searchsorted(tempos["tick"], first, side="right")) - 1
    if before < 0:
        return None
    inside = tempos["bpm"][(tempos["tick"] > first) & (tempos["tick"] < last)]
    heard = np.r_[tempos["bpm"][before], inside]
    return float(heard.mean() * excerpt.speed) if heard.max() <= _STEADY * heard.min() else None


def _keys(estimate: KeyEstimate | None, label: labels.Key, cluster: str, of: str) -> Measured:
    key = (estimate.pitch_class, estimate.mode == "minor") if estimate else None
    sure = estimate.confidence if estimate else 0.0
    exact, weighted = float(key == label), labels.mirex(key, label) if key else 0.0
    return [(f"key {of}", exact, sure, cluster), (f"key {of}, MIREX-weighted", weighted, sure, cluster)]


def _rows(measured: Measured) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys(m[0] for m in measured):
        _, right, sure, clusters = zip(*(m for m in measured if m[0] == name))
        interval = bootstrap(np.array(right), list(clusters))
        row: dict[str, Any] = {"estimate": name, "works": len(right), "accuracy": interval.mean}
        row |= {"low": interval.low, "high": interval.high}
        for low, high in pairwise(_SURE):
            inside = [r for r, s in zip(right, sure) if low <= s < high or s == high == 1]
            row[f"sure {low:.1f}-{high:.1f}"] = f"{np.mean(inside):.2f} ({len(inside)})" if inside else ""
        rows.append(row)
    return rows
