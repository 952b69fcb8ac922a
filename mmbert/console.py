"""What every command shares: JSON on stdout, everything else on stderr, errors as one sentence and an exit code."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from mmbert.errors import MmbertError

# Some versions of typer carry their own click, whose errors are not those of the package of that name.
_BAD_ARGUMENTS: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]


def run_app(app: typer.Typer, name: str, args: list[str]) -> int:
    """Run a typer application as ``mmbert NAME``; returns the exit code."""
    as_json = "--json" in args
    try:
        result = app(args=args, prog_name=f"mmbert {name}", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except MmbertError as e:
        if as_json:
            print_json({"error": {"subject": e.subject, "fault": e.fault, "hint": e.hint}})
        print(str(e), file=sys.stderr)
        return e.exit_code
    except _BAD_ARGUMENTS as e:
        if as_json:
            print_json({"error": {"subject": "arguments", "fault": e.format_message(), "hint": ""}})
        e.show(file=sys.stderr)
        return e.exit_code
    except typer.Exit as e:
        return e.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `mmbert search ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def clean(value: Any) -> Any:
    """JSON types alone: numpy numbers unwrapped, floats rounded to 6 digits, NaN and infinities None.

    >>> clean({"a": float("nan"), "b": (1, 2.12345678)})
    {'a': None, 'b': [1, 2.123457]}
    """
    if isinstance(value, dict):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    elif hasattr(value, "tolist"):
        return clean(value.tolist())
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def print_json(value: Any) -> None:
    """One JSON object on one line of stdout: no colour, no wrapping, no NaN."""
    sys.stdout.write(json.dumps(clean(value), ensure_ascii=True, allow_nan=False) + "\n")
    sys.stdout.flush()


def warn(message: str) -> None:
    """A line for the person, on stderr."""
    print(message, file=sys.stderr)


def stdout_console() -> Any:
    """A rich console for tables. Files and pipes get plain text as wide as it needs to be."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=200, no_color=True)


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Any]:
    """A progress bar on stderr; yields ``advance(n=1, description=None)``. Silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(description, total=total)

        def advance(n: int = 1, description: str | None = None, total: int | None = None) -> None:
            changes: dict[str, Any] = {"description": description, "total": total}
            bar.update(task, advance=n, **{k: v for k, v in changes.items() if v is not None})

        yield advance
