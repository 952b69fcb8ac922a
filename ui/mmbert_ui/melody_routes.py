"""What the tabs for melodies ask the server: to take in a file, and to suggest something for a melody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from mmbert.console import clean
from mmbert.errors import MmbertError
from mmbert_ui.asking import error_words_of
from mmbert_ui.faults import READ, not_found
from mmbert_ui.melody import parsed, parts_of, read_body
from mmbert_ui.routes import FRESH
from mmbert_ui.state import Site
from mmbert_ui.suggesting import TASKS, suggested_view
from mmbert_ui.uploaded import taken_in


class Stored(BaseModel):
    """A file that the page has just sent to Gradio's upload route.

    Attributes:
        path: Where that route says that it lies; nothing but a file in the folder of uploads is taken.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    path: str = Field(max_length=4096)


def add_melody_routes(app: FastAPI, site: Site, folder: Callable[[], Path]) -> None:
    """Put the routes on an application; ``folder`` gives the one that Gradio stores uploads in."""

    @app.post("/melody/file")
    async def file(request: Request) -> JSONResponse:
        body = await read_body(request)
        return JSONResponse(clean(await run_in_threadpool(file_view, site, folder(), body)), headers=FRESH)

    @app.post("/melody/{task}")
    async def suggested(task: str, request: Request) -> JSONResponse:
        chosen = next((known for known in TASKS if known == task), None)
        if chosen is None:
            raise not_found("This address")
        body = await read_body(request)
        return JSONResponse(clean(await run_in_threadpool(suggested_view, site, chosen, body)), headers=FRESH)

    @app.api_route("/melody/{rest:path}", methods=[*READ, "PUT", "PATCH", "DELETE"])
    def nothing(rest: str) -> JSONResponse:
        raise not_found("This address")


def file_view(site: Site, folder: Path, body: bytes) -> dict[str, Any]:
    """``{id, name, parts}`` of a file that was stored, which is deleted there; or an error in words. Of a
    recording the part is its tune."""
    try:
        upload = taken_in(site.uploads, folder, parsed(Stored, body).path, as_melody=True)
    except MmbertError as e:
        return error_words_of(site.outside(e))
    return {"state": "file", "id": upload.id, "name": upload.name, "parts": parts_of(upload.item)}
