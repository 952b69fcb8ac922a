"""MIDI files: chunks, lengths, delta times, events and headers that lie."""

from __future__ import annotations

from random import Random

from .raw import NUMBERS, Change

VARIABLE = (
    b"\0",
    b"\x7f",
    b"\x81\x00",
    b"\xff\x7f",
    b"\x81\x80\x00",
    b"\xff\xff\xff\x7f",
    b"\xff" * 8,
    b"\x8f" * 5 + b"\x7f",
)


def _chunks(data: bytes) -> list[bytes]:
    """The file from chunk to chunk, heads included; the rest is one piece."""
    out, at = [], max(data.find(b"MThd"), 0)
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8])
        out.append(data[at : at + 8 + size])
        at += 8 + size
    return out or [data]


def chunk(kind: bytes, body: bytes, claimed: int | None = None) -> bytes:
    """A chunk, and the length that it claims."""
    return kind + (len(body) if claimed is None else claimed).to_bytes(4) + body


def header(form: int = 1, tracks: int = 1, division: int = 480) -> bytes:
    """The header chunk."""
    return chunk(b"MThd", b"".join((n % 65536).to_bytes(2) for n in (form, tracks, division)))


def fields(rng: Random, data: bytes, other: bytes) -> bytes:
    """Format, number of tracks or division."""
    at = data.find(b"MThd") + 8 + 2 * rng.randrange(3)
    number = rng.choice((0, 1, 2, 3, 24, 480, 511, 512, 60_000, 0xE250, 0xE728, 0xFFFF, 0x7FFF, 0x8000))
    return data[:at] + number.to_bytes(2) + data[at + 2 :]


def lengths(rng: Random, data: bytes, other: bytes) -> bytes:
    """What a chunk claims to be long."""
    chunks = _chunks(data)
    i = rng.randrange(len(chunks))
    claimed = rng.choice((*NUMBERS, max(0, len(chunks[i]) - 8 + rng.randrange(-9, 9))))
    chunks[i] = chunks[i][:4] + (claimed % 2**32).to_bytes(4) + chunks[i][8:]
    return b"".join(chunks)


def tracks(rng: Random, data: bytes, other: bytes) -> bytes:
    """Tracks twice, many times, in another order, without, of another file, of another kind; counted or not."""
    first, *rest = _chunks(data)
    some = rest or [b""]
    kind = rng.randrange(6)
    if kind == 0:
        rest += [rng.choice(some)] * rng.choice((1, 10, 500, 3000) if len(data) < 20_000 else (1, 10))
    elif kind == 1:
        rng.shuffle(rest)
    elif kind == 2:
        rest = rest[: rng.randrange(len(some))]
    elif kind == 3:
        rest += _chunks(other)[rng.randrange(2) :]
    elif kind == 4:
        rest.insert(
            rng.randrange(len(some)), chunk(rng.choice((b"XFIH", b"junk", b"\0\0\0\0", b"MTrk")), rng.randbytes(9))
        )
    else:
        rest = [chunk(b"MTrk", b"\0\xff\x2f\0")] * rng.choice((1, 100, 600)) + rest
    if rng.random() < 0.7 and len(first) >= 14:
        first = first[:10] + min(len(rest), 65535).to_bytes(2) + first[12:]
    return first + b"".join(rest)


def events(rng: Random, data: bytes, other: bytes) -> bytes:
    """Events put into a track whose length is set right again: the parser sees them all."""
    chunks = _chunks(data)
    i = rng.randrange(len(chunks))
    body = chunks[i][8:]
    for _ in range(rng.choice((1, 1, 3, 20))):
        at = rng.choice((0, rng.randrange(len(body) + 1), rng.randrange(len(body) + 1)))
        body = (
            body[:at]
            + rng.choice((event, sound_event))(rng) * rng.choice((1, 1, 1, 2, 300))
            + body[at + rng.choice((0, 0, 1, 4)) :]
        )
    chunks[i] = chunk(chunks[i][:4], body)
    return b"".join(chunks)


def event(rng: Random) -> bytes:
    """A delta time and an event, good or bad."""
    delta = rng.choice((b"\0", b"\0", b"\x60", b"\x83\x60", rng.choice(VARIABLE)))
    kind = rng.randrange(11)
    channel = rng.choice((0, 0, 0, 9, rng.randrange(16)))
    if kind < 3:
        body = bytes(
            [0x90 | channel, rng.choice((60, 64, rng.randrange(256))), rng.choice((0, 64, 127, rng.randrange(256)))]
        )
    elif kind < 5:
        body = bytes([0x80 | channel, rng.choice((60, 64, rng.randrange(256))), 0])
    elif kind == 5:
        body = bytes([rng.choice((0xA0, 0xB0, 0xC0, 0xD0, 0xE0)) | channel]) + rng.randbytes(rng.randrange(3))
    elif kind == 6:
        body = b"\xff\x51\x03" + rng.choice((b"\0\0\0", b"\0\0\1", b"\xff\xff\xff", b"\x07\xa1\x20", rng.randbytes(3)))
    elif kind == 7:
        power = rng.choice((0, 2, 3, 6, 7, 16, 31, 32, 63, 255, rng.randrange(256)))
        body = b"\xff\x58\x04" + bytes([rng.choice((0, 1, 4, 17, 255, rng.randrange(256))), power, 24, 8])
    elif kind == 8:
        body = b"\xff\x59\x02" + bytes([rng.choice((0, 7, 8, 249, 248, 128, 127)), rng.choice((0, 1, 2, 255))])
    elif kind == 9:
        text = rng.choice((b"", b"\0", b"title: \xff\xfe\xe9", b"chord symbols", b"LilyPond 2", rng.randbytes(40)))
        size = rng.choice((bytes([len(text)]), bytes([len(text)]), rng.choice(VARIABLE)))
        body = bytes([rng.choice((0xFF, 0xFF, 0xFF, 0xF0, 0xF7)), rng.randrange(256)]) + size + text
    else:
        body = bytes([rng.randrange(0xF0, 0x100)]) + rng.choice(VARIABLE)
    return delta + body


def sound_event(rng: Random) -> bytes:
    """A delta time and an event that a parser can follow, whatever it says."""
    delta = rng.choice(
        (b"\0", b"\0", b"\x60", b"\x83\x60", b"\x83\x60", b"\x01", b"\x87\x41", rng.choice(VARIABLE[:5]))
    )
    channel, pitch = rng.choice((0, 0, 1, 9, 15)), rng.choice((0, 60, 60, 62, 64, 127, rng.randrange(128)))
    return delta + rng.choice((
        bytes([0x90 | channel, pitch, rng.choice((0, 1, 64, 127))]), bytes([0x90 | channel, pitch, 64]),
        bytes([0x80 | channel, pitch, 0]),
        bytes([0x80 | channel, pitch, 0]), bytes([0xB0 | channel, rng.choice((7, 64, 120, 123)), rng.randrange(128)]),
        bytes([0xC0 | channel, pitch]),
        bytes([0xE0 | channel, 0, pitch]), b"\xff\x51\x03" + rng.choice((b"\0\0\0", b"\0\0\1", b"\xff\xff\xff",
        rng.randbytes(3))),
        b"\xff\x58\x04" + bytes([rng.choice((0, 1, 3, 17, 255)), rng.choice((0, 2, 3, 6, 7, 31, 200)), 24, 8]),
        b"\xff\x59\x02" + bytes([rng.choice((0, 7, 249, 248, 100)), rng.choice((0, 1, 9))]), b"\xff\x03\x03\xff\x00<",
        b"\xff\x01\x08title: x",
        b"\xf0\x03\x7e\x09\xf7",
    ))  # fmt: skip


def riff(rng: Random, data: bytes, other: bytes) -> bytes:
    """In the container of .rmi files."""
    size = rng.choice((len(data), 0, 2**32 - 1))
    junk = rng.choice((b"", b"LIST" + b"\4\0\0\0INFO", bytes(rng.choice((3, 4080, 5000)))))
    return (
        b"RIFF"
        + ((len(data) + 12) % 2**32).to_bytes(4, "little")
        + b"RMID"
        + junk
        + b"data"
        + size.to_bytes(4, "little")
        + data
    )


def make(rng: Random) -> bytes:
    """A file of chance events."""
    count = rng.choice((1, 1, 2, 16))
    one = rng.choice((event, sound_event, sound_event))
    bodies = [b"".join(one(rng) for _ in range(rng.choice((0, 5, 100, 2000)))) for _ in range(count)]
    ends = [body + rng.choice((b"\0\xff\x2f\0", b"\0\xff\x2f\0", b"")) for body in bodies]
    division = rng.choice((1, 24, 96, 480, 960, 0x7FFF, 0xE728))
    return header(rng.randrange(3), count, division) + b"".join(chunk(b"MTrk", body) for body in ends)


def make_flood(rng: Random) -> bytes:
    """Valid and absurd: very many notes, changes or ticks in few bytes."""
    one = rng.choice((
        b"\0\x90\x3c\x40\x01\x80\x3c\0", b"\0\x90\x3c\x40", b"\0\x3c\x40", b"\x01\xff\x51\x03\x07\xa1\x20",
        b"\x01\xff\x58\x04\x01\x06\x18\x08", b"\x01\xff\x59\x02\x01\0\x01\xff\x59\x02\x02\0",
        b"\0\x90\x3c\x40\xff\xff\xff\x7f\x80\x3c\0",
        b"\0\xc0\x01", b"\x01\xb0\x40\x7f\x01\xb0\x40\0", b"\x01\xe0\0\0", b"\x84\x00\x90\x3c\x40\x01\x3c\x00",
    ))  # fmt: skip
    body = b"\0\x90\x3c\x40" + one * rng.choice((2, 200, 20_000, 200_000)) + b"\x60\x80\x3c\0\0\xff\x2f\0"
    return header(rng.randrange(3), 1, rng.choice((1, 96, 480, 0x7FFF))) + chunk(b"MTrk", body)


CHANGES: tuple[Change, ...] = (fields, lengths, tracks, events, events, events, riff)
MAKERS = (make, make, make, make_flood)
