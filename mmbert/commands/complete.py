"""``mmbert complete LIBRARY MELODY``: phrases of the library that go on from a melody, in its key and tempo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmbert.commands.suggestions import (
    LibraryArgument,
    LimitOption,
    MelodyArgument,
    MetreOption,
    PartOption,
    SameKeyOption,
    checked_export,
    tell,
)  # fmt: skip
from mmbert.console import JsonOption, if_slow

app = typer.Typer(add_completion=False)


@app.command()
def complete(
    library: LibraryArgument,
    melody: MelodyArgument,
    export: Annotated[
        Path | None, typer.Option(help="Write a MIDI file here: the melody, and behind it the best phrase.")
    ] = None,
    limit: LimitOption = 10,
    part: PartOption = None,
    metre: MetreOption = None,
    same_key: SameKeyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find what comes after the last four full bars of a melody, from any key."""
    checked_export(export, melody)
    from mmbert.api import Library

    with Library.open(library) as opened, if_slow("Loading the model ..."):
        found = opened.complete(melody, part=part, metre=metre, same_key=same_key, limit=limit)
    tell(found, export, as_json)
