"""How fast recordings are read into a library, and in how much memory.

    python benchmarks/recordings.py FOLDER --hours 20 --json

FOLDER holds recordings (those of the evaluation, say); songs are strung together of them at random until there are so
many hours. Prints the wall time of a build, the largest memory of the build and of its reading processes, where the
seconds went, and how many times faster than real time one core reads a recording, hears it, and does both.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from mmbert_indexer.build import build_library

from mmbert.audio.listen import Listener
from mmbert.embed import Embedder
from mmbert.items import load_items

SECONDS_A_FILE = 240  # a song


def write_recordings(clips: list[Path], folder: Path, hours: float) -> int:
    """Songs out of clips, as Ogg files; returns how many."""
    rng, rate = np.random.default_rng(1), 44_100
    sounds = []
    for clip in clips:
        samples, own = soundfile.read(clip, dtype="float32", always_2d=True)
        at = np.arange(int(len(samples) * rate / own)) * own / rate
        sounds.append(np.interp(at, np.arange(len(samples)), samples.mean(axis=1)).astype(np.float32))
    n = max(1, round(hours * 3600 / SECONDS_A_FILE))
    for i in range(n):
        song, wanted = [], SECONDS_A_FILE * rate
        while sum(map(len, song)) < wanted:
            song.append(sounds[int(rng.integers(len(sounds)))] * np.float32(rng.uniform(0.3, 0.9)))
        with soundfile.SoundFile(folder / f"{i:04d}.ogg", "w", rate, 1) as file:
            for second in np.concatenate(song)[:wanted].reshape(
                -1, rate
            ):  # libsndfile's Vorbis takes no minutes at once
                file.write(second)
    return n


def one_core(embedder: Embedder, path: Path) -> dict[str, float]:
    """Times real time of one recording in this thread."""
    item = next(load_items(path))
    assert item.recording is not None
    embedder.embed([item])  # what is loaded at the first is not counted: a build loads it once
    begin = time.perf_counter()
    listener = Listener(item.recording)
    parts = list(listener.parts())
    listened = time.perf_counter()
    for part in parts:
        embedder.hear(part)
    heard = time.perf_counter()
    whole = embedder.embed([item])
    done = time.perf_counter()
    assert len(whole) == 1
    seconds = listener.facts().duration_s
    return {
        "reading_x": seconds / (listened - begin),
        "network_x": seconds / (heard - listened),
        "all_x": seconds / (done - heard),
    }


def main(
    folder: Annotated[Path, typer.Argument(help="Recordings to build from.")],
    hours: Annotated[float, typer.Option(help="Of sound in the library.")] = 20,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Build a library of recordings and say what it took."""
    embedder = Embedder.from_pretrained()
    with tempfile.TemporaryDirectory() as scratch:
        music, library = Path(scratch, "music"), Path(scratch, "library")
        music.mkdir()
        files = write_recordings(sorted(folder.glob("*.ogg")), music, hours)
        speed = one_core(embedder, next(iter(sorted(music.glob("*.ogg")))))
        begin = time.perf_counter()
        report = build_library(library, [music], embedder)
        wall = time.perf_counter() - begin
    memory = {
        "build_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "reading_process_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    stages = report.seconds_by_stage | {f"beside_{k}": v for k, v in report.seconds_beside.items()}
    found = {
        "hours": hours, "files": files, "wall_s": wall, "times_real_time": hours * 3600 / wall,
        "forward_share": report.seconds_by_stage["forward"] / wall, **memory, **speed, "seconds": stages,
    }  # fmt: skip
    if as_json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:20} {value:.2f}" if isinstance(value, float) else f"{name:20} {value}")


if __name__ == "__main__":
    typer.run(main)
