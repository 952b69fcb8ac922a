"""``mmbert show FILE``: the pieces in a file and their facets. Needs no model and no library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbert.console import JsonOption, print_json, stdout_console, warn
from mmbert.errors import ItemError

if TYPE_CHECKING:
    from mmbert.types import Facets, Item

app = typer.Typer(add_completion=False)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A file of music; a tune book gives one piece a tune.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a file of music is: its pieces and their facets."""
    from mmbert.items import load_items, no_piece

    faults: list[ItemError] = []
    items = list(load_items(file, on_reject=faults.append))
    if not items:
        raise faults[0] if faults else no_piece(file)
    described = []
    for item in items:
        try:
            described.append(_described(item))
        except ItemError as unusable:
            faults.append(unusable)
    if not described:
        raise faults[0]
    if as_json:
        rejects = [{"code": f.code, "stage": f.stage, "fault": f.fault, "hint": f.hint} for f in faults]
        pieces = [_to_json(item, facets) for item, facets in described]
        print_json({"path": str(file), "pieces": pieces, "rejects": rejects})
    else:
        for item, facets in described:
            _print(item, facets, len(items) > 1)
    for fault in faults:
        warn(str(fault))
    if faults:
        raise typer.Exit(ItemError.exit_code)  # done, but not all of it


def _described(item: Item) -> tuple[Item, Facets]:
    """Measured facts of a score; of a recording what is counted in its sound, and of all kinds what the file states."""
    from mmbert.audio.listen import count
    from mmbert.prepare import prepare_heard
    from mmbert.symbolic.facets import score_facets
    from mmbert.types import Facets

    if item.score is not None:
        return item, score_facets(item.score, item.metadata)
    says = item.metadata.get
    facets = Facets()
    if item.recording is not None:
        heard = prepare_heard(item, count(item.recording))
        item, facets = heard.item, heard.facets
    return item, replace(facets, title=says("title"), composer=says("composer"), form=says("form"))


def _to_json(item: Item, facets: Facets) -> dict[str, Any]:
    out: dict[str, Any] = {"id": item.uid, "number": item.source.number, "kind": item.kind}
    if item.score is not None:
        out["notes"] = len(item.score.notes)
    return out | {"metadata": dict(item.metadata), "facets": facets.known()}


def _print(item: Item, facets: Facets, of_many: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from mmbert.facets import FACETS
    from mmbert.facets import show as shown
    from mmbert.titles import title_of

    table = Table(box=None, show_header=False, pad_edge=False)
    title = title_of(facets.title, item.source.path, item.source.number if of_many else None)
    for name, fact in FACETS.items():
        if text := shown(name, facets):
            table.add_row(fact.label, escape(text))
    if flaws := item.metadata.get("flaws"):
        table.add_row("Flaws", escape(flaws))
    console = stdout_console()
    head = f"{title} ({item.kind}, piece {item.source.number + 1} of the file)"
    console.print(f"[bold]{escape(head)}[/bold]", highlight=False)
    console.print(table)
