"""Melodies over HTTP for other programs: what goes on from one, what accompanies it, where a tune comes from.

Questions are JSON bodies; answers are those of ``mmbert complete --json`` and its like, with the notes of each hit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from mmbert.console import clean
from mmbert.errors import UsageError
from mmbert.types import Item, Source
from mmbert_ui.asking import MOST_HITS
from mmbert_ui.faults import READ
from mmbert_ui.melody import Melody, parsed, read_body, read_melody_of
from mmbert_ui.routes import FRESH
from mmbert_ui.state import PageState, Site
from mmbert_ui.suggesting import Condition, Task, Wish, suggest


class TuneQuestion(Melody):
    """What can be asked of a tune.

    Attributes:
        text: Its notes as text, in the place of ``notes`` and ``like``: ``D4 E4 F#4 A4``, or ABC.
        where: Conditions that must hold of the pieces.
        limit: Hits wanted.
    """

    text: str = Field(default="", max_length=2000)
    where: list[Condition] = Field(default=[], max_length=20)
    limit: int = Field(default=10, ge=1, le=MOST_HITS)


def add_melody_programs(app: FastAPI, site: Site) -> None:
    """Put the routes on an application."""

    async def answered(request: Request, make: Callable[[PageState, bytes], dict[str, Any]]) -> Response:
        body = await read_body(request)

        def answer() -> dict[str, Any]:
            with site.now() as state:
                return make(state, body)

        return JSONResponse(clean(await run_in_threadpool(answer)), headers=FRESH)

    @app.post("/api/complete")
    async def complete(request: Request) -> Response:
        """Phrases that go on from a melody."""
        return await answered(request, lambda state, body: suggest_json(state, "complete", parsed(Wish, body)))

    @app.post("/api/accompany")
    async def accompany(request: Request) -> Response:
        """Phrases whose accompaniment goes with a melody."""
        return await answered(request, lambda state, body: suggest_json(state, "accompany", parsed(Wish, body)))

    @app.post("/api/find-tune")
    async def find_tune(request: Request) -> Response:
        """Pieces that a tune comes from."""
        return await answered(request, lambda state, body: tune_json(state, parsed(TuneQuestion, body)))

    def refused(request: Request) -> Response:
        raise HTTPException(405, headers={"Allow": "POST"})

    for name in ("complete", "accompany", "find-tune"):
        app.add_api_route(f"/api/{name}", refused, methods=[*READ, "PUT", "PATCH", "DELETE"])


def suggest_json(state: PageState, task: Task, wish: Wish) -> dict[str, Any]:
    """``{query, understood, nothing_fits, notice, hits, melody}``; each hit with its notes and three addresses.

    Raises:
        MmbertError: as :func:`mmbert_ui.suggesting.suggest`.
    """
    suggestions = suggest(state, task, wish)
    out = clean(suggestions.to_json())
    found = state.found.add(suggestions)
    for hit, told in zip(suggestions.hits, out["hits"], strict=True):
        one = f"{found}-{hit.rank}"
        told["path"] = state.shown_path(hit.path)
        told["notes"] = [list(note) for note in suggestions.notes(hit)]
        told["roll"], told["download"] = f"/roll/{one}.json", f"/download/{one}-whole"
        told["sound"] = f"/sound/{one}.wav" if state.renderer else None
    return out | {"query": wish.like or ""}


def tune_json(state: PageState, question: TuneQuestion) -> dict[str, Any]:
    """As ``mmbert search --notes ... --json``.

    Raises:
        MmbertError: it is no tune, or the library keeps none.
    """
    if question.part is not None:
        raise UsageError("part", "is not asked of a tune", "The melody of a file is found by rule")
    if question.metre is not None and not question.notes:
        raise UsageError("metre", "is not asked of a tune", "It is found whatever its bars are")
    asked = {"where": tuple(question.where), "limit": question.limit}
    if question.text and (question.notes or question.like is not None):
        raise UsageError("The melody", "was given twice", "Give text, notes, or the id of a file or piece")
    item = None if question.text else tune_of(state, question)
    out = clean(state.find_tune(item, question.text or None, asked).to_json())
    for hit in out["hits"]:
        hit["path"] = state.shown_path(hit["path"])
    return out | {"query": question.text or question.like or ""}  # never where a dropped file lies


def tune_of(state: PageState, melody: Melody) -> Item:
    """The tune as an item: what was played has no file.

    Raises:
        UsageError: as :func:`mmbert_ui.melody.read_melody_of`.
    """
    read = read_melody_of(state, melody)
    return read if isinstance(read, Item) else Item("score", Source(Path("notes"), "0" * 64), score=read)
