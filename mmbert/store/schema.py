"""The tables of records.sqlite: readable with ``sqlite3``, and the same bytes for the same pieces."""

from __future__ import annotations

import numpy as np

from mmbert.facets import FACETS

SCHEMA = 4  # 2: melodies, 3: phrases, 4: recordings and chroma sequences
_TYPES = {"number": "REAL", "flag": "INT"}
# name -> weight of a match in bm25; the columns of the full text, in this order
TEXT_COLUMNS = {
    "title": 10.0,
    "composer": 8.0,
    "names": 5.0,  # words of the file's names
    "description": 4.0,  # and the album of a recording
    "form": 3.0,
    "instruments": 2.0,
    "folders": 1.0,  # words of the folders between the source and the file
}
FACET_COLUMNS = ", ".join(f'"{name}" {_TYPES.get(fact.kind, "TEXT")}' for name, fact in FACETS.items())

TABLES = f"""
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE piece(
  id INTEGER PRIMARY KEY,             -- row number in the generation, from 0, in order of uid
  uid TEXT UNIQUE NOT NULL, sha256 BLOB NOT NULL, number INT NOT NULL, kind TEXT NOT NULL,
  path BLOB NOT NULL,                 -- first of its files, bytes as the file system has them
  windows INT NOT NULL,               -- how many window rows; they follow each other in order of id
  {FACET_COLUMNS},                    -- lists as JSON
  facets TEXT NOT NULL, metadata TEXT NOT NULL,  -- JSON
  UNIQUE(sha256, number));
CREATE TABLE file(piece_id INT NOT NULL, path BLOB NOT NULL, path_shown TEXT NOT NULL, size INT NOT NULL);
CREATE TABLE window("row" INTEGER PRIMARY KEY, piece_id INT NOT NULL, n INT NOT NULL,
  start_s REAL, end_s REAL, start_bar INT, end_bar INT);
CREATE TABLE melody(piece_id INTEGER PRIMARY KEY, notes BLOB NOT NULL);  -- mmbert.symbolic.tune_line.TUNE_NOTE
CREATE TABLE phrases(piece_id INTEGER PRIMARY KEY,  -- mmbert.symbolic.phrase_lines
  heads BLOB NOT NULL, parts TEXT NOT NULL, notes BLOB NOT NULL);
CREATE TABLE chroma(piece_id INTEGER PRIMARY KEY, frames BLOB NOT NULL);  -- mmbert.audio.chroma
CREATE TABLE heard(piece_id INTEGER PRIMARY KEY,  -- of recordings: logits of named sounds, float16
  piece BLOB NOT NULL, windows BLOB NOT NULL);
CREATE TABLE facet(name TEXT, value TEXT, piece_id INT, PRIMARY KEY(name, value, piece_id)) WITHOUT ROWID;
CREATE VIRTUAL TABLE fts USING fts5({", ".join(TEXT_COLUMNS)}, content='',
  tokenize='unicode61 remove_diacritics 2', prefix='2 3');
"""
INDEXES = "CREATE INDEX file_piece ON file(piece_id);"

# Places of a piece's windows as they are kept in the ledger; bars are -1 where there are none.
PLACE = np.dtype([("start_s", "<f8"), ("end_s", "<f8"), ("start_bar", "<i4"), ("end_bar", "<i4")])
