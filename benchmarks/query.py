"""Questions a library answers, and where their milliseconds go, at 10,000 and 1,000,000 windows.

python benchmarks/query.py [--json] [--windows 10000 1000000] [--folder DIR] [--weights DIR] [--library LIBRARY]

Libraries of synthetic rows around the demo library's real ones are written (benchmarks/synthetic.py; kept in DIR where
one is given) and opened by the ordinary code, each in a fresh process. ``own`` is all that is neither the text model
nor FAISS. ``FAISS alone`` looks for the same number of rows in the same vectors and does nothing else. Recall is that
of the ten nearest pieces (a piece counts by its best row) against NumPy over every row.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from cold_start import command_seconds
from synthetic import write_library

from mmbert.api import Library
from mmbert.console import print_json, warn
from mmbert.retrieval.shortlist import WINDOW_ROWS, by_example
from mmbert.store import Generation, open_library
from mmbert.types import Condition

SHARES = (0.001, 0.01, 0.2, 0.5)  # of the pieces that a filter keeps
OF_EACH = 40  # questions of a kind
SEED = 11
FORMS = "jig hymn waltz reel march song minuet air polka lullaby nocturne prelude ballad mazurka"
MOODS = "lively slow sad bright solemn gentle wild dreamy dark playful majestic plain restless warm"
KEYS = "C G D A F Bb Eb E"
THINGS = "morning harbour winter battle forest wedding river evening machine garden storm market mountain candle"


class Clock:
    """Seconds spent inside functions that are timed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Any) -> Any:
        """The function, its time added up."""

        def run(*args: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                self.seconds += time.perf_counter() - begun

        return run


def questions(generation: Generation) -> dict[str, list[dict[str, Any]]]:
    """Questions by kind; no words are asked twice."""
    rng = np.random.default_rng(SEED)

    def one(words: str) -> str:
        return str(rng.choice(words.split()))

    def described(i: int) -> str:
        return f"a {one(MOODS)} {one(FORMS)} in {one(KEYS)} {one('major minor')} for {one(THINGS)} {i}"

    asked = {
        "words with facets": [{"words": described(i)} for i in range(OF_EACH)],
        "words only": [{"words": f"{one(THINGS)} and {one(MOODS)} {one(THINGS)} {i}"} for i in range(OF_EACH)],
        "like this": [{"like": str(uid)} for uid in rng.choice(generation.pieces.uid, OF_EACH)],
    }
    for share in SHARES:
        where = [filter_of(generation, share)]
        asked[f"filter {share:.1%}"] = [{"words": described(1000 + i), "where": where} for i in range(OF_EACH)]
    return asked


def filter_of(generation: Generation, share: float) -> Condition:
    """A condition that about this share of the pieces fits, at least one."""
    length = generation.numbers("duration_s")
    least = np.nanquantile(length, 1 - max(share, 1 / len(length)), method="lower")
    return Condition("duration_s", ">=", float(least), hard=True)


def measured(path: Path, weights: str | None) -> dict[str, Any]:
    """All figures of one library, in this process."""
    begun = time.perf_counter()
    library = Library.open(path, weights)
    generation = library.generation
    result: dict[str, Any] = {
        "pieces": generation.n_pieces,
        "windows": len(generation.windows),
        "open_seconds": time.perf_counter() - begun,
    }
    begun = time.perf_counter()
    library.search("a lively jig in D major")
    result["first_question_seconds"] = time.perf_counter() - begun
    asked = questions(generation)
    text, vectors = Clock(), Clock()
    with _timed(library, text, vectors):
        result["ms"] = {kind: _laps(library, each, text, vectors) for kind, each in asked.items()}
    result["memory_mb"] = _memory()
    result["faiss_alone_ms"], result["recall"] = {}, {}
    embedded = np.asarray(library._embedder.embed_texts([q["words"] for q in asked["words with facets"][:10]]))
    result["faiss_alone_ms"] = _faiss_alone(generation, embedded)
    for share in (1.0, *SHARES):
        keep = np.ones(generation.n_pieces, bool) if share == 1 else generation.fits(filter_of(generation, share)) == 1
        result["recall"][f"{share:.1%}"] = _recall(generation, embedded, keep)
    library.close()
    return result


@contextmanager
def _timed(library: Library, text: Clock, vectors: Clock) -> Iterator[None]:
    """Time the text model and the vector store of an open library."""
    embedder, store = library._embedder, library.generation.vectors
    before = embedder.embed_texts, store.search
    embedder.embed_texts, store.search = text.timed(before[0]), vectors.timed(before[1])  # type: ignore[method-assign]
    try:
        yield
    finally:
        embedder.embed_texts, store.search = before  # type: ignore[method-assign]


def _laps(library: Library, asked: list[dict[str, Any]], text: Clock, vectors: Clock) -> dict[str, dict[str, float]]:
    laps: dict[str, list[float]] = {"text": [], "vectors": [], "own": [], "total": []}
    for question in asked:
        text.seconds = vectors.seconds = 0.0
        begun = time.perf_counter()
        library.search(**question)
        total = time.perf_counter() - begun
        parts = {"text": text.seconds, "vectors": vectors.seconds, "total": total}
        for name, seconds in (parts | {"own": total - text.seconds - vectors.seconds}).items():
            laps[name].append(1000 * seconds)
    return {
        name: {"p50": float(np.percentile(ms, 50)), "p95": float(np.percentile(ms, 95))} for name, ms in laps.items()
    }


def _faiss_alone(generation: Generation, queries: np.ndarray) -> dict[str, float]:
    """Median milliseconds of a question to FAISS over the windows: ten rows, and as many as mmbert looks at."""
    index = faiss.IndexScalarQuantizer(
        generation.vectors.dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    codes = np.ascontiguousarray(generation.vectors.matrix("joint/windows")).view(np.uint8).ravel()
    faiss.copy_array_to_vector(codes, index.codes)
    index.ntotal = len(generation.windows)
    faiss.omp_set_num_threads(1)
    out = {}
    for k in (10, min(WINDOW_ROWS, index.ntotal)):
        laps = []
        for query in queries:
            begun = time.perf_counter()
            index.search(query[None], k)
            laps.append(1000 * (time.perf_counter() - begun))
        out[f"k={k}"] = float(np.median(laps))
    return out


def _recall(generation: Generation, queries: np.ndarray, keep: np.ndarray) -> float:
    """Mean share of the ten truly nearest kept pieces among the ten that are found nearest."""
    pieces, windows = (np.asarray(generation.vectors.matrix(f"joint/{name}")) for name in ("pieces", "windows"))
    shares = []
    for query in queries:
        true = pieces.astype(np.float32) @ query
        for start in range(0, len(windows), 100_000):
            near = windows[start : start + 100_000].astype(np.float32) @ query
            np.maximum.at(true, generation.windows.piece[start : start + 100_000], near)
        found = np.where(keep, by_example(generation, query, keep).similarity, -2)
        n = min(10, int(keep.sum()))
        least = np.sort(np.where(keep, true, -2))[-n]
        best = np.argsort(-found, kind="stable")[:n]
        shares.append(float((true[best] >= least - 1e-5).mean()))  # equal pieces may stand for each other
    return float(np.mean(shares))


def _memory() -> dict[str, float]:
    """This process now: its own memory, the mapped files' share of it, and the most that it ever took, in MB."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    now = {line[0].rstrip(":"): int(line[1]) / 1024 for line in lines if line[0] in ("RssAnon:", "RssFile:")}
    return {
        "own": now["RssAnon"],
        "files": now["RssFile"],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _demo_library(folder: Path) -> Path:
    from mmbert_ui.demo import prepare

    return prepare(folder, warn)


def main() -> int:
    """Write the libraries, measure each in a process of its own, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--windows", type=int, nargs="+", default=[10_000, 1_000_000], help="sizes of the libraries")
    parser.add_argument("--folder", type=Path, help="keep the libraries here (default: a temporary folder)")
    parser.add_argument("--weights", help="checkpoint folder (default: the released one)")
    parser.add_argument("--library", type=Path, help="measure this library instead")
    args = parser.parse_args()
    if args.library:
        results = {str(args.library): measured(args.library, args.weights)}
    else:
        with tempfile.TemporaryDirectory() as temporary:
            results = _all_sizes(args.folder or Path(temporary), args.windows, args.weights)
    if args.json:
        print_json(results)
    else:
        for name, result in results.items():
            show_table(name, result)
    return 0


def _all_sizes(folder: Path, sizes: list[int], weights: str | None) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    real = open_library(_demo_library(folder / "demo")).current()
    for windows in sizes:
        path = folder / f"windows-{windows}"
        if not (path / "CURRENT").exists():
            warn(f"writing {windows:,} windows ...")
            write_library(path, real, windows)
        command = [sys.executable, __file__, "--json", "--library", str(path)]
        command += ["--weights", weights] if weights else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        results[f"{windows:,} windows"] = json.loads(done.stdout)[str(path)] | {
            "cold_search_seconds": command_seconds(path, weights)
        }
    return results


def show_table(name: str, result: dict[str, Any]) -> None:
    """The figures of one library."""
    print(f"\n{name}: {result['pieces']:,} pieces, {result['windows']:,} windows")
    columns = [f"{part} {p}" for part in ("text", "vectors", "own", "total") for p in ("p50", "p95")]
    print(f"{'milliseconds':20}", " ".join(f"{c:>12}" for c in columns))
    for kind, parts in result["ms"].items():
        cells = [parts[c.split()[0]][c.split()[1]] for c in columns]
        print(f"{kind:20}", " ".join(f"{ms:12.1f}" for ms in cells))
    for key in ("faiss_alone_ms", "recall", "memory_mb"):
        print(f"{key:20}", ", ".join(f"{k} {v:.3g}" if v < 100 else f"{k} {v:.0f}" for k, v in result[key].items()))
    for key in ("open_seconds", "first_question_seconds", "cold_search_seconds"):
        if key in result:
            print(f"{key:20} {result[key]:.2f}")


if __name__ == "__main__":
    sys.exit(main())
