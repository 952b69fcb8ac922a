"""The events of a MIDI track, followed to their end before symusic sees them.

symusic indexes memory by the data bytes of notes without looking at them: one above 127 writes beyond its tables.
Channel events, nearly all there are, are passed over by regular expressions.
"""

from __future__ import annotations

import re

_DELTA = rb"[\x80-\xff]{0,3}[\x00-\x7f]"
_VARIABLE = re.compile(_DELTA)  # a number of variable size: a time or a length
# Of events with two data bytes (note, control, bend) and with one (program, pressure): one with its status, and some of
# them in which a status may be left out. Bounded, since a repetition remembers each step; a possessive one would not,
# but in Python 3.11.2, Debian 12's, it ends behind where it matched.
_KINDS = ((2, rb"[\x80-\xbf\xe0-\xef]", rb"[\x00-\x7f]{2}"), (1, rb"[\xc0-\xdf]", rb"[\x00-\x7f]"))
_FIRST = {n: re.compile(_DELTA + status + data) for n, status, data in _KINDS}
_MORE = {n: re.compile(rb"(?:%b%b?%b){1,4096}" % (_DELTA, status, data)) for n, status, data in _KINDS}
_META, _END = 0xFF, 0x2F
_LEAST = {0x51: 3, 0x58: 2, 0x59: 2}  # bytes that a tempo, a metre and a key need
_SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, **dict.fromkeys(range(0xF8, 0xFF), 0)}  # data bytes


class TooMany(Exception):
    """A track with more messages than there is room for."""


def follow(data: bytes, start: int, stop: int, room: int) -> tuple[int | None, int]:
    """Follows the events of a track.

    Args:
        data: The file.
        start: Where the track's events begin.
        stop: Where they end, at most the end of the file.
        room: Messages that are no channel's, at most.

    Returns:
        Where an event cannot be followed, None for a sound track; and how many such messages it has.

    Raises:
        TooMany: more of them than ``room``.
    """
    at, running = start, 0  # data bytes of an event without a status of its own
    messages = 0
    while at < stop:
        if messages > room:
            raise TooMany
        before = at
        if running:
            at = _past(_MORE[running], data, at, stop)
        for n, event in _FIRST.items():
            if found := event.match(data, at, stop):
                at, running = _past(_MORE[n], data, found.end(), stop), n
        if at > before:
            continue
        messages += 1
        begin, at = at, _end(_VARIABLE.match(data, at, stop), stop)
        status = data[at] if at < stop else 0
        if status == _META and at + 2 < stop:
            kind, size, at = data[at + 1], *_sized(data, at + 2, stop)
            if size < _LEAST.get(kind, 0):
                return begin, messages
            if kind == _END and at <= stop:
                return None, messages
        elif status in (0xF0, 0xF7):
            _, at = _sized(data, at + 1, stop)
            running = 0
        elif status in _SYSTEM:
            at += 1 + _SYSTEM[status]
            running = 0
        else:
            return begin, messages
        if at > stop:
            return begin, messages
    return None, messages


def _past(events: re.Pattern, data: bytes, at: int, stop: int) -> int:
    """Behind as many events as there are."""
    while found := events.match(data, at, stop):
        at = found.end()
    return at


def _end(match: re.Match | None, otherwise: int) -> int:
    return match.end() if match else otherwise


def _sized(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """Bytes of what follows a length of variable size, and where it ends; behind ``stop`` where there is no length."""
    m = _VARIABLE.match(data, at, stop)
    if not m:
        return 0, stop + 1
    size = 0
    for byte in m[0]:
        size = size << 7 | byte & 0x7F
    return size, m.end() + size
