"""Recordings: chunks of WAV, blocks of FLAC, pages of Ogg (with their checksums set right), frames and tags of MP3."""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from random import Random

from .raw import NUMBERS, Change

RATES = (0, 1, 999, 1000, 8000, 44100, 192000, 192001, 655350, 2**31 - 1, 2**32 - 1)
WRITTEN = {
    "wav": (
        ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_U8"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV",
        "DOUBLE"), ("WAV", "ULAW"),
        ("WAV", "ALAW"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAV", "GSM610"), ("WAV", "NMS_ADPCM_32"),
        ("WAVEX", "PCM_16"),
        ("RF64", "PCM_16"),
    ),
    "flac": (("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("FLAC", "PCM_S8")),
    "ogg": (("OGG", "VORBIS"), ("OGG", "OPUS")),
    "mp3": (("MP3", "MPEG_LAYER_III"),),
}  # fmt: skip


@lru_cache
def seeds(kind: str) -> tuple[bytes, ...]:
    """Small clips in every coding of a format that the installed libsndfile writes."""
    import numpy as np
    import soundfile

    out = []
    for number, (container, subtype) in enumerate(WRITTEN[kind]):
        for rate, channels, seconds in ((8000, 1, 0.3), (48000, 2, 0.1), (16000, 1, 0.02)):
            t = np.arange(int(rate * seconds)) / rate
            wave = 0.5 * np.sin(2 * np.pi * 440 * (1 + t) * t) + 0.05 * np.random.default_rng(number).standard_normal(
                len(t)
            )
            file = io.BytesIO()
            try:
                soundfile.write(file, np.stack([wave] * channels, 1), rate, subtype, format=container)
            except soundfile.LibsndfileError:  # this coding does not take this rate or number of channels
                continue
            out.append(file.getvalue())
    return tuple(out)


# ---- WAV -----------------------------------------------------------------------------------------


def _chunks(data: bytes) -> list[tuple[bytes, int, bytes]]:
    """(kind, claimed bytes, body) of a RIFF file."""
    out, at = [], 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        out.append((kind, size, data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return out


def _riff(data: bytes, chunks: list[tuple[bytes, int, bytes]], claimed: int | None = None) -> bytes:
    body = b"".join(k + (size % 2**32).to_bytes(4, "little") + b + b"\0" * (len(b) % 2) for k, size, b in chunks)
    return (
        data[:4] + ((len(body) + 4 if claimed is None else claimed) % 2**32).to_bytes(4, "little") + data[8:12] + body
    )


def wav_format(rng: Random, data: bytes, other: bytes) -> bytes:
    """Coding, channels, rate, block and bits of the fmt chunk."""
    out = []
    for kind, size, body in _chunks(data):
        if kind == b"fmt " and len(body) >= 16:
            values = list(struct.unpack("<HHIIHH", body[:16]))
            for _ in range(rng.choice((1, 1, 2))):
                i = rng.randrange(6)
                values[i] = rng.choice(
                    (
                        (0, 1, 2, 3, 6, 7, 17, 49, 80, 85, 0xFFFE, 0xFFFF),
                        (0, 2, 32, 33, 1024, 65535),
                        RATES,
                        NUMBERS,
                        NUMBERS,
                        NUMBERS,
                    )[i]
                )
                values[i] %= 1 << (32 if i in (2, 3) else 16)
            body = struct.pack("<HHIIHH", *values) + body[16:]
        out.append((kind, size, body))
    return _riff(data, out)


def wav_sizes(rng: Random, data: bytes, other: bytes) -> bytes:
    """What the file and its chunks claim to be long: the length of a stream among them."""
    chunks = _chunks(data)
    claimed = rng.choice((*NUMBERS, 4_000_000_000, 0xFFFFFFFF, 0xFFFFFFFE))
    if chunks and rng.random() < 0.8:
        i = rng.randrange(len(chunks))
        chunks[i] = (chunks[i][0], claimed, chunks[i][2])
        return _riff(data, chunks)
    return _riff(data, chunks, claimed)


def wav_chunks(rng: Random, data: bytes, other: bytes) -> bytes:
    """Chunks twice, away, elsewhere, strange, thousands."""
    chunks = _chunks(data)
    body = rng.choice(
        (
            b"",
            rng.randbytes(9),
            rng.randbytes(40),
            b"INFOINAM\xff\xff\xff\xffx",
            b"INFOINAM\4\0\0\0\xff\xfe<b",
            bytes(5000),
        )
    )
    kind = rng.choice(
        (
            b"LIST",
            b"PEAK",
            b"cue ",
            b"smpl",
            b"bext",
            b"cart",
            b"inst",
            b"fact",
            b"ds64",
            b"id3 ",
            b"data",
            b"fmt ",
            b"\0\0\0\0",
        )
    )
    new = [(kind, rng.choice((len(body), len(body), rng.choice(NUMBERS))), body)] * rng.choice(
        (1, 1, 2, 20 if len(body) > 99 else 3000)
    )
    at = rng.randrange(len(chunks) + 1)
    chunks[at : at + rng.choice((0, 0, 1))] = new
    if rng.random() < 0.2:
        rng.shuffle(chunks)
    if rng.random() < 0.3:
        chunks += _chunks(other)
    return _riff(data, chunks)


def wav_samples(rng: Random, data: bytes, other: bytes) -> bytes:
    """Samples that are silence, no numbers, or beyond all bounds."""
    fill = rng.choice((b"\0", b"\xff", b"\x80", struct.pack("<f", float("nan")), struct.pack("<f", float("-inf")),
    struct.pack("<f", 3e38),
                       struct.pack("<d", float("nan")), struct.pack("<d", 1e300), struct.pack("<f",
                       1e-40)))  # fmt: skip
    out = []
    for kind, size, body in _chunks(data):
        if kind == b"data":
            low = rng.choice((0, rng.randrange(len(body) + 1) // 8 * 8))
            body = body[:low] + (fill * (len(body) // len(fill) + 1))[: len(body) - low]
        out.append((kind, size, body))
    return _riff(data, out)


def wav_make(rng: Random) -> bytes:
    """A header with chance in every field and a few samples."""
    fmt = struct.pack("<HHIIHH", rng.choice((1, 3, 0xFFFE, 2, 17)), rng.choice((0, 1, 2, 40)), rng.choice(RATES),
    rng.choice(NUMBERS),
                      rng.choice(NUMBERS) % 65536, rng.choice((0, 1, 8, 12, 16, 24, 32, 64)))  # fmt: skip
    body = rng.randbytes(rng.choice((0, 1, 100, 5000)))
    chunks = [(b"fmt ", 16, fmt), (b"data", rng.choice((len(body), *NUMBERS)), body)]
    return _riff(rng.choice((b"RIFF", b"RIFX", b"RF64")) + bytes(4) + b"WAVE", chunks)


# ---- FLAC, Ogg, MP3 ------------------------------------------------------------------------------


def flac_blocks(rng: Random, data: bytes, other: bytes) -> bytes:
    """Metadata blocks: kinds, lengths, what they hold; the first states rate, channels and samples."""
    blocks, at, last = [], 4, False
    while at + 4 <= len(data) and not last:
        last, kind, size = data[at] >= 128, data[at] & 127, int.from_bytes(data[at + 1 : at + 4])
        blocks.append((kind, size, data[at + 4 : at + 4 + size]))
        at += 4 + size
    i = rng.randrange(len(blocks) or 1)
    what = rng.randrange(4)
    if blocks and what == 0:
        blocks[i] = (blocks[i][0], rng.choice(NUMBERS) % 2**24, blocks[i][2])
    elif blocks and what == 1:
        body = bytearray(blocks[0][2])
        for _ in range(rng.choice((1, 2, 8))):
            body[rng.randrange(len(body) or 1) :][:1] = b""
            if body:
                body[rng.randrange(len(body))] = rng.choice((0, 1, 255, rng.randrange(256)))
        blocks[0] = (blocks[0][0], len(blocks[0][2]), bytes(body))
    else:
        body = rng.choice(
            (
                b"",
                rng.randbytes(30),
                struct.pack("<I", 2**32 - 1) + b"x",
                b"\0\0\0\0" + struct.pack("<I", 2**32 - 1),
                bytes(60_000),
            )
        )
        blocks[i:i] = [(rng.choice((0, 1, 2, 3, 4, 5, 6, 126, 127)), len(body), body)] * rng.choice(
            (1, 2, 20 if len(body) > 99 else 2000)
        )
    heads = (
        bytes([kind | (128 if n == len(blocks) - 1 else 0)]) + size.to_bytes(3) + body
        for n, (kind, size, body) in enumerate(blocks)
    )
    return data[:4] + b"".join(heads) + data[at:]


def ogg_pages(rng: Random, data: bytes, other: bytes) -> bytes:
    """Pages twice, away, shuffled, from another file, with other heads or bodies; most with a right checksum."""
    pages = [b"OggS" + p for p in data.split(b"OggS")[1:]]
    if not pages:
        return data
    for _ in range(rng.choice((1, 1, 3))):
        i = rng.randrange(len(pages))
        page, what = bytearray(pages[i]), rng.randrange(8)
        if what == 0:
            pages[i:i] = [pages[i]] * rng.choice((1, 1, 100))
        elif what == 1 and len(pages) > 1:
            del pages[i]
        elif what == 2:
            rng.shuffle(pages)
        elif what == 3:
            pages[i:i] = [b"OggS" + p for p in other.split(b"OggS")[1:]][: rng.choice((1, 9))]
        elif what == 4 and len(page) >= 14:  # granule position: how long the whole is
            pages[i] = (
                bytes(page[:6])
                + struct.pack("<q", rng.choice((-1, 0, 1, 2**31, 2**47, 2**63 - 1, -(2**63))))
                + bytes(page[14:])
            )
        elif what == 5 and len(page) > 28:  # the head
            page[rng.randrange(4, 28)] = rng.choice((0, 1, 4, 255, rng.randrange(256)))
            pages[i] = bytes(page)
        elif len(page) > 30:  # the body: the first pages state rate, channels and code books
            for _ in range(rng.choice((1, 1, 4, 40))):
                page[rng.randrange(27, min(len(page), rng.choice((60, 300, 1 << 20))))] = rng.choice(
                    (0, 1, 2, 127, 255, rng.randrange(256))
                )
            pages[i] = bytes(page)
    return b"".join(_summed(page) if rng.random() < 0.9 else page for page in pages)


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _summed(page: bytes) -> bytes:
    """A page with the checksum of its bytes (RFC 3533, section 6): the CRC-32 of zlib, bits the other way round."""
    if len(page) < 27:
        return page
    crc = zlib.crc32((page[:22] + bytes(4) + page[26:]).translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return page[:22] + int(f"{crc:032b}"[::-1], 2).to_bytes(4, "little") + page[26:]


def mp3_frames(rng: Random, data: bytes, other: bytes) -> bytes:
    """Heads of frames: layer, bit rate, sample rate, padding, mode; frames away, twice, of another file."""
    out, at = bytearray(data), -1
    places = []
    while (at := out.find(b"\xff", at + 1)) >= 0 and at + 4 <= len(out):
        if out[at + 1] & 0xE0 == 0xE0 and len(places) < 5000:
            places.append(at)
    if len(places) < 2:
        return data
    for _ in range(rng.choice((1, 1, 5, 50))):
        at = rng.choice(places[: rng.choice((2, len(places)))])
        if at + 4 <= len(out):
            out[at + rng.choice((1, 2, 3))] = rng.choice(
                (0xFB, 0xF3, 0xE3, 0xFD, 0xFF, 0xF0, 0x90, 0x00, rng.randrange(256))
            )
    low, high = sorted((rng.choice(places), rng.choice(places)))
    return rng.choice(
        (
            bytes(out),
            bytes(out),
            bytes(out[:low] + out[high:]),
            bytes(out[:high]) + other,
            bytes(out[low:high]) * 40 + bytes(out),
        )
    )


def mp3_tags(rng: Random, data: bytes, other: bytes) -> bytes:
    """ID3 and Xing tags with lengths and counts that are not so."""
    size = rng.choice((0, 10, 127, 2**14, 2**21, 2**28 - 1))
    coded = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    frame = (
        rng.choice((b"TIT2", b"APIC", b"COMM", b"\0\0\0\0"))
        + struct.pack(">I", rng.choice(NUMBERS))
        + b"\0\0\1\xff\xfe<b>"
    )
    tag = (
        b"ID3"
        + bytes([rng.choice((2, 3, 4, 255)), 0, rng.choice((0, 0x10, 0x40, 0x80, 255))])
        + coded
        + frame * rng.choice((0, 1, 300))
    )
    xing = data.find(b"Xing") if b"Xing" in data else data.find(b"Info")
    if xing >= 0 and rng.random() < 0.5:
        return data[: xing + 4] + struct.pack(">III", 15, rng.choice(NUMBERS), rng.choice(NUMBERS)) + data[xing + 16 :]
    return rng.choice((tag + data, tag, data + b"TAG" + bytes(125), tag * 300 + data, data + tag))


WAV: tuple[Change, ...] = (wav_format, wav_format, wav_sizes, wav_sizes, wav_chunks, wav_samples)
FLAC: tuple[Change, ...] = (flac_blocks,)
OGG: tuple[Change, ...] = (ogg_pages,)
MP3: tuple[Change, ...] = (mp3_frames, mp3_frames, mp3_tags)
