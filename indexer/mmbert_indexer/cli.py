"""mmbert index: build a library, look at it, verify and repair it, remove from it, free space."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbert.console import JsonOption, print_json, progress, stdout_console, warn
from mmbert.titles import printable

if TYPE_CHECKING:
    from mmbert_indexer.batches import Progress

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Build a library from folders of music.")

LibraryArgument = Annotated[Path, typer.Argument(metavar="LIBRARY", help="Folder of the library.", show_default=False)]
REJECTED = 3  # exit code: all done, some files were refused
SHOWN = 5


@app.command()
def build(
    library: LibraryArgument,
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders of music.", show_default=False)],
    weights: Annotated[str | None, typer.Option(help="Checkpoint folder; the released weights without it.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file again, also unchanged ones.")] = False,
    retry_rejects: Annotated[bool, typer.Option("--retry-rejects", help="Try again what was refused before.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, max=256, help="Processes that read files; one a core but one without it.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Make LIBRARY hold what lies in the FOLDERs, and in those given to it before.

    What is unchanged is skipped, what changed is done again, what is gone is dropped. A build may be stopped or
    killed at any moment: run the same command to go on. Hidden files and folders are left out.
    """
    from mmbert_indexer import sources
    from mmbert_indexer.build import build_library, refuse_foreign
    from mmbert_indexer.lock import refuse_read_only

    # Said before the model is loaded, which takes seconds.
    refuse_foreign(library)
    sources.checked(library, folders)
    refuse_read_only(library)
    from mmbert.embed import Embedder

    embedder = Embedder.from_pretrained(weights)
    with _bar() as show:
        report = build_library(
            library, folders, embedder, verify=verify, retry_rejects=retry_rejects, workers=workers, progress=show
        )
    if as_json:
        print_json(asdict(report))
    else:
        _print_build(asdict(report))
    return REJECTED if report.rejected else 0


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar on stderr with files, pieces and rate."""
    start = time.perf_counter()
    with progress("Reading") as advance:
        shown = 0

        def show(done: int, total: int, pieces: int) -> None:
            nonlocal shown
            rate = pieces / max(1e-6, time.perf_counter() - start)
            advance(done - shown, f"{pieces:,} pieces, {rate:.0f} a second", total)
            shown = done

        yield show


def _print_build(report: dict[str, Any]) -> None:
    done = f"{report['embedded']:,} embedded, {report['unchanged']:,} unchanged, {report['removed']:,} removed"
    rows = [
        ("library", f"{report['library']} ({report['generation']})"),
        ("pieces", f"{report['pieces']:,} from {report['files']:,} files, {report['windows']:,} windows"),
        ("this run", done),
        ("seconds", f"{report['seconds']:.1f}{_stages(report['seconds_by_stage'])}"),
    ]  # fmt: skip
    if beside := _stages(report["seconds_beside"]):
        rows.append(("beside", f"read in other processes{beside}"))
    _print_rows(rows + _reject_rows(report["rejected"], report["rejects"]["counts"]) + _flaw_rows(report["flawed"]))
    for line in report["flawed"]["first"]:
        warn(f"taken, but flawed: {line['path']}: {line['flaws']}")
    first = report["rejects"]["first"]
    for line in first:
        warn(f"rejected {line['path']}: {line['fault']}. {line['hint']}")
    if more := report["rejected"] - len(first):
        all_of_them = Path(report["library"], "generations", report["generation"], "rejects.jsonl")
        warn(f"and {more:,} more: {all_of_them}")


def _phrases(facts: dict[str, Any]) -> str:
    return f", {facts['phrases']:,} phrases" if "phrases" in facts else ""


def _stages(seconds: dict[str, float]) -> str:
    told = ", ".join(f"{name} {s:.1f}" for name, s in seconds.items() if s >= 0.05)
    return f" ({told})" if told else ""


def _reject_rows(rejected: int, counts: dict[str, int]) -> list[tuple[str, str]]:
    if not rejected:
        return []
    return [("rejected", f"{rejected:,}: " + ", ".join(f"{n:,} {code}" for code, n in counts.items()))]


def _flaw_rows(flawed: dict[str, Any]) -> list[tuple[str, str]]:
    count = flawed["count"]
    return [("flawed", f"{count:,} recording{'s are' if count > 1 else ' is'} damaged or clipped")] if count else []


def _print_rows(rows: list[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows:
        table.add_row(name, Text(printable(value)))  # Text: a path is never markup
    stdout_console().print(table)


@app.command()
def info(library: LibraryArgument, as_json: JsonOption = False) -> int:
    """Say what LIBRARY holds."""
    from mmbert_indexer.info import library_info

    facts = library_info(library)
    if as_json:
        print_json(facts)
        return 0
    rows = [
        ("library", f"{facts['library']} ({facts['generation']}, {facts['bytes'] / 1e6:.1f} MB)"),
        ("pieces", f"{facts['pieces']:,} from {facts['files']:,} files, {facts['windows']:,} windows{_phrases(facts)}"),
        ("kinds", ", ".join(f"{n:,} {kind}" for kind, n in facts["kinds"].items())),
        ("model", f"{facts['fingerprint'][:8]}, {facts['dim']} dimensions"),
        *(("folder", source) for source in facts["sources"]),
        *(("left out", path) for path in facts["removed"]),
        *_reject_rows(facts["rejected"], facts["rejects"]["counts"]),
        *_flaw_rows(facts["flawed"]),
    ]
    _print_rows(rows)
    if facts["notice"]:
        warn(facts["notice"])
    return 0


@app.command()
def verify(library: LibraryArgument, as_json: JsonOption = False) -> int:
    """Read every byte of LIBRARY; exit 0 if it is sound, 4 if it is damaged."""
    from mmbert.errors import LibraryError
    from mmbert.store.verify import verify_library

    verdict = verify_library(library)
    if as_json:
        print_json({**asdict(verdict), "sound": verdict.sound})
    elif verdict.sound:
        _print_rows([("sound", f"{verdict.library} ({verdict.generation}, {verdict.checked:,} files read)")])
    else:
        for damage in verdict.damaged[:SHOWN]:
            warn(f"damaged {damage['file']}: {damage['fault']}")
        serving = f"Serving {verdict.serving}" if verdict.serving else "No generation is whole"
        warn(f"{serving}. Run: mmbert index repair {verdict.library}")
    return 0 if verdict.sound else LibraryError.exit_code


@app.command()
def remove(
    library: LibraryArgument,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files or folders.", show_default=False)],
    as_json: JsonOption = False,
) -> int:
    """Take PATHs out of LIBRARY; the files stay where they are.

    They stay out of later builds until they are given to one themselves.
    """
    from mmbert_indexer.remove import remove_paths

    report = asdict(remove_paths(library, paths))
    if as_json:
        print_json(report)
    else:
        _print_rows([
            ("library", f"{report['library']} ({report['generation']})"),
            ("removed", f"{report['files']:,} files, {report['removed']:,} pieces"),
            ("left", f"{report['pieces']:,} pieces"),
        ])  # fmt: skip
    return 0


@app.command()
def repair(library: LibraryArgument, as_json: JsonOption = False) -> int:
    """Bring a damaged LIBRARY back from what is whole in it; no music is read, no model is loaded.

    Nothing that may still be of use is deleted. What only a build can do is said.
    """
    from mmbert_indexer.repair import repair_library

    with progress("Checking") as advance:
        report = repair_library(library, progress=lambda done, total: advance(1, total=total))
    if as_json:
        print_json(asdict(report))
        return 0
    _print_rows([
        ("library", f"{report.library} ({report.generation}, {report.pieces:,} pieces)"),
        *(("mended", sentence) for sentence in report.done or ("nothing was damaged",)),
        *(("left", sentence) for sentence in report.left),
    ])  # fmt: skip
    return 0


@app.command()
def gc(library: LibraryArgument, as_json: JsonOption = False) -> int:
    """Free the space of what LIBRARY no longer needs: old generations, orphaned vectors, left-overs of killed builds.

    The current generation and the one before it stay, and so does all that a build would use again. Readers are not
    disturbed.
    """
    from mmbert_indexer.gc import collect_garbage

    report = asdict(collect_garbage(library))
    if as_json:
        print_json(report)
    else:
        _print_rows([
            ("library", f"{report['library']} ({report['generation']})"),
            ("kept", ", ".join(report["kept"])),
            ("freed", f"{report['bytes'] / 1e6:.1f} MB"),
            *(("deleted", name) for name in report["deleted"]),
        ])  # fmt: skip
    return 0
