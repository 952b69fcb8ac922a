"""How recordings and scores mix in one list of answers to words: as the truth has it, or one kind before the other?

    python benchmarks/mixed_kinds.py [--recordings 60] [--scores 240] [--json]

Half a minute of some validation works is rendered with the fonts of training, other validation works are scores; all
become one library, the recordings under names that say nothing. Questions are captions of two to five facts, two of
each piece; facts that half a minute has none of (bars, length, density, form) are not said. What is true of a recording
is what is true of the notes that sound in it. Printed are, for each rule of mixing: the share of recordings among the
first ten beside the share that an oracle has there, which counts true facts and lets chance decide among equals; how
far the two are apart in a question (mean); MRR of the first piece of which all is true, nDCG of the first ten (gain 1
where all is true), and MRR of the questions for recordings and for scores alone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from mmbert_indexer.build import build_library
from mmbert_training.captions import caption
from mmbert_training.evaluate.queries import FACTS, QUERIES, SEED, seed_of
from mmbert_training.evaluate.rendered import SECONDS, draw_all, one_a_cluster, scores_of, sound_of
from mmbert_training.manifest import load_works, read
from mmbert_training.rendering import RATE, excerpt
from mmbert_training.sound_pack import heard_facets

from mmbert.api import Library
from mmbert.console import progress
from mmbert.embed import Embedder
from mmbert.facets import tokens_of
from mmbert.retrieval import fuse, search
from mmbert.retrieval.fuse import WEIGHTS, Lists
from mmbert.symbolic.facets import score_facets

FIRST = 10
UNSAID = ("bars", "length", "density", "form")
Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A question and what its truth is.

    Attributes:
        text: The words.
        of_recording: Whether it was written for a recording.
        true: How many of its facts are true of each piece, of all: float [n], 0-1.
    """

    text: str
    of_recording: bool
    true: np.ndarray


def unlevelled(lists: Lists, weight: float = WEIGHTS.sounds) -> np.ndarray:
    """Sums as they are, whatever kind of piece they are of."""
    usual, fuse._levelled = fuse._levelled, lambda recordings, others: recordings
    try:
        return fuse.fuse(lists, replace(WEIGHTS, sounds=weight))
    finally:
        fuse._levelled = usual


RULES: dict[str, Callable[[Lists], np.ndarray]] = {
    "released": fuse.fuse,
    "levelled, sounds 2": lambda lists: fuse.fuse(lists, replace(WEIGHTS, sounds=2.0)),
    "levelled, sounds 1": lambda lists: fuse.fuse(lists, replace(WEIGHTS, sounds=1.0)),
    "levelled, sounds 0": lambda lists: fuse.fuse(lists, replace(WEIGHTS, sounds=0.0)),
    "as they are": unlevelled,
    "as they are, sounds 1": lambda lists: unlevelled(lists, 1.0),
    "as they are, sounds 0": lambda lists: unlevelled(lists, 0.0),
}


def written(folder: Path, recordings: int, scores: int) -> dict[str, Tokens]:
    """Write recordings and scores; returns what is true of each recording, by the name of its file."""
    works = scores_of(one_a_cluster(w for w in load_works(None) if w.split == "validation"))
    by_id, notes = {w.id: w for w, _ in works}, {w.id: score for w, score in works}
    drawn = draw_all(notes, "validation")
    true = {}
    with progress("rendering", recordings) as advance:
        for one in drawn[:recordings]:
            score, name = notes[one.work], f"recording-{len(true):03d}"
            soundfile.write(folder / f"{name}.wav", sound_of(one, score), RATE)
            part = excerpt(score, one.start, SECONDS, one.speed)
            true[name] = tokens_of(heard_facets(part, score_facets(score, by_id[one.work].metadata), one.speed))
            advance()
    for i, one in enumerate(drawn[recordings : recordings + scores]):
        work = by_id[one.work]
        suffix = Path(work.path.partition("#")[0]).suffix
        (folder / f"score-{i:03d}{suffix}").write_bytes(read(work))
    return true


def asked_of(library: Library, recordings: dict[str, Tokens]) -> list[Asked]:
    """Two questions of each piece, in order of piece."""
    generation = library.generation
    names = [Path(path).stem for path in generation.pieces.path]
    tokens = [
        recordings[name] if name in recordings else tokens_of(generation.facets(row)) for row, name in enumerate(names)
    ]
    said = [{t for t in some if t.split("=")[0] not in UNSAID} for some in tokens]
    found = []
    for name, own in zip(names, said):
        for n in range(QUERIES if own else 0):
            made = caption(tuple(sorted(own)), np.random.default_rng([SEED, seed_of(name), n]), "known", FACTS)
            true = np.array([np.mean([fact in some for fact in made.facts]) for some in said])
            found.append(Asked(made.text, name in recordings, true))
    return found


def lists_of(library: Library, question: str) -> Lists:
    """What each way of looking says of all pieces."""
    kept: list[Lists] = []
    search.fuse = lambda lists: kept.append(lists) or fuse.fuse(lists)  # type: ignore[attr-defined,func-returns-value]
    try:
        library.search(question, limit=1)
    finally:
        search.fuse = fuse.fuse  # type: ignore[attr-defined]
    return kept[0]


def expected_share(true: np.ndarray, recording: np.ndarray) -> float:
    """The share of recordings among the first ten by the number of true facts, equals in any order."""
    level = np.sort(true)[-FIRST]
    above, at = true > level, true == level
    left = FIRST - above.sum()
    return float((recording[above].sum() + left * recording[at].mean()) / FIRST)


def figures(asked: list[Asked], orders: list[np.ndarray], recording: np.ndarray) -> dict[str, float]:
    """One rule's row; ``orders`` are rows of pieces, best first."""
    share = np.array([recording[order[:FIRST]].mean() for order in orders])
    truth = np.array([expected_share(a.true, recording) for a in asked])
    reciprocal, gain = [], []
    discount = 1 / np.log2(np.arange(FIRST) + 2)
    for a, order in zip(asked, orders):
        right = a.true[order] == 1
        reciprocal.append(1 / (1 + int(right.argmax())))
        gain.append(float((right[:FIRST] * discount).sum() / discount[: min(FIRST, int(right.sum()))].sum()))
    of_recording = np.array([a.of_recording for a in asked])
    mrr = np.array(reciprocal)
    return {
        "share": float(share.mean()), "oracle_share": float(truth.mean()), "apart": float(np.abs(share - truth).mean()),
        "mrr": float(mrr.mean()), "ndcg@10": float(np.mean(gain)), "mrr_recordings": float(mrr[of_recording].mean()),
        "mrr_scores": float(mrr[~of_recording].mean()),
    }  # fmt: skip


def main(
    recordings: Annotated[int, typer.Option(min=1, help="Works that are rendered.")] = 60,
    scores: Annotated[int, typer.Option(min=1, help="Other works, as scores.")] = 240,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print a row for each rule."""
    with tempfile.TemporaryDirectory() as scratch:
        music, folder = Path(scratch, "music"), Path(scratch, "library")
        music.mkdir()
        true = written(music, recordings, scores)
        build_library(folder, [music], Embedder.from_pretrained())
        with Library.open(folder) as library:
            asked = asked_of(library, true)
            lists = [lists_of(library, a.text) for a in asked]
            recording = np.array(library.generation.pieces.kind) == "recording"
    every = np.arange(len(recording))
    rows = {
        name: figures(asked, [fuse.ranking(rule(some), every) for some in lists], recording)
        for name, rule in RULES.items()
    }
    found = {"pieces": len(every), "recordings": int(recording.sum()), "questions": len(asked), "rows": rows}
    if as_json:
        print(json.dumps(found))
        return
    print(f"{found['questions']} questions, {found['recordings']} recordings among {found['pieces']} pieces")
    for name, row in rows.items():
        print(f"{name:22} " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))


if __name__ == "__main__":
    typer.run(main)
