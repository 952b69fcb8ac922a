"""What every command shares: JSON on stdout, everything else on stderr, errors as one sentence and an exit code."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Annotated, Any

import typer

from mmbert.errors import MmbertError, SpaceError
from mmbert.titles import printable

# Some versions of typer carry their own click, whose errors are not those of the package of that name.
_BAD_ARGUMENTS: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

_INTERRUPTED = 130  # exit code of a command that was ended by Ctrl-C
_printed = 0  # JSON objects so far: a server that is ended has told all that it had to tell

JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]


def run_app(app: typer.Typer, name: str, args: list[str]) -> int:
    """Run a typer application as ``mmbert NAME``; returns the exit code."""
    as_json, before = "--json" in args, _printed
    for stream in (sys.stdout, sys.stderr):  # a terminal of few characters, or a file name of any bytes, is no error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = app(args=args, prog_name=f"mmbert {name}", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        return (
            _stopped(as_json and _printed == before) if code == _INTERRUPTED else code
        )  # typer makes a code of Ctrl-C
    except MmbertError as e:
        return fail(e, as_json)
    except _BAD_ARGUMENTS as e:
        if as_json:
            _print_error("arguments", e.format_message())
        e.show(file=sys.stderr)
        return e.exit_code
    except typer.Exit as e:
        return e.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _stopped(as_json and _printed == before)
    except BrokenPipeError:  # `mmbert search ... | head`
        _nowhere()
        return 0
    except SystemExit:  # what rich makes of it
        return 0
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
        _nowhere()
        return fail(SpaceError("The output", "cannot be written: the disk is full"), as_json=False)


def _nowhere() -> None:
    """Let what is still to be written, at the end too, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(error: MmbertError, as_json: bool) -> int:
    """Say what went wrong, on stderr and, if asked, as the one object on stdout; returns the exit code."""
    if as_json:
        _print_error(error.subject, error.fault, error.hint)
    warn(str(error))
    return error.exit_code


def _stopped(tell: bool) -> int:
    if tell:
        _print_error("", "Stopped")
    warn("Stopped.")
    return _INTERRUPTED


def _print_error(subject: str, fault: str, hint: str = "") -> None:
    print_json({"error": {"subject": subject, "fault": fault, "hint": hint}})


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
    global _printed
    _printed += 1
    sys.stdout.write(json.dumps(clean(value), ensure_ascii=True, allow_nan=False) + "\n")
    sys.stdout.flush()


def warn(message: str) -> None:
    """A line for the person, on stderr; file names in it steer no terminal."""
    print(printable(message), file=sys.stderr)


@contextmanager
def if_slow(message: str, seconds: float = 1.0) -> Iterator[None]:
    """A line on stderr, where it is a terminal, if what follows takes longer than this."""
    if not sys.stderr.isatty():
        yield
        return
    timer = Timer(seconds, warn, [message])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stdout_console() -> Any:
    """A rich console for tables. Files and pipes get plain text as wide as it needs to be."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=2000, no_color=True)


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
