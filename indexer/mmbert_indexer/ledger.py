"""work/ledger.sqlite: what was seen, read, embedded and refused. It is the authority over the shards.

Nothing here is needed to read a library; without it a build starts over. A row is written only after what it refers
to is on the disk, so a killed build loses at most the batch it was working on.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert.store import files
from mmbert_indexer.phrases import NUMBER, KeptPhrases, PhraseMaker
from mmbert_indexer.scan import FileState

TABLES = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file(path BLOB PRIMARY KEY, size INT, mtime_ns INT, inode INT,
  sha256 BLOB, suffix TEXT, context TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parse(sha256 BLOB, suffix TEXT, context TEXT, reader TEXT, rejects TEXT,
  PRIMARY KEY(sha256, suffix, context, reader)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS piece(sha256 BLOB, suffix TEXT, context TEXT, reader TEXT, number INT, kind TEXT,
  metadata TEXT, PRIMARY KEY(sha256, suffix, context, reader, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS melody(sha256 BLOB, suffix TEXT, context TEXT, reader TEXT, number INT, notes BLOB,
  PRIMARY KEY(sha256, suffix, context, reader, number));
CREATE TABLE IF NOT EXISTS phrases(sha256 BLOB, suffix TEXT, context TEXT, reader TEXT, number INT,
  digest BLOB, heads BLOB, parts TEXT, notes BLOB, PRIMARY KEY(sha256, suffix, context, reader, number));
CREATE TABLE IF NOT EXISTS chroma(sha256 BLOB, suffix TEXT, context TEXT, reader TEXT, number INT, frames BLOB,
  PRIMARY KEY(sha256, suffix, context, reader, number));
CREATE TABLE IF NOT EXISTS heard(sha256 BLOB, number INT, fingerprint TEXT, ears TEXT, sounds BLOB, chroma BLOB,
  PRIMARY KEY(sha256, number, fingerprint));
CREATE TABLE IF NOT EXISTS vector(sha256 BLOB, number INT, fingerprint TEXT, reader TEXT, error TEXT,
  shard INT, "row" INT, windows INT, crc32 INT, places BLOB, facets TEXT,
  PRIMARY KEY(sha256, number, fingerprint)) WITHOUT ROWID;
"""
# A vector is kept whatever reads the files now, but a recording's only as long as the same ears would hear the same; a
# refusal only as long as the same code would refuse.
_KNOWN_VECTOR = """v.fingerprint=:fingerprint AND (v.error IS NULL OR v.reader=:reader) AND NOT EXISTS (
  SELECT 1 FROM heard h WHERE h.sha256=v.sha256 AND h.number=v.number AND h.fingerprint=v.fingerprint
  AND h.ears IS NOT :ears)"""
_NO_EARS = "ALTER TABLE heard ADD COLUMN ears TEXT"  # of a ledger that did not keep by what it was heard
_UNMADE = f"""
SELECT f.sha256, f.suffix, f.context, min(f.path) FROM file f
LEFT JOIN parse p ON p.sha256=f.sha256 AND p.suffix=f.suffix AND p.context=f.context AND p.reader=:reader
WHERE p.sha256 IS NULL OR EXISTS (
  SELECT 1 FROM piece i WHERE i.sha256=f.sha256 AND i.suffix=f.suffix AND i.context=f.context AND i.reader=:reader
  AND NOT EXISTS (SELECT 1 FROM vector v WHERE v.sha256=i.sha256 AND v.number=i.number AND {_KNOWN_VECTOR}))
GROUP BY f.sha256, f.suffix, f.context ORDER BY min(f.path)
"""
_PHRASES_UNMADE = """
SELECT DISTINCT p.digest FROM phrases p JOIN file f USING(sha256, suffix, context)
WHERE p.reader=? AND NOT EXISTS (
  SELECT 1 FROM vector v WHERE v.sha256=p.digest AND v.number=? AND v.fingerprint=? AND (v.error IS NULL OR v.reader=?))
ORDER BY 1
"""
_THE_PIECE = "sha256=? AND suffix=? AND context=? AND reader=? AND number=?"

_CORRUPT, _NO_DATABASE = 11, 26  # of SQLite's results


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the ledger's bytes are not what they were, and not that they cannot be had now."""
    return getattr(error, "sqlite_errorcode", _CORRUPT) & 0xFF in (_CORRUPT, _NO_DATABASE)


@dataclass(frozen=True)
class Maker:
    """Which model and which reading code are at work.

    Attributes:
        fingerprint: Of the embedder's weights.
        reader: Digest of the code that reads and measures files; what it refused is tried again by other code.
        ears: Digest of the network and the code that hear recordings; what others heard is heard again. None of a
            ledger that did not keep it.
        phrases: The model of phrases; None where there is none.
    """

    fingerprint: str
    reader: str
    ears: str | None
    phrases: PhraseMaker | None = None

    @property
    def models(self) -> set[str]:
        """Names under which the ledger keeps their vectors."""
        return {self.fingerprint, *(self.phrases.models.values() if self.phrases else ())}


@dataclass(frozen=True)
class VectorRow:
    """Where the vectors of one piece lie, or why there are none (``error``).

    Those of a piece's phrases are kept alike: in place of the piece's vector that of the first phrase, in place of its
    windows' those of the others; no shard where there are none.

    Attributes:
        sha256: Digest of the file's bytes, binary; of phrases theirs.
        number: Which piece within it.
        shard: Number of the shard.
        row: Its first row there: the piece's vector, those of its windows behind it.
        windows: How many.
        crc32: Of the rows' bytes.
        places: Of the windows, :data:`mmbert.store.schema.PLACE` as bytes.
        facets: JSON.
        error: JSON of (stage, code, fault, hint), or None.
    """

    sha256: bytes
    number: int
    shard: int | None = None
    row: int | None = None
    windows: int = 0
    crc32: int = 0
    places: bytes = b""
    facets: str = ""
    error: str | None = None


@dataclass(frozen=True)
class ReadPiece:
    """What a reader found: the kind, what the file states in words, the melody as ``TUNE_NOTE`` bytes, the phrases, and
    the bytes of a score's chroma sequence."""

    kind: str
    metadata: dict[str, str]
    melody: bytes
    phrases: KeptPhrases
    chroma: bytes = b""


@dataclass(frozen=True)
class Key:
    """What is read once however many files hold it."""

    sha256: bytes
    suffix: str
    context: str


class Ledger:
    """The open ledger. Changes are kept by :meth:`commit` and by nothing else."""

    def __init__(self, work: Path) -> None:
        self.path = work / "ledger.sqlite"
        self.connection = sqlite3.connect(self.path, isolation_level="DEFERRED")
        try:
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=FULL")
            self.connection.executescript(TABLES)
            if "ears" not in {column for _, column, *_ in self.connection.execute("PRAGMA table_info(heard)")}:
                self.connection.execute(_NO_EARS)
            if self.connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("a page of it is not as it was written")
        except sqlite3.Error:
            self.connection.close()
            raise

    def commit(self) -> None:
        """Make all changes since the last commit last."""
        files.disk.commit(self.connection)

    def rollback(self) -> None:
        """Forget all changes since the last commit."""
        if self.connection.in_transaction:  # SQLite has rolled back by itself where the disk was full
            self.connection.rollback()

    def close(self) -> None:
        """Close the database; its WAL goes into it."""
        self.connection.close()

    # ---- what the library is made of ------------------------------------------------------------------

    def get(self, key: str, default: Any = None) -> Any:
        """A remembered value."""
        row = self.connection.execute("SELECT value FROM meta WHERE key=?", [key]).fetchone()
        return default if row is None else json.loads(row[0])

    def put(self, key: str, value: Any) -> None:
        """Remember a value (JSON)."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES(?,?)", [key, json.dumps(value)])

    def states(self) -> dict[str, FileState]:
        """Files as the last build saw them."""
        rows = self.connection.execute("SELECT path, size, mtime_ns, inode, sha256, context FROM file")
        return {
            (name := os.fsdecode(path)): FileState(name, size, mtime, inode, sha.hex(), context)
            for path, size, mtime, inode, sha, context in rows
        }

    def set_states(self, states: Iterable[FileState]) -> None:
        """Replace the list of files."""
        self.connection.execute("DELETE FROM file")
        self.connection.executemany("INSERT INTO file VALUES(?,?,?,?,?,?,?)", map(_file_row, states))

    def set_state(self, state: FileState) -> None:
        """Replace one file's state."""
        self.connection.execute("INSERT OR REPLACE INTO file VALUES(?,?,?,?,?,?,?)", _file_row(state))

    def forget_file(self, path: str) -> None:
        """Take one file off the list."""
        self.connection.execute("DELETE FROM file WHERE path=?", [os.fsencode(path)])

    # ---- what is done ---------------------------------------------------------------------------------

    def maker(self, fingerprint: str, phrases: PhraseMaker | None = None) -> Maker:
        """A model with the reading code and the ears of what was published last."""
        return Maker(fingerprint, self.get("reader", ""), self.get("ears"), phrases)

    def todo(self, maker: Maker) -> list[tuple[Key, str]]:
        """What is to be read, with the first of its files, in order of path."""
        rows = self.connection.execute(_UNMADE, _made_by(maker))
        return [(Key(sha, suffix, context), os.fsdecode(path)) for sha, suffix, context, path in rows]

    def contents(self) -> int:
        """How many different contents the files have."""
        statement = "SELECT count(*) FROM (SELECT DISTINCT sha256, suffix, context FROM file)"
        return self.connection.execute(statement).fetchone()[0]

    def vectors_of(self, sha256: bytes, maker: Maker) -> set[int]:
        """Numbers of the pieces of a content that need no embedding."""
        statement = f"SELECT number FROM vector v WHERE v.sha256=:sha256 AND {_KNOWN_VECTOR}"
        return {number for (number,) in self.connection.execute(statement, {"sha256": sha256, **_made_by(maker)})}

    def add_piece(self, key: Key, maker: Maker, number: int, read: ReadPiece) -> None:
        """A piece that a reader found."""
        words = json.dumps(read.metadata, sort_keys=True)
        the_piece = [key.sha256, key.suffix, key.context, maker.reader, number]
        self.connection.execute("INSERT OR REPLACE INTO piece VALUES(?,?,?,?,?,?,?)", [*the_piece, read.kind, words])
        # A reading that was cut off may have left other notes; what has none needs no row.
        for table in ("melody", "phrases", "chroma"):
            self.connection.execute(f"DELETE FROM {table} WHERE {_THE_PIECE}", the_piece)
        if read.melody:
            self.connection.execute("INSERT INTO melody VALUES(?,?,?,?,?,?)", [*the_piece, read.melody])
        if read.chroma:
            self.connection.execute("INSERT INTO chroma VALUES(?,?,?,?,?,?)", [*the_piece, read.chroma])
        if kept := read.phrases:
            values = [*the_piece, kept.digest, kept.heads, kept.parts, kept.notes]
            self.connection.execute("INSERT INTO phrases VALUES(?,?,?,?,?,?,?,?,?)", values)

    def add_parse(self, key: Key, maker: Maker, rejects: list[tuple[str, str, str, str]]) -> None:
        """A content that was read to its end, and what was refused on the way."""
        values = [key.sha256, key.suffix, key.context, maker.reader, json.dumps(rejects)]
        self.connection.execute("INSERT OR REPLACE INTO parse VALUES(?,?,?,?,?)", values)

    def add_vector(self, maker: Maker, row: VectorRow) -> None:
        """Where a piece's vectors lie, or why it has none."""
        made = (maker.fingerprint, maker.reader, row.error)
        values = (row.sha256, row.number, *made, row.shard, row.row, row.windows, row.crc32, row.places, row.facets)
        self.connection.execute(f"INSERT OR REPLACE INTO vector VALUES({','.join('?' * 11)})", values)

    def add_heard(self, maker: Maker, row: VectorRow, sounds: bytes, chroma: bytes) -> None:
        """What was heard in a recording, beside its vectors."""
        values = (row.sha256, row.number, maker.fingerprint, maker.ears, sounds, chroma)
        columns = "sha256, number, fingerprint, ears, sounds, chroma"  # an older ledger has them in another order
        self.connection.execute(f"INSERT OR REPLACE INTO heard({columns}) VALUES(?,?,?,?,?,?)", values)

    def heard(self, sha256: bytes, number: int, fingerprint: str) -> tuple[bytes, bytes]:
        """(logits of named sounds, float16 [1 + windows, 527]; chroma sequence) of a recording as bytes, else empty."""
        statement = "SELECT sounds, chroma FROM heard WHERE sha256=? AND number=? AND fingerprint=?"
        return self.connection.execute(statement, [sha256, number, fingerprint]).fetchone() or (b"", b"")

    def forget_vectors(self, keys: Iterable[tuple[bytes, int]], fingerprint: str) -> None:
        """Vectors that turned out to be damaged, and what was heard when they were made."""
        rows = [(sha, number, fingerprint) for sha, number in keys]
        for table in ("vector", "heard"):
            self.connection.executemany(f"DELETE FROM {table} WHERE sha256=? AND number=? AND fingerprint=?", rows)

    def forget_rejects(self) -> None:
        """Let everything that was refused be tried again."""
        self.connection.execute("DELETE FROM parse WHERE rejects<>'[]'")
        self.connection.execute("DELETE FROM vector WHERE error IS NOT NULL")

    # ---- phrases --------------------------------------------------------------------------------------

    def phrases_todo(self, maker: Maker) -> list[bytes]:
        """Digests of the phrases that lack vectors, in order; none where no model of phrases is at work."""
        found: set[bytes] = set()
        for model in maker.phrases.models.values() if maker.phrases else ():
            rows = self.connection.execute(_PHRASES_UNMADE, [maker.reader, NUMBER, model, maker.reader])
            found |= {digest for (digest,) in rows}
        return sorted(found)

    def has_phrase_vectors(self, digest: bytes, maker: Maker) -> bool:
        """Whether some phrases need no embedding."""
        models = maker.phrases.models.values() if maker.phrases else ()
        rows = [self.vector_rows(digest, model).get(NUMBER) for model in models]
        return all(row is not None and row.error is None for row in rows)

    def kept_phrases(self, digest: bytes) -> KeptPhrases:
        """Phrases by their digest.

        Raises:
            KeyError: there are none.
        """
        row = self.connection.execute("SELECT heads, notes, parts FROM phrases WHERE digest=?", [digest]).fetchone()
        if row is None:
            raise KeyError(digest.hex())
        return KeptPhrases(*row)

    def phrase_bytes(self, maker: Maker) -> int:
        """Bytes of the phrases' vectors in the next generation, about."""
        if maker.phrases is None:
            return 0
        statement = """SELECT ifnull(sum(1 + windows), 0) FROM vector WHERE fingerprint=? AND shard NOT NULL"""
        return sum(
            2 * maker.phrases.dims[space] * self.connection.execute(statement, [model]).fetchone()[0]
            for space, model in maker.phrases.models.items()
        )

    # ---- shards ---------------------------------------------------------------------------------------

    def shard_rows(self, fingerprint: str) -> dict[int, int]:
        """Rows that are in use, counted from the start, of each shard."""
        statement = (
            'SELECT shard, max("row" + 1 + windows) FROM vector WHERE fingerprint=? AND shard NOT NULL GROUP BY 1'
        )
        return dict(self.connection.execute(statement, [fingerprint]))

    def models(self) -> list[str]:
        """Fingerprints of the models of whose vectors any are kept."""
        rows = self.connection.execute("SELECT DISTINCT fingerprint FROM vector WHERE shard NOT NULL ORDER BY 1")
        return [fingerprint for (fingerprint,) in rows]

    def size(self, maker: Maker) -> tuple[int, int]:
        """(pieces, rows) of what the files hold: of the next generation."""
        statement = """SELECT count(*), ifnull(sum(1 + windows), 0) FROM vector
          WHERE fingerprint=? AND shard NOT NULL AND sha256 IN (SELECT sha256 FROM file)"""
        return self.connection.execute(statement, [maker.fingerprint]).fetchone()

    def embedded(self, fingerprint: str) -> set[tuple[bytes, int]]:
        """(sha256, number) of every piece that has vectors."""
        statement = "SELECT sha256, number FROM vector WHERE fingerprint=? AND shard NOT NULL"
        return set(self.connection.execute(statement, [fingerprint]))

    def blocks(self, fingerprint: str, shard: int) -> list[tuple[tuple[bytes, int], int, int, int]]:
        """((sha256, number), first row, rows, crc32) of every piece in a shard."""
        statement = 'SELECT sha256, number, "row", 1 + windows, crc32 FROM vector WHERE fingerprint=? AND shard=?'
        rows = self.connection.execute(statement, [fingerprint, shard])
        return [((sha, number), row, n, crc32) for sha, number, row, n, crc32 in rows]

    def forget_beyond(self, fingerprint: str, shard: int, rows: int) -> None:
        """Vectors that lie beyond the end of a shard that was cut, or of one that is gone (0 rows)."""
        self.connection.execute(
            'DELETE FROM vector WHERE fingerprint=? AND shard=? AND "row" + 1 + windows > ?', [fingerprint, shard, rows]
        )

    def forget_models(self, kept: Iterable[str], reader: str) -> None:
        """Drop the work of models that no kept generation was made with, and what older code had read."""
        kept = list(kept)
        marks = ",".join("?" * len(kept))
        for table in ("vector", "heard"):
            self.connection.execute(f"DELETE FROM {table} WHERE fingerprint NOT IN ({marks})", kept)
        for table in ("parse", "piece", "melody", "phrases", "chroma"):
            self.connection.execute(f"DELETE FROM {table} WHERE reader<>?", [reader])

    # ---- for publishing -------------------------------------------------------------------------------

    def file_rows(self) -> Iterator[tuple[bytes, bytes, int, str, str]]:
        """(sha256, path, size, suffix, context) of every file, by content and path."""
        return iter(
            self.connection.execute("SELECT sha256, path, size, suffix, context FROM file ORDER BY sha256, path")
        )

    def pieces_of(self, key: Key, reader: str) -> dict[int, ReadPiece]:
        """number -> the pieces that were read; empty where reading was not finished."""
        statement = """SELECT i.number, i.kind, i.metadata, m.notes, c.frames, r.heads, r.notes, r.parts
          FROM parse p JOIN piece i USING(sha256, suffix, context, reader)
          LEFT JOIN melody m USING(sha256, suffix, context, reader, number)
          LEFT JOIN chroma c USING(sha256, suffix, context, reader, number)
          LEFT JOIN phrases r USING(sha256, suffix, context, reader, number)
          WHERE p.sha256=? AND p.suffix=? AND p.context=? AND p.reader=?"""
        rows = self.connection.execute(statement, [key.sha256, key.suffix, key.context, reader])
        return {
            number: ReadPiece(kind, json.loads(words), melody or b"", _phrases(*some), chroma or b"")
            for number, kind, words, melody, chroma, *some in rows
        }

    def refusals_of(self, key: Key, reader: str) -> list[tuple[str, str, str, str]]:
        """(stage, code, fault, hint) of what a reader refused."""
        statement = "SELECT rejects FROM parse WHERE sha256=? AND suffix=? AND context=? AND reader=?"
        row = self.connection.execute(statement, [key.sha256, key.suffix, key.context, reader]).fetchone()
        return [] if row is None else [tuple(r) for r in json.loads(row[0])]

    def vector_rows(self, sha256: bytes, fingerprint: str) -> dict[int, VectorRow]:
        """number -> where its vectors lie."""
        statement = """SELECT sha256, number, shard, "row", windows, crc32, places, facets, error FROM vector
          WHERE sha256=? AND fingerprint=?"""
        return {r[1]: VectorRow(*r) for r in self.connection.execute(statement, [sha256, fingerprint])}


def _made_by(maker: Maker) -> dict[str, str | None]:
    return {"fingerprint": maker.fingerprint, "reader": maker.reader, "ears": maker.ears}


def _phrases(heads: bytes | None, notes: bytes, parts: str) -> KeptPhrases:
    return KeptPhrases(heads, notes, parts) if heads else KeptPhrases()


def _file_row(s: FileState) -> tuple[bytes, int, int, int, bytes, str, str]:
    # A negative inode or time beyond 63 bits does not fit SQLite's integer; the low bits tell a change as well.
    low = (1 << 63) - 1
    return (os.fsencode(s.path), s.size, s.mtime_ns & low, s.inode & low, bytes.fromhex(s.sha256), s.suffix, s.context)
