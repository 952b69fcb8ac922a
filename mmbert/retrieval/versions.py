"""Settings of one piece are shown once: the best of them, with the others folded in.

Two pieces are versions of each other when they share a telling title and the composer's surname, or when their vectors
nearly coincide and they have as many bars and notes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mmbert.facets import fold
from mmbert.retrieval.lexicon import NO_COMPOSER, PACE, STOP, forms, instruments
from mmbert.retrieval.names import surnames_of
from mmbert.types import Facets

if TYPE_CHECKING:
    from mmbert.store import Generation

SAME_VECTOR = 0.98
SAME_NOTES = 0.005  # relative difference of bars, notes a bar and notes at once
COMPARED = 200  # leaders that a piece is compared with by vector: the top of the ranking
LOOKED_AHEAD = 200  # rows behind the last hit wanted that are still folded into the hits before them

_WORD = re.compile(r"[^\W\d_]{2,}")
_NO_NAMES = frozenset(
    w
    for words in (
        "major minor flat sharp dur moll op no nr bwv kv movement untitled track piece in quartet trio quintet"
        " duet solo symphony concerto opus unknown unnamed sequence",
        *PACE.values(),
    )
    for w in words.split()
)


def title_key(title: str | None, composer: str | None) -> tuple[str, str] | None:
    """What versions share by name; None where the title names a kind of piece rather than a piece.

    >>> title_key("Amazing Grace (in G)", None), title_key("Waltz in A minor", "Chopin"), title_key("Jig No. 2", None)
    (('amazing grace', ''), None, None)
    >>> title_key("Badinerie", "J.S. Bach"), title_key("Badinerie (in E)", "Bach, Johann Sebastian (1685-1750)")
    (('badinerie', 'bach'), ('badinerie', 'bach'))
    >>> title_key("Salt Road", "Trad."), title_key("Salt Road", "Mary Brown")
    (('salt road', ''), ('salt road', 'brown'))
    """
    bare = re.sub(r"\(.*?\)|\[.*?\]|\bin [A-G](b|#| flat| sharp)?( major| minor)?\b", " ", title or "")
    words = _WORD.findall(fold(bare))
    telling = [w for w in words if w not in STOP | _NO_NAMES and w not in forms() and w not in instruments()]
    people = (fold(surname) for surname in surnames_of(composer or ""))
    by = " ".join(sorted(p for p in people if p not in NO_COMPOSER))
    if not telling or (not by and len(words) < 2):
        return None
    return " ".join(re.findall(r"\w+", fold(bare))), by


def fold_versions(generation: Generation, order: np.ndarray, most: int) -> list[tuple[int, list[int]]]:
    """(row shown, its versions), best first.

    Args:
        generation: The open library.
        order: Rows, best first.
        most: How many are wanted; the next 200 rows are still folded into them. Who asks for as many as there
            are gets every piece: nothing is folded away, and versions name each other.
    """
    groups = _grouped(generation, order, most)
    if most < len(order):
        return [(group[0], group[1:]) for group in groups[:most]]
    others = {row: [r for r in group if r != row] for group in groups for row in group}
    return [(row, others[row]) for row in map(int, order)]


def _grouped(generation: Generation, order: np.ndarray, most: int) -> list[list[int]]:
    """Versions together, the best of each first."""
    leaders: list[int] = []
    folded: dict[int, list[int]] = {}
    by_title: dict[tuple[str, str], int] = {}
    vectors = _Leaders(generation)
    behind = 0
    for row in map(int, order):
        behind += len(leaders) >= most
        if behind > LOOKED_AHEAD:
            break
        key = title_key(generation.pieces.title[row], generation.pieces.composer[row])
        leader = by_title.get(key) if key else None
        if leader is None and len(leaders) < max(most, COMPARED):
            leader = vectors.same_as(row)
        if leader is not None:
            folded[leader].append(row)
            continue
        leaders.append(row)
        folded[row] = []
        vectors.add(row)
        if key:
            by_title[key] = row
    return [[row, *folded[row]] for row in leaders]


class _Leaders:
    """Vectors of the first pieces shown, to find the same notes under another name."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._rows: list[int] = []
        self._vectors = np.zeros((COMPARED, generation.vectors.dim), dtype=np.float32)

    def add(self, row: int) -> None:
        if len(self._rows) < COMPARED:
            self._vectors[len(self._rows)] = self._generation.vectors.rows("joint/pieces", [row])[0]
            self._rows.append(row)

    def same_as(self, row: int) -> int | None:
        if not self._rows:
            return None
        near = self._vectors[: len(self._rows)] @ self._generation.vectors.rows("joint/pieces", [row])[0]
        for i in np.flatnonzero(near >= SAME_VECTOR):
            if same_size(self._generation.facets(row), self._generation.facets(self._rows[i])):
                return self._rows[i]
        return None


def same_size(a: Facets, b: Facets) -> bool:
    """As many bars, notes and voices, and the same compass: what a transposition or another format keeps.

    >>> tune = Facets(bars=16, notes_per_bar=6.5, polyphony=1.9, pitch_low=55, pitch_high=74)
    >>> up = Facets(bars=16, notes_per_bar=6.5, polyphony=1.9, pitch_low=57, pitch_high=76)
    >>> same_size(tune, up), same_size(tune, Facets(bars=16)), same_size(Facets(), Facets())
    (True, False, False)
    """
    one, two = _size(a), _size(b)
    return one is not None and two is not None and bool(np.allclose(one, two, rtol=SAME_NOTES))


def _size(f: Facets) -> tuple[float, ...] | None:
    if f.bars is None or f.notes_per_bar is None or f.polyphony is None or f.pitch_low is None or f.pitch_high is None:
        return None
    return f.bars, f.notes_per_bar, f.polyphony, f.pitch_high - f.pitch_low
