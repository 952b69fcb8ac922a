"""``mmbert embed FILE...``: one vector a piece, as JSON, as a table, or as a NumPy file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbert.console import JsonOption, print_json, stdout_console, warn
from mmbert.errors import ItemError, SpaceError, UsageError
from mmbert.titles import printable

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer(add_completion=False)


@app.command()
def embed(
    files: Annotated[list[Path], typer.Argument(help="Files of music.")],
    out: Annotated[Path | None, typer.Option(help="Write vectors here: a .npy file, float32, a row a piece.")] = None,
    weights: Annotated[str | None, typer.Option(help="A checkpoint folder; the released weights without it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn files of music into vectors; what cannot be read is told and left out."""
    import numpy as np

    if out is not None and out.suffix != ".npy":
        raise UsageError(f"--out {out}", "does not end in .npy", "Vectors are written as one NumPy array")
    from mmbert.embed import Embedder

    embedder = Embedder.from_pretrained(weights)
    faults: list[ItemError] = []
    found = embedder.embed_files(files, on_reject=faults.append)
    if not found:
        raise faults[0]
    vectors = np.stack([e.piece for e in found]).astype(np.float32)
    if out is not None:
        _save(out, vectors)
    pieces: list[dict[str, Any]] = [
        {"id": e.item.uid, "path": str(e.item.source.path), "number": e.item.source.number, "windows": len(e.windows)}
        for e in found
    ]
    if as_json:
        rows = [piece | ({} if out else {"vector": v}) for piece, v in zip(pieces, vectors, strict=True)]
        rejects = [
            {"path": f.subject, "code": f.code, "stage": f.stage, "fault": f.fault, "hint": f.hint} for f in faults
        ]
        made = {"fingerprint": embedder.fingerprint, "dim": embedder.dim, "out": out and str(out)}
        print_json(made | {"pieces": rows, "rejects": rejects})
    else:
        _print(pieces, vectors)
    if out is not None:
        warn(f"{out}: float32 {list(vectors.shape)}")
    for fault in faults:
        warn(str(fault))
    if faults:
        raise typer.Exit(ItemError.exit_code)  # done, but not all of it


def _print(pieces: list[dict[str, Any]], vectors: np.ndarray) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("file", "piece", "windows", "first numbers of the vector", box=None, pad_edge=False)
    for piece, v in zip(pieces, vectors, strict=True):
        start = " ".join(f"{x:+.3f}" for x in v[:4])
        table.add_row(Text(printable(piece["path"])), str(piece["number"]), str(piece["windows"]), start)
    stdout_console().print(table)


def _save(path: Path, vectors: object) -> None:
    import numpy as np

    try:
        with path.open("wb") as f:
            np.save(f, vectors)  # type: ignore[arg-type]
    except OSError as e:
        if e.errno == 28:
            raise SpaceError(str(path), "the disk is full") from e
        raise UsageError(f"--out {path}", f"cannot be written ({e.strerror})", "Choose another place") from e
