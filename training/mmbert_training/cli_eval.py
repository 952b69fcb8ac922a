"""``mmbert eval NAME``: one table or JSON object a name; every figure in the documents comes from here."""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mmbert.console import JsonOption, clean, print_json, stdout_console
from mmbert.errors import UsageError
from mmbert_training.evaluate import EVALUATIONS, WITH_QUERIES, WITH_SOUNDS, WITH_SPLIT, WITH_WORK

app = typer.Typer(add_completion=False)
EvaluationSplit = Literal["test", "validation"]
_NAMES = "\n\n".join(f"{name}: {line}" for name, (_, line) in EVALUATIONS.items())


@app.command(help=f"Measure the model and the parts around it.\n\n{_NAMES}")
def evaluate(
    name: Annotated[str, typer.Argument(help=", ".join(EVALUATIONS))],
    weights: Annotated[Path | None, typer.Option(help="A checkpoint folder; else the released weights.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    split: Annotated[
        EvaluationSplit | None,
        typer.Option(help=f"Of {', '.join(WITH_SPLIT)}: test, or validation to choose by. [default: test]"),
    ] = None,
    queries: Annotated[
        int | None,
        typer.Option(min=1, help=f"Of {', '.join(WITH_QUERIES)}: questions of each kind at most, for a quick look."),
    ] = None,
    sounds: Annotated[
        Path | None,
        typer.Option(help=f"Of {', '.join(WITH_SOUNDS)}: folder of python -m mmbert_training.evaluate.real_sounds."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help=f"Of {', '.join(WITH_WORK)}: folder of what a second run need not make again."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one evaluation."""
    if name not in EVALUATIONS:
        near = difflib.get_close_matches(name, EVALUATIONS, 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(name, "no evaluation has this name", f"{hint}There are: {', '.join(EVALUATIONS)}")
    options: dict[str, Any] = {}
    if split is not None:
        if name not in WITH_SPLIT:
            raise UsageError("--split", f"{name} has one set of works alone", f"It is for {', '.join(WITH_SPLIT)}")
        options["split"] = split
    if queries is not None:
        if name not in WITH_QUERIES:
            raise UsageError("--queries", f"{name} asks what it asks", f"It is for {', '.join(WITH_QUERIES)}")
        options["queries"] = queries
    if sounds is not None:
        if name not in WITH_SOUNDS:
            raise UsageError("--sounds", f"{name} needs no such folder", f"It is for {', '.join(WITH_SOUNDS)}")
        options["sounds"] = sounds
    if work is not None:
        if name not in WITH_WORK:
            raise UsageError("--work", f"{name} keeps nothing", f"It is for {', '.join(WITH_WORK)}")
        options["work"] = work
    result = import_module(EVALUATIONS[name][0]).run(data, weights, **options)
    if as_json:
        print_json({"evaluation": name, **result})
    else:
        _print(name, clean(result))


def _print(title: str, result: dict[str, Any]) -> None:
    """Nested results as tables: one for each mapping of mappings, plain lines for single values."""
    from rich.table import Table

    console = stdout_console()
    lines = {k: v for k, v in result.items() if not isinstance(v, (dict, list))}
    if lines:
        console.print(f"{title}: " + ", ".join(f"{k} {v}" for k, v in lines.items()))
    for key, value in result.items():
        rows = _rows(value)
        if not rows:
            continue
        columns = list(dict.fromkeys(c for row in rows for c in row))
        table = Table(*columns, title=key)
        for row in rows:
            table.add_row(*("" if row.get(c) is None else str(row[c]) for c in columns))
        console.print(table)


def _rows(value: Any) -> list[dict[str, Any]]:
    """A list of mappings, a mapping of mappings, or a mapping of values as table rows."""
    if isinstance(value, list):
        return [v if isinstance(v, dict) else {"": v} for v in value]
    if not isinstance(value, dict):
        return []
    if any(isinstance(v, dict) for v in value.values()):
        return [{"": k, **(v if isinstance(v, dict) else {"value": v})} for k, v in value.items()]
    return [value]
