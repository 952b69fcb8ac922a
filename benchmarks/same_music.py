"""When two pieces are said to be the same music: what the rule keeps of right answers, and lets through of wrong ones.

    python benchmarks/same_music.py PACK [--data DIR] [--questions 26] [--json]

PACK is a folder of ``python -m mmbert_training.sound_pack``. Asked are renderings of validation works, and passages of
performances (ASAP without its test split, one a work; their notes, not their sound), cut to 30, 10 and 5 seconds, in
any key as a library's question is. The libraries hold the right score and others of the pack and the same set, none of
the work that is asked for; then the right one is taken out, and the best of the wrong ones is the answer.

Printed are how often the right one is first, what the rule of :mod:`mmbert.retrieval.same_enough` keeps of those, what
it lets through of the best wrong ones, and what a likeness alone would keep that lets as many of all through. Then the
same of three minutes of performances among 500 pieces, with the processor's time of a question (one thread).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from mmbert_training.evaluate.rendered import scores_of
from mmbert_training.manifest import load_works
from mmbert_training.sound_pack import Sounds, load_sounds

from mmbert.audio.chroma import FRAMES_A_SECOND, score_chroma
from mmbert.console import progress
from mmbert.retrieval.chroma_match import PART, ROTATIONS, ChromaIndex
from mmbert.retrieval.same_enough import ENOUGH, standing_out
from mmbert.retrieval.same_music import _LOOKED_AT, Sounding, _look_for

SECONDS = (30, 10, 5)
FEW = (10, 30, 100, 300)  # pieces of the libraries, drawn from one search of the most of them
MANY = (2000,)
_SEED = 5
_MINUTES, _AMONG, _WHOLE = 450, 500, 12  # frames of long questions, pieces, and how many are asked at most


@dataclass(frozen=True)
class Asked:
    """One question: its chroma and that of the right score, uint8 [n, 12], and whose work they are."""

    cluster: str
    heard: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """What one question finds in one library.

    Attributes:
        seconds, pieces: Of the question and the library.
        right, wrong: Likeness of the right piece, and of the best wrong one.
        stands, passes: How far the right piece stands out, and the best wrong one where the right is not there.
    """

    seconds: int
    pieces: int
    right: float
    wrong: float
    stands: float
    passes: float


def renderings(sounds: Sounds, most: int) -> list[Asked]:
    """The first rendering of validation works."""
    first: dict[str, Asked] = {}
    for row in sounds.rows("validation").tolist():
        work = sounds.heard[row].work
        cluster = sounds.works[work]["cluster"]
        first.setdefault(cluster, Asked(cluster, sounds.chroma_of(row), sounds.score_of(work)))
    return list(first.values())[:most]


def performances(data: Path | None, most: int, frames: int = PART) -> list[Asked]:
    """Passages of so many frames that people played, one a work, without the test split."""
    rng = np.random.default_rng(_SEED)
    works = [w for w in load_works(data, ("asap",)) if w.split != "test"]
    written = {w.id: score for w, score in scores_of(w for w in works if not w.row["same_as"])}
    found: dict[str, Asked] = {}
    for i in rng.permutation(len(works)).tolist():
        work = works[i]
        if len(found) == most or work.cluster in found or work.row["same_as"] not in written:
            continue
        for _, score in scores_of([work]):
            heard = score_chroma(score)
            start = int(rng.integers(max(1, len(heard) - frames)))
            right = score_chroma(written[work.row["same_as"]])
            if frames <= PART or len(heard) >= frames:
                found[work.cluster] = Asked(work.cluster, heard[start : start + frames], right)
    return list(found.values())


def outcomes(asked: Sequence[Asked], sounds: Sounds) -> Iterator[Outcome]:
    """All questions in all libraries."""
    rng = np.random.default_rng(_SEED)
    for sizes in (FEW, MANY):
        index = _library(asked, sounds, max(sizes))
        with progress(f"asking {len(index)} pieces", len(asked) * len(SECONDS)) as advance:
            for place, question in enumerate(asked):
                for seconds in SECONDS:
                    heard = question.heard[: round(seconds * FRAMES_A_SECOND)]
                    if np.ptp(heard, axis=1).any():
                        score = index.find(heard, rotations=ROTATIONS).score.astype(float)
                        for pieces in sizes:
                            wrong = rng.permutation(np.delete(score, place))[: pieces - 1]
                            yield _outcome(seconds, pieces, score[place], wrong, len(heard) / FRAMES_A_SECOND)
                    advance()


def _library(asked: Sequence[Asked], sounds: Sounds, pieces: int) -> ChromaIndex:
    """The right scores, first, and others of other works."""
    own = {question.cluster for question in asked}
    others = [i for i, work in enumerate(sounds.works) if work["cluster"] not in own]
    order = np.random.default_rng(_SEED).permutation(others).tolist()
    return ChromaIndex.of([*(q.score for q in asked), *(sounds.score_of(i) for i in order)][:pieces])


def minutes(asked: Sequence[Asked], sounds: Sounds) -> dict[str, Any]:
    """What whole pieces find, and what that takes."""
    index = _library(asked, sounds, _AMONG)
    index.roughly(asked[0].heard)  # halves the library, once
    index.find(asked[0].heard)
    found, took = [], []
    for place, question in enumerate(asked):
        started = time.process_time()
        there = index.find(question.heard, rotations=ROTATIONS)
        best = np.argsort(-there.score, kind="stable")[:_LOOKED_AT]
        _look_for(index, best, Sounding("", "", question.heard, timed=True), there)
        took.append(time.process_time() - started)
        score, seconds = there.score.astype(float), len(question.heard) / FRAMES_A_SECOND
        found.append(_outcome(round(seconds), _AMONG, score[place], np.delete(score, place), seconds))
    first = [o for o in found if o.right > o.wrong]
    return {
        "questions": len(found), "first": _share([o.right > o.wrong for o in found]),
        "kept": _share([o.stands >= ENOUGH for o in first]), "let_through": _share([o.passes >= ENOUGH for o in found]),
        "median_s": round(float(np.median(took)), 2), "longest_s": round(max(took), 2),
    }  # fmt: skip


def _outcome(seconds: int, pieces: int, right: float, wrong: np.ndarray, length: float) -> Outcome:
    stands = float(standing_out(np.append(wrong, right), length)[-1])
    return Outcome(seconds, pieces, right, float(wrong.max()), stands, float(standing_out(wrong, length).max()))


def rows_of(name: str, found: Sequence[Outcome], likeness: float) -> Iterator[dict[str, Any]]:
    """The table of one set: a row for each length and library."""
    for seconds in SECONDS:
        for pieces in (*FEW, *MANY):
            some = [o for o in found if (o.seconds, o.pieces) == (seconds, pieces)]
            first = [o for o in some if o.right > o.wrong]
            yield {
                "set": name, "seconds": seconds, "pieces": pieces, "questions": len(some),
                "first": _share([o.right > o.wrong for o in some]), "kept": _share([o.stands >= ENOUGH for o in first]),
                "let_through": _share([o.passes >= ENOUGH for o in some]),
                "kept_by_likeness": _share([o.right >= likeness for o in first]),
                "let_through_by_likeness": _share([o.wrong >= likeness for o in some]),
            }  # fmt: skip


def _share(true: Sequence[bool]) -> float:
    return round(float(np.mean(true)), 3) if len(true) else float("nan")


def main(
    pack: Annotated[Path, typer.Argument(help="A pack of rendered sounds.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    questions: Annotated[int, typer.Option(min=1, help="Questions of each set at most.")] = 26,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print what is kept and let through."""
    sounds = load_sounds(pack)
    sets = {"renderings": renderings(sounds, questions), "performances": performances(data, questions)}
    found = {name: list(outcomes(asked, sounds)) for name, asked in sets.items()}
    every = [o for some in found.values() for o in some]
    let_through = _share([o.passes >= ENOUGH for o in every])
    likeness = float(np.quantile([o.wrong for o in every], 1 - let_through))
    rows = [row for name, some in found.items() for row in rows_of(name, some, likeness)]
    first = [o for o in every if o.right > o.wrong]
    about = {
        "enough": ENOUGH, "likeness": round(likeness, 3), "kept": _share([o.stands >= ENOUGH for o in first]),
        "let_through": let_through, "kept_by_likeness": _share([o.right >= likeness for o in first]),
    }  # fmt: skip
    about["three_minutes"] = minutes(performances(data, min(questions, _WHOLE), _MINUTES), sounds)
    if as_json:
        print(json.dumps({**about, "rows": rows}))
    else:
        print(*(f"{name} {value}" for name, value in about.items()), sep="\n")
        print(*("  ".join(str(value) for value in row.values()) for row in rows), sep="\n")


if __name__ == "__main__":
    typer.run(main)
