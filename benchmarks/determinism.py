"""Does the same file always give the same vector? Over batch sizes, order, processes and threads.

    python benchmarks/determinism.py [--json] [--weights DIR] [--random] [FILE ...]

Without files: generated scores of many lengths. Prints the largest difference between any two runs; ends with 1 where
it is above the limit.
"""

from __future__ import annotations

import argparse
import json  # differences below 1e-6 matter here: the rounding of mmbert.console would hide them
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 1e-5
RUNS = [(batch, threads) for threads in (1, 2) for batch in (1, 8, 32)]
WORDS = ["a lively jig in D major", "slow", "four-part hymn in a minor key, for organ", ""]


def main() -> int:
    """Run every setting in a process of its own and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--weights", type=Path, help="checkpoint folder (default: the released one)")
    parser.add_argument("--random", action="store_true", help="random weights of the released size")
    parser.add_argument("--one", nargs=3, metavar=("BATCH", "THREADS", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        _one(int(args.one[0]), int(args.one[1]), Path(args.one[2]), args)
        return 0
    report = _compare(args)
    print(json.dumps(report) if args.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
    return 0 if report["largest_difference"] <= LIMIT else 1


def _compare(args: argparse.Namespace) -> dict[str, object]:
    import numpy as np

    with tempfile.TemporaryDirectory() as tmp:
        found = []
        for i, (batch, threads) in enumerate([*RUNS, RUNS[0]]):  # the first once more: two equal processes
            out = Path(tmp) / f"{i}.npz"
            command = [sys.executable, __file__, *map(str, args.files), "--one", str(batch), str(threads), str(out)]
            command += ["--random"] if args.random else []
            command += ["--weights", str(args.weights)] if args.weights else []
            subprocess.run(command, check=True)
            with np.load(out) as data:
                found.append({k: data[k] for k in data.files})
    first = found[0]

    def difference(run: dict[str, np.ndarray], kind: str) -> float:
        return float(np.abs(run[kind] - first[kind]).max())

    worst = {kind: max(difference(run, kind) for run in found[1:]) for kind in ("pieces", "windows", "texts")}
    return {
        "largest_difference": max(worst.values()),
        "limit": LIMIT,
        **worst,
        "same_setting_again": max(difference(found[-1], kind) for kind in worst),
        "runs": [f"batch {batch}, threads {threads}" for batch, threads in RUNS],
        "n_pieces": len(first["pieces"]),
        "n_windows": len(first["windows"]),
        "weights": "random" if args.random else str(args.weights or "released"),
    }


def _one(batch: int, threads: int, out: Path, args: argparse.Namespace) -> None:
    import numpy as np
    import torch

    from mmbert.embed import Embedder
    from mmbert.model import MmbertModel, ModelConfig

    torch.set_num_threads(threads)
    if args.random:
        torch.manual_seed(0)
        embedder = Embedder(MmbertModel(ModelConfig()), batch_size=batch)
    else:
        embedder = Embedder.from_pretrained(args.weights, batch_size=batch)
    if args.files:
        done = embedder.embed_files(args.files)
    else:
        scores = _scores()
        done = [result for i in range(0, len(scores), batch) for result in embedder.embed(scores[i : i + batch])]
    np.savez(
        out,
        pieces=np.stack([e.piece for e in done]),
        windows=np.concatenate([e.windows for e in done]),
        texts=embedder.embed_texts(WORDS),
    )


def _scores() -> list:
    """Forty generated pieces, 1 to 3,000 notes."""
    import numpy as np

    from mmbert.symbolic.score import Score
    from mmbert.types import Item, Source

    rng = np.random.default_rng(0)
    items = []
    for number, n in enumerate(np.geomspace(1, 3000, 40).astype(int)):
        onset = np.sort(rng.integers(0, 120 * n + 1, n))
        rows = [(int(t), 240, int(rng.integers(40, 80)), 80, 0, False, 0) for t in onset]
        score = Score.build(rows, 480, metre_map=[(0, 4, 4)], tempo_map=[(0, 96.0)])
        items.append(Item("score", Source(Path("generated.mid"), f"{number:064d}", number), {}, score=score))
    return items


if __name__ == "__main__":
    sys.exit(main())
