"""The chunks of a Standard MIDI File, seen before a parser allocates anything, and the words in its meta events."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmbert.items.roles import is_title
from mmbert.items.text import clean, decode

_TEXT, _NAME = 0x01, 0x03  # meta types
_PROGRAM, _NOTE = -1, -2
_KEYS = re.compile(r"\s*(title|composer|form|collection)\s*:\s*(\S.*)", re.I | re.S)
_HEAD_EVENTS = 200  # as far as is looked into a track without notes


class ScanError(ValueError):
    """A structural fault: ``code``, ``fault`` and ``hint`` as ItemError takes them."""

    def __init__(self, code: str, fault: str, hint: str) -> None:
        super().__init__(fault)
        self.code, self.fault, self.hint = code, fault, hint


@dataclass(frozen=True)
class Chunks:
    """Header fields and where each track's events lie in the bytes."""

    format: int
    division: int
    tracks: tuple[tuple[int, int], ...]


def start_of(data: bytes) -> int | None:
    """Offset of ``MThd``: 0, or within a RIFF container (.rmi); None where there is none."""
    if data[:4] == b"MThd":
        return 0
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        at = data.find(b"MThd", 12, 4096)
        return at if at >= 0 else None
    return None


def scan(data: bytes, max_tracks: int) -> Chunks:
    """Walks the chunks.

    Raises:
        ScanError: E_NOT_MIDI, E_MIDI_TRUNCATED (the file ends before a chunk does), E_MIDI_LIMIT (a header that
            claims more tracks than ``max_tracks``), E_MIDI_TIMECODE (time in film frames).
    """
    start = start_of(data)
    if start is None:
        raise ScanError("E_NOT_MIDI", "does not begin as a MIDI file does", "Is it another format under this name?")
    if len(data) < start + 14:
        raise ScanError("E_MIDI_TRUNCATED", "The file ends inside its header", "Was a download or copy cut off?")
    length = int.from_bytes(data[start + 4 : start + 8])
    form, claimed, division = (int.from_bytes(data[start + i : start + i + 2]) for i in (8, 10, 12))
    if claimed > max_tracks:
        raise ScanError("E_MIDI_LIMIT", f"claims {claimed} tracks (at most {max_tracks} are read)", "Is it damaged?")
    if length < 6 or length > 1024 or form > 2:
        raise ScanError("E_MIDI_DAMAGED", "has a header that no MIDI file has", "Is it damaged?")
    if division == 0 or division & 0x8000:
        hint = "Save it with ticks per quarter note"
        raise ScanError("E_MIDI_TIMECODE", "counts time in film frames, not in beats", hint)
    at = start + 8 + length
    tracks: list[tuple[int, int]] = []
    while at < len(data) and len(tracks) < claimed:
        if len(data) - at < 8:
            break
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8])
        if kind == b"MTrk":
            tracks.append((at + 8, at + 8 + size))
        elif not kind.isalnum():
            raise ScanError(
                "E_MIDI_DAMAGED", f"has bytes that are no chunk after track {len(tracks)}", "Is it damaged?"
            )
        if at + 8 + size > len(data):
            inside = f"track {len(tracks)}" if kind == b"MTrk" else "a chunk"
            raise ScanError("E_MIDI_TRUNCATED", f"The file ends inside {inside}", "Was a download or copy cut off?")
        at += 8 + size
    if len(tracks) < claimed or not tracks:
        fault = f"The file ends after track {len(tracks)} of {claimed}"
        raise ScanError("E_MIDI_TRUNCATED", fault, "Was a download or copy cut off?")
    return Chunks(form, division, tuple(tracks))


def only(data: bytes, chunks: Chunks) -> bytes:
    """The file with nothing but its header and the tracks that were looked into."""
    tracks = (b"MTrk" + (stop - start).to_bytes(4) + data[start:stop] for start, stop in chunks.tracks)
    fields = (n.to_bytes(2) for n in (chunks.format, len(chunks.tracks), chunks.division))
    return b"".join((b"MThd\0\0\0\6", *fields, *tracks))


@dataclass(frozen=True)
class Statements:
    """What the events before each track's first note state.

    Attributes:
        words: ``title``, ``composer``, ``form`` and ``collection`` as the first track states them.
        programs: Whether any track names its instrument by a program change.
        chord_symbols: Whether :func:`mmbert.items.write_midi` marked a track as chord symbols made audible.
        unstated_bpm: The tempo that the program which wrote the file puts where its source states none.
    """

    words: dict[str, str]
    programs: bool
    chord_symbols: bool
    unstated_bpm: float | None = None


CHORD_SYMBOLS = "chord symbols"  # the text event of such a track
_LILYPOND, _LILYPOND_BPM = b"LilyPond ", 60.0  # the text event that it signs with


def statements(data: bytes, chunks: Chunks) -> Statements:
    """Reads the head of every track.

    Words: text events of the form ``title: X``, ``composer: X`` and so on in the first track hold. Without
    ``title:``, the name of the first track is the title where it is not an instrument's or a placeholder
    (``Piano``, ``Track 1``) and either the track holds no note or it is the only one.
    """
    heads = [_head(data, start, stop) for start, stop in chunks.tracks]
    found: dict[str, str] = {}
    name = ""
    for kind, payload in heads[0]:
        if kind in (_TEXT, _NAME):
            content = clean(decode(payload))
            match = _KEYS.fullmatch(content) if kind == _TEXT else None
            if kind == _NAME:
                name = name or content
            elif match:
                found.setdefault(match[1].lower(), clean(match[2]))
    plays = len(heads) > 1 and chunks.format == 1 and (_NOTE, b"") in heads[0]
    if "title" not in found and not plays and is_title(name):
        found["title"] = name
    return Statements(
        found,
        programs=any(kind == _PROGRAM for head in heads for kind, _ in head),
        chord_symbols=any((_TEXT, CHORD_SYMBOLS.encode()) in head for head in heads),
        unstated_bpm=_LILYPOND_BPM if any(k == _TEXT and p.startswith(_LILYPOND) for k, p in heads[0]) else None,
    )


def _head(data: bytes, start: int, stop: int) -> list[tuple[int, bytes]]:
    """(meta type, _PROGRAM or _NOTE; payload) of a track's events up to its first note; damage ends it."""
    out: list[tuple[int, bytes]] = []
    at, running = start, 0
    while at < stop and len(out) < _HEAD_EVENTS:
        while at < stop and data[at] & 0x80:  # delta time
            at += 1
        at += 1
        if at >= stop:
            break
        status = data[at]
        if status & 0x80:
            at += 1
            running = status if status < 0xF0 else 0
        elif running:
            status = running
        else:
            break
        if status in (0xFF, 0xF0, 0xF7):
            at = _payload(data, at, stop, status == 0xFF, out)
        elif status >> 4 == 0x9:
            out.append((_NOTE, b""))
            break
        else:
            if status >> 4 == 0xC:
                out.append((_PROGRAM, b""))
            at += 1 if status >> 4 in (0xC, 0xD) else 2
    return out


def _payload(data: bytes, at: int, stop: int, is_meta: bool, out: list[tuple[int, bytes]]) -> int:
    """Takes a meta event or passes over a system exclusive one; where the next event begins."""
    kind = data[at] if is_meta and at < stop else None
    at += is_meta
    size = 0
    while at < stop:
        byte = data[at]
        size, at = size << 7 | byte & 0x7F, at + 1
        if not byte & 0x80:
            break
    if kind is not None:
        out.append((kind, data[at : min(at + size, stop)]))
    return at + size
