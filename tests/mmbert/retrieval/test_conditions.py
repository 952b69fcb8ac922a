"""Conditions against a real library agree with the same conditions against one piece's facets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmbert.errors import UsageError
from mmbert.facets import satisfied
from mmbert.retrieval.conditions import PACES, allowed, fits, pace_fits, read_where
from mmbert.store import Generation, open_library
from mmbert.types import Condition


@pytest.fixture(scope="module")
def generation(library_path: Path) -> Generation:
    return open_library(library_path).current()


@pytest.mark.parametrize("name", PACES)
def test_pace_classes_of_the_columns_are_those_of_the_facets(generation: Generation, name: str) -> None:
    found = fits(generation, Condition("pace", "=", name))
    wanted = [pace_fits(name, generation.facets(row)) for row in range(generation.n_pieces)]
    assert [None if f < 0 else bool(f) for f in found] == wanted
    opposite = fits(generation, Condition("pace", "!=", name))
    assert (np.where(found < 0, -1, 1 - found) == opposite).all()


@pytest.mark.parametrize("text", ["tempo_bpm<90", "instruments=organ", "composer~wesley", "metre!=6/8", "key=D"])
def test_conditions_are_those_of_the_facets(generation: Generation, text: str) -> None:
    (condition,) = read_where(text)
    found = fits(generation, condition)
    wanted = [satisfied(condition, generation.facets(row)) for row in range(generation.n_pieces)]
    assert [None if f < 0 else bool(f) for f in found] == wanted


def test_a_wish_needs_the_fact_and_an_exclusion_does_not(generation: Generation) -> None:
    tempo = fits(generation, Condition("tempo_bpm", "<", 1000))
    assert (tempo == -1).any()  # a tune without a tempo
    assert (allowed(generation, read_where("tempo_bpm<1000")) == (tempo == 1)).all()
    assert allowed(generation, read_where("composer!=Nobody")).all()


def test_pace_counts_by_one_unit_at_a_time(generation: Generation) -> None:
    slower = Condition("pace", "<", 1000.0)
    units = np.array([generation.facets(row).pace_unit for row in range(generation.n_pieces)])
    assert ((fits(generation, slower, "second") == 1) == (units == "second")).all()
    assert ((fits(generation, slower, "bar") == 1) == (units == "bar")).all()


def test_where_names_what_is_wrong() -> None:
    with pytest.raises(UsageError, match="tempo_bpm"):
        read_where("tempo_bmp<90")
    for text in ("pace=sluggish", "tempo_bpm<nan", "bars>inf"):
        with pytest.raises(UsageError, match="not a number"):
            read_where(text)
    with pytest.raises(UsageError, match="together"):
        read_where("key!=D minor")
    assert [str(c) for c in read_where("pace!=slow")] == ["pace!=slow"]


def test_a_whole_number_is_written_in_one_way() -> None:
    assert [str(Condition("parts", "=", value)) for value in (4, 4.0, 4.5)] == ["parts=4", "parts=4", "parts=4.5"]
    assert str(Condition("has_drums", "=", True)) == "has_drums=True"
