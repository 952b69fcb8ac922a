"""A reading process: takes requests on its standard input, answers with frames on its standard output.

It imports no torch, holds no library open, and may be ended at any moment. Started by
:mod:`mmbert_indexer.workers` as ``python -m mmbert_indexer.worker SECONDS``.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import BinaryIO

from mmbert.errors import ItemError
from mmbert_indexer.reading import FileChanged, results
from mmbert_indexer.wire import END, READY, frame, read_request

READ_MEMORY = 2 << 30  # bytes of address space
READ_SECONDS = 30  # of processor time, without a piece
_MEMORY = ("needs more memory to be measured than there is", "It is probably damaged", "E_MEMORY")


def main(seconds: int) -> None:
    """Answer requests until the input ends; ``seconds`` of processor time a piece, then the system ends the process."""
    # Ctrl-C reaches the whole group of processes; it is the build that decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _bound(resource.RLIMIT_AS, READ_MEMORY)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Libraries print what they like: the pipe is for frames alone.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    out.write(frame(READY))
    out.flush()
    for line in sys.stdin.buffer:
        answer(line, out, seconds)


def answer(line: bytes, out: BinaryIO, seconds: int) -> None:
    """All frames for one request."""
    request = read_request(line)
    _more_time(seconds)
    try:
        for result in results(request):
            out.write(frame(result))
            out.flush()
            _more_time(seconds)
    except (FileChanged, OSError) as e:
        out.write(frame(e))
    except MemoryError:
        fault, hint, code = _MEMORY
        out.write(frame(ItemError(request.state.path, fault, hint, code=code)))
    out.write(frame(END))
    out.flush()


def _more_time(seconds: int) -> None:
    """Until the next piece. The processor's time, so that a busy machine makes no file late; what spins after its build
    was killed ends by itself."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _bound(resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime + seconds) + 1)


def _bound(what: int, most: int) -> None:
    """Set a soft limit, within what the system allows us."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
