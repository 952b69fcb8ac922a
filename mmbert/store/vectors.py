"""Vectors of a generation: plain float16 matrices, searched exactly by FAISS.

The files are the truth, one row after the other. They are mapped, and a FAISS index is a view of the mapping: half
floats are what its codes are, so nothing is read before it is searched, nothing is copied, and the memory that the
rows take is the system's page cache, shared by all processes and given back when it is short. No index is ever written
or read from a file.

Where FAISS was built for GPUs and there is one, unfiltered searches run there. That path has run against a stand-in for
FAISS's GPU classes alone, never on a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from mmbert import _runtime  # noqa: F401  (before faiss is imported)
from mmbert.errors import LibraryError, MissingExtraError
from mmbert.symbolic.phrases import Task

# What goes on from a melody, or with it: rows of phrases, in libraries that keep them.
PHRASE_SPACES: dict[Task, str] = {"completion": "next/phrases", "accompaniment": "accompaniment/phrases"}
GPU_MOST = 2048  # rows that one search on a GPU can return


def file_name(space: str) -> str:
    """File of a space in a generation's folder.

    >>> file_name("joint/windows")
    'joint.windows.f16'
    """
    return space.replace("/", ".") + ".f16"


class VectorStore:
    """Exact search over the rows of a generation; a row is a piece, a window or a phrase, in generation order.

    Args:
        folder: The generation.
        shapes: Number of rows of each space, and length of its vectors. ``joint/pieces`` is one of them.

    Attributes:
        dim: Length of the vectors of ``joint``.
    """

    def __init__(self, folder: Path, shapes: Mapping[str, tuple[int, int]]) -> None:
        self.dim = shapes["joint/pieces"][1]
        self._matrices = {space: _matrix(folder / file_name(space), *shape) for space, shape in shapes.items()}
        self._indexes: dict[str, _Index] = {}
        self._lock = Lock()

    def matrix(self, space: str) -> np.ndarray:
        """float16 [rows, d], mapped from the file; read only.

        Raises:
            LibraryError: the library was closed.
        """
        if (matrix := self._matrices.get(space)) is None:
            raise LibraryError("library", "was closed", "Open it again")
        return matrix

    def rows(self, space: str, rows: np.ndarray | list[int]) -> np.ndarray:
        """Vectors of some rows, float32 [n, d]."""
        return np.asarray(self.matrix(space)[np.asarray(rows, dtype=np.int64)], dtype=np.float32)

    def search(
        self, space: str, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k rows of largest inner product, exactly; equal ones in order of row.

        Args:
            space: ``joint/pieces``, ``joint/windows``, or of a library that keeps phrases one of theirs.
            queries: float32 [q, d], unit length for cosines.
            k: Rows wanted; may exceed what there is.
            allowed: bool [rows], the only rows that may be returned; None for all.

        Returns:
            Similarity float32 [q, k], row int64 [q, k]; where there are fewer rows, -inf and -1.

        Raises:
            LibraryError: the queries are of another dimension than the library.
            MissingExtraError: FAISS is not installed.
        """
        queries = np.ascontiguousarray(np.atleast_2d(queries), dtype=np.float32)
        matrix = self.matrix(space)
        if queries.shape[1] != matrix.shape[1]:
            fault = f"holds vectors of {matrix.shape[1]} dimensions, the question has {queries.shape[1]}"
            raise LibraryError("library", fault, "Open it with the weights that it was built with.")
        if not np.isfinite(queries).all():
            raise ValueError("a query vector holds NaN or an infinity")
        if allowed is not None and len(allowed) != len(matrix):
            raise ValueError(f"allowed has {len(allowed)} entries for {len(matrix)} rows of {space}")
        open_rows = len(matrix) if allowed is None else int(np.count_nonzero(allowed))
        similarity = np.full((len(queries), k), -np.inf, np.float32)
        row = np.full((len(queries), k), -1, np.int64)
        if (n := min(k, open_rows)) > 0:
            index = self._index(space)
            for i, query in enumerate(queries):
                similarity[i, :n], row[i, :n] = _nearest(index, query[None], n, open_rows, allowed)
        return similarity, row

    def close(self) -> None:
        """Let go of indexes and mappings."""
        self._indexes.clear()
        self._matrices.clear()

    def _index(self, space: str) -> _Index:
        with self._lock:  # requests come from several threads
            if space not in self._indexes:
                self._indexes[space] = _Index(self.matrix(space))
            return self._indexes[space]


def _matrix(path: Path, rows: int, dim: int) -> np.ndarray:
    if not rows:  # an empty file cannot be mapped
        return np.zeros((0, dim), np.float16)
    return np.memmap(path, dtype="<f2", mode="r", shape=(rows, dim))


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as e:
        raise MissingExtraError.of("faiss", "cpu") from e
    return faiss


class _Index:
    """FAISS over the rows as they lie in the file: its half floats are the same sixteen bits.

    The matrix must outlive the index, which points into it.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self._faiss = faiss = _faiss()
        kind, metric = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        self._matrix = matrix
        self._cpu = faiss.IndexScalarQuantizer(matrix.shape[1], kind, metric)
        codes = matrix.view(np.uint8).reshape(-1)
        nobody = self._cpu.codes.owner  # of an empty vector: the pages are let go with the matrix
        self._cpu.codes = faiss.MaybeOwnedVectorUInt8.create_view(faiss.swig_ptr(codes), codes.size, nobody)
        self._cpu.ntotal = len(matrix)
        self._gpu = _on_gpu(faiss, matrix)
        self._gpu_lock = Lock()  # FAISS's GPU resources serve one thread at a time

    def search(self, query: np.ndarray, k: int, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Best k rows for one query [1, d], in FAISS's order."""
        if self._gpu is not None and allowed is None and k <= GPU_MOST:
            with self._gpu_lock:
                similarity, row = self._gpu.search(query, k)
            return similarity[0], row[0]
        parameters = None
        if allowed is not None:
            bitmap = np.packbits(np.asarray(allowed, bool), bitorder="little")
            parameters = self._faiss.SearchParameters(sel=self._faiss.IDSelectorBitmap(bitmap))
        with _one_thread(self._faiss):
            similarity, row = self._cpu.search(query, k, params=parameters)
        return similarity[0], row[0]


@contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    """FAISS divides questions among threads, not rows: for one question the others only wait, and wait busily."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # of this thread alone
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _on_gpu(faiss: Any, matrix: np.ndarray) -> Any:
    """The rows on the first GPU as half floats; None where there is none, or this FAISS has no GPU functions."""
    if not hasattr(faiss, "GpuIndexFlatIP") or not hasattr(faiss, "get_num_gpus") or not faiss.get_num_gpus():
        return None
    config = faiss.GpuIndexFlatConfig()
    config.useFloat16 = True
    index = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), matrix.shape[1], config)
    index.add(np.asarray(matrix, np.float32))
    return index


def _nearest(
    index: _Index, query: np.ndarray, n: int, open_rows: int, allowed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Best n for one query, ties in order of row.

    FAISS keeps any of several equal rows at the cut, so one row more is asked for, and more while it ties.
    """
    wanted = min(n + 1, open_rows)
    while True:
        similarity, row = index.search(query, wanted, allowed)
        if wanted == open_rows or similarity[wanted - 1] < similarity[n - 1]:
            break
        wanted = min(wanted * 4, open_rows)
    if (similarity[1:] == similarity[:-1]).any():  # else they are in order already
        order = np.lexsort((row, -similarity))
        similarity, row = similarity[order], row[order]
    return similarity[:n], row[:n]
