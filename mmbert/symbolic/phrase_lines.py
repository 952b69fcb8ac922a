"""The phrases of a score as a library keeps them: a few bytes a note, so that no file is read again to show one."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmbert.symbolic.facets import is_free_time
from mmbert.symbolic.instruments import name_of
from mmbert.symbolic.melody import Voices, voices
from mmbert.symbolic.phrases import DURATION, LEAST_NOTES, ONSET, PITCH, PhraseTable, cut_phrases
from mmbert.symbolic.score import Part, Score
from mmbert.symbolic.windows import HOP_BARS, WINDOW_BARS

PHRASE = np.dtype(
    [
        ("start_bar", "<i4"),  # from 0
        ("start_s", "<f4"),  # seconds from the start of the piece
        ("end_s", "<f4"),
        ("bpm", "<f4"),  # quarter notes a minute, the mean of the phrase; 0 where the file states no tempo
        ("numerator", "<u2"),
        ("denominator", "<u2"),
        ("melody", "<u2"),  # notes
        ("accompaniment", "<u2"),
        ("shift", "i1"),  # as of a PhraseTable
    ]
)
PHRASE_NOTE = np.dtype(
    [
        ("onset", "<u2"),  # UNIT a quarter, from the phrase's start
        ("duration", "<u2"),
        ("pitch", "u1"),
        ("part", "u1"),  # index of PieceParts
    ]
)
LEAST_ACCOMPANIMENT = 4  # notes: fewer in four bars accompany nothing
MOST_PARTS = 255
_MOST_LENGTH = 0xFFFF  # of a phrase; one of longer bars than any music has is left out
_MOST_NOTES = 0xFFFF
_LONGEST_NAME = 80

PieceParts = tuple[tuple[str, int], ...]  # (name, General MIDI program); the first is that of the melody


@dataclass(frozen=True, eq=False)
class PhraseLines:
    """The phrases of one piece.

    Attributes:
        heads: :data:`PHRASE` [P].
        notes: :data:`PHRASE_NOTE` [n]: of each phrase its melody, then its accompaniment.
        parts: Names and programs of those that play.
    """

    heads: np.ndarray
    notes: np.ndarray
    parts: PieceParts

    @classmethod
    def none(cls) -> PhraseLines:
        """Of a piece without phrases."""
        return cls(np.zeros(0, PHRASE), np.zeros(0, PHRASE_NOTE), ())

    def __len__(self) -> int:
        return len(self.heads)

    def table(self) -> PhraseTable:
        """The same as a table."""
        return table_of(self.heads, self.notes)


def phrase_lines(score: Score, found: Voices | None = None) -> PhraseLines:
    """The phrases of a score, every two bars; none where it was played without regard to its bar lines.

    Args:
        score: Any.
        found: Its melody, where that is known.
    """
    if not len(score.notes) or is_free_time(score):
        return PhraseLines.none()
    found = voices(score) if found is None else found
    table, of_note = cut_phrases(score, found, HOP_BARS, LEAST_NOTES)
    counts = np.stack([np.diff(table.melody_start), np.diff(table.accompaniment_start)])
    fits = (table.length <= _MOST_LENGTH) & (counts <= _MOST_NOTES).all(axis=0) & (table.metre <= 0xFFFF).all(axis=1)
    if not fits.all():
        of_note, table = of_note[np.repeat(fits, counts[1])], table.rows(fits)
        counts = counts[:, fits]
    if not len(table):
        return PhraseLines.none()
    melody_part = int(found.melody["part"][0])
    playing = [melody_part, *(int(p) for p in np.unique(of_note) if p != melody_part)][:MOST_PARTS]
    rank = np.full(len(score.parts), len(playing) - 1)
    rank[playing] = np.arange(len(playing))
    parts = np.insert(rank[of_note], np.repeat(table.accompaniment_start[:-1], counts[0]), 0)
    lines = _notes(table)
    lines["part"] = parts
    return PhraseLines(_heads(score, table, counts), lines, tuple(_named(score.parts[p]) for p in playing))


def _heads(score: Score, table: PhraseTable, counts: np.ndarray) -> np.ndarray:
    heads = np.zeros(len(table), PHRASE)
    lines = score.bar_lines
    begin, end = lines[table.start_bar], lines[table.start_bar + WINDOW_BARS]
    start_s, end_s = score.seconds(begin), score.seconds(end)
    heads["start_bar"], heads["start_s"], heads["end_s"] = table.start_bar, start_s, end_s
    if len(score.tempo_map):
        heads["bpm"] = 60 * (end - begin) / score.ticks_per_quarter / np.maximum(end_s - start_s, 1e-9)
    heads["numerator"], heads["denominator"] = table.metre.T
    heads["melody"], heads["accompaniment"] = counts
    heads["shift"] = table.shift
    return heads


def _notes(table: PhraseTable) -> np.ndarray:
    """The notes of each phrase together, its melody first."""
    rows = np.insert(
        table.accompaniment,
        np.repeat(table.accompaniment_start[:-1], np.diff(table.melody_start)),
        table.melody,
        axis=0,
    )
    out = np.zeros(len(rows), PHRASE_NOTE)
    out["onset"], out["duration"], out["pitch"] = rows.T
    return out


def _named(part: Part) -> tuple[str, int]:
    name = part.name.strip() or (name_of(part.program, part.is_drum) if part.program_stated else "")
    return name[:_LONGEST_NAME], part.program


def table_of(heads: np.ndarray, notes: np.ndarray) -> PhraseTable:
    """Phrases as a table, from :data:`PHRASE` [P] and their :data:`PHRASE_NOTE` [n]."""
    sizes = np.stack([heads["melody"], heads["accompaniment"]], axis=1).astype(np.int64)
    sings = np.repeat(np.tile([True, False], len(heads)), sizes.ravel())
    rows = np.stack([notes[name].astype(np.int32) for name in ("onset", "duration", "pitch")], axis=1)
    metre = np.stack([heads["numerator"], heads["denominator"]], axis=1).astype(np.int32)
    starts = np.concatenate([np.zeros((1, 2), np.int64), np.cumsum(sizes, axis=0)])
    return PhraseTable(
        heads["start_bar"].astype(np.int32), metre, heads["shift"].copy(), rows[sings], starts[:, 0].copy(),
        rows[~sings], starts[:, 1].copy(),
    )  # fmt: skip


def accompanied(heads: np.ndarray) -> np.ndarray:
    """bool [P]: which of some :data:`PHRASE` have an accompaniment to be found by."""
    return heads["accompaniment"] >= LEAST_ACCOMPANIMENT


def possible(lines: PhraseLines) -> bool:
    """Whether arrays from elsewhere are phrases."""
    heads, notes = lines.heads, lines.notes
    sizes = heads["melody"].astype(np.int64) + heads["accompaniment"]
    times = np.stack([heads[name] for name in ("start_s", "end_s", "bpm")])
    if not (
        sizes.sum() == len(notes)
        and (heads["start_bar"] >= 0).all()
        and (np.isfinite(times) & (times >= 0)).all()
        and (heads["numerator"] > 0).all()
        and (heads["denominator"] > 0).all()
        and (np.abs(heads["shift"].astype(np.int64)) <= 6).all()
        and bool(len(heads)) == bool(lines.parts)
        and len(lines.parts) <= MOST_PARTS
        and all(len(name) <= _LONGEST_NAME and 0 <= program < 128 for name, program in lines.parts)
        and (notes["pitch"] < 128).all()
        and (notes["part"] < max(len(lines.parts), 1)).all()
    ):
        return False
    table = lines.table()
    return all(
        _in_order(some, start, table.length)
        for some, start in ((table.melody, table.melody_start), (table.accompaniment, table.accompaniment_start))
    )


def _in_order(notes: np.ndarray, start: np.ndarray, length: np.ndarray) -> bool:
    """Whether the notes of each phrase lie within it, by onset."""
    phrase = np.repeat(np.arange(len(start) - 1), np.diff(start))
    rises = (np.diff(notes[:, ONSET]) >= 0) | (np.diff(phrase) > 0)
    within = (notes[:, ONSET] + notes[:, DURATION] <= length[phrase] + 1) & (notes[:, DURATION] > 0)
    return bool(rises.all() and within.all() and (notes[:, PITCH] >= 0).all())


def shortened(lines: PhraseLines, bars: int) -> PhraseLines:
    """One phrase with the accompaniment and the seconds of its first bars alone; its melody stays whole.

    Args:
        lines: One phrase.
        bars: At most :data:`~mmbert.symbolic.windows.WINDOW_BARS`.
    """
    if bars == WINDOW_BARS:
        return lines
    heads, n = lines.heads.copy(), int(lines.heads["melody"][0])
    end = bars * int(lines.table().length[0]) // WINDOW_BARS
    other = lines.notes[n:]
    other = other[other["onset"] < end]
    other["duration"] = np.minimum(other["duration"], end - other["onset"])
    heads["accompaniment"] = len(other)
    heads["end_s"] = heads["start_s"] + (heads["end_s"] - heads["start_s"]) * (bars / WINDOW_BARS)
    return PhraseLines(heads, np.concatenate([lines.notes[:n], other]), lines.parts)


def packed(notes: np.ndarray) -> bytes:
    """Notes of a piece as a library keeps them: column after column, compressed to about an eighth."""
    return zlib.compress(b"".join(notes[name].tobytes() for name in PHRASE_NOTE.names or ()), 6)


def unpacked(data: bytes, n: int) -> np.ndarray:
    """Inverse of :func:`packed`, for ``n`` notes.

    Raises:
        ValueError: the bytes are other than those of so many notes.
    """
    size = n * PHRASE_NOTE.itemsize
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(data, size) if size else b""
    except zlib.error as e:
        raise ValueError(f"notes of a phrase: {e}") from e
    if len(plain) != size:
        raise ValueError(f"notes of a phrase: {len(plain)} bytes, not {size}")
    out = np.zeros(n, PHRASE_NOTE)
    at = 0
    for name in PHRASE_NOTE.names or ():
        column = np.frombuffer(plain, PHRASE_NOTE[name], n, at)
        out[name], at = column, at + column.nbytes
    return out


def joined_lines(some: Sequence[PhraseLines]) -> PhraseTable:
    """The phrases of several pieces as one table, one piece after another."""
    heads = np.concatenate([np.zeros(0, PHRASE), *(lines.heads for lines in some)])
    return table_of(heads, np.concatenate([np.zeros(0, PHRASE_NOTE), *(lines.notes for lines in some)]))
