"""A long text cut into passages of whole sentences, as long as what the model learned to read."""

from __future__ import annotations

import re

import numpy as np

CHUNK = 300  # characters: some fifty words; captions in training have up to forty
_END = re.compile(r"(?<=[.!?…])\s+|\s*\n\s*\n\s*|(?<=[。！？])")


def chunks(text: str, most: int) -> tuple[str, ...]:
    """Passages of at most :data:`CHUNK` characters, cut between sentences where that is possible, else between words.

    Args:
        text: Any text.
        most: Passages wanted; of a text that has more they are evenly spaced, the first and last among them.

    >>> chunks("A waltz. It is slow!", 8)
    ('A waltz. It is slow!',)
    >>> [len(c) for c in chunks("word " * 100, 8)], len(chunks("One line.\\n\\n" * 1000, 8))
    ([299, 199], 8)
    """
    found: list[str] = []
    for sentence in _END.split(text):
        for piece in _pieces(" ".join(sentence.split())):
            if found and len(found[-1]) + 1 + len(piece) <= CHUNK:
                found[-1] += f" {piece}"
            else:
                found.append(piece)
    chosen = np.linspace(0, len(found) - 1, min(len(found), most)).round().astype(int)
    return tuple(found[i] for i in chosen)


def _pieces(sentence: str) -> list[str]:
    """A sentence, or the parts of one that is too long."""
    parts = []
    while len(sentence) > CHUNK:
        at = sentence.rfind(" ", 0, CHUNK + 1)
        at = at if at > 0 else CHUNK
        parts.append(sentence[:at])
        sentence = sentence[at:].lstrip()
    return [*parts, sentence] if sentence else parts
