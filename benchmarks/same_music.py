"""From what likeness on two pieces are said to be the same music.

    python benchmarks/same_music.py PACK [--json]

PACK is a folder of ``python -m mmbert_training.sound_pack``. Each rendering of a validation work asks for its score
among those of all validation works, in any key, as a library's question does; printed are percentiles of the likeness
of the right score and of the best wrong one, what ``ENOUGH`` of :mod:`mmbert.retrieval.same_music` keeps of the right
and lets through of the wrong where the right is not there, and how often the right one is first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from mmbert_training.sound_pack import load_sounds

from mmbert.retrieval.chroma_match import ROTATIONS, ChromaIndex
from mmbert.retrieval.same_music import ENOUGH

CUT = (1, 5, 25, 50, 75, 95, 99)


def main(
    pack: Annotated[Path, typer.Argument(help="A pack of rendered sounds.")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print likenesses."""
    sounds = load_sounds(pack)
    works = sounds.works_of("validation").tolist()
    index = ChromaIndex.of([sounds.score_of(work) for work in works])
    right, wrong = [], []
    for row in sounds.rows("validation").tolist():
        score = index.find(sounds.chroma_of(row), rotations=ROTATIONS).score
        own = works.index(sounds.heard[row].work)
        right.append(float(score[own]))
        wrong.append(float(np.delete(score, own).max()))
    found = {
        "queries": len(right),
        "candidates": len(works),
        "r@1": float(np.mean(np.array(right) > np.array(wrong))),
        "right": dict(zip(map(str, CUT), np.percentile(right, CUT).round(3).tolist())),
        "best_wrong": dict(zip(map(str, CUT), np.percentile(wrong, CUT).round(3).tolist())),
        "kept": float(np.mean(np.array(right) >= ENOUGH)),
        "let_through": float(np.mean(np.array(wrong) >= ENOUGH)),
    }
    print(json.dumps(found) if as_json else "\n".join(f"{k:12} {v}" for k, v in found.items()))


if __name__ == "__main__":
    typer.run(main)
