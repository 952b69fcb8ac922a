"""Finding pieces by words: a sentence of two to five true facts of one piece, all candidates ranked by it.

The candidates are those of :mod:`mmbert_training.evaluate.candidates`. Many fit one sentence as well as the piece
that it was written from, so the row to compare with is the oracle, which knows every fact of the sentence and of
every candidate; the number of facts a sentence moves all figures and is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.console import progress, warn
from mmbert.errors import ItemError
from mmbert.facets import tokens_of
from mmbert.metrics import Standing, bootstrap, chance, paired_bootstrap, standing
from mmbert.types import Embedded, Item
from mmbert_training.captions import caption
from mmbert_training.evaluate.baselines import bm25, phrase_neighbours, sheet
from mmbert_training.evaluate.candidates import load_candidates
from mmbert_training.manifest import Work, load_item
from mmbert_training.phrases import POOLS, Pool, lexical_overlap

SEED = 20240
QUERIES = 2  # a candidate and wording
FACTS = (2, 5)
CAPTIONS = 6  # of a candidate in the BM25 row
_COMPARED = (("fused", "BM25, full sheet"), ("fused", "phrase neighbours"), ("vectors", "phrase neighbours"))


@dataclass(frozen=True)
class Query:
    """A sentence, the candidate that it was written from, and the statements that it makes."""

    text: str
    candidate: int
    facts: tuple[str, ...]
    pool: Pool


@dataclass(frozen=True)
class Candidate:
    """A piece that may be found."""

    work: Work
    embedded: Embedded
    tokens: tuple[str, ...]


def run(data: Path | None = None, weights: Path | None = None) -> dict[str, Any]:
    """All rows, for known and held-out wording, and again for the sentences that name no form.

    Raises:
        DataError: where the data are missing.
        WeightsError: where the weights are missing.
        MissingExtraError: where the text model is not installed.
    """
    from mmbert.embed import Embedder
    from mmbert.text.encoder import TextEncoder

    works = load_candidates(data)
    embedder = Embedder.from_pretrained(weights)
    candidates = embedded(works, embedder)
    statements = [c.tokens for c in candidates]
    queries = draw(statements)
    texts = [q.text for q in queries]
    scores = {
        "oracle": oracle(statements, queries),
        "BM25, six captions": bm25([_captions(t, i) for i, t in enumerate(statements)], texts),
        "BM25, full sheet": bm25([sheet(t) for t in statements], texts),
        "phrase neighbours": phrase_neighbours(statements, texts, TextEncoder.load()),
        "vectors": _by_vectors(embedder, candidates, texts),
        "fused": _by_search(embedder, candidates, texts),
    }
    found = {row: standing(s, [q.candidate for q in queries]) for row, s in scores.items()}
    formless = np.array([not any(f.startswith("form=") for f in q.facts) for q in queries])
    return {
        "candidates": len(candidates),
        "queries_a_wording": len(queries) // len(POOLS),
        "facts_a_query": float(np.mean([len(q.facts) for q in queries])),
        "held_out_phrases_with_a_known_word": lexical_overlap(),
        "seed": SEED,
        "rows": _rows(found, queries, candidates, np.ones(len(queries), dtype=bool)),
        "rows_without_form": _rows(found, queries, candidates, formless),
        "differences_of_mrr": _differences(found, queries, candidates),
    }


def draw(statements: Sequence[Sequence[str]]) -> list[Query]:
    """The sentences. Known and held-out wording say the same facts of the same candidate."""
    queries = []
    for pool in POOLS:
        for i, tokens in enumerate(statements):
            for n in range(QUERIES):
                if tokens:
                    made = caption(tokens, np.random.default_rng([SEED, i, n]), pool, FACTS)
                    queries.append(Query(made.text, i, made.facts, pool))
    return queries


def oracle(statements: Sequence[Sequence[str]], queries: Sequence[Query]) -> np.ndarray:
    """How many of a query's facts are true of each candidate, float64 [queries, candidates]."""
    place = {t: i for i, t in enumerate(sorted({t for tokens in statements for t in tokens}))}
    holds, asked = np.zeros((len(statements), len(place))), np.zeros((len(queries), len(place)))
    for row, tokens in enumerate(statements):
        holds[row, [place[t] for t in tokens]] = 1
    for row, query in enumerate(queries):
        asked[row, [place[t] for t in query.facts]] = 1
    return asked @ holds.T


def embedded(works: Sequence[Work], embedder: Any) -> list[Candidate]:
    """Candidates with facets and vectors; one that cannot be read is left out and said."""
    items: list[tuple[Work, Item]] = []
    with progress("reading candidates", len(works)) as advance:
        for work in works:
            try:
                items.append((work, load_item(work)))
            except ItemError as e:
                warn(f"{work.id} is left out: {e}")
            advance()
    found = []
    for (work, _), result in zip(items, embedder.embed([item for _, item in items]), strict=True):
        if isinstance(result, ItemError):
            warn(f"{work.id} is left out: {result}")
        else:
            found.append(Candidate(work, result, tokens_of(result.facets)))
    return found


def _captions(tokens: Sequence[str], candidate: int) -> str:
    """Generated captions of one candidate in known words, none of them a query's."""
    rngs = [np.random.default_rng([SEED + 1, candidate, n]) for n in range(CAPTIONS)]
    return ". ".join(caption(tokens, rng, "known").text for rng in rngs) if tokens else ""


def _by_vectors(embedder: Any, candidates: Sequence[Candidate], texts: Sequence[str]) -> np.ndarray:
    return np.asarray(embedder.embed_texts(list(texts))) @ np.stack([c.embedded.piece for c in candidates]).T


def _by_search(embedder: Any, candidates: Sequence[Candidate], texts: Sequence[str]) -> np.ndarray:
    from mmbert_training.evaluate.product import search_scores

    return search_scores(embedder, [c.embedded for c in candidates], texts)


def _rows(
    found: dict[str, Standing], queries: Sequence[Query], candidates: Sequence[Candidate], keep: np.ndarray
) -> list[dict[str, Any]]:
    """One row a ranking and wording: MRR with its interval over works, share of the oracle's, R@k."""
    rows = []
    for pool in POOLS:
        mine = keep & np.array([q.pool == pool for q in queries])
        works = [candidates[q.candidate].work.cluster for q, m in zip(queries, mine) if m]
        known_best = float(found["oracle"].reciprocal_rank()[mine].mean())
        guess = chance(len(candidates))
        rows.append(_figures("chance", pool, guess, np.array([True]), known_best) | {"queries": len(works)})
        for name, where in found.items():
            interval = bootstrap(where.reciprocal_rank()[mine], works)
            row = _figures(name, pool, where, mine, known_best)
            rows.append(row | {"low": interval.low, "high": interval.high, "queries": len(works)})
    return rows


def _figures(name: str, pool: Pool, where: Standing, keep: np.ndarray, known_best: float) -> dict[str, Any]:
    mrr = float(where.reciprocal_rank()[keep].mean())
    row = {"row": name, "wording": pool, "mrr": mrr, "low": None, "high": None, "share_of_oracle": mrr / known_best}
    return row | {f"r@{k}": float(where.recall_at(k)[keep].mean()) for k in (1, 5, 10)}


def _differences(
    found: dict[str, Standing], queries: Sequence[Query], candidates: Sequence[Candidate]
) -> list[dict[str, Any]]:
    """Paired over the same works: one row is better than another only where the interval leaves out zero."""
    rows = []
    for pool in POOLS:
        mine = np.array([q.pool == pool for q in queries])
        works = [candidates[q.candidate].work.cluster for q, m in zip(queries, mine) if m]
        for a, b in _COMPARED:
            d = paired_bootstrap(found[a].reciprocal_rank()[mine], found[b].reciprocal_rank()[mine], works)
            rows.append(
                {"rows": f"{a} - {b}", "wording": pool, "mean": d.mean, "low": d.low, "high": d.high, "works": d.groups,
                 "differs": d.excludes_zero}
            )  # fmt: skip
    return rows
