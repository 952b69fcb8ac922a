"""What tune finders do: an inverted index of short runs of intervals, the rare ones weighing more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

N = 4  # intervals of a run
_BASE = 64  # intervals are kept to -32..31, which hardly any melody leaves


class NGramIndex:
    """Tunes by the runs of intervals that they hold, in any key and without regard to lengths.

    Args:
        lines: Pitches of every tune, int [n] each.
    """

    def __init__(self, lines: Sequence[np.ndarray]) -> None:
        self._n = len(lines)
        runs = [np.unique(_runs(line)) for line in lines]
        run, tune = np.concatenate(runs), np.repeat(np.arange(self._n), [len(r) for r in runs])
        order = np.argsort(run, kind="stable")
        self._run, self._tune = run[order], tune[order]

    def scores(self, pitch: np.ndarray) -> np.ndarray:
        """Sum over the tune's runs of ln(tunes / tunes that hold the run), float64 [tunes]."""
        total = np.zeros(self._n)
        for run in np.unique(_runs(pitch)):
            low, high = np.searchsorted(self._run, [run, run + 1])
            if high > low:
                total[self._tune[low:high]] += np.log(self._n / (high - low))
        return total


def _runs(pitch: np.ndarray) -> np.ndarray:
    intervals = np.clip(np.diff(pitch.astype(np.int64)), -_BASE // 2, _BASE // 2 - 1) + _BASE // 2
    if len(intervals) < N:
        return np.zeros(0, np.int64)
    return np.convolve(intervals, _BASE ** np.arange(N), "valid")
