"""Builds that the page starts: of the library's own folders alone, in a process of their own, one at a time.

The page sends no path: it presses a button. A build may be stopped or killed at any moment; what it has embedded is
kept, and the next one goes on from there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmbert._runtime import environment
from mmbert.errors import LibraryError

_END_SECONDS = 10  # that a build gets to finish its batch when the page ends


class Builder:
    """The build of one library.

    Args:
        library: Its folder.
        sources: Gives the folders that the library is made of.
        weights: Checkpoint folder or hub name; None for the released ones.
    """

    def __init__(self, library: Path, sources: Callable[[], Sequence[str]], weights: str | Path | None = None) -> None:
        self.library, self._sources, self._weights = library, sources, weights
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._said: dict[str, Any] = {"state": "idle"}
        self._begun = 0.0

    def start(self) -> None:
        """Begin a build.

        Raises:
            LibraryError: one is running, or a folder of the library cannot be read.
        """
        with self._lock:
            if self._process is not None:
                raise LibraryError("", "A build is running already", "Wait for it, or stop it")
            if fault := self.obstacle():
                raise fault
            command = [sys.executable, "-m", "mmbert_ui.building_process", str(self.library)]
            command += [str(self._weights)] if self._weights else []
            silent = subprocess.DEVNULL
            self._process = subprocess.Popen(
                command,
                stdin=silent,
                stdout=subprocess.PIPE,
                stderr=silent,
                text=True,
                env=environment(),
                process_group=0,  # Ctrl-C in the terminal is the page's: close() lets the build finish its batch
            )
            self._said = {"state": "running", "step": "Loading the model"}
            self._begun = time.monotonic()
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def obstacle(self) -> LibraryError | None:
        """Why no build can begin here: nothing can be written, or folders are not there and would lose their pieces."""
        from mmbert_indexer.lock import refuse_read_only

        try:
            refuse_read_only(self.library)
        except LibraryError:
            return LibraryError("", "This library is read-only", "It can be searched, but not be built again here")
        sources = list(self._sources())
        gone = [s for s in sources if not os.access(s, os.R_OK)]
        if not sources or len(gone) == len(sources):
            fault = "The folders of music that it was built from are not on this machine"
            return LibraryError("", fault, "The library can be searched, but not be built again here")
        if gone:
            hint = "A build would take its pieces out. Connect it, or run mmbert index build in a terminal"
            return LibraryError(f"The folder {Path(gone[0]).name}", "is not there", hint)
        return None

    def stop(self) -> None:
        """Ask the build to end after its batch; nothing happens where none is running."""
        with self._lock:
            if self._process is not None and self._said["state"] == "running":  # a second signal would cut a batch
                self._said = self._said | {"state": "stopping"}
                self._process.send_signal(signal.SIGTERM)  # a shell's background jobs ignore SIGINT, and so would it

    def view(self) -> dict[str, Any]:
        """``{state, ...}`` as the page shows it.

        ``state`` is ``idle``, ``running`` or ``stopping`` (with ``step``, or ``done``, ``total``, ``pieces`` and
        ``rate``, pieces a second), ``built`` (with ``report``), or ``failed`` (with ``error``).
        """
        said = dict(self._said)
        if said["state"] in ("running", "stopping"):
            said["seconds"] = round(time.monotonic() - self._begun, 1)
        return said

    def close(self) -> None:
        """End a running build and wait for it."""
        process = self._process
        if process is None:
            return
        self.stop()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()  # safe at any moment
            process.wait()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        last: dict[str, Any] = {}
        try:
            for line in process.stdout or ():
                with suppress(ValueError):  # a line that a library printed
                    if isinstance(said := json.loads(line), dict):
                        last = said
                        self._tell(said)
        finally:
            process.wait()
            with self._lock:
                self._process = None
                self._said = self._end(last)

    def _tell(self, said: dict[str, Any]) -> None:
        with self._lock:  # a stop that comes now is not overwritten
            if not {"report", "error"} & set(said):
                self._said = {**said, "state": self._said["state"]}

    def _end(self, last: dict[str, Any]) -> dict[str, Any]:
        if "report" in last:
            return {"state": "built", "report": last["report"]}
        why = "Stopped" if self._said["state"] == "stopping" else "The build ended before it was done"
        fault = {"fault": why, "hint": "What is done is kept: begin it again to go on"}
        return {"state": "failed", "error": last.get("error", fault)}
