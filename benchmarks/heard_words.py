"""What the sounds of recordings weigh beside the other ways of looking, in the whole search.

    python benchmarks/heard_words.py SOUNDS [--answers] [--json]

SOUNDS is the folder of ``python -m mmbert_training.evaluate.real_sounds``: 166 recordings with three questions each,
none of them of the evaluation clips. They become a library under names that say nothing; printed is the MRR of the
recording that a question was written for, as released and where what is heard weighs the same whatever a question
states (``Weights.sounds`` and ``sounds_beside_facts`` of :mod:`mmbert.retrieval.fuse`). Last, how like their own
recording and how like the best of all the questions are, and how like the best nonsense is. ``--answers``: instead, of
how many of these questions, of musicians' phrases and of nonsense the search says that something fits.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from mmbert_indexer.build import build_library
from mmbert_training.evaluate import calibration_questions
from mmbert_training.evaluate.real_sounds import check, real_sounds
from mmbert_training.hearing import excerpt

from mmbert.api import Library
from mmbert.audio.mel import RATE
from mmbert.embed import Embedder
from mmbert.retrieval import fuse, search
from mmbert.retrieval.heard_words import by_sound

WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0)


def written(sounds: Path, folder: Path) -> list[tuple[str, str]]:
    """(question, name of its recording) of all; the recordings are written into the folder."""
    asked = []
    for i, sound in enumerate(real_sounds()):
        name = f"{i:03d}"
        samples = excerpt(sound.file(sounds), sound.start_s, sound.seconds)
        soundfile.write(folder / f"{name}.wav", samples.clip(-1, 1), RATE)
        asked += [(text, name) for text in sound.texts]
    return asked


def mrr(library: Library, asked: list[tuple[str, str]], limit: int = 100) -> float:
    """Mean reciprocal rank within the first hundred."""
    ranks = []
    for question, name in asked:
        hits = library.search(question, limit=limit).hits
        ranks.append(next((1 / hit.rank for hit in hits if Path(hit.path).stem == name), 0.0))
    return float(np.mean(ranks))


def weighed(library: Library, asked: list[tuple[str, str]]) -> dict[str, float]:
    """MRR for each weight."""
    found, usual = {"released": mrr(library, asked)}, fuse.WEIGHTS
    for weight in WEIGHTS:
        both = replace(usual, sounds=weight, sounds_beside_facts=weight)
        search.fuse = lambda lists, w=both: fuse.fuse(lists, w)  # type: ignore[attr-defined]
        found[str(weight)] = mrr(library, asked)
    search.fuse = fuse.fuse  # type: ignore[attr-defined]
    return found


def likeness(library: Library, asked: list[tuple[str, str]]) -> dict[str, list[float]]:
    """Percentiles 5, 25, 50, 75, 95 of how like questions are to their own and the best, nonsense to the best."""
    n, sounds, embedder = len(library), library._sounds, library._embedder
    assert sounds is not None
    row = {Path(path).stem: i for i, path in enumerate(library.generation.pieces.path)}
    own, best = [], []
    for question, name in asked:
        similarity = by_sound(sounds, question, embedder, n).similarity
        own.append(similarity[row[name]])
        best.append(np.nanmax(similarity))
    nonsense = [
        np.nanmax(by_sound(sounds, question, embedder, n).similarity)
        for question in calibration_questions.written()["development"]
    ]
    cut = [5, 25, 50, 75, 95]
    lists = {"own": own, "best": best, "nonsense": nonsense}
    return {name: np.round(np.percentile(values, cut), 3).tolist() for name, values in lists.items()}


def answers(library: Library, asked: list[tuple[str, str]]) -> dict[str, float]:
    """Share of questions that something is said to fit; the forty of ``nonsense`` were not chosen with."""
    written_by_hand = calibration_questions.written()
    questions = {
        "real sounds": [question for question, _ in asked],
        "musicians' phrases": [q.text for q in calibration_questions.phrases(None, "choosing")],
        "development nonsense": written_by_hand["development"],
        "forty nonsense": written_by_hand["nonsense"],
    }
    return {
        name: round(float(np.mean([not library.search(words, limit=1).nothing_fits for words in some])), 3)
        for name, some in questions.items()
    }


def main(
    sounds: Annotated[Path, typer.Argument(help="Folder of the development sounds.")],
    only_answers: Annotated[bool, typer.Option("--answers", help="Who is answered, instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print MRR for each weight."""
    check(sounds)
    embedder = Embedder.from_pretrained()
    with tempfile.TemporaryDirectory() as scratch:
        music, library = Path(scratch, "music"), Path(scratch, "library")
        music.mkdir()
        asked = written(sounds, music)
        build_library(library, [music], embedder)
        with Library.open(library) as opened:
            if only_answers:
                print(json.dumps(answers(opened, asked)))
                return
            found = {"mrr": weighed(opened, asked), "likeness": likeness(opened, asked)}
    if as_json:
        print(json.dumps(found))
        return
    for weight, value in found["mrr"].items():
        print(f"weight {weight:4}  MRR {value:.3f}")
    for name, values in found["likeness"].items():
        print(f"{name:9} {values}")


if __name__ == "__main__":
    typer.run(main)
