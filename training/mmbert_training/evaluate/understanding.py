"""What is read from words: the share of sentences whose set of conditions is exactly the one written down before.

The table, ``data/understanding.json``, was written before the grammar; its ``held_back`` sentences were not looked
at while the grammar was made, so their share says what a new sentence may expect.
"""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from mmbert.facets import BINS, from_mapping
from mmbert.retrieval.names import Names
from mmbert.retrieval.understand import understand
from mmbert.types import Condition

Chip = tuple[str, bool]
GROUPS = ("seen", "held_back", "added")  # added: written after the grammar


def run(data: Path | None = None, weights: Path | None = None) -> dict[str, Any]:
    """Read every sentence; neither data nor weights are needed."""
    table = json.loads(files(__package__).joinpath("data/understanding.json").read_text(encoding="utf-8"))
    names = Names(tuple(table["names"]["composers"]), tuple(table["names"]["titles"]))
    wrong, right, total = [], Counter[str](), Counter[str]()
    for row in table["sentences"]:
        group = next((g for g in GROUPS[1:] if row.get(g)), GROUPS[0])
        example = from_mapping(row["example"]) if "example" in row else None
        read = Counter(chip_of(c) for c in understand(row["words"], names, example).conditions)
        wanted = Counter([(_bound(c), False) for c in row["chips"]] + [(_bound(c), True) for c in row["hard"]])
        total[group] += 1
        right[group] += read == wanted
        if read != wanted:
            wrong.append(
                {"words": row["words"], "group": group, "missing": _show(wanted - read), "extra": _show(read - wanted)}
            )
    rows = [_row(name, right[name], total[name]) for name in GROUPS]
    return {"rows": [*rows, _row("all", right.total(), total.total())], "wrong": wrong}


def chip_of(condition: Condition) -> Chip:
    """A condition as the table writes it."""
    value = condition.value
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"{condition.facet}{condition.operator}{text}", condition.hard


def _bound(chip: str) -> str:
    """A chip of the table with the numbers of ``BINS`` in their places."""
    return chip.format_map({name: bins.bounds for name, bins in BINS.items()})


def _show(chips: Counter[Chip]) -> list[str]:
    return [f"{text} (excludes)" if hard else text for text, hard in chips.elements()]


def _row(name: str, right: int, total: int) -> dict[str, Any]:
    return {"sentences": name, "right": right, "of": total, "accuracy": right / total if total else None}
