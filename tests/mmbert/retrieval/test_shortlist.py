"""What a filter keeps is compared exactly, however little of the library it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.retrieval import shortlist
from mmbert.retrieval.shortlist import by_example
from mmbert.store.records import WindowTable
from mmbert.store.vectors import VectorStore, file_name

PIECES, A_PIECE, DIM = 300, 10, 24


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Rows of few latent dimensions; windows lie around their pieces."""
    rng = np.random.default_rng(3)
    folder: Path = tmp_path_factory.mktemp("rows")
    pieces = rng.standard_normal((PIECES, 6)) @ rng.standard_normal((6, DIM))
    windows = np.repeat(pieces, A_PIECE, axis=0) + 1.5 * rng.standard_normal((PIECES * A_PIECE, DIM))
    for space, rows in (("joint/pieces", pieces), ("joint/windows", windows)):
        (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("<f2").tofile(folder / file_name(space))
    store = VectorStore(folder, {"joint/pieces": (PIECES, DIM), "joint/windows": (len(windows), DIM)})
    table = WindowTable(None, np.full(PIECES, A_PIECE))  # type: ignore[arg-type]  # no place is asked for
    return SimpleNamespace(n_pieces=PIECES, vectors=store, windows=table)


def exact(generation: SimpleNamespace, vector: np.ndarray) -> np.ndarray:
    """Similarity of every piece, the better of its own row and its best window, in NumPy."""
    pieces, windows = (np.asarray(generation.vectors.matrix(f"joint/{s}"), np.float32) for s in ("pieces", "windows"))
    return np.maximum(pieces @ vector, (windows @ vector).reshape(PIECES, A_PIECE).max(axis=1))


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.003, 0.01, 0.05, 0.2, 0.5, 0.9, 1.0]))
def test_the_nearest_pieces_that_a_filter_keeps_are_found(generation: SimpleNamespace, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal(DIM).astype(np.float32)
    vector /= np.linalg.norm(vector)
    keep = rng.random(PIECES) < share
    keep[int(rng.integers(PIECES))] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortlist, "WINDOW_ROWS", 20 * A_PIECE)  # so that they are of 20 pieces at least
        patch.setattr(shortlist, "ENOUGH", 20)
        found = np.where(keep, by_example(generation, vector, keep).similarity, -2)
    true = np.where(keep, exact(generation, vector), -2)
    n = min(10, int(keep.sum()))
    np.testing.assert_allclose(np.sort(found)[::-1][:n], np.sort(true)[::-1][:n], atol=1e-5)
    best = np.argsort(-found, kind="stable")[:n]
    np.testing.assert_allclose(found[best], true[best], atol=1e-5)


def test_a_filter_changes_no_similarity_but_of_what_it_keeps(generation: SimpleNamespace) -> None:
    vector = np.asarray(generation.vectors.matrix("joint/pieces")[7], np.float32)
    keep = np.arange(PIECES) % 50 == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortlist, "WINDOW_ROWS", 100)
        everywhere, filtered = (by_example(generation, vector, k).similarity for k in (None, keep))
    np.testing.assert_array_equal(everywhere[~keep], filtered[~keep])
    assert (filtered[keep] >= everywhere[keep]).all()
    assert (filtered[keep] > everywhere[keep]).any()
