"""How far do figures move from seed to seed?

    mmbert eval EVALUATION --weights WEIGHTS --json > SEED.json      (once a seed)
    python benchmarks/seeds.py SEED.json ... [--json]

Mean over seeds, and spread (largest less smallest), of the model's figures in reports of one evaluation: mean
reciprocal ranks and shares of the oracle of ``text-to-music``; MAP and R@10 of ``melody-completion`` and
``accompaniment``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.console import print_json

_OF_WORDS = ("share", "mrr"), ("fused", "vectors", "notes", "facets")
_OF_PHRASES = ("map", "r10"), ("paper", "hard", "matched", "same", "full")


def spread(reports: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of every figure that is in all reports and is the model's: mean and spread.

    >>> spread([{"mrr_fused_known": 0.5, "mrr_knn_known": 1}, {"mrr_fused_known": 0.25, "mrr_knn_known": 1}])
    {'mrr_fused_known': {'mean': 0.375, 'spread': 0.25}}
    """
    names = [k for k in reports[0] if any(_begins(k, *parts) for parts in (_OF_WORDS, _OF_PHRASES))]
    found = {}
    for name in (n for n in names if all(n in r for r in reports)):
        values = np.array([r[name] for r in reports])
        found[name] = {"mean": round(float(values.mean()), 4), "spread": round(float(np.ptp(values)), 4)}
    return found


def _begins(name: str, first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Whether the first two parts of a figure's name are among these."""
    parts = name.split("_")
    return len(parts) > 1 and parts[0] in first and parts[1] in second


def main() -> int:
    """Read and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path, nargs="+")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    if len(args.reports) < 2:
        parser.error("a spread needs two reports or more")
    found = spread([json.loads(path.read_text()) for path in args.reports])
    if not found:
        parser.error("the reports have no figure of the model in common")
    if args.json:
        print_json({"seeds": len(args.reports), "figures": found})
    else:
        print("\n".join(f"{name}: {v['mean']:.3f} (spread {v['spread']:.3f})" for name, v in found.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
