"""How often the rules of :mod:`mmbert.symbolic.melody` find what POP909 labels as the melody.

    python -m mmbert_training.evaluate.melody_rule --data DIR

prints, for the songs of a split with the names of their parts hidden, how often the part MELODY is the one chosen; and
with all notes in one part, precision, recall and F1 of the skyline's notes (a note is right where the labelled melody
has one of that onset and pitch). The limits in the rules were set by training works alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mmbert.symbolic.melody import voices
from mmbert.symbolic.score import Part, Score
from mmbert_training.manifest import Split, load_item, load_works


def measured(scores: Iterable[Score]) -> dict[str, float]:
    """The figures over some scores of which one part's role is melody."""
    songs = chosen = right = found = labelled = 0
    for score in scores:
        label = next(i for i, p in enumerate(score.parts) if p.role == "melody")
        melody = _places(score.notes[score.notes["part"] == label])
        line = voices(_nameless(score)).melody
        skyline = _places(voices(_one_part(score)).melody)
        songs += 1
        chosen += int(len(line) > 0 and bool((line["part"] == label).all()))
        right, found, labelled = right + len(melody & skyline), found + len(skyline), labelled + len(melody)
    shares = {"precision": right / max(found, 1), "recall": right / max(labelled, 1)}
    return {
        "songs": songs,
        "part_found": chosen / max(songs, 1),
        **{f"skyline_{k}": v for k, v in shares.items()},
        "skyline_f1": 2 * right / max(found + labelled, 1),
    }


def _nameless(score: Score) -> Score:
    return replace(score, parts=tuple(replace(p, name="", role="unknown") for p in score.parts))


def _one_part(score: Score) -> Score:
    notes = score.notes.copy()
    notes["part"] = 0
    return replace(score, parts=(Part(),)).with_notes(notes)


def _places(notes: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(notes["onset"].tolist(), notes["pitch"].tolist()))


def _print(
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    split: Annotated[Split, typer.Option(help="Whose songs are counted.")] = "test",
) -> None:
    """Measure and print."""
    works = [w for w in load_works(data, ("pop909",)) if w.split == split]
    scores = (item.score for item in map(load_item, works))
    typer.echo(json.dumps({"split": split, **measured(s for s in scores if s is not None)}, indent=1))


if __name__ == "__main__":
    typer.run(_print)
