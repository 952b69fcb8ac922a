"""From written voices to what sounds: repeats, endings and the order of parts played out, ties joined, one Score."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mmbert.items import chords
from mmbert.items.abc_fields import TICKS_PER_QUARTER, UNITS_PER_TICK
from mmbert.items.abc_voice import Voice
from mmbert.items.metres import metre_map
from mmbert.items.roles import program_of, with_roles
from mmbert.symbolic.score import Part, Score

Mark = tuple[int, str, object]
Segment = tuple[int, int]
MAX_SEGMENTS = 10_000
MAX_EVENTS = 100_000  # chord symbols or changes


class PlayError(ValueError):
    """A tune whose repeats or part order unfold beyond the limits, or that leaves MIDI's range."""


@dataclass
class _Section:
    """What one repeat sign repeats: from ``start``, with endings as [numbers, from, to (None while open)]."""

    start: int
    endings: list[list] = field(default_factory=list)

    def played(self) -> list[Segment]:
        first = self.endings[0][1]
        passes = min(max((n for numbers, _, _ in self.endings for n in numbers), default=1), 9)
        out: list[Segment] = []
        for k in range(1, passes + 1):
            out.append((self.start, first))
            out += [(a, b) for numbers, a, b in self.endings if k in numbers][:1]
        return out


def unfold(marks: Sequence[Mark], start: int, end: int) -> list[Segment]:
    """Written stretches in the order in which they sound (ABC 2.1, sections 4.8 and 4.9).

    An end repeat without a start repeat goes back to the last end repeat, ending or part label, or to the start.
    The standard would stop at a double bar too; tunes that put one between their halves and repeat the whole are
    the rule, and abc2midi plays them so.

    >>> unfold([(4, "end", 2), (6, "ending", (1,)), (8, "end", 2), (8, "ending", (2,))], 0, 10)
    [(0, 4), (0, 4), (4, 6), (6, 8), (4, 6), (8, 10)]
    """
    out: list[Segment] = []
    section = _Section(start)

    def finish(at: int) -> _Section:
        if section.endings:
            section.endings[-1][2] = at if section.endings[-1][2] is None else section.endings[-1][2]
            out.extend(section.played())
        elif at > section.start:
            out.append((section.start, at))
        return _Section(at)

    for time, kind, value in [*marks, (end, "stop", None)]:
        if section.endings and section.endings[-1][2] is not None and time > section.endings[-1][2]:
            section = finish(section.endings[-1][2])
        last = section.endings[-1] if section.endings else None
        if kind == "ending":
            if last is not None and last[2] is None:
                last[2] = time
            section.endings.append([value, time, None])
        elif kind == "end":
            if last is not None:
                last[2] = time if last[2] is None else last[2]
            elif time > section.start:
                out.extend([(section.start, time)] * int(str(value)))
                section = _Section(time)
        elif kind in ("start", "part"):
            section = finish(time)
        elif kind == "double" and last is not None:
            last[2] = time if last[2] is None else last[2]
    finish(end)
    return [(a, b) for a, b in out if b > a]


def order(text: str, limit: int) -> list[str]:
    """Labels of a part order such as ``A2(BC)2``.

    >>> "".join(order("A2.(BC)2 A", 100))
    'AABCBCA'
    """
    stack: list[list[str]] = [[]]
    last: list[str] = []
    for letter, sign, digits in re.findall(r"([A-Za-z])|([()])|(\d{1,3})", text):
        if letter:
            last = [letter]
            stack[-1] += last
        elif sign == "(":
            stack.append([])
            last = []
        elif sign == ")" and len(stack) > 1:
            last = stack.pop()
            stack[-1] += last
        grown = len(last) * (int(digits) - 1) if digits else 0
        if sum(map(len, stack)) + grown > limit:
            raise PlayError(f"its part order unfolds to more than {limit} sections")
        stack[-1] += last * (int(digits) - 1) if digits else []
    return [label for group in stack for label in group]


def plan(voice: Voice, part_order: str, end: int, limit: int) -> list[Segment]:
    """The order of play that one voice's marks state."""
    marks = sorted(voice.marks, key=lambda m: m[0])
    parts = [(t, str(label)) for t, kind, label in marks if kind == "part"]
    labels = order(part_order, limit) if part_order else []
    if not any(name == label for _, name in parts for label in labels):
        return unfold(marks, 0, end)
    stops = [t for t, _ in parts[1:]] + [end]
    spans = {name: (t, stop) for (t, name), stop in reversed(list(zip(parts, stops)))}  # the first of a name holds
    out = unfold(_within(marks, 0, parts[0][0]), 0, parts[0][0]) if parts[0][0] else []
    unfolded = {name: unfold(_within(marks, *span), *span) for name, span in spans.items() if name in labels}
    for label in labels:
        out += unfolded.get(label, [])
        if len(out) > MAX_SEGMENTS:
            break
    return out


def _within(marks: Sequence[Mark], start: int, end: int) -> list[Mark]:
    # A repeat sign or double bar at the very start belongs to the part before, unless it opens this one.
    return [m for m in marks if start < m[0] <= end or (m[0] == start and m[1] in ("start", "ending"))]


def play(
    voices: Sequence[Voice], part_order: str, *, max_notes: int, max_quarters: int, max_order: int
) -> Score | None:
    """The tune as a score at 480 ticks a quarter; None without notes.

    The voice with most repeat signs (the first of equals) says in which order all of them are played.
    """
    voices = [v for v in voices if v.notes or v.symbols]
    end = max((v.now for v in voices), default=0)
    if not any(v.notes for v in voices):
        return None
    leader = max(voices, key=lambda v: sum(m[1] not in ("bar", "double") for m in v.marks))
    segments = plan(leader, part_order, end, max_order)
    total = sum(b - a for a, b in segments)
    if len(segments) > MAX_SEGMENTS or total > max_quarters * TICKS_PER_QUARTER * UNITS_PER_TICK:
        raise PlayError(f"its repeats unfold to more than {max_quarters} quarter notes")
    rows: list[tuple] = []
    parts: list[Part] = []
    for voice in voices:
        if not voice.notes:
            continue
        program = voice.program if voice.program is not None else program_of(voice.name)
        sounding = _sounding(voice, segments, max_notes - len(rows))
        rows += [(t, d, pitch, velocity, program or 0, False, len(parts)) for t, d, pitch, velocity in sounding]
        parts.append(Part(voice.name or voice.id, program or 0, program_stated=program is not None))
    if not rows:
        return None
    if len(parts) == 1:
        parts = [replace(parts[0], name=parts[0].name or "melody", role="melody")]
    symbols: list[tuple] = []
    for voice in voices:
        symbols += _mapped(voice.symbols, segments, carry=False, room=MAX_EVENTS - len(symbols))
    chord_rows = chords.held(symbols, max(r[0] + r[1] for r in rows), len(parts))
    if chord_rows:
        parts.append(chords.PART)
    return Score.build(
        rows + chord_rows,
        TICKS_PER_QUARTER,
        tempo_map=_mapped([e for v in voices for e in v.tempos], segments),
        metre_map=_metres(leader, segments),
        key_map=[(t, k.fifths, k.minor) for t, k in _mapped(voices[0].keys, segments) if k.fifths is not None],
        parts=with_roles(parts),
    )


def ticks(units: int) -> int:
    """Internal units to ticks, rounded."""
    return (units + UNITS_PER_TICK // 2) // UNITS_PER_TICK


def _sounding(voice: Voice, segments: Sequence[Segment], room: int) -> list[tuple[int, int, int, int]]:
    """(onset, duration, pitch, velocity) in ticks, ties joined."""
    written = sorted(voice.notes, key=lambda n: n[0])
    onsets = [n[0] for n in written]
    out: list[list[int]] = []
    waiting: dict[int, list[int]] = {}  # pitch -> note that is tied to the next, with its end in units
    offset = 0
    for a, b in segments:
        low, high = bisect_left(onsets, a), bisect_left(onsets, b)
        if len(out) + high - low > room:
            raise PlayError("its repeats unfold to more notes than are read")
        for onset, duration, pitch, velocity, tied in written[low:high]:
            onset += offset - a
            open_ = waiting.pop(pitch, None)
            if open_ is not None and abs(open_[1] - onset) < UNITS_PER_TICK:
                open_[1] = onset + duration
                note = open_
            elif duration:
                if not 0 <= pitch <= 127:
                    raise PlayError(f"it has a note outside MIDI's range (pitch {pitch})")
                note = [onset, onset + duration, pitch, velocity]
                out.append(note)
            else:
                continue
            if tied:
                # waiting holds [_, end]: note[1] is its end
                waiting[pitch] = note
        offset += b - a
    return [(ticks(n[0]), max(ticks(n[1]) - ticks(n[0]), 1), n[2], n[3]) for n in out]


def _mapped(
    events: Sequence[tuple], segments: Sequence[Segment], carry: bool = True, room: int = MAX_EVENTS
) -> list[tuple]:
    """Events of the written line (time, value) on the played line in ticks; with ``carry`` the value in force at
    the start of a segment is stated again where it differs."""
    events = sorted(events, key=lambda e: e[0])
    times = [e[0] for e in events]
    out: list[tuple] = []
    offset = 0
    for a, b in segments:
        low, high = bisect_left(times, a), bisect_left(times, b)
        if len(out) + high - low > room:
            raise PlayError(f"it has more than {MAX_EVENTS} chord symbols or changes")
        found = [(max(t, a), value) for t, value in events[low:high]]
        if carry and (before := bisect_right(times, a)) and (not found or found[0][0] > a):
            found.insert(0, (a, events[before - 1][1]))
        for t, value in found:
            tick = ticks(offset + t - a)
            if carry and out and out[-1][0] == tick:
                out.pop()
            if not carry or not out or out[-1][1] != value:
                out.append((tick, value))
        offset += b - a
    return out


def _metres(voice: Voice, segments: Sequence[Segment]) -> list[tuple[int, int, int]]:
    lines = sorted({m[0] for m in voice.marks if m[1] not in ("ending", "part")} | {0})
    times = [t for t, _ in sorted(voice.metres, key=lambda m: m[0])]
    values = [m for _, m in sorted(voice.metres, key=lambda m: m[0])]
    starts: list[int] = []
    nominal = []
    offset = 0
    played = len(segments) + sum(bisect_left(lines, b) - bisect_right(lines, a) for a, b in segments)
    if played > MAX_EVENTS:
        raise PlayError(f"its repeats unfold to {played} bars")
    for a, b in segments:
        for line in [a, *lines[bisect_right(lines, a) : bisect_left(lines, b)]]:
            at = ticks(offset + line - a)
            i = bisect_right(times, line) - 1
            if not starts or at > starts[-1]:
                starts.append(at)
                nominal.append(values[i] if i >= 0 else None)
        offset += b - a
    return metre_map([*starts, ticks(offset)], nominal, TICKS_PER_QUARTER)
