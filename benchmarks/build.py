"""A library from every MIDI, MusicXML and ABC file of the open sources: files a second, and where the time goes.

python benchmarks/build.py [--json] [--data DIR] [--limit N] [--weights DIR] [--random]

The files are unpacked into a temporary folder, built once, then built again with nothing changed. Peak memory is the
whole process's, the model's and torch's share included.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from mmbert_indexer.build import build_library
from mmbert_indexer.report import BuildReport
from mmbert_training.manifest import OPEN, data_folder

from mmbert.console import print_json, progress
from mmbert.errors import MmbertError
from mmbert.store import open_library

SUFFIXES = (".mid", ".musicxml", ".abc")


def unpack(data: Path, folder: Path, limit: int | None) -> dict[str, int]:
    """Unpack the open sources, at most ``limit`` files of each, evenly spaced; counts by suffix."""
    counts = dict.fromkeys(SUFFIXES, 0)
    for source in OPEN:
        with zipfile.ZipFile(data / f"{source}.zip") as archive:
            names = sorted(n for n in archive.namelist() if n.endswith(SUFFIXES))
            step = max(1, len(names) // limit) if limit else 1
            for name in names[::step][:limit]:
                archive.extract(name, folder / source)
                counts[Path(name).suffix] += 1
    return counts


def peak_memory_mb() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(counts: dict[str, int], report: BuildReport, again: BuildReport, library: Path) -> dict[str, Any]:
    """The figures of both builds."""
    files = sum(counts.values())
    sizes = {p.name: p.stat().st_size for p in (library / "generations" / report.generation).iterdir()}
    begun = time.perf_counter()
    generation = open_library(library).current()
    opened = time.perf_counter() - begun
    generation.close()
    return {
        "files": files,
        "files_by_suffix": counts,
        "pieces": report.pieces,
        "windows": report.windows,
        "seconds": report.seconds,
        "files_per_second": files / report.seconds,
        "share": {k: v / report.seconds for k, v in report.seconds_by_stage.items()},
        "seconds_by_stage": report.seconds_by_stage,
        "seconds_beside": report.seconds_beside,
        "peak_memory_mb": peak_memory_mb(),
        "rejected": report.rejected,
        "rejects": report.rejects["counts"],
        "second_run_seconds": again.seconds,
        "second_run_embedded": again.embedded,
        "open_seconds": opened,
        "library_mb": sum(sizes.values()) / 1e6,
    }


def main() -> int:
    """Unpack, build twice, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--data", type=Path, help="folder of data zips (default: MMBERT_DATA)")
    parser.add_argument("--limit", type=int, help="at most so many files of each source")
    parser.add_argument("--weights", type=Path, help="checkpoint folder (default: the released one)")
    parser.add_argument("--random", action="store_true", help="random weights of the released size")
    args = parser.parse_args()
    try:
        data = data_folder(args.data)
    except MmbertError as e:
        print(e, file=sys.stderr)
        return e.exit_code
    from mmbert.embed import Embedder

    if args.random:
        from mmbert.model import MmbertModel, ModelConfig

        embedder = Embedder(MmbertModel(ModelConfig()))
    else:
        embedder = Embedder.from_pretrained(args.weights)
    with tempfile.TemporaryDirectory() as folder, progress("Building") as advance:
        music, library, seen = Path(folder, "music"), Path(folder, "library"), 0
        counts = unpack(data, music, args.limit)

        def show(done: int, total: int, pieces: int) -> None:
            nonlocal seen
            advance(done - seen, f"{pieces} pieces", total)
            seen = done

        report = build_library(library, [music], embedder, progress=show)
        again = build_library(library, [music], embedder)
        result = measured(counts, report, again, library)
    if args.json:
        print_json(result)
    else:
        show_table(result)
    return 0


def show_table(result: dict[str, Any]) -> None:
    """The figures, one a line."""
    for name, value in result.items():
        if name == "share":
            print(f"{'share of the wall':22}", ", ".join(f"{k} {v:.0%}" for k, v in value.items()))
        elif name == "seconds_beside":
            print(f"{'read beside, seconds':22}", ", ".join(f"{k} {v:.1f}" for k, v in value.items()))
        elif name != "seconds_by_stage":
            print(f"{name:22}", f"{value:,.2f}" if isinstance(value, float) else value)


if __name__ == "__main__":
    sys.exit(main())
