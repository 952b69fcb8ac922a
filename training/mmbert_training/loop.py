"""The one training loop: AdamW, warm-up and half a cosine, clipping; a stopped run goes on exactly where it was.

All randomness of a step is seeded by (seed, stage, step). What has to be kept is therefore the weights, the
optimiser and two numbers; they are written as safetensors and JSON, never as a pickle.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmbert.config import to_dict
from mmbert.errors import ConfigError, DataError
from mmbert_training.batches import Batch, Batches, moved
from mmbert_training.learner import Learner
from mmbert_training.log import RunLog
from mmbert_training.pack import Pack
from mmbert_training.precision import half_precision
from mmbert_training.recipe import Recipe
from mmbert_training.stages import STAGES, learns
from mmbert_training.validate import validate

PROGRESS = "resume.json"
_WARM_UP = 0.05


def train(
    recipe: Recipe, pack: Pack, out: Path, resume: bool = False, advance: Callable[..., None] = lambda *a, **k: None
) -> Learner:
    """Train all stages of a recipe.

    Args:
        recipe: What to do.
        pack: What to learn from.
        out: The run's folder: log and the state to resume from are written there.
        resume: Go on from that state, where there is one.
        advance: Called with 1 after each step.

    Raises:
        ConfigError: resuming with another recipe than the run began with.
        DataError: a state to resume from that cannot be read, or a loss that is not finite.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(int(np.random.SeedSequence([recipe.seed]).generate_state(1)[0]))
    learner = Learner(recipe.model, len(pack.words)).to(recipe.device)
    at, moments = _restore(learner, recipe, out) if resume and (out / PROGRESS).exists() else ((0, 0), None)
    with RunLog(out, at if moments is not None else None) as log:
        for number in range(at[0], len(recipe.stages)):
            first = at[1] if number == at[0] else 0
            _stage(learner, recipe, pack, out, log, number, first, moments if number == at[0] else None, advance)
    return learner.eval()


def _stage(
    learner: Learner, recipe: Recipe, pack: Pack, out: Path, log: RunLog, number: int, first: int,
    moments: dict[str, Tensor] | None, advance: Callable[..., None],
) -> None:  # fmt: skip
    """Steps ``first`` to the last of one stage, and its validation."""
    stage = recipe.stages[number]
    batches = Batches(
        pack, recipe.seed, recipe.augment, stage.phrase_share, stage.passages, stage.hide_cues, stage.joined
    )
    optimiser, named = optimiser_of(learner, recipe, stage.kind)
    if moments:
        _load_moments(optimiser, named, moments)
    advance(first, description=f"Stage {number + 1} of {len(recipe.stages)}, {stage.kind}")
    learner.train()
    began, seen = time.perf_counter(), 0
    for step in range(first, stage.steps):
        batch = batches.for_stage(stage, recipe.objectives, number, step)
        values = step_once(learner, recipe, optimiser, moved(batch, recipe.device), number, step)
        seen += int(batch.notes.valid.sum()) if batch.notes else int(batch.mask.sum())
        done = step + 1
        if done % recipe.log_every == 0 or done == stage.steps:
            speed = {
                "tokens_per_s": seen / (time.perf_counter() - began),
                "s_per_step": (time.perf_counter() - began) / (done - first),
            }
            log.write("train", number, done, values | speed)
        if done % recipe.save_every == 0 and done < stage.steps:
            _save(learner, optimiser, named, recipe, out, number, done)
        advance(1)
    log.write("validation", number, stage.steps, {"kind": stage.kind, **validate(learner, batches, recipe)})
    _save(learner, None, {}, recipe, out, number + 1, 0)


def step_once(
    learner: Learner, recipe: Recipe, optimiser: torch.optim.Optimizer, batch: Batch, number: int, step: int
) -> dict[str, float]:
    """One step of stage ``number``; returns its losses and figures.

    Raises:
        DataError: for a loss that is not finite.
    """
    stage = recipe.stages[number]
    torch.manual_seed(int(np.random.SeedSequence([recipe.seed, number, step, 1]).generate_state(1)[0]))
    rate = stage.lr * schedule(step, stage.steps)
    for group in optimiser.param_groups:
        group["lr"] = rate
    with half_precision(recipe.device) if stage.bf16 else nullcontext():
        loss, parts = STAGES[stage.kind](learner, batch, stage, recipe.objectives)
    if not bool(torch.isfinite(loss)):
        raise DataError(recipe.name, f"the loss of stage {number + 1}, step {step + 1} is not finite", "Lower lr")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], recipe.clip)
    optimiser.step()
    scalars = {"loss": loss, **parts, "gradient_norm": norm, "scale": learner.temperature()}
    return {"lr": rate} | {k: float(v.detach()) for k, v in scalars.items()}


def schedule(step: int, steps: int) -> float:
    """Share of the peak learning rate: linear warm-up, then half a cosine to zero.

    >>> [round(schedule(s, 100), 2) for s in (0, 4, 5, 52, 99)]
    [0.2, 1.0, 1.0, 0.51, 0.0]
    """
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def optimiser_of(
    learner: Learner, recipe: Recipe, kind: str
) -> tuple[torch.optim.AdamW, dict[str, torch.nn.Parameter]]:
    """AdamW over what learns in a kind of stage, and that by name; everything else is frozen.

    Matrices decay; norms, biases and gates do not.
    """
    named = {n: p for n, p in learner.named_parameters() if learns(kind, n)}
    for name, parameter in learner.named_parameters():
        parameter.requires_grad_(name in named)
    matrices = [p for n, p in named.items() if p.ndim > 1 and not n.endswith(".gates")]
    others = [p for n, p in named.items() if p.ndim <= 1 or n.endswith(".gates")]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98)), named


# ---- going on ------------------------------------------------------------------------------------------


def _save(
    learner: Learner, optimiser: torch.optim.Optimizer | None, named: Mapping[str, torch.nn.Parameter], recipe: Recipe,
    out: Path, stage: int, step: int,
) -> None:  # fmt: skip
    """The state before (stage, step), whole or not at all."""
    from safetensors.torch import save_file

    tensors = {f"learner.{k}": v.detach().cpu().contiguous() for k, v in learner.state_dict().items()}
    for name, parameter in named.items():
        kept = optimiser.state.get(parameter, {}) if optimiser else {}
        tensors |= {f"{key}.{name}": torch.as_tensor(v).detach().cpu().contiguous() for key, v in kept.items()}
    name = f"resume-{stage}-{step}.safetensors"
    save_file(tensors, out / name)
    progress = {"stage": stage, "step": step, "state": name, "recipe": to_dict(recipe)}
    (out / (PROGRESS + ".new")).write_text(json.dumps(progress, indent=2))
    os.replace(out / (PROGRESS + ".new"), out / PROGRESS)
    for old in out.glob("resume-*.safetensors"):
        if old.name != name:
            old.unlink()


def _restore(learner: Learner, recipe: Recipe, out: Path) -> tuple[tuple[int, int], dict[str, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        progress = json.loads((out / PROGRESS).read_text())
        tensors = load_file(out / progress["state"])
    except (OSError, ValueError, KeyError, SafetensorError) as e:
        raise DataError(
            str(out), f"the state to resume from cannot be read ({e})", "Start again without --resume"
        ) from e
    if progress["recipe"] != to_dict(recipe):
        raise ConfigError(str(out), "the run began with another recipe", "Give that recipe, or another --out")
    learner.load_state_dict({k.removeprefix("learner."): v for k, v in tensors.items() if k.startswith("learner.")})
    moments = {k: v for k, v in tensors.items() if not k.startswith("learner.")}
    return (progress["stage"], progress["step"]), moments


def _load_moments(
    optimiser: torch.optim.Optimizer, named: Mapping[str, torch.nn.Parameter], moments: Mapping[str, Tensor]
) -> None:
    for name, parameter in named.items():
        found = {
            key: moments[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}.{name}" in moments
        }
        if found:
            optimiser.state[parameter] = {k: v if k == "step" else v.to(parameter.device) for k, v in found.items()}
