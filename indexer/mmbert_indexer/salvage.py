"""Vectors back into work/ from the generations that hold a copy of them: no model has to run again for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from mmbert.store.generations import Generation
from mmbert.store.schema import PLACE
from mmbert_indexer.batches import facets_json, place_row
from mmbert_indexer.ledger import Ledger, VectorRow
from mmbert_indexer.phrases import NUMBER, KeptPhrases, PhraseMaker
from mmbert_indexer.shards import Shards

PIECES_A_COMMIT = 1000


def salvage(library: Path, ledger: Ledger, generation: Generation) -> int:
    """Append to the shards what a whole generation holds and the ledger does not know; returns how many pieces.

    Recordings are left to the next build: a generation does not tell which ears heard them.
    """
    fingerprint = generation.fingerprint
    known = ledger.embedded(fingerprint)
    table = generation.pieces
    keys = [(bytes.fromhex(sha256), int(number)) for sha256, number in zip(table.sha256, table.number, strict=True)]
    missing = [row for row, key in enumerate(keys) if key not in known and table.kind[row] != "recording"]
    dim = generation.manifest["dim"]
    _append(library, ledger, fingerprint, dim, missing, lambda to, row: _piece(to, generation, row, keys[row]))
    return len(missing)


def salvage_phrases(library: Path, ledger: Ledger, generation: Generation) -> int:
    """The same for the vectors of phrases; returns of how many pieces."""
    maker = PhraseMaker.read(generation.manifest.get("phrases"))
    if maker is None:
        return 0
    counts, _ = generation.phrase_heads()
    rows = np.flatnonzero(counts).tolist()
    kept = {row: KeptPhrases.of(lines) for row, lines in generation.phrases_of(rows).items()}
    saved: set[int] = set()
    for space, model in maker.models.items():
        start = np.cumsum([0, *(kept[row].rows[space] for row in rows)])
        begin = dict(zip(rows, start.tolist(), strict=False))
        known = ledger.embedded(model)
        missing = [row for row in rows if kept[row].rows[space] and (kept[row].digest, NUMBER) not in known]

        for row in rows:
            if not kept[row].rows[space]:  # as a build says that there is nothing to embed
                ledger.add_vector(ledger.maker(model), VectorRow(kept[row].digest, NUMBER))

        def one(to: Shards, row: int, space: str = space, begin: dict[int, int] = begin) -> VectorRow:
            n = kept[row].rows[space]
            block = generation.vectors.matrix(space)[begin[row] : begin[row] + n]
            shard, first, crc32 = to.append(np.asarray(block))
            return VectorRow(kept[row].digest, NUMBER, shard, first, n - 1, crc32)

        _append(library, ledger, model, maker.dims[space], missing, one)
        saved |= set(missing)
    ledger.commit()
    return len(saved)


def _append(
    library: Path, ledger: Ledger, model: str, dim: int, rows: Sequence[int], one: Callable[[Shards, int], VectorRow]
) -> None:
    """Append pieces by their rows in the generation, a thousand a commit."""
    if not rows:
        return
    maker = ledger.maker(model)
    with closing(Shards(library / "work", model, dim, ledger)) as shards:
        for start in range(0, len(rows), PIECES_A_COMMIT):
            for row in rows[start : start + PIECES_A_COMMIT]:
                ledger.add_vector(maker, one(shards, row))
            shards.sync()
            ledger.commit()
            shards.seal_if_full()


def _piece(shards: Shards, generation: Generation, row: int, key: tuple[bytes, int]) -> VectorRow:
    windows = generation.windows.of_piece(row)
    piece = generation.vectors.matrix("joint/pieces")[row]
    block = np.concatenate([piece[None], generation.vectors.matrix("joint/windows")[windows]])
    shard, first, crc32 = shards.append(block)
    places = generation.places_of(windows)
    rows = np.array([place_row(places[w]) for w in windows], PLACE)
    return VectorRow(*key, shard, first, len(windows), crc32, rows.tobytes(), facets_json(generation.facets(row)))
