"""Works of the data, read and embedded for an evaluation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mmbert.console import progress, warn
from mmbert.embed import Embedder
from mmbert.errors import ItemError
from mmbert.facets import tokens_of
from mmbert.prepare import Prepared, prepare
from mmbert.types import Embedded
from mmbert_training.manifest import Work, load_item


@dataclass(frozen=True)
class Candidate:
    """A piece that may be found."""

    work: Work
    prepared: Prepared
    embedded: Embedded
    tokens: tuple[str, ...]


def read(works: Sequence[Work], kinds: Collection[str]) -> list[tuple[Work, Prepared]]:
    """Works made ready for the model; one that cannot be read is left out and said."""
    found = []
    with progress("reading works", len(works)) as advance:
        for work in works:
            try:
                found.append((work, prepare(load_item(work), kinds)))
            except ItemError as e:
                warn(f"{work.id} is left out: {e}")
            advance()
    return found


def embedded(works: Sequence[Work], embedder: Embedder) -> list[Candidate]:
    """Candidates with facets and vectors; one that cannot be read or embedded is left out and said."""
    ready = read(works, embedder.kinds)
    found = []
    for (work, prepared), result in zip(ready, embedder.embed_prepared([p for _, p in ready]), strict=True):
        if isinstance(result, ItemError):
            warn(f"{work.id} is left out: {result}")
        else:
            found.append(Candidate(work, prepared, result, tokens_of(result.facets)))
    return found
