"""Damaged and hostile files of music: does anything but pieces and reasons come of them?

    python benchmarks/fuzz.py [--format midi ...] [--count 10000] [--seed 0] [--json]
    python benchmarks/fuzz.py --format largest                         the most that the limits let through
    python benchmarks/fuzz.py --format abc --only 17 --keep DIR       one file again, and the file itself

Real files (the demo library and the tests' data; where MMBERT_DATA is set, the shared data too) are cut, flipped,
spliced and given lengths, numbers and structures that lie; others are made from nothing. Each is read to its end,
measured and encoded as a build does it, in a process whose address space is bounded and that is killed where it hangs.
File i is a function of (seed, format, i) and of the real files at hand. Ends with 1 where a file crashed, hung (more
than 5 s of CPU without a piece or a reason) or broke the law (neither a piece nor a reason, or an unsound one).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fuzzing.cases import FORMATS, cases_of, data_folder
from fuzzing.check import CATCH_ALL, Outcome
from fuzzing.largest import LARGEST
from fuzzing.pool import outcomes

from mmbert.console import print_json, progress

SLOW_S = 5.0


class Tally:
    """Counts of one format."""

    def __init__(self) -> None:
        self.files = self.items = self.refused = self.crashes = self.hangs = self.breaches = 0
        self.seconds = self.slowest_s = self.memory_mb = self.address_mb = 0.0
        self.slowest = self.largest = -1
        self.codes: Counter[str] = Counter()
        self.catch_all: Counter[str] = Counter()
        self.examples: dict[str, int] = {}  # of what no better reason was found for
        self.faults: dict[int, str] = {}

    def add(self, number: int, outcome: Outcome) -> None:
        """Count one file."""
        self.files += 1
        self.items += outcome.items
        self.refused += not outcome.items
        self.codes.update(code for code, _ in outcome.reasons)
        for code, words in outcome.reasons:
            if code in CATCH_ALL:
                self.catch_all[f"{code} {words[:90]}"] += 1
                self.examples.setdefault(f"{code} {words[:90]}", number)
        self.seconds += outcome.seconds
        if outcome.longest_s > self.slowest_s:
            self.slowest_s, self.slowest = outcome.longest_s, number
        if outcome.memory_mb > self.memory_mb:
            self.memory_mb, self.largest = outcome.memory_mb, number
        self.address_mb = max(self.address_mb, outcome.address_mb)
        if outcome.breach.startswith("crash"):
            self.crashes += 1
        elif outcome.breach.startswith("hang") or outcome.longest_s > SLOW_S:
            self.hangs += 1
            outcome.breach = outcome.breach or f"hang: {outcome.longest_s:.1f} s"
        elif outcome.breach:
            self.breaches += 1
        if outcome.breach:
            self.faults[number] = outcome.breach

    def row(self) -> dict[str, Any]:
        """All of it, for JSON."""
        counters = {"codes": dict(self.codes.most_common()), "catch_all": dict(self.catch_all.most_common())}
        return {**vars(self), **counters, "faults": {str(k): v for k, v in self.faults.items()}}


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Every format in turn."""
    report: dict[str, Any] = {}
    for name in args.format:
        count = len(LARGEST) if name == "largest" else args.count
        numbers = range(args.only, args.only + 1) if args.only is not None else range(args.first, args.first + count)
        make, tally = (name, args.seed, data_folder()), Tally()
        cases = cases_of(*make)
        with progress(name, len(numbers)) as advance:
            for number, outcome in outcomes(make, numbers, min(args.workers, len(numbers))):
                tally.add(number, outcome)
                advance(1)
                if args.only is not None:
                    print(*cases.case(number).how, asdict(outcome), sep="\n", file=sys.stderr)
                if outcome.breach:
                    print(f"{name} {number}: {outcome.breach}", file=sys.stderr, flush=True)
                if args.keep and (outcome.breach or args.only is not None):
                    case = cases.case(number)
                    (args.keep / case.name).write_bytes(case.data)
        report[name] = {"real_files": len(cases.real), **tally.row()}
        if not args.json:
            print_row(name, report[name])
    return report


def print_row(name: str, row: dict[str, Any]) -> None:
    """One format, for people."""
    counts = {k: row[k] for k in ("files", "items", "refused", "crashes", "hangs", "breaches")}
    print(f"{name:9}", *(f"{k} {v:,}" for k, v in counts.items()), sep="  ")
    print(
        f"          {row['seconds']:.0f} s, slowest {row['slowest_s']:.2f} s (file {row['slowest']}), largest "
        f"{row['memory_mb']:.0f} MB (file {row['largest']}), address space {row['address_mb']:.0f} MB"
    )
    print("         ", ", ".join(f"{k} {v:,}" for k, v in row["codes"].items()))
    for words, count in list(row["catch_all"].items())[:12]:
        print(f"          {count:6,} {words} (file {row['examples'][words]})")
    sys.stdout.flush()


def main() -> int:
    """Fuzz and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--format", nargs="+", choices=(*FORMATS, "largest"), default=tuple(FORMATS), help="default: all but the last"
    )
    parser.add_argument("--count", type=int, default=10_000, help="files a format")
    parser.add_argument("--first", type=int, default=0, help="number of the first, to go on with a run")
    parser.add_argument("--only", type=int, help="this file alone, with what was done to it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--keep", type=Path, help="folder for files that crash, hang or break the law")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    report = run(args)
    if args.json:
        print_json(report)
    return 1 if any(r["crashes"] + r["hangs"] + r["breaches"] for r in report.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
