"""``mmbert accompany LIBRARY MELODY``: accompaniments of the library that go with a melody, in its key and tempo."""

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
def accompany(
    library: LibraryArgument,
    melody: MelodyArgument,
    export: Annotated[
        Path | None, typer.Option(help="Write a MIDI file here: the melody, and beneath it the best accompaniment.")
    ] = None,
    bar: Annotated[
        int | None, typer.Option(min=1, help="First of the four bars (fewer at the end); the first full ones without.")
    ] = None,
    limit: LimitOption = 10,
    part: PartOption = None,
    metre: MetreOption = None,
    same_key: SameKeyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find accompaniments for four bars of a melody, from any key."""
    checked_export(export, melody)
    from mmbert.api import Library

    with Library.open(library) as opened, if_slow("Loading the model ..."):
        first = None if bar is None else bar - 1
        found = opened.accompany(melody, bar=first, part=part, metre=metre, same_key=same_key, limit=limit)
    tell(found, export, as_json)
