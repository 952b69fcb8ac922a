"""Files are read in processes of their own, beside the model: faster, and a file that crashes or hangs its parser is
one reject and nothing more."""

from __future__ import annotations

import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, Any, Protocol, cast

from mmbert.errors import ItemError, UsageError
from mmbert.items.recording import SUFFIXES as RECORDINGS
from mmbert_indexer.reading import FileChanged, Found, Request, SoundPart, results
from mmbert_indexer.wire import END, READY, BadFrame, belongs, read_frame, request_line
from mmbert_indexer.worker import READ_SECONDS

FILES_AHEAD = 40  # a process: the next batch is read while the model works on this one
A_RECORDING = 10  # files that it counts as: a minute of sound takes 1.5 MB until it is heard
PIECES_AHEAD = 16  # of a file: a tune book does not fill the memory
PATIENCE = 4  # a process that is given no processor is waited for so many times as long
_CRASHED = (
    "ended the process that reads it, twice",
    "It is probably damaged: please report it with the file",
    "E_CRASH",
)
_LATE = ("gave no piece within {} seconds", "It is probably damaged, or far too large", "E_TIMEOUT")


def default_workers() -> int:
    """One reading process a core, without the one that the model needs."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


class Readers(Protocol):
    """Files to pieces."""

    def read(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Iterator[Found | SoundPart | ItemError]]]:
        """Each request with its results, in the order of the requests.

        The results raise what :func:`mmbert_indexer.reading.results` raises, at the first of them.
        """
        ...

    def close(self) -> None:
        """End what is running."""


class InThisProcess:
    """No other process: for a debugger, and where a thousand small builds follow each other. Bounds nothing."""

    def read(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Iterator[Found | SoundPart | ItemError]]]:
        """Each request with its results."""
        for request in requests:
            yield request, results(request)

    def close(self) -> None:
        """Nothing is running."""


class WorkerPool:
    """``n`` reading processes, started with the first request.

    Each has bounded memory (``RLIMIT_AS``) and time a piece. One that ends or hangs costs its file: the file is tried
    once more by a new process (the first may have been ended for memory that others took) and then refused.

    Args:
        n: Processes.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._opening = _Opening()

    def read(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Iterator[Found | SoundPart | ItemError]]]:
        """Each request with its results; the next files are being read meanwhile.

        Where the pool is closed meanwhile, by another thread, the results that are still missing are an ``E_STOPPED``.
        """
        opening = self._opening
        ahead: deque[tuple[Request, queue.Queue[Any]]] = deque()
        cost = 0
        for request in requests:
            answers: queue.Queue[Any] = queue.Queue(PIECES_AHEAD)
            ahead.append((request, answers))
            cost += _cost(request)
            if len(opening.drivers) < self._n:
                opening.start_one()
            opening.waiting.put((request, answers))
            while cost > FILES_AHEAD * self._n:
                cost -= _cost(ahead[0][0])
                yield _taken(*ahead.popleft(), opening.ended)
        while ahead:
            yield _taken(*ahead.popleft(), opening.ended)

    def close(self) -> None:
        """End the processes, whatever they are doing. The next request starts others."""
        opening, self._opening = self._opening, _Opening()
        opening.close()


class _Opening:
    """The processes of a pool from its first request until it is closed."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[tuple[Request, queue.Queue[Any]] | None] = queue.SimpleQueue()
        self.ended = threading.Event()
        self.drivers: list[_Driver] = []
        self._starting = threading.Lock()  # another thread may close what this one opens

    def start_one(self) -> None:
        """Start a process and the thread that talks to it, unless all were ended meanwhile."""
        with self._starting:
            if not self.ended.is_set():
                driver = _Driver(self.waiting, self.ended)
                driver.start()
                self.drivers.append(driver)

    def close(self) -> None:
        """End all of them."""
        with self._starting:
            self.ended.set()
        for driver in self.drivers:
            driver.kill()
            self.waiting.put(None)
        for driver in self.drivers:
            driver.join()


def _cost(request: Request) -> int:
    return A_RECORDING if request.state.path.lower().endswith(RECORDINGS) else 1


def _taken(
    request: Request, answers: queue.Queue[Any], ended: threading.Event
) -> tuple[Request, Iterator[Found | SoundPart | ItemError]]:
    def pieces() -> Iterator[Found | SoundPart | ItemError]:
        while (answer := _next(request, answers, ended)) is not END:
            if isinstance(answer, BaseException) and not isinstance(answer, ItemError):
                raise answer
            yield answer

    return request, pieces()


def _next(request: Request, answers: queue.Queue[Any], ended: threading.Event) -> Any:
    while True:
        try:
            return answers.get(timeout=0.5)
        except queue.Empty:
            if ended.is_set():
                fault, hint = "was not read to its end: reading was stopped", "Read it again"
                raise ItemError(request.state.path, fault, hint, code="E_STOPPED") from None


class _Gone(Exception):
    """The process ended."""


class _Late(Exception):
    """The process gave nothing for too long."""


class _Driver(threading.Thread):
    """Talks to one process, and starts it anew where it ended."""

    def __init__(
        self, waiting: queue.SimpleQueue[tuple[Request, queue.Queue[Any]] | None], ended: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self._waiting, self._ended = waiting, ended
        self._process: subprocess.Popen[bytes] | None = None
        self._stdin: IO[bytes]
        self._stdout: IO[bytes]

    def run(self) -> None:
        """Take requests until the pool is closed."""
        while (job := self._waiting.get()) is not None and not self._ended.is_set():
            request, answers = job
            try:
                self._file(request, answers)
            except Exception as fault:  # a mistake of ours reaches the build, and no thread dies silently
                _put(answers, fault, self._ended)
        self._stop()

    def kill(self) -> None:
        """End the process. Its pipes are closed by the thread that reads them."""
        if (process := self._process) is not None:
            process.kill()

    def _file(self, request: Request, answers: queue.Queue[Any]) -> None:
        path, given = request.state.path, 0
        for last in (False, True):
            try:
                for n, answer in enumerate(self._answers(request)):
                    if n >= given:  # the second time, what the first gave is left out
                        _put(answers, answer, self._ended)
                        given += 1
                break
            except (_Gone, BadFrame):
                self._stop()
                fault, hint, code = _CRASHED
            except _Late:
                self._stop()
                fault, hint, code = _LATE[0].format(READ_SECONDS), *_LATE[1:]
                last = True
            if self._ended.is_set():
                return
            if last:
                _put(answers, ItemError(path, fault, hint, code=code), self._ended)
                break
        _put(answers, END, self._ended)

    def _answers(self, request: Request) -> Iterator[Found | SoundPart | ItemError | FileChanged | OSError]:
        if self._process is None:
            self._start()
        try:
            self._stdin.write(request_line(request))
        except (OSError, ValueError):
            raise _Gone from None
        while (answer := read_frame(self._take)) != END:
            if isinstance(answer, dict) or not belongs(answer, request):
                raise BadFrame(str(answer)[:80])
            yield answer

    def _start(self) -> None:
        """Start a process and wait until it is ready.

        Raises:
            UsageError: that is not possible here, which no file is to blame for.
        """
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        # One thread each: the pool is the parallelism, and threads take address space.
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = [sys.executable, "-P", "-m", "mmbert_indexer.worker", str(READ_SECONDS)]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL  # nowhere: what C libraries say of damaged files
        try:
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, env=environment, bufsize=0)
            self._process = process
            self._stdin, self._stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            if (
                self._ended.is_set() or read_frame(self._take) != READY
            ):  # ended meanwhile: nobody else knows of this process
                raise _Gone
        except (OSError, _Gone, _Late, BadFrame) as e:
            self._stop()
            if self._ended.is_set():
                raise _Gone from None
            fault = f"a process that reads files cannot be started ({str(e) or 'it ended at once'})"
            raise UsageError("--workers", fault, "Give --workers 0 to read in the build's own process") from e

    def _take(self, n: int) -> bytes:
        """Exactly ``n`` bytes from the process.

        Raises:
            _Gone: it ended.
            _Late: it was ended for its use of the processor, or waits for what never comes.
        """
        parts = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while len(parts) < n:
                if not selector.select(PATIENCE * READ_SECONDS):
                    raise _Late
                if not (data := os.read(self._stdout.fileno(), n - len(parts))):
                    raise _Late if self._process and self._process.wait() == -signal.SIGXCPU else _Gone
                parts += data
        return bytes(parts)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self._stdin.close()
            self._stdout.close()


def _put(answers: queue.Queue[Any], answer: Any, ended: threading.Event) -> None:
    """Hand over an answer; wait while the build has enough of this file, but not for a build that is gone."""
    while not ended.is_set():
        try:
            return answers.put(answer, timeout=0.2)
        except queue.Full:
            continue
