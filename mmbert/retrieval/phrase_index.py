"""The phrases of a library as columns: which of them may follow a melody or sound with it at all."""

from __future__ import annotations

import numpy as np

from mmbert.symbolic.phrase_lines import accompanied
from mmbert.symbolic.phrases import Task

MOST_STRETCH = 1.5  # a phrase is played at most so many times faster or slower than its file says
_CUT, _COMMON = (2, 2), (4, 4)  # the same four bars, written in two ways


class PhraseIndex:
    """Phrases one after the other, in order of piece; read only, and safe to use from several threads.

    Args:
        counts: Phrases of each piece, int [n].
        heads: All of them, ``PHRASE`` [P].

    Attributes:
        start: First phrase of each piece, and where the last ends, int64 [n + 1].
        piece: Piece of each phrase, int32 [P].
    """

    def __init__(self, counts: np.ndarray, heads: np.ndarray) -> None:
        self.heads = heads
        self.start = np.r_[0, np.cumsum(counts)].astype(np.int64)
        self.piece = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        self._beneath = np.flatnonzero(accompanied(heads))

    def __len__(self) -> int:
        """Phrases."""
        return len(self.heads)

    def of_rows(self, task: Task) -> np.ndarray:
        """Which phrase each row of a task's space is, int64."""
        return np.arange(len(self.heads)) if task == "completion" else self._beneath

    def in_metre(self, metre: tuple[int, int]) -> np.ndarray:
        """bool [P]: phrases of one metre; 2/2 and 4/4 count as one."""
        metres = (_CUT, _COMMON) if metre in (_CUT, _COMMON) else (metre,)
        found = np.zeros(len(self), bool)
        for numerator, denominator in metres:
            found |= (self.heads["numerator"] == numerator) & (self.heads["denominator"] == denominator)
        return found

    def in_tempo(self, bpm: float | None) -> np.ndarray:
        """bool [P]: phrases that :data:`MOST_STRETCH` brings to a tempo; a tempo that is unknown fits any."""
        own = self.heads["bpm"]
        if bpm is None:
            return np.ones(len(self), bool)
        return (own == 0) | ((own <= bpm * MOST_STRETCH) & (own * MOST_STRETCH >= bpm))
