"""Which files there are: a walk over the source folders, and digests of what is new or changed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmbert.items.reader import PIECES, SUFFIXES
from mmbert.store.files import sha256_of
from mmbert_indexer.rejects import Reject

TEXT_BESIDE, TEXT_ALONE = "beside a piece", "alone"


@dataclass(frozen=True)
class FileState:
    """A file of music as it was last seen.

    Attributes:
        path: Absolute, decoded as Python does.
        size: Bytes.
        mtime_ns: Modification time. Compared for being the same, never for being later.
        inode: Number of the file on its disk.
        sha256: Hex digest; empty where it was not read yet.
        context: What beside the content decides how it is read: for a piece the digest of its description (or
            empty), for a text whether it stands beside a piece.
    """

    path: str
    size: int
    mtime_ns: int
    inode: int
    sha256: str = ""
    context: str = ""

    @property
    def suffix(self) -> str:
        """Suffix in lower case, with its dot."""
        return os.path.splitext(self.path)[1].lower()

    def same_file(self, other: FileState | None) -> bool:
        """Whether nothing speaks for a change: size, time and inode are as they were."""
        return other is not None and _triple(self) == _triple(other)


def _triple(state: FileState) -> tuple[int, int, int]:
    return state.size, state.mtime_ns, state.inode


@dataclass
class Scan:
    """What a walk found.

    Attributes:
        files: By path.
        rejects: What could not be looked at.
        others: How many files are of kinds that are not read.
    """

    files: dict[str, FileState] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    others: int = 0

    def refuse(self, path: str, code: str, fault: str, hint: str) -> None:
        """Note a path that is not followed."""
        self.rejects.append(Reject(path, "", "scan", code, fault, hint))


def walk(sources: Iterable[str], removed: frozenset[str] = frozenset()) -> Scan:
    """All files of music under the sources, hidden ones (``.name``) left out.

    Links to files inside their source are followed. Links to folders are not: what they lead to inside the source is
    found by its own path, and what lies outside was not given.

    Args:
        sources: Absolute real paths of folders or files.
        removed: Paths (files or folders) to stay out.
    """
    scan = Scan()
    for source in sources:
        if os.path.isdir(source):
            _walk_folder(source, source, removed, scan)
        elif source not in removed:
            _add(source, scan)
    return scan


def _walk_folder(folder: str, root: str, removed: frozenset[str], scan: Scan) -> None:
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:  # as they come: a folder may hold a million
                for entry in entries:
                    if entry.name.startswith(".") or entry.path in removed:
                        continue
                    if entry.is_symlink():
                        _link(entry.path, root, scan)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        _add(entry.path, scan)
        except OSError as e:
            scan.refuse(folder, "E_PERMISSION" if isinstance(e, PermissionError) else "E_IO", *_of_folder(e))


def _of_folder(error: OSError) -> tuple[str, str]:
    hint = "Change its permissions" if isinstance(error, PermissionError) else "Is the disk sound?"
    return f"the folder cannot be read ({error.strerror}), nor what lies in it", hint


def _link(path: str, root: str, scan: Scan) -> None:
    try:
        target = os.path.realpath(path, strict=True)
    except OSError as e:
        if e.errno == errno.ELOOP:
            scan.refuse(path, "E_LINK_LOOP", "is a symbolic link that leads to itself", "Remove the link")
        elif _is_music(path):
            scan.refuse(path, "E_GONE", f"is a link that leads nowhere ({e.strerror})", "Remove the link")
        return
    inside = _holds(root, target)
    if os.path.isdir(target):
        if _holds(target, path):
            scan.refuse(path, "E_LINK_LOOP", "is a link to a folder that holds it", "It was not followed")
        elif not inside:
            scan.refuse(path, "E_LINK_OUTSIDE", "is a link to a folder outside the source", "Give that folder too")
    elif inside:
        _add(path, scan)
    elif _is_music(path):
        scan.refuse(path, "E_LINK_OUTSIDE", "is a link to a file outside the source", "Give its folder too")


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_music(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in SUFFIXES


def _add(path: str, scan: Scan) -> None:
    if not _is_music(path):
        scan.others += 1
        return
    try:
        scan.files[path] = look(path)
    except OSError as e:
        scan.refuse(path, "E_GONE", f"cannot be looked at ({e.strerror})", "Was it moved or deleted?")


def look(path: str) -> FileState:
    """A file as it is now, without its digest."""
    status = os.stat(path)
    return FileState(path, status.st_size, status.st_mtime_ns, status.st_ino)


def digests(
    scan: Scan, known: dict[str, FileState], *, verify: bool, each: Callable[[], None] = lambda: None
) -> Iterator[FileState]:
    """Fill in the digests of a scan; yields each state that is new or changed.

    Args:
        scan: Changed in place; what cannot be read moves to its rejects.
        known: States of the last build, by path.
        verify: Read every file, also those that look unchanged.
        each: Called before each file that is read.
    """
    for path, state in list(scan.files.items()):
        before = known.get(path)
        if before is not None and before.sha256 and state.same_file(before) and not verify:
            scan.files[path] = replace(state, sha256=before.sha256)
            continue
        each()
        try:
            scan.files[path] = state = hashed(state)
        except OSError as e:
            del scan.files[path]
            code = {PermissionError: "E_PERMISSION", FileNotFoundError: "E_GONE"}.get(type(e), "E_IO")
            scan.refuse(path, code, f"cannot be read ({e.strerror})", "Was it moved, or are its permissions wrong?")
            continue
        yield state


def hashed(state: FileState) -> FileState:
    """The state with the digest of the file's bytes."""
    if not os.path.isfile(state.path):  # never wait on a pipe or a device
        raise OSError(0, "it is not a file")
    return replace(state, sha256=sha256_of(Path(state.path)))


def with_contexts(files: dict[str, FileState]) -> dict[str, FileState]:
    """The states with their contexts: descriptions belong to the piece of their stem in the same folder."""
    texts: dict[str, str] = {}
    stems: set[str] = set()
    for path, state in files.items():
        stem = os.path.splitext(path)[0]
        if state.suffix == ".txt":
            texts[stem] = state.sha256
        elif state.suffix in PIECES:
            stems.add(stem)
    out = {}
    for path, state in files.items():
        stem = os.path.splitext(path)[0]
        if state.suffix == ".txt":
            context = TEXT_BESIDE if stem in stems else TEXT_ALONE
        else:
            context = texts.get(stem, "")
        out[path] = replace(state, context=context)
    return out
