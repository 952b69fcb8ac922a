"""Settings of one piece are shown once: the best of them, with the others folded in.

Two pieces of one kind are versions of each other when they share a telling title and the composer's surname, or when
their vectors nearly coincide and they have as many bars and notes. A recording is no version of its score: who looks
for one is not served by the other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mmbert.facets import fold
from mmbert.retrieval.lexicon import NO_COMPOSER, PACE, STOP, forms, instruments
from mmbert.retrieval.names import surnames_of

if TYPE_CHECKING:
    from mmbert.store import Generation

SAME_VECTOR = 0.98
SAME_NOTES = 0.005  # relative difference of bars, notes a bar and notes at once
COMPARED = 200  # leaders that a piece is compared with by vector: the top of the ranking
BLOCK = 256  # pieces whose vectors are read and compared at once
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


@lru_cache(maxsize=1 << 16)
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
    by_title: dict[tuple[str, tuple[str, str]], int] = {}
    same = _Leaders(generation, order, min(most, COMPARED))
    behind = 0
    for place, row in enumerate(map(int, order)):
        behind += len(leaders) >= most
        if behind > LOOKED_AHEAD:
            break
        name = title_key(generation.pieces.title[row], generation.pieces.composer[row])
        key = (generation.pieces.kind[row], name) if name else None
        leader = by_title.get(key) if key else None
        if leader is None:
            leader = same.leader(place)
        if leader is not None:
            folded[leader].append(row)
            continue
        leaders.append(row)
        folded[row] = []
        same.add(place)
        if key:
            by_title[key] = row
    return [[row, *folded[row]] for row in leaders]


class _Leaders:
    """Vectors and sizes of the first pieces shown, to find the same notes under another name.

    Args:
        generation: The open library.
        order: Rows, best first; a *place* is an index into it.
        most: How many leaders are compared with.
    """

    _NONE = np.zeros(0, np.int64)

    def __init__(self, generation: Generation, order: np.ndarray, most: int) -> None:
        self._generation, self._order = generation, order
        self._places: list[int] = []
        self._vectors = np.zeros((most, generation.vectors.dim), np.float32)
        self._sizes = np.zeros((most, 4))
        self._start, self._block, self._block_sizes = 0, self._vectors[:0], self._sizes[:0]
        self._near: dict[int, np.ndarray] | None = None  # place -> leaders of nearly the same vector

    def add(self, place: int) -> None:
        """The piece at this place is one that others may be versions of."""
        if (n := len(self._places)) < len(self._vectors):
            self._vectors[n], self._sizes[n] = self._read(place)
            self._places.append(place)

    def leader(self, place: int) -> int | None:
        """Row of the first leader with the same notes as the piece at this place; None where there is none."""
        full = len(self._places) == len(self._vectors)  # no more leaders come: the rest of a block is compared at once
        if full and self._near is not None and place < self._start + len(self._block) and place not in self._near:
            return None
        vector, size = self._read(place)
        if not full:
            near = np.flatnonzero(self._vectors[: len(self._places)] @ vector >= SAME_VECTOR)
        else:
            if self._near is None:
                alike = self._block @ self._vectors.T >= SAME_VECTOR
                self._near = {int(i) + self._start: np.flatnonzero(alike[i]) for i in np.flatnonzero(alike.any(axis=1))}
            near = self._near.get(place, self._NONE)
        for i in near[same_size(size, self._sizes[near])] if len(near) else ():
            return int(self._order[self._places[i]])
        return None

    def _read(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Vector and size of a piece, read with those that follow it in the ranking."""
        if place >= self._start + len(self._block):
            rows = self._order[place : place + BLOCK]
            self._start, self._block = place, self._generation.vectors.rows("joint/pieces", rows)
            self._block_sizes, self._near = _sizes(self._generation, rows), None
        return self._block[place - self._start], self._block_sizes[place - self._start]


def same_size(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """As many bars, notes and voices, and the same compass: what a transposition or another format keeps.

    Args:
        one: float64 [4]: bars, notes a bar, notes at once, compass; NaN where unknown.
        others: float64 [n, 4].

    Returns:
        bool [n].

    >>> same_size(np.array([16, 6.5, 1.9, 19]), np.array([[16, 6.51, 1.9, 19], [16, 6.5, 1.9, np.nan], [8, 6.5, 2, 9]]))
    array([ True, False, False])
    """
    return (np.abs(others - one) <= 1e-8 + SAME_NOTES * np.abs(others)).all(axis=1)


def _sizes(generation: Generation, rows: np.ndarray) -> np.ndarray:
    low, high = (generation.numbers(name)[rows] for name in ("pitch_low", "pitch_high"))
    counts = (generation.numbers(name)[rows] for name in ("bars", "notes_per_bar", "polyphony"))
    return np.stack([*counts, high - low], axis=1)
