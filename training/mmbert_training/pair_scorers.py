"""Scorers of pairs of phrases, learned by telling the right one from others that are near to it.

    python -m mmbert_training.pair_scorers PACK OUT --task completion

trains on a folder of phrases (:mod:`mmbert_training.phrase_pack`), without the tenth that weights are fitted on, and
writes ``OUT/completion_pairs.safetensors``.

A list is the right one against phrases of its own work, phrases of other works whose onsets are nearest to the query's,
and phrases at random: what a shortlist holds.
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

from mmbert.model.pair_scorer import AccompanimentScorer, CompletionScorer, PairInputs, PairScorer
from mmbert.symbolic.phrase_relations import BEGINS, NONE, accompaniment_grid, melody_bars
from mmbert.symbolic.phrases import PhraseTable, Task
from mmbert_training.phrase_examples import Examples, first_of
from mmbert_training.phrase_pack import WorkPhrases, load_phrases
from mmbert_training.phrase_teaching import teach
from mmbert_training.precision import half_precision

SAME, NEAR, RANDOM = 4, 4, 4  # wrong ones of a list
_POOL = 256  # phrases of other works that the near ones of a batch are the nearest of


@dataclass(frozen=True)
class How:
    """How the pair scorer of a task is taught; chosen on validation works.

    Attributes:
        steps: Batches.
        batch: Lists a batch.
        dropout: Of what is read.
        rate: The largest learning rate.
        decay: Of weights.
    """

    steps: int
    batch: int
    dropout: float
    rate: float
    decay: float


HOW: Mapping[Task, How] = {
    "completion": How(4000, 64, 0.2, 2e-3, 0.02),
    "accompaniment": How(3000, 48, 0.1, 2e-3, 0.02),
}


def train(found: WorkPhrases, task: Task, seed: int, how: How) -> PairScorer:
    """A pair scorer learned by a softmax over lists.

    Args:
        found: Phrases of every bar; of them those of training works outside the fitting tenth are used.
        task: What is asked.
        seed: Of weights and lists.
        how: How it is taught.
    """
    torch.manual_seed(seed)
    scorer: PairScorer = (CompletionScorer if task == "completion" else AccompanimentScorer)(dropout=how.dropout)
    examples = Examples.of(found, task)
    read = PairInputs.of(scorer, found.table)
    onsets = onsets_of(found.table, task)

    def loss_of(rng: np.random.Generator) -> Tensor:
        query, answer = examples.draw(rng, how.batch)
        documents, there = lists(rng, examples, onsets, query, answer)
        with half_precision():
            said = read.scores(scorer, query, documents)
        sums = said.float().masked_fill(torch.from_numpy(~there), -1e4)
        return F.cross_entropy(sums, torch.zeros(len(query), dtype=torch.long))

    teach(list(scorer.parameters()), loss_of, steps=how.steps, rate=how.rate, decay=how.decay, seed=seed)
    return scorer.eval()


def lists(
    rng: np.random.Generator,
    examples: Examples,
    onsets: tuple[np.ndarray, np.ndarray],
    query: np.ndarray,
    answer: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What is told apart, int64 [n, 13], the answer first; bool [n, 13], False where there is no such phrase.

    Args:
        rng: Of the draws.
        examples: Where from.
        onsets: Float [P, 96] of unit length, of what is asked with and of what is found.
        query: int64 [n].
        answer: int64 [n].
    """
    same, same_there = examples.of_the_same_work(rng, query, answer, SAME)
    pool = examples.answers[rng.integers(0, len(examples.answers), _POOL)]
    around = np.broadcast_to(pool, (len(query), _POOL))
    cluster = examples.found.cluster
    other = ~examples.same(query, answer, around) & (cluster[around] != cluster[query][:, None])
    alike = np.where(other, onsets[0][query] @ onsets[1][pool].T, -1)
    order = np.argsort(-alike, axis=1, kind="stable")[:, :NEAR]
    near, near_there = pool[order], np.take_along_axis(other, order, axis=1)
    any_, any_there = first_of(around, other, RANDOM)
    rows = np.concatenate([answer[:, None], same, near, any_], axis=1)
    return rows, np.concatenate([np.ones((len(query), 1), bool), same_there, near_there, any_there], axis=1)


def onsets_of(table: PhraseTable, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Onsets of what is asked with and of what is found, float32 [P, 96] of unit length each."""
    asked = _unit(melody_bars(table).reshape(len(table), -1, 3)[:, :, BEGINS] != NONE)
    return asked, asked if task == "completion" else _unit(accompaniment_grid(table)[:, :, 1] != 0)


def _unit(onsets: np.ndarray) -> np.ndarray:
    some = onsets.astype(np.float32)
    return some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1)


def _main(
    pack: Annotated[Path, typer.Argument(help="A folder of phrases.")],
    out: Annotated[Path, typer.Argument(help="Where the weights are written.")],
    task: Annotated[Task, typer.Option(help="What is asked.")],
    steps: Annotated[int | None, typer.Option(help="Batches; else as many as the released weights had.")] = None,
    seed: int = 1,
) -> None:
    """Train the pair scorer of one task."""
    from safetensors.torch import save_file

    how = HOW[task] if steps is None else replace(HOW[task], steps=steps)
    scorer = train(load_phrases(pack), task, seed, how)
    out.mkdir(parents=True, exist_ok=True)
    save_file(scorer.state_dict(), out / f"{task}_pairs.safetensors")


if __name__ == "__main__":
    typer.run(_main)
