"""``mmbert serve LIBRARY``: a library as a page in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmbert.console import JsonOption, print_json, warn

app = typer.Typer(add_completion=False)
PasswordOption = Annotated[
    Path | None, typer.Option(help="File whose first line is a password that everybody is asked for.")
]


@app.command()
def serve(
    library: Annotated[Path, typer.Argument(help="Folder of the library.", show_default=False)],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; the first free one from 7860 up.")] = None,
    soundfont: Annotated[Path | None, typer.Option(help="SoundFont 2 file to play with.")] = None,
    weights: Annotated[str | None, typer.Option(help="Weights that the library was built with.")] = None,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open LIBRARY as a page in the browser. Stop with Ctrl-C.

    With --host 0.0.0.0 whoever reaches this machine reads the library; --password-file lets in only those who know
    the password.
    """
    from mmbert_ui.server import Serving, serve

    def ready(url: str, pieces: int) -> None:
        if as_json:
            print_json({"url": url, "pieces": pieces})
        else:
            warn(f"{pieces:,} pieces at {url} (Ctrl-C stops)")

    serve(Serving(library, host, port, soundfont, weights, password_file), ready)
