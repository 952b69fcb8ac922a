"""The page: a FastAPI application with our own routes and Gradio mounted on it."""

from __future__ import annotations

import json
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

from mmbert.errors import ItemError, UsageError
from mmbert_ui.about import ABOUT, FORMATS_LINE
from mmbert_ui.asking import Ask, error_view, parse_ask, respond
from mmbert_ui.harden import Harden
from mmbert_ui.render import Renderer, find_soundfont
from mmbert_ui.routes import add_routes, asset, assets_version
from mmbert_ui.state import PageState
from mmbert_ui.uploads import MAX_BYTES

TITLE = "Search music by words or by example"
_SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Noto Sans", "sans-serif"]
_MONO = ["ui-monospace", "Consolas", "monospace"]
_CLEAN_EVERY_S, _CLEAN_AGE_S = 600, 3600


def build_app(library: Any, soundfont: Path | None = None, hosts: tuple[str, ...] = ()) -> FastAPI:
    """The whole page over one library.

    Args:
        library: An open ``mmbert.api.Library``, or what behaves like it.
        soundfont: A SoundFont 2 file; None looks for one.
        hosts: Names besides ``localhost`` and plain addresses under which the page is served.

    Raises:
        UsageError: for a ``soundfont`` that is none.
    """
    font = find_soundfont(soundfont)
    state = PageState(library, Renderer(font) if font else None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state.uploads.warm()
        yield
        state.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.page = state
    # With a CORS policy of our own, which allows nobody, Gradio adds none.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.add_middleware(Harden, hosts=hosts)
    add_routes(app, state)
    demo = build_blocks(state)
    app = gr.mount_gradio_app(
        app,
        demo,
        path="/",
        footer_links=[],
        run_history=False,
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
        show_error=False,
        max_file_size=MAX_BYTES,
        ssr_mode=False,
        pwa=False,
        theme=gr.themes.Base(font=_SYSTEM, font_mono=_MONO),
        css=asset("style.css").decode(),
        head='<meta name="color-scheme" content="light dark">',
    )
    # Only launch() sets this. Without it Gradio takes any path on the server for an uploaded file.
    demo.has_launched = True
    return app


def build_blocks(state: PageState) -> gr.Blocks:
    """The Gradio part: text box, file button, and one HTML component a tab that our scripts fill."""
    scripts = f"/assets/{assets_version()}"
    start = {"state": "start", "ask": Ask().model_dump(), **settings(state)}
    with gr.Blocks(
        analytics_enabled=False, title=TITLE, fill_width=True, delete_cache=(_CLEAN_EVERY_S, _CLEAN_AGE_S)
    ) as demo:
        gr.HTML(html_template=f"<h1>{TITLE}</h1>", js_on_load=None, elem_id="mm-title")
        with gr.Tabs(elem_id="mm-tabs"):
            with gr.Tab("Search", id="search"):
                with gr.Row(elem_id="mm-ask"):
                    words = gr.Textbox(
                        label="Describe the music",
                        elem_id="mm-words",
                        lines=1,
                        max_lines=1,
                        scale=5,
                        submit_btn="Search",
                        html_attributes=gr.InputHTMLAttributes(
                            autocomplete="off", spellcheck=False, enterkeyhint="search"
                        ),
                    )
                    upload = gr.UploadButton("Choose or drop a file", elem_id="mm-file", scale=1, size="lg")
                gr.HTML(html_template=f"<p>{FORMATS_LINE}</p>", js_on_load=None, elem_id="mm-formats")
                results = gr.HTML(
                    value=start, html_template=RESULTS, js_on_load=_load(scripts, "page.js"), elem_id="mm-results"
                )
            with gr.Tab("Library", id="library"):
                gr.HTML(html_template=LIBRARY, js_on_load=_load(scripts, "library.js"), elem_id="mm-library")
            with gr.Tab("About", id="about"):
                gr.HTML(html_template=ABOUT, js_on_load=None, elem_id="mm-about")
        _wire(state, words, upload, results)
    demo.queue(max_size=64, default_concurrency_limit=4)
    return demo


def settings(state: PageState) -> dict[str, Any]:
    """What the page's scripts know from the start."""
    return {
        "settings": {
            "pieces": len(state.catalogue.pieces),
            "examples": state.catalogue.examples,
            "soundfont": state.renderer is not None,
        }
    }


def _wire(state: PageState, words: gr.Textbox, upload: gr.UploadButton, results: gr.HTML) -> None:
    shared = {
        "api_visibility": "private",
        "concurrency_id": "search",
        "concurrency_limit": 4,
        "show_progress": "hidden",
    }

    def ask(event: gr.EventData) -> dict[str, Any]:
        return respond(state, event._data)

    def drop(path: str | None) -> dict[str, Any]:
        return dropped(state, path)

    # The script owns the question (words, filters, example); typing only tells it.
    words.submit(fn=None, inputs=[words], js="(words) => { window.mmbert && window.mmbert.type(words); }")
    results.ask(ask, outputs=[results], trigger_mode="always_last", **shared)
    upload.upload(drop, inputs=[upload], outputs=[results], **shared)
    upload.upload(fn=None, js="() => { window.mmbert && window.mmbert.reading(); }")

    def search(words: str = "", where: str = "", limit: int = 10) -> dict[str, Any]:
        """Search the library. ``where`` holds conditions such as "mode=minor; tempo_bpm<90"."""
        given = {"words": words, "where": [w.strip() for w in where.split(";") if w.strip()], "limit": limit}
        asked = parse_ask(given)
        if asked.is_empty():
            raise gr.Error("Say what to look for.")
        found = state.ask(lambda library: library.search(words or None, where=tuple(asked.where), limit=asked.limit))
        return found.to_json()

    gr.api(search, api_name="search", concurrency_id="search", concurrency_limit=4)


def dropped(state: PageState, path: str | None) -> dict[str, Any]:
    """Read a file that Gradio stored, delete it there, and search with it."""
    if not path:
        return error_view(UsageError("The file", "did not arrive", "Choose it again"), Ask())
    stored = Path(path).resolve()
    folder = Path(gr.utils.get_upload_folder()).resolve()
    if not stored.is_relative_to(folder) or not stored.is_file():
        return error_view(UsageError("The file", "was not uploaded here", "Choose it again"), Ask())
    try:
        upload = state.uploads.add(stored, stored.name)
    except ItemError as e:
        return error_view(e, Ask())
    finally:
        stored.unlink(missing_ok=True)
    return respond(state, Ask(like=upload.id).model_dump())


def _load(scripts: str, name: str) -> str:
    """JavaScript that hands a gr.HTML to one of our modules. 'ask' is the event that the module triggers."""
    return (
        f"import({json.dumps(f'{scripts}/{name}')})"
        ".then(m => m.mount({element, props, trigger: data => trigger('ask', data), watch}));"
    )


# Fixed, free of data: scripts build every node with textContent.
RESULTS = """
<section class="mm-search" aria-label="Search">
  <div class="mm-try"></div>
  <div class="mm-question"></div>
  <p class="mm-summary" role="status" aria-live="polite"></p>
  <div class="mm-notice"></div>
  <ol class="mm-cards"></ol>
  <div class="mm-more"></div>
</section>
"""
LIBRARY = '<section class="mm-lib" aria-label="Library"><p role="status">Reading the library …</p></section>'
