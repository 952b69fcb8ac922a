"""Takes paths out of a library and publishes what is left. No model is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbert.errors import LibraryError, UsageError
from mmbert.store.files import changing
from mmbert.store.generations import open_library
from mmbert_indexer.build import open_ledger
from mmbert_indexer.ledger import Ledger, Maker
from mmbert_indexer.lock import build_lock, refuse_read_only
from mmbert_indexer.publish import LostVectors, Publisher
from mmbert_indexer.rejects import Reject
from mmbert_indexer.shards import Shards
from mmbert_indexer.sources import any_under, under


@dataclass(frozen=True)
class RemoveReport:
    """What was taken out.

    Attributes:
        library: The folder.
        generation: Name of the new generation.
        files: Files taken out.
        removed: Pieces that are gone (a piece stays while another file holds it).
        pieces: Pieces left.
    """

    library: str
    generation: str
    files: int
    removed: int
    pieces: int


def remove_paths(library: Path, paths: Sequence[Path]) -> RemoveReport:
    """Publish the library without some files or folders. They stay out until a build is given them again.

    Raises:
        UsageError: the library holds nothing under a path; nothing was done.
        LibraryError: no library, read-only, or locked by a build.
    """
    library = Path(library)
    folder = open_library(library)
    refuse_read_only(library)
    with changing(library), build_lock(library):
        generation = folder.current()
        manifest, before = generation.manifest, set(generation.pieces.uid)
        held = {path for row in range(generation.n_pieces) for path in generation.paths(row)}
        held |= {line["path"] for line in generation.rejects()}
        rejects = [Reject(**line) for line in generation.rejects()]
        generation.close()
        ledger = open_ledger(library)
        try:
            real = [_located(path, held | set(ledger.states())) for path in paths]
            files = _take_out(ledger, real)
            maker = Maker(manifest["fingerprint"], ledger.get("reader", ""))
            name = _publish(library, ledger, maker, manifest["dim"], [r for r in rejects if not r.sha256], real)
        finally:
            ledger.rollback()
            ledger.close()
    after = open_library(library).current()
    gone, left = len(before - set(after.pieces.uid)), after.n_pieces
    after.close()
    return RemoveReport(os.fspath(library), name, files, gone, left)


def _located(path: Path, held: set[str]) -> str:
    """The path as the library knows it; it need not exist any more.

    Raises:
        UsageError: the library holds nothing under it.
    """
    absolute = os.path.abspath(path)
    for candidate in (os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute)), absolute):
        if any_under(held, candidate):
            return candidate
    real = os.path.realpath(path)
    if any_under(held, real):
        return real
    raise UsageError(str(path), "is not in this library", "mmbert index info LIBRARY lists its folders.")


def _take_out(ledger: Ledger, paths: list[str]) -> int:
    states = ledger.states()
    going = [path for path in states if any(under(path, p) for p in paths)]
    for path in going:
        ledger.forget_file(path)
    kept = [s for s in ledger.get("sources", []) if not any(under(s, p) for p in paths)]
    out = {*paths, *ledger.get("removed", [])}
    ledger.put("sources", kept)
    ledger.put("removed", sorted(p for p in out if any(under(p, s) for s in kept)))
    return len(going)


def _publish(library: Path, ledger: Ledger, maker: Maker, dim: int, passing: list[Reject], gone: list[str]) -> str:
    shards = Shards(library / "work", maker.fingerprint, dim, ledger)
    try:
        rejects = [r for r in passing if not any(under(r.path, p) for p in gone)]
        publisher = Publisher(library, ledger, maker, dim, rejects)
        name = publisher.publish(shards, {"removed": gone})
        publisher.clean()
        return name
    except LostVectors as e:
        fault = f"cannot be published again: {len(e.keys)} pieces are damaged in work/shards"
        raise LibraryError(str(library), fault, "Run mmbert index build, then remove again.") from e
    finally:
        shards.close()
