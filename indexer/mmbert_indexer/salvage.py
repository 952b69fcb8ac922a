"""Vectors back into work/ from the generations that hold a copy of them: no model has to run again for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmbert.store.generations import Generation
from mmbert.store.schema import PLACE
from mmbert_indexer.batches import facets_json, place_row
from mmbert_indexer.ledger import Ledger, Maker, VectorRow
from mmbert_indexer.shards import Shards

PIECES_A_COMMIT = 1000


def salvage(library: Path, ledger: Ledger, generation: Generation) -> int:
    """Append to the shards what a whole generation holds and the ledger does not know; returns how many pieces."""
    fingerprint = generation.fingerprint
    known = ledger.embedded(fingerprint)
    table = generation.pieces
    keys = [(bytes.fromhex(sha256), int(number)) for sha256, number in zip(table.sha256, table.number, strict=True)]
    missing = [row for row, key in enumerate(keys) if key not in known]
    if not missing:
        return 0
    maker = Maker(fingerprint, ledger.get("reader", ""))
    shards = Shards(library / "work", fingerprint, generation.manifest["dim"], ledger)
    try:
        for start in range(0, len(missing), PIECES_A_COMMIT):
            for row in missing[start : start + PIECES_A_COMMIT]:
                ledger.add_vector(maker, _appended(shards, generation, row, keys[row]))
            shards.sync()
            ledger.commit()
            shards.seal_if_full()
    finally:
        shards.close()
    return len(missing)


def _appended(shards: Shards, generation: Generation, row: int, key: tuple[bytes, int]) -> VectorRow:
    windows = generation.windows.of_piece(row)
    piece = generation.vectors.matrix("joint/pieces")[row]
    block = np.concatenate([piece[None], generation.vectors.matrix("joint/windows")[windows]])
    shard, first, crc32 = shards.append(block)
    places = generation.places_of(windows)
    rows = np.array([place_row(places[w]) for w in windows], PLACE)
    return VectorRow(*key, shard, first, len(windows), crc32, rows.tobytes(), facets_json(generation.facets(row)))
