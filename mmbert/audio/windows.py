"""The places of a recording that a library can answer with."""

from __future__ import annotations

import math

from mmbert.types import Place

WINDOW_S = 10.0
HOP_S = 5.0


def search_windows(length: float) -> tuple[Place, ...]:
    """Ten seconds, every five; a shorter recording is one place, and the last place ends where the sound does.

    Args:
        length: Of the recording, in seconds.

    >>> [(p.start_s, p.end_s) for p in search_windows(23.0)]
    [(0.0, 10.0), (5.0, 15.0), (10.0, 20.0), (13.0, 23.0)]
    """
    hops = math.floor(max(length - WINDOW_S, 0) / HOP_S + 1e-9)
    starts = [i * HOP_S for i in range(hops + 1)]
    if starts[-1] + WINDOW_S < length:
        starts.append(length - WINDOW_S)
    return tuple(Place(start, min(start + WINDOW_S, length)) for start in starts)
