"""A library under attack: a fault at every operation of every command that writes to it, and kills at random moments.

python benchmarks/faults.py [--json] [--every N] [--pairs N] [--kills N]

Commands: a first build, a second one over changed files, remove, repair (also without a ledger), gc. Faults, one at
each operation and pairs of them in turn: a full disk, an input/output error, a write cut short, the process killed,
the power cut (twice: names lost, names kept). After each a reader must find the old or the new library (else: a mix);
the same command again must end with the same bytes and embed nothing that was acknowledged, and verify must find it
sound (else: a loss); errors must be sentences (else: a crash).
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "indexer"))  # the faulty disk is a tool of the tests

from fake_library import hashes, write_folder  # noqa: E402
from faults import KINDS  # noqa: E402
from sweep import COMMANDS, Sweep, Tally, served  # noqa: E402

from mmbert.console import print_json, progress  # noqa: E402
from mmbert.store.verify import verify_library  # noqa: E402

BATCH = 4
BUILD = f"""
import sys
from pathlib import Path
from fake_library import FakeEmbedder
from mmbert_indexer import batches
from mmbert_indexer.build import build_library
batches.PIECES_A_BATCH = {BATCH}
embedder = FakeEmbedder()
embed = embedder.embed_prepared
embedder.embed_prepared = lambda ready: (print(len(ready), flush=True), embed(ready))[1]
build_library(Path(sys.argv[1]), [Path(sys.argv[2])], embedder, workers=0)
"""


def sweep(every: int, pairs: int, folder: Path) -> tuple[Tally, dict[str, dict[str, int]]]:
    """All commands with all kinds of faults; returns what happened, and the operations of each command."""
    tally, operations, chance = Tally(), {}, random.Random(0)
    for name in COMMANDS:
        attacked = Sweep(name, folder / name.replace(" ", "-"))
        operations[name] = {kind: attacked.operations(kind) for kind in KINDS}
        with progress(name, sum(operations[name].values())) as advance:
            for kind, count in operations[name].items():
                for n in range(1, count + 1 + kind.startswith("power"), every):
                    attacked.attack([(kind, n)], tally)
                    advance(every)
            for _ in range(pairs):
                two = [(kind := chance.choice(KINDS), chance.randint(1, operations[name][kind] or 1)) for _ in range(2)]
                attacked.attack(two, tally)
    return tally, operations


def kills(number: int, folder: Path) -> dict[str, Any]:
    """A build in a process of its own, killed at random moments of its life, then run to its end."""
    music = write_folder(folder / "many", 40, start=20)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path[:1], *map(str, _paths())])}
    command = [sys.executable, "-c", BUILD]

    def run(library: Path, seconds: float | None) -> int:
        process = subprocess.Popen(
            [*command, library, music], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            out, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, _ = process.communicate()
        return sum(map(int, out.split()))

    begun = time.perf_counter()
    pieces, whole = run(folder / "undisturbed", None), hashes(folder / "undisturbed")
    span = time.perf_counter() - begun
    chance, found = random.Random(0), Counter[str]()
    for i in range(number):
        library = folder / f"killed{i}"
        asked = run(library, chance.uniform(0.4, 1.0) * span)
        found["before the library" if not library.exists() else "with a reader" if served(library) else "between"] += 1
        found["mixes"] += served(library) not in (None, whole)
        asked += run(library, None)
        sound = verify_library(library).sound and hashes(library) == whole
        found["losses"] += not sound or asked > pieces + BATCH
        found["batches done twice"] += (asked - pieces + BATCH - 1) // BATCH
    return {"kills": number, "seconds_of_a_build": round(span, 2), **found}


def _paths() -> list[Path]:
    return [ROOT, ROOT / "indexer"]


def main() -> int:
    """Attack, and print the counts; exit 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="only each N-th operation")
    parser.add_argument("--pairs", type=int, default=40, help="of faults that follow each other, of each command")
    parser.add_argument("--kills", type=int, default=20, help="processes killed at random moments")
    options = parser.parse_args()
    logging.getLogger("mmbert").setLevel(logging.ERROR)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tally, operations = sweep(options.every, options.pairs, Path(folder))
        killed = kills(options.kills, Path(folder))
    by_kind: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for (kind, operation), n in tally.faults.items():
        by_kind[kind][operation] += n
    sorts = Counter(sort for sort, _ in tally.wrong)
    figures = {
        "faults": tally.faults.total(),
        "faults_by_kind": {kind: counts.total() for kind, counts in by_kind.items()},
        "faults_by_kind_and_operation": {kind: dict(sorted(counts.items())) for kind, counts in by_kind.items()},
        "operations": operations,
        "losses": sorts["loss"],
        "mixes": sorts["mix"],
        "crashes": sorts["crash"],
        "killed": killed,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "wrong": [sentence for _, sentence in tally.wrong],
    }
    if options.json:
        print_json(figures)
    else:
        for name, value in figures.items():
            print(f"{name:30}{value}")
    return int(bool(tally.wrong) or killed["losses"] > 0 or killed["mixes"] > 0)


if __name__ == "__main__":
    sys.exit(main())
