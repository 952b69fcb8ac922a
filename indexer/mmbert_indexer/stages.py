"""Where the seconds of a build go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# In order. "embed" is what the embedder does not account for itself.
STAGES = ("scan", "hash", "parse", "facets", "encode", "forward", "embed", "write", "publish")


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
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

    @contextmanager
    def embedding(self, embedder: Any) -> Iterator[None]:
        """Count what an embedder does, under its own stages where it tells them (``embedder.seconds``)."""
        before, start = dict(getattr(embedder, "seconds", {})), time.perf_counter()
        try:
            yield
        finally:
            rest = time.perf_counter() - start
            for stage, seconds in getattr(embedder, "seconds", {}).items():
                spent = seconds - before.get(stage, 0.0)
                self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
                rest -= spent
            self.seconds["embed"] += max(0.0, rest)
