"""``mmbert train CONFIG``: from the data to a checkpoint folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mmbert.console import JsonOption, print_json, progress, warn
from mmbert.errors import UsageError

app = typer.Typer(add_completion=False)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A recipe, such as configs/mmbert-small.yaml.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    packed: Annotated[Path | None, typer.Option(help="Training pack; made from the data where it is missing.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; else runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model from a recipe and write its checkpoint folder, OUT/checkpoint."""
    from mmbert.config import load_config
    from mmbert_training.recipe import Recipe

    recipe = load_config(config, Recipe)
    run = out or Path("runs") / recipe.name
    if (run / "resume.json").exists() and not resume:
        raise UsageError(str(run), "holds a run already", "Go on with it: --resume. Or give another --out")
    report = run_recipe(recipe, run, data, packed, resume, f"mmbert train {config}")
    if as_json:
        print_json(report)
    else:
        typer.echo(f"Checkpoint {report['checkpoint']}, fingerprint {report['fingerprint'][:12]}")


def run_recipe(
    recipe: Any, run: Path, data: Path | None, packed: Path | None, resume: bool, command: str
) -> dict[str, Any]:
    """Pack (where missing), train, write checkpoint and card; what is reported."""
    from mmbert.model import checkpoint
    from mmbert_training.card import model_card
    from mmbert_training.log import read_log
    from mmbert_training.loop import train as train_loop
    from mmbert_training.pack import load_pack, pack_manifest
    from mmbert_training.pack_build import build_pack

    folder = packed or run / "pack"
    began = time.perf_counter()
    if not (folder / "pack.json").exists():
        warn(f"Reading the data into {folder}")
        with progress("Works") as advance:
            build_pack(data, folder, recipe.pack, (recipe.model.text_model, recipe.model.text_sha256), advance)
    pack, manifest = load_pack(folder), pack_manifest(folder)
    packed_s = time.perf_counter() - began
    with progress("Training", sum(s.steps for s in recipe.stages)) as advance:
        learner = train_loop(recipe, pack, run, resume, advance)
    events = read_log(run)
    target = run / "checkpoint"
    card = model_card(recipe, manifest, events, command)
    fingerprint = checkpoint.save(learner.model, target, card)
    figures = [e for e in events if e["event"] == "validation"]
    return {
        "checkpoint": str(target), "fingerprint": fingerprint, "pack": str(folder), "pack_s": packed_s,
        "train_s": time.perf_counter() - began - packed_s, "validation": figures[-1] if figures else None,
        "bytes": sum(f.stat().st_size for f in target.iterdir()),
    }  # fmt: skip
