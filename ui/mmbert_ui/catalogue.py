"""The library as a list: what is in it, what was refused, and questions to try.

Read once a generation, which never changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from mmbert.facets import fold, show
from mmbert.titles import title_of
from mmbert_ui.examples import examples
from mmbert_ui.wording import shortened

REJECTS_SHOWN = 2000
KINDS = {"score": "scores", "recording": "recordings", "text": "texts"}


class Catalogue:
    """All pieces of a library in order of title.

    Args:
        pieces: Records of the library: ``id, path, number, kind, title, facets``.
    """

    def __init__(self, pieces: Sequence[Any]) -> None:
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
    def _folded(self) -> list[str]:
        return [fold(f"{title} {p.facets.composer or ''} {p.facets.form or ''} {p.path}") for title, p in self.pieces]

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
        return {"total": len(found), "rows": [_row(title, p) for title, p in found[start : start + count]]}


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
        "path": piece.path,
    }


def library_view(catalogue: Catalogue, status: dict[str, Any], rejects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts, how the library was built, and every refused file with its reason."""
    reasons = Counter(r.get("fault") or r.get("code") or "no reason given" for r in rejects)
    return {
        "pieces": len(catalogue.pieces),
        "kinds": catalogue.counts,
        "hours": round(catalogue.hours, 3),
        "passages": status.get("windows"),
        "notice": status.get("notice") or "",
        "status": built(status),
        "rejects": [{k: r.get(k) or "" for k in ("path", "fault", "hint", "code")} for r in rejects[:REJECTS_SHOWN]],
        "rejected": len(rejects),
        "reasons": reasons.most_common(),
    }


def built(status: dict[str, Any]) -> list[list[str]]:
    """``[label, value]``: where the library lies, when it was built and with which model."""
    rows = [["Folder", str(status["path"])]]
    manifest = Path(status["path"]) / "generations" / status["generation"] / "MANIFEST.json"
    if manifest.is_file():
        rows.append(["Built", f"{datetime.fromtimestamp(manifest.stat().st_mtime):%Y-%m-%d %H:%M}"])
    return [*rows, ["Model", status["fingerprint"][:8]], ["Generation", status["generation"]]]
