"""Which pieces sound like a sequence of chroma frames: from any start, at several speeds and, if wanted, in any key.

A query is laid over every place of every piece; what counts is the cosine between its frames and those under it (Müller
2015, "Fundamentals of Music Processing", section 7.2: diagonal matching with scaled queries). Correlations come from
Fourier transforms of blocks of the library, so that a place costs the same for a query of any length. A query longer
than :data:`PART` is asked in parts. Large libraries are first searched at half the rate and few speeds, and the best
few hundred pieces then exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmbert.audio.chroma import FRAMES_A_SECOND, comparable

SPEEDS = 1.035 ** np.arange(-26.0, 21.0)  # .41 to 1.99; the score's own is one of them
PART, PARTS = 75, 6  # frames of a query that are compared at once: half a minute; as many parts of it at most
LEAST = 8  # frames of a query: three seconds
ROTATIONS = tuple(range(-5, 7))
_COARSE_SPEEDS = 1.1 ** np.arange(-9.0, 8.0)
_EXACT, _KEPT = 20_000_000, 300  # frames x speeds x rotations that are searched exactly; pieces a coarse pass leaves
_BEST_PARTS = 2  # of a long query that count: a recording need not hold all of a score, nor a score all of a recording
_UNLIKELY = 0.05  # what a query at twice or half the speed of a piece costs; four times as much at four times
_LONGEST = 94  # frames of a query at any speed: half a minute at 1.25
_GAP = _LONGEST + 2  # frames of silence between pieces, even: no query reaches two of them
_FLOOR = 0.25  # of the query's energy: what lies under it counts as no less
_BLOCK, _TOGETHER = 1024, 32  # frames of a transform; transforms at once


@dataclass(frozen=True, eq=False)
class ChromaMatches:
    """Of each piece of a library the place at which it is most like the query.

    Attributes:
        score: Cosine less what an unlikely speed costs, float32 [P], 1 at most; of a long query the mean over its two
            best parts. Two less for pieces that a coarse pass left out.
        start_s: Second of the piece at which the query, or the part of it that fits best, begins; float32 [P].
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
        self._line = _Line.of(lengths, frames)

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
    def _coarse(self) -> _Line:
        return self._line.halved()

    def find(self, query: np.ndarray, *, rotations: Sequence[int] = (0,)) -> ChromaMatches:
        """How like the query each piece is at best.

        Args:
            query: Stored frames of a recording or a score, uint8 [n, 12], n at least :data:`LEAST`.
            rotations: Semitones by which the query may be moved; :data:`ROTATIONS` for any key.

        Raises:
            ValueError: for a query that is too short, or holds no pitch.
        """
        parts = {at: part for at, part in _parts(query) if np.ptp(part, axis=1).any()}
        if not parts:
            raise ValueError(f"query: of {len(query)} frames, at least {LEAST} with a pitch are needed")
        if self.n_frames * len(SPEEDS) * len(rotations) <= _EXACT:
            return _search(self._line, parts, SPEEDS, rotations)
        halved = {at: _pairs(part) for at, part in parts.items()}
        every = _search(self._coarse, halved, _COARSE_SPEEDS, rotations)
        kept = np.argsort(-every.score, kind="stable")[:_KEPT]
        every.score[:] -= 2
        for rotation in np.unique(every.rotation[kept]).tolist():
            chosen = np.sort(kept[every.rotation[kept] == rotation])
            found = _search(self._line.some(chosen), parts, SPEEDS, (rotation,))
            for name in ("score", "start_s", "speed", "rotation", "part_s"):
                getattr(every, name)[chosen] = getattr(found, name)
        return every


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


def _parts(query: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(first frame, frames) of the parts of a query, evenly spread over it."""
    n = min(PARTS, -(-len(query) // PART))
    size = min(PART, len(query))
    if size >= LEAST:
        for at in np.unique(np.linspace(0, len(query) - size, n).astype(int)).tolist():
            yield at, query[at : at + size]


def _variants(query: np.ndarray, speeds: np.ndarray, rotations: Sequence[int]) -> list[np.ndarray]:
    """A query, float32 [n, 12], at each speed, in each rotation; of a fast one no more than :data:`_LONGEST` frames."""
    return [np.roll(paced, r, axis=1) for paced in (at_speed(query, s)[:_LONGEST] for s in speeds) for r in rotations]


def _search(
    line: _Line, parts: Mapping[int, np.ndarray], speeds: np.ndarray, rotations: Sequence[int]
) -> ChromaMatches:
    """All places of a line, for parts at its rate."""
    costs = np.repeat(_UNLIKELY * np.log2(speeds) ** 2, len(rotations))
    found = [line.best(_variants(comparable(part), speeds, rotations), costs) for part in parts.values()]
    score, start, which = (np.stack(each) for each in zip(*found))
    first, column = score.argmax(axis=0), np.arange(len(line.start))
    speed, rotation = np.divmod(which[first, column], len(rotations))
    return ChromaMatches(
        np.sort(score, axis=0)[-_BEST_PARTS:].mean(axis=0, dtype=np.float32),
        (np.maximum(start[first, column], 0) / line.rate).astype(np.float32),
        speeds[speed].astype(np.float32),
        np.asarray(rotations, np.int8)[rotation],
        (np.array(list(parts))[first] / FRAMES_A_SECOND).astype(np.float32),
    )


def _pairs(frames: np.ndarray) -> np.ndarray:
    """Each two frames as one, uint8 [ceil(n / 2), 12]."""
    padded = np.pad(frames, ((0, len(frames) % 2), (0, 0))).astype(np.uint16)
    return ((padded[::2] + padded[1::2] + 1) // 2).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _Line:
    """Pieces one after the other, silence between them.

    Attributes:
        frames: uint8 [M, 12].
        start, length: Of each piece, int64 [P]; starts are even.
        gap: Frames of silence that lie between two pieces at least, before the first, and behind the last.
        rate: Frames a second.
    """

    frames: np.ndarray
    start: np.ndarray
    length: np.ndarray
    gap: int
    rate: float = FRAMES_A_SECOND

    @classmethod
    def of(cls, length: np.ndarray, frames: np.ndarray) -> _Line:
        slot = length + length % 2 + _GAP
        start = _GAP + np.cumsum(slot) - slot
        line = np.zeros((int(slot.sum()) + _GAP, 12), np.uint8)
        line[np.repeat(start - (np.cumsum(length) - length), length) + np.arange(len(frames))] = frames
        return cls(line, start, length, _GAP)

    def halved(self) -> _Line:
        return _Line(_pairs(self.frames), self.start // 2, (self.length + 1) // 2, self.gap // 2, self.rate / 2)

    def some(self, pieces: np.ndarray) -> _Line:
        frames = [self.frames[s : s + n] for s, n in zip(self.start[pieces], self.length[pieces])]
        return _Line.of(self.length[pieces], np.concatenate(frames))

    def best(self, queries: list[np.ndarray], costs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each piece the best cosine less its query's cost, float32 [P], where that query begins (frames from the
        piece's first; may lie before it), and which it is, int64 [P]. Queries are float32 [m, 12], m below the gap."""
        score, which = self._every_place(queries, costs)
        places = np.empty(len(self.start), np.int64)
        for i, (start, length) in enumerate(zip(self.start.tolist(), self.length.tolist())):
            first = start - self.gap // 2
            places[i] = first + int(score[first : start + max(length, 1)].argmax())
        return score[places], places - self.start, which[places].astype(np.int64)

    def _every_place(self, queries: list[np.ndarray], costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Best cosine less cost at every place of the line, float32 [M], and the query that has it, uint16 [M]."""
        n, longest = len(self.frames), max(len(q) for q in queries)
        step = _BLOCK - longest
        energy = np.array([np.sum(q.astype(np.float64) ** 2) for q in queries])
        kernel = np.zeros((len(queries), 12, _BLOCK), np.float32)
        for row, q, e in zip(kernel, queries, energy):
            row[:, : len(q)] = q.T / np.sqrt(e)
        spectra = np.ascontiguousarray(np.fft.rfft(kernel).conj().transpose(2, 1, 0))  # [f, 12, queries]
        score, which = np.empty(n, np.float32), np.empty(n, np.uint16)
        for low in range(0, n, step * _TOGETHER):
            high = min(n, low + step * _TOGETHER)
            blocks = -(-(high - low) // step)
            there = comparable(self.frames[low : high + longest])
            frames: np.ndarray = np.pad(there, ((0, blocks * step + _BLOCK - len(there)), (0, 0)))
            views = np.lib.stride_tricks.sliding_window_view(frames, _BLOCK, axis=0)[: blocks * step : step]
            products = np.fft.rfft(views).transpose(2, 0, 1) @ spectra  # [f, blocks, queries]
            sums: np.ndarray = np.fft.irfft(products.transpose(2, 1, 0), _BLOCK)[:, :, :step].reshape(len(queries), -1)
            total = np.r_[0, np.cumsum(np.einsum("nc,nc->n", frames, frames, dtype=np.float64))]
            for found, q, e, cost in zip(sums, queries, energy, costs.tolist()):
                under = (total[len(q) : len(q) + len(found)] - total[: len(found)]).astype(np.float32)
                found /= np.sqrt(np.maximum(under, np.float32(_FLOOR * e)))
                found -= cost
            which[low:high] = sums.argmax(axis=0)[: high - low]
            score[low:high] = sums.max(axis=0)[: high - low]
        return score, which
