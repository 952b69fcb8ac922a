"""What is folded into a hit: other settings of the piece, and nothing of another kind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmbert.retrieval.versions import fold_versions
from mmbert.store.vectors import VectorStore, file_name


@pytest.fixture
def generation(tmp_path: Path) -> SimpleNamespace:
    """Two scores and two recordings of one title by one person, each with a vector of its own."""
    np.eye(4, dtype="<f2").tofile(tmp_path / file_name("joint/pieces"))
    pieces = SimpleNamespace(
        title=["Salt Road"] * 4, composer=["Mary Brown"] * 4, kind=["score", "recording", "recording", "score"]
    )
    vectors = VectorStore(tmp_path, {"joint/pieces": (4, 4)})
    return SimpleNamespace(pieces=pieces, vectors=vectors, numbers=lambda name: np.full(4, np.nan))


def test_a_recording_is_no_version_of_its_score(generation: SimpleNamespace) -> None:
    assert fold_versions(generation, np.arange(4), 3) == [(0, [3]), (1, [2])]
    assert fold_versions(generation, np.array([2, 0, 3]), 2) == [(2, []), (0, [3])]
