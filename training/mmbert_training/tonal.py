"""Vectors of chroma sequences, learned by telling which half minute of which score a recording plays.

    python -m mmbert_training.tonal PACK OUT

trains on a pack of sounds (:mod:`mmbert_training.sound_pack`) and writes what
:class:`mmbert.model.tonal.TonalModel` reads. Half of a batch are renderings, half are parts of scores at another speed
and made unclean; each is to find its own window of its score among the windows of all other works of the batch. Every
pair is turned into any of the twelve keys. What validation works reach is printed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn import functional as F

from mmbert.audio.chroma import FRAMES_A_SECOND, comparable, stored
from mmbert.metrics import standing
from mmbert.model.tonal import HOP, WINDOW, TonalModel, TonalTower, padded, turned, windows
from mmbert.objectives.contrastive import Temperature
from mmbert_training.phrase_teaching import teach
from mmbert_training.precision import half_precision
from mmbert_training.rendering import TRAIN
from mmbert_training.sound_pack import SPEED, Sounds, load_sounds

QUERY_S = (10.0, 30.0)  # of sound that a query holds


@dataclass(frozen=True)
class How:
    """How the tower is taught; chosen on validation works.

    Attributes:
        steps: Batches.
        batch: Works a batch.
        rendered: Share of queries that are renderings.
        rate: The largest learning rate.
        decay: Of weights.
        dim: Width of the tower.
    """

    steps: int = 2400
    batch: int = 128
    rendered: float = 0.5
    rate: float = 3e-3
    decay: float = 0.02
    dim: int = 96


def train(sounds: Sounds, seed: int, how: How) -> TonalTower:
    """A tower learned by in-batch contrast, each work once a batch."""
    torch.manual_seed(seed)
    tower, temperature = TonalTower(how.dim), Temperature()
    examples = Examples(sounds, how.rendered)

    def loss_of(rng: np.random.Generator) -> Tensor:
        queries, documents = examples.draw(rng, how.batch)
        with half_precision():
            asked, found = tower(*padded(queries)), tower(*padded(documents))
        sums = temperature() * asked.float() @ found.float().T
        target = torch.arange(len(sums))
        return (F.cross_entropy(sums, target) + F.cross_entropy(sums.T, target)) / 2

    learned = [*tower.parameters(), *temperature.parameters()]
    teach(learned, loss_of, steps=how.steps, rate=how.rate, decay=how.decay, seed=seed)
    return tower.eval()


class Examples:
    """Pairs of what is asked with and the window of a score that it lies in.

    Args:
        sounds: Of which the training works are used.
        share: Of queries that are renderings.
    """

    def __init__(self, sounds: Sounds, share: float) -> None:
        self.sounds = sounds
        self.works = sounds.works_of("train")
        self.rows: dict[int, list[int]] = {}
        for row in sounds.rows("train").tolist():
            self.rows.setdefault(sounds.heard[row].work, []).append(row)
        self.heard = np.array(sorted(self.rows), np.int64)
        self.share = share

    def draw(self, rng: np.random.Generator, size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """``size`` works: queries and documents, float32 [frames, 12] each, comparable."""
        n = min(round(size * self.share), len(self.heard))
        first = rng.choice(self.heard, n, replace=False)
        rest = np.setdiff1d(self.works, first)
        works = np.r_[first, rng.choice(rest, min(size - n, len(rest)), replace=False)]
        queries, documents = [], []
        for i, work in enumerate(works.tolist()):
            query, low, high = self._rendered(work, rng) if i < n else self._played(work, rng)
            up = int(rng.integers(12))
            queries.append(comparable(turned(query, up)))
            documents.append(comparable(turned(window_of(self.sounds.score_of(work), low, high, rng), up)))
        return queries, documents

    def _rendered(self, work: int, rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
        """Part of a rendering, and the frames of the score that it lies between."""
        row = int(rng.choice(self.rows[work]))
        heard, frames = self.sounds.heard[row], self.sounds.chroma_of(row)
        n = min(round(float(rng.uniform(*QUERY_S)) * FRAMES_A_SECOND), len(frames))
        at = int(rng.integers(len(frames) - n + 1))
        low = heard.start_s * FRAMES_A_SECOND + at * heard.speed
        return frames[at : at + n], low, low + n * heard.speed

    def _played(self, work: int, rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
        """Part of a score at another speed and unclean, and the frames that it lies between."""
        score = self.sounds.score_of(work)
        speed = float(np.exp(rng.uniform(*np.log(SPEED))))
        n = min(round(float(rng.uniform(*QUERY_S)) * FRAMES_A_SECOND), max(1, int(len(score) / speed)))
        low = float(rng.uniform(0, max(0.0, len(score) - n * speed)))
        return unclean(resampled(score, low, speed, n), rng), low, low + n * speed


def window_of(score: np.ndarray, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """The window of a score around frames ``low`` to ``high``, as far beside them as the nearest window may lie."""
    begin = (low + high - WINDOW) / 2 + rng.uniform(-HOP / 2, HOP / 2)
    begin = round(min(max(begin, 0), max(0, len(score) - WINDOW)))
    return score[begin : begin + WINDOW]


def resampled(frames: np.ndarray, low: float, speed: float, n: int) -> np.ndarray:
    """``n`` frames from frame ``low`` on, ``speed`` times as fast: strengths float32 [n, 12], 0 to 1.

    >>> resampled(np.arange(24, dtype=np.uint8).reshape(2, 12) * 10, 0.5, 1.0, 1)[0, :2].round(3).tolist()
    [0.235, 0.275]
    """
    at = np.clip(low + np.arange(n) * speed, 0, len(frames) - 1)
    before = at.astype(np.int64)
    share = (at - before)[:, None].astype(np.float32)
    after = np.minimum(before + 1, len(frames) - 1)
    return (frames[before] * (1 - share) + frames[after] * share) / np.float32(255)


def unclean(strength: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a recording makes of a score's strengths [n, 12]: overtones, voices of unequal loudness, echoes, noise;
    stored frames, uint8 [n, 12]."""
    x = strength**2 * np.exp(rng.normal(0, 0.4, (1, 12))) * np.exp(rng.normal(0, 0.3, (len(strength), 12)))
    fifth, third = rng.uniform(0, 0.3), rng.uniform(0, 0.15)
    x = x + fifth * np.roll(x, 7, axis=1) + third * np.roll(x, 4, axis=1)
    tail = rng.uniform(0, 0.5)
    for i in range(1, len(x)):
        x[i] += tail * x[i - 1]
    x = x + rng.uniform(0, 0.15) * rng.random(x.shape) * x.max(initial=0)
    return stored(x)


def measured(
    model: TonalModel, sounds: Sounds, rows: np.ndarray, works: np.ndarray, seconds: float = 30.0
) -> dict[str, float]:
    """Renderings among scores: R@1, R@10 and MRR by the best window, and by the mean of a score's windows.

    Args:
        model: The tower.
        sounds: A pack.
        rows: Renderings to ask with.
        works: Works that may be found.
        seconds: Of each rendering that are heard.
    """
    asked = model.vectors([sounds.chroma_of(r)[: round(seconds * FRAMES_A_SECOND)] for r in rows.tolist()])
    parts = [windows(sounds.score_of(w)) for w in works.tolist()]
    vectors = model.vectors([part for some in parts for part in some])
    bounds = np.cumsum([0, *(len(some) for some in parts)])
    best = np.maximum.reduceat(asked @ vectors.T, bounds[:-1], axis=1)
    mean = np.add.reduceat(vectors, bounds[:-1], axis=0)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    own = np.searchsorted(works, [sounds.heard[r].work for r in rows.tolist()])
    out: dict[str, float] = {}
    for name, scores in (("windows", best), ("mean", asked @ mean.T)):
        where = standing(scores, own)
        out |= {
            f"r1_{name}": float(where.recall_at(1).mean()), f"r10_{name}": float(where.recall_at(10).mean()),
            f"mrr_{name}": float(where.reciprocal_rank().mean()),
        }  # fmt: skip
    return out


_CARD = """---
license: apache-2.0
library_name: mmbert
tags: [music, audio, music-retrieval, cover-song-identification]
---

# mmbert-tonal

Half a minute of chroma as a vector of 128 numbers, alike for a recording and the score that it plays: which scores are
worth a comparison frame by frame.

    from mmbert.model.tonal import TonalModel
    model = TonalModel.from_pretrained()  # this folder

## How it was made

    python -m mmbert_training.sound_pack PACK
    python -m mmbert_training.tonal PACK mmbert/pretrained/mmbert-tonal

Learned from chroma of {works} scores of the open training works and {renderings} renderings of {rendered} of them by
FluidSynth with {fonts}; {steps} steps of {batch} works, seed {seed}.
The test split of the works was not read. Sources and their licences are those of mmbert-small.

## Figures

{queries} renderings of validation works, up to 30 seconds at 0.8 to 1.25 times the speed, among {candidates} scores:

| | R@1 | R@10 | MRR |
|---|---|---|---|
| best window of a score | {r1_windows:.3f} | {r10_windows:.3f} | {mrr_windows:.3f} |
| mean of a score's windows | {r1_mean:.3f} | {r10_mean:.3f} | {mrr_mean:.3f} |

`mmbert eval audio-to-score` prints what it reaches on test works with a sound font that it has not heard.

## Limits

Recordings of the score's own notes, in its key (another key is looked for by turning the chroma), without singing or
improvisation: no live playing was learned from. Weights: Apache-2.0.
"""


def _main(
    pack: Annotated[Path, typer.Argument(help="A pack of sounds.")],
    out: Annotated[Path, typer.Argument(help="Where the model is written.")],
    steps: Annotated[int, typer.Option(min=1, help="Batches.")] = How.steps,
    seed: int = 1,
) -> None:
    """Train the tower and print what it reaches on validation works."""
    sounds, how = load_sounds(pack), How(steps=steps)
    model = TonalModel(train(sounds, seed, how))
    rows, works = sounds.rows("validation"), sounds.works_of("validation")
    model.save(out, "")
    found = measured(model, sounds, rows, works)
    learned = sounds.rows("train")
    card = _CARD.format(
        works=len(sounds.works_of("train")), renderings=len(learned),
        rendered=len({sounds.heard[r].work for r in learned}), fonts=" and ".join(TRAIN), steps=steps, batch=how.batch,
        seed=seed, queries=len(rows), candidates=len(works), **found,
    )  # fmt: skip
    model.save(out, card)
    for seconds in (30.0, 10.0, 5.0):
        typer.echo(f"{seconds:g} s: {json.dumps(measured(model, sounds, rows, works, seconds))}")


if __name__ == "__main__":
    typer.run(_main)
