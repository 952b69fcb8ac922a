"""Which pieces sound like a sequence of chroma frames: from any start, at several speeds and, if wanted, in any key.

A query is laid over every place of every piece; what counts is the cosine between its frames and those under it (Müller
2015, "Fundamentals of Music Processing", section 7.2: diagonal matching with scaled queries). How it is done fast is
said in :mod:`mmbert.retrieval.chroma_line`. A query longer than :data:`PART` is asked in parts. Large libraries are
first searched at a quarter and half of the rate and few speeds, and the best few hundred pieces then exactly. Several
parts together know a piece more surely: a quarter of the rate is enough for them, and fewer pieces are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from mmbert.audio.chroma import FRAMES_A_SECOND, comparable
from mmbert.retrieval.chroma_line import Line, pairs

SPEEDS = 1.035 ** np.arange(-26.0, 21.0)  # .41 to 1.99; the score's own is one of them
PART, PARTS = 75, 6  # frames of a query that are compared at once: half a minute; as many parts of it at most
LEAST = 8  # frames of a query: three seconds
ROTATIONS = tuple(range(-5, 7))
_COARSE_SPEEDS = 1.1 ** np.arange(-9.0, 8.0)
_EXACT = 20_000_000  # frames x speeds x rotations x parts that are searched exactly
_LIKELY, _KEPT = 1200, 300  # pieces that are left by a pass at a quarter of the rate, and by one at half of it
_SEVERAL, _KEPT_OF_PARTS = 3, 50  # parts from which on a pass at a quarter of the rate is enough; pieces it leaves
_DISTINCT = 16  # frames of a query at a quarter of the rate that tell pieces apart
_BEST_PARTS = 2  # of a long query that count: a recording need not hold all of a score, nor a score all of a recording
_UNLIKELY = 0.05  # what a query at twice or half the speed of a piece costs; four times as much at four times


@dataclass(frozen=True, eq=False)
class ChromaMatches:
    """Of each piece of a library the place at which it is most like the query.

    Attributes:
        score: Cosine less what an unlikely speed costs, float32 [P], 1 at most; of a long query the mean over its two
            best parts. Two less for pieces that a coarse pass left out.
        start_s: Second of the piece at which the query, or the part of it that fits best, begins; may lie before its
            first; float32 [P].
        speed: How many times as fast as the piece the query is, float32 [P].
        rotation: Semitones from the query to the piece, int8 [P].
        part_s: Second of the query at which that part begins, float32 [P]; 0 unless the query is long.
    """

    score: np.ndarray
    start_s: np.ndarray
    speed: np.ndarray
    rotation: np.ndarray
    part_s: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    def put(self, pieces: np.ndarray, found: ChromaMatches) -> None:
        """Replace what is said of some pieces."""
        for field in fields(self):
            getattr(self, field.name)[pieces] = getattr(found, field.name)


class ChromaIndex:
    """The chroma of all pieces of a library; read only, and safe to use from several threads.

    Args:
        lengths: Frames of each piece, int [P]; 0 where a piece has none.
        frames: All of them in order of piece, uint8 [N, 12] as :mod:`mmbert.audio.chroma` stores them.

    Raises:
        ValueError: where they do not fit together.
    """

    def __init__(self, lengths: np.ndarray, frames: np.ndarray) -> None:
        lengths = np.asarray(lengths, np.int64)
        if int(lengths.sum()) != len(frames) or frames.shape[1:] != (12,):
            raise ValueError(f"lengths: sum to {lengths.sum()}, the frames are {list(frames.shape)}")
        self._line = Line.of(lengths, frames)

    @classmethod
    def of(cls, sequences: Sequence[np.ndarray]) -> ChromaIndex:
        """An index of some sequences, uint8 [n, 12] each."""
        frames = np.concatenate([np.zeros((0, 12), np.uint8), *sequences])
        return cls(np.array([len(s) for s in sequences], np.int64), frames)

    @property
    def lengths(self) -> np.ndarray:
        """Frames of each piece, int64 [P]."""
        return self._line.length

    def frames_of(self, piece: int) -> np.ndarray:
        """The frames of one piece, uint8 [n, 12]."""
        start = self._line.start[piece]
        return self._line.frames[start : start + self._line.length[piece]]

    def __len__(self) -> int:
        """Pieces."""
        return len(self._line.start)

    @property
    def n_frames(self) -> int:
        """Frames of all pieces."""
        return int(self._line.length.sum())

    @cached_property
    def _half(self) -> Line:
        return self._line.halved()

    @cached_property
    def _quarter(self) -> Line:
        return self._half.halved()

    def find(
        self,
        query: np.ndarray,
        *,
        rotations: Sequence[int] = (0,),
        wanted: int = 0,
        among: np.ndarray | None = None,
    ) -> ChromaMatches:
        """How like the query each piece is at best.

        Args:
            query: Stored frames of a recording or a score, uint8 [n, 12], n at least :data:`LEAST`.
            rotations: Semitones by which the query may be moved; :data:`ROTATIONS` for any key.
            wanted: Pieces of which likeness and place are to be exact at least.
            among: Pieces that may be answers, bool [P]: as many of them are exact as of all; None for all.

        Raises:
            ValueError: for a query that is too short, or holds no pitch.
        """
        parts = _asked(query)
        if self.n_frames * len(SPEEDS) * len(rotations) * len(parts) <= _EXACT:
            return _search(self._line, parts, SPEEDS, rotations)
        among = np.ones(len(self), bool) if among is None else among
        found, kept = self._coarsely(parts, rotations, wanted, among)
        found.score[:] -= 2
        # Each piece in the query's key, so that all are searched at once.
        exact = _search(self._line.some(kept, -found.rotation[kept]), parts, SPEEDS, (0,))
        found.put(kept, replace(exact, rotation=found.rotation[kept]))
        return found

    def roughly(self, query: np.ndarray, *, rotations: Sequence[int] = (0,)) -> ChromaMatches:
        """The same at half the rate and few speeds, for less than half of the work; raises as :meth:`find`."""
        half = {at: pairs(part) for at, part in _asked(query).items()}
        return _search(self._half, half, _COARSE_SPEEDS, rotations)

    def _coarsely(
        self, parts: Mapping[int, np.ndarray], rotations: Sequence[int], wanted: int, among: np.ndarray
    ) -> tuple[ChromaMatches, np.ndarray]:
        """All pieces at few speeds, and which are worth an exact search: at half the rate, of many pieces only those
        that a pass at a quarter of it leaves; of several parts that pass alone."""
        half = {at: pairs(part) for at, part in parts.items()}
        quarter = {at: pairs(part) for at, part in half.items()}
        if len(parts) >= _SEVERAL:
            found = _search(self._quarter, quarter, _COARSE_SPEEDS, rotations)
            return found, _best(found.score, max(wanted, _KEPT_OF_PARTS), among)
        if len(self) > _LIKELY and len(next(iter(quarter.values()))) >= _DISTINCT:
            found = _search(self._quarter, quarter, _COARSE_SPEEDS, rotations)
            likely = _best(found.score, max(wanted, _LIKELY), among)
            found.put(likely, _search(self._half.some(likely), half, _COARSE_SPEEDS, rotations))
        else:
            found, likely = _search(self._half, half, _COARSE_SPEEDS, rotations), np.arange(len(self))
        return found, likely[_best(found.score[likely], max(wanted, _KEPT), among[likely])]


def at_speed(frames: np.ndarray, speed: float) -> np.ndarray:
    """A query as a piece has it that it plays ``speed`` times as fast: float32 [round(n x speed), 12].

    >>> at_speed(np.eye(12, dtype=np.float32)[:4], 0.5)[:, :5].tolist()
    [[0.5, 0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5, 0.0]]
    """
    n = max(1, round(len(frames) * speed))
    edges = np.linspace(0, len(frames), n + 1)
    whole = np.floor(edges).astype(np.int64)
    padded = np.pad(frames, ((0, 1), (0, 0)))
    total = np.cumsum(np.pad(frames, ((1, 0), (0, 0))), axis=0)[whole] + (edges - whole)[:, None] * padded[whole]
    return (np.diff(total, axis=0) * (n / len(frames))).astype(np.float32)


def askable(query: np.ndarray) -> bool:
    """Whether there is a pitch in what is compared of a query, uint8 [n, 12]."""
    return any(np.ptp(part, axis=1).any() for _, part in _parts(query))


def _asked(query: np.ndarray) -> dict[int, np.ndarray]:
    """The parts of a query that hold a pitch, by their first frame; ValueError where none does."""
    parts = {at: part for at, part in _parts(query) if np.ptp(part, axis=1).any()}
    if not parts:
        raise ValueError(f"query: of {len(query)} frames, at least {LEAST} with a pitch are needed")
    return parts


def _best(score: np.ndarray, n: int, among: np.ndarray) -> np.ndarray:
    """Pieces with the ``n`` highest scores of all and of those ``among``, bool [P]: int64, ascending."""
    order = np.argsort(-score, kind="stable")
    return np.union1d(order[:n], order[among[order]][:n])


def _parts(query: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(first frame, frames) of the parts of a query, evenly spread over it."""
    n = min(PARTS, -(-len(query) // PART))
    size = min(PART, len(query))
    if size >= LEAST:
        for at in np.unique(np.linspace(0, len(query) - size, n).astype(int)).tolist():
            yield at, query[at : at + size]


def _distinct(speeds: np.ndarray, n: int) -> np.ndarray:
    """Of speeds, float64 [S], that make the same of ``n`` frames the likeliest, in ascending order."""
    likeliest = speeds[np.argsort(np.abs(np.log(speeds)), kind="stable")]
    return likeliest[np.unique(np.round(n * likeliest), return_index=True)[1]]


def _search(line: Line, parts: Mapping[int, np.ndarray], speeds: np.ndarray, rotations: Sequence[int]) -> ChromaMatches:
    """All places of a line, for parts of one length at its rate."""
    speeds = _distinct(speeds, len(next(iter(parts.values()))))
    costs = _UNLIKELY * np.log2(speeds) ** 2
    found = []
    for part in parts.values():
        paced = [at_speed(comparable(part), speed)[: line.longest] for speed in speeds]
        found.append(line.best(paced, costs, rotations))
    score, start, speed, rotation = (np.stack(each) for each in zip(*found))
    first, column = score.argmax(axis=0), np.arange(len(line.start))
    return ChromaMatches(
        np.sort(score, axis=0)[-_BEST_PARTS:].mean(axis=0, dtype=np.float32),
        (start[first, column] / line.rate).astype(np.float32),
        speeds[speed[first, column]].astype(np.float32),
        np.asarray(rotations, np.int8)[rotation[first, column]],
        (np.array(list(parts))[first] / FRAMES_A_SECOND).astype(np.float32),
    )
