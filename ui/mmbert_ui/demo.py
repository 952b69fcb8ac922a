"""The library that comes with mmbert: unpacked into the person's data folder and built there, once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmbert.errors import LibraryError, MmbertError, SpaceError

FILES, LIBRARY, STATE = "files", "library", "demo.json"
MUSIC = "music"  # the folder in the archive; licences and attribution lie beside it
MOST_BYTES, MOST_FILES = 64 * 2**20, 5000
Say = Callable[[str], None]


def demo_zip() -> Path:
    """The demo music inside the installed package."""
    import mmbert

    return Path(mmbert.__file__).parent / "demo" / "library.zip"


def default_folder() -> Path:
    """Where the demo lives: ``$XDG_DATA_HOME/mmbert/demo``, else ``~/.local/share/mmbert/demo``."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "mmbert" / "demo"


def prepare(folder: Path, say: Say, weights: str | None = None, archive: Path | None = None) -> Path:
    """Unpack and build what is not there yet; returns the library's folder.

    Args:
        folder: Where music and library go.
        say: Takes a line for the person before each step that takes time.
        weights: As for a build.
        archive: The music; None for what comes with mmbert.

    Raises:
        LibraryError: the music is missing or damaged, or the folder cannot be written.
        SpaceError: the disk is full.
    """
    archive = archive or demo_zip()
    with _disk_faults(folder):
        if not archive.is_file():
            raise LibraryError(str(archive), "is missing", "Install mmbert again")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        state = {"music": digest, "weights": weights_print(weights)}
        known = _state(folder)
        if known == state and _is_sound(folder / LIBRARY):
            return folder / LIBRARY
        folder.mkdir(parents=True, exist_ok=True)
        if known.get("music") != digest or not (folder / FILES).is_dir():
            say(f"Unpacking the demo music into {folder / FILES}")
            unpack(archive, folder / FILES)
            _remember(folder, {"music": digest})
        _build(folder, say, weights)
        _remember(folder, state)
    return folder / LIBRARY


def unpack(archive: Path, into: Path) -> None:
    """Replace the folder ``into`` by what an archive holds; nothing is written outside it.

    Raises:
        LibraryError: the archive is damaged, too large, or names a place outside.
    """
    fresh = into.with_name(f"{into.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as z:
            for member in checked(archive, z.infolist()):
                target = fresh / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with z.open(member) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as e:
        raise LibraryError(str(archive), f"is damaged ({e})", "Install mmbert again") from e
    shutil.rmtree(into, ignore_errors=True)
    fresh.rename(into)


def checked(archive: Path, members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The files of an archive, after a look at names, kinds and sizes.

    Raises:
        LibraryError: naming the first member at fault.
    """
    found = [m for m in members if not m.is_dir()]
    if len(found) > MOST_FILES or sum(m.file_size for m in found) > MOST_BYTES:
        raise LibraryError(str(archive), "unpacks to more than a demo may hold", "Install mmbert again")
    for m in found:
        parts = m.filename.replace("\\", "/").split("/")
        link = stat.S_ISLNK(m.external_attr >> 16)
        if m.filename.startswith("/") or ".." in parts or ":" in parts[0] or link:
            raise LibraryError(str(archive), f"names a place outside itself: {m.filename!r}", "Install mmbert again")
    return found


def weights_print(weights: str | None) -> str:
    """What identifies weights without loading them: their stored fingerprint, else their name."""
    import mmbert

    folder = Path(weights) if weights else Path(mmbert.__file__).parent / "pretrained" / "mmbert-small"
    try:
        return (folder / "fingerprint").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return str(weights)


def _build(folder: Path, say: Say, weights: str | None) -> None:
    from mmbert_indexer.build import build_library

    from mmbert.console import progress

    say("Loading the model")
    from mmbert.embed import Embedder

    embedder = Embedder.from_pretrained(weights)
    say(f"Building the library in {folder / LIBRARY} (once; about a minute)")
    with progress("Building") as advance:
        shown = 0

        def show(done: int, total: int, pieces: int) -> None:
            nonlocal shown
            advance(done - shown, f"{pieces:,} pieces", total)
            shown = done

        report = build_library(folder / LIBRARY, [folder / FILES / MUSIC], embedder, progress=show)
    say(f"{report.pieces:,} pieces in {report.seconds:.0f} s")


def _is_sound(library: Path) -> bool:
    from mmbert.store import open_library

    try:
        open_library(library).current().close()
    except MmbertError:
        return False
    return True


def _state(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / STATE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(folder: Path, state: dict[str, str]) -> None:
    fresh = folder / f"{STATE}.new"
    fresh.write_text(json.dumps(state), "utf-8")
    fresh.replace(folder / STATE)


@contextmanager
def _disk_faults(folder: Path) -> Iterator[None]:
    import errno

    elsewhere = "name another place with --folder"
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SpaceError(str(folder), "the disk is full", f"Free some space, or {elsewhere}") from e
        raise LibraryError(str(folder), f"cannot be written ({e.strerror})", elsewhere.capitalize()) from e


def has_display() -> bool:
    """Whether a browser would open in a window of this machine (not in the terminal, not on a server)."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
