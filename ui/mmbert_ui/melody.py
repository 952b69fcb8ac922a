"""A melody as it comes from outside: notes that somebody played, a dropped file, or a piece of the library.

Everything is checked here: the page's own requests come over the network like anybody's.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.exceptions import HTTPException

from mmbert.errors import UsageError
from mmbert.symbolic.score import NOTE, Part, Score
from mmbert.types import Item
from mmbert_ui.asking import example_of
from mmbert_ui.faults import body_of, first_fault
from mmbert_ui.state import PageState

MOST_NOTES = 512  # played; whoever has more has a file
MOST_QUARTERS = 2000.0
MOST_BODY = 64 * 2**10  # bytes of a question
_TICKS = 480  # a quarter
_VELOCITY = 90
_REMEDY = "docs/HTTP.md lists what can be asked"

Q = TypeVar("Q", bound=BaseModel)
Quarters = Annotated[float, Field(ge=0, le=MOST_QUARTERS, allow_inf_nan=False)]
Length = Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)]
Note = tuple[Quarters, Length, Annotated[int, Field(ge=0, le=127)]]


class Melody(BaseModel):
    """A melody: ``notes`` or ``like``.

    Attributes:
        notes: ``[start, length, pitch]`` each, in quarter notes from a bar line on, MIDI pitch.
        metre: Of the notes, 4/4 without; or of a recording that ``like`` names, heard without.
        tempo_bpm: Quarter notes a minute, of the notes.
        like: Id of a dropped file, or of a piece of the library.
        part: The part of ``like`` that is the melody, its name or its number from 1; found by rule without.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    notes: list[Note] = Field(default=[], max_length=MOST_NOTES)
    metre: Annotated[str, StringConstraints(pattern=r"^([1-9]|1[0-6])/(2|4|8|16)$")] | None = None
    tempo_bpm: float = Field(default=100.0, ge=20, le=400)
    like: str | None = Field(default=None, max_length=64)
    part: Annotated[str, StringConstraints(max_length=200)] | Annotated[int, Field(ge=1, le=1000)] | None = None


def score_of(melody: Melody) -> Score:
    """Played notes as a score of one part.

    >>> score = score_of(Melody(notes=[(0.0, 1.0, 62), (1.0, 0.5, 64)], metre="3/4", tempo_bpm=90))
    >>> score.notes["onset"].tolist(), score.parts[0].name, score.bar_metres.tolist(), score.duration_s
    ([0, 480], 'Melody', [[3, 4]], 1.0)
    """
    rows = np.zeros(len(melody.notes), NOTE)
    for row, (start, length, pitch) in zip(rows, melody.notes, strict=True):
        onset, end = round(start * _TICKS), round((start + length) * _TICKS)
        row["onset"], row["duration"], row["pitch"], row["velocity"] = onset, max(1, end - onset), pitch, _VELOCITY
    beats, unit = (int(n) for n in (melody.metre or "4/4").split("/"))
    return Score.build(
        rows,
        _TICKS,
        tempo_map=[(0, melody.tempo_bpm)],
        metre_map=[(0, beats, unit)],
        parts=(Part("Melody", role="melody", program_stated=False),),
    )


def read_melody_of(state: PageState, melody: Melody) -> Item | Score:
    """The notes that were played, or the piece that was named. Never a path.

    Raises:
        UsageError: neither or both are given, or the id names nothing that can be read.
    """
    if bool(melody.notes) == (melody.like is not None):
        fault = "was given twice" if melody.notes else "is not there"
        raise UsageError("The melody", fault, "Give notes, or the id of a file or piece")
    if melody.notes:
        return score_of(melody)
    example_of(state, melody.like)  # which says what is wrong with an id
    item = state.item(str(melody.like))
    if item is None:
        raise UsageError("The piece", "is not in this library, or its file cannot be read", "Choose another")
    return item


async def read_body(request: Request) -> bytes:
    """The body of a question.

    Raises:
        HTTPException: 413 where it is too long.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            words = ("The question", f"is larger than {MOST_BODY // 2**10} KB", "Drop a file with so many notes")
            raise HTTPException(413, body_of(*words))  # type: ignore[arg-type]  # given on as it is
    return body


def parsed(question: type[Q], body: bytes) -> Q:
    """A question from anything that arrived.

    Raises:
        UsageError: naming the field at fault.
    """
    try:
        return question.model_validate_json(body)
    except ValidationError as e:
        field, fault = first_fault(e.errors())
        raise UsageError(field, fault, _REMEDY) from None


def parts_of(item: Item) -> list[dict[str, Any]]:
    """``{number, name, notes}`` of the parts that a melody may be in; ``number`` is what a question takes."""
    score = item.score
    if score is None:
        return []
    pitched = score.notes[~score.notes["is_drum"]]
    parts, counts = np.unique(pitched["part"], return_counts=True)
    return [
        {"number": i, "name": score.parts[part].name[:60].strip() or f"Part {i}", "notes": n}
        for i, (part, n) in enumerate(zip(parts.tolist(), counts.tolist(), strict=True), 1)
    ]
