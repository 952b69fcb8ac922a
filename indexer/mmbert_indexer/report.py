"""What a build did, read back from the generation that it left."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert.store.generations import open_library
from mmbert_indexer.flaws import flawed
from mmbert_indexer.rejects import Reject, summary
from mmbert_indexer.stages import Stages


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        library: The folder.
        generation: Name of the current generation.
        pieces: Pieces in it.
        windows: Window rows in it.
        files: Files of music that were found.
        embedded: Pieces that were embedded by this run.
        unchanged: Pieces in the library that needed no embedding.
        removed: Pieces of the generation before that are gone.
        rejected: Files and pieces that were refused.
        rejects: ``counts`` by code and the ``first`` few.
        flawed: Recordings that are damaged or clipped: their ``count`` and the ``first`` few.
        seconds: All.
        seconds_by_stage: Where they went.
        seconds_beside: What the reading processes did meanwhile.
    """

    library: str
    generation: str
    pieces: int
    windows: int
    files: int
    embedded: int
    unchanged: int
    removed: int
    rejected: int
    rejects: dict[str, Any]
    flawed: dict[str, Any]
    seconds: float
    seconds_by_stage: dict[str, float]
    seconds_beside: dict[str, float]


def report(library: Path, name: str, embedded: int, before: set[str], stages: Stages) -> BuildReport:
    """The report on the current generation ``name``; ``before`` holds the ids of the pieces of the one before it."""
    generation = open_library(library).current()
    try:
        rejects = [Reject(**line) for line in generation.rejects()]
        counts, uids = generation.manifest["counts"], set(generation.pieces.uid)
        flaws = flawed(generation)
    finally:
        generation.close()
    return BuildReport(
        library=os.fspath(library),
        generation=name,
        pieces=counts["pieces"],
        windows=counts["windows"],
        files=counts["files"],
        embedded=embedded,
        unchanged=max(0, counts["pieces"] - embedded),
        removed=len(before - uids),
        rejected=len(rejects),
        rejects=summary(rejects),
        flawed=flaws,
        seconds=stages.total,
        seconds_by_stage=dict(stages.seconds),
        seconds_beside=dict(stages.seconds_beside),
    )
