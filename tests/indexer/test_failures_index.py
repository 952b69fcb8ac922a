"""The twenty-five failures that a library must bear, and that each is held by a test.

A test claims its numbers by ``@pytest.mark.failure(...)``; ``pytest -m failure`` runs them all.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FAILURES = {
    1: "MIDI cut in the middle of a track",
    2: "MIDI header that claims 60,000 tracks, delta times of 2^28",
    3: "MIDI without notes",
    4: "compressed MusicXML that inflates without bound",
    5: "compressed MusicXML with a member outside itself",
    6: "XML with nested entities",
    7: "XML with an external entity",
    8: "file of 0 bytes",
    9: "content of another kind than the name says",
    10: "WAV header that says 4 GB",
    11: "WAV with NaN, infinities, silence",
    12: "ten hours of sound",
    13: "symbolic links in a circle, and out of the source",
    14: "permission denied on a file, on a folder",
    15: "file that changes while it is read, or vanishes",
    16: "names of any bytes",
    17: "two files of the same content",
    18: "killed at any moment",
    19: "interrupted once, twice",
    20: "disk full at any write",
    21: "library that is read-only",
    22: "second builder",
    23: "byte flipped in, tail cut from each file of the current generation",
    24: "model of the question other than that of the library",
    25: "clocks and times of files that lie",
}


def claimed() -> dict[int, list[str]]:
    """number -> names of the tests that claim it."""
    found: dict[int, list[str]] = {}
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for number in numbers(node):
                found.setdefault(number, []).append(f"{path.name}:{node.lineno}")
    return found


def numbers(node: ast.AST) -> list[int]:
    is_mark = isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.failure"
    return [argument.value for argument in node.args] if is_mark else []


@pytest.mark.parametrize("number", FAILURES)
def test_each_failure_is_held_by_a_test(number):
    assert claimed().get(number), FAILURES[number]


def test_no_test_claims_what_is_not_listed():
    assert set(claimed()) <= set(FAILURES)
