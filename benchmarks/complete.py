"""What ``complete`` and ``accompany`` take on libraries of 2,000 and 20,000 pieces, and where it goes.

python benchmarks/complete.py [--json] [--pieces 2000 20000] [--library LIBRARY] [--folder DIR]

The phrases of the demo library (or of LIBRARY) are copied until there are as many pieces, each transposed, its vectors
moved a little, its tempo varied. Questions are melodies of real pieces of it as scores, so that no file is read.
``shortlist`` is filter, vector of the melody, FAISS and the notes of the likely ones; ``re-ranking`` the pair's scores;
``preview`` what a hit is arranged and written to MIDI in; ``own`` what is left of a question: choosing the melody and
its bars, versions, words. Every library is opened in a process of its own. One thread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from query import Clock
from synthetic import write_phrase_library

from mmbert.api import Library
from mmbert.console import print_json, warn
from mmbert.errors import UsageError
from mmbert.retrieval import complete as completing
from mmbert.store import open_library
from mmbert.symbolic.score import Part, Score

QUESTIONS = 60
SEED = 5
PARTS = ("shortlist", "re-ranking", "own", "total", "preview")
TICKS = 480


def melodies(library: Library) -> list[Score]:
    """Phrases of the library as melodies of four bars, each at its tempo, transposed."""
    generation, index = library.generation, library._phrases
    rng = np.random.default_rng(SEED)
    asked = []
    for phrase in rng.choice(len(index), QUESTIONS, replace=False):
        (lines,) = completing.read_phrases(generation, index, np.array([phrase]))
        head, notes = lines.heads[0], lines.table().melody
        by = int(rng.integers(-5, 6))
        rows = [(onset * 10, max(length * 10, 1), pitch + by, 80, 0, False, 0) for onset, length, pitch in notes]
        tempo = [(0, float(head["bpm"]))] if head["bpm"] else []
        metre = [(0, int(head["numerator"]), int(head["denominator"]))]
        asked.append(Score.build(rows, TICKS, tempo_map=tempo, metre_map=metre, parts=(Part("melody", role="melody"),)))
    return asked


def measured(path: Path) -> dict[str, Any]:
    """All figures of one library, in this process."""
    import torch

    torch.set_num_threads(1)
    library = Library.open(path)
    generation = library.generation
    asked = melodies(library)
    result: dict[str, Any] = {"pieces": generation.n_pieces, "phrases": len(library._phrases)}
    begun = time.perf_counter()
    library.complete(asked[0])
    result["first_question_seconds"] = time.perf_counter() - begun
    result["ms"], result["hits"] = {}, {}
    for name in ("complete", "accompany"):
        laps, hits = _laps(library, getattr(library, name), asked)
        result["ms"][name] = {
            part: {"p50": float(np.percentile(ms, 50)), "p95": float(np.percentile(ms, 95))}
            for part, ms in laps.items()
        }
        result["hits"][name] = float(np.mean(hits))
    library.close()
    return result


def _laps(library: Library, ask: Callable[..., Any], asked: list[Score]) -> tuple[dict[str, list[float]], list[int]]:
    laps: dict[str, list[float]] = {part: [] for part in PARTS}
    hits: list[int] = []
    shortlist, rank = Clock(), Clock()
    model, before = library._phrase_model, (completing.shortlist, library._phrase_model.scores)
    completing.shortlist = shortlist.timed(before[0])
    model.scores = rank.timed(before[1])  # type: ignore[method-assign]
    try:
        ask(asked[0])
        for melody in asked:
            shortlist.seconds = rank.seconds = 0.0
            begun = time.perf_counter()
            try:
                found = ask(melody)
            except UsageError:  # a phrase of eight notes whose melody is read otherwise when it stands alone
                continue
            total = time.perf_counter() - begun
            begun = time.perf_counter()
            if found.hits:
                found.midi(found.hits[0])
            preview = time.perf_counter() - begun
            own = total - shortlist.seconds - rank.seconds
            for part, seconds in zip(PARTS, (shortlist.seconds, rank.seconds, own, total, preview), strict=True):
                laps[part].append(1000 * seconds)
            hits.append(len(found.hits))
    finally:
        completing.shortlist = before[0]
        model.scores = before[1]  # type: ignore[method-assign]
    return laps, hits


def main() -> int:
    """Write the libraries, measure each in a process of its own, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--pieces", type=int, nargs="+", default=[2_000, 20_000], help="sizes of the libraries")
    parser.add_argument("--library", type=Path, help="the real pieces (default: the demo library)")
    parser.add_argument("--folder", type=Path, help="keep the libraries here (default: a temporary folder)")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.open:
        print_json(measured(args.open))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        results = _all_sizes(args.folder or Path(temporary), args.pieces, args.library)
    if args.json:
        print_json(results)
    else:
        for result in results.values():
            show_table(result)
    return 0


def _all_sizes(folder: Path, sizes: list[int], library: Path | None) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    if library is None:
        from mmbert_ui.demo import prepare

        library = prepare(folder / "demo", warn)
    real = open_library(library).current()
    results = {}
    for pieces in sizes:
        path = folder / f"pieces-{pieces}"
        if not (path / "CURRENT").exists():
            warn(f"writing {pieces:,} pieces ...")
            write_phrase_library(path, real, pieces)
        command = [sys.executable, "-W", "ignore", __file__, "--open", str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        results[str(pieces)] = json.loads(done.stdout)
    return results


def show_table(result: dict[str, Any]) -> None:
    """The figures of one library."""
    first = result["first_question_seconds"]
    print(f"\n{result['pieces']:,} pieces, {result['phrases']:,} phrases; first question {first:.1f} s")
    print(f"{'milliseconds':14}", " ".join(f"{part + ' ' + p:>15}" for part in PARTS for p in ("p50", "p95")), "  hits")
    for name, parts in result["ms"].items():
        cells = [parts[part][p] for part in PARTS for p in ("p50", "p95")]
        print(f"{name:14}", " ".join(f"{ms:15.1f}" for ms in cells), f"{result['hits'][name]:6.1f}")


if __name__ == "__main__":
    sys.exit(main())
