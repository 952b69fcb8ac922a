"""``mmbert demo``: the library that comes with mmbert, built and opened as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmbert.console import JsonOption, print_json, warn
from mmbert_ui.cli_serve import PasswordOption

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Option(help="Where music and library go; the user's data folder.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; the first free one from 7860 up.")] = None,
    soundfont: Annotated[Path | None, typer.Option(help="SoundFont 2 file to play with.")] = None,
    weights: Annotated[str | None, typer.Option(help="Checkpoint folder; the released weights without it.")] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Show the page in the browser.")] = True,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the library that comes with mmbert (the first time) and open its page. Stop with Ctrl-C."""
    from mmbert_ui.demo import default_folder, has_display, prepare
    from mmbert_ui.server import Serving, serve

    library = prepare(folder or default_folder(), warn, weights)

    def ready(url: str, pieces: int) -> None:
        if as_json:
            print_json({"url": url, "pieces": pieces})
        else:
            warn(f"{pieces:,} pieces at {url} (Ctrl-C stops)")

    shown = open_browser and not as_json and has_display()
    serve(Serving(library, host, port, soundfont, weights, password_file, shown), ready)
