"""Recordings that are in a library although something is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmbert.store.generations import Generation


def flawed(generation: Generation, shown: int = 5) -> dict[str, Any]:
    """How many recordings are damaged or clipped, and ``path`` and ``flaws`` of the first few."""
    rows = np.flatnonzero(generation.pieces.kind == "recording").tolist()
    flaws = {row: stated["flaws"] for row, stated in generation.metadata_of(rows).items() if "flaws" in stated}
    first = [{"path": str(generation.pieces.path[row]), "flaws": flaws[row]} for row in sorted(flaws)[:shown]]
    return {"count": len(flaws), "first": first}
