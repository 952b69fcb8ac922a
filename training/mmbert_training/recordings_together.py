"""Recordings, scores and words learned in one batch: what it does to each of them, beside recordings alone.

    python -m mmbert_training.recordings_together SOUNDS PACK CONFIG WEIGHTS [--json]

The recording stream that is released learns beside a model that stays as it is. Here it learns so first
(:mod:`mmbert_training.recordings`) and then goes on for as many steps again, in two ways: *frozen*, as before, and
*together*, where all else learns too. A batch then holds, beside the renderings with captions and the vectors of their
scores, the pieces and sentences of the last stage of CONFIG: recordings with words, recordings with scores, scores with
words. Any stream may be missing of a piece, and most are of most.

Recordings are drawn to where words and scores were when it began; what holds those there are their own sentences.
Asked are validation works: captions for renderings, sentences for scores in words that are known, unseen or written by
hand, and scores for themselves in another key. SOUNDS is of ``mmbert_training.sound_pack``, PACK that of ``mmbert
train``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from mmbert.config import load_config
from mmbert.console import print_json, warn
from mmbert.embed import Embedder
from mmbert.metrics import paired_bootstrap, standing
from mmbert_training import recordings, stages
from mmbert_training.ablation import print_rows
from mmbert_training.batches import Batches, moved
from mmbert_training.commit import commit
from mmbert_training.learner import Learner
from mmbert_training.pack import Pack, load_pack
from mmbert_training.phrase_teaching import teach
from mmbert_training.recipe import Recipe
from mmbert_training.recording_ablation import HOW, SEEDS
from mmbert_training.recording_words import Said, asked_of, said
from mmbert_training.recordings import How, Teacher, taught
from mmbert_training.sound_pack import Sounds, load_sounds
from mmbert_training.validate import MOST_WORKS, POOLS, reciprocal_ranks

_STEPS = 1 << 31  # of which a batch of scores and words is drawn


class Everything:
    """A recording stream that has learned, and what else may learn beside it.

    Args:
        teacher: Of recordings; its model is changed.
        recipe: Whose last stage says how scores and words learn.
        pack: Of scores and words.
    """

    def __init__(self, teacher: Teacher, recipe: Recipe, pack: Pack) -> None:
        self.teacher, self.recipe, self.stage = teacher, recipe, recipe.stages[-1]
        self.learner = Learner(teacher.model.config, len(pack.words))
        self.learner.model = teacher.model
        stage = self.stage
        self.batches = Batches(
            pack, recipe.seed, recipe.augment, stage.phrase_share, stage.passages, stage.hide_cues, stage.joined
        )

    def learn(self, steps: int, together: bool, seed: int) -> None:
        """Go on for so many steps: recordings alone, or everything."""
        for parameter in self.learner.parameters() if together else ():
            parameter.requires_grad_(True)
        learned = [*self.teacher.learned(), *(self.learner.parameters() if together else ())]
        how = self.teacher.how
        self.learner.train()
        teach(
            [*dict.fromkeys(learned)],
            self.loss if together else self.teacher.loss,
            steps=steps, rate=self.stage.lr, decay=how.decay, seed=seed,
        )  # fmt: skip
        self.learner.eval()

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Of one batch of recordings, scores and words."""
        heard = self.teacher.loss(rng)  # the first to be drawn: both ways see the same recordings
        number, step = len(self.recipe.stages) - 1, int(rng.integers(_STEPS))
        batch = moved(self.batches.for_stage(self.stage, self.recipe.objectives, number, step), "cpu")
        loss, _ = stages.STAGES[self.stage.kind](self.learner, batch, self.stage, self.recipe.objectives)
        return heard + loss

    @torch.inference_mode()
    def asked(self) -> dict[str, np.ndarray]:
        """Reciprocal ranks, float64 [questions] by column."""
        sounds, words = self.teacher.sounds, self.teacher.words
        rows, _, own = recordings.asked(sounds, words)
        texts = [one.text for row in rows.tolist() for one in asked_of(sounds, row)]
        question = Embedder(self.teacher.model).embed_texts(texts)  # words may have moved
        heard = self.teacher.encoded([sounds.states_of(row) for row in rows.tolist()]).numpy()
        found = {"recordings": standing(question @ heard.T, own).reciprocal_rank()}
        scores = reciprocal_ranks(self.learner, self.batches, self.recipe)
        return (
            found
            | {name: scores[name]["both"] for name, _ in POOLS if name in scores}
            | {"music": scores["music"]["notes"]}
        )

    def groups(self) -> dict[str, list[str]]:
        """Of each question of :meth:`asked` its work."""
        sounds = self.teacher.sounds
        rows, _, own = recordings.asked(sounds, self.teacher.words)
        found = {"recordings": [str(sounds.heard[rows[i]].work) for i in own]}
        for name, pool in POOLS:
            found[name] = [str(work) for work in self.batches.validation(pool, MOST_WORKS).text_work.tolist()]
        return found | {"music": [str(work) for work in self.batches.changed(MOST_WORKS).piece_work.tolist()]}


def run(sounds: Sounds, words: Said, embedder: Embedder, recipe: Recipe, pack: Pack, how: How = HOW) -> dict[str, Any]:
    """Both ways, over all seeds: means of reciprocal ranks, and *together* less *frozen* with 95 % intervals over
    works."""
    found: dict[bool, list[dict[str, np.ndarray]]] = {False: [], True: []}
    for seed in SEEDS:
        for together in found:
            everything = Everything(taught(sounds, words, embedder.model, seed, how), replace(recipe, seed=seed), pack)
            everything.learn(how.steps, together, seed + len(SEEDS))  # other batches than the first
            found[together].append(everything.asked())
            warn(f"seed {seed}, {'together' if together else 'frozen'} done")
    groups, rows = everything.groups(), []
    mean = {way: {c: np.mean([one[c] for one in some], axis=0) for c in some[0]} for way, some in found.items()}
    for column in mean[True]:
        d = paired_bootstrap(mean[True][column], mean[False][column], groups[column])
        rows.append({
            "asked": column, "questions": len(groups[column]), "frozen": float(mean[False][column].mean()),
            "together": float(mean[True][column].mean()),
            "difference": (round(d.mean, 4), round(d.low, 4), round(d.high, 4)),
            "by_seed": [
                round(float(t[column].mean() - f[column].mean()), 4) for f, t in zip(found[False], found[True])
            ],
        })  # fmt: skip
    return {"commit": commit(), "rows": rows}


def _main(
    sounds: Annotated[Path, typer.Argument(help="A pack of sounds.")],
    pack: Annotated[Path, typer.Argument(help="The pack of `mmbert train`.")],
    config: Annotated[Path, typer.Argument(help="Its recipe.")],
    weights: Annotated[Path, typer.Argument(help="The checkpoint folder that is taught.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Teach both ways and print what each does."""
    embedder, rendered = Embedder.from_pretrained(weights), load_sounds(sounds)
    words = said(rendered, sounds, embedder, data)
    report = run(rendered, words, embedder, load_config(config, Recipe), load_pack(pack))
    if as_json:
        print_json(report)
    else:
        print_rows(report["rows"])


if __name__ == "__main__":
    typer.run(_main)
