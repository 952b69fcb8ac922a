"""Ctrl-C and SIGTERM: what is done is kept, and the next run goes on from there."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mmbert.errors import MmbertError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class BuildStopped(MmbertError):
    """A build was interrupted between two batches; exit 130 (SIGINT) or 143 (SIGTERM)."""

    def __init__(self, number: int, done: int, total: int) -> None:
        fault = f"Stopped. {done:,} of {total:,} files done and kept"
        super().__init__("", fault, "Run the same command to go on.")
        self.exit_code = 128 + number  # type: ignore[misc]  # the shell's convention: one class, two codes


class Stop:
    """Whether somebody asked the build to end; asked once, it ends after the batch, asked twice, at once."""

    def __init__(self) -> None:
        self.number = 0

    def raise_if_asked(self, done: int, total: int) -> None:
        """End here if asked to.

        Raises:
            BuildStopped: with what is done so far.
        """
        if self.number:
            raise BuildStopped(self.number, done, total)


@contextmanager
def listening() -> Iterator[Stop]:
    """Take SIGINT and SIGTERM as requests to stop; outside the main thread nothing is changed."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def ask(number: int, frame: FrameType | None) -> None:
        stop.number = number
        for each in SIGNALS:  # a second one ends the process: a kill at any moment is safe
            signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
