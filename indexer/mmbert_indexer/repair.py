"""Brings a damaged library back to a whole current generation, from what is whole. No model is needed.

Nothing that may still be of use is deleted: a damaged generation, or work/ where its ledger is damaged, is put aside
until a build has ended, and vectors that are lost from work/ are taken from the generations that hold a copy of them.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmbert.errors import LibraryError
from mmbert.store import files
from mmbert.store.files import changing
from mmbert.store.generations import ASIDE, Generation, LibraryFolder, number_of, open_library
from mmbert.store.manifest import DamageError, check, read_manifest
from mmbert.store.verify import check_ledger, verify_library
from mmbert_indexer.build import open_ledger, put_work_aside, state_library
from mmbert_indexer.clean import Cleaner
from mmbert_indexer.ledger import Ledger
from mmbert_indexer.live import live
from mmbert_indexer.lock import build_lock, refuse_read_only
from mmbert_indexer.phrases import PhraseMaker
from mmbert_indexer.publish import LostVectors, Publisher, dims_of
from mmbert_indexer.rejects import Reject
from mmbert_indexer.salvage import salvage, salvage_phrases
from mmbert_indexer.shards import AllShards, Shards, folder_of, stated_dim

Steps = Callable[[int, int], None]  # (steps done, steps)


@dataclass(frozen=True)
class RepairReport:
    """What was mended.

    Attributes:
        library: The folder.
        before: What CURRENT named, or None.
        generation: Name of the generation that is current now.
        pieces: Pieces in it.
        done: What was wrong and what was done about it, as sentences; empty where nothing was damaged.
        left: What only a build can do, as sentences.
    """

    library: str
    before: str | None
    generation: str
    pieces: int
    done: tuple[str, ...]
    left: tuple[str, ...]


def repair_library(library: Path, *, progress: Steps | None = None) -> RepairReport:
    """Make the newest whole generation the current one, or publish anew what work/ still holds of a damaged one.

    Raises:
        LibraryError: no library, read-only, locked by a build, or nothing in it is whole: its words say what is left.
    """
    library = Path(library)
    open_library(library)
    refuse_read_only(library)
    with changing(library), build_lock(library):
        return _Repair(library, progress or (lambda *_: None)).run()


@dataclass
class _Repair:
    """One repair under the lock."""

    library: Path
    progress: Steps
    done: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self) -> RepairReport:
        """All steps."""
        self.folder, self.cleaner = LibraryFolder(self.library), Cleaner(self.library)
        before = self.folder.current_name()
        if state_library(self.library):
            self.done.append("LIBRARY.json was missing or unreadable: written again")
        self._look()
        ledger = self._ledger()
        try:
            if ledger is not None:
                self._work(ledger)
            name = self._current(before, ledger)
            left = self._left(ledger, name)
        finally:
            if ledger is not None:
                ledger.rollback()
                ledger.close()
        self._put_aside()
        self.cleaner.half_done()
        if self.cleaner.deleted:
            self.done.append(f"deleted what nothing refers to: {', '.join(self.cleaner.deleted)}")
        pieces = read_manifest(self.folder.generations / name)["counts"]["pieces"]
        verdict = verify_library(self.library)
        self.progress(len(self.folder.names()) + 1, len(self.folder.names()) + 1)
        if not verdict.sound:
            worst = verdict.damaged[0]
            fault = f"is still damaged after the repair ({worst['file']}: {worst['fault']})"
            raise LibraryError(str(self.library), fault, "Is the disk sound?")
        return RepairReport(os.fspath(self.library), before, name, pieces, tuple(self.done), tuple(left))

    def _look(self) -> None:
        """Read every byte of every generation."""
        names = self.folder.names()
        for i, name in enumerate(names):
            try:
                self.manifests[name] = check(self.folder.generations / name, hashes=True)
            except DamageError as e:
                self.faults[name] = e.fault
            self.progress(i + 1, len(names) + 1)

    # ---- work -----------------------------------------------------------------------------------------

    def _ledger(self) -> Ledger | None:
        """The ledger, a new one where it was damaged; None where the library was given away without its work."""
        work = self.library / "work"
        if not work.exists():
            if not work.with_name(work.name + ASIDE).exists():
                return None
            files.make_folder(work / "shards")  # a kill came right behind the putting aside
        if not (work / "ledger.sqlite").exists():
            self.done.append("work/ledger.sqlite was missing: made anew")
        elif found := check_ledger(self.library)[0]:
            put_work_aside(self.library)
            kept = f"what work/ held is put aside as work{ASIDE}: the next build deletes it"
            self.done.append(f"work/ledger.sqlite was damaged ({found[0]['fault']}): made anew; {kept}")
        return open_ledger(self.library)

    def _work(self, ledger: Ledger) -> None:
        """Forget rows of the shards that are not what they were, and take them from the generations."""
        dims = {k: v for m in self.manifests.values() for k, v in dims_of(m).items()}
        if (model := self._model(ledger)) is not None:
            dims = dims_of(model) | dims
        lost = phrases_lost = saved = phrases_saved = 0
        for model_name in ledger.models():
            before = len(ledger.embedded(model_name))
            self._mend(ledger, model_name, dims.get(model_name))
            gone = before - len(ledger.embedded(model_name))
            lost, phrases_lost = (lost, max(phrases_lost, gone)) if ":" in model_name else (lost + gone, phrases_lost)
        for name in list(self.manifests):
            generation = self._opened(name)
            if generation is not None:
                try:
                    saved += salvage(self.library, ledger, generation)
                    phrases_saved += salvage_phrases(self.library, ledger, generation)
                finally:
                    generation.close()
        self.cleaner.shards(ledger)  # what the ledger does not know nobody finds again
        if lost:
            self.done.append(f"the vectors of {lost:,} pieces were damaged in work/shards")
        if saved:
            self.done.append(f"the vectors of {saved:,} pieces were taken from the generations into work/")
        if phrases_lost:
            self.done.append(f"the vectors of the phrases of {phrases_lost:,} pieces were damaged in work/shards")
        if phrases_saved:
            taken = "were taken from the generations into work/"
            self.done.append(f"the vectors of the phrases of {phrases_saved:,} pieces {taken}")

    def _mend(self, ledger: Ledger, fingerprint: str, dim: int | None) -> None:
        """Forget the damaged rows of one model's shards; of an unfinished rebuild no generation tells the ``dim``."""
        folder = folder_of(self.library / "work", fingerprint)
        if dim is None and (dim := stated_dim(folder)) is None:
            for number in ledger.shard_rows(fingerprint):
                if (folder / f"{number:06d}.f16").exists():  # nobody can read it; one that still grows is not stated
                    ledger.forget_beyond(fingerprint, number, 0)
            ledger.commit()
            return
        shards = Shards(self.library / "work", fingerprint, dim, ledger)
        try:
            shards.mend_all(ledger)
        finally:
            shards.close()

    def _opened(self, name: str) -> Generation | None:
        try:
            return Generation(self.folder.generations / name, self.manifests[name])
        except DamageError as e:
            del self.manifests[name]
            self.faults[name] = e.fault
            return None

    def _model(self, ledger: Ledger) -> dict[str, Any] | None:
        """Fingerprint and length of vectors of what was published last."""
        if (model := ledger.get("model")) is not None:
            return model
        for name in self.folder.names():
            try:
                manifest = read_manifest(self.folder.generations / name)
            except DamageError:
                continue
            return {name: manifest.get(name) for name in ("fingerprint", "dim", "phrases")}
        return None

    # ---- the current generation -----------------------------------------------------------------------

    def _current(self, before: str | None, ledger: Ledger | None) -> str:
        """Name of the generation that is current now."""
        if before in self.manifests:
            return before
        names = self.folder.names()
        if not names and before is None:
            fault, hint = "holds no finished build yet", f"Run: {self._build_command(ledger)}"
            raise LibraryError(str(self.library), fault, hint)
        newest = next(iter(self.manifests), None)
        what = self._what(before)
        if newest is None or newest != names[0] or self._is_gone(ledger, newest):  # what came later is damaged or gone
            name = self._published(ledger) if ledger is not None else None
            if name is not None:
                self.done.append(f"{what}: published again from work/ as {name}")
                return name
        if newest is None:
            hint = f"Run: {self._build_command(ledger)}"
            raise LibraryError(str(self.library), f"{what}, and no other generation is whole", hint)
        files.write_file(self.library / "CURRENT", f"{newest}\n".encode("ascii"))
        self.done.append(f"{what}: {newest} is current now")
        return newest

    def _is_gone(self, ledger: Ledger | None, newest: str) -> bool:
        """Whether the ledger knows of a generation that was published after the newest there is."""
        published = ledger.get("published") if ledger is not None else None
        return published is not None and number_of(published["generation"]) > number_of(newest)

    def _what(self, before: str | None) -> str:
        if before is None:
            return "CURRENT was missing or unreadable"
        if before in self.faults:
            return f"{before} is damaged ({self.faults[before]})"
        return f"CURRENT named {before}, which is not there"

    def _published(self, ledger: Ledger) -> str | None:
        """Publish what the ledger lists, if all of it is there; None where something has to be embedded first."""
        model = self._model(ledger)
        if ledger.get("published") is None or model is None:
            return None
        maker = ledger.maker(model["fingerprint"], PhraseMaker.read(model.get("phrases")))
        if ledger.todo(maker) or next(live(ledger, maker, []), None) is None:
            return None
        publisher = Publisher(self.library, ledger, maker, model["dim"], self._passing())
        with closing(AllShards(self.library / "work", maker, model["dim"], ledger)) as shards:
            try:
                return publisher.publish(shards, {"repaired": True})
            except LostVectors:
                return None

    def _passing(self) -> list[Reject]:
        """Refusals that the ledger does not keep, from the newest generation that still tells them."""
        for name in self.folder.names():
            try:
                lines = (self.folder.generations / name / "rejects.jsonl").read_bytes().splitlines()
                return [r for r in (Reject(**json.loads(line)) for line in lines) if not r.sha256]
            except (OSError, ValueError, TypeError):
                continue
        return []

    def _put_aside(self) -> None:
        """Take the damaged generations out of the readers' way, whole folders, without deleting anything."""
        for name in sorted(self.faults):
            aside = self.folder.generations / f"{name}{ASIDE}"
            files.disk.remove_tree(aside)
            files.disk.rename(self.folder.generations / name, aside)
            self.done.append(f"{name} ({self.faults[name]}) is put aside as {aside.name}: the next build deletes it")
        if self.faults:
            files.disk.sync_folder(self.folder.generations)

    # ---- what is left ---------------------------------------------------------------------------------

    def _left(self, ledger: Ledger | None, name: str) -> list[str]:
        """What only a build can do."""
        if ledger is None:
            return []
        run = f"Run: {self._build_command(ledger)}"
        published, model = ledger.get("published"), self._model(ledger)
        if published is None or model is None:
            return [f"The next build reads every file again, and embeds what no whole generation holds. {run}"]
        if todo := len(ledger.todo(ledger.maker(model["fingerprint"]))):
            return [f"{todo:,} files have to be read again. {run}"]
        if published["generation"] != name:
            return [f"{name} may lack what was found after it. {run}"]
        return []

    def _build_command(self, ledger: Ledger | None) -> str:
        sources = ledger.get("sources", []) if ledger is not None else []
        for manifest in [*self.manifests.values()][: 0 if sources else 1]:
            sources = manifest["sources"]
        return shlex.join(["mmbert", "index", "build", str(self.library), *(sources or ["FOLDER"])])
