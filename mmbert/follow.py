"""A library that is being served while builds go on: every request reads one state of it, from start to end.

A thread compares CURRENT every two seconds. What was opened before is closed when its last request ends. Where the new
state cannot be opened the old one goes on, and its notice says so. Each generation is hashed once in the background,
because opening one looks at sizes alone; where it is damaged the previous one takes its place.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mmbert.errors import LibraryError
from mmbert.store.generations import LibraryFolder
from mmbert.store.manifest import damages

if TYPE_CHECKING:
    from mmbert.api import Library

log = logging.getLogger("mmbert")
EVERY_S = 2.0


class _Held:
    """An open library and how many requests read it."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.readers = 0
        self.is_old = False


class Follower:
    """Hands out the newest state of a library. Safe to call from several threads.

    Args:
        library: An open library; it belongs to the follower from now on.
        prepare: Called with each newer state before requests get it, to load what they need.
    """

    def __init__(self, library: Library, prepare: Callable[[Library], None] = lambda library: None) -> None:
        self._held = _Held(library)
        self._prepare = prepare
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._refused: str | None = ""  # what CURRENT named when it could not be opened
        self._hashed = ""  # generation of which every byte was read
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def reading(self) -> Iterator[Library]:
        """The library as it is now; it stays open and the same until the block ends."""
        with self._lock:
            held = self._held
            held.readers += 1
        try:
            yield held.library
        finally:
            with self._lock:
                held.readers -= 1
            self._close_if_done(held)

    def start(self, every_s: float = EVERY_S) -> None:
        """Look for newer states in a thread of its own until :meth:`close`."""

        def watch() -> None:
            while not self._stopping.wait(every_s):
                self.look()

        thread = threading.Thread(target=watch, name="follow", daemon=True)
        thread.start()
        self._thread = thread  # once it can be joined: a close may come meanwhile

    def look(self) -> bool:
        """Take over a newer state; whether there was one. What goes wrong becomes the library's notice."""
        with self._looking:
            held = self._held.library
            try:
                return self._look(held, LibraryFolder(held.path))
            except LibraryError as e:
                held.generation.notice = f"{e} Serving {held.generation.name}, which was opened before"
            except Exception as e:  # the thread must go on, and tries again: files may be short for a moment
                log.exception("%s could not be looked at again", held.path)
                self._refused = ""
                fault = f"The newest build cannot be opened now ({type(e).__name__})"
                held.generation.notice = f"{fault}. Serving {held.generation.name}, which was opened before"
            return False

    def close(self) -> None:
        """Stop looking, and close the library as soon as nobody reads it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._retire(self._held)

    def _look(self, held: Library, folder: LibraryFolder) -> bool:
        named, serving = folder.current_name(), held.generation.name
        if named != serving:
            if named == self._refused:
                return False
            self._refused = named
            taken = self._take_over(held, hashes=False)
            self._refused = "" if taken else named
            return taken
        if self._refused != "":  # CURRENT names again what is served
            self._refused = ""
            return self._take_over(held, hashes=False)
        if self._hashed != serving:
            self._hashed = serving
            wrong = damages(folder.generations / serving, hashes=True)
            if wrong and folder.current_name() == serving:  # not deleted by a build meanwhile
                taken = self._take_over(held, hashes=True)
                self._refused = serving if taken else ""
                return taken
        return False

    def _take_over(self, held: Library, *, hashes: bool) -> bool:
        newer = held.reopened(hashes=hashes)
        if newer.generation.name == held.generation.name:
            held.generation.notice = newer.generation.notice
            newer.close()
            return False
        try:
            self._prepare(newer)
        except BaseException:
            newer.close()
            raise
        with self._lock:
            old, self._held = self._held, _Held(newer)
        self._retire(old)
        return True

    def _retire(self, held: _Held) -> None:
        with self._lock:
            held.is_old = True
        self._close_if_done(held)

    def _close_if_done(self, held: _Held) -> None:
        with self._lock:
            done = held.is_old and not held.readers
        if done:
            held.library.close()
