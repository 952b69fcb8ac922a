"""MIDI files, parsed by symusic behind our own check of the chunks.

Words: a text event (meta type 1) in the first track, before its first note, of the form ``composer: X``,
``form: jig``, ``title: X`` or ``collection: X`` states that; :func:`mmbert.items.write_midi` writes them. Other
titles come from the first track's name (:func:`mmbert.items.midi_scan.statements`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmbert.items import bounds, chords, midi_events, midi_scan
from mmbert.items.metres import valid
from mmbert.items.roles import with_roles
from mmbert.items.text import clean
from mmbert.symbolic.score import NOTE, Part, Score
from mmbert.types import Item

if TYPE_CHECKING:
    from mmbert.items.reader import File

SUFFIXES: tuple[str, ...] = (".mid", ".midi", ".kar", ".rmi")
NOT = ("E_NOT_MIDI", "does not begin as a MIDI file does", "Is it another format under this name?")


def sniff(head: bytes) -> bool:
    """Whether the bytes begin as MIDI."""
    return midi_scan.start_of(head) is not None


def read(file: File) -> Iterator[Item]:
    """The one piece of a MIDI file.

    Raises:
        ItemError: E_MIDI_TRUNCATED, E_MIDI_LIMIT, E_MIDI_DAMAGED, E_MIDI_TIMECODE, E_EMPTY.
    """
    limits = file.limits
    if file.size > limits.midi_bytes:
        words = f"is larger than {limits.midi_bytes >> 20} MiB"
        raise file.refuse(words, "Is this a file of notes?", "E_MIDI_LIMIT")
    data = file.data
    try:
        chunks = midi_scan.scan(data, limits.tracks)
    except midi_scan.ScanError as fault:
        raise file.refuse(fault.fault, fault.hint, fault.code) from None
    _follow(file, data, chunks)
    parsed = _parsed(file, midi_scan.only(data, chunks))
    bounds.check_notes(file, sum(len(t.notes) for t in parsed.tracks), "E_MIDI_LIMIT")
    events = len(parsed.tempos) + len(parsed.time_signatures) + len(parsed.key_signatures)
    bounds.check_map(file, events, "E_MIDI_LIMIT")
    stated = midi_scan.statements(data, chunks)
    score = _score(file, parsed, stated)
    bounds.check_length(file, score, "E_MIDI_LIMIT")
    yield Item("score", file.source(), stated.words, score=score)


def _follow(file: File, data: bytes, chunks: midi_scan.Chunks) -> None:
    room = file.limits.messages
    for number, (start, stop) in enumerate(chunks.tracks):
        try:
            fault, messages = midi_events.follow(data, start, stop, room)
        except midi_events.TooMany:
            words = f"has more than {file.limits.messages} texts, tempi and other messages"
            raise file.refuse(words, "Is it damaged?", "E_MIDI_LIMIT") from None
        if fault is not None:
            words = f"has an event in track {number} that cannot be followed (at byte {fault})"
            raise file.refuse(words, "Is it damaged?", "E_MIDI_DAMAGED")
        room -= messages


def _parsed(file: File, data: bytes) -> Any:
    import symusic

    try:
        return symusic.Score.from_midi(data)
    except (RuntimeError, ValueError) as fault:
        hint = f"Is it damaged? ({clean(str(fault), 120)})"
        raise file.refuse("has events that cannot be followed", hint, "E_MIDI_DAMAGED") from None


def _score(file: File, parsed: Any, stated: midi_scan.Statements) -> Score:
    rows: list[np.ndarray] = []
    parts: list[Part] = []
    for track in parsed.tracks:
        if not len(track.notes):
            continue
        columns = track.notes.numpy()
        onset, duration = columns["time"].astype(np.int64), columns["duration"].astype(np.int64)
        bounds.check_ticks(file, onset, duration, int(parsed.ticks_per_quarter), "E_MIDI_LIMIT")
        notes = np.zeros(len(onset), NOTE)
        notes["onset"], notes["duration"] = onset, duration
        notes["pitch"] = np.clip(columns["pitch"], 0, 127)
        notes["velocity"] = np.clip(columns["velocity"], 1, 127)
        program = min(max(int(track.program), 0), 127)
        notes["program"], notes["is_drum"], notes["part"] = program, bool(track.is_drum), len(parts)
        rows.append(notes)
        parts.append(_part(clean(track.name.rstrip("\0")), program, bool(track.is_drum), stated))
    if not rows:
        raise file.refuse("No notes", "Is it a file of settings or of lyrics alone?", "E_EMPTY")
    return Score.build(
        np.concatenate(rows),
        int(parsed.ticks_per_quarter),
        tempo_map=_stated_tempos([(t.time, 60e6 / t.mspq) for t in parsed.tempos if t.mspq > 0], stated.unstated_bpm),
        metre_map=_last_at(
            [(m.time, m.numerator, m.denominator) for m in parsed.time_signatures if valid(m.numerator, m.denominator)]
        ),
        key_map=_last_at([(k.time, k.key, bool(k.tonality)) for k in parsed.key_signatures if abs(k.key) <= 7]),
        parts=with_roles(parts),
    )


def _part(name: str, program: int, is_drum: bool, stated: midi_scan.Statements) -> Part:
    """A part; one marked as chord symbols is no written music, and a piano that no event asks for is not stated."""
    if stated.chord_symbols and name == chords.PART.name:
        return replace(chords.PART, program=program)
    return Part(name, program, is_drum, program_stated=is_drum or program > 0 or stated.programs)


def _stated_tempos(rows: list[tuple], unstated_bpm: float | None) -> list[tuple]:
    """The tempo map; empty where its one entry is only what the writing program puts for none."""
    kept = _last_at(rows)
    return [] if len(kept) == 1 and kept[0][1] == unstated_bpm else kept


def _last_at(rows: list[tuple]) -> list[tuple]:
    """Sorted by tick; of several at one tick the last holds; one that changes nothing is left out."""
    kept: list[tuple] = []
    for row in sorted({r[0]: r for r in rows if r[0] >= 0}.values()):
        if not kept or kept[-1][1:] != row[1:]:
            kept.append(row)
    return kept
