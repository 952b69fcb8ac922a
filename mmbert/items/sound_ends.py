"""Where the sound of a file ends and whether that is all of it, which libsndfile does not tell."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CHUNKS = 1000  # that are looked at; no recorder writes as many
_PAGE = 1 << 16  # bytes: no Ogg page has more
_WHOLE_FILES = (b"RIFF", b"RIFX", b"RF64", b"FORM")  # what another file begins with that was joined to this one


@dataclass(frozen=True)
class WavData:
    """The data chunk of a WAV.

    Attributes:
        length_at: Where its length stands in the file.
        length: Bytes of sound, as stated.
        room: Bytes from its first to the end of the file.
        behind: Bytes behind it that are no chunks: sound that was left out, another file, or noise.
        order: Of the bytes in its numbers.
    """

    length_at: int
    length: int
    room: int
    behind: int
    order: Literal["big", "little"]


def wav_data(path: Path, size: int) -> WavData | None:
    """The data chunk of a WAV of ``size`` bytes; None in other files and where there is none."""
    found, at = None, 12
    with path.open("rb") as f:
        head = f.read(12)
        if head[:4] not in (b"RIFF", b"RIFX") or head[8:] != b"WAVE":
            return None
        order: Literal["big", "little"] = "big" if head[:4] == b"RIFX" else "little"
        padded = 0
        for _ in range(_CHUNKS):
            f.seek(at)
            head = f.read(8)
            kind, length = head[:4], int.from_bytes(head[4:], order)
            if found is None and kind == b"data":
                found = at + 4, length
            elif len(head) < 8 or (found and not _is_chunk(kind, at + 8 + length, size)):
                if not padded:
                    break
                at, padded = at - 1, 0  # some leave out the byte that makes a chunk even
                continue
            padded = length % 2
            at += 8 + length + padded
    return found and WavData(*found, room=size - found[0] - 4, behind=max(size - at, 0), order=order)


def _is_chunk(kind: bytes, end: int, size: int) -> bool:
    """Whether a chunk of this name that ends there may stand behind the sound."""
    return kind not in _WHOLE_FILES and all(32 <= c < 127 for c in kind) and end <= size


def ogg_fault(path: Path, size: int) -> str:
    """What is wrong with the end of an Ogg file of ``size`` bytes; empty where its last page is whole, says that it is
    the last, and is of the stream that the first page began."""
    with path.open("rb") as f:
        first = f.read(27)
        f.seek(max(size - _PAGE, 0))
        tail = f.read(_PAGE)
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    whole = len(page) >= 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    if not whole or not page[5] & 4:
        return "its last page is missing"
    return "" if page[14:18] == first[14:18] else "another one lies unread behind it"


class Part(io.RawIOBase):
    """A part of a file, to read as a file; some bytes may be others.

    Args:
        path: The file.
        begin: Its first byte.
        end: The one behind its last.
        put: Where others stand, counted from ``begin``, and which.
    """

    def __init__(self, path: Path, begin: int, end: int, put: tuple[int, bytes] = (0, b"")) -> None:
        self._f, self._begin, self._size, self._put, self._at = path.open("rb"), begin, end - begin, put, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As of any file."""
        self._at = max(offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence], 0)
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # soundfile gives no other buffer
        """As of any file, with the other bytes."""
        self._f.seek(self._begin + self._at)
        data = bytearray(self._f.read(max(min(len(buffer), self._size - self._at), 0)))
        for i, byte in enumerate(self._put[1], self._put[0] - self._at):
            if 0 <= i < len(data):
                data[i] = byte
        buffer[: len(data)] = bytes(data)
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._f.close()
        super().close()
