"""What people say about a piece that no statement of ``mmbert.facets.TOKENS`` can hold: asides.

Figuration, form plans, harmony, history, use, similes, memories, hints for performers, and facts about a part of a
piece ("ends on a b major chord"), which are no facts about the whole. They stand beside real statements in a person's
question and say nothing that a piece's facets could confirm or deny, so that the text side learns to read past them.
Every aside is written for this project; none is taken from a description of a piece.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def asides() -> tuple[str, ...]:
    """All asides in the order of ``asides.txt``: distinct, lower case, 1 to 14 words each.

    >>> "triplets in the last strain" in asides()
    True
    """
    return tuple(files(__package__).joinpath("asides.txt").read_text(encoding="utf-8").splitlines())
