"""Seconds from a fresh process to the first vectors: import, weights, first piece, text model, first question.

python benchmarks/cold_start.py [--json] [--weights DIR] [--random] [--runs 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from mmbert.console import print_json

ONE = """
import json, resource, sys, time
start = time.perf_counter()
import mmbert
laps = {"import_mmbert": time.perf_counter() - start}
def lap(name):
    global start
    laps[name], start = time.perf_counter() - start, time.perf_counter()
start = time.perf_counter()
import torch
lap("import_torch")
from mmbert.embed import Embedder
lap("import_embedder")
weights = sys.argv[1]
if weights == "random":
    from mmbert.model import MmbertModel, ModelConfig
    embedder = Embedder(MmbertModel(ModelConfig()))
else:
    embedder = Embedder.from_pretrained(weights or None)
lap("load_weights")
from pathlib import Path
from mmbert.symbolic.score import Score
from mmbert.types import Item, Source
notes = [(i * 240, 240, 60 + i % 12, 80, 0, False, 0) for i in range(256)]
embedder.embed([Item("score", Source(Path("a.mid"), "0" * 64), {}, score=Score.build(notes, 480))])
lap("first_piece")
embedder.embed_texts(["a lively jig in D major"])
lap("text_model_and_first_question")
embedder.embed_texts(["a slow hymn"])
lap("second_question")
laps["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(laps))
"""


def command_seconds(library: Path, weights: str | None = None, runs: int = 3) -> float:
    """Median seconds of ``mmbert search LIBRARY WORDS`` from start to end."""
    command = [sys.executable, "-m", "mmbert", "search", str(library), "a lively jig in D major", "--json"]
    command += ["--weights", weights] if weights else []
    laps = []
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        laps.append(time.perf_counter() - begun)
    return statistics.median(laps)


def main() -> int:
    """Median of several fresh processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--weights", type=Path, help="checkpoint folder (default: the released one)")
    parser.add_argument("--random", action="store_true", help="random weights of the released size")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    weights = "random" if args.random else str(args.weights or "")
    runs = []
    for _ in range(args.runs):
        done = subprocess.run([sys.executable, "-c", ONE, weights], check=True, capture_output=True, text=True)
        runs.append(json.loads(done.stdout))
    report = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
    report["runs"] = args.runs
    if args.json:
        print_json(report)
    else:
        print("\n".join(f"{name:32} {value}" for name, value in report.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
