"""What each objective is worth: the full recipe with one of its parts left out or exchanged, three seeds each.

    python -m mmbert_training.ablation RECIPE --packed PACK [--out experiments/ablation] [--only NAME ...]
    python -m mmbert_training.ablation RECIPE --table

Every run leaves one JSON file with a reciprocal rank for every validation question; runs that have theirs are not done
again. The table compares each variant with the full recipe over the same questions (paired bootstrap over works).
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from mmbert.config import load_config
from mmbert.console import print_json, stdout_console, warn
from mmbert.metrics import paired_bootstrap
from mmbert_training.batches import Batches
from mmbert_training.commit import commit
from mmbert_training.loop import train
from mmbert_training.pack import load_pack
from mmbert_training.recipe import Objectives, Recipe
from mmbert_training.validate import MOST_WORKS, POOLS, reciprocal_ranks

SEEDS = (1, 2, 3)
FULL = "full"
# Name -> fields of Objectives, of every stage, that differ from the full recipe.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    FULL: ({}, {}),
    "no masked octuples": ({"masked": 0.0}, {}),
    "bar masks alone": ({"span": 0.0}, {}),
    "no masked text": ({"masked_text": 0.0}, {}),
    "no masked music vectors": ({"masked_vectors": 0.0}, {}),
    "no MIM": ({"mutual": 0.0}, {}),
    "no facet classification": ({"facts": 0.0}, {}),
    "no pull": ({"pull": 0.0}, {}),
    "own work the one positive": ({"every_fit": False}, {}),
    "like captions no negatives": ({"alike": 0.8}, {}),
    "SigLIP": ({"alignment": "siglip"}, {}),
    "decoupled": ({"alignment": "decoupled"}, {}),
    "cues never hidden": ({}, {"hide_cues": 0.0}),
    "alignment alone": ({"masked": 0.0, "masked_text": 0.0, "masked_vectors": 0.0, "mutual": 0.0, "facts": 0.0}, {}),
}
app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def main(
    recipe: Annotated[Path, typer.Argument(help="The full recipe.")],
    packed: Annotated[Path | None, typer.Option(help="Its training pack.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the runs' results.")] = Path("experiments/ablation"),
    only: Annotated[list[str] | None, typer.Option(help="Variants to run; else all.")] = None,
    table: Annotated[bool, typer.Option("--table", help="Print the table of what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Run what is missing, or print the table."""
    if not table:
        if packed is None:
            raise typer.BadParameter("name the training pack with --packed")
        pack = load_pack(packed)
        full = load_config(recipe, Recipe)
        out.mkdir(parents=True, exist_ok=True)
        for seed in SEEDS:
            for name in only or VARIANTS:
                target = out / f"{name.replace(' ', '-').lower()}-{seed}.json"
                if not target.exists():
                    target.write_text(json.dumps(_run(variant(full, name, seed), pack, name)) + "\n")
                    warn(f"{target.name} done")
        return
    rows = compare(out)
    if as_json:
        print_json({"rows": rows})
    else:
        print_rows(rows)


def variant(full: Recipe, name: str, seed: int) -> Recipe:
    """The recipe of a variant.

    >>> variant(load_config("configs/ablation.yaml", Recipe), "no MIM", 2).objectives.mutual
    0.0
    """
    objectives, stage = VARIANTS[name]
    stages = tuple(replace(s, **stage) for s in full.stages)
    return replace(full, seed=seed, stages=stages, objectives=_replaced(full.objectives, objectives))


def _replaced(objectives: Objectives, fields: dict[str, Any]) -> Objectives:
    return replace(objectives, **fields)


def _run(recipe: Recipe, pack: Any, name: str) -> dict[str, Any]:
    began, code = time.perf_counter(), commit()
    with tempfile.TemporaryDirectory() as folder:
        learner = train(recipe, pack, Path(folder))
    seconds = time.perf_counter() - began
    stage = recipe.stages[-1]
    batches = Batches(pack, recipe.seed, recipe.augment, 0.0, stage.passages, 0.0, 0.0)
    found = reciprocal_ranks(learner, batches, recipe)
    works = {name: batches.validation(pool, MOST_WORKS).text_work.tolist() for name, pool in POOLS}
    works["music"] = batches.changed(MOST_WORKS).piece_work.tolist()
    rounded = {k: {row: np.round(v, 5).tolist() for row, v in rows.items()} for k, rows in found.items()}
    return {
        "variant": name, "seed": recipe.seed, "seconds": round(seconds, 1), "commit": code,
        "threads": torch.get_num_threads(), "reciprocal_ranks": rounded, "works": works,
    }  # fmt: skip


def compare(folder: Path) -> list[dict[str, Any]]:
    """A row a variant: mean reciprocal ranks over seeds, and what leaving it out changes, with its interval."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*.json")):
        run = json.loads(file.read_text())
        runs.setdefault(run["variant"], []).append(run)
    rows = []
    for name in (n for n in VARIANTS if n in runs):
        row: dict[str, Any] = {"variant": name, "seeds": len(runs[name])}
        row["seconds"] = round(float(np.mean([r["seconds"] for r in runs[name]])))
        for column, kind in (("unseen", "both"), ("unseen", "notes"), ("hand", "both"), ("music", "notes")):
            own = _mean(runs[name], column, kind)
            row[f"{column}_{kind}"] = float(own.mean())
            if name != FULL and FULL in runs:
                works = [str(w) for w in runs[FULL][0]["works"][column]]
                d = paired_bootstrap(own, _mean(runs[FULL], column, kind), works)
                row[f"{column}_{kind}_difference"] = (round(d.mean, 4), round(d.low, 4), round(d.high, 4))
        rows.append(row)
    return rows


def _mean(runs: Sequence[dict[str, Any]], column: str, kind: str) -> np.ndarray:
    """Each question's reciprocal rank, a mean over seeds."""
    return np.mean([r["reciprocal_ranks"][column][kind] for r in runs], axis=0)


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A table on stdout, a column a key; a triple is a difference with its interval."""
    from rich.table import Table

    columns = list(dict.fromkeys(c for row in rows for c in row))
    found = Table(*columns)
    for row in rows:
        found.add_row(*(_cell(row.get(c, "")) for c in columns))
    stdout_console().print(found)


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{value[0]:+.3f} [{value[1]:+.3f}, {value[2]:+.3f}]"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    app()
