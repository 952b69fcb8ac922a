"""The library as a list: what is in it, what was refused, and questions to try.

Read once a generation, which never changes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from mmbert.errors import UsageError
from mmbert.facets import fold, pitch_class, show
from mmbert.titles import title_of
from mmbert_ui.examples import examples
from mmbert_ui.paths import shown_path, unplaced
from mmbert_ui.wording import shortened

REJECTS_SHOWN = 2000
FOLDERS_SHOWN = 200
NAMES_SHOWN = 500  # of composers and of instruments, the commonest
KINDS: dict[str, str] = {"score": "scores", "recording": "recordings", "text": "texts"}


class Catalogue:
    """All pieces of a library in order of title.

    Args:
        pieces: Records of the library: ``id, path, number, kind, title, facets``.
        sources: Folders that it was built from: paths are told from their names on.
    """

    def __init__(self, pieces: Sequence[Any], sources: Sequence[str] = ()) -> None:
        self.sources = list(sources)
        titled = [(title_of(p.title, p.path), p) for p in pieces]
        self.pieces = sorted(titled, key=lambda row: (fold(row[0]), row[1].path, row[1].number))
        self._in_file = Counter(p.path for p in pieces)
        self._path = {p.id: p.path for p in pieces}

    def is_alone(self, piece_id: str) -> bool:
        """Whether a piece is the only one of its file."""
        return self._in_file[self._path.get(piece_id)] == 1

    @cached_property
    def examples(self) -> list[str]:
        """Questions that find something here."""
        return examples([p.facets for _, p in self.pieces])

    @cached_property
    def folders(self) -> dict[str, str]:
        """Folders that hold some but not all pieces: name as the page shows it, and real path.

        Names begin below the folder that holds everything.
        """
        above = {os.path.dirname(path) for path in self._in_file}
        root = os.path.commonpath(above) if above else ""
        found = {root}
        for folder in above:
            while folder not in found:
                found.add(folder)
                folder = os.path.dirname(folder)
        names = {os.path.relpath(folder, root): folder for folder in sorted(found - {root})}
        return dict(list(names.items())[:FOLDERS_SHOWN])

    def folder(self, name: str) -> str:
        """The real path of a folder by its name.

        Raises:
            UsageError: the library has no such folder.
        """
        if name not in self.folders:
            raise UsageError("The folder", "is none of this library's", "Choose one under Filters and order")
        return self.folders[name]

    @cached_property
    def filters(self) -> dict[str, Any]:
        """What can be chosen: ``[value, pieces]`` of each, and the least and greatest of each number."""
        known = [p.facets for _, p in self.pieces]
        lists: dict[str, list[Any]] = {
            "mode": [f.mode for f in known],
            "key": _spelled_alike([f.key for f in known if f.key]),
            "metre": [f.metre for f in known],
            "form": [f.form for f in known],
            "composer": [f.composer for f in known],
            "instruments": [i for f in known for i in dict.fromkeys(f.instruments)],
        }
        counted = {name: _counted(values) for name, values in lists.items()}
        counted["key"].sort(key=lambda row: pitch_class(row[0]) or 0)
        kinds = Counter(p.kind for _, p in self.pieces).most_common()
        shown = {folder: name for name, folder in self.folders.items()}
        inside = Counter(name for path in self._path.values() for name in _above(path, shown))
        return counted | {
            "kind": [[kind, KINDS.get(kind, kind), n] for kind, n in kinds],
            "folder": [[name, inside[name]] for name in self.folders],
            "tempo_bpm": _span(f.tempo_bpm for f in known),
            "duration_s": _span(f.duration_s for f in known),
        }

    @cached_property
    def _folded(self) -> list[str]:
        own = ((title, p.facets.composer, p.facets.form, self.shown(p.path)) for title, p in self.pieces)
        return [fold(" ".join(text or "" for text in texts)) for texts in own]

    def shown(self, path: str) -> str:
        """A file of the library, as it is told to people who may sit elsewhere."""
        return shown_path(path, self.sources)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Kinds of which there are pieces."""
        return frozenset(p.kind for _, p in self.pieces)

    @property
    def counts(self) -> dict[str, int]:
        """Number of pieces of each kind, most first."""
        return dict(Counter(KINDS.get(p.kind, p.kind) for _, p in self.pieces).most_common())

    @property
    def hours(self) -> float:
        """Playing time of everything."""
        return sum(p.facets.duration_s or 0.0 for _, p in self.pieces) / 3600

    def table(self, text: str, start: int, count: int) -> dict[str, Any]:
        """``{total, rows}`` of the pieces whose title, composer, form or path holds every word of ``text``."""
        words = fold(text).split()
        found = [row for row, line in zip(self.pieces, self._folded) if all(w in line for w in words)]
        rows = [_row(title, p) | {"path": self.shown(p.path)} for title, p in found[start : start + count]]
        return {"total": len(found), "rows": rows}


def _above(path: str, shown: dict[str, str]) -> Iterator[str]:
    """Names of the folders above a file."""
    while (folder := os.path.dirname(path)) != path:
        if folder in shown:
            yield shown[folder]
        path = folder


def _spelled_alike(keys: Sequence[str]) -> list[str]:
    """One spelling a note: Db for C# where the library has more of it.

    >>> _spelled_alike(["Db", "C#", "Db", "D"])
    ['Db', 'Db', 'Db', 'D']
    """
    spelling: dict[int | None, str] = {}
    for key, _ in Counter(keys).most_common():
        spelling.setdefault(pitch_class(key), key)
    return [spelling[pitch_class(key)] for key in keys]


def _counted(values: Iterable[str | None]) -> list[list[Any]]:
    """``[value, how often]``, the commonest first."""
    rows = sorted(Counter(v for v in values if v).items(), key=lambda row: (-row[1], row[0]))
    return [[value, n] for value, n in rows[:NAMES_SHOWN]]


def _span(values: Iterable[float | None]) -> list[float] | None:
    known = [v for v in values if v is not None]
    return [min(known), max(known)] if known else None


def _row(title: str, piece: Any) -> dict[str, Any]:
    known = piece.facets
    return {
        "id": piece.id,
        "kind": piece.kind,
        "title": title,
        "composer": known.composer or "",
        "form": known.form or "",
        "key": show("key", known),
        "metre": show("metre", known),
        "length": show("duration_s", known),
        "for": shortened(known.instruments, 3),
    }


def library_view(catalogue: Catalogue, status: dict[str, Any], rejects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts, how the library was built, and every refused file with its reason."""
    reasons = Counter(r.get("fault") or r.get("code") or "no reason given" for r in rejects)
    return {
        "pieces": len(catalogue.pieces),
        "kinds": catalogue.counts,
        "hours": round(catalogue.hours, 3),
        "passages": status.get("windows"),
        "notice": unplaced(status.get("notice") or "", status["path"]),
        "status": built(status),
        "rejects": [
            {k: r.get(k) or "" for k in ("fault", "hint", "code")} | {"path": catalogue.shown(r["path"])}
            for r in rejects[:REJECTS_SHOWN]
        ],
        "rejected": len(rejects),
        "reasons": reasons.most_common(),
    }


def built(status: dict[str, Any]) -> list[list[str]]:
    """``[label, value]``: the library's folder, when it was built and with which model."""
    rows = [["Folder", Path(status["path"]).name]]
    manifest = Path(status["path"]) / "generations" / status["generation"] / "MANIFEST.json"
    if manifest.is_file():
        rows.append(["Built", f"{datetime.fromtimestamp(manifest.stat().st_mtime):%Y-%m-%d %H:%M}"])
    return [*rows, ["Model", status["fingerprint"][:8]], ["Generation", status["generation"]]]
