"""Plain text: the description of the piece of the same stem; where there is none, a piece of kind ``text`` itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmbert.errors import ItemError
from mmbert.items.limits import LIMITS, Limits
from mmbert.types import Item

if TYPE_CHECKING:
    from mmbert.items.reader import File

SUFFIXES: tuple[str, ...] = (".txt",)
LEAST_LETTERS = 0.5  # of the characters that are no blanks; tables of beats, chords or values have fewer


def decode(data: bytes) -> str:
    """Bytes to text: UTF-8 with or without a mark, UTF-16 with one, else Latin-1, which takes any byte.

    >>> decode("Dvořák".encode()), decode("é".encode("latin-1")), decode("é".encode("utf-16"))
    ('Dvořák', 'é', 'é')
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def opening(data: bytes, most: int) -> str:
    """The text of at most the first ``most`` bytes, without half a character at the cut.

    >>> opening("Dvořák".encode(), 5), opening("Dvořák".encode(), 4)
    ('Dvoř', 'Dvo')
    """
    for end in range(most, most - 4, -1) if len(data) > most else ():
        try:
            return data[:end].decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            continue
    return decode(data[:most]).strip()


def clean(words: str, limit: int = LIMITS.words) -> str:
    """Words on one line: control characters and runs of blanks become one blank; cut at ``limit`` characters.

    >>> clean("  Sonata\\tin\\x00 C ")
    'Sonata in C'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in words[: 4 * limit]).split())[:limit]


def _spellings(suffixes: Iterable[str]) -> Iterator[str]:
    """Suffixes as they are met on disks: ``.txt``, ``.TXT`` and ``.Txt``."""
    for suffix in suffixes:
        yield from (suffix, suffix.upper(), "." + suffix[1:].capitalize())


def _companion(path: Path) -> Path | None:
    """The text file that describes the piece at ``path``, None where there is none."""
    for suffix in _spellings(SUFFIXES):
        sibling = path.with_suffix(suffix)
        if sibling != path and sibling.is_file():
            return sibling
    return None


def description_of(path: Path, limits: Limits = LIMITS) -> str:
    """The text beside a piece, empty where there is none or it may not be read."""
    sibling = _companion(path)
    if sibling is None:
        return ""
    try:
        with sibling.open("rb") as f:
            data = f.read(limits.text_bytes + 1)
    except OSError:  # the text file itself is rejected with this reason when the scan comes to it
        return ""
    # A description that is music under a false name describes nothing.
    return "" if _is_binary(data) else opening(data, limits.text_bytes)


def _is_binary(data: bytes) -> bool:
    return b"\0" in data[:4096] and data[:1] not in (b"\xff", b"\xfe")


def no_piece(path: str | Path) -> ItemError:
    """What to say to somebody who gave a file that :func:`mmbert.items.load_items` passes without a piece."""
    fault, hint = "describes the piece beside it and holds none itself", "Give that piece"
    return ItemError(str(path), fault, hint, code="E_NO_PIECE", stage="scan")


def describes_a_piece(path: Path, piece_suffixes: Iterable[str]) -> bool:
    """Whether a text file stands beside a piece of its name."""
    stem = path.with_suffix("")
    return any(stem.with_name(stem.name + suffix).is_file() for suffix in _spellings(piece_suffixes))


def read(file: File) -> Iterator[Item]:
    """A text that stands alone, as a piece; its words are its ``description`` too, which full text finds.

    Raises:
        ItemError: E_EMPTY, or E_NOT_WORDS for tables, and for other files under a text's name.
    """
    binary = _is_binary(file.data)
    words = "" if binary else opening(file.data, file.limits.text_bytes)
    solid = "".join(words.split())
    if not solid and not binary:
        raise file.refuse("holds no words", "Is it the right file?", "E_EMPTY")
    if binary or sum(c.isalpha() for c in solid) < LEAST_LETTERS * len(solid):
        raise file.refuse("holds something else than words", "Is it a table, or a file of another kind?", "E_NOT_WORDS")
    yield Item("text", file.source(), {"description": words}, text=words)
