"""Make ``statistics.safetensors`` of the readers of words for sounds: what the logits of recordings are like.

    python -m mmbert_training.sound_statistics SOUNDS mmbert/pretrained/sound-words --data DIR

Mean and deviation of each of the 527 logits over the development sounds (``evaluate.real_sounds``) and over validation
works rendered with the fonts of training. Both kinds weigh the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mmbert.audio.mn04 import Mn04
from mmbert.errors import ItemError
from mmbert.retrieval.sound_words import STATISTICS
from mmbert_training.evaluate.calibration_questions import first_of_clusters
from mmbert_training.evaluate.real_sounds import check, real_sounds
from mmbert_training.hearing import logits, of_sound
from mmbert_training.manifest import load_item
from mmbert_training.rendering import TRAIN, render

WORKS = 160
SECONDS = 15.0
_SEED = 9


def real(folder: Path, ear: Mn04) -> np.ndarray:
    """Logits of the development sounds in the order of their list, float32 [n, 527].

    Raises:
        DataError: where they are not there.
    """
    check(folder)
    return np.stack([logits(s.file(folder), ear, s.start_s, s.seconds) for s in real_sounds()])


def rendered(data: Path | None, ear: Mn04) -> np.ndarray:
    """Logits of excerpts of validation works under the fonts of training in turn, float32 [n, 527].

    Raises:
        DataError: where data, FluidSynth or a font are missing.
    """
    works = first_of_clusters(data, "validation")
    rng = np.random.default_rng(_SEED)
    found: list[np.ndarray] = []
    for work in (works[i] for i in rng.permutation(len(works))):
        if len(found) == WORKS:
            break
        try:
            score = load_item(work).score
        except ItemError:
            continue
        if score is None or score.duration_s < SECONDS:
            continue
        start = float(rng.uniform(0, score.duration_s - SECONDS))
        font = TRAIN[len(found) % len(TRAIN)]
        found.append(of_sound(render(score, font, start=start, seconds=SECONDS), ear))
    return np.stack(found)


def statistics(*kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation float32 [527] of logits of several kinds, each [n, 527]; every kind weighs the same.

    >>> mean, deviation = statistics(np.array([[0.0], [2.0]]), np.array([[5.0]]))
    >>> mean.tolist(), round(float(deviation[0]), 3)
    ([3.0], 2.121)
    """
    mean = np.mean([k.mean(axis=0) for k in kinds], axis=0)
    variance = np.mean([((k - mean) ** 2).mean(axis=0) for k in kinds], axis=0)
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def _main(
    sounds: Annotated[Path, typer.Argument(help="Folder of python -m mmbert_training.evaluate.real_sounds.")],
    out: Annotated[Path, typer.Argument(help="Folder of the readers.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
) -> None:
    """Hear the sounds and write what their logits are like."""
    from safetensors.numpy import save_file

    ear = Mn04.load()
    kinds = real(sounds, ear), rendered(data, ear)
    mean, deviation = statistics(*kinds)
    out.mkdir(parents=True, exist_ok=True)
    save_file({"mean": mean, "deviation": deviation}, out / STATISTICS)
    (out / STATISTICS).chmod(0o644)
    typer.echo(f"{out}: {len(kinds[0])} real sounds, {len(kinds[1])} rendered works")


if __name__ == "__main__":
    typer.run(_main)
