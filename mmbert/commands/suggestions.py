"""What ``mmbert complete`` and ``mmbert accompany`` share: their options, a table of hits, a MIDI file of the best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmbert.commands.search import hits_table
from mmbert.console import print_json, stdout_console, warn
from mmbert.errors import SpaceError, UsageError
from mmbert.titles import part_named, printable

if TYPE_CHECKING:
    from mmbert.retrieval.suggestions import Suggestions

LibraryArgument = Annotated[Path, typer.Argument(help="The library's folder.")]
MelodyArgument = Annotated[
    Path,
    typer.Argument(
        help="A file of notes (MIDI, MusicXML or ABC; its first piece), or a recording of one voice: hummed, sung, "
        "played, which is set in bars."
    ),
]
MetreOption = Annotated[
    str | None, typer.Option(help="Of a recording: the metre of its tune, such as 3/4. Without, 4/4 or 6/8 is heard.")
]
LimitOption = Annotated[int, typer.Option(min=1, help="Hits; a piece has one, its best phrase.")]
PartOption = Annotated[
    str | None, typer.Option(help="The part that is the melody: its name, or its number from 1. Found by rule without.")
]
SameKeyOption = Annotated[
    bool, typer.Option("--same-key", help="Only phrases in the melody's key, instead of transposed ones.")
]


def checked_export(path: Path | None, melody: Path) -> None:
    """Look at the file that is to be written, before anything is looked for.

    Raises:
        UsageError: it is not called a MIDI file, has no folder, or is the melody itself.
    """
    if path is not None and path.suffix.lower() not in (".mid", ".midi"):
        raise UsageError(f"--export {path}", "does not end in .mid", "What is exported is a MIDI file")
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"--export {path}", "lies in a folder that does not exist", "Make the folder first")
    if path is not None and path.exists() and melody.exists() and path.samefile(melody):
        raise UsageError(f"--export {path}", "is the melody itself, which would be lost", "Choose another name")


def tell(found: Suggestions, export: Path | None, as_json: bool) -> None:
    """Print what was found, and write the best of it with the whole melody.

    Raises:
        UsageError: there is nothing to write, or it cannot be written.
        SpaceError: the disk is full.
    """
    if export is not None:
        _write(found, export)
    if as_json:
        print_json(found.to_json() | {"export": export and str(export)})
        return
    _print(found)
    if export is not None:
        warn(f"{export}: the melody with hit 1")


def _print(found: Suggestions) -> None:
    from rich.markup import escape

    from mmbert.types import bars_named

    console, melody = stdout_console(), found.melody
    part = f", from its part {part_named(melody.part)}" if part_named(melody.part) else ""
    bars = bars_named(melody.start_bar, melody.end_bar)
    tempo = "" if melody.bpm is None else f", {melody.bpm:.0f} bpm"
    read = f"{bars} in {melody.key.key} {melody.key.mode}, {melody.metre[0]}/{melody.metre[1]}{tempo}{part}"
    console.print(f"[bold]{escape(printable(melody.name))}[/bold]: {escape(printable(read))}", highlight=False)
    if found.notice:
        console.print(escape(printable(found.notice)), highlight=False)
    if found.hits:
        console.print(hits_table(found.hits))


def _write(found: Suggestions, path: Path) -> None:
    if not found.hits:
        raise UsageError(f"--export {path}", "has nothing to write", found.notice)
    try:
        path.write_bytes(found.midi(found.hits[0], whole=True))
    except OSError as e:
        if e.errno == 28:
            raise SpaceError(str(path), "the disk is full") from e
        raise UsageError(f"--export {path}", f"cannot be written ({e.strerror})", "Choose another place") from e
