"""Facets of all pieces as columns, so that a condition is answered for a whole library at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from mmbert.facets import FACETS, fold, satisfied
from mmbert.types import Condition, Facets

TRUE, UNKNOWN = 1, -1


class Columns:
    """Answers conditions as :func:`mmbert.facets.satisfied` does, once per distinct value instead of once per piece.

    Args:
        read: Gives one column of the piece table as a list in row order.
    """

    def __init__(self, read: Callable[[str], list]) -> None:
        self._read = read
        # A column is read when it is first asked for and kept from then on.
        self._number = lru_cache(None)(self._read_number)
        self._distinct = lru_cache(None)(self._read_distinct)
        self._list = lru_cache(None)(self._read_list)

    def numbers(self, facet: str) -> np.ndarray:
        """float64 [n_pieces] of a facet that is a number; NaN where it is unknown."""
        return self._number(facet)

    def fits(self, condition: Condition) -> np.ndarray:
        """int8 [n_pieces]: 1 where the condition holds, 0 where not, -1 where the facet is unknown."""
        kind = FACETS[condition.facet].kind
        if kind == "number":
            return _number_fits(self._number(condition.facet), condition)
        if kind == "list":
            return self._list_fits(condition)
        values, codes = self._distinct(condition.facet)
        if kind == "text" and condition.operator != "!=":
            wanted = fold(str(condition.value))
            answers = [UNKNOWN if v is None else int(wanted in v) for v in values]
        else:
            answers = [_answer(condition, v) for v in values]
        return np.array(answers, np.int8)[codes] if len(codes) else np.zeros(0, np.int8)

    def _list_fits(self, condition: Condition) -> np.ndarray:
        names, codes, piece, lengths = self._list(condition.facet)
        contains = Condition(condition.facet, "=", condition.value)
        holds = np.array([_answer(contains, (name,)) == TRUE for name in names], bool)
        found = np.zeros(len(lengths), bool)
        if len(codes):
            found[piece[holds[codes]]] = True
        fits = (~found if condition.operator == "!=" else found).astype(np.int8)
        # An empty list of a piece whose parts were counted is known to be empty.
        fits[(lengths == 0) & np.isnan(self._number("parts"))] = UNKNOWN
        return fits

    def _read_number(self, facet: str) -> np.ndarray:
        return np.array([np.nan if v is None else v for v in self._read(facet)], np.float64)

    def _read_distinct(self, facet: str) -> tuple[list[Any], np.ndarray]:
        values = self._read(facet)
        if FACETS[facet].kind == "text":
            values = [None if v is None else fold(v) for v in values]
        seen: dict[Any, int] = {}
        codes = np.array([seen.setdefault(v, len(seen)) for v in values], np.int64)
        return list(seen), codes

    def _read_list(self, facet: str) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
        """(distinct names, name code of each entry, piece of each entry, entries of each piece)."""
        lists = [json.loads(v) if v else [] for v in self._read(facet)]
        seen: dict[str, int] = {}
        codes = np.array([seen.setdefault(name, len(seen)) for names in lists for name in names], np.int64)
        lengths = np.array([len(names) for names in lists], np.int64)
        return list(seen), codes, np.repeat(np.arange(len(lists)), lengths), lengths


def _answer(condition: Condition, value: Any) -> int:
    if FACETS[condition.facet].kind == "flag" and value is not None:
        value = bool(value)
    answer = satisfied(condition, Facets(**{condition.facet: value}))
    return UNKNOWN if answer is None else int(answer)


def _number_fits(column: np.ndarray, condition: Condition) -> np.ndarray:
    wanted = float(condition.value)
    near = np.abs(column - wanted) <= 1e-9 + 0.005 * abs(wanted)
    fits = {
        "=": near,
        "!=": ~near,
        "<": column < wanted,
        "<=": column <= wanted,
        ">": column > wanted,
        ">=": column >= wanted,
    }[condition.operator].astype(np.int8)
    fits[np.isnan(column)] = UNKNOWN
    return fits
