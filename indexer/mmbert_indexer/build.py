"""Builds a library from folders of music: scan, read, embed, publish. Any step may be killed; the next run goes on."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmbert.console import warn
from mmbert.errors import ItemError, LibraryError
from mmbert.store import files
from mmbert.store.files import changing, json_bytes
from mmbert.store.generations import ASIDE, LibraryFolder, open_library
from mmbert.store.manifest import FORMAT, DamageError, check
from mmbert_indexer import sources
from mmbert_indexer.batches import EmbedderLike, Progress, Work
from mmbert_indexer.ledger import Ledger, Maker, is_damage
from mmbert_indexer.lock import build_lock, refuse_read_only
from mmbert_indexer.phrases import PhraseMaker
from mmbert_indexer.publish import LostVectors, Publisher, refuse_if_full
from mmbert_indexer.reading import ears_version, reader_version
from mmbert_indexer.rejects import summary
from mmbert_indexer.report import BuildReport, report
from mmbert_indexer.scan import Scan, digests, walk, with_contexts
from mmbert_indexer.shards import AllShards
from mmbert_indexer.stages import Stages
from mmbert_indexer.stop import Stop, listening
from mmbert_indexer.workers import InThisProcess, Readers, WorkerPool, default_workers

WINDOWS_A_PIECE = 12  # for the estimate of space alone


def build_library(
    library: Path,
    folders: Sequence[Path],
    embedder: EmbedderLike,
    *,
    verify: bool = False,
    retry_rejects: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BuildReport:
    """Make a library hold what lies in its folders: those given now and those given before.

    What is unchanged is not read, what was embedded once is never embedded again, what is gone is dropped; paths taken
    out by :func:`mmbert_indexer.remove.remove_paths` stay out until they are given again themselves.

    Args:
        library: Folder of the library; made where it is missing.
        folders: Folders (or single files) of music.
        embedder: Gives the vectors.
        verify: Read every file, also those whose size and time say that they are unchanged.
        retry_rejects: Try again what was refused before.
        workers: Processes that read files; 0 reads in this one, where a file that crashes its parser ends the build;
            None for one a core, without the one that the model needs.
        progress: Called with (files done, files to do, pieces embedded).

    Raises:
        UsageError: a folder that is missing or holds no music.
        LibraryError: another build is running, or the library cannot be written.
        ItemError: no file could be read.
        SpaceError: the disk is full.
        BuildStopped: Ctrl-C or SIGTERM; what is done is kept.
    """
    library, stages = Path(library), Stages()
    refuse_foreign(library)
    given = sources.checked(library, folders)
    refuse_read_only(library)
    with stages.timed("scan"):
        first = walk(given)
    if not library.exists():
        sources.refuse_empty(given, first)
    n = default_workers() if workers is None else workers
    readers = WorkerPool(n) if n else InThisProcess()
    with changing(library), listening() as stop, _opened(library) as ledger, closing(readers):
        if retry_rejects:
            ledger.forget_rejects()
        job = _Job(library, ledger, embedder, readers, stages, stop, progress or (lambda *_: None))
        return job.run(given, verify)


def refuse_foreign(library: Path) -> None:
    """Refuse a folder that holds something else than a library, or a library of the future.

    Raises:
        LibraryError: naming it.
    """
    if library.exists() and (not library.is_dir() or any(library.iterdir())):
        hint = "Choose a new folder for the library."
        if not library.is_dir() or not any((library / n).exists() for n in ("LIBRARY.json", "generations", "work")):
            raise LibraryError(str(library), "holds other things than a library", hint)
        if (library / "generations").exists():
            open_library(library)


@contextmanager
def _opened(library: Path) -> Iterator[Ledger]:
    """The library's ledger, locked, in a folder that has all its parts."""
    for part in ("work/shards", "generations"):
        files.make_folder(library / part)
    with build_lock(library):
        state_library(library)
        ledger = open_ledger(library)
        try:
            yield ledger
        finally:
            ledger.rollback()
            ledger.close()


def state_library(library: Path) -> bool:
    """Write LIBRARY.json where it is missing or unreadable; returns whether it was."""
    if _is_stated(library):
        return False
    created = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"format": FORMAT, "uuid": str(uuid.uuid4()), "created": created}
    files.write_file(library / "LIBRARY.json", json_bytes(facts))
    return True


def _is_stated(library: Path) -> bool:
    try:
        return isinstance(json.loads((library / "LIBRARY.json").read_bytes())["format"], int)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def open_ledger(library: Path) -> Ledger:
    """The ledger; where it is damaged or gone, a new one that knows the sources from the last good generation."""
    work = library / "work"
    try:
        ledger = Ledger(work)
    except sqlite3.DatabaseError as e:
        if not is_damage(e):  # a disk that is full, or that cannot be read now, has lost nothing yet
            raise
        warn(f"The ledger of {library} is damaged ({e}): a new one is begun, every file is read again.")
        put_work_aside(library)
        ledger = Ledger(work)
    try:
        if ledger.get("sources") is None:
            manifest = _newest_manifest(LibraryFolder(library))
            ledger.put("sources", manifest.get("sources", []))
            ledger.put("removed", manifest.get("removed", []))
            ledger.commit()
    except BaseException:
        ledger.close()
        raise
    return ledger


def put_work_aside(library: Path) -> None:
    """Begin work/ anew; the damaged ledger and the shards it tells of are kept together until a build has ended."""
    aside = library / f"work{ASIDE}"
    files.disk.remove_tree(aside)
    files.disk.rename(library / "work", aside)
    files.disk.sync_folder(library)
    files.make_folder(library / "work" / "shards")


def _newest_manifest(folder: LibraryFolder) -> dict[str, Any]:
    for name in folder.names():
        try:
            return check(folder.generations / name)
        except DamageError:
            continue
    return {}


@dataclass
class _Job:
    """One build under the lock."""

    library: Path
    ledger: Ledger
    embedder: EmbedderLike
    readers: Readers
    stages: Stages
    stop: Stop
    progress: Progress

    def run(self, given: list[str], verify: bool) -> BuildReport:
        """All steps."""
        roots, removed = sources.joined(self.ledger, given)
        scan = self._scan(roots, removed, given, verify)
        phrases = PhraseMaker.of(self.embedder.phrases)
        maker = Maker(self.embedder.fingerprint, reader_version(), ears_version(), phrases)
        before, dim = self._uids(), self.embedder.dim
        with closing(AllShards(self.library / "work", maker, dim, self.ledger)) as shards:
            refuse_if_full(self.library, len(self.ledger.todo(maker)), WINDOWS_A_PIECE, dim, maker.phrases)
            work = Work(
                self.ledger, shards, self.embedder, self.readers, maker,
                self.stages, self.stop, self.progress, scan.rejects,
            )  # fmt: skip
            name = self._publish(work, shards)
        return report(self.library, name, work.embedded, before, self.stages)

    def _scan(self, roots: list[str], removed: list[str], given: list[str], verify: bool) -> Scan:
        """Bring the ledger's list of files up to date."""
        with self.stages.timed("scan"):
            known = self.ledger.states()
            scan = walk(roots, frozenset(removed))
            sources.refuse_empty([g for g in given if not sources.any_under(known, g)], scan)
            sources.warn_of_gone(roots, known)
        with self.stages.timed("hash"):
            for _ in digests(scan, known, verify=verify, each=lambda: self.stop.raise_if_asked(0, len(scan.files))):
                pass
        self.ledger.set_states(with_contexts(scan.files).values())
        self.ledger.put("sources", roots)
        self.ledger.put("removed", removed)
        self.ledger.commit()
        return scan

    def _publish(self, work: Work, shards: AllShards) -> str:
        """Embed what is missing and publish; vectors that turn out to be damaged are made again, once."""
        for last in (False, True):
            work.run()
            publisher = Publisher(self.library, self.ledger, work.maker, self.embedder.dim, work.rejects)
            if publisher.is_published():
                publisher.clean(aside=True)
                return publisher.folder.current_name() or ""
            self._refuse_nothing(work)
            try:
                with self.stages.timed("publish"):
                    name = publisher.publish(shards, self._facts(work))
                    publisher.clean(aside=True)
                return name
            except LostVectors as lost:
                if last:
                    raise LibraryError(str(self.library), "loses what is written to it", "Is the disk sound?") from lost
                warn(f"{lost.pieces:,} pieces were damaged in work/shards and are embedded again.")
                for model, keys in lost.keys.items():
                    self.ledger.forget_vectors(keys, model)
                self.ledger.commit()
        raise AssertionError("unreachable")

    def _refuse_nothing(self, work: Work) -> None:
        """A build that would end with no piece at all is an error, not a library."""
        from mmbert_indexer.live import live

        rejects = list(work.rejects)
        if next(live(self.ledger, work.maker, rejects), None) is not None:
            return
        counts = ", ".join(f"{n} {code}" for code, n in summary(rejects)["counts"].items())
        states = len(self.ledger.states())
        fault = f"holds no piece that could be read: {states} files of music were found" + (
            f" ({counts})" if counts else ""
        )
        first = rejects[0] if rejects else None
        hint = f"The first, {first.path}: {first.fault}. {first.hint}" if first else "Nothing was published."
        roots = ", ".join(self.ledger.get("sources", []))
        raise ItemError(roots, fault, hint, code="E_NOTHING", stage="scan")

    def _uids(self) -> set[str]:
        try:
            generation = LibraryFolder(self.library).current()
        except LibraryError:
            return set()
        try:
            return set(generation.pieces.uid)
        finally:
            generation.close()

    def _facts(self, work: Work) -> dict[str, Any]:
        return {
            "seconds": round(self.stages.total, 3),
            "seconds_by_stage": {k: round(v, 3) for k, v in self.stages.seconds.items()},
            "seconds_beside": {k: round(v, 3) for k, v in self.stages.seconds_beside.items()},
            "embedded": work.embedded,
        }
