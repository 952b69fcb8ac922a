"""A melody from the page in, suggestions with their cards out."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints

from mmbert.errors import MmbertError, UsageError
from mmbert.retrieval.suggestions import Continuations, Suggestions
from mmbert.symbolic.score import Score
from mmbert.titles import part_named
from mmbert.types import Item, PhraseHit
from mmbert_ui.asking import card, error_words_of
from mmbert_ui.found import together
from mmbert_ui.melody import Melody, parsed, parts_of, read_melody_of
from mmbert_ui.melody_wording import melody_view, moved
from mmbert_ui.state import PageState, Site

MOST_SUGGESTIONS = 50
Task = Literal["complete", "accompany"]
TASKS: tuple[Task, ...] = get_args(Task)
Condition = Annotated[str, StringConstraints(max_length=200)]


class Wish(Melody):
    """What can be asked of a melody.

    Attributes:
        bar: First of the four bars that are to be accompanied, from 0; not for continuations.
        same_key: Only phrases of pieces in the melody's key.
        where: Conditions that must hold of the pieces.
        limit: Hits wanted.
    """

    bar: int | None = Field(default=None, ge=0, le=10_000)
    same_key: bool = False
    where: list[Condition] = Field(default=[], max_length=20)
    limit: int = Field(default=5, ge=1, le=MOST_SUGGESTIONS)


def suggest(state: PageState, task: Task, wish: Wish) -> Suggestions:
    """Ask the library.

    Raises:
        UsageError: there is no melody, or what is asked does not go with it.
        MmbertError: what the library cannot answer.
    """
    return suggested(state, task, wish, read_melody_of(state, wish))


def suggested(state: PageState, task: Task, wish: Wish, melody: Item | Score) -> Suggestions:
    """Ask the library with a melody that was read; the rest is that of ``wish``.

    Raises:
        MmbertError: as :func:`suggest`.
    """
    if task == "complete" and wish.bar is not None:
        raise UsageError("bar", "is not asked of a continuation", "It goes on from the melody's end")
    more: dict[str, Any] = {"bar": wish.bar} if task == "accompany" else {}
    if wish.like is not None and wish.metre is not None:
        more["metre"] = wish.metre  # played notes have theirs
    return state.suggest(
        task, melody, part=wish.part, same_key=wish.same_key, where=tuple(wish.where), limit=wish.limit, **more
    )


def suggested_view(site: Site, task: Task, body: bytes) -> dict[str, Any]:
    """What the page shows for a melody: suggestions, or an error in words. Never raises."""
    try:
        with site.now() as state:
            wish = parsed(Wish, body)
            return answer_view(state, task, wish)
    except MmbertError as e:
        return error_words_of(site.outside(e))
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return error_words_of(
            UsageError("", "The page made a mistake of its own", "The terminal it was started in says more")
        )


def answer_view(state: PageState, task: Task, wish: Wish) -> dict[str, Any]:
    """Suggestions as their cards show them.

    Raises:
        MmbertError: as :func:`suggest`.
    """
    read = read_melody_of(state, wish)
    suggestions = suggested(state, task, wish, read)
    found = state.found.add(suggestions)
    total, hits = suggestions.answer.total, suggestions.hits
    parts = parts_of(read) if isinstance(read, Item) else []
    melody = melody_view(suggestions.melody, "" if wish.like is None else state.title(wish.like))
    return {
        "state": "hits",
        "task": task,
        "melody": melody | {"id": f"{found}-0", "place": asked_place(suggestions), "parts": parts},
        "notice": suggestions.notice,
        "nothing_fits": suggestions.answer.nothing_fits,
        "cards": [_card(state, suggestions, hit, found) for hit in hits],
        "more": len(hits) == wish.limit < min(MOST_SUGGESTIONS, total),
    }


def _card(state: PageState, suggestions: Suggestions, hit: PhraseHit, found: str) -> dict[str, Any]:
    return card(hit, (), suggestions.answer.nothing_fits) | {
        "path": state.shown_path(hit.path),
        "found": f"{found}-{hit.rank}",
        "split_s": split_of(suggestions, hit),
        "moved": moved(hit, suggestions.melody),
        "played_by": ", ".join(map(part_named, hit.played_by[:4])),
    }


def asked_place(suggestions: Suggestions) -> dict[str, float]:
    """``{start, end}`` in seconds of the bars that were asked about, in the whole melody."""
    melody = suggestions.melody
    line = melody.line
    start, end = line.seconds(line.bar_lines[[melody.start_bar, min(melody.end_bar, line.n_bars)]])
    return {"start": round(float(start), 3), "end": round(float(end), 3)}


def split_of(suggestions: Suggestions, hit: PhraseHit) -> float | None:
    """Second at which a continuation begins in what is shown; None for accompaniments, which lie beneath."""
    if not isinstance(suggestions, Continuations):
        return None
    melody = suggestions.melody
    return round(float(together(suggestions, hit).seconds(float(melody.behind - melody.first(False)))), 3)
