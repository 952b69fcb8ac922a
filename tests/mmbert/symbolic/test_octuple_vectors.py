"""Vectors of OctupleMIDI: what the reference (microsoft/muzic, musicbert/preprocess.py) gives for small scores.

Computed by an independent implementation that agreed with the reference on 1,500 random files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmbert.errors import ItemError
from mmbert.symbolic.octuple import decode, encode
from mmbert.symbolic.score import Score

# One case a line; notes are [start tick, end tick, program, pitch, velocity, drum].
VECTORS = Path(__file__).parents[2] / "data" / "octuple_vectors.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().splitlines()]
HONOURED_ALIKE = {case["id"][:3] for case in CASES} - {"T08", "T09", "T11"}  # where no metre changes inside a bar


def score_of(case: dict[str, Any]) -> Score:
    rows = [
        (start, end - start, pitch, velocity, program, bool(drum), 0)
        for start, end, program, pitch, velocity, drum in case["notes"]
    ]
    metres, tempos = ([tuple(row) for row in case[name]] for name in ("ts", "tempo"))
    return Score.build(rows, case["tpq"], metre_map=metres, tempo_map=tempos)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"][:3])
def test_the_integers_are_those_of_the_reference(case: dict[str, Any]) -> None:
    encoding = encode(score_of(case), "muzic")
    assert encoding.octuples.dtype == np.int16
    assert encoding.octuples.tolist() == case["octuples"]
    assert encode(decode(encoding.octuples), "muzic").octuples.tolist() == case["octuples"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"][:3])
def test_a_metre_that_is_honoured_changes_bars_alone(case: dict[str, Any]) -> None:
    octuples = encode(score_of(case)).octuples
    if case["id"][:3] in HONOURED_ALIKE:
        assert octuples.tolist() == case["octuples"]
    rest = [2, 3, 4, 5, 7]  # all but bar, position and metre
    assert octuples[:, rest].tolist() == np.array(case["octuples"])[:, rest].tolist()
    assert (encode(decode(octuples)).octuples == octuples).all()


def test_a_change_of_metre_closes_the_bar() -> None:
    """T09: 4/4, and 3/4 from its third quarter on."""
    case = next(case for case in CASES if case["id"].startswith("T09"))
    bars = [row[:2] + row[6:7] for row in encode(score_of(case)).octuples.tolist()]
    assert bars == [[0, 0, 9], [1, 0, 8], [1, 32, 8], [2, 0, 8]]


def test_a_metre_that_the_reference_refuses() -> None:
    score = Score.build([(0, 480, 60, 80, 0, False, 0)], 480, metre_map=[(0, 5, 128)])
    with pytest.raises(ItemError, match="5/128") as refused:
        encode(score, "muzic")
    assert (refused.value.code, refused.value.stage) == ("E_METRE", "encode")
    assert encode(score).octuples[:, 6].tolist() == [128]  # 3/64, the nearest that holds it
    assert encode(score).report.metre_replaced == 1


@pytest.mark.parametrize("metres", [[(480, 5, 128)], [(0, 5, 128), (10, 3, 4)]], ids=["after the last note", "covered"])
def test_a_metre_that_no_note_needs_is_not_refused(metres: list[tuple[int, int, int]]) -> None:
    score = Score.build([(0, 480, 60, 80, 0, False, 0)], 480, metre_map=metres)
    assert len(encode(score, "muzic").octuples) == 1
