"""MusicXML (.musicxml, .xml, .mxl), read by our own compact parser.

Read: parts with their General MIDI programs, notes with ties joined, chords, voices, transposing instruments, keys,
metres, pickups, tempi, dynamics, chord symbols (a part named ``chords``, each symbol held to the next). Repeats,
endings and da capos are **not** played out: the written order is played once. Grace and cue notes are passed over.
``<miscellaneous-field name="form">`` states the form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

import numpy as np

from mmbert.items import bounds, chords, xml_safe
from mmbert.items.metres import metre_map
from mmbert.items.musicxml_part import Measure, NumberFault, PartReader, divisions_of, round_half_up
from mmbert.items.roles import program_of, with_roles
from mmbert.items.text import clean
from mmbert.symbolic.score import NOTE, Part, Score
from mmbert.types import Item

if TYPE_CHECKING:
    from mmbert.items.reader import File

SUFFIXES: tuple[str, ...] = (".musicxml", ".xml", ".mxl")
NOT = ("E_NOT_MUSICXML", "holds no MusicXML score", "Is it another format under this name?")
_ROOTS = ("score-partwise", "score-timewise")
_MAX_RESOLUTION = 10_080  # ticks a quarter; finer times are rounded to 960


def sniff(head: bytes) -> bool:
    """Whether the bytes begin as a MusicXML score or as a zip with one."""
    if head[:4] == b"PK\x03\x04":
        return b".xml" in head or b".musicxml" in head
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "replace").encode()
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and (
        re.search(rb"<(?:!DOCTYPE\s+)?score-(?:partwise|timewise)\b", head) is not None or b"<!ENTITY" in head
    )


def read(file: File) -> Iterator[Item]:
    """The one piece of a MusicXML file.

    Raises:
        ItemError: E_XML_*, E_ZIP_* (see :mod:`mmbert.items.xml_safe`), E_NOT_MUSICXML, E_MUSICXML_LIMIT,
            E_MUSICXML_DAMAGED, E_EMPTY.
    """
    data = xml_safe.unpack(file) if file.head[:4] == b"PK\x03\x04" else file.data
    root = xml_safe.tree(file, data)
    if root.tag not in _ROOTS:
        raise file.refuse(NOT[1], NOT[2], NOT[0])
    try:
        score = _score(file, root)
    except NumberFault as fault:
        raise file.refuse(str(fault), "Is it damaged?", fault.code) from None
    bounds.check_length(file, score, "E_MUSICXML_LIMIT")
    yield Item("score", file.source(), metadata(root), score=score)


def metadata(root: Element) -> dict[str, str]:
    """Title, composer, form and collection as the header states them.

    The movement's title is the title, and the work's title then the collection; a lone title is the title.
    """
    work, movement = (clean(root.findtext(tag) or "") for tag in ("work/work-title", "movement-title"))
    composers = [clean(c.text or "") for c in root.findall("identification/creator") if c.get("type") == "composer"]
    forms = [
        clean(f.text or "")
        for f in root.findall("identification/miscellaneous/miscellaneous-field")
        if f.get("name") == "form"
    ]
    found = {
        "title": movement or work,
        "composer": ", ".join(c for c in composers if c),
        "form": next(iter(forms), ""),
        "collection": work if movement and work and fold_blank(work) != fold_blank(movement) else "",
    }
    return {k: v for k, v in found.items() if v}


def fold_blank(words: str) -> str:
    """Words for comparison: lower case, letters and digits alone."""
    return re.sub(r"\W+", "", words.casefold())


def _measures(root: Element) -> dict[str, list[Element]]:
    """Part id -> its measures; a score-timewise file gives the same."""
    found: dict[str, list[Element]] = {}
    for outer in root.iter("part" if root.tag == _ROOTS[0] else "measure"):
        for inner in outer:
            if root.tag == _ROOTS[0] and inner.tag == "measure":
                found.setdefault(outer.get("id", ""), []).append(inner)
            elif root.tag == _ROOTS[1] and inner.tag == "part":
                found.setdefault(inner.get("id", ""), []).append(inner)
    return found


def _unit(root: Element) -> int:
    """Units a quarter in which every division of the file is whole."""
    unit = 1
    for divisions in {d.text for d in root.iter("divisions")}:
        whole = math.lcm(unit, max(1, int(divisions_of(divisions))))
        unit = whole if whole < 10**9 else unit
    return unit


def _resolution(unit: int, times: np.ndarray) -> int:
    """Ticks a quarter, at least 480, in which the times (int64, units) that occur are whole."""
    needed = unit // int(np.gcd.reduce(times, initial=unit))
    return 960 if needed > _MAX_RESOLUTION else needed * -(-480 // needed)


def _score(file: File, root: Element) -> Score:
    unit = _unit(root)
    measures = _measures(root)
    if len(measures) > file.limits.tracks:
        fault = f"has {len(measures)} parts (at most {file.limits.tracks} are read)"
        raise file.refuse(fault, "Is it one piece?", "E_MUSICXML_LIMIT")
    longest = max(map(len, measures.values()), default=0)
    if longest > file.limits.bars:
        fault = f"has {longest} measures (at most {file.limits.bars} are read)"
        raise file.refuse(fault, "Is it one piece?", "E_MUSICXML_LIMIT")
    declared = {p.get("id", ""): p for p in root.findall("part-list/score-part")}
    readers = [PartReader(unit, file.limits.quarters * unit, declared.get(id_)) for id_ in measures]
    read = [[r.measure(m) for m in ms] for r, ms in zip(readers, measures.values())]
    starts = _lines(read)
    rows, parts = _rows(readers, read, starts)
    if not rows:
        raise file.refuse("No notes", "Is it a sheet of words or of chord symbols alone?", "E_EMPTY")
    bounds.check_notes(file, len(rows), "E_MUSICXML_LIMIT")
    table = np.array(rows, dtype=np.float64)
    onset, end = table[:, 0], table[:, 0] + table[:, 1]
    resolution = _resolution(unit, np.r_[onset, end, starts].astype(np.int64))
    scale = resolution / unit
    onset, end = round_half_up(onset * scale), round_half_up(end * scale)
    bounds.check_ticks(file, onset, np.maximum(end - onset, 1), resolution, "E_MUSICXML_LIMIT")
    notes = np.zeros(len(table), NOTE)
    notes["onset"], notes["duration"] = onset, np.maximum(end - onset, 1)
    for i, name in enumerate(("pitch", "velocity", "program", "is_drum", "part"), 2):
        notes[name] = table[:, i]
    lines = [int(x) for x in round_half_up(np.array(starts) * scale)]
    return Score.build(notes, resolution, parts=with_roles(parts), **_maps(read, starts, lines, scale, resolution))


def _rows(readers: list[PartReader], read: list[list[Measure]], starts: list[int]) -> tuple[list[tuple], list[Part]]:
    """Rows of ``score.NOTE`` in units, and their parts; none without written notes."""
    rows: list[tuple] = []
    parts: list[Part] = []
    for reader, measures in zip(readers, read):
        joined = reader.joined(measures, starts)
        if joined:
            # The name first: many programs in MusicXML are stand-ins (a voice played as an oboe).
            program = program_of(reader.name)
            program = reader.program if program is None else program
            rows += [(a, b, p, v, program or 0, reader.is_drum, len(parts)) for a, b, p, v in joined]
            parts.append(Part(reader.name, program or 0, reader.is_drum, program_stated=program is not None))
    if rows:
        symbols = [(starts[i] + at, s) for part in read for i, m in enumerate(part) for at, s in m.symbols]
        held = chords.held(symbols, max(r[0] + r[1] for r in rows), len(parts))
        rows += held
        parts += [chords.PART] if held else []
    return rows, parts


def _lines(read: list[list[Measure]]) -> list[int]:
    """Start of each measure in units, and the end: a measure is as long as its longest part."""
    lengths: list[int] = []
    for part in read:
        lengths += [0] * (len(part) - len(lengths))
        for i, measure in enumerate(part):
            lengths[i] = max(lengths[i], measure.length)
    return [0, *np.cumsum(lengths, dtype=np.int64).tolist()]


def _maps(read: list[list[Measure]], starts: list[int], lines: list[int], scale: float, resolution: int) -> dict:
    """Tempo, metre and key maps; metre and key of the first part that states them (at concert pitch if one is)."""

    def tick(units: int) -> int:
        return int(round_half_up(np.array(units * scale)))

    tempi = {tick(starts[i] + at): bpm for part in read for i, m in enumerate(part) for at, bpm in m.tempi}
    nominal = next(([m.metre for m in part] for part in read if any(m.metre for m in part)), [])
    # measures without time (an editor's empty ones) are no bars
    bars = [i for i in range(len(nominal)) if i + 1 < len(lines) and lines[i + 1] > lines[i]]
    metres = metre_map([*(lines[i] for i in bars), lines[-1]], [nominal[i] for i in bars], resolution) if bars else []
    keyed = sorted((p for p in read if any(m.keys for m in p)), key=lambda p: any(m.transposed for m in p))
    keys = {tick(starts[i] + at): key for part in keyed[:1] for i, m in enumerate(part) for at, key in m.keys}
    return {
        "tempo_map": _changes(sorted(tempi.items())),
        "metre_map": metres,
        "key_map": [(t, *key) for t, key in _changes(sorted(keys.items()))],
    }


def _changes(events: list[tuple]) -> list[tuple]:
    return [e for i, e in enumerate(events) if i == 0 or e[1] != events[i - 1][1]]
