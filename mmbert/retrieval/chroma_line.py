"""Pieces laid one after the other, and where on that line a query fits best: at several speeds, in some rotations.

In one rotation correlations come from Fourier transforms of blocks of the line, so that a place costs the same for a
query of any length. In several they are taken over the Fourier coefficients of the pitch classes, where a rotation is a
turn, the same at every place and speed (the correlation theorem, over the twelve classes alone): products are summed
over time once, and only the sums are turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmbert.audio.chroma import FRAMES_A_SECOND, comparable

LONGEST = 94  # frames of a query at any speed: half a minute at 1.25
_GAP = LONGEST + 2  # frames of silence between pieces, that a quarter of the rate divides: no query reaches two of them
_FLOOR = 0.25  # of the query's energy: what lies under it counts as no less
_SILENCE = 1e-6  # energy of a query without any sound
_MARGIN = LONGEST + 10  # frames behind the places that are compared at once
_BLOCK, _BLOCKS = 1024, 32  # frames of a Fourier transform; transforms at once
_PLACES, _STEP, _TOGETHER = 2048, 8, 6  # of products: places at once, places that share a row, speeds at once
_PIECES = 512  # whose best places are looked at together
# The Fourier coefficients of frames without a mean as six pairs, float32 [6, 12, 2]; the sixth's second is 0.
_ANGLES = np.outer(np.arange(1, 7), np.arange(12)) * (2 * np.pi / 12)
_PAIRS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1) / np.sqrt([[[6]]] * 5 + [[[12]]])
_PAIRS = _PAIRS.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Line:
    """Pieces one after the other, silence between them.

    Attributes:
        frames: uint8 [M, 12].
        start, length: Of each piece, int64 [P].
        gap: Frames of silence that lie between two pieces at least, before the first, and behind the last.
        rate: Frames a second.
    """

    frames: np.ndarray
    start: np.ndarray
    length: np.ndarray
    gap: int
    rate: float = FRAMES_A_SECOND

    @classmethod
    def of(cls, length: np.ndarray, frames: np.ndarray, gap: int = _GAP, rate: float = FRAMES_A_SECOND) -> Line:
        """A line of pieces of some lengths, int64 [P], whose frames are uint8 [N, 12]."""
        slot = length + -length % 4 + gap  # starts are still whole at a quarter of the rate
        start = gap + np.cumsum(slot) - slot
        line = np.zeros((int(slot.sum()) + gap, 12), np.uint8)
        line[np.repeat(start - (np.cumsum(length) - length), length) + np.arange(len(frames))] = frames
        return cls(line, start, length, gap, rate)

    @property
    def longest(self) -> int:
        """Frames of a query at most."""
        return self.gap * LONGEST // _GAP

    def halved(self) -> Line:
        """The same at half the rate."""
        return Line(pairs(self.frames), self.start // 2, (self.length + 1) // 2, self.gap // 2, self.rate / 2)

    def some(self, pieces: np.ndarray, rotation: np.ndarray | None = None) -> Line:
        """Some of the pieces, each moved up by a rotation of its own where there are any, int [pieces]."""
        up = np.zeros(len(pieces), np.int64) if rotation is None else rotation
        frames = [
            np.roll(self.frames[start : start + length], by, axis=1)
            for start, length, by in zip(self.start[pieces], self.length[pieces], up.tolist())
        ]
        return Line.of(self.length[pieces], np.concatenate([self.frames[:0], *frames]), self.gap, self.rate)

    def best(
        self, queries: Sequence[np.ndarray], costs: np.ndarray, rotations: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The best place of each piece.

        Args:
            queries: One query at several speeds, float32 [m, 12], no frame with a mean, m at most :attr:`longest`.
            costs: What each of them costs, float64 [queries].
            rotations: Semitones by which they may be moved up.

        Returns:
            Of each piece the best cosine less its cost, float32 [P]; where that query begins (frames from the piece's
            first; may lie before it), which it is, and which rotation, int64 [P].
        """
        places = self._best_places(self._every_place(queries, costs, rotations))
        score, query, rotation = self._looked_at(places, queries, costs, rotations)
        return score, places - self.start, query, rotation

    def _every_place(self, queries: Sequence[np.ndarray], costs: np.ndarray, rotations: Sequence[int]) -> np.ndarray:
        """Best cosine less cost at every place of the line, float32 [M]."""
        n = len(self.frames)
        length, energy = _lengths_and_energies(queries)
        unit = [query / np.float32(np.sqrt(e)) for query, e in zip(queries, energy)]
        if len(rotations) == 1:
            asked: _InOneKey | _InKeys = _InOneKey.of([np.roll(query, rotations[0], axis=1) for query in unit], n)
        else:
            asked = _InKeys.of(unit, rotations, n)
        least, cost = (each.astype(np.float32)[:, None] for each in (_FLOOR * energy, costs))
        score = np.empty(n, np.float32)
        for low in range(0, n, asked.places):
            frames = np.zeros((asked.places + _MARGIN, 12), np.float32)
            there = comparable(self.frames[low : low + len(frames)])
            frames[: len(there)] = there
            total = np.append(0.0, np.cumsum(np.einsum("nc,nc->n", frames, frames, dtype=np.float64)))
            before = np.lib.stride_tricks.sliding_window_view(total, asked.places)
            under = (before[length] - before[0]).astype(np.float32)
            highest = asked.highest(frames)
            highest /= np.sqrt(np.maximum(under, least))
            highest -= cost
            score[low : low + asked.places] = highest.max(axis=0)[: n - low]
        return score

    def _best_places(self, score: np.ndarray) -> np.ndarray:
        """The first place of each piece that has its highest score, int64 [P]; a query may begin before the piece."""
        first, end = self.start - self.gap // 2, self.start + np.maximum(self.length, 1)
        highest = np.maximum.reduceat(score, np.stack([first, end], axis=1).ravel())[::2]
        before_next = np.diff(first, prepend=0, append=len(score))
        hits = np.flatnonzero(score == np.repeat(np.append(np.float32(np.inf), highest), before_next))
        return hits[np.searchsorted(hits, first)]

    def _looked_at(
        self, places: np.ndarray, queries: Sequence[np.ndarray], costs: np.ndarray, rotations: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best cosine less cost at one place of each piece, float32 [P], whose query and rotation, int64 [P]."""
        length, energy = _lengths_and_energies(queries)
        kernel = np.zeros((len(queries), len(rotations), length.max(), 12), np.float32)
        from_class = (np.arange(12) - np.asarray(rotations)[:, None]) % 12
        for row, query, e in zip(kernel, queries, energy):
            row[:, : len(query)] = (query / np.sqrt(e))[:, from_class].swapaxes(0, 1)
        columns = kernel.reshape(len(queries) * len(rotations), -1).T
        score, which = np.empty(len(places), np.float32), np.empty(len(places), np.int64)
        for low in range(0, len(places), _PIECES):
            some = places[low : low + _PIECES]
            there = comparable(self.frames[some[:, None] + np.arange(length.max())].reshape(-1, 12))
            under = np.cumsum(np.sum(there**2, axis=1).reshape(len(some), -1), axis=1)[:, length - 1]
            cosine = (there.reshape(len(some), -1) @ columns).reshape(len(some), len(queries), -1)
            cosine /= np.sqrt(np.maximum(under, _FLOOR * energy))[:, :, None]
            less = (cosine - costs[:, None]).reshape(len(some), -1)
            which[low : low + _PIECES] = less.argmax(axis=1)
            score[low : low + _PIECES] = less.max(axis=1)
        return score, *np.divmod(which, len(rotations))


@dataclass(frozen=True, eq=False)
class _InOneKey:
    """A query at several speeds, correlated by Fourier transforms of blocks, so that its length costs nothing.

    Attributes:
        spectra: Conjugate, complex64 [_BLOCK / 2 + 1, 12, S].
        places: That are compared at once.
    """

    spectra: np.ndarray
    places: int

    @classmethod
    def of(cls, queries: Sequence[np.ndarray], n: int) -> _InOneKey:
        """For a line of ``n`` places; queries are float32 [m, 12]."""
        step = _BLOCK - _MARGIN
        kernel = np.zeros((len(queries), 12, _BLOCK), np.float32)
        for row, query in zip(kernel, queries):
            row[:, : len(query)] = query.T
        return cls(
            np.ascontiguousarray(np.fft.rfft(kernel).conj().transpose(2, 1, 0)), step * min(_BLOCKS, -(-n // step))
        )

    def highest(self, frames: np.ndarray) -> np.ndarray:
        """Products with the query at each place of frames, float32 [places + _MARGIN, 12]: float32 [S, places]."""
        step = _BLOCK - _MARGIN
        blocks = np.lib.stride_tricks.sliding_window_view(frames, _BLOCK, axis=0)[::step]
        products = np.fft.rfft(blocks).transpose(2, 0, 1) @ self.spectra  # [f, blocks, S]
        sums = np.fft.irfft(np.ascontiguousarray(products.transpose(2, 1, 0)), _BLOCK)
        return sums[:, :, :step].reshape(-1, self.places)


@dataclass(frozen=True, eq=False)
class _InKeys:
    """A query at several speeds and in several rotations, correlated over the Fourier coefficients of pitch classes.

    Attributes:
        kernels: Of each few speeds, float32 [2, 6, width x 2, speeds x _STEP]: pairs of coefficients that give the sum
            that the cosine of a turn takes, and pairs at a right angle to them, for the sine; zeros before and behind.
        turns: Rotations from those sums, float32 [R, 12].
        sums, turned: Room for a product, float32 [12 and R, places x speeds]: new memory costs as much as the work.
        places: That are compared at once.
    """

    kernels: list[np.ndarray]
    turns: np.ndarray
    sums: np.ndarray
    turned: np.ndarray
    places: int

    @classmethod
    def of(cls, queries: Sequence[np.ndarray], rotations: Sequence[int], n: int) -> _InKeys:
        """For a line of ``n`` places; queries are float32 [m, 12]."""
        places = min(_PLACES, n + -n % _STEP)
        angle = np.outer(rotations, np.arange(1, 7)) * (2 * np.pi / 12)
        turns = np.concatenate([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
        some = [queries[i : i + _TOGETHER] for i in range(0, len(queries), _TOGETHER)]
        sums, turned = (np.empty((rows, places * _TOGETHER), np.float32) for rows in (12, len(rotations)))
        return cls([cls._kernel(each) for each in some], turns, sums, turned, places)

    @staticmethod
    def _kernel(queries: Sequence[np.ndarray]) -> np.ndarray:
        """The kernel of a few speeds."""
        width = max(len(query) for query in queries) + _STEP - 1
        kernel = np.zeros((2, 6, width, 2, len(queries), _STEP), np.float32)
        for i, query in enumerate(queries):
            along = query @ _PAIRS
            across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
            for shift in range(_STEP):
                kernel[:, :, shift : shift + len(query), :, i, shift] = [along, across]
        return kernel.reshape(2, 6, width * 2, -1)

    def highest(self, frames: np.ndarray) -> np.ndarray:
        """The highest product of all rotations at each place of frames, float32 [places + _MARGIN, 12], for each
        speed: float32 [S, places]. They have one energy and one cost, so that it is that of the highest cosine too."""
        width = max(kernel.shape[2] for kernel in self.kernels)
        pairs_in_a_row = (frames @ _PAIRS).reshape(6, -1)
        rows = np.lib.stride_tricks.sliding_window_view(pairs_in_a_row, width, axis=1)[:, : 2 * self.places : 2 * _STEP]
        rows = np.ascontiguousarray(rows)
        return np.concatenate([self._highest(rows[:, :, : kernel.shape[2]], kernel) for kernel in self.kernels])

    def _highest(self, rows: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """The same for the speeds of one kernel, from float32 [6, places / _STEP, width x 2]."""
        n = rows.shape[1] * kernel.shape[3]
        sums = self.sums.ravel()[: 12 * n].reshape(12, n)
        turned = self.turned.ravel()[: len(self.turns) * n].reshape(-1, n)
        np.matmul(rows, kernel, out=sums.reshape(2, 6, rows.shape[1], -1))
        np.matmul(self.turns, sums, out=turned)
        highest = turned.max(axis=0).reshape(rows.shape[1], -1, _STEP)  # [rows, speeds, places of a row]
        return highest.swapaxes(0, 1).reshape(-1, self.places)


def pairs(frames: np.ndarray) -> np.ndarray:
    """Each two frames as one, uint8 [ceil(n / 2), 12]."""
    padded = np.pad(frames, ((0, len(frames) % 2), (0, 0))).astype(np.uint16)
    return ((padded[::2] + padded[1::2] + 1) // 2).astype(np.uint8)


def _lengths_and_energies(queries: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Frames, int64, and energy, float64, of each query; above 0 even where a fast one is cut to silence."""
    energy = [np.sum(q.astype(np.float64) ** 2) for q in queries]
    return np.array([len(q) for q in queries]), np.maximum(energy, _SILENCE)
