"""Where the frames of an MP3 lie: libmpg123 stops at a damaged spot and at the end of the first of two joined files.

Frame headers as in ISO 11172-3, 2.4.1.3, and 13818-3, 2.4.2.3; layer III alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz, by version
_FIRST = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # kbit/s of MPEG-1
_OTHER = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LEAST = 8  # frames of a run: what follows each other so often is no accident
RUNS = 100  # that are looked for; nobody listens to a file in more pieces
_TRIES = 1 << 17  # places where a run might begin that are tried
_BLOCK = 1 << 16
_TAGS = (b"TAG", b"ID3", b"APE", b"LYR")
_DESCRIBED = 36  # bytes of a frame, behind its header, that tell whether it describes a file
_HEADER = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")  # sync, a version and layer III


@dataclass(frozen=True)
class Run:
    """Frames that follow each other.

    Attributes:
        begin: First byte.
        end: The byte behind its last.
        seconds: How long they last.
        damaged: Whether there is something else than a tag between the run before and this one.
        stated: Whether its first frame says how long it is.
    """

    begin: int
    end: int
    seconds: float
    damaged: bool
    stated: bool


def mp3_runs(path: Path) -> list[Run]:
    """The runs of a file in their order; a frame in which an encoder describes a whole file begins one."""
    runs: list[Run] = []
    with path.open("rb", buffering=_BLOCK) as f:
        tries, at = _TRIES, _behind_tag(f)
        while tries and len(runs) < RUNS and (begin := _next(f, at)) is not None:
            end, frames, seconds = _follow(f, begin)
            if frames >= _LEAST:
                f.seek(runs[-1].end if runs else begin)
                between = runs and begin > runs[-1].end and f.read(3) not in _TAGS
                f.seek(begin + 4)
                runs.append(Run(begin, end, seconds, bool(between), _describes(f.read(_DESCRIBED))))
                at = end
            else:
                tries, at = tries - 1, begin + 1
    return runs


def rest(path: Path, run: Run, seconds: float) -> Run:
    """The frames of a run that begin after so many seconds of it."""
    at, passed = run.begin, 0.0
    with path.open("rb", buffering=_BLOCK) as f:
        while at < run.end and passed <= seconds:
            f.seek(at)
            length, lasts = _frame(f.read(4))
            if not length:  # the file has changed
                break
            at, passed = at + length, passed + lasts
    return Run(at, run.end, run.seconds - passed, damaged=False, stated=False)


def _behind_tag(f: BinaryIO) -> int:
    """Where the ID3v2 tag at the beginning ends: pictures in it are full of what may be headers; 0 where none is."""
    head = f.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + sum((byte & 127) << 7 * (3 - i) for i, byte in enumerate(head[6:]))


def _next(f: BinaryIO, at: int) -> int | None:
    """The first place from ``at`` that may begin a frame."""
    while True:
        f.seek(at)
        block = f.read(_BLOCK)
        if found := _HEADER.search(block):
            return at + found.start()
        if len(block) < 2:
            return None
        at += len(block) - 1


def _follow(f: BinaryIO, at: int) -> tuple[int, int, float]:
    """Where the frames that follow each other from ``at`` end, how many they are and how long they last."""
    frames, seconds, kind = 0, 0.0, b""
    f.seek(at)
    while True:
        head = f.read(4)
        length, lasts = _frame(head)
        same = bytes([head[1] & 0xFE, head[2] & 0x0C]) if length else b""
        if not length or (frames and same != kind):
            break
        body = f.read(length - 4)
        if len(body) < length - 4 or (frames and _describes(body)):
            break
        at, frames, seconds, kind = at + length, frames + 1, seconds + lasts, same
    return at, frames, seconds


def _frame(head: bytes) -> tuple[int, float]:
    """Bytes and seconds of the frame with this header; 0 where it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0, 0.0
    version, rate, bits = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or rate == 3 or bits in (0, 15):
        return 0, 0.0
    hz, kbits, samples = (
        _RATES[version][rate],
        (_FIRST if version == 3 else _OTHER)[bits],
        1152 if version == 3 else 576,
    )
    return samples * 125 * kbits // hz + (head[2] >> 1 & 1), samples / hz


def _describes(body: bytes) -> bool:
    """Whether a frame holds what an encoder says of a whole file, in place of sound."""
    return any(body[at : at + 4] in (b"Xing", b"Info") for at in (9, 17, 32)) or body[32:36] == b"VBRI"
