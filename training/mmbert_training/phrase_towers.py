"""Two towers for phrases, learned by telling what belongs together from what does not.

    python -m mmbert_training.phrase_towers PACK OUT --task completion

trains on a folder of phrases (:mod:`mmbert_training.phrase_pack`), without the tenth that weights are fitted on, and
writes ``OUT/completion_towers.safetensors``. :mod:`mmbert_training.phrase_model` makes a model of both tasks' towers
and pair scorers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn import functional as F

from mmbert.model.phrase_towers import AccompanimentTowers, CompletionTowers, Towers
from mmbert.objectives.contrastive import Temperature
from mmbert.symbolic.phrases import PhraseTable, Task
from mmbert_training.phrase_examples import Examples
from mmbert_training.phrase_pack import WorkPhrases, load_phrases
from mmbert_training.phrase_teaching import teach
from mmbert_training.precision import half_precision

_FURTHEST = 4  # semitones that all phrases of a pair are moved by, at most


@dataclass(frozen=True)
class How:
    """How the towers of a task are taught; chosen on validation works.

    Attributes:
        steps: Batches.
        batch: Works a batch.
        dropout: Of what is read.
        same: Weight of telling the right phrase from a wrong one of its work.
        moved: Share of pairs that are moved by some semitones: an estimated key may be another's.
        rate: The largest learning rate.
        decay: Of weights.
    """

    steps: int
    batch: int
    dropout: float
    same: float
    moved: float
    rate: float
    decay: float


HOW: Mapping[Task, How] = {
    "completion": How(1000, 512, 0.35, 0.6, 0.15, 2e-3, 0.05),
    "accompaniment": How(2400, 192, 0.1, 0.5, 1.0, 2e-3, 0.02),
}


def train(found: WorkPhrases, task: Task, seed: int, how: How) -> Towers:
    """Towers learned by in-batch contrast: each work once a batch, all others wrong but literal repeats, and of its own
    work one wrong phrase besides.

    Args:
        found: Phrases of every bar; of them those of training works outside the fitting tenth are used.
        task: What is asked.
        seed: Of weights and batches.
        how: How they are taught.
    """
    torch.manual_seed(seed)
    towers: Towers = (CompletionTowers if task == "completion" else AccompanimentTowers)(dropout=how.dropout)
    return taught(towers, Examples.of(found, task), seed, how)


def taught(towers: Towers, examples: Examples, seed: int, how: How) -> Towers:
    """The same of towers as they are given, in place."""
    found = examples.found
    temperature = Temperature()
    learned = [*towers.parameters(), *temperature.parameters()]

    def loss_of(rng: np.random.Generator) -> Tensor:
        query, answer = examples.draw(rng, how.batch)
        wrong, there = examples.of_the_same_work(rng, query, answer, 1)
        given, n = np.r_[answer, wrong[:, 0]], len(query)
        moved = rng.integers(-_FURTHEST, _FURTHEST + 1, n) * (rng.random(n) < how.moved)
        read = towers.read_query(_moved(found.table, query, moved))
        read_given = towers.read_document(_moved(found.table, given, np.r_[moved, moved]))
        with half_precision():
            asked, documents = towers.query(torch.from_numpy(read)), towers.document(torch.from_numpy(read_given))
        closed = examples.same(query, answer, np.broadcast_to(given, (n, 2 * n)))
        closed[:, n:] |= ~there[:, 0]
        closed[np.arange(n), np.arange(n)] = False
        sums = (temperature() * asked.float() @ documents.float().T).masked_fill(torch.from_numpy(closed), -1e4)
        target = torch.arange(n)
        own = torch.stack([sums.diagonal(), sums[target, target + n]], dim=1)
        loss = (F.cross_entropy(sums, target) + F.cross_entropy(sums[:, :n].T, target)) / 2
        return loss + how.same * F.cross_entropy(own, torch.zeros_like(target))

    teach(learned, loss_of, steps=how.steps, rate=how.rate, decay=how.decay, seed=seed)
    return towers.eval()


def _moved(table: PhraseTable, rows: np.ndarray, semitones: np.ndarray) -> PhraseTable:
    some = table.rows(rows)
    return replace(some, shift=some.shift + semitones)


def _main(
    pack: Annotated[Path, typer.Argument(help="A folder of phrases.")],
    out: Annotated[Path, typer.Argument(help="Where the weights are written.")],
    task: Annotated[Task, typer.Option(help="What is asked.")],
    steps: Annotated[int | None, typer.Option(help="Batches; else as many as the released weights had.")] = None,
    seed: int = 1,
) -> None:
    """Train the two towers of one task."""
    from safetensors.torch import save_file

    how = HOW[task] if steps is None else replace(HOW[task], steps=steps)
    towers = train(load_phrases(pack), task, seed, how)
    out.mkdir(parents=True, exist_ok=True)
    save_file(towers.state_dict(), out / f"{task}_towers.safetensors")


if __name__ == "__main__":
    typer.run(_main)
