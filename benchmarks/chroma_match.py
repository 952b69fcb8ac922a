"""What finding the score of a recording takes in libraries of 500, 2,000 and 20,000 pieces; what the coarse pass loses.

python benchmarks/chroma_match.py [--json] [--data DIR] [--work DIR] [--pieces 500 2000 20000] [--questions 40]

The libraries are real: the validation works, then others of the open group and folk tunes in the order of the SHA-256
of their ids (for their size alone; nothing is learned). Questions are half minutes of validation works, rendered with
the fonts of training; ``--work`` is shared with ``mmbert eval audio-to-score --split validation`` and keeps the library
too. One thread, one question at a time; the first, which halves the library once, is not counted. ``cpu_ms`` is the
median of the processor's time, which other work on the machine moves less than the clock's.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmbert_training.evaluate.candidates import TUNES, shuffled
from mmbert_training.evaluate.rendered import draw_all, hear, one_a_cluster, scores_of
from mmbert_training.manifest import OPEN, load_works

from mmbert.audio.chroma import FRAMES_A_SECOND, score_chroma
from mmbert.console import print_json
from mmbert.retrieval import chroma_match
from mmbert.retrieval.chroma_match import ROTATIONS, ChromaIndex

LENGTHS = (30, 10, 5)


def sequences(data: Path | None, kept: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, lengths and frames of all pieces, validation works first."""
    if not kept.is_file():
        works = {w.id: w for w in load_works(data, (*OPEN, TUNES))}
        first = [w.id for w in one_a_cluster(w for w in works.values() if w.source in OPEN and w.split == "validation")]
        read = scores_of(works[i] for i in [*first, *(i for i in shuffled(works) if i not in set(first))])
        frames = [score_chroma(score) for _, score in read]
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            kept, ids=[w.id for w, _ in read], lengths=[len(f) for f in frames], frames=np.concatenate(frames)
        )  # fmt: skip
    with np.load(kept, allow_pickle=False) as there:
        return there["ids"].tolist(), there["lengths"], there["frames"]


def measured(index: ChromaIndex, asked: list[np.ndarray], target: list[int], seconds: int, any_key: bool) -> dict:
    """Time of a question, how often the right piece comes first, and how often it outlives the coarse pass."""
    rotations = ROTATIONS if any_key else (0,)
    first = [frames[: round(seconds * FRAMES_A_SECOND)] for frames in asked]
    index.find(first[0], rotations=rotations)
    wall, cpu, right, alive = [], [], 0, 0
    for frames, piece in zip(first, target):
        started, worked = time.perf_counter(), time.process_time()
        score = index.find(frames, rotations=rotations).score
        wall.append(1000 * (time.perf_counter() - started))
        cpu.append(1000 * (time.process_time() - worked))
        right += int(score.argmax() == piece)
        alive += bool(score[piece] > -1)
    p50, p95 = np.percentile(wall, [50, 95])
    return {
        "seconds": seconds, "any_key": any_key, "p50_ms": round(p50), "p95_ms": round(p95),
        "cpu_ms": round(float(np.median(cpu))),
        "first": right / len(first), "outlives_coarse": alive / len(first),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/audio-to-score"))
    parser.add_argument("--pieces", type=int, nargs="+", default=[500, 2000, 20_000])
    parser.add_argument("--questions", type=int, default=40)
    args = parser.parse_args()
    ids, lengths, frames = sequences(args.data, args.work / "library.npz")
    found = scores_of(one_a_cluster(w for w in load_works(args.data) if w.split == "validation"))
    scores = {w.id: score for w, score in found}
    excerpts = draw_all(scores, "validation")[: args.questions]
    asked, target = hear(excerpts, scores, args.work), [ids.index(e.work) for e in excerpts]
    rows: list[dict[str, Any]] = []
    for pieces in args.pieces:
        part = lengths[:pieces]
        index = ChromaIndex(part, frames[: part.sum()])
        about = {"pieces": len(index), "hours": round(index.n_frames / FRAMES_A_SECOND / 3600)}
        for seconds in LENGTHS:
            for any_key in (False, True):
                rows.append({**about, **measured(index, asked, target, seconds, any_key)})
                if not args.json:
                    print(rows[-1], flush=True)
    if args.json:
        print_json({"questions": len(asked), "kept": chroma_match._KEPT, "rows": rows})


if __name__ == "__main__":
    main()
