"""How much of the processor does training use, and what would a ten times larger model cost?

    python benchmarks/training.py RECIPE --packed PACK [--steps N] [--json]

For each stage of a recipe: seconds a step and tokens (notes, or word pieces) a second over N steps, operations of one
step as torch counts them (two a multiply-add, forward and backward), and the share of what the same threads reach in
one large product of float32 matrices. Then the operations of a model of about ten times the parameters, and the time
that the recipe's steps would take with it at the same share.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmbert_training.batches import Batches, moved
from mmbert_training.learner import Learner
from mmbert_training.loop import optimiser_of, step_once
from mmbert_training.pack import Pack, load_pack
from mmbert_training.recipe import Recipe
from torch.utils.flop_counter import FlopCounterMode

from mmbert.config import load_config
from mmbert.console import print_json

_PEAK_SIZE, _PEAK_REPEATS = 2048, 8
_WIDER = 10**0.5  # widths times this: about ten times the parameters


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--packed", type=Path, required=True, help="the recipe's training pack")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    report = measure(load_config(args.recipe, Recipe), load_pack(args.packed), args.steps)
    if args.json:
        print_json(report)
    else:
        print("\n".join(f"{k}: {v}" for k, v in report.items()))
    return 0


def measure(recipe: Recipe, pack: Pack, steps: int) -> dict[str, Any]:
    """Figures of every stage, and of the larger model."""
    torch.set_num_threads(recipe.threads)
    peak = _peak(recipe.device)
    large = _larger(recipe)
    report: dict[str, Any] = {
        "device": recipe.device, "threads": recipe.threads, "peak_tflops": peak / 1e12,
        "parameters": _parameters(recipe, pack), "parameters_large": _parameters(large, pack), "stages": [],
    }  # fmt: skip
    for number, stage in enumerate(recipe.stages):
        seconds, tokens, operations = _stage(recipe, pack, number, steps)
        _, _, more = _stage(large, pack, number, 0)
        share = operations / seconds / peak
        report["stages"].append({
            "kind": stage.kind, "batch": stage.batch, "s_per_step": seconds, "tokens_per_s": tokens / seconds,
            "gflop_per_step": operations / 1e9, "share_of_peak": share, "hours": seconds * stage.steps / 3600,
            "hours_large": more / (share * peak) * stage.steps / 3600,
        })  # fmt: skip
    return report


def _stage(recipe: Recipe, pack: Pack, number: int, steps: int) -> tuple[float, float, float]:
    """Seconds and tokens a step, and operations of one."""
    stage = recipe.stages[number]
    torch.manual_seed(recipe.seed)
    learner = Learner(recipe.model, len(pack.words)).to(recipe.device).train()
    optimiser, _ = optimiser_of(learner, recipe, stage.kind)
    drawn = (stage.phrase_share, stage.passages, stage.hide_cues, stage.joined)
    batches = Batches(pack, recipe.seed, recipe.augment, *drawn)
    draw = [moved(batches.for_stage(stage, recipe.objectives, number, s), recipe.device) for s in range(steps + 1)]
    with FlopCounterMode(display=False) as counter:
        step_once(learner, recipe, optimiser, draw[0], number, 0)
    began = time.perf_counter()
    for s, batch in enumerate(draw[1:], 1):
        step_once(learner, recipe, optimiser, batch, number, s)
    if recipe.device != "cpu":
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - began) / max(steps, 1)
    tokens = sum(int(b.notes.valid.sum()) if b.notes else int(b.mask.sum()) for b in draw[1:]) / max(steps, 1)
    return seconds, tokens, float(counter.get_total_flops())


def _larger(recipe: Recipe) -> Recipe:
    """Widths times the root of ten, rounded so that heads divide them."""
    m = recipe.model

    def wide(n: int, heads: int) -> int:
        return round(n * _WIDER / (2 * heads)) * 2 * heads

    return replace(recipe, model=replace(
        m, symbolic_dim=wide(m.symbolic_dim, m.symbolic_heads), symbolic_ffn=wide(m.symbolic_ffn, 1),
        dim=wide(m.dim, m.heads), ffn=wide(m.ffn, 1), field_dims=tuple(wide(d, 1) for d in m.field_dims),
    ))  # fmt: skip


def _parameters(recipe: Recipe, pack: Pack) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in Learner(recipe.model, len(pack.words)).model.parameters())


def _peak(device: str) -> float:
    """Operations a second of a large product of float32 matrices."""
    a = torch.randn(_PEAK_SIZE, _PEAK_SIZE, device=device)
    _ = a @ a
    began = time.perf_counter()
    for _ in range(_PEAK_REPEATS):
        _ = a @ a
    if device != "cpu":
        torch.cuda.synchronize()
    return 2 * _PEAK_SIZE**3 * _PEAK_REPEATS / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
