"""Plain text: the description of the piece of the same stem, never a piece of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmbert.errors import ItemError
from mmbert.items.limits import LIMITS, Limits

if TYPE_CHECKING:
    from mmbert.items.reader import File

SUFFIXES: tuple[str, ...] = (".txt",)


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
            data = f.read(limits.text_bytes)
    except OSError:  # the text file itself is rejected with this reason when the scan comes to it
        return ""
    # A description that is music under a false name describes nothing.
    return "" if b"\0" in data[:4096] and data[:1] not in (b"\xff", b"\xfe") else decode(data).strip()


def no_piece(path: str | Path) -> ItemError:
    """What to say to somebody who gave a file that :func:`mmbert.items.load_items` passes without a piece."""
    fault, hint = "describes the piece beside it and holds none itself", "Give that piece"
    return ItemError(str(path), fault, hint, code="E_NO_PIECE", stage="scan")


def check(file: File, piece_suffixes: Iterable[str]) -> None:
    """Passes a text file that stands beside a piece.

    Raises:
        ItemError: E_TEXT_ALONE.
    """
    stem = file.path.with_suffix("")
    if any(stem.with_name(stem.name + suffix).is_file() for suffix in _spellings(piece_suffixes)):
        return
    hint = f"A description needs the name of its piece: {stem.name}.mid beside {file.path.name}"
    raise file.refuse("is a text without a piece of its name", hint, "E_TEXT_ALONE", stage="scan")
