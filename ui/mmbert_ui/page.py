"""The page: a FastAPI application with our own routes and Gradio mounted on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

# Before gradio is imported: no usage reports, no look-ups of the hub.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from mmbert_ui.blocks import build_blocks
from mmbert_ui.building import Builder
from mmbert_ui.faults import add_faults
from mmbert_ui.harden import HEADERS, Harden
from mmbert_ui.intake import Intake
from mmbert_ui.melody_routes import add_melody_routes
from mmbert_ui.password import Password
from mmbert_ui.programs import add_program_routes
from mmbert_ui.pulse import add_pulse_routes
from mmbert_ui.render import Renderer, find_soundfont
from mmbert_ui.routes import add_routes, asset
from mmbert_ui.state import Site
from mmbert_ui.uploads import MAX_RECORDING_BYTES

_SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Noto Sans", "sans-serif"]
_MONO = ["ui-monospace", "Consolas", "monospace"]


def build_app(
    library: Any, soundfont: Path | None = None, hosts: tuple[str, ...] = (), password: str | None = None
) -> FastAPI:
    """The whole page over one library.

    Args:
        library: An open ``mmbert.api.Library``, or what behaves like it.
        soundfont: A SoundFont 2 file; None looks for one.
        hosts: Names besides ``localhost`` and plain addresses under which the page is served.
        password: Asked for by every route; None lets everybody in.

    Raises:
        UsageError: for a ``soundfont`` that is none.
    """
    font = find_soundfont(soundfont)
    site = Site(library, Renderer(font) if font else None)

    def sources() -> list[str]:
        with site.now() as state:
            return state.library.sources

    builder = Builder(library.path, sources, library.weights)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        site.start()  # the page opens at once; the first question waits for the model, not the page
        yield
        builder.close()
        site.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.page = site
    # With a CORS policy of our own, which allows nobody, Gradio adds none.
    app.add_middleware(CORSMiddleware, allow_origins=[])

    def folder() -> Path:
        return Path(gr.utils.get_upload_folder())

    app.add_middleware(Intake, folder=folder, most_bytes=MAX_RECORDING_BYTES)
    if password is not None:
        app.add_middleware(Password, password=password)
    app.add_middleware(Harden, hosts=hosts)
    add_faults(app, {k.decode(): v.decode() for k, v in HEADERS}, site.outside)
    add_routes(app, site)
    add_melody_routes(app, site, folder)
    add_pulse_routes(app, site, builder)
    add_program_routes(app, site)
    demo = build_blocks(site)
    app = gr.mount_gradio_app(
        app,
        demo,
        path="/",
        footer_links=[],
        run_history=False,
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
        show_error=False,
        max_file_size=MAX_RECORDING_BYTES,
        ssr_mode=False,
        pwa=False,
        theme=gr.themes.Base(font=_SYSTEM, font_mono=_MONO),
        css=asset("style.css").decode(),
        head='<meta name="color-scheme" content="light dark">',
    )
    # Only launch() sets this. Without it Gradio takes any path on the server for an uploaded file.
    demo.has_launched = True
    return app
