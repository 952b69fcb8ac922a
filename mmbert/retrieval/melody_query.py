"""A melody that something is looked for: which of a file's notes it is, and the four bars that are asked about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from mmbert.audio.barred import barred
from mmbert.audio.heard_tune import GOES_ON, RECORD, SEVERAL_VOICES, heard_tune, several_voices
from mmbert.errors import UsageError
from mmbert.items.metres import valid
from mmbert.retrieval.example import Like, read_item
from mmbert.retrieval.phrase_index import MOST_STRETCH, PhraseIndex
from mmbert.symbolic.facets import is_free_time
from mmbert.symbolic.keys import KeyEstimate, estimate_key
from mmbert.symbolic.melody import Voices, voices
from mmbert.symbolic.phrases import UNIT, PhraseTable, Task, key_shift, within
from mmbert.symbolic.score import DEFAULT_BPM, KEY, METRE, NOTE, TEMPO, Part, Score
from mmbert.symbolic.windows import WINDOW_BARS
from mmbert.titles import part_named, title_of
from mmbert.types import Answer, bars_named

LEAST = 4  # notes of the bars that are asked about
_LONGEST_NAME = 40  # of a part, in a sentence
_METRE_CHARACTERS = 20
_NOTHING = "A phrase is found by its notes: give MIDI, MusicXML, ABC or a recording of a tune"


@dataclass(frozen=True, eq=False)
class AskedMelody:
    """A melody and four of its bars.

    Attributes:
        name: Of the file, as given.
        title: What it is called.
        uid: Of the piece that it was read from; None of a score.
        heard: Whether it was heard in a recording, so that its metre, tempo and bar lines are guessed.
        line: The whole melody, one part; tempo, metre and key are those of the file.
        part: Name of the part that it was read from; empty where it has none.
        rule: How it was found (:class:`mmbert.symbolic.melody.Voices`); of a recording of several voices ``skyline``.
        begin: Tick at which the four bars begin; before tick 0 where the melody is shorter.
        behind: Tick of the bar line behind the whole melody, where it goes on.
        start_bar: First bar with notes that are asked about, from 0.
        end_bar: The one behind the last.
        metre: Of the four bars.
        bpm: Quarter notes a minute in them; None where the file states no tempo.
        key: Estimated over the whole file.
        phrase: The four bars: a table of one phrase, without accompaniment.
    """

    name: str
    title: str
    uid: str | None
    heard: bool
    line: Score
    part: str
    rule: str
    begin: int
    behind: int
    start_bar: int
    end_bar: int
    metre: tuple[int, int]
    bpm: float | None
    key: KeyEstimate
    phrase: PhraseTable

    @property
    def bars(self) -> int:
        """How many bars are asked about: four, or as many as there are."""
        return self.end_bar - self.start_bar

    @property
    def end(self) -> int:
        """Tick of the bar line behind the bars that are asked about."""
        return int(self.line.bar_lines[self.end_bar])

    def score(self, begin: int, end: int) -> Score:
        """The notes that begin between two ticks, which count from the first; the maps that hold there."""
        return _cropped(self.line, begin, end)

    def first(self, whole: bool) -> int:
        """Tick of the bar line at which the whole melody begins, or the bars that are asked about."""
        line = self.line
        bar = int(line.bars(int(line.notes["onset"][0]))) if whole else self.start_bar
        return int(line.bar_lines[bar])

    def to_json(self) -> dict[str, Any]:
        """What was read, for the person."""
        return {
            "part": self.part,
            "rule": self.rule,
            "heard": self.heard,
            "start_bar": self.start_bar,
            "end_bar": self.end_bar,
            "notes": len(self.phrase.melody),
            "metre": "{}/{}".format(*self.metre),
            "tempo_bpm": self.bpm,
            "key": self.key.key,
            "mode": self.key.mode,
        }


def read_melody(
    like: Like | Score,
    wanted: Literal["end", "start"],
    part: str | int | None = None,
    bar: int | None = None,
    metre: str | None = None,
) -> AskedMelody:
    """The melody of a file (of its first piece), an item or a score, and its last or first four full bars. Of a
    recording it is what is hummed, sung or played in it.

    A melody of fewer bars in the last metre is asked about with what there is: its end stays at the end of the four
    bars (``end``), its start at their start (``start``).

    Args:
        like: File, item or score.
        wanted: Which four bars.
        part: Name of the part that holds the melody, or its number from 1; found by rule without.
        bar: First of the four bars, from 0, where others are wanted than the first.
        metre: Of a recording the metre of its tune, such as ``3/4``; what is heard is set in 4/4 or 6/8 without.

    Raises:
        UsageError: there is no such file, part or bar, nothing in it is a melody, or it states its own metre.
        ItemError: it cannot be read.
        MissingExtraError: it is a recording, and onnxruntime or soxr is not installed.
    """
    given = _given(like, None if metre is None else _metre(metre))
    score, name = given.score, given.name
    pitched = score.notes[~score.notes["is_drum"]]
    if not len(pitched):
        fault = "holds drums alone" if len(score.notes) else "holds no notes"
        raise UsageError(name, fault, "A melody needs notes with a pitch")
    chosen = None if part is None else _part(score, part, name)
    found = voices(score, chosen)
    rule = "skyline" if given.heard is not None and several_voices(given.heard) else found.rule
    if len(found.melody) < LEAST:
        count = {0: "no melody", 1: "one note"}.get(len(found.melody), f"{len(found.melody)} notes")
        raise UsageError(name, f"holds {count}", f"Give a melody of at least {LEAST} notes, better of four bars")
    if is_free_time(score):
        fault = "was played without regard to its bar lines"
        raise UsageError(name, fault, "Record it to a click, or let a notation program set it in bars")
    key = estimate_key(score)
    assert key is not None  # there are pitched notes
    ends = _last_bar(score, found) + 1
    begins = int(score.bars(int(found.melody["onset"][0])))
    if bar is not None and not 0 <= bar < ends:
        raise UsageError("bar", f"{bar + 1} is not among the {ends} bars of {Path(name).name}", "Bars count from 1")
    first, last = _bars_asked(score, found, begins if bar is None else bar, ends, wanted, bar is not None)
    own = (int(score.bar_metres[first][0]), int(score.bar_metres[first][1]))
    length = WINDOW_BARS * round(score.ticks_per_quarter * 4 * own[0] / own[1])
    lines = score.bar_lines
    begin = int(lines[last]) - length if wanted == "end" else int(lines[first])
    end = begin + length
    inside = _inside(score, found, first, last)
    if len(inside) < LEAST:
        count = {0: "no note", 1: "one note"}.get(len(inside), f"{len(inside)} notes")
        others = f"Ask about bars with at least {LEAST} notes"
        where = f"No four bars of one metre hold {LEAST} of its melody: are its bar lines right?"
        fault = f"has {count} in {bars_named(first, last)}"
        raise UsageError(name, fault, where if bar is None else others)
    melody = within(inside, begin, end, UNIT / score.ticks_per_quarter, False)[0]
    nothing, none = np.zeros((0, 3), np.int32), np.zeros(2, np.int64)
    phrase = PhraseTable(
        np.array([first], np.int32), np.array([own], np.int32), np.array([key_shift(key)], np.int8),
        melody, np.array([0, len(melody)], np.int64), nothing, none,
    )  # fmt: skip
    seconds = float(np.diff(score.seconds(lines[[first, last]]))[0])
    quarters = int(lines[last] - lines[first]) / score.ticks_per_quarter
    bpm = 60 * quarters / seconds if len(score.tempo_map) and seconds > 0 else None
    of_part = score.parts[int(found.melody["part"][0])]
    line, behind = _alone(score, found, key, of_part), int(lines[ends])
    return AskedMelody(
        name, given.title, given.uid, given.heard is not None, line, of_part.name, rule, begin, behind, first, last,
        own, bpm, key, phrase,
    )  # fmt: skip


class _Given(NamedTuple):
    """What a melody is read from: its notes in bars, what it is called, its id; of a recording what is heard in it, in
    free time."""

    score: Score
    name: str
    title: str
    uid: str | None
    heard: Score | None


def _given(like: Like | Score, metre: tuple[int, int] | None) -> _Given:
    if isinstance(like, Score):
        given = _Given(like, "melody", "Melody", None, None)
    else:
        item = read_item(like)
        name, title = str(item.source.path), title_of(item.metadata.get("title"), item.source.path)
        if item.kind == "recording" and (item.recording is not None or item.score is not None):
            heard = heard_tune(item)
            if (score := barred(heard, metre)) is None:
                raise UsageError(name, "holds a tune that is too short to tell its tempo", RECORD)
            return _Given(score, name, title, item.uid, heard)
        if item.score is None:
            raise UsageError(name, f"is a {item.kind}", _NOTHING)
        given = _Given(item.score, name, title, item.uid, None)
    if metre is not None:
        fault = f"is not asked of {Path(given.name).name}, which states its own bars"
        raise UsageError("metre", fault, "Only what is heard in a recording is set in bars: leave the metre out")
    return given


def _metre(text: str) -> tuple[int, int]:
    """Beats and what a beat is, of a metre as people write it."""
    beats, _, unit = text.partition("/")
    if len(text) <= _METRE_CHARACTERS and beats.isdecimal() and unit.isdecimal() and valid(int(beats), int(unit)):
        return int(beats), int(unit)
    raise UsageError("metre", f"{text[:_METRE_CHARACTERS]!r} is none", "Write it like 3/4 or 6/8")


def _part(score: Score, wanted: str | int, name: str) -> int:
    """The part of that name or number."""
    pitched = [p for p in np.unique(score.notes["part"]).tolist() if not score.parts[p].is_drum]
    named = {p: score.parts[p].name.strip() for p in pitched}
    text = str(wanted).strip().casefold()
    found = [p for p in pitched if named[p].casefold() == text]
    found = found or [p for p in pitched if text and text in named[p].casefold()]
    if not found and text.isdecimal() and 1 <= int(text) <= len(pitched):
        found = [pitched[int(text) - 1]]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{i} {named[p][:_LONGEST_NAME] or '(no name)'}" for i, p in enumerate(pitched, 1))
    fault = f"{wanted!r} is {'the name of several' if found else 'no'} part{'s' if found else ''} of {Path(name).name}"
    raise UsageError("part", fault, f"Its parts with notes are: {listed}")


def _last_bar(score: Score, found: Voices) -> int:
    """The bar in which the melody ends; what sounds on shortly ends at the bar line."""
    last = int(found.melody["onset"][-1])
    stop = last + int(found.melody["duration"][-1]) - score.ticks_per_quarter // 8
    return int(score.bars(max(stop - 1, last)))


def _bars_asked(
    score: Score, found: Voices, begins: int, ends: int, wanted: Literal["end", "start"], exactly: bool
) -> tuple[int, int]:
    """First bar and the one behind the last: four full bars of one metre with notes enough, as near to the wanted end
    as there are; else as many bars as there are."""
    whole, metres = _whole(score), score.bar_metres
    runs = []
    for first in [begins] if exactly else range(begins, ends):
        last = first + 1
        while whole[first] and last < min(first + WINDOW_BARS, ends) and whole[last] and _same(metres, first, last):
            last += 1
        runs.append((first, last, len(_inside(score, found, first, last)) >= LEAST))
    if wanted == "end":
        runs.reverse()
    first, last, _ = max(runs, key=lambda run: (run[2], run[1] - run[0]))  # of equal ones the nearest
    return first, last


def _same(metres: np.ndarray, one: int, other: int) -> bool:
    return bool((metres[one] == metres[other]).all())


def _inside(score: Score, found: Voices, first: int, last: int) -> np.ndarray:
    """Notes of the melody that begin in some bars."""
    onset = found.melody["onset"]
    low, high = np.searchsorted(onset, score.bar_lines[[first, last]])
    return found.melody[low:high]


def _whole(score: Score) -> np.ndarray:
    """bool [bars]: of its metre's full length."""
    metres = score.bar_metres
    full = score.ticks_per_quarter * 4 * metres[:, 0] / metres[:, 1]
    return np.abs(np.diff(score.bar_lines) - full) <= 1


def _alone(score: Score, found: Voices, key: KeyEstimate, part: Part) -> Score:
    """The melody as a score of one part, its tempo, metre and key written down even where the file has none."""
    notes = found.melody.copy()
    notes["part"] = 0
    named = replace(part, name="melody", role="melody")
    tempos = score.tempo_map if len(score.tempo_map) else np.array([(0, DEFAULT_BPM)], TEMPO)
    metres = score.metre_map
    if not len(metres) or metres["tick"][0] > 0:
        metres = np.concatenate([np.array([(0, 4, 4)], METRE), metres])
    keys = score.key_map if len(score.key_map) else np.array([(0, *signature(key))], KEY)
    return replace(score, notes=notes.astype(NOTE), tempo_map=tempos, metre_map=metres, key_map=keys, parts=(named,))


def signature(key: KeyEstimate) -> tuple[int, bool]:
    """(fifths from -5 to 6, minor) of a key.

    >>> signature(KeyEstimate(2, "major", 1.0)), signature(KeyEstimate(5, "minor", 1.0))
    ((2, False), (-4, True))
    """
    minor = key.mode == "minor"
    fifths = 7 * (key.pitch_class + (3 if minor else 0)) % 12
    return (fifths - 12 if fifths > 6 else fifths), minor


def _cropped(score: Score, begin: int, end: int) -> Score:
    """The notes that begin between two ticks, which count from the first; the maps that hold there."""
    inside = (score.notes["onset"] >= begin) & (score.notes["onset"] < end)
    notes = score.notes[inside].copy()
    stop = np.minimum(notes["onset"].astype(np.int64) + notes["duration"], end)
    notes["duration"] = stop - notes["onset"]
    notes["onset"] -= begin
    maps = {}
    for name in ("tempo_map", "metre_map", "key_map"):
        rows = getattr(score, name)
        rows = rows[rows["tick"] < end]
        before = int(np.searchsorted(rows["tick"], begin, side="right"))
        rows = rows[max(before - 1, 0) :].copy()
        rows["tick"] = np.maximum(rows["tick"] - begin, 0)
        maps[name] = rows
    return replace(score, notes=notes, **maps)


def notice(melody: AskedMelody, task: Task, answer: Answer, index: PhraseIndex) -> str:
    """What a person should know of how a melody was read, and why nothing was found; may be empty."""
    nothing = "" if answer.hits else f"{_nothing(melody, task, index)}."
    return f"{how_read(melody)} {nothing}".strip()


def how_read(melody: AskedMelody) -> str:
    """What a person should know of how a melody was read, in sentences; may be empty."""
    said = []
    if melody.heard:
        bars = int(np.searchsorted(melody.line.bar_lines, melody.behind))
        of = f"{bars} {'bar' if bars == 1 else 'bars'} of {'{}/{}'.format(*melody.metre)}"
        tempo = "" if melody.bpm is None else f" at {melody.bpm:.0f} bpm"
        said.append(f"Heard as {of}{tempo}, the first note on a bar line")
    if melody.line.goes_on:
        said.append(GOES_ON)
    if melody.rule == "skyline":
        of_part = f"No part is one line: the highest notes of {_of_part(melody)} were taken as the melody"
        said.append(SEVERAL_VOICES if melody.heard else of_part)
    if melody.bars < WINDOW_BARS:
        asked = bars_named(melody.start_bar, melody.end_bar)
        said.append(f"There are not four full bars of one metre: asked about {asked}")
    return " ".join(f"{sentence}." for sentence in said)


def _nothing(melody: AskedMelody, task: Task, index: PhraseIndex) -> str:
    of_task = index.of_rows(task)
    what = f"{len(of_task):,} phrases" + ("" if task == "completion" else " with an accompaniment")
    fits, metre = index.in_metre(melody.metre)[of_task], "{}/{}".format(*melody.metre)
    if not len(of_task) or not fits.any():
        return f"None of the library's {what} is in {metre}" if len(of_task) else f"The library holds no {what[2:]}"
    if melody.bpm is not None and not (fits & index.in_tempo(melody.bpm)[of_task]).any():
        most = f"at most {MOST_STRETCH:g} times faster or slower"
        return f"None of the library's {what} in {metre} comes near {melody.bpm:.0f} bpm ({most})"
    return f"Of the library's {what} none in {metre} is left: all others are excluded, or repeat the melody"


def _of_part(melody: AskedMelody) -> str:
    name = part_named(melody.part)[:_LONGEST_NAME]
    return f"part {name!r}" if name else "its part"
