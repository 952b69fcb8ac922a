"""What the page asks for now and then: whether the server is there, which library it serves, how a build goes.

A build is begun and stopped here too. Nothing of a request but its coming counts: no path, no option.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mmbert.console import clean
from mmbert.errors import MmbertError
from mmbert.items.recording import SUFFIXES as RECORDINGS
from mmbert_ui.addresses import is_here
from mmbert_ui.building import Builder
from mmbert_ui.catalogue import KINDS
from mmbert_ui.outside import error_words
from mmbert_ui.routes import FRESH
from mmbert_ui.state import PageState, Site
from mmbert_ui.uploads import MAX_BYTES, MAX_RECORDING_BYTES


def add_pulse_routes(app: FastAPI, site: Site, builder: Builder) -> None:
    """Put the routes on an application."""

    @app.get("/pulse.json")
    def pulse() -> JSONResponse:
        with site.now() as state:
            name, notice = state.library.generation.name, state.notice
        told = {"generation": name, "notice": notice, "build": builder.view()}
        return JSONResponse(clean(told), headers=FRESH)

    @app.get("/settings.json")
    def fresh_settings(request: Request) -> JSONResponse:
        here = request.client is not None and is_here(request.client.host)
        with site.now() as state:
            return JSONResponse(clean(settings(state, builder, here)), headers=FRESH)

    @app.get("/filters.json")
    def filters() -> JSONResponse:
        with site.now() as state:
            return JSONResponse(clean(state.catalogue.filters), headers=FRESH)

    @app.post("/build")
    def build() -> JSONResponse:
        try:
            builder.start()
        except MmbertError as e:
            return JSONResponse(clean({"error": error_words(site.outside(e))}), 409)
        return JSONResponse(clean(builder.view()), 202)

    @app.post("/build/stop")
    def stop() -> JSONResponse:
        builder.stop()
        return JSONResponse(clean(builder.view()), 202)


def settings(state: PageState, builder: Builder, here: bool) -> dict[str, Any]:
    """What the page's scripts ask for first, and again when the library was built again.

    Args:
        state: The library.
        builder: Its builds.
        here: Whether who asks sits at this machine.
    """
    fault = builder.obstacle()
    return {
        "generation": state.library.generation.name,
        "pieces": len(state.catalogue.pieces),
        # Whole only for the command that fills an empty library, and only to who can give it.
        "library": str(state.library.path) if here and not state.catalogue.pieces else state.library.path.name,
        "examples": state.catalogue.examples,
        "kinds": KINDS,
        "max_bytes": MAX_BYTES,
        "max_recording_bytes": MAX_RECORDING_BYTES,
        "recordings": list(RECORDINGS),
        "soundfont": state.renderer is not None,
        "obstacle": error_words(state.outside(fault)) if fault else None,
    }
