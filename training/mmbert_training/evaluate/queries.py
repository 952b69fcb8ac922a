"""Sentences drawn from the facts of candidates: drawn once, kept in the repository, one file a wording.

    python -m mmbert_training.evaluate.queries --data DIR

writes ``data/text_to_music_known.json`` and ``data/text_to_music_unseen.json`` again, which is needed after any change
of facets or phrases (what was unseen may have become known): two sentences a candidate and wording, each of two to five
true facts. Known and unseen wording say the same facts of the same candidate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mmbert.errors import DataError
from mmbert.facets import tokens_of
from mmbert_training.captions import caption
from mmbert_training.evaluate.candidates import load_candidates
from mmbert_training.evaluate.hand_written import Asked
from mmbert_training.phrases import POOLS, Pool, phrases

SEED = 20240
QUERIES = 2  # a candidate and wording
FACTS = (2, 5)
COMMAND = "python -m mmbert_training.evaluate.queries"


def draw(pieces: Iterable[tuple[str, Sequence[str]]], pool: Pool) -> list[Asked]:
    """The sentences of one wording.

    Args:
        pieces: Id of each work and the statements that are true of it. What is drawn for a work depends on no other.
        pool: The wording.
    """
    drawn = []
    for work, tokens in pieces:
        for n in range(QUERIES if tokens else 0):
            made = caption(tokens, np.random.default_rng([SEED, seed_of(work), n]), pool, FACTS)
            drawn.append(Asked(work, made.text, made.facts))
    return drawn


def seed_of(work: str) -> int:
    """A number of a work's id."""
    return int.from_bytes(hashlib.sha256(work.encode()).digest()[:8])


def kept(pool: Pool) -> list[Asked]:
    """The sentences that are kept, in a fixed order.

    Raises:
        DataError: where they were drawn from other phrases than those of today.
    """
    found = json.loads(files(__package__).joinpath(_name(pool)).read_text(encoding="utf-8"))
    if found["phrases"] != phrases_digest():
        raise DataError(_name(pool), "was drawn from other phrases", f"Draw again: {COMMAND}")
    return [Asked(q["work"], q["text"], tuple(q["facts"])) for q in found["questions"]]


@cache
def phrases_digest() -> str:
    """SHA-256 of all that both pools say."""
    said = [(pool, phrases(pool).all, phrases(pool).frames, phrases(pool).nouns) for pool in POOLS]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _name(pool: Pool) -> str:
    return f"data/text_to_music_{pool}.json"


def _write(
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
) -> None:
    """Write both files again."""
    from mmbert_training.evaluate.pieces import read

    pieces = [(work.id, tokens_of(ready.facets)) for work, ready in read(load_candidates(data), {"score"})]
    for pool in POOLS:
        drawn = draw(pieces, pool)
        lines = [json.dumps({"work": q.work, "text": q.text, "facts": q.facts}, ensure_ascii=False) for q in drawn]
        path = Path(str(files(__package__))) / _name(pool)
        text = f'{{"phrases": "{phrases_digest()}", "questions": [\n' + ",\n".join(lines) + "\n]}\n"
        path.write_text(text, encoding="utf-8")
        typer.echo(f"{path}: {len(drawn)} sentences")


if __name__ == "__main__":
    typer.run(_write)
