"""Key and tempo as they are estimated from sound, against what the score and the labels say.

Half a minute of each work is rendered (:mod:`mmbert_training.evaluate.rendered`), .8 to 1.25 times as fast as its score
says. The key is compared with the label of the work, where its source has one; beside it stands what is estimated from
all of the score's notes. The tempo is compared with the score's, where it states one that is steady in the excerpt.
Works with neither are not rendered. Of each estimate there is how often it is right in bins of its stated confidence,
and above each threshold: ``mmbert.prepare`` believes in what its rule says of those of ``--split validation``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.audio.chroma import recording_key
from mmbert.audio.tempo import estimate_tempo
from mmbert.metrics import bootstrap
from mmbert.symbolic.keys import KeyEstimate, estimate_key
from mmbert.symbolic.score import Score
from mmbert_training.evaluate import labels, reliability
from mmbert_training.evaluate.rendered import SECONDS, Excerpt, Split, draw_all, hear, one_a_cluster, scores_of
from mmbert_training.manifest import Work, load_works

_NEAR = 0.04  # of a tempo
_STEADY = 1.03  # the fastest tempo of an excerpt, of its slowest
_KEY, _TEMPO = "key of the sound", "tempo within 4 %"
_TOLD = (_KEY, _TEMPO)  # with a confidence that a library keeps
Measured = list[tuple[str, float, float, str]]  # (what, 1 or 0 or between, confidence, cluster)


def run(
    data: Path | None = None,
    weights: Path | None = None,
    split: Split = "test",
    queries: int | None = None,
    work: Path = Path("runs/audio-to-score"),
) -> dict[str, Any]:
    """Accuracy of each estimate, of those of each confidence (``reliability``), and above thresholds (``believed``).

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
    excerpts = answerable(draw_all(scores, split)[:queries], works, scores)
    measured: Measured = []
    for excerpt, frames in zip(excerpts, hear(excerpts, scores, work)):
        label = labels.key(works[excerpt.work])
        if label:
            cluster = works[excerpt.work].cluster
            measured += _keys(recording_key(frames), label, cluster, _KEY)
            measured += _keys(estimate_key(scores[excerpt.work]), label, cluster, "key of all notes")
    for excerpt, onsets in zip(excerpts, hear(excerpts, scores, work, "onsets")):
        tempo = steady_tempo(scores[excerpt.work], excerpt)
        if tempo:
            estimate = estimate_tempo(onsets)
            ratio, sure = (estimate.bpm / tempo, estimate.confidence) if estimate else (0.0, 0.0)
            cluster = works[excerpt.work].cluster
            measured.append((_TEMPO, float(near(ratio)), sure, cluster))
            forgiven = any(near(ratio / r) for r in (1, 2, 3, 1 / 2, 1 / 3))
            measured.append(("tempo within 4 %, or 2, 3, 1/2 or 1/3 times it", float(forgiven), sure, cluster))
    return {"split": split, "works": len(excerpts), **_tables(measured)}


def answerable(excerpts: Iterable[Excerpt], works: Mapping[str, Work], scores: Mapping[str, Score]) -> list[Excerpt]:
    """Excerpts of which the key or the tempo is known."""
    return [e for e in excerpts if labels.key(works[e.work]) or steady_tempo(scores[e.work], e)]


def near(ratio: float) -> bool:
    """Whether a tempo that is so many times the right one counts as right."""
    return abs(ratio - 1) < _NEAR


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


def _keys(estimate: KeyEstimate | None, label: labels.Key, cluster: str, name: str) -> Measured:
    key = (estimate.pitch_class, estimate.mode == "minor") if estimate else None
    sure = estimate.confidence if estimate else 0.0
    exact, weighted = float(key == label), labels.mirex(key, label) if key else 0.0
    return [(name, exact, sure, cluster), (f"{name}, MIREX-weighted", weighted, sure, cluster)]


def _tables(measured: Measured) -> dict[str, list[dict[str, Any]]]:
    rows, inside, above = [], [], []
    for name in dict.fromkeys(m[0] for m in measured):
        _, right, sure, clusters = zip(*(m for m in measured if m[0] == name))
        interval = bootstrap(np.array(right), list(clusters))
        rows.append({"estimate": name, "works": len(right), "accuracy": interval.mean})
        rows[-1] |= {"low": interval.low, "high": interval.high}
        if name in _TOLD:
            found = np.array(right) == 1, np.array(sure)
            rows[-1] |= {"auc": reliability.auc(*found), "brier": reliability.brier(*found)}
            inside += [{"estimate": name, **row} for row in reliability.bins(*found)]
            above += [{"estimate": name, **row} for row in reliability.thresholds(*found)]
    return {"rows": rows, "reliability": inside, "believed": above}
