"""Compressed MusicXML: members, paths, sizes, methods, and what unpacks to very much."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from functools import lru_cache
from random import Random

from . import raw, xml
from .raw import NUMBERS, Change

CONTAINER = '<container><rootfiles><rootfile full-path="{}"/></rootfiles></container>'
NAMES = (
    "../../x.xml", "/etc/x.xml", "C:\\x.xml", "..\\x.xml", "a/../../x.xml", "\\\\host\\x.xml", "x.xml",
    "META-INF/container.xml", "é.musicxml",
    "x" * 60_000 + ".xml", "", ".", "a\0b.xml", "x/", "a.mxl", "score.musicxml",
)  # fmt: skip
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def packed(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # a name twice is wanted
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content, method)
    return out.getvalue()


def compressed(score: bytes) -> bytes:
    """An ordinary .mxl of a score."""
    return packed([("META-INF/container.xml", CONTAINER.format("score.musicxml").encode()), ("score.musicxml", score)])


def members_of(data: bytes) -> list[tuple[str, bytes]]:
    """What a zip holds; nothing where it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = [m for m in archive.infolist() if m.file_size < 1 << 20 and m.compress_type < 9]
            return [(m.filename, archive.read(m)) for m in found]
    except Exception:  # whatever damage did to it
        return []


def score(rng: Random, data: bytes, other: bytes) -> bytes:
    """The score within, changed as a MusicXML file is, and packed again."""
    members, strange = members_of(data), members_of(other)
    if not members:
        return data
    name, content = members[-1]
    change = rng.choice((*xml.CHANGES, *raw.CHANGES))
    return packed(
        [*members[:-1], (name, change(rng, content or b" ", strange[-1][1] if strange else content or b" "))],
        rng.choice(METHODS[:2]),
    )


def container(rng: Random, data: bytes, other: bytes) -> bytes:
    """What META-INF/container.xml says."""
    members = dict(members_of(data))
    name = rng.choice((*NAMES, *members))
    members["META-INF/container.xml"] = rng.choice((
        CONTAINER.format(name), CONTAINER.format(name) * 1000, "", "\0" * 99, "full-path='" * 5000,
        '<!DOCTYPE x [<!ENTITY a "b">]>' + CONTAINER.format("&a;"),
    )).encode("utf-8", "replace")  # fmt: skip
    return packed(list(members.items()))


def paths(rng: Random, data: bytes, other: bytes) -> bytes:
    """Names of members that lead out, clash, or are none."""
    members = members_of(data) or [("x.xml", b"<x/>")]
    i = rng.randrange(len(members))
    members.insert(rng.randrange(len(members) + 1), (rng.choice(NAMES), members[i][1]))
    if rng.random() < 0.5:
        members[i] = (rng.choice(NAMES), members[i][1])
    return packed(members)


def many(rng: Random, data: bytes, other: bytes) -> bytes:
    """Members without number."""
    return packed(members_of(data) + [(f"{n}.xml", b"x") for n in range(rng.choice((50, 100, 101, 5000)))])


def bomb(rng: Random, data: bytes, other: bytes) -> bytes:
    """Few bytes that unpack to many: one member, or a zip within the zip."""
    size, method = rng.choice(
        ((1 << 20, METHODS[1]), (1 << 24, METHODS[1]), (1 << 26, METHODS[1]), (1 << 21, METHODS[2]))
    )
    inside = _bomb(size, rng.choice((b" ", b"<a/>", b"")), method)
    return inside if rng.random() < 0.7 else packed([("a.mxl", inside), ("score.xml", inside)])


@lru_cache
def _bomb(size: int, unit: bytes, method: int) -> bytes:
    content = unit * (size // len(unit)) if unit else b"<score-partwise>" + b"<x/>" * (size // 4) + b"</score-partwise>"
    return packed([("score.musicxml", content)], method)


def methods(rng: Random, data: bytes, other: bytes) -> bytes:
    """Another method of packing: real, or only claimed."""
    members = members_of(data)
    if members and rng.random() < 0.5:
        return packed(members, rng.choice(METHODS))
    return _patched(data, 8, 10, rng.choice((0, 1, 6, 8, 9, 12, 14, 93, 95, 97, 99)), 2)


def flags(rng: Random, data: bytes, other: bytes) -> bytes:
    """Flags: encrypted, sizes behind the data, masked names."""
    return _patched(data, 6, 8, rng.choice((0x1, 0x8, 0x41, 0x800, 0x2000, 0x20, 0xFFFF)), 2)


def sizes(rng: Random, data: bytes, other: bytes) -> bytes:
    """Sizes, checksums and offsets that are not so."""
    local, central = rng.choice(((14, 16), (18, 20), (22, 24), (26, 28), (28, 30), (22, 42), (22, 38)))
    return _patched(data, local, central, rng.choice(NUMBERS), 4 if local < 26 else 2)


def lzma_head(rng: Random, data: bytes, other: bytes) -> bytes:
    """An LZMA member whose head asks for gigabytes."""
    members = members_of(data)
    if not 1 <= len(members) <= 9:
        return data
    out = packed(members, zipfile.ZIP_LZMA)
    at = out.rfind(b"\x09\x04\x05\x00")  # version 9.4, five bytes of properties
    return (
        out[: at + 5] + struct.pack("<I", rng.choice((2**32 - 1, 2**31, 2**30, 0))) + out[at + 9 :] if at >= 0 else out
    )


def _patched(data: bytes, local: int, central: int, number: int, size: int) -> bytes:
    """A field of every local and central head set to a number."""
    out = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = data.find(mark)
        while at >= 0:
            out[at + offset : at + offset + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
            at = data.find(mark, at + 4)
    return bytes(out)


def make(rng: Random) -> bytes:
    """A zip of chance scores."""
    return packed(
        [(rng.choice(NAMES), xml.make(rng)) for _ in range(rng.choice((0, 1, 1, 3)))], rng.choice(METHODS[:2])
    )


CHANGES: tuple[Change, ...] = (
    score,
    score,
    score,
    container,
    paths,
    many,
    bomb,
    methods,
    flags,
    sizes,
    sizes,
    lzma_head,
)
MAKERS = (make,)
