"""How likely the tempo that is counted in a recording is the right one: the weights of ``mmbert.audio.tempo``.

    python -m mmbert_training.tempo_confidence WORK --data DIR

renders half a minute of some training works with the fonts of training, .8 to 1.25 times as fast as their scores say,
and fits a logistic regression of whether the tempo is within 4 % of the score's. Printed are the weights, and how sure
and how right they are on training works, and on validation works, by which they are only judged. WORK keeps what was
heard and may be that of ``mmbert eval recording-facets``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mmbert.audio.tempo import compared
from mmbert_training.conditional_logit import fit
from mmbert_training.evaluate.candidates import shuffled
from mmbert_training.evaluate.recording_facets import near, steady_tempo
from mmbert_training.evaluate.reliability import auc, bins, brier
from mmbert_training.evaluate.rendered import draw_all, hear, one_a_cluster, scores_of
from mmbert_training.manifest import Split, load_works

EXCERPTS: dict[Split, int] = {"train": 200, "validation": 150}
"""How many are drawn; of about two in five a steady tempo is known."""


def measured(data: Path | None, split: Split, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Figures of tempos, float64 [n, 2], and which of those are right, bool [n].

    Args:
        data: Folder of data zips; None for ``MMBERT_DATA``.
        split: Of the works.
        work: Folder of what was heard.

    Raises:
        DataError: where the data, FluidSynth or a font are missing.
    """
    clusters = {w.id: w for w in one_a_cluster(w for w in load_works(data) if w.split == split)}
    most = EXCERPTS[split]
    scores = {w.id: score for w, score in scores_of(clusters[i] for i in shuffled(clusters)[: 2 * most])}
    drawn = [(e, steady_tempo(scores[e.work], e)) for e in draw_all(scores, split)[:most]]
    steady = [(e, tempo) for e, tempo in drawn if tempo]
    figures, right = [], []
    for (_, tempo), onsets in zip(steady, hear([e for e, _ in steady], scores, work, "onsets")):
        if found := compared(onsets):
            figures.append(found.figures)
            right.append(near(found.bpm / tempo))
    return np.array(figures), np.array(right)


def fitted(figures: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Weights of one and of each figure, float64 [1 + f]: a choice between right, which weighs them, and wrong."""
    weighed = _with_one(figures)
    nothing = np.zeros_like(weighed)
    first, second = np.where(right[:, None], weighed, nothing), np.where(right[:, None], nothing, weighed)
    return fit(np.stack([first, second], axis=1), np.ones((len(right), 2), bool))


def confidence(figures: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How sure weights are of tempos, float64 [n], 0-1."""
    return 1 / (1 + np.exp(-(_with_one(figures) @ weights)))


def _with_one(figures: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(figures), 1)), figures], axis=1)


def main(
    work: Annotated[Path, typer.Argument(help="Folder of what was heard.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
) -> None:
    """Print the weights, and what they are worth."""
    weights: np.ndarray | None = None
    for split in EXCERPTS:
        figures, right = measured(data, split, work)
        if weights is None:
            weights = fitted(figures, right)
            typer.echo(f"weights {', '.join(f'{w:.2f}' for w in weights)}")
        sure = confidence(figures, weights)
        typer.echo(
            f"{split}: {len(right)} tempos, right {right.mean():.3f}, AUC {auc(right, sure):.3f}, Brier "
            f"{brier(right, sure):.3f} (of the share alone {right.mean() * (1 - right.mean()):.3f})"
        )
        for row in bins(right, sure):
            typer.echo(f"  {row['sure']}: {row['n']} tempos, stated {row['stated']:.2f}, right {row['right']:.2f}")


if __name__ == "__main__":
    typer.run(main)
