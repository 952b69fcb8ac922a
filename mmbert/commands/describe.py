"""``mmbert describe FILE...``: a sentence of a piece's facts, and the nearest tags and phrases with scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmbert.audio.sounds import said
from mmbert.console import JsonOption, if_slow, print_json, stdout_console, warn
from mmbert.errors import ItemError
from mmbert.retrieval.describe import LIMIT
from mmbert.titles import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmbert.types import Description, Tag

app = typer.Typer(add_completion=False)


@app.command()
def describe(
    files: Annotated[list[Path], typer.Argument(help="Files of music; a tune book gives one piece a tune.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Tags and phrases of each piece.")] = LIMIT,
    weights: Annotated[str | None, typer.Option(help="A checkpoint folder; the released weights without it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say in words what each piece is like; what cannot be read is told and left out."""
    from mmbert.embed import Embedder

    embedder = Embedder.from_pretrained(weights)
    faults: list[ItemError] = []
    with if_slow("Reading the words to describe with ..."):
        found = embedder.describe_files(files, limit=limit, on_reject=faults.append)
    if not found:
        raise faults[0]
    if as_json:
        rejects = [
            {"path": f.subject, "code": f.code, "stage": f.stage, "fault": f.fault, "hint": f.hint} for f in faults
        ]
        pieces = [description.to_json() for description in found]
        print_json({"fingerprint": embedder.fingerprint, "pieces": pieces, "rejects": rejects})
    else:
        for description in found:
            _print(description)
    for fault in faults:
        warn(str(fault))
    if faults:
        raise typer.Exit(ItemError.exit_code)  # done, but not all of it


def _print(description: Description) -> None:
    from rich.markup import escape

    console = stdout_console()
    number = f" #{description.number + 1}" if description.number else ""
    console.print(
        f"[bold]{escape(printable(description.title))}[/bold] ({escape(printable(description.path))}{number})"
    )
    console.print(escape(printable(description.sentence)), highlight=False)
    if description.heard:
        sounds = ", ".join(f"{said(sound.name)} {sound.probability:.0%}" for sound in description.heard)
        console.print(f"heard, with probabilities: {escape(sounds)}", highlight=False)
    if description.flaws:
        console.print(f"flaws: {escape(printable(description.flaws))}", highlight=False)
    _table("tags", description.tags)
    _table("phrases", description.phrases)
    if description.left_out:
        console.print(f"left out, the facts say otherwise: {escape(', '.join(description.left_out))}", highlight=False)
    console.print()


def _table(heading: str, tags: Sequence[Tag]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (heading, "z", "cosine", ""):
        table.add_column(name, justify="right" if name in ("z", "cosine") else "left")
    for tag in tags:
        table.add_row(tag.words, f"{tag.z:+.1f}", f"{tag.similarity:+.2f}", "the facts agree" if tag.agrees else "")
    stdout_console().print(table)
