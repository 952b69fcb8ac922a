"""Questions written for single works as a musician would type them, and what each of them says.

Written from the notes (bars, parts, tempo marks), without titles, composers, measured facets or any pool of phrases;
what a question states was then read from its words alone, without the piece. Both were done by a language model that
read scores as text, not collected from people. Those for validation works are for choosing; those for test works are
for measuring alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal


@dataclass(frozen=True)
class Asked:
    """A question, the id of the work that it was written for, and the statements that it makes."""

    work: str
    text: str
    facts: tuple[str, ...]


def hand_written(part: Literal["validation", "test"]) -> list[Asked]:
    """The questions of one part, in a fixed order.

    >>> len(hand_written("validation")) >= 50, len(hand_written("test")) >= 150
    (True, True)
    """
    text = files(__package__).joinpath(f"data/hand_written_{part}.json").read_text(encoding="utf-8")
    return [Asked(q["work"], q["text"], tuple(q["facts"])) for q in json.loads(text)]
