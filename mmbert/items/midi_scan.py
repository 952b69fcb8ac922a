"""The chunks of a Standard MIDI File, seen before a parser allocates anything, and the words in its meta events."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmbert.items.roles import is_title
from mmbert.items.text import clean, decode

_META_TEXT, _META_NAME = 0x01, 0x03
_KEYS = re.compile(r"\s*(title|composer|form|collection)\s*:\s*(\S.*)", re.I | re.S)
_WORD_EVENTS = 200  # as far as words are looked for in a track


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
    at, tracks = start + 8 + length, []
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


def words(data: bytes, chunks: Chunks) -> dict[str, str]:
    """``title``, ``composer``, ``form`` and ``collection`` that the first track states; the others are not read.

    Text events of the form ``title: X``, ``composer: X`` and so on hold; without ``title:``, the name of the first
    track is the title where it is not an instrument's or a placeholder (``Piano``, ``Track 1``) and either the
    track holds no note or it is the only one.
    """
    found: dict[str, str] = {}
    name = ""
    start, stop = chunks.tracks[0]
    for kind, payload, before_notes in _texts(data, start, min(stop, len(data))):
        content = clean(decode(payload))
        if kind == _META_NAME and not name and (before_notes or len(chunks.tracks) == 1):
            name = content
        match = _KEYS.fullmatch(content) if kind == _META_TEXT else None
        if match:
            found.setdefault(match[1].lower(), clean(match[2]))
    plays = len(chunks.tracks) > 1 and chunks.format == 1 and _has_note(data, start, stop)
    if "title" not in found and not plays and is_title(name):
        found["title"] = name
    return found


def _has_note(data: bytes, start: int, stop: int) -> bool:
    return any(kind is None for kind, _, _ in _walk(data, start, stop))


def _texts(data: bytes, start: int, stop: int) -> list[tuple[int, bytes, bool]]:
    out, notes = [], False
    for kind, payload, _ in _walk(data, start, stop):
        if kind is None:
            notes = True
        elif kind in (_META_TEXT, _META_NAME):
            out.append((kind, payload, not notes))
    return out


def _walk(data: bytes, start: int, stop: int) -> list[tuple[int | None, bytes, int]]:
    """(meta type, payload, offset) of the events up to the first note (type None) or the bound; damage ends it."""
    out: list[tuple[int | None, bytes, int]] = []
    at, running = start, 0
    while at < stop and len(out) < _WORD_EVENTS:
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
            kind = -1
            if status == 0xFF:
                kind, at = data[at], at + 1
            size = 0
            while at < stop:
                byte = data[at]
                size, at = size << 7 | byte & 0x7F, at + 1
                if not byte & 0x80:
                    break
            if kind >= 0:
                out.append((kind, data[at : min(at + size, stop)], at))
            at += size
        else:
            if status >> 4 == 9:
                out.append((None, b"", at))
                break
            at += 1 if status >> 4 in (0xC, 0xD) else 2
    return out
