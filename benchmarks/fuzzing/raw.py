"""Damage that knows nothing of the format: what disks, networks, editors and fuzzers do to bytes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Change = Callable[[Random, bytes, bytes], bytes]
"""(source of chance, file, another file of its format) -> file."""

NUMBERS = (0, 1, 2, 7, 15, 16, 127, 128, 255, 256, 32767, 32768, 65535, 2**24 - 1, 2**28, 2**31 - 1, 2**31, 2**32 - 1)


def span(rng: Random, data: bytes, most: int | None = None) -> tuple[int, int]:
    """Some stretch of the bytes."""
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.randrange(1, (most or rng.choice((4, 64, 1024, 1 << 16))) + 1))


def flip_bits(rng: Random, data: bytes, other: bytes) -> bytes:
    """One to sixty-four bits, near each other or anywhere."""
    out = bytearray(data)
    low, high = span(rng, data, 256) if rng.random() < 0.5 else (0, len(data))
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if high > low else 0):
        out[rng.randrange(low, high)] ^= 1 << rng.randrange(8)
    return bytes(out)


def set_bytes(rng: Random, data: bytes, other: bytes) -> bytes:
    """A run of one byte, or of chance."""
    low, high = span(rng, data)
    fill = rng.choice((b"\0", b"\xff", b"\x80", b"\x7f", b"(", b"<", None))
    return data[:low] + (rng.randbytes(high - low) if fill is None else fill * (high - low)) + data[high:]


def set_number(rng: Random, data: bytes, other: bytes) -> bytes:
    """A number of one to eight bytes, mostly near the beginning where headers are, becomes an extreme one."""
    out = data
    for _ in range(rng.choice((1, 1, 1, 3))):
        size = rng.choice((1, 2, 2, 4, 4, 4, 8))
        at = rng.randrange(min(len(out), rng.choice((64, 512, 1 << 30))) + 1)
        number = rng.choice((*NUMBERS, 2**63 - 1, 2**64 - 1, rng.getrandbits(64))) % (1 << 8 * size)
        out = out[:at] + number.to_bytes(size, rng.choice(("big", "little"))) + out[at + size :]
    return out


def cut_tail(rng: Random, data: bytes, other: bytes) -> bytes:
    """A download that ended early."""
    return data[
        : rng.choice((rng.randrange(len(data) + 1), max(0, len(data) - rng.randrange(1, 9)), rng.randrange(1, 64)))
    ]


def cut_head(rng: Random, data: bytes, other: bytes) -> bytes:
    """The first bytes are missing."""
    return data[rng.randrange(1, 64) :]


def cut_out(rng: Random, data: bytes, other: bytes) -> bytes:
    """A stretch is missing."""
    low, high = span(rng, data)
    return data[:low] + data[high:]


def put_in(rng: Random, data: bytes, other: bytes) -> bytes:
    """Something foreign stands between."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((rng.randbytes(rng.randrange(1, 64)), b"\0" * rng.randrange(1, 4096))) + data[at:]


def repeat(rng: Random, data: bytes, other: bytes) -> bytes:
    """A stretch many times."""
    low, high = span(rng, data, 2048)
    times = min(rng.choice((2, 3, 50, 1000)), 1 + (1 << 20) // max(1, high - low))
    return data[:low] + data[low:high] * times + data[high:]


def swap(rng: Random, data: bytes, other: bytes) -> bytes:
    """Two stretches change places."""
    a, b = sorted((span(rng, data, 512), span(rng, data, 512)))
    if a[1] > b[0]:
        return data
    return data[: a[0]] + data[b[0] : b[1]] + data[a[1] : b[0]] + data[a[0] : a[1]] + data[b[1] :]


def splice(rng: Random, data: bytes, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def take_over(rng: Random, data: bytes, other: bytes) -> bytes:
    """A stretch of another file over one of this."""
    low, high = span(rng, other, 4096)
    at = rng.randrange(len(data) + 1)
    return data[:at] + other[low:high] + data[at + high - low :]


def append(rng: Random, data: bytes, other: bytes) -> bytes:
    """Something behind the end: chance, zeros, or a second file."""
    return data + rng.choice((rng.randbytes(64), b"\0" * 4096, other, data))


CHANGES: tuple[Change, ...] = (
    flip_bits, flip_bits, set_bytes, set_number, set_number, cut_tail, cut_head, cut_out, put_in, repeat, swap, splice,
    take_over, append,
)  # fmt: skip
