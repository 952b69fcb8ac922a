"""Whether a piece is likely to be the same music: how far it stands out from the rest of the library.

A likeness alone says little. A performance is less like its score than a rendering is, and wrong pieces are the more
alike the shorter the question, the flatter its harmony, and the larger the library. All of that lifts the pieces that
come next as well, so what counts is the way from them to a perfect likeness, and how much of it a piece has gone.
Measured by ``benchmarks/same_music.py``.
"""

from __future__ import annotations

import numpy as np

# Lets one in twenty of the best wrong pieces through among composed works and folk tunes, fewer among composed works
# alone: performances and renderings of 30, 10 and 5 seconds, libraries of 10 to 2,000 pieces without the right one.
ENOUGH = 0.38
_RANK, _OF_FEW = 10, 3  # the next are judged by the tenth best piece, of few by that at the end of the best third
_UNLIKE = 0.4  # likeness of the next at least: two or three pieces tell nothing of how like chance can be
_PIECES, _SECONDS = 0.025, 0.035  # for each e-fold of a hundred pieces, and of ten seconds
_LONGEST = 30.0  # seconds: more of a question is compared in parts of so much


def standing_out(score: np.ndarray, seconds: float) -> np.ndarray:
    """How far each piece stands out; from :data:`ENOUGH` on it is likely to be the same music.

    Args:
        score: Likeness of the pieces of a library but what was asked with, 1 at most, float [P].
        seconds: Of what was asked with.

    Returns:
        float64 [P], in the order of the likenesses.

    >>> standing_out(np.array([0.8, 0.55, *[0.5] * 98]), 10.0)[:2].round(2).tolist()
    [0.6, 0.1]
    """
    if not len(score):
        return np.zeros(0)
    rank = min(_RANK, -(-len(score) // _OF_FEW))
    following = max(float(np.sort(score)[-rank]), _UNLIKE) if rank > 1 else _UNLIKE
    larger, longer = np.log(len(score) / 100), np.log(min(seconds, _LONGEST) / 10)
    return (score - following) / (1 - min(following, 1 - 1e-6)) + _PIECES * larger + _SECONDS * longer
