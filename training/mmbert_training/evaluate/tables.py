"""How good a ranking is, as a row of a table; how two rankings differ over the same queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmbert.metrics import Standing, bootstrap, paired_bootstrap

CUTS = (1, 5, 10)


def figures(where: Standing, works: Sequence[str]) -> dict[str, float]:
    """MRR with its 95 % interval over works, and R@1, 5, 10.

    Args:
        where: One query a row.
        works: Of each query the work that it is about.
    """
    mrr = bootstrap(where.reciprocal_rank(), list(works))
    recall = {f"r@{k}": float(where.recall_at(k).mean()) for k in CUTS}
    return {"mrr": mrr.mean, "low": mrr.low, "high": mrr.high, **recall}


def differences(
    found: Mapping[str, Standing], works: Sequence[str], compared: Iterable[tuple[str, str]]
) -> list[dict[str, Any]]:
    """MRR of one row minus that of another, paired over works: they differ only where the interval leaves out zero."""
    rows = []
    for a, b in compared:
        d = paired_bootstrap(found[a].reciprocal_rank(), found[b].reciprocal_rank(), list(works))
        interval = {"mean": d.mean, "low": d.low, "high": d.high, "differs": d.excludes_zero}
        rows.append({"rows": f"{a} - {b}", **interval})
    return rows
