"""Make ``calibration.safetensors``, which stands beside weights and says what their similarities mean.

    python -m mmbert_training.calibrate --data DIR [--weights FOLDER]

Written from 1,000 captions of random training works, 1,000 phrases of musicians, and the validation works, on half
of which the threshold is chosen. The weight of a standard score is the one with which most development nonsense is
told. The weights and their fingerprint are not touched. To be run after every training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mmbert.embed import Embedder
from mmbert.model.checkpoint import default_weights
from mmbert.retrieval.calibrate import Calibration
from mmbert_training.evaluate.calibration import Judged, below, choosing, product, score, split_of, threshold
from mmbert_training.evaluate.calibration_questions import first_of_clusters, phrases, training_captions, written

Z_WEIGHTS = (0.0, 0.01, 0.025, 0.05, 0.1)  # of a standard score beside a cosine, least first
_AT_ONCE = 128


def calibrate(embedder: Embedder, data: Path | None) -> Calibration:
    """Measure a calibration.

    Raises:
        DataError: where the data are missing.
    """
    captions = training_captions(data)
    said = [q.text for q in phrases(data, "reference")]
    mean, factor = spread(_rows(embedder.embed_texts, captions))
    language = _rows(embedder.language, [*captions, *said]).astype(np.float16).astype(np.float32)  # as it is stored
    bare = Calibration(mean, factor, language, 0.0, 0.0)
    with split_of(first_of_clusters(data, "validation"), embedder, bare) as validation:
        judged = choosing(validation, data)
        nonsense = validation.bench.judge(written()["development"])
    return Calibration(mean, factor, language, *weighed([*judged.values()], nonsense))


def weighed(true: Sequence[Sequence[Judged]], nonsense: Sequence[Judged]) -> tuple[float, float]:
    """Weight of a standard score, and threshold: those with which most nonsense is told; of equals the least weight.

    Args:
        true: Groups of true questions, of which the threshold loses its share.
        nonsense: Questions that no music answers.
    """
    least = {z: threshold([score(product(z), some) for some in true]) for z in Z_WEIGHTS}
    best = max(Z_WEIGHTS, key=lambda z: below(score(product(z), nonsense), least[z]))
    return best, least[best]


def spread(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [d] of query vectors [n, d], and a factor [d, d] of their covariance: ``|factor @ x|`` is the deviation
    of their inner products with x.

    >>> mean, factor = spread(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> mean.tolist(), float(np.linalg.norm(factor @ [1, 0]).round(6)), float(np.linalg.norm(factor @ [1, 1]).round(6))
    ([0.5, 0.5], 0.5, 0.0)
    """
    mean = queries.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov(queries.T.astype(np.float64), bias=True))
    factor = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    return mean.astype(np.float32), factor.astype(np.float32)


def _rows(embed: Callable[[list[str]], np.ndarray], texts: list[str]) -> np.ndarray:
    return np.concatenate([embed(texts[i : i + _AT_ONCE]) for i in range(0, len(texts), _AT_ONCE)])


def _write(
    weights: Annotated[Path | None, typer.Option(help="A checkpoint folder; else the released weights.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
) -> None:
    """Calibrate weights."""
    folder = weights or default_weights()
    embedder = Embedder.from_pretrained(folder)
    made = calibrate(embedder, data)
    made.save(folder, embedder.fingerprint)
    typer.echo(
        f"{folder}: {len(made.language)} references, weight of z {made.z_weight}, threshold {made.threshold:.3f}"
    )


if __name__ == "__main__":
    typer.run(_write)
