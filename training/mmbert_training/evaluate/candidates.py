"""Which pieces the evaluation of words searches: fixed once, kept in the repository with their digest.

    python -m mmbert_training.evaluate.candidates --data DIR

writes ``data/text_to_music_candidates.json`` again: every test cluster of the open sources, and 200 test clusters
of La Taberna that hold no work of an open source, in the order of the SHA-256 of the clusters' names. Of a cluster
the first id counts (of an open source where there is one; of tunes, the first that has notes). Nothing of La Taberna
is ever trained on. The candidates of the validation split, by which alone anything is chosen, need no list.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from mmbert.errors import DataError, ItemError
from mmbert_training.evaluate.hand_written import hand_written
from mmbert_training.manifest import OPEN, Work, load_as_filed, load_works

TUNES, N_TUNES = "taberna_abc", 200
_NAME = "data/text_to_music_candidates.json"


def choose(works: Iterable[Work], readable: Callable[[Work], bool]) -> list[str]:
    """Ids of the candidates, open sources first, each part in order of id."""
    works = sorted(works, key=lambda w: w.id)
    with_open = {w.cluster for w in works if w.source in OPEN}
    first: dict[str, str] = {}
    tunes: dict[str, list[Work]] = defaultdict(list)
    for work in (w for w in works if w.split == "test"):
        if work.source in OPEN:
            first.setdefault(work.cluster, work.id)
        elif work.source == TUNES and work.cluster not in with_open:
            tunes[work.cluster].append(work)
    drawn = (next((w.id for w in tunes[cluster] if readable(w)), None) for cluster in shuffled(tunes))
    return [*sorted(first.values()), *sorted(islice((i for i in drawn if i), N_TUNES))]


def shuffled(clusters: Iterable[str]) -> list[str]:
    """Clusters in an order that says nothing: that of the SHA-256 of their names."""
    return sorted(clusters, key=lambda cluster: hashlib.sha256(cluster.encode()).hexdigest())


def readable(work: Work) -> bool:
    """Whether a work has notes that can be read."""
    try:
        return load_as_filed(work).score is not None
    except ItemError:
        return False


def digest(ids: Sequence[str]) -> str:
    """SHA-256 of the ids, one a line."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def load_candidates(data: Path | None, split: Literal["validation", "test"] = "test") -> list[Work]:
    """The candidates in their fixed order.

    Args:
        data: Folder of data zips; None for ``MMBERT_DATA``.
        split: ``test``: those of the list. ``validation``: one work a cluster of those that released weights may
            learn from; the one that a question was written for, else the first id.

    Raises:
        DataError: where the data are missing, or lack a candidate, or the list is not the one of its digest.
    """
    if split == "validation":
        asked = {q.work for q in hand_written(split)}
        first: dict[str, Work] = {}
        for work in sorted(load_works(data), key=lambda w: (w.id not in asked, w.id)):
            if work.split == split and work.releasable:
                first.setdefault(work.cluster, work)
        return sorted(first.values(), key=lambda w: w.id)
    kept = json.loads(files(__package__).joinpath(_NAME).read_text(encoding="utf-8"))
    if digest(kept["ids"]) != kept["sha256"]:
        raise DataError(_NAME, "is not the list that its digest names", "Restore it from the repository")
    works = {w.id: w for w in load_works(data, (*OPEN, TUNES)) if w.split == "test"}
    lost = [i for i in kept["ids"] if i not in works]
    if lost:
        raise DataError("--data", f"lacks {len(lost)} candidates in its test split, such as {lost[0]}")
    return [works[i] for i in kept["ids"]]


def _write(
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
) -> None:
    """Write the list again."""
    ids = choose(load_works(data, (*OPEN, TUNES)), readable)
    path = Path(str(files(__package__))) / _NAME
    path.write_text(json.dumps({"sha256": digest(ids), "ids": ids}, indent=0) + "\n", encoding="utf-8")
    typer.echo(f"{path}: {len(ids)} candidates, {digest(ids)}")


if __name__ == "__main__":
    typer.run(_write)
