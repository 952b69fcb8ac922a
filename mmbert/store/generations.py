"""The library folder as readers see it: generations that never change, and CURRENT, which names one.

LIB/LIBRARY.json CURRENT LOCK work/ generations/gen-000042/{MANIFEST.json records.sqlite *.f16 rejects.jsonl}
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.errors import LibraryError
from mmbert.store.manifest import DamageError, check, refuse_newer
from mmbert.store.records import PieceTable, Records, WindowTable
from mmbert.store.vectors import PHRASE_SPACES, VectorStore
from mmbert.symbolic.phrase_lines import PhraseLines, accompanied
from mmbert.types import Condition, Facets, Place

log = logging.getLogger("mmbert")
_NAME = re.compile(r"gen-(\d{6,})")
ASIDE = ".damaged"
TRIES = 3  # a build may delete an old generation between the two steps of opening it


class Generation:
    """One finished build, open for reading; safe to use from several threads.

    Attributes:
        name: Such as ``gen-000042``.
        fingerprint: Of the model that made the vectors.
        manifest: What the generation holds.
        notice: Why this is not the current generation; empty where it is.
        n_pieces: Number of pieces.
        pieces: Columns of all pieces.
        windows: The window rows.
        vectors: Exact search over ``joint/pieces`` and ``joint/windows``, and over the phrases where they are kept.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], notice: str = "") -> None:
        self.folder, self.name, self.manifest, self.notice = folder, folder.name, manifest, notice
        self.fingerprint: str = manifest["fingerprint"]
        self.n_pieces: int = manifest["counts"]["pieces"]
        self._records = Records(folder / "records.sqlite")
        try:
            self._load(folder, manifest)
        except BaseException:
            self._records.close()
            raise

    def _load(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.pieces: PieceTable = self._records.piece_table()
        self.windows = WindowTable(self._records, self.pieces.windows)
        counts, dim = manifest["counts"], manifest["dim"]
        shapes = {"joint/pieces": (self.n_pieces, dim), "joint/windows": (counts["windows"], dim)}
        if (made := manifest.get("phrases")) is not None:
            shapes |= {space: (made["rows"][space], made["dims"][space]) for space in PHRASE_SPACES.values()}
        self.vectors = VectorStore(folder, shapes)
        if len(self.pieces) != self.n_pieces or len(self.windows) != counts["windows"]:
            raise DamageError("records.sqlite and the vectors disagree about the number of pieces")
        self._rejects = (folder / "rejects.jsonl").open("rb")  # now: a later build may delete it
        self._row = {uid: row for row, uid in enumerate(self.pieces.uid)}

    def __repr__(self) -> str:
        return f"Generation({self.name}, {self.n_pieces} pieces, {len(self.windows)} windows)"

    def row_of(self, uid: str) -> int | None:
        """Row of a piece, None where the library has none of that id."""
        return self._row.get(uid)

    def facets(self, row: int) -> Facets:
        """Measured facts of a piece."""
        return self._records.facets([row])[row]

    def metadata(self, row: int) -> dict[str, str]:
        """What the piece's file states in words."""
        return self._records.metadata([row])[row]

    def paths(self, row: int) -> list[str]:
        """All files that hold the piece, in order."""
        return self._records.paths([row])[row]

    def facets_of(self, rows: Iterable[int]) -> dict[int, Facets]:
        """Measured facts of some pieces, read at once."""
        return self._records.facets(rows)

    def metadata_of(self, rows: Iterable[int]) -> dict[int, dict[str, str]]:
        """What the files of some pieces state in words, read at once."""
        return self._records.metadata(rows)

    def paths_of(self, rows: Iterable[int]) -> dict[int, list[str]]:
        """All files of some pieces, in order, read at once."""
        return self._records.paths(rows)

    def places_of(self, window_rows: Iterable[int]) -> dict[int, Place]:
        """Where in their pieces some windows lie, read at once."""
        return self._records.places(window_rows)

    def fits(self, condition: Condition) -> np.ndarray:
        """int8 [n_pieces]: 1 where the condition holds, 0 where not, -1 where the facet is unknown."""
        return self._records.fits(condition)

    def numbers(self, facet: str) -> np.ndarray:
        """float64 [n_pieces] of a facet that is a number; NaN where it is unknown."""
        return self._records.columns.numbers(facet)

    def full_text(self, terms: list[str], limit: int) -> list[tuple[int, float]]:
        """(piece row, bm25; higher is better) of pieces that hold any of the terms in their words."""
        return self._records.full_text(terms, limit)

    def melodies(self) -> tuple[np.ndarray, np.ndarray]:
        """Notes of each piece's melody, int64 [n_pieces], and all of them, ``TUNE_NOTE`` [N], in order of piece.

        Raises:
            LibraryError: the library was built before melodies were kept.
        """
        if (kept := self._records.melodies()) is None:
            library = self.folder.parent.parent
            hint = f"Run: mmbert index build {library}  (its files are read again, nothing is embedded again)"
            raise LibraryError(str(library), "was built before tunes could be found in a library", hint)
        return kept

    def chroma(self) -> tuple[np.ndarray, np.ndarray]:
        """Frames of each piece's chroma sequence, int64 [n_pieces], and all of them, uint8 [N, 12], in order of piece.

        Raises:
            LibraryError: the library was built before chroma sequences were kept.
        """
        if (kept := self._records.chroma()) is None:
            library = self.folder.parent.parent
            hint = f"Run: mmbert index build {library}  (its files are read again, nothing is embedded again)"
            raise LibraryError(str(library), "was built before recordings were compared with scores", hint)
        return kept

    def heard(self, sounds: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the recordings, int64 [r], and logits of the sounds heard in them, float16 [r, sounds]."""
        return self._records.heard(sounds)

    def heard_in(self, row: int, sounds: int) -> np.ndarray | None:
        """Logits of the sounds heard in one recording, float16 [sounds]; None in a library that keeps none."""
        return self._records.heard_in(row, sounds)

    def heard_windows(self, rows: Iterable[int], sounds: int) -> dict[int, np.ndarray]:
        """Logits of the sounds heard in the windows of some recordings, float16 [windows, sounds] of each."""
        return self._records.heard_windows(rows, sounds)

    def phrase_heads(self) -> tuple[np.ndarray, np.ndarray]:
        """Phrases of each piece, int64 [n_pieces], and all of them, ``PHRASE`` [P], in order of piece.

        Rows of ``next/phrases`` are these; rows of ``accompaniment/phrases`` those that are accompanied.

        Raises:
            LibraryError: the library was built before phrases were kept.
            DamageError: records and vectors disagree.
        """
        if (made := self.manifest.get("phrases")) is None:
            library = self.folder.parent.parent
            hint = f"Run: mmbert index build {library}  (its files are read again, no piece is embedded again)"
            raise LibraryError(str(library), "was built before phrases were kept in a library", hint)
        counts, heads = self._records.phrase_heads()
        if [len(heads), int(accompanied(heads).sum())] != [made["rows"][space] for space in PHRASE_SPACES.values()]:
            raise DamageError("records.sqlite and the vectors disagree about the number of phrases")
        return counts, heads

    def phrases_of(self, rows: Iterable[int]) -> dict[int, PhraseLines]:
        """All phrases of some pieces that have any, read at once."""
        return self._records.phrases(rows)

    def rejects(self) -> list[dict[str, str]]:
        """Every file that was not indexed, and why."""
        size = os.fstat(self._rejects.fileno()).st_size
        lines = os.pread(self._rejects.fileno(), size, 0).splitlines()  # from any thread: no position is shared
        return [json.loads(line) for line in lines if line]

    def report(self) -> dict[str, Any]:
        """How the build went; empty where the report is gone (nothing depends on it)."""
        try:
            return json.loads((self.folder / "REPORT.json").read_bytes())
        except (OSError, ValueError):
            return {}

    def require(self, fingerprint: str) -> None:
        """Refuse another model than the one that made the vectors.

        Raises:
            LibraryError: naming both.
        """
        if fingerprint != self.fingerprint:
            raise LibraryError(
                "",
                f"This library was built with model {self.fingerprint[:8]}, you loaded {fingerprint[:8]}",
                "Rebuild, or load the first.",
            )

    def require_phrases(self, fingerprint: str) -> None:
        """Refuse another model of phrases than the one that made the vectors.

        Raises:
            LibraryError: naming both.
        """
        made = self.manifest["phrases"]["fingerprint"]
        if fingerprint != made:
            raise LibraryError(
                "",
                f"The phrases of this library were embedded with model {made[:8]}, you loaded {fingerprint[:8]}",
                f"Run: mmbert index build {self.folder.parent.parent}  (no file is read again)",
            )

    def close(self) -> None:
        """Close files."""
        self._records.close()
        self._rejects.close()
        self.vectors.close()


class LibraryFolder:
    """A library's folder, for reading. Build one with :func:`open_library`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def generations(self) -> Path:
        """Folder of the generations."""
        return self.path / "generations"

    def names(self) -> list[str]:
        """Names of the finished generations, newest first."""
        try:
            found = [p.name for p in self.generations.iterdir() if _NAME.fullmatch(p.name)]
        except OSError:
            return []
        return sorted(found, key=number_of, reverse=True)

    def set_aside(self) -> list[Path]:
        """Damaged generations that a repair took out of the readers' way."""
        found = self.generations.glob(f"*{ASIDE}")
        return sorted(path for path in found if _NAME.fullmatch(path.name.removesuffix(ASIDE)))

    def next_name(self) -> str:
        """A name for a new generation, beyond all that are or were in use; never made from the time."""
        names = [*self.names(), *(path.name.removesuffix(ASIDE) for path in self.set_aside()), self.current_name()]
        return f"gen-{max((number_of(n) for n in names if n), default=0) + 1:06d}"

    def current_name(self) -> str | None:
        """What CURRENT names; None where it is missing, or is no generation's name."""
        try:
            text = (self.path / "CURRENT").read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return text if _NAME.fullmatch(text) else None

    def current(self, *, hashes: bool = False) -> Generation:
        """The current generation, or the newest other one that is whole.

        Args:
            hashes: Whether to read every byte of it; without, sizes are compared (and small ones read).

        Raises:
            LibraryError: there is none.
        """
        fault = ""
        for _ in range(TRIES):
            name = self.current_name()
            try:
                return (
                    self._open(name, hashes=hashes)
                    if name
                    else self._fall_back(None, "CURRENT is missing or unreadable")
                )
            except DamageError as e:
                fault = e.fault
                if self.current_name() == name:  # no build replaced it while it was being opened
                    break
        return self._fall_back(name, fault)

    def _open(self, name: str, notice: str = "", *, hashes: bool = False) -> Generation:
        folder = self.generations / name
        manifest = check(folder, hashes=hashes)
        try:
            return Generation(folder, manifest, notice)
        except FileNotFoundError as e:  # deleted after the check
            raise DamageError(f"{Path(e.filename).name} is missing") from e

    def _fall_back(self, damaged: str | None, fault: str) -> Generation:
        what = f"{damaged} is damaged ({fault})" if damaged else fault
        for name in self.names():
            if name == damaged:
                continue
            notice = f"{what}. Serving {name}. Run: mmbert index repair {self.path}"
            try:
                generation = self._open(name, notice, hashes=True)
            except DamageError:
                continue
            log.warning(notice)
            return generation
        if damaged or self.names():
            hint = f"Run: mmbert index repair {self.path}"
            raise LibraryError(str(self.path), f"{what}, and no other generation is whole", hint)
        hint = "Run mmbert index build: what was done is kept."
        raise LibraryError(str(self.path), "holds no finished build yet", hint)


def number_of(name: str) -> int:
    """Number in a generation's name.

    >>> number_of("gen-000042")
    42
    """
    found = _NAME.fullmatch(name)
    if not found:
        raise ValueError(f"{name!r} is no generation's name")
    return int(found[1])


def open_library(path: str | Path) -> LibraryFolder:
    """A library for reading. Nothing is written, no lock is taken; it may lie on a read-only disk.

    Raises:
        LibraryError: there is no library at ``path``, or a newer mmbert made it.
    """
    path = Path(path)
    build = f"Build one: mmbert index build {path} FOLDER"
    if not path.is_dir():
        raise LibraryError(str(path), "is no folder" if path.exists() else "does not exist", build)
    try:
        refuse_newer(path, int(json.loads((path / "LIBRARY.json").read_bytes())["format"]))
    except (OSError, ValueError, KeyError, TypeError):
        # The generations say all that is needed; without them this is some other folder.
        if not (path / "generations").is_dir():
            raise LibraryError(str(path), "is not a library", build) from None
    return LibraryFolder(path)
