"""The most that the limits let through: what a reader may need in memory and time at worst, one file a line."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from random import Random

from mmbert.items import LIMITS

from . import midi, mxl

_SCORE = b"<score-partwise><part-list><score-part id='P1'/></part-list><part id='P1'>%b</part></score-partwise>"
_NOTE = b"<note><pitch><step>C</step><octave>4</octave></pitch><duration>1</duration></note>"


def _midi(event: bytes, size: int = LIMITS.midi_bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        body = b"\0\x90\x3c\x40" + event * ((size - 100) // len(event)) + b"\x60\x80\x3c\0\0\xff\x2f\0"
        return midi.header(0) + midi.chunk(b"MTrk", body)

    return make


def _xml(unit: bytes, most: int = LIMITS.file_bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        elements = unit.count(b"<") - unit.count(b"</")
        return _SCORE % (unit * min((most - 200) // len(unit), (LIMITS.xml_elements - 9) // max(elements, 1)))

    return make


def _measures(measures: int, unit: bytes) -> Callable[[], bytes]:
    return lambda: _SCORE % (b"<measure>%b</measure>" % unit * measures)


def _varied() -> bytes:
    """XML that is packed to a fifth, as real scores are."""
    rng = Random(0)
    return _SCORE % b"".join(b"<x a='%d' b='2'/>" % rng.getrandbits(60) for _ in range(LIMITS.xml_elements - 9))


def _ragged() -> bytes:
    """One part of very many measures beside very many parts of one."""
    return _SCORE % (b"<measure/>" * 1_400_000 + b"".join(b"</part><part id='Q%d'><measure/>" % i for i in range(511)))


def _book(tune: str, size: int = LIMITS.file_bytes) -> Callable[[], bytes]:
    return lambda: (tune * min(LIMITS.tunes, size // len(tune.encode()))).encode()


def _tune(body: str, size: int = LIMITS.tune_bytes, head: str = "") -> Callable[[], bytes]:
    return lambda: f"X:1\n{head}K:C\n{body * ((size - 99) // len(body))}\n".encode()


def _sound(container: str, subtype: str, rate: int, channels: int, seconds: float) -> Callable[[], bytes]:
    def make() -> bytes:
        import numpy as np
        import soundfile

        file = io.BytesIO()
        second = np.random.default_rng(0).integers(-9, 9, (rate, channels), np.int16)
        with soundfile.SoundFile(file, "w", rate, channels, subtype, format=container) as sound:
            for _ in range(int(seconds)):
                sound.write(second)
        return file.getvalue()

    return make


def _packed(content: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: mxl.compressed(content())


_UNIT = "".join(chr(0x1F3B5 + i % 7) for i in range(100))  # outside the basic plane: four bytes a character in memory
LARGEST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "notes without end": (".mid", _midi(b"\0\x3c\x40")),
    "notes on and off": (".mid", _midi(b"\x01\x3c\x40\x01\x3c\0")),
    "texts": (".mid", _midi(b"\0\xff\x01\0")),
    "tempi": (".mid", _midi(b"\x01\xff\x51\x03\x07\xa1\x20")),
    "programs between notes": (".mid", _midi(b"\0\xc0\x01\0\x90\x3c\x40")),
    "controls": (".mid", _midi(b"\0\xb0\x07\x40")),
    "elements": (".musicxml", _xml(b"<x/>")),
    "attributes": (".musicxml", _xml(b"<x a='1' b='2'/>")),
    "texts of elements": (".musicxml", _xml(b"<x>texttexttext</x>\n")),
    "notes of MusicXML": (".musicxml", _measures(10, _NOTE * 29_000)),
    "measures": (".musicxml", _measures(29_000, _NOTE)),
    "ragged parts": (".musicxml", _ragged),
    "packed elements": (".mxl", _packed(_varied)),
    "tunes of three notes": (".abc", _book("X:1\nK:C\nABc\n")),
    "large tunes": (".abc", _book("X:1\nK:C\n" + "ABc|def|" * 30_000 + "\n", 8 << 20)),
    "a tune of notes": (".abc", _tune("A")),
    "a tune of bars": (".abc", _tune("|:A:|")),
    "a tune of fields": (".abc", _tune("Q:" + "1" * 990 + "\n")),
    "a tune of chords": (".abc", _tune("[CEG]/")),
    "a tune of symbols": (".abc", _tune('"Am"A')),
    "voices and systems": (".abc", _tune("%%staves\nA\n", LIMITS.tune_bytes - 9000, "".join(f"V:{i}\n" for i
    in range(500)))),
    "repeats of short bars": (".abc", lambda: b"X:1\nL:1/999\nP:A999\nK:C\nP:A\nA" + b"z/1937|" * 15_000),
    "symbols of voices": (
        ".abc",
        lambda: ("X:1\nP:A999\nK:C\n" + "".join(f"V:{i}\nP:A\n" + '"C"A"D"A' * 20 + "\n" for i in range(500))).encode(),
    ),
    "words outside the basic plane": (".abc", lambda: ("X:1\nK:C\nABc\n\n" + _UNIT * 160_000)[: 16 << 20].encode()),
    "an hour": (".flac", _sound("FLAC", "PCM_16", 48_000, 1, 3599)),
    "an hour of MP3": (".mp3", _sound("MP3", "MPEG_LAYER_III", 22_050, 1, 3590)),
    "a claim of 4 GB": (".wav", lambda: b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHHI", 16, 1, 1, 44100,
    88200, 2, 16, 0x61746164) + b"\xff\xff\xff\xff" + b"\1\2" * 99),
}  # fmt: skip
