"""What a piece is called where people read it: its title, else its file's name in words."""

from __future__ import annotations

import re
from pathlib import PurePath

_NO_CHARACTER = "\ufffd"


def printable(text: str) -> str:
    """Text in which nothing steers a terminal: what does not print, half characters too, becomes U+FFFD.

    >>> printable("red\\x1b[31m"), printable("bad\\udcff.mid")
    ('red\ufffd[31m', 'bad\ufffd.mid')
    """
    return "".join(c if c.isprintable() else _NO_CHARACTER for c in text)


def part_named(name: str) -> str:
    """A part's name within a sentence: files write ``treble:`` or ``Violino I.``

    >>> part_named(" treble:"), part_named("Violino I.")
    ('treble', 'Violino I')
    """
    return name.strip(" .:;,")


def title_of(title: str | None, path: str | PurePath, number: int | None = None) -> str:
    """The title that a file states, else its name without suffix, dashes and underscores as spaces.

    Args:
        title: As stated; None or blank where none is.
        path: The file.
        number: Which of its several pieces, from 0; None where it holds one.

    >>> title_of("", "folk/the-old_mill.abc"), title_of("Air", "x.mid"), title_of(None, "tunes.abc", 2)
    ('the old mill', 'Air', 'tunes 3')
    """
    if title and title.strip():
        return title.strip()
    name = printable(re.sub(r"[-_\s]+", " ", PurePath(path).stem)).strip() or "Untitled"
    return name if number is None else f"{name} {number + 1}"
