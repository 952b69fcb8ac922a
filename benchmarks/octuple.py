"""How fast are octuples made, beside MidiTok's? From a parsed symusic score to ids on both sides.

    python benchmarks/octuple.py [--json] [--data DIR] [--files N] [--repeats N]

Same files, same process, one after the other, no note dropped (MidiTok's bar limit is raised). Ours includes the way
from symusic's notes to a Score. Files: POP909 and Simutrans from --data or MMBERT_DATA, else generated ones.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.console import print_json
from mmbert.symbolic.octuple import encode
from mmbert.symbolic.score import NOTE, Score

AT_LEAST = 50.0
SOURCES = ("pop909", "simutrans_music")


def main() -> int:
    """Measure and print; ends with 1 where the ratio is too low or a note was dropped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--data", type=Path, default=os.environ.get("MMBERT_DATA"), help="folder of data zips")
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    report = measure(files(args.data, args.files), args.repeats)
    report["files_from"] = " and ".join(SOURCES) if args.data else "generated"
    if args.json:
        print_json(report)
    else:
        print("\n".join(f"{k}: {v}" for k, v in report.items()))
    whole = report["notes"] == report["notes_kept"] == report["notes_kept_miditok"]
    return 0 if whole and report["ratio_to_miditok"] >= AT_LEAST else 1


def files(data: Path | None, n: int) -> list[Any]:
    """Parsed symusic scores."""
    import symusic

    if data is None:
        return [_generated(seed) for seed in range(n)]
    found = []
    for source in SOURCES:
        with zipfile.ZipFile(Path(data) / f"{source}.zip") as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".mid"))[: n // len(SOURCES)]
            found += [symusic.Score.from_midi(archive.read(name)) for name in names]
    return found


def _generated(seed: int) -> Any:
    import symusic

    rng = np.random.default_rng(seed)
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, float(rng.integers(60, 180))))
    score.time_signatures.append(symusic.TimeSignature(0, int(rng.choice([3, 4])), 4))
    for program in rng.choice(120, 4, replace=False).tolist():
        track = symusic.Track(program=program)
        for onset in np.sort(rng.integers(0, 480 * 300, 500)).tolist():
            duration, pitch, velocity = rng.integers(30, 960), rng.integers(30, 90), rng.integers(1, 128)
            track.notes.append(symusic.Note(onset, int(duration), int(pitch), int(velocity)))
        score.tracks.append(track)
    return score


def ours(parsed: Any) -> int:
    """Octuples of a parsed score; returns their number."""
    rows = []
    for part, track in enumerate(parsed.tracks):
        columns = track.notes.numpy()
        notes = np.empty(len(columns["time"]), NOTE)
        notes["onset"], notes["duration"], notes["pitch"] = columns["time"], columns["duration"], columns["pitch"]
        notes["velocity"], notes["program"] = columns["velocity"], track.program
        notes["is_drum"], notes["part"] = track.is_drum, part
        rows.append(notes)
    score = Score.build(
        np.concatenate(rows),
        parsed.ticks_per_quarter,
        tempo_map=[(t.time, 60e6 / t.mspq) for t in parsed.tempos],
        metre_map=[(m.time, m.numerator, m.denominator) for m in parsed.time_signatures],
    )
    return len(encode(score).octuples)


def miditok_octuple() -> Callable[[Any], int]:
    """MidiTok's Octuple in the configuration nearest to MusicBERT's, as a function like :func:`ours`."""
    import miditok

    config = miditok.TokenizerConfig(
        pitch_range=(0, 127),
        drums_pitch_range=(0, 127),
        beat_res={(0, 1): 16, (1, 3): 8, (3, 7): 4, (7, 15): 2, (15, 31): 1},
        num_velocities=32,
        use_programs=True,
        use_tempos=True,
        num_tempos=49,
        tempo_range=(16, 256),
        log_tempos=True,
        use_time_signatures=True,
        time_signature_range={d: list(range(1, 2 * d + 1)) for d in (2, 4, 8, 16)},
        max_bar_embedding=20_000,
    )
    tokenizer = miditok.Octuple(config)
    return lambda parsed: len(tokenizer.encode(parsed).ids)


def measure(scores: list[Any], repeats: int) -> dict[str, Any]:
    """Medians of the seconds that all files take, both sides in turn."""
    theirs = miditok_octuple()
    seconds: dict[Callable, list[float]] = {ours: [], theirs: []}
    kept: dict[Callable, int] = {}
    for function in (ours, theirs):  # once for imports and caches
        function(scores[0].copy())
    for _ in range(repeats):
        for function, times in seconds.items():
            copies = [score.copy() for score in scores]  # MidiTok may change what it is given
            start = time.perf_counter()
            kept[function] = sum(map(function, copies))
            times.append(time.perf_counter() - start)
    mine, other = (statistics.median(seconds[f]) for f in (ours, theirs))
    n = sum(len(track.notes) for score in scores for track in score.tracks)
    return {
        "ratio_to_miditok": other / mine,
        "at_least": AT_LEAST,
        "files": len(scores),
        "notes": n,
        "notes_kept": kept[ours],
        "notes_kept_miditok": kept[theirs],
        "seconds": mine,
        "seconds_miditok": other,
        "notes_per_second": n / mine,
        "notes_per_second_miditok": n / other,
        "repeats": repeats,
    }


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    sys.exit(main())
