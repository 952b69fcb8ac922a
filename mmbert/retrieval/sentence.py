"""A question while it is read: what was typed, its folded twin of equal length, and which characters are taken."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mmbert.facets import fold
from mmbert.retrieval.lexicon import Reading
from mmbert.types import Condition


@dataclass(frozen=True)
class Read:
    """Readings and the characters that they come from. ``hard``: an operator that the person wrote."""

    start: int
    end: int
    readings: tuple[Reading, ...]
    hard: bool = False


@dataclass
class Sentence:
    """The question and what has been read from it so far.

    Attributes:
        raw: As typed (composed characters).
        plain: Lower case without accents, one character for each of ``raw``.
        reads: What was read, in the order of reading.
    """

    raw: str
    plain: str = ""
    reads: list[Read] = field(default_factory=list)
    _taken: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.raw = unicodedata.normalize("NFC", self.raw)
        signs = {"♭": "b", "♯": "#", "’": "'", "–": "-", "‐": "-", "“": '"', "”": '"'}
        self.plain = "".join(signs.get(c) or fold(c)[:1] or " " for c in self.raw)
        self._taken = [False] * len(self.raw)

    def free(self, start: int, end: int) -> bool:
        """Whether nothing was read from these characters yet."""
        return not any(self._taken[start:end])

    def take(self, start: int, end: int, readings: Sequence[Reading], hard: bool = False) -> None:
        """Note readings (none for words that only look like something) and close their characters to other rules."""
        self._taken[start:end] = [True] * (end - start)
        self.reads.append(Read(start, end, tuple(readings), hard))

    def each(self, pattern: str, rule: Callable[[re.Match[str]], Sequence[Reading] | None], hard: bool = False) -> None:
        """Apply a rule to each free match of a pattern over ``plain``; None leaves the characters free."""
        for m in re.finditer(pattern, self.plain):
            if self.free(m.start(), m.end()):
                readings = rule(m)
                if readings is not None:
                    self.take(m.start(), m.end(), readings, hard)

    def mark(self, pattern: str, *readings: Reading) -> None:
        """Take each free match of a pattern as the same readings; none for what only looks like something."""
        self.each(pattern, lambda _: readings)

    def free_words(self) -> Iterator[re.Match[str]]:
        """Words of which no character is taken."""
        for m in re.finditer(r"[^\W_]+(?:'[^\W_]+)?", self.plain):
            if self.free(m.start(), m.end()):
                yield m


def condition(reading: Reading, words: str, hard: bool) -> Condition:
    """A reading as the chip that is shown."""
    facet, operator, value = reading
    if isinstance(value, float) and not isinstance(value, bool):
        value = round(value, 3)
        value = int(value) if value == int(value) else value
    return Condition(facet, operator, value, words=words.strip(), hard=hard)  # type: ignore[arg-type]
