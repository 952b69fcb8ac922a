"""Records of a generation: pieces, their facets, files and windows, and full text over what they say."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from mmbert.facets import from_mapping
from mmbert.store.columns import Columns
from mmbert.store.manifest import DamageError
from mmbert.store.schema import TEXT_COLUMNS
from mmbert.symbolic.phrase_lines import PHRASE, PhraseLines, unpacked
from mmbert.symbolic.tune_line import TUNE_NOTE
from mmbert.types import Condition, Facets, Place

TERMS_AT_MOST, TERM_LENGTH = 64, 200  # of one question
_MELODIES = "SELECT m.notes FROM piece p LEFT JOIN melody m ON m.piece_id=p.id ORDER BY p.id"
_HEARD = "SELECT piece_id, piece FROM heard"
_CHROMA = "SELECT c.frames FROM piece p LEFT JOIN chroma c ON c.piece_id=p.id ORDER BY p.id"
_HEADS = "SELECT p.heads FROM piece LEFT JOIN phrases p ON p.piece_id=piece.id ORDER BY piece.id"
KEYS_AT_ONCE = 500  # variables of one statement; every SQLite takes 999


@dataclass(frozen=True)
class PieceTable:
    """One row a piece, in generation order (by uid). Text columns are object arrays of ``str``.

    Attributes:
        uid: Stable id: digest of the content, and number within it.
        path: First of the piece's files, decoded as Python does (``os.fsencode`` gives its bytes back).
        number: Which piece within the file, int32.
        kind: ``score``, ``recording`` or ``text``.
        title: Title from the file, else from its name.
        composer: Composer, or None.
        form: What the file calls itself, or None.
        sha256: Hex digest of the file's bytes.
        windows: Number of window rows, int32.
    """

    uid: np.ndarray
    path: np.ndarray
    number: np.ndarray
    kind: np.ndarray
    title: np.ndarray
    composer: np.ndarray
    form: np.ndarray
    sha256: np.ndarray
    windows: np.ndarray

    def __len__(self) -> int:
        return len(self.uid)


class WindowTable:
    """The window rows: those of a piece follow each other, pieces in generation order.

    Attributes:
        piece: int32 [W], piece row of each window row.
    """

    def __init__(self, records: Records, counts: np.ndarray) -> None:
        self._records = records
        self._start = np.r_[0, np.cumsum(counts)].astype(np.int64)
        self.piece = np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    def __len__(self) -> int:
        return len(self.piece)

    def of_piece(self, row: int) -> np.ndarray:
        """Window rows of a piece, int64."""
        return np.arange(self._start[row], self._start[row + 1])

    def place(self, window_row: int) -> Place:
        """Where in its piece a window lies."""
        return self._records.places([window_row])[int(window_row)]


class Records:
    """records.sqlite, opened without a lock or a temporary file; may be used from several threads."""

    def __init__(self, path: Path) -> None:
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            self._connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        except sqlite3.OperationalError as e:
            raise DamageError(f"records.sqlite cannot be opened ({e})") from e
        self._connection.execute("PRAGMA query_only=ON")
        self._lock = Lock()
        self.columns = Columns(self._column)
        self._known = frozenset(name for _, name, *_ in self._all("PRAGMA table_info(piece)"))

    def _all(self, statement: str, values: Iterable[Any] = ()) -> list[tuple]:
        try:
            with self._lock:
                return self._connection.execute(statement, tuple(values)).fetchall()
        except sqlite3.DatabaseError as e:
            raise DamageError(f"records.sqlite cannot be read ({e})") from e

    def _column(self, name: str) -> list:
        if name not in self._known:  # older records know fewer facets, and SQLite takes the name for its value
            return [None] * self._all("SELECT count(*) FROM piece")[0][0]
        return [v for (v,) in self._all(f'SELECT "{name}" FROM piece ORDER BY id')]

    def piece_table(self) -> PieceTable:
        """The columns of all pieces."""
        names = "uid, path, number, kind, title, composer, form, hex(sha256), windows"
        rows = self._all(f"SELECT {names} FROM piece ORDER BY id")
        uid, path, number, kind, title, composer, form, sha256, windows = zip(*rows) if rows else ((),) * 9
        return PieceTable(
            uid=_objects(uid),
            path=_objects([os.fsdecode(p) for p in path]),
            number=np.array(number, np.int32),
            kind=_objects(kind),
            title=_objects(title),
            composer=_objects(composer),
            form=_objects(form),
            sha256=_objects([s.lower() for s in sha256]),
            windows=np.array(windows, np.int32),
        )

    def facets(self, rows: Iterable[int]) -> dict[int, Facets]:
        """Measured facts of some pieces.

        Raises:
            IndexError: a row is not in this generation.
        """
        return {row: from_mapping(json.loads(text)) for row, text in self._each("SELECT id, facets FROM piece", rows)}

    def metadata(self, rows: Iterable[int]) -> dict[int, dict[str, str]]:
        """What the files of some pieces state in words."""
        return {row: json.loads(text) for row, text in self._each("SELECT id, metadata FROM piece", rows)}

    def paths(self, rows: Iterable[int]) -> dict[int, list[str]]:
        """All files of some pieces, in order."""
        found: dict[int, list[str]] = {}
        for row, path in self._each("SELECT piece_id, path FROM file", rows, key="piece_id", order="path"):
            found.setdefault(row, []).append(os.fsdecode(path))
        return found

    def places(self, window_rows: Iterable[int]) -> dict[int, Place]:
        """Where in their pieces some windows lie."""
        statement = 'SELECT "row", start_s, end_s, start_bar, end_bar FROM window'
        return {row: Place(*place) for row, *place in self._each(statement, window_rows, key='"row"')}

    def melodies(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(notes of each piece's melody, int64 [n_pieces]; all of them, ``TUNE_NOTE`` [N]); None where none are kept.

        Raises:
            DamageError: what is kept are no melodies.
        """
        if not self._has("melody"):
            return None
        kept = [notes or b"" for (notes,) in self._all(_MELODIES)]
        try:
            notes = np.frombuffer(b"".join(kept), TUNE_NOTE)
        except ValueError as e:
            raise DamageError("records.sqlite holds a melody that is none") from e
        return np.array([len(some) for some in kept], np.int64) // TUNE_NOTE.itemsize, notes

    def chroma(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(frames of each piece, int64 [n_pieces]; all of them, uint8 [N, 12]); None where none are kept.

        Raises:
            DamageError: what is kept are no chroma sequences.
        """
        if not self._has("chroma"):
            return None
        kept = [frames or b"" for (frames,) in self._all(_CHROMA)]
        counts = np.array([len(some) for some in kept], np.int64)
        if (counts % 12).any():
            raise DamageError("records.sqlite holds a chroma sequence that is none")
        return counts // 12, np.frombuffer(b"".join(kept), np.uint8).reshape(-1, 12)

    def heard(self, sounds: int) -> tuple[np.ndarray, np.ndarray]:
        """(rows of recordings, int64 [r]; logits of the sounds that are heard in them, float16 [r, sounds]).

        Raises:
            DamageError: what is kept are no logits of so many sounds.
        """
        kept = self._all(f"{_HEARD} ORDER BY piece_id") if self._has("heard") else []
        logits = _logits([piece for _, piece in kept], sounds)
        return np.array([row for row, _ in kept], np.int64), logits

    def heard_in(self, row: int, sounds: int) -> np.ndarray | None:
        """Logits of the sounds heard in one recording, float16 [sounds]; None in a library that keeps none.

        Raises:
            DamageError: as :meth:`heard`.
        """
        if not self._has("heard"):
            return None
        return _logits([piece for _, piece in self._each(_HEARD, [row], key="piece_id")], sounds)[0]

    def heard_windows(self, rows: Iterable[int], sounds: int) -> dict[int, np.ndarray]:
        """Logits of the sounds that are heard in the windows of some recordings, float16 [windows, sounds] of each.

        Raises:
            DamageError: as :meth:`heard`.
        """
        found = self._each("SELECT piece_id, windows FROM heard", rows, key="piece_id")
        return {row: _logits([windows], sounds) for row, windows in found}

    def _has(self, table: str) -> bool:
        return bool(self._all("SELECT 1 FROM sqlite_master WHERE type='table' AND name=?", [table]))

    def phrase_heads(self) -> tuple[np.ndarray, np.ndarray]:
        """(phrases of each piece, int64 [n_pieces]; all of them, ``PHRASE`` [P]), in order of piece.

        Raises:
            DamageError: what is kept are no phrases.
        """
        kept = [heads or b"" for (heads,) in self._all(_HEADS)]
        try:
            heads = np.frombuffer(b"".join(kept), PHRASE)
        except ValueError as e:
            raise DamageError("records.sqlite holds a phrase that is none") from e
        return np.array([len(some) for some in kept], np.int64) // PHRASE.itemsize, heads

    def phrases(self, rows: Iterable[int]) -> dict[int, PhraseLines]:
        """All phrases of some pieces that have any.

        Raises:
            DamageError: what is kept are no phrases.
        """
        statement = "SELECT piece_id, heads, parts, notes FROM phrases"
        return {row: _phrases(*kept) for row, *kept in self._each(statement, rows, key="piece_id")}

    def _each(self, statement: str, rows: Iterable[int], *, key: str = "id", order: str = "") -> list[tuple]:
        """Rows of a table by their key: one statement for as many as SQLite takes at once."""
        wanted = list(dict.fromkeys(map(int, rows)))
        found: list[tuple] = []
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            keys = wanted[start : start + KEYS_AT_ONCE]
            marks = ",".join("?" * len(keys))
            found += self._all(f"{statement} WHERE {key} IN ({marks})" + (f" ORDER BY {order}" if order else ""), keys)
        if len({row[0] for row in found}) < len(wanted):
            missing = set(wanted) - {row[0] for row in found}
            raise IndexError(f"row {min(missing)} is not in this generation")
        return found

    def fits(self, condition: Condition) -> np.ndarray:
        """int8 [n_pieces]: 1 true, 0 false, -1 unknown."""
        return self.columns.fits(condition)

    def full_text(self, terms: Iterable[str], limit: int) -> list[tuple[int, float]]:
        """Pieces that hold any of the terms: (row, bm25, higher is better), best first, ties in order of row.

        Any text is a term: each is quoted, several words in one are a phrase, accents and case do not count, and
        the last one matches the beginning of a word.
        """
        question = _match_expression(terms)
        if not question:
            return []
        weights = ", ".join(str(w) for w in TEXT_COLUMNS.values())
        statement = (
            f"SELECT rowid, bm25(fts, {weights}) AS cost FROM fts WHERE fts MATCH ? ORDER BY cost, rowid LIMIT ?"
        )
        return [(row, -cost) for row, cost in self._all(statement, (question, int(limit)))]

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def _logits(kept: list[bytes], sounds: int) -> np.ndarray:
    try:
        return np.frombuffer(b"".join(kept), "<f2").reshape(-1, sounds)
    except ValueError as e:
        raise DamageError("records.sqlite holds sounds that are none") from e


def _phrases(heads: bytes, parts: str, notes: bytes) -> PhraseLines:
    try:
        read = np.frombuffer(heads, PHRASE)
        n = int(read["melody"].sum(dtype=np.int64) + read["accompaniment"].sum(dtype=np.int64))
        return PhraseLines(read, unpacked(notes, n), tuple((name, program) for name, program in json.loads(parts)))
    except ValueError as e:
        raise DamageError("records.sqlite holds phrases that are none") from e


def _objects(values: Iterable[Any]) -> np.ndarray:
    values = list(values)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _match_expression(terms: Iterable[str]) -> str:
    """An FTS5 expression in which nothing that a person typed is syntax."""
    quoted = []
    for term in list(terms)[:TERMS_AT_MOST]:
        text = term[:TERM_LENGTH].replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
        if any(c.isalnum() for c in text):
            quoted.append('"' + text.replace('"', '""') + '"')
    return " OR ".join(quoted) + " *" if quoted else ""
