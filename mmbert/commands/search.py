"""``mmbert search LIBRARY "words"``: hits as a table, or exactly one JSON object (``--queries``: one a line)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbert.console import JsonOption, if_slow, print_json, stdout_console
from mmbert.errors import UsageError
from mmbert.titles import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from mmbert.types import Answer, Hit

app = typer.Typer(add_completion=False)


@app.command()
def search(
    library: Annotated[Path, typer.Argument(help="The library's folder.")],
    words: Annotated[str | None, typer.Argument(help='What to look for, such as "a lively jig in D major".')] = None,
    like: Annotated[str | None, typer.Option(help="An example: a file, or the id of a piece.")] = None,
    melody: Annotated[
        str | None, typer.Option(help="A tune to find: a score, or a recording of one voice (hummed, sung, played).")
    ] = None,
    notes: Annotated[str | None, typer.Option(help='Or the tune as notes: "D4 E4 F#4 A4", or ABC.')] = None,
    same: Annotated[
        str | None,
        typer.Option(help="A recording or a score (a file, or the id of a piece): others of the same notes."),
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="A file with one question a line; all are answered.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Hits a question; more than there are gives all.")] = 10,
    where: Annotated[
        list[str] | None, typer.Option(help='A condition that must hold, such as "tempo_bpm<90". May be repeated.')
    ] = None,
    modality: Annotated[
        str | None,
        typer.Option(help="One kind of piece alone: score, recording, or text. Texts are found by this option only."),
    ] = None,
    order: Annotated[str, typer.Option(help="best, varied, title, length or tempo.")] = "best",
    weights: Annotated[str | None, typer.Option(help="Weights that the library was built with.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find pieces by words, by an example, or by both ("like this, but slower"); by a tune in any key; the scores of a
    recording, or the recordings of a score."""
    if queries is not None and words is not None:
        raise UsageError("--queries", "and a question in words exclude each other", "Give one of the two")
    if melody is not None or notes is not None:
        given = {"a question in words": words, "--like": like, "--queries": queries, "--modality": modality}
        given["--same"] = same
        _refuse_beside_a_tune(given | ({} if order == "best" else {"--order": order}), melody, notes)
    if same is not None:
        given = {"a question in words": words, "--like": like, "--queries": queries}
        _refuse_beside(
            given | ({} if order == "best" else {"--order": order}), "--same", "--where, --modality and --limit"
        )
    from mmbert.api import Library

    asked: dict[str, Any] = {
        "like": like, "where": tuple(where or ()), "limit": limit, "modality": modality, "order": order,
    }  # fmt: skip
    lines = _lines(queries) if queries is not None else None
    with Library.open(library, weights) as opened:
        if melody is not None or notes is not None:
            answer = opened.find_tune(melody, notes=notes, where=asked["where"], limit=limit)
            _print(answer, as_json)
            return
        if same is not None:
            found = opened.find_same(same, where=asked["where"], modality=asked["modality"], limit=limit)
            _print(found, as_json)
            return
        for question in [words] if lines is None else lines:
            unasked = lines is not None and _is_empty(question, asked)
            with if_slow("Loading the model ..."):  # nothing but the first question in words takes so long
                answer = _empty(question) if unasked else opened.search(question, **asked)
            _print(answer, as_json)


def _refuse_beside_a_tune(given: dict[str, Any], melody: str | None, notes: str | None) -> None:
    if melody is not None and notes is not None:
        raise UsageError("--notes", "and --melody exclude each other", "Give the tune once")
    name = "--melody" if melody is not None else "--notes"
    _refuse_beside(given, name, "--where and --limit")


def _refuse_beside(given: dict[str, Any], name: str, more: str) -> None:
    if other := next((n for n, value in given.items() if value is not None), None):
        raise UsageError(other, f"and {name} exclude each other", f"Beside {name} only {more} say more")


def _lines(path: Path) -> list[str | None]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as e:
        raise UsageError(
            str(path), f"cannot be read ({e.strerror})", "Give a text file with one question a line"
        ) from e
    except UnicodeDecodeError as e:
        raise UsageError(str(path), "is not UTF-8 text", "Save it as UTF-8, one question a line") from e
    # Not splitlines(): to it a form feed ends a line too, and answers are counted off against lines of the file.
    return list(text.removesuffix("\n").split("\n")) if text else []


def _is_empty(question: str | None, asked: dict[str, Any]) -> bool:
    return not (question or "").strip() and asked["like"] is None and not asked["where"]


def _empty(question: str | None) -> Answer:
    """The answer to a line without a question: every line has its answer, so that they can be counted off."""
    from mmbert.types import Answer, Query

    return Answer(Query(words=question or ""), (), nothing_fits=True)


def _print(answer: Answer, as_json: bool) -> None:
    if as_json:
        print_json(answer.to_json())
    else:
        _show(answer)


def _show(answer: Answer) -> None:
    from rich.markup import escape

    console = stdout_console()
    chips = ", ".join(f"{c} (must)" if c.hard else str(c) for c in answer.query.conditions)
    question = answer.query.words or answer.query.like or ""
    if question or not chips:
        console.print(f"[bold]{escape(question)}[/bold]" if question else "[dim](no question)[/dim]", highlight=False)
    if chips:
        console.print(f"understood: {escape(chips)}", highlight=False)
    if answer.notice:
        console.print(escape(answer.notice), highlight=False)
    if answer.nothing_fits:
        nearest = " The nearest are:" if answer.hits else ""
        console.print(f"Nothing in this library fits.{nearest}", highlight=False)
    if answer.hits:
        console.print(hits_table(answer.hits))


def hits_table(hits: Sequence[Hit]) -> Table:
    """Hits as a table, best first."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("#", "title", "composer", "where", "why", "file"):
        table.add_column(name, overflow="fold", justify="right" if name == "#" else "left")
    for hit in hits:
        table.add_row(*(escape(printable(cell)) for cell in _cells(hit)))
    return table


def _cells(hit: Hit) -> tuple[str, ...]:
    more = f" (+{len(hit.versions)} versions)" if len(hit.versions) > 1 else " (+1 version)" if hit.versions else ""
    number = f" #{hit.number + 1}" if hit.number else ""
    return str(hit.rank), hit.title + more, hit.facets.composer or "", _place(hit), hit.why, hit.path + number


def _place(hit: Hit) -> str:
    place = hit.place
    if hit.modality == "text":
        return ""
    if place.start_bar is not None and place.end_bar is not None:
        from mmbert.types import bars_named

        return bars_named(place.start_bar, place.end_bar)
    return f"{int(place.start_s) // 60}:{int(place.start_s) % 60:02d}"
