"""What the ledger says a library now holds: pieces in order of uid, and what was refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from mmbert_indexer.ledger import Key, Ledger, Maker, VectorRow
from mmbert_indexer.phrases import NUMBER, KeptPhrases
from mmbert_indexer.rejects import Reject
from mmbert_indexer.scan import TEXT_BESIDE


@dataclass(frozen=True)
class LivePiece:
    """One piece that a generation will hold.

    Attributes:
        uid: Its stable id.
        sha256: Digest of the file's bytes, binary.
        number: Which piece within the file.
        kind: ``score``, ``recording`` or ``text``.
        metadata: What the file states in words.
        files: (path as bytes, size) of every file that holds it, in order.
        of_many: Whether the file holds several pieces.
        vectors: Where they lie.
        melody: Its melody, ``mmbert.symbolic.tune_line.TUNE_NOTE`` as bytes; empty where it has none.
        phrases: Its phrases; none where they have no vectors.
        phrase_vectors: Where those lie, by space; a space that is not there was lost.
        chroma: Its chroma sequence, uint8 [n, 12] as bytes; empty where it has none.
        sounds: Logits of the sounds that are heard in a recording and its windows, float16 [1 + windows, 527] as bytes;
            empty of other pieces.
    """

    uid: str
    sha256: bytes
    number: int
    kind: str
    metadata: dict[str, str]
    files: tuple[tuple[bytes, int], ...]
    of_many: bool
    vectors: VectorRow
    melody: bytes = b""
    phrases: KeptPhrases = field(default_factory=KeptPhrases)
    phrase_vectors: dict[str, VectorRow] = field(default_factory=dict)
    chroma: bytes = b""
    sounds: bytes = b""


def live(ledger: Ledger, maker: Maker, rejects: list[Reject]) -> Iterator[LivePiece]:
    """All pieces in order of uid; what was refused is added to ``rejects`` on the way."""
    for sha256, rows in groupby(ledger.file_rows(), key=lambda row: row[0]):
        files = [(path, size, Key(sha256, suffix, context)) for _, path, size, suffix, context in rows]
        yield from _content(ledger, maker, sha256, files, rejects)


def _content(
    ledger: Ledger, maker: Maker, sha256: bytes, files: list[tuple[bytes, int, Key]], rejects: list[Reject]
) -> Iterator[LivePiece]:
    read = {key: ledger.pieces_of(key, maker.reader) for _, _, key in files}
    for path, _, key in files:
        for refusal in ledger.refusals_of(key, maker.reader):
            rejects.append(Reject(os.fsdecode(path), sha256.hex(), *refusal))
    holding = [(path, size, key) for path, size, key in files if read[key]]
    if not holding:
        return
    # Copies of one file may stand beside different descriptions: the first that is described speaks for all.
    speaker = next((key for _, _, key in holding if key.context and key.suffix != ".txt"), holding[0][2])
    pieces, vectors = read[speaker], ledger.vector_rows(sha256, maker.fingerprint)
    for number in sorted(pieces, key=str):
        row = vectors.get(number)
        if row is not None and row.error is not None:
            for path, _, _ in holding:
                rejects.append(Reject(os.fsdecode(path), sha256.hex(), *json.loads(row.error)))
        elif row is not None:
            piece = pieces[number]
            where = tuple((path, size) for path, size, _ in holding)
            uid = f"{sha256.hex()[:32]}-{number}"
            of_many = len(pieces) > 1
            phrases, rows = _phrases(ledger, maker, piece.phrases)
            for refused in {r.error for r in rows.values() if r.error is not None}:
                rejects.append(Reject(os.fsdecode(holding[0][0]), sha256.hex(), *json.loads(refused)))
                phrases, rows = KeptPhrases(), {}
            head = (uid, sha256, number, piece.kind, piece.metadata, where, of_many)
            sounds, chroma = ledger.heard(sha256, number, maker.fingerprint)
            yield LivePiece(*head, row, piece.melody, phrases, rows, piece.chroma or chroma, sounds)


def _phrases(ledger: Ledger, maker: Maker, kept: KeptPhrases) -> tuple[KeptPhrases, dict[str, VectorRow]]:
    """The phrases of a piece, and where the ledger has their vectors; none where no model of phrases is at work."""
    if not kept or maker.phrases is None:
        return KeptPhrases(), {}
    found = {space: ledger.vector_rows(kept.digest, model) for space, model in maker.phrases.models.items()}
    return kept, {space: rows[NUMBER] for space, rows in found.items() if NUMBER in rows}


def count_files(ledger: Ledger) -> int:
    """Files of music, without the texts that describe one."""
    return sum(context != TEXT_BESIDE for *_, context in ledger.file_rows())
