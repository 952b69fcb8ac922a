"""A projection of mn04's states in which the same music in another sound font is near.

    python -m mmbert_training.same_sound PACK

writes ``evaluate/data/same_sound.safetensors`` from the training works of a pack of sounds that were rendered twice.
The covariance of differences between two renderings of one excerpt is whitened (within-class covariance normalisation,
Hatch, Kajarekar and Stolcke 2006), shrunk towards a multiple of the identity by a share that was chosen by five-fold
cross-validation on the same works, which is printed.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mmbert.metrics import standing
from mmbert_training.rendering import TRAIN
from mmbert_training.sound_pack import Sounds, load_sounds

SHRINK = 0.1
_TRIED = (0.03, 0.1, 0.3, 0.6)
_FOLDS = 5


def fit(first: np.ndarray, second: np.ndarray, mean: np.ndarray, shrink: float = SHRINK) -> np.ndarray:
    """The projection, float64 [d + 1, d]; its last row moves the mean to the origin.

    Args:
        first: float [n, d], means of states of excerpts in one font.
        second: float [n, d], the same excerpts in another.
        mean: float [d], of all renderings.
        shrink: Share of the identity.
    """
    difference = (first - second).astype(np.float64)
    within = difference.T @ difference / (2 * len(difference))
    level = np.trace(within) / len(within)
    values, vectors = np.linalg.eigh((1 - shrink) * within + shrink * level * np.eye(len(within)))
    projection = vectors * np.sqrt(level / values)
    return np.vstack([projection, -mean @ projection])


def projected(projection: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Means of states [n, d] to unit vectors float64 [n, d]."""
    moved = means.astype(np.float64) @ projection[:-1] + projection[-1]
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def load() -> np.ndarray:
    """The projection that the evaluation measures."""
    from safetensors.numpy import load_file

    return load_file(_path())["projection"].astype(np.float64)


def twice(sounds: Sounds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of states, float64 [n, d], of training excerpts in the first and in the second font; and of all, [d]."""
    rows = sounds.rows("train").tolist()
    means = {row: sounds.states_of(row).astype(np.float64).mean(axis=0) for row in rows}
    fonts: dict[int, dict[str, int]] = {}
    for row in rows:
        fonts.setdefault(sounds.heard[row].work, {})[sounds.heard[row].font] = row
    both = [[means[some[font]] for font in TRAIN] for some in fonts.values() if len(some) == len(TRAIN)]
    first, second = np.array(both).transpose(1, 0, 2)
    return first, second, np.mean([*means.values()], axis=0)


def cross_validated(first: np.ndarray, second: np.ndarray, mean: np.ndarray, shrink: float) -> float:
    """R@1 of excerpts in the second font among all in the first, by projections that have not seen them."""
    found = np.zeros(len(first))
    for fold in range(_FOLDS):
        asked = np.arange(len(first)) % _FOLDS == fold
        projection = fit(first[~asked], second[~asked], mean, shrink)
        scores = projected(projection, second[asked]) @ projected(projection, first).T
        found[asked] = standing(scores, np.flatnonzero(asked)).recall_at(1)
    return float(found.mean())


def _path() -> Path:
    return Path(str(files("mmbert_training.evaluate"))) / "data" / "same_sound.safetensors"


def _main(pack: Annotated[Path, typer.Argument(help="A pack of sounds.")]) -> None:
    """Fit the projection and print what cross-validation says of it."""
    from safetensors.numpy import save_file

    first, second, mean = twice(load_sounds(pack))
    for shrink in _TRIED:
        typer.echo(f"{len(first)} excerpts, shrunk by {shrink}: R@1 {cross_validated(first, second, mean, shrink):.3f}")
    save_file({"projection": fit(first, second, mean).astype(np.float16)}, _path())
    _path().chmod(0o644)


if __name__ == "__main__":
    typer.run(_main)
