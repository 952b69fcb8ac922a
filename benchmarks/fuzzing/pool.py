"""Reading in processes that may crash or hang: each such file is counted, and the run goes on.

The bounds are those of a build's reading processes (:mod:`mmbert_indexer.worker`); these tell more than those do.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from mmbert_indexer.worker import READ_MEMORY, READ_SECONDS

from .cases import cases_of
from .check import Outcome, examine

ASLEEP_S = 10 * READ_SECONDS  # wall: for what hangs and takes no time
_CONTEXT = multiprocessing.get_context("spawn")


class Child:
    """One process and what it is at."""

    def __init__(self, make: tuple[Any, ...]) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(theirs, make), daemon=True)
        self.process.start()
        theirs.close()
        self.number: int | None = None
        self.since = math.inf

    def give(self, number: int) -> None:
        """Have file ``number`` read."""
        self.number, self.since = number, math.inf  # the clock runs from when the file is made
        self.pipe.send(number)

    def end(self, kill: bool = False) -> None:
        """Stop the process."""
        if kill:
            self.process.kill()
        else:
            self.pipe.send(None)
        self.process.join()
        self.pipe.close()


def _serve(pipe: Connection, make: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command ends us
    resource.setrlimit(resource.RLIMIT_AS, (READ_MEMORY, READ_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)  # codecs complain there
    cases = cases_of(*make)
    with tempfile.TemporaryDirectory() as folder:
        while (number := pipe.recv()) is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            case = cases.case(number)  # making it may take what it takes
            path = Path(folder, case.name)
            path.write_bytes(case.data)
            del case
            pipe.send("alive")
            _more_time()
            pipe.send(asdict(examine(path, _Pulse(pipe))))
            path.unlink()


def _more_time() -> None:
    """Processor time until the next piece or reason: a machine that is busy with other things makes no file hang."""
    limit = int(time.process_time() + READ_SECONDS) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


class _Pulse:
    """Tells once a second that something came."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.last = pipe, time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self.last > 1:
            self.pipe.send("alive")
            _more_time()
            self.last = time.monotonic()


def outcomes(make: tuple[Any, ...], numbers: range, workers: int) -> Iterator[tuple[int, Outcome]]:
    """(number, outcome) of every file, as they are done; crashes and hangs as breaches.

    Args:
        make: Arguments of :func:`cases_of`.
        numbers: Which files.
        workers: Processes.
    """
    waiting = iter(numbers)
    children: list[Child] = []

    def next_child() -> None:
        if (number := next(waiting, None)) is not None:
            children.append(Child(make))
            children[-1].give(number)

    for _ in range(workers):
        next_child()
    while children:
        wait([c.pipe for c in children], timeout=1)
        for child in list(children):
            number = child.number
            assert number is not None
            outcome: Outcome | None = None
            if child.pipe.poll():
                try:
                    message = child.pipe.recv()
                except EOFError:
                    child.process.join()
                    late = child.process.exitcode == -signal.SIGXCPU
                    words = (
                        f"hang: {READ_SECONDS:.0f} s of CPU" if late else f"crash: exit code {child.process.exitcode}"
                    )
                    outcome = Outcome(breach=words)
                else:
                    if message == "alive":
                        child.since = time.monotonic()
                        continue
                    yield number, Outcome(**message)
                    if (following := next(waiting, None)) is not None:
                        child.give(following)
                    else:
                        children.remove(child)
                        child.end()
                    continue
            elif time.monotonic() - child.since > ASLEEP_S:
                outcome = Outcome(breach=f"hang: nothing came for {ASLEEP_S:.0f} s")
            if outcome is not None:
                children.remove(child)
                child.end(kill=True)
                yield number, outcome
                next_child()
