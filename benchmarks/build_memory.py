"""Does the memory of a build grow with the number of files? Peak of the build and of its reading process at each size.

python benchmarks/build_memory.py [--json] [--files 1000 10000] [--data DIR]

The files are tunes of the Nottingham collection as MIDI, each in as many keys as it takes. Every build is a process of
its own, with the released weights.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmbert_indexer.build import build_library
from mmbert_training.manifest import data_folder, load_item, load_works

from mmbert.console import print_json
from mmbert.errors import ItemError, MmbertError
from mmbert.items import write_midi
from mmbert.symbolic.transform import transpose


def write_tunes(data: Path, folder: Path, n: int) -> None:
    """``n`` different MIDI files."""
    folder.mkdir()
    left = n
    tunes = load_works(data, ["nottingham"])
    for semitones, work in itertools.product(range(-6, 7), tunes):
        if not left:
            return
        try:
            item = load_item(work)
        except ItemError:
            continue
        if item.score is not None:
            left -= 1
            path = folder / f"{left % 100:02}" / f"{left:06}.mid"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(write_midi(transpose(item.score, semitones), item.metadata))


class Watch(threading.Thread):
    """Largest memory of any child process. The system's own count of children holds what they were forked from."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_mb = 0.0

    def run(self) -> None:
        """Look five times a second."""
        while True:
            time.sleep(0.2)
            for child in Path("/proc/self/task").glob("*/children"):
                with suppress(OSError):
                    for number in child.read_text().split():
                        status = Path("/proc", number, "status").read_text()
                        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
                        self.peak_mb = max(self.peak_mb, int(peak[1]) / 1024 if peak else 0.0)


def one(music: Path, library: Path) -> dict[str, Any]:
    """Build, in this process."""
    from mmbert.embed import Embedder

    embedder = Embedder.from_pretrained()
    reading = Watch()
    reading.start()
    start = time.perf_counter()
    report = build_library(library, [music], embedder)
    return {
        "files": report.files,
        "pieces": report.pieces,
        "windows": report.windows,
        "seconds": time.perf_counter() - start,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "reading_process_peak_mb": reading.peak_mb,
    }


def main() -> int:
    """One build a size, each in its own process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--data", type=Path, help="folder of data zips (default: MMBERT_DATA)")
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000], help="sizes")
    parser.add_argument("--one", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(*args.one)))
        return 0
    try:
        data = data_folder(args.data)
    except MmbertError as e:
        print(e, file=sys.stderr)
        return e.exit_code
    rows = []
    for n in args.files:
        with tempfile.TemporaryDirectory() as folder:
            music, library = Path(folder, "music"), Path(folder, "library")
            write_tunes(data, music, n)
            done = subprocess.run(
                [sys.executable, __file__, "--one", str(music), str(library)], stdout=subprocess.PIPE, check=True
            )
            rows.append(json.loads(done.stdout))
    if args.json:
        print_json({"builds": rows})
    else:
        for row in rows:
            print(", ".join(f"{name} {value:,.1f}" for name, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
