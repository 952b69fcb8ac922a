"""Two towers for what follows a melody, or one projection and a matrix between?

    python benchmarks/phrase_bilinear.py PACK --out FOLDER [--steps 80] [--seeds 1 2 3] [--json]

``towers``: the completion towers of mmbert-phrases, a projection for each side. ``bilinear``: one projection g for both
sides and the similarity g(x)ᵀ W g(y) (COLA, Saeed et al. 2021, equation 1; unit vectors in place of its tanh), W
beginning as the identity, so that an index still searches by inner product: with Wᵀ g(x). Everything else alike:
traits, batches, steps, rate. MAP over all queries of validation works, and R@10 among all phrases; mean and spread
(largest less smallest) over seeds. FOLDER keeps a JSON file a form and seed; runs that have theirs are not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmbert_training.evaluate.phrase_candidates import SETS, SOURCES, Candidates
from mmbert_training.evaluate.phrase_ranking import SHORT, load_asked, ranks
from mmbert_training.evaluate.phrase_rows import looked_up
from mmbert_training.phrase_examples import Examples
from mmbert_training.phrase_pack import WorkPhrases, load_phrases
from mmbert_training.phrase_towers import HOW, taught
from rich.table import Table
from torch import Tensor, nn

from mmbert.console import print_json, stdout_console
from mmbert.metrics import paired_bootstrap
from mmbert.model.phrase_towers import CompletionTowers
from mmbert.symbolic.phrase_traits import traits

FORMS = ("towers", "bilinear")


class Bilinear(CompletionTowers):
    """One projection for both sides; what is asked with is multiplied by a matrix."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(dropout=dropout)
        self.straight, self.bent = self.straight[:1], self.bent[:1]
        self.between = nn.Parameter(torch.eye(self.out))

    def query(self, x: Tensor) -> Tensor:
        """Wᵀ g(x)."""
        return self._side(x, 0) @ self.between

    def document(self, x: Tensor) -> Tensor:
        """g(x)."""
        return self._side(x, 0)


Asked = tuple[str, WorkPhrases, Candidates]


def run(examples: Examples, asked: list[Asked], form: str, seed: int, steps: int) -> dict[str, Any]:
    """Teach one form with one seed and measure it."""
    how = replace(HOW["completion"], steps=steps)
    torch.manual_seed(seed)
    towers = (CompletionTowers if form == "towers" else Bilinear)(dropout=how.dropout)
    began = time.process_time()
    taught(towers, examples, seed, how)
    seconds = time.process_time() - began
    measured = []
    for source, phrases, candidates in asked:
        read = torch.from_numpy(traits(phrases.table))
        with torch.no_grad():
            product = (towers.query(read) @ towers.document(read).T).numpy()
        for name in SETS:
            which, ranked = ranks({form: looked_up(product)}, candidates, name)
            told = ranked[form]
            measured.append({
                "source": SHORT[source],
                "set": name,
                "r10": float(told.recall_at(10).mean()),
                "works": phrases.cluster[candidates.queries[which]].tolist(),
                "reciprocal_ranks": np.round(told.reciprocal_rank(), 4).tolist(),
            })  # fmt: skip
    parameters = sum(p.numel() for p in towers.parameters())
    taken = {"steps": steps, "seconds": round(seconds), "parameters": parameters}
    return {"form": form, "seed": seed, **taken, "measured": measured}


def table_of(runs: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """MAP and R@10 of both forms: mean and spread; the difference of MAP with its 95 % over works."""
    out: list[dict[str, Any]] = []
    for i, place in enumerate(runs["towers"][0]["measured"]):
        line: dict[str, Any] = {"source": place["source"], "set": place["set"]}
        of_seeds = []
        for form in FORMS:
            said = [r["measured"][i] for r in runs[form]]
            means = [float(np.mean(s["reciprocal_ranks"])) for s in said]
            line[form] = {"map": float(np.mean(means)), "spread": float(np.ptp(means))}
            line[form]["r10"] = float(np.mean([s["r10"] for s in said]))
            of_seeds.append(np.mean([s["reciprocal_ranks"] for s in said], axis=0))
        d = paired_bootstrap(of_seeds[1], of_seeds[0], np.array(place["works"]))
        line["bilinear - towers"] = {"mean": d.mean, "low": d.low, "high": d.high}
        out.append(line)
    return out


def main() -> int:
    """Teach what has not been taught, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, help="a folder of phrases")
    parser.add_argument("--out", type=Path, required=True, help="where every run leaves its JSON file")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--data", type=Path, help="folder of data zips; else MMBERT_DATA")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[dict[str, Any]]] = {form: [] for form in FORMS}
    examples: Examples | None = None
    asked: list[Asked] = []
    for seed in args.seeds:
        for form in FORMS:
            path = args.out / f"{form}-{seed}.json"
            if not path.exists():
                print(f"{form}, seed {seed}", file=sys.stderr)
                examples = examples or Examples.of(load_phrases(args.pack), "completion")
                asked = asked or [(s, *load_asked("completion", s, args.data, "validation")) for s in SOURCES]
                path.write_text(json.dumps(run(examples, asked, form, seed, args.steps)) + "\n")
            runs[form].append(json.loads(path.read_text()))
    taken = {f: {k: [r[k] for r in some] for k in ("steps", "seconds", "parameters")} for f, some in runs.items()}
    lines = table_of(runs)
    if args.json:
        print_json({"runs": taken, "lines": lines})
        return 0
    table = Table("source", "set", *(f"{form}: MAP (spread), R@10" for form in FORMS), "bilinear - towers")
    for line in lines:
        cells = [f"{line[f]['map']:.3f} ({line[f]['spread']:.3f}), {line[f]['r10']:.3f}" for f in FORMS]
        d = line["bilinear - towers"]
        table.add_row(line["source"], line["set"], *cells, f"{d['mean']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]")
    stdout_console().print(table, taken)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
