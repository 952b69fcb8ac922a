"""The process of a build that the page started: one JSON object a line on stdout, for :mod:`mmbert_ui.building`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from mmbert.console import clean
from mmbert.errors import MmbertError
from mmbert_ui.outside import error_words, outside

_EVERY_S = 0.2
_TOLD = ("pieces", "embedded", "removed", "rejected", "seconds")  # of the report: no list of files


def main(library: str, weights: str | None = None) -> int:
    """Build a library from the folders it was built from before."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # with which the page stops it
    places = [library, *([weights] if weights else [])]
    os.nice(5)  # the page that is being used goes first
    try:
        _say(report=_build(Path(library), weights, places))
    except MmbertError as e:
        _say(error=error_words(outside(e, places)))
        return 1
    except KeyboardInterrupt:
        _say(error={"fault": "Stopped", "hint": "Begin again to go on"})
        return 1
    return 0


def _build(library: Path, weights: str | None, places: list[str]) -> dict[str, Any]:
    """Build; ``places`` comes to hold the folders of music."""
    from mmbert_indexer.build import build_library
    from mmbert_indexer.lock import refuse_read_only

    from mmbert.store import open_library

    refuse_read_only(library)
    generation = open_library(library).current()
    sources = [Path(s) for s in generation.manifest["sources"]]
    places += map(str, sources)
    generation.close()
    from mmbert.embed import Embedder

    embedder = Embedder.from_pretrained(weights)
    _say(step="Looking for changes")
    begun, told = time.monotonic(), 0.0

    def progress(done: int, total: int, pieces: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _EVERY_S or done == total:
            told = now
            _say(done=done, total=total, pieces=pieces, rate=pieces / max(now - begun, 0.1))

    report = build_library(library, sources, embedder, progress=progress)
    return {name: getattr(report, name) for name in _TOLD}


def _say(**what: Any) -> None:
    print(json.dumps(clean(what)), flush=True)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
