"""Takes paths out of a library and publishes what is left. No model is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mmbert.errors import LibraryError, UsageError
from mmbert.store import files
from mmbert.store.files import changing
from mmbert.store.generations import open_library
from mmbert_indexer.build import open_ledger
from mmbert_indexer.ledger import Ledger
from mmbert_indexer.live import live
from mmbert_indexer.lock import build_lock, refuse_read_only
from mmbert_indexer.phrases import PhraseMaker
from mmbert_indexer.publish import LostVectors, Publisher
from mmbert_indexer.rejects import Reject
from mmbert_indexer.shards import AllShards
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
        LibraryError: no library, read-only, locked by a build, or other pieces would go too because their vectors in
            ``work`` are gone or damaged; nothing was published.
    """
    library = Path(library)
    folder = open_library(library)
    refuse_read_only(library)
    with changing(library), build_lock(library):
        generation = folder.current()
        manifest = generation.manifest
        before = {uid: generation.paths(row) for row, uid in enumerate(generation.pieces.uid)}
        rejects = [Reject(**line) for line in generation.rejects()]
        generation.close()
        held = {path for paths_ in before.values() for path in paths_} | {r.path for r in rejects}
        files.make_folder(library / "work")
        ledger = open_ledger(library)
        try:
            real = [_located(path, held | set(ledger.states())) for path in paths]
            kept = {uid for uid, there in before.items() if not all(_any_holds(real, path) for path in there)}
            phrases = PhraseMaker.read(manifest.get("phrases"))
            maker = ledger.maker(manifest["fingerprint"], phrases)
            with closing(AllShards(library / "work", maker, manifest["dim"], ledger)) as shards:
                count = _take_out(ledger, real)
                passing = [r for r in rejects if not r.sha256 and not _any_holds(real, r.path)]
                publisher = Publisher(library, ledger, maker, manifest["dim"], passing)
                name = _published(publisher, shards, kept, real)
        finally:
            ledger.rollback()
            ledger.close()
    after = open_library(library).current()
    gone, left = len(before.keys() - set(after.pieces.uid)), after.n_pieces
    after.close()
    return RemoveReport(os.fspath(library), name, count, gone, left)


def _any_holds(folders: Sequence[str], path: str) -> bool:
    return any(under(path, folder) for folder in folders)


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
    going = [path for path in states if _any_holds(paths, path)]
    for path in going:
        ledger.forget_file(path)
    kept = [s for s in ledger.get("sources", []) if not _any_holds(paths, s)]
    out = {*paths, *ledger.get("removed", [])}
    ledger.put("sources", kept)
    ledger.put("removed", sorted(p for p in out if _any_holds(kept, p)))
    return len(going)


def _published(publisher: Publisher, shards: AllShards, kept: set[str], gone: list[str]) -> str:
    """Name of the new generation, which holds every piece that is to be kept.

    Raises:
        LibraryError: it cannot; nothing was published.
    """
    lost = len(kept - {piece.uid for piece in live(publisher.ledger, publisher.maker, [])})
    if not lost:
        try:
            name = publisher.publish(shards, {"removed": gone})
            publisher.clean(aside=False)
            return name
        except LostVectors as e:
            lost = e.pieces
    fault = f"cannot be published again: {lost} other pieces are gone from work/, or damaged there"
    raise LibraryError(str(publisher.library), fault, "Run mmbert index build, then remove again.")
