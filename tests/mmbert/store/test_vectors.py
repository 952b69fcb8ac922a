"""Search by FAISS against NumPy: same rows, same similarities, filters obeyed, ties in order."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.errors import LibraryError, MissingExtraError
from mmbert.store.vectors import VectorStore, file_name

DIM = 24


def latent(n, seed=0, dim=DIM):
    """Unit rows of few latent dimensions with noise: as trained vectors are, and not Gaussian."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 6)) @ rng.standard_normal((6, dim)) + 0.3 * rng.standard_normal((n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def store_of(folder, pieces, windows=None):
    windows = pieces if windows is None else windows
    for space, rows in (("joint/pieces", pieces), ("joint/windows", windows)):
        rows.astype("<f2").tofile(folder / file_name(space))
    return VectorStore(folder, {"joint/pieces": pieces.shape, "joint/windows": windows.shape})


def reference(rows, queries, k, allowed=None):
    """Exact search in NumPy over the float16 rows; ties in order of row."""
    scores = queries @ rows.astype(np.float16).astype(np.float32).T
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return store_of(tmp_path_factory.mktemp("vectors"), latent(500), latent(2000, 1))


@pytest.mark.parametrize("space", ["joint/pieces", "joint/windows"])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_search_equals_the_reference(store, space, k):
    queries = latent(7, 5)
    rows = np.asarray(store.matrix(space), np.float32)
    similarity, row = store.search(space, queries, k)
    expected, order = reference(rows, queries, k)
    assert similarity.dtype == np.float32
    assert row.dtype == np.int64
    np.testing.assert_allclose(similarity, expected, atol=1e-5)
    assert (row == order).mean() > 0.999  # rows whose scores differ by a rounding may change places


def test_similarity_is_that_of_the_vectors_within_a_thousandth(tmp_path):
    rows = latent(300, 3, 256)
    store = store_of(tmp_path, rows)
    similarity, row = store.search("joint/pieces", rows[:20], 5)
    np.testing.assert_allclose(similarity, np.take_along_axis(rows[:20] @ rows.T, row, 1), atol=1e-3)
    assert row[:, 0].tolist() == list(range(20))
    np.testing.assert_allclose(store.rows("joint/pieces", [3, 1]), rows[[3, 1]], atol=1e-3)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.floats(0, 1))
def test_a_filter_is_obeyed_and_filled_from_what_it_leaves(store, seed, k, share):
    rng = np.random.default_rng(seed)
    allowed = rng.random(500) < share
    queries = latent(2, seed % 1000)
    similarity, row = store.search("joint/pieces", queries, k, allowed)
    n = min(k, int(allowed.sum()))
    assert row.shape == similarity.shape == (2, k)
    assert allowed[row[:, :n]].all()
    assert (row[:, n:] == -1).all()
    assert np.isneginf(similarity[:, n:]).all()
    expected, _ = reference(np.asarray(store.matrix("joint/pieces"), np.float32), queries, n, allowed)
    np.testing.assert_allclose(similarity[:, :n], expected, atol=1e-5)


def test_k_beyond_the_library_gives_every_row_once(store):
    _, row = store.search("joint/pieces", latent(1, 9), 10_000)
    assert sorted(row[0, :500].tolist()) == list(range(500))
    assert (row[0, 500:] == -1).all()


@pytest.mark.parametrize("k", [1, 5, 40, 60, 100])
def test_equal_rows_come_in_order(tmp_path, k):
    rows = latent(100)
    rows[20:70] = rows[20]
    store = store_of(tmp_path, rows)
    _, row = store.search("joint/pieces", rows[20:21], k)
    assert row[0, : min(k, 50)].tolist() == list(range(20, 20 + min(k, 50)))
    allowed = np.ones(100, bool)
    allowed[20:30] = False
    _, row = store.search("joint/pieces", rows[20:21], k, allowed)
    assert row[0, : min(k, 40)].tolist() == list(range(30, 30 + min(k, 40)))


def test_an_answer_does_not_depend_on_the_other_questions(store):
    queries = latent(9, 4)
    together = store.search("joint/windows", queries, 8)
    for i in range(9):
        alone = store.search("joint/windows", queries[i], 8)
        np.testing.assert_array_equal(alone[0][0], together[0][i])
        np.testing.assert_array_equal(alone[1][0], together[1][i])


def test_an_empty_library_has_no_answer(tmp_path):
    store = store_of(tmp_path, latent(0), latent(0))
    similarity, row = store.search("joint/windows", latent(2), 3)
    assert (row == -1).all()
    assert np.isneginf(similarity).all()


def test_questions_that_cannot_be_meant(store):
    with pytest.raises(LibraryError, match="vectors of 24 dimensions, the question has 8"):
        store.search("joint/pieces", np.ones((1, 8), np.float32), 3)
    with pytest.raises(ValueError, match="NaN"):
        store.search("joint/pieces", np.full((1, DIM), np.nan, np.float32), 3)
    with pytest.raises(ValueError, match="3 entries for 500 rows"):
        store.search("joint/pieces", latent(1), 3, np.ones(3, bool))


def test_without_faiss_a_search_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mmbert\[cpu\]"'):
        store_of(tmp_path, latent(5)).search("joint/pieces", latent(1), 3)


def test_a_gpu_answers_where_faiss_has_one_and_filters_stay_with_the_cpu(tmp_path, monkeypatch):
    """With a stand-in for FAISS's GPU classes: the branch is tested, no device is."""
    import faiss

    asked = []

    class Flat(faiss.IndexFlatIP):
        def __init__(self, resources, dim, config):
            super().__init__(dim)
            assert config.useFloat16

        def search(self, queries, k):
            asked.append(k)
            return super().search(queries, k)

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "GpuIndexFlatIP", Flat, raising=False)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "GpuIndexFlatConfig", type("Config", (), {}), raising=False)
    rows = latent(3000)
    store = store_of(tmp_path, rows)
    similarity, row = store.search("joint/pieces", rows[:2], 5)
    assert asked == [6, 6]
    expected, order = reference(rows, rows[:2], 5)
    np.testing.assert_allclose(similarity, expected, atol=1e-3)
    assert (row == order).all()
    store.search("joint/pieces", rows[:1], 5, np.arange(3000) < 50)
    store.search("joint/pieces", rows[:1], 2900)
    assert asked == [6, 6]


def test_rows_are_searched_where_they_lie_and_not_copied(tmp_path):
    rows = np.lib.stride_tricks.as_strided(latent(1), (100_000, DIM), (0, 4))
    store = store_of(tmp_path, rows)
    before = private_bytes()
    similarity, _ = store.search("joint/windows", rows[:1], 3)
    assert similarity[0] == pytest.approx(1, abs=1e-3)
    assert private_bytes() - before < rows.size  # half of what the half floats take


def private_bytes():
    """Memory of this process that is no file's."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("only Linux says it")
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("RssAnon"))
