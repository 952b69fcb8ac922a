"""Where the seconds of a build go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

# In order. "wait" is for files that are read beside, in other processes.
STAGES = ("scan", "hash", "wait", "forward", "phrases", "write", "publish")
BESIDE = ("parse", "facets", "encode")


class Stages:
    """Seconds by stage: those that follow each other, and those of the reading processes beside them."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.seconds_beside = dict.fromkeys(BESIDE, 0.0)
        self._start = time.perf_counter()

    @property
    def total(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._start

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count what runs inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def beside(self, stage: str, seconds: float) -> None:
        """Count what a reading process did."""
        self.seconds_beside[stage] += seconds
