"""What a library suggests for a melody, arranged in its key and tempo: both together as notes and as MIDI.

Two voices: the melody as it was given, and the phrase that was found, behind it (:class:`Continuations`) or beneath it
(:class:`Accompaniments`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from mmbert.retrieval.melody_query import AskedMelody
from mmbert.symbolic.phrases import DURATION, ONSET, PITCH, UNIT
from mmbert.symbolic.score import METRE, NOTE, TEMPO, Part, Score
from mmbert.titles import title_of
from mmbert.types import Answer, PhraseHit

_VELOCITY = 80  # of what was found; a phrase is kept without its loudness
_SAME_TEMPO = 0.01  # quarter notes a minute


class VoiceNote(NamedTuple):
    """A note as a piano roll shows it.

    Attributes:
        onset: Quarter notes from the first bar line shown.
        duration: Quarter notes.
        pitch: MIDI, 0-127.
        voice: ``melody`` as it was given, or ``suggestion``.
    """

    onset: float
    duration: float
    pitch: int
    voice: Literal["melody", "suggestion"]


class Arranged(NamedTuple):
    """A phrase that was found, in the melody's key.

    Attributes:
        notes: int32 [n, 3], onset and duration in ``UNIT`` a quarter from the phrase's start, MIDI pitch.
        part: int64 [n], which of ``parts`` plays each.
        parts: ``(name, General MIDI program)``.
    """

    notes: np.ndarray
    part: np.ndarray
    parts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class Suggestions(ABC):
    """Hits for a melody, best first, and what each sounds like with it.

    Attributes:
        answer: The question and its hits, as :meth:`mmbert.api.Library.search` gives them.
        melody: What was read of the melody.
        notice: What the person should know: how the melody was read, or why nothing was found. May be empty.
        arranged: Of each hit, by its id.
    """

    answer: Answer
    melody: AskedMelody
    notice: str
    arranged: Mapping[str, Arranged]

    @property
    def hits(self) -> tuple[PhraseHit, ...]:
        """Best first."""
        return tuple(hit for hit in self.answer.hits if isinstance(hit, PhraseHit))

    def to_json(self) -> dict[str, Any]:
        """As of a search, with ``melody`` (what was read) and ``notice``."""
        return self.answer.to_json() | {"melody": self.melody.to_json(), "notice": self.notice}

    def notes(self, hit: PhraseHit, *, whole: bool = False) -> list[VoiceNote]:
        """Both voices, in order of onset; ``whole`` as for the score."""
        score = self._together(hit, whole)
        quarter = score.ticks_per_quarter
        return [
            VoiceNote(onset / quarter, duration / quarter, pitch, "suggestion" if part else "melody")
            for onset, duration, pitch, part in score.notes[["onset", "duration", "pitch", "part"]].tolist()
        ]

    def midi(self, hit: PhraseHit, *, whole: bool = False) -> bytes:
        """Both voices as a MIDI file with named tracks, title, key, metre and tempo; ``whole`` as for the score."""
        from mmbert.items import write_midi

        return write_midi(self._together(hit, whole), {"title": self.titled(hit)})

    def titled(self, hit: PhraseHit) -> str:
        """What both together are called: after the melody, and the piece that the other voice comes from."""
        return f"{self.melody.title} - {self.of} from {title_of(hit.title, hit.path)}"

    @property
    @abstractmethod
    def of(self) -> str:
        """What a hit is to the melody."""

    @abstractmethod
    def _together(self, hit: PhraseHit, whole: bool) -> Score:
        """Both voices as one score."""


class Continuations(Suggestions):
    """Phrases that go on from a melody."""

    of = "continuation"

    def joined(self, hit: PhraseHit, *, whole: bool = False) -> Score:
        """The melody and, from the bar line behind it, the phrase; parts ``melody`` and ``continuation``.

        Args:
            hit: One of :attr:`hits`.
            whole: The whole melody; without, its last bars, which the phrase was found by.

        Raises:
            KeyError: the hit is not one of these.
        """
        arranged, asked = self.arranged[hit.id], self.melody
        begin = asked.first(whole)
        melody = asked.score(begin, asked.behind)
        part = melody.parts[0]
        one = Arranged(arranged.notes, np.zeros_like(arranged.part), (("continuation", part.program),))
        together = _beside(melody, one, asked.behind - begin, part.program_stated)
        return _goes_on(together, asked.behind - begin, asked.metre, asked.bpm)

    def _together(self, hit: PhraseHit, whole: bool) -> Score:
        return self.joined(hit, whole=whole)


class Accompaniments(Suggestions):
    """Phrases whose accompaniment goes with a melody."""

    of = "accompaniment"

    def mix(self, hit: PhraseHit, *, whole: bool = False) -> Score:
        """The melody and, beneath the bars that were asked about, the accompaniment.

        Parts are ``melody`` and ``accompaniment: NAME``.

        Args:
            hit: One of :attr:`hits`.
            whole: The whole melody; without, those bars alone.

        Raises:
            KeyError: the hit is not one of these.
        """
        arranged = self.arranged[hit.id]
        named = tuple((f"accompaniment: {name}", program) for name, program in arranged.parts)
        asked = self.melody
        begin = asked.first(whole)
        end = asked.behind if whole else asked.end
        return _beside(asked.score(begin, end), arranged._replace(parts=named), asked.begin - begin)

    def _together(self, hit: PhraseHit, whole: bool) -> Score:
        return self.mix(hit, whole=whole)


def _beside(melody: Score, found: Arranged, start: int, program_stated: bool = True) -> Score:
    """A melody with a phrase from a tick on."""
    scale = melody.ticks_per_quarter / UNIT
    notes = np.zeros(len(found.notes), NOTE)
    begin = np.rint(found.notes[:, ONSET] * scale).astype(np.int64)
    end = np.rint((found.notes[:, ONSET] + found.notes[:, DURATION]) * scale).astype(np.int64)
    notes["onset"], notes["duration"] = start + begin, np.maximum(end - begin, 1)
    notes["pitch"], notes["velocity"], notes["part"] = found.notes[:, PITCH], _VELOCITY, found.part + 1
    notes["program"] = np.array([program for _, program in found.parts], np.uint8)[found.part]
    parts = tuple(Part(name, program, program_stated=program_stated) for name, program in found.parts)
    return Score.build(
        np.concatenate([melody.notes, notes]), melody.ticks_per_quarter, tempo_map=melody.tempo_map,
        metre_map=melody.metre_map, key_map=melody.key_map, parts=(*melody.parts[:1], *parts),
    )  # fmt: skip


def _goes_on(score: Score, tick: int, metre: tuple[int, int], bpm: float | None) -> Score:
    """From a bar line on, in the metre and at the tempo of the bars that were asked about."""
    metres, tempos = score.metre_map[score.metre_map["tick"] < tick], score.tempo_map[score.tempo_map["tick"] < tick]
    last = metres[-1]
    bar = score.ticks_per_quarter * 4 * metre[0] / metre[1]
    if (int(last["numerator"]), int(last["denominator"])) != metre or (tick - int(last["tick"])) % bar:
        metres = np.concatenate([metres, np.array([(tick, *metre)], METRE)])
    if bpm is not None and abs(tempos["bpm"][-1] - bpm) > _SAME_TEMPO:
        tempos = np.concatenate([tempos, np.array([(tick, bpm)], TEMPO)])
    return replace(score, metre_map=metres, tempo_map=tempos)
