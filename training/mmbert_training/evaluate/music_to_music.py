"""Finding another version of the same work by its notes, among candidates of which one is that work.

Three sets (:mod:`mmbert_training.evaluate.versions`): two settings of one folk tune, a performance and its score, a
transposed and stretched copy and its original. Beside the product's piece vectors and those of notes alone stand two
rows without a model: counts of the notes, and pitch classes in the best of twelve rotations. Tunes and performances are
research data (SOURCES.md): evaluated with, never trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mmbert.embed import Embedder
from mmbert.metrics import standing
from mmbert.types import Modality
from mmbert_training.evaluate.note_features import by_features, by_pitch_classes, features, pitch_classes
from mmbert_training.evaluate.tables import differences, figures
from mmbert_training.evaluate.versions import Versions, sets

_STREAMS: tuple[tuple[Modality, ...], ...] = (("facets", "score"), ("score",))
_COMPARED = (("vectors", "features"), ("notes", "features"), ("vectors", "pitch_classes"))


def run(data: Path | None = None, weights: Path | None = None) -> dict[str, Any]:
    """All rows and sets.

    Raises:
        DataError: where the data are missing.
        WeightsError: where the weights are missing.
    """
    embedder = Embedder.from_pretrained(weights)
    found: dict[str, Any] = {}
    rows, compared = [], []
    for versions in sets(data, embedder.kinds):
        ranked = {row: standing(s, versions.target) for row, s in score(embedder, versions).items()}
        name = versions.name
        found |= {f"n_candidates_{name}": len(versions.candidates), f"n_queries_{name}": len(versions.questions)}
        for row, where in ranked.items():
            rows.append({"row": row, "set": name, "queries": len(where), **figures(where, versions.works)})
        compared += [{"set": name, **row} for row in differences(ranked, versions.works, _COMPARED)]
    found |= {f"mrr_{r['row']}_{r['set']}": r["mrr"] for r in rows}
    return {**found, "rows": rows, "differences_of_mrr": compared}


def score(embedder: Embedder, versions: Versions) -> dict[str, np.ndarray]:
    """What every row says of every question: float64 [questions, candidates]."""
    pieces = (*versions.questions, *versions.candidates)
    scores = [p.item.score for p in pieces if p.item.score is not None]
    joint, notes = embedder.piece_rows(pieces, _STREAMS)
    n = len(versions.questions)
    counts = np.stack([features(s) for s in scores])
    classes = np.stack([pitch_classes(s) for s in scores])
    return {
        "chance": np.zeros((n, len(versions.candidates))),
        "pitch_classes": by_pitch_classes(classes[:n], classes[n:]),
        "features": by_features(counts[:n], counts[n:]),
        "notes": notes[:n] @ notes[n:].T,
        "vectors": joint[:n] @ joint[n:].T,
    }
