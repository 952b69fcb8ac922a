"""A score as a Standard MIDI File (format 1) that :func:`mmbert.items.load_items` reads back as it was."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmbert.items.midi_scan import CHORD_SYMBOLS
from mmbert.symbolic.score import Part, Score

_WORDS = ("title", "composer", "form", "collection")
_PITCHED = (*range(9), *range(10, 16))
_DRUMS = 9
_END = b"\xff\x2f\x00"


def write_midi(score: Score, metadata: Mapping[str, str] | None = None) -> bytes:
    """Bytes of a MIDI file.

    What comes back when it is read: notes, parts with notes (name, program, drums), resolution, tempo (to a
    microsecond a quarter), metre and key maps, and title, composer, form and collection. What MIDI cannot hold: a
    note of no length (becomes one tick), two sounding notes of one pitch in one part (the first ends first), and
    more than 15 pitched channels (parts share them in turn).

    Raises:
        ValueError: a resolution above 32767 ticks, or a time before 0.
    """
    if not 1 <= score.ticks_per_quarter <= 0x7FFF:
        raise ValueError(f"score: {score.ticks_per_quarter} ticks a quarter do not fit MIDI (1 to 32767)")
    if len(score.notes) and int(score.notes["onset"].min()) < 0:
        raise ValueError("score: a note begins before tick 0")
    tracks = [_track(_conductor(score, metadata or {}))]
    pitched = 0
    for index, part in enumerate(score.parts):
        channel = _DRUMS if part.is_drum else _PITCHED[pitched % len(_PITCHED)]
        pitched += not part.is_drum
        tracks.append(_track(_part(score.notes[score.notes["part"] == index], part, channel)))
    header = b"MThd" + (6).to_bytes(4) + (1).to_bytes(2) + len(tracks).to_bytes(2)
    return header + score.ticks_per_quarter.to_bytes(2) + b"".join(tracks)


Event = tuple[int, int, bytes]  # tick, order among events of one tick, bytes


def _conductor(score: Score, metadata: Mapping[str, str]) -> list[Event]:
    events: list[Event] = []
    if metadata.get("title"):
        events.append((0, 0, _meta(0x03, _text(metadata["title"]))))
    events += [(0, 1, _meta(0x01, _text(f"{k}: {metadata[k]}"))) for k in _WORDS if metadata.get(k)]
    for tick, bpm in score.tempo_map:
        microseconds = min(max(round(60e6 / float(bpm)), 1), 0xFFFFFF)
        events.append((int(tick), 2, _meta(0x51, microseconds.to_bytes(3))))
    for tick, numerator, denominator in score.metre_map:
        power = int(denominator).bit_length() - 1
        events.append((int(tick), 3, _meta(0x58, bytes([min(int(numerator), 255), power, 24, 8]))))
    for tick, fifths, minor in score.key_map:
        events.append((int(tick), 4, _meta(0x59, bytes([int(fifths) & 0xFF, int(minor)]))))
    return events


def _part(notes: np.ndarray, part: Part, channel: int) -> list[Event]:
    events: list[Event] = [(0, 0, _meta(0x03, _text(part.name)))] if part.name else []
    if not part.written:
        events.append((0, 0, _meta(0x01, CHORD_SYMBOLS.encode())))
    if not part.is_drum and (part.program_stated or part.program):
        events.append((0, 1, bytes([0xC0 | channel, part.program])))
    for onset, duration, pitch, velocity in notes[["onset", "duration", "pitch", "velocity"]].tolist():
        # Ends go before beginnings of the same tick, so that a repeated note is struck again.
        events.append((onset, 3, bytes([0x90 | channel, pitch, max(velocity, 1)])))
        events.append((onset + max(duration, 1), 2, bytes([0x80 | channel, pitch, 0])))
    return events


def _track(events: list[Event]) -> bytes:
    body, now = bytearray(), 0
    for tick, _, message in sorted(events, key=lambda e: e[:2]):
        body += _varint(tick - now) + message
        now = tick
    body += b"\x00" + _END
    return b"MTrk" + len(body).to_bytes(4) + bytes(body)


def _meta(kind: int, payload: bytes) -> bytes:
    return bytes([0xFF, kind]) + _varint(len(payload)) + payload


def _text(words: str) -> bytes:
    return " ".join(words.split()).encode("utf-8", errors="replace")


def _varint(value: int) -> bytes:
    """A variable-length quantity: 7 bits a byte, the high bit set on all but the last.

    >>> _varint(0x40).hex(), _varint(0x3FFF).hex(), _varint(0x200000).hex()
    ('40', 'ff7f', '81808000')
    """
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))
