"""What COLA's similarity and a MERT-style encoder's teachers are worth: small encoders, three seeds each, frozen and
probed.

    python -m mmbert_training.audio_ablation PACKS [--out experiments/audio_encoders] [--only NAME ...]
    python -m mmbert_training.audio_ablation --table [--json]

PACKS is the folder that ``mmbert_training.audio_segments`` makes. Every run leaves one JSON file; runs that have theirs
are not done again. Untrained encoders, mn04 and a mean log-mel spectrum are probed beside them.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import typer
from torch import Tensor

from mmbert.audio.encoder import AudioEncoder
from mmbert.audio.encoders import Mn04Encoder
from mmbert.audio.mn04 import Mn04
from mmbert.audio.teachers import log_mel
from mmbert.config import load_config
from mmbert.console import print_json, stdout_console, warn
from mmbert_training.audio_encoders import Kind, train
from mmbert_training.audio_learners import LEARNERS
from mmbert_training.audio_pack import load_audio
from mmbert_training.commit import commit
from mmbert_training.evaluate.audio_probe import ROWS, probe

SEEDS = (1, 2, 3)
RECIPES = {kind: Path(f"configs/audio-{kind}.yaml") for kind in LEARNERS}
# In the order in which they are run; those without a kind have no seeds. Name -> kind of encoder, fields of its recipe
# that differ, fields of its sizes that differ.
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mn04": ("", {}, {}),
    "COLA, bilinear": ("cola", {}, {}),
    "COLA, cosine": ("cola", {}, {"similarity": "cosine"}),
    "MERT, log-mel": ("mert", {"chroma": 0, "cqt": False}, {}),
    "MERT, log-mel + chroma": ("mert", {"cqt": False}, {}),
    "MERT, log-mel + chroma + CQT": ("mert", {}, {}),
    "mean log-mel": ("", {}, {}),
    "COLA, untrained": ("cola", {"steps": 0}, {}),
    "MERT, untrained": ("mert", {"steps": 0}, {}),
    "VGGish-style, labels": ("vggish", {}, {}),
}


class MeanLogMel(AudioEncoder):
    """No network: 229 log-mel bands."""

    rate, width, states_a_second = 24_000, 229, 75.0

    def layers(self, samples: Tensor) -> Tensor:
        return log_mel(samples)[None]


def run(name: str, seed: int, packs: Path) -> dict[str, Any]:
    """One variant with one seed: seconds, what its last batches said, and the test score of every probe."""
    kind, fields, sizes = VARIANTS[name]
    began, used, code = time.perf_counter(), time.process_time(), commit()
    told: dict[str, float] = {}
    encoder: AudioEncoder
    if name == "mn04":
        encoder = Mn04Encoder(Mn04.load())
    elif not kind:
        encoder = MeanLogMel()
    else:
        recipe: Any = load_config(RECIPES[kind], LEARNERS[kind][1])
        recipe = replace(recipe, encoder=replace(recipe.encoder, **sizes), **fields)
        encoder, told = train(cast(Kind, kind), recipe, load_audio(packs / "train"), seed)
    trained = time.process_time() - used
    scores = probe(encoder, packs, seed)
    return {
        "variant": name, "seed": seed, "commit": code, "threads": torch.get_num_threads(),
        "seconds": round(time.perf_counter() - began, 1), "cpu_seconds": round(time.process_time() - used, 1),
        "training_cpu_seconds": round(trained, 1), "parameters": sum(p.numel() for p in encoder.parameters()),
        "taught": told, "scores": {task: round(value, 4) for task, value in scores.items()},
    }  # fmt: skip


def table(folder: Path) -> list[dict[str, Any]]:
    """A row a variant: mean and standard deviation over seeds of every probe."""
    rows = []
    for variant in VARIANTS:
        runs = [r for f in sorted(folder.glob("*.json")) if (r := json.loads(f.read_text()))["variant"] == variant]
        if not runs:
            continue
        row: dict[str, Any] = {"variant": variant, "seeds": len(runs), "parameters": runs[0]["parameters"]}
        row["training_cpu_seconds"] = round(float(np.mean([r["training_cpu_seconds"] for r in runs])))
        for name in ROWS:
            values = [r["scores"][name] for r in runs if name in r["scores"]]
            row[name] = round(float(np.mean(values)), 3) if values else None
            row[f"{name}_deviation"] = round(float(np.std(values, ddof=1)), 3) if len(values) > 1 else None
        rows.append(row)
    return rows


def _main(
    packs: Annotated[Path | None, typer.Argument(help="Folder of the packs.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the runs' results.")] = Path("experiments/audio_encoders"),
    only: Annotated[list[str] | None, typer.Option(help="Variants to run; else all.")] = None,
    show: Annotated[bool, typer.Option("--table", help="Print the table of what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Run what is missing, or print the table."""
    if not show:
        if packs is None:
            raise typer.BadParameter("name the folder of packs")
        out.mkdir(parents=True, exist_ok=True)
        for seed in SEEDS:
            for name in only or VARIANTS:
                target = out / f"{name.replace(',', '').replace(' + ', '-').replace(' ', '-').lower()}-{seed}.json"
                if not target.exists() and (VARIANTS[name][0] or seed == SEEDS[0]):
                    target.write_text(json.dumps(run(name, seed, packs)) + "\n")
                    warn(f"{target.name} done")
        return
    rows = table(out)
    if as_json:
        print_json({"rows": rows})
        return
    from rich.table import Table

    columns = [c for c in rows[0] if not c.endswith("_deviation")] if rows else []
    found = Table(*columns)
    for row in rows:
        found.add_row(*(_cell(row, c) for c in columns))
    stdout_console().print(found)


def _cell(row: dict[str, Any], column: str) -> str:
    deviation = row.get(f"{column}_deviation")
    value = row[column]
    return f"{value:.3f} ± {deviation:.3f}" if deviation is not None else str(value)


if __name__ == "__main__":
    typer.run(_main)
