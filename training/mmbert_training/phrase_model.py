"""A model of phrases out of trained parts: towers and pair scorers of both tasks, and the weights of their sum.

    python -m mmbert_training.phrase_model PARTS OUT --data DIR

reads what :mod:`mmbert_training.phrase_towers` and :mod:`mmbert_training.pair_scorers` wrote into ``PARTS``, fits one
set of weights a task on the tenth of the training works of POP909, Nottingham and Lieder that the parts have not
learned from (each query counts alike), and writes what :class:`mmbert.model.phrase_model.PhraseModel` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from mmbert.errors import DataError
from mmbert.model.pair_scorer import AccompanimentScorer, CompletionScorer, PairInputs, PairScorer
from mmbert.model.phrase_model import PhraseModel
from mmbert.model.phrase_towers import AccompanimentTowers, CompletionTowers, Towers
from mmbert.symbolic.phrases import TASKS, PhraseTable, Task
from mmbert_training.evaluate.phrase_candidates import HOP, SOURCES, Candidates, candidates_of
from mmbert_training.evaluate.phrase_rows import figures_of, fitted_weights
from mmbert_training.manifest import load_works
from mmbert_training.phrase_pack import gather, held_out_tenth

_QUERIES = 32  # scored at once
_CARD = """---
license: apache-2.0
library_name: mmbert
tags: [music, symbolic-music, retrieval]
---

# mmbert-phrases

What follows a melody of four bars, and what sounds with it, among the phrases of a library.

    from mmbert.model.phrase_model import PhraseModel
    model = PhraseModel.from_pretrained()  # this folder

Towers turn a phrase into a vector of {completion} numbers (completion) or {accompaniment} (accompaniment); their inner
products shortlist. A pair scorer reads how the notes of two phrases lie to one another; its score, the product and
figures that are counted, each times a fitted weight, order the shortlist.

## How it was made

    python -m mmbert_training.phrase_pack PACK
    python -m mmbert_training.phrase_towers PACK PARTS --task completion       # and accompaniment
    python -m mmbert_training.pair_scorers PACK PARTS --task completion        # and accompaniment
    python -m mmbert_training.phrase_model PARTS mmbert/pretrained/mmbert-phrases

Learned from the training works of POP909 (MIT), Nottingham (GPL-3.0, tunes traditional), OpenScore Lieder (CC0 1.0),
OpenEWLD (public domain as stated there) and Open Hymnal (public domain by file), but for a tenth of them, on which the
weights of the sum were fitted. The test split of the works was not read. `mmbert eval melody-completion` and
`mmbert eval accompaniment` print what it reaches.

## Limits

Pop songs, folk tunes, art songs and hymns with a clear melody, in bars of one metre; phrases are compared after a shift
to no sharps or flats by an estimated key, so that a wrong estimate costs. Weights: Apache-2.0.
"""


def read_parts(folder: Path) -> tuple[dict[Task, Towers], dict[Task, PairScorer]]:
    """Trained towers and pair scorers of both tasks.

    Raises:
        DataError: where one is missing or of another form.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    towers: dict[Task, Towers] = {"completion": CompletionTowers(), "accompaniment": AccompanimentTowers()}
    pairs: dict[Task, PairScorer] = {"completion": CompletionScorer(), "accompaniment": AccompanimentScorer()}
    for task in TASKS:
        for module, name, command in (
            (towers[task], "towers", "phrase_towers"),
            (pairs[task], "pairs", "pair_scorers"),
        ):
            path = folder / f"{task}_{name}.safetensors"
            try:
                module.load_state_dict(load_file(path))
            except (OSError, SafetensorError, RuntimeError) as e:
                hint = f"Train it: python -m mmbert_training.{command} PACK {folder} --task {task}"
                raise DataError(str(path), f"no such part can be read ({type(e).__name__})", hint) from e
            module.eval()
    return towers, pairs


def products(model: PhraseModel, table: PhraseTable, task: Task) -> np.ndarray:
    """Inner products of all phrases as queries with all as documents, float32 [P, P]."""
    return model.query_vectors(table, task) @ model.document_vectors(table, task).T


@torch.no_grad()
def pair_scores(scorer: PairScorer, table: PhraseTable, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """What a pair scorer says, float32 [q, n], of queries int64 [q] with documents int64 [q, n]; of -1 nought."""
    inputs = PairInputs.of(scorer, table)
    out = np.zeros(documents.shape, np.float32)
    for begin in range(0, len(queries), _QUERIES):
        rows = documents[begin : begin + _QUERIES]
        found = inputs.scores(scorer, queries[begin : begin + _QUERIES], np.maximum(rows, 0)).numpy()
        out[begin : begin + _QUERIES] = np.where(rows >= 0, found, 0)
    return out


def fit(model: PhraseModel, task: Task, learned: Sequence[tuple[PhraseTable, Candidates]]) -> dict[str, float]:
    """Weights of the sum of figures, product and pair score, from phrases that no part has learned from."""
    parts = []
    for table, candidates in learned:
        figures = {**figures_of(table, task), "towers": products(model, table, task)}
        figures["pair"] = listed(model.pairs[task], table, candidates)
        parts.append((figures, candidates))
    return fitted_weights(parts)


def listed(scorer: PairScorer, table: PhraseTable, candidates: Candidates) -> np.ndarray:
    """What a pair scorer says of all that is in the short lists, float32 [P, P]; nought elsewhere."""
    out = np.zeros((len(table), len(table)), np.float32)
    for rows in candidates.lists.values():
        said = pair_scores(scorer, table, candidates.queries, rows)
        query, at = np.nonzero(rows >= 0)
        out[candidates.queries[query], rows[query, at]] = said[query, at]
    return out


def _main(
    parts: Annotated[Path, typer.Argument(help="Folder of trained towers and pair scorers.")],
    out: Annotated[Path, typer.Argument(help="Where the model is written.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
) -> None:
    """Fit the weights of the sum and write the model."""
    towers, pairs = read_parts(parts)
    model = PhraseModel(towers, pairs, {task: {} for task in TASKS})
    found = []
    for source in SOURCES:
        works = [w for w in load_works(data, (source,)) if w.split == "train"]
        found.append(gather(held_out_tenth(works), HOP))
    for task in TASKS:
        model.weights[task] = fit(model, task, [(f.table, candidates_of(f, task)) for f in found])
    model.save(out, _CARD.format(completion=model.dims["completion"], accompaniment=model.dims["accompaniment"]))


if __name__ == "__main__":
    typer.run(_main)
