"""Writes records.sqlite: the same bytes for the same pieces, whatever the history of the library."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmbert.facets import FACETS, from_mapping
from mmbert.store import files
from mmbert.store.schema import INDEXES, PLACE, SCHEMA, TABLES, TEXT_COLUMNS
from mmbert.store.vectors import PHRASE_SPACES
from mmbert.titles import printable, title_of
from mmbert.types import Facets
from mmbert_indexer.live import LivePiece

_COLUMNS = ("id", "uid", "sha256", "number", "kind", "path", "windows", *FACETS, "facets", "metadata")
_NAMES, _MARKS = ", ".join(f'"{c}"' for c in _COLUMNS), ", ".join("?" * len(_COLUMNS))
_LISTS = tuple(name for name, fact in FACETS.items() if fact.kind == "list")
_INSERT = f"INSERT INTO piece({_NAMES}) VALUES({_MARKS})"


class RecordsWriter:
    """A new records.sqlite; rows are added in generation order.

    Args:
        path: The file, which must not exist.
        sources: Source folders, bytes; folder names below them are searchable.
    """

    def __init__(self, path: Path, sources: Iterable[bytes]) -> None:
        self.path = path
        self._sources = sorted(sources, key=len, reverse=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        # Nobody reads this file before it is synced and named, so it needs no journal of its own.
        self._db.execute("PRAGMA journal_mode=MEMORY")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(TABLES)
        self._db.execute("BEGIN")
        self._db.execute("INSERT INTO meta VALUES('schema', ?)", [str(SCHEMA)])
        self.pieces = self.windows = 0
        self.phrases = dict.fromkeys(PHRASE_SPACES.values(), 0)  # rows of each space

    def add(self, piece: LivePiece) -> None:
        """One piece with its files, windows, lists and words."""
        row, facets = self.pieces, _titled(piece)
        known = facets.known()
        values = [json.dumps(v) if isinstance(v := known.get(name), list) else v for name in FACETS]
        n = piece.vectors.windows
        head = [row, piece.uid, piece.sha256, piece.number, piece.kind, piece.files[0][0], n]
        tail = [json.dumps(known), json.dumps(piece.metadata, sort_keys=True)]
        self._db.execute(_INSERT, [*head, *values, *tail])
        shown = [(row, path, _shown(path), size) for path, size in piece.files]
        self._db.executemany("INSERT INTO file VALUES(?,?,?,?)", shown)
        places = np.frombuffer(piece.vectors.places, PLACE).tolist()
        rows = [
            (self.windows + i, row, i, start_s, end_s, *(None if bar < 0 else bar for bar in bars))
            for i, (start_s, end_s, *bars) in enumerate(places)
        ]
        self._db.executemany("INSERT INTO window VALUES(?,?,?,?,?,?,?)", rows)
        if piece.melody:
            self._db.execute("INSERT INTO melody VALUES(?,?)", [row, piece.melody])
        if piece.chroma:
            self._db.execute("INSERT INTO chroma VALUES(?,?)", [row, piece.chroma])
        if piece.sounds:
            one = len(piece.sounds) // (1 + n)
            self._db.execute("INSERT INTO heard VALUES(?,?,?)", [row, piece.sounds[:one], piece.sounds[one:]])
        if kept := piece.phrases:
            self._db.execute("INSERT INTO phrases VALUES(?,?,?,?)", [row, kept.heads, kept.parts, kept.notes])
            self.phrases = {space: n + kept.rows[space] for space, n in self.phrases.items()}
        lists = {(name, value, row) for name in _LISTS for value in known.get(name, ())}
        self._db.executemany("INSERT INTO facet VALUES(?,?,?)", sorted(lists))
        self._add_words(row, piece, facets)
        self.pieces, self.windows = row + 1, self.windows + n

    def _add_words(self, row: int, piece: LivePiece, facets: Facets) -> None:
        words = {
            "title": facets.title,
            "composer": facets.composer,
            "names": " ".join(dict.fromkeys(_spaced(_stem(path)) for path, _ in piece.files)),
            "description": " ".join(filter(None, map(piece.metadata.get, ("description", "album")))),
            "form": facets.form,
            "instruments": " ".join(facets.instruments),
            "folders": " ".join(dict.fromkeys(self._folders(path) for path, _ in piece.files)),
        }
        marks = ",".join("?" * (len(TEXT_COLUMNS) + 1))
        columns = ",".join(TEXT_COLUMNS)
        self._db.execute(
            f"INSERT INTO fts(rowid,{columns}) VALUES({marks})", [row, *(words[c] or "" for c in TEXT_COLUMNS)]
        )

    def _folders(self, path: bytes) -> str:
        folder = os.path.dirname(path)
        root = next((s for s in self._sources if folder.startswith(s.rstrip(b"/") + b"/")), folder)
        return _spaced(_shown(folder[len(root) :]))

    def finish(self) -> None:
        """Order, compact and sync the file."""
        self._db.execute("INSERT INTO fts(fts) VALUES('optimize')")
        self._db.executescript(INDEXES)
        files.disk.commit(self._db)
        self._db.execute("ANALYZE")
        self._db.execute("VACUUM")
        self._db.close()
        files.sync_path(self.path)

    def abandon(self) -> None:
        """Close without finishing."""
        self._db.close()


def _titled(piece: LivePiece) -> Facets:
    """The piece's facets with its title: from the file, else from its present name."""
    facets = from_mapping(json.loads(piece.vectors.facets))
    number = piece.number if piece.of_many else None
    return replace(facets, title=title_of(piece.metadata.get("title"), os.fsdecode(piece.files[0][0]), number))


def _shown(path: bytes) -> str:
    """A path for people."""
    return printable(os.fsdecode(path))


def _stem(path: bytes) -> str:
    return _shown(os.path.splitext(os.path.basename(path))[0])


def _spaced(name: str) -> str:
    """A name, with the words that are written together in it apart as well.

    >>> _spaced("MoonlightSonata-op27"), _spaced("slow_air")
    ('MoonlightSonata-op27 Moonlight Sonata op 27', 'slow_air')
    """
    apart = re.findall(r"[^\W\d_]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])|\d+", name)
    whole = re.findall(r"[^\W_]+", name)
    return f"{name} {' '.join(w for w in apart if w not in whole)}".rstrip()
