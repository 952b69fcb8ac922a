"""An example to search by: a file, an item, or a piece of the library itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mmbert.errors import ItemError, UsageError
from mmbert.titles import title_of
from mmbert.types import Embedded, Facets, Item

if TYPE_CHECKING:
    from mmbert.store import Generation

Like = str | Path | Item | Embedded  # what was embedded already is taken as it is


class ItemEmbedder(Protocol):
    """What turns items into vectors of the library's space."""

    def embed(self, items: Sequence[Item]) -> list[Embedded | ItemError]:
        """One result an item."""
        ...


@dataclass(frozen=True)
class Example:
    """An example, read.

    Attributes:
        uid: Of its content; the piece of the library with the same uid is the example itself.
        name: As shown.
        facets: Measured facts.
        vector: float32 [d], unit length.
    """

    uid: str
    name: str
    facets: Facets
    vector: np.ndarray


def read_example(like: Like, generation: Generation, embedder: Callable[[], ItemEmbedder]) -> Example:
    """Read an example; ``embedder`` is called only where the library has no vector of it.

    Of a file that holds several pieces the first that can be read is taken.

    Raises:
        UsageError: it is neither a file nor the id of a piece.
        ItemError: the file cannot be read or embedded.
    """
    if isinstance(like, str) and (row := generation.row_of(like)) is not None:
        title, vector = str(generation.pieces.title[row]), generation.vectors.rows("joint/pieces", [row])[0]
        return Example(like, title, generation.facets(row), vector)
    item = read_item(like)
    name = title_of(item.metadata.get("title"), item.source.path)
    row = generation.row_of(item.uid)
    if row is not None:
        vector = generation.vectors.rows("joint/pieces", [row])[0]
        return Example(item.uid, name, generation.facets(row), vector)
    result = read_embedded(like, embedder)
    return Example(item.uid, name, result.facets, np.asarray(result.piece, dtype=np.float32))


def read_embedded(like: Like, embedder: Callable[[], ItemEmbedder]) -> Embedded:
    """An example with its vectors; ``embedder`` is called only where it has none yet.

    Raises:
        UsageError: there is no such file.
        ItemError: it cannot be read or embedded.
    """
    if isinstance(like, Embedded):
        return like
    result = embedder().embed([read_item(like)])[0]
    if isinstance(result, ItemError):
        raise result
    return result


def read_item(like: Like) -> Item:
    """An item, or the first piece of a file that can be read.

    Raises:
        UsageError: there is no such file.
        ItemError: it cannot be read.
    """
    from mmbert.items import load_items, no_piece

    if isinstance(like, Embedded):
        return like.item
    if isinstance(like, Item):
        return like
    if not str(like).strip():
        raise UsageError("The file", "has no name", "Give the path of a file of music")
    path = Path(like)
    if not path.name or not path.exists():
        raise UsageError(str(path), "is neither a file nor the id of a piece of this library", "Check the path")
    faults: list[ItemError] = []
    for item in load_items(path, on_reject=faults.append):
        return item
    raise faults[0] if faults else no_piece(path)
