"""Bytes to items. A reader is chosen by content, then by suffix; a new format is one file and one line here."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mmbert.errors import ItemError, MmbertError
from mmbert.items import abc, midi, musicxml, recording, text
from mmbert.items.limits import LIMITS, Limits
from mmbert.types import Item, Source

HEAD = 64 * 1024
_BLOCK = 1 << 20


@dataclass(frozen=True)
class File:
    """An opened file of music.

    Attributes:
        path: As given.
        head: Its first bytes, at most 64 KiB.
        size: Bytes.
        limits: Bounds in force.
    """

    path: Path
    head: bytes
    size: int
    limits: Limits = LIMITS

    @property
    def suffix(self) -> str:
        """Suffix in lower case, with its dot."""
        return self.path.suffix.lower()

    @cached_property
    def data(self) -> bytes:
        """All bytes.

        Raises:
            ItemError: E_FILE_LIMIT, or E_CHANGED where the size is no longer what it was when the file was opened.
        """
        if self.size > self.limits.file_bytes:
            fault = f"is larger than {self.limits.file_bytes >> 20} MiB"
            raise self.refuse(fault, "Is this a file of notes?", "E_FILE_LIMIT")
        with self.path.open("rb") as f:
            data = f.read(self.size + 1)
        if len(data) != self.size:
            raise self.refuse("changed while it was read", "Run the same command again", "E_CHANGED", "scan")
        return data

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the content; a recording is not held in memory for it."""
        if "data" in self.__dict__ or self.size <= self.limits.file_bytes:
            return hashlib.sha256(self.data).hexdigest()
        digest = hashlib.sha256()
        with self.path.open("rb") as f:
            while block := f.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def source(self, number: int = 0) -> Source:
        """Where piece ``number`` of this file comes from."""
        return Source(self.path, self.sha256, number, self.size)

    def refuse(self, fault: str, hint: str, code: str, stage: str = "decode") -> ItemError:
        """The error for this file."""
        return ItemError(str(self.path), fault, hint, code=code, stage=stage)


class Reader(Protocol):
    """One format (a module of this package is one).

    Attributes:
        SUFFIXES: Lower case, with dots.
        NOT: Code, fault and hint for a file that has one of the suffixes and other content.
    """

    SUFFIXES: tuple[str, ...]
    NOT: tuple[str, str, str]

    def sniff(self, head: bytes) -> bool:
        """Whether the first bytes are this format's."""

    def read(self, file: File) -> Iterator[Item | ItemError]:
        """The pieces of a file; an ItemError in a piece's place refuses that piece alone.

        Raises:
            ItemError: the whole file is refused.
        """


READERS: tuple[Reader, ...] = (midi, musicxml, recording, abc)  # in the order in which content is asked
PIECES: tuple[str, ...] = tuple(s for r in READERS for s in r.SUFFIXES)
SUFFIXES: tuple[str, ...] = (*PIECES, *text.SUFFIXES)


def load_items(
    path: str | os.PathLike[str],
    *,
    limits: Limits = LIMITS,
    on_reject: Callable[[ItemError], None] | None = None,
) -> Iterator[Item]:
    """The pieces of one file, in their order in the file; a tune book gives many.

    Content decides, then the suffix. The text of a sibling ``<stem>.txt`` becomes ``metadata["description"]``
    of every piece of the file; such a text file gives nothing itself, any other is a piece of kind ``text``.

    Args:
        path: A file.
        limits: Bounds on what is read.
        on_reject: Takes what is refused, the file as a whole or one tune of a book, and lets the rest come.

    Raises:
        ItemError: what is refused, where there is no ``on_reject``; the code says why (``E_MIDI_TRUNCATED``,
            ``E_EMPTY``, ``E_NOT_WORDS`` ...).
        MissingExtraError: a recording, and the extra ``audio`` is not installed.
    """
    path = Path(path)
    try:
        file = _open(path, limits)
        reader = _reader_of(file)
        if reader is None:
            if text.describes_a_piece(path, PIECES):
                return
            described = ""
            read: Callable[[File], Iterator[Item | ItemError]] = text.read
        else:
            read, described = reader.read, text.description_of(path, limits)
        for piece in _pieces(read, file):
            if isinstance(piece, ItemError):
                if on_reject is None:
                    raise piece
                on_reject(piece)
            elif described:
                yield replace(piece, metadata={**piece.metadata, "description": described})
            else:
                yield piece
    except ItemError as fault:
        if on_reject is None:
            raise
        on_reject(fault)


def _pieces(read: Callable[[File], Iterator[Item | ItemError]], file: File) -> Iterator[Item | ItemError]:
    """What a reader gives; whatever else it raises on a stranger's bytes becomes a reason."""
    try:
        yield from read(file)
    except MmbertError:
        raise
    except PermissionError as fault:
        raise _of_system(file.path, fault) from None
    except MemoryError:
        raise file.refuse("needs more memory to read than there is", "It is probably damaged", "E_MEMORY") from None
    except Exception as fault:
        raise file.refuse(
            f"cannot be read ({type(fault).__name__}: {str(fault)[:200]})", "Is it damaged?", "E_DAMAGED"
        ) from fault


def _open(path: Path, limits: Limits) -> File:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # never wait on a pipe or a device
            raise ItemError(str(path), "is not a file", "Give a file of music", code="E_NOT_FILE", stage="scan")
        with path.open("rb") as f:
            head = f.read(HEAD)
    except OSError as fault:
        raise _of_system(path, fault) from None
    if not head:
        hint = "It has 0 bytes: was a download or copy cut off?"
        raise ItemError(str(path), "is empty", hint, code="E_EMPTY_FILE", stage="scan")
    return File(path, head, status.st_size, limits)


def _of_system(path: Path, fault: OSError) -> ItemError:
    known = {
        errno.ENOENT: ("is not there", "Was it moved or deleted?", "E_GONE"),
        errno.EACCES: ("may not be read", "Change its permissions", "E_PERMISSION"),
        errno.EPERM: ("may not be read", "Change its permissions", "E_PERMISSION"),
        errno.ELOOP: ("is a symbolic link that leads to itself", "Remove the link", "E_LINK_LOOP"),
    }
    what, hint, code = known.get(fault.errno or 0, (f"cannot be read ({fault.strerror})", "Is the disk sound?", "E_IO"))
    return ItemError(str(path), what, hint, code=code, stage="scan")


def _reader_of(file: File) -> Reader | None:
    """The reader for a file; None for plain text."""
    for reader in READERS:
        if reader.sniff(file.head):
            return reader
    for reader in READERS:
        if file.suffix in reader.SUFFIXES:
            code, fault, hint = reader.NOT
            raise file.refuse(fault, hint, code)
    if file.suffix in text.SUFFIXES:
        return None
    raise file.refuse("is of no format that mmbert reads", f"It reads {', '.join(SUFFIXES)}", "E_UNKNOWN_FORMAT")
