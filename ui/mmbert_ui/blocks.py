"""The Gradio part of the page: a text box, a file button, and one HTML component a tab that our scripts fill.

Imported by :mod:`mmbert_ui.page` alone, which sets what Gradio reads when it is imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.exceptions import HTTPException

from mmbert.errors import MmbertError
from mmbert_ui.about import ABOUT, FORMATS_LINE
from mmbert_ui.asking import Ask, error_view, respond
from mmbert_ui.faults import sentence_of
from mmbert_ui.intake import STORED_SECONDS
from mmbert_ui.programs import named_functions
from mmbert_ui.routes import assets_version
from mmbert_ui.state import Site
from mmbert_ui.uploaded import taken_in

TITLE = "Search music by words or by example"
_CLEAN_EVERY_S, _CLEAN_AGE_S = 60, STORED_SECONDS
# One queue for all that uses the model.
_TOGETHER: dict[str, Any] = {"concurrency_id": "search", "concurrency_limit": 8}
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **_TOGETHER}


def build_blocks(site: Site) -> gr.Blocks:
    """The components and what happens on their events."""
    with gr.Blocks(
        analytics_enabled=False, title=TITLE, fill_width=True, delete_cache=(_CLEAN_EVERY_S, _CLEAN_AGE_S)
    ) as demo:
        _html("mm-title", f'<div class="mm-lost" role="alert"></div><h1>{TITLE}</h1>')
        with gr.Tabs(elem_id="mm-tabs"):
            with gr.Tab("Search", id="search"):
                _search_tab(site)
            with gr.Tab("Complete a melody", id="complete"):
                _html("mm-complete", melody_tab("complete", COMPLETE), script="suggest.js")
            with gr.Tab("Find accompaniment", id="accompany"):
                _html("mm-accompany", melody_tab("accompany", ACCOMPANY), script="suggest.js")
            with gr.Tab("Library", id="library"):
                _html("mm-library", LIBRARY, script="library.js")
            with gr.Tab("About", id="about"):
                _html("mm-about", ABOUT)
        for name, function in named_functions(site).items():
            gr.api(_told(site, function), api_name=name, **_TOGETHER)
    demo.queue(max_size=64)
    return demo


def _search_tab(site: Site) -> None:
    with gr.Row(elem_id="mm-ask"):
        words = gr.Textbox(
            label="Describe the music",
            elem_id="mm-words",
            lines=1,
            max_lines=1,
            scale=5,
            submit_btn="Search",
            html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False, enterkeyhint="search"),
        )
        upload = gr.UploadButton("Choose or drop a file", elem_id="mm-file", scale=1, size="lg")
    _html("mm-formats", f"<p>{FORMATS_LINE}</p>")
    start = {"state": "start", "ask": Ask().model_dump()}
    results = _html("mm-results", RESULTS, script="page.js", value=start)

    def ask(event: gr.EventData) -> dict[str, Any]:
        return respond(site, event._data)

    def drop(path: str | None) -> dict[str, Any]:
        return dropped(site, path)

    # The script owns the question (words, filters, example); typing only tells it.
    words.submit(fn=None, inputs=[words], js="(words) => { window.mmbert && window.mmbert.type(words); }")
    results.ask(ask, outputs=[results], trigger_mode="always_last", **_PRIVATE)
    reading = "(path) => { window.mmbert && window.mmbert.reading(); return [path]; }"
    upload.upload(drop, inputs=[upload], outputs=[results], js=reading, **_PRIVATE)


def _html(elem_id: str, template: str, script: str | None = None, value: Any = None) -> gr.HTML:
    """An HTML component without data in its template; ``script`` is the module of ours that fills it."""
    load = None
    if script:  # 'ask' is the event that a module triggers
        address = json.dumps(f"/assets/{assets_version()}/{script}")
        tools = "{element, props, trigger: data => trigger('ask', data), watch}"
        load = f"import({address}).then(module => module.mount({tools}));"
    return gr.HTML(value=value, html_template=template, js_on_load=load, apply_default_css=False, elem_id=elem_id)


def dropped(site: Site, path: str | None) -> dict[str, Any]:
    """Read a file that Gradio stored, delete it there, and search with it."""
    try:
        upload = taken_in(site.uploads, Path(gr.utils.get_upload_folder()), path)
    except MmbertError as e:
        return error_view(site.outside(e), Ask())
    return respond(site, Ask(like=upload.id).model_dump())


def _told(site: Site, function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A function whose faults reach the caller in words."""

    @wraps(function)
    def told(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return function(*args, **kwargs)
        except MmbertError as e:
            raise gr.Error(str(site.outside(e))) from None
        except HTTPException as e:
            raise gr.Error(sentence_of(e)) from None

    return told


# Fixed, free of data: scripts build every node with textContent.
RESULTS = """
<section class="mm-search" aria-label="Search">
  <p class="mm-building" role="status"></p>
  <div class="mm-microphone"></div>
  <div class="mm-try"></div>
  <div class="mm-tune"></div>
  <div class="mm-narrow"></div>
  <div class="mm-question"></div>
  <p class="mm-summary" role="status" aria-live="polite"></p>
  <div class="mm-notice"></div>
  <ol class="mm-cards"></ol>
  <div class="mm-more"></div>
</section>
"""
COMPLETE = (
    "Complete a melody",
    "Play or drop a melody. What other music of your library goes on from it is shown in your key and tempo.",
)
ACCOMPANY = (
    "Find accompaniment",
    "Play or drop a melody. What accompanies such a melody in your library is laid beneath it, in your key and tempo.",
)


def melody_tab(task: str, words: tuple[str, str]) -> str:
    """The frame of a tab for melodies."""
    return f"""
<section class="mm-melody" data-task="{task}" aria-label="{words[0]}">
  <p class="mm-hint">{words[1]}</p>
  <div class="mm-input-place"></div>
  <div class="mm-go"></div>
  <p class="mm-summary" role="status" aria-live="polite"></p>
  <div class="mm-notice"></div>
  <div class="mm-question"></div>
  <ol class="mm-cards"></ol>
  <div class="mm-more"></div>
</section>
"""


LIBRARY = '<section class="mm-lib" aria-label="Library"><p role="status">Reading the library …</p></section>'
