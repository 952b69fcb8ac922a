"""The law for a stranger's file: items that are sound, or reasons; nothing else, and never nothing."""

from __future__ import annotations

import contextlib
import json
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmbert.audio.listen import Listener
from mmbert.audio.mel import MELS
from mmbert.errors import ItemError, MmbertError
from mmbert.facets import TOKENS, tokens_of
from mmbert.items import load_items
from mmbert.prepare import prepare, prepare_heard
from mmbert.symbolic.octuple import SIZES
from mmbert.types import Item

CATCH_ALL = ("E_DAMAGED", "E_UNEXPECTED")  # reasons that tell little


@dataclass
class Outcome:
    """What became of one file.

    Attributes:
        items: Pieces read, measured and encoded.
        reasons: (code, sentence without the path) of what was refused.
        breach: How the law was broken; empty where it holds.
        seconds: CPU of reading, measuring and encoding.
        longest_s: CPU, the most between one piece or reason and the next.
        memory_mb: Largest resident size meanwhile.
        address_mb: Largest address space of the process so far.
    """

    items: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)
    breach: str = ""
    seconds: float = 0.0
    longest_s: float = 0.0
    memory_mb: float = 0.0
    address_mb: float = 0.0


class Breach(Exception):
    """Something that a reader must not give."""


def examine(path: Path, alive: Callable[[], None] = lambda: None) -> Outcome:
    """Reads a file to its end, measures and encodes every piece as a build does, and holds the results to the law.

    Args:
        path: The file.
        alive: Called at every piece and every reason.
    """
    out = Outcome()
    refused: list[ItemError] = []
    _forget_peak()
    began = last = time.process_time()

    def result(fault: ItemError | None = None) -> None:
        nonlocal last
        refused.extend([fault] if fault else [])
        out.items += fault is None
        now = time.process_time()
        out.longest_s, last = max(out.longest_s, now - last), now
        alive()

    try:
        for item in load_items(path, on_reject=result):
            try:
                _sound(item)
                result()
            except ItemError as e:
                result(e)
        for fault in refused:
            _telling(fault)
        if not out.items and not refused:
            raise Breach("neither a piece nor a reason")
    except Breach as e:
        out.breach = str(e)
    except (MmbertError, Exception) as e:
        out.breach = f"{type(e).__name__}: {e}\n{traceback.format_exc(limit=-3)}"
    now = time.process_time()
    out.seconds, out.longest_s = now - began, max(out.longest_s, now - last)
    out.reasons = [(e.code, f"{e.fault}. {e.hint}") for e in refused]
    out.memory_mb, out.address_mb = _peaks()
    return out


def _require(holds: object, what: str) -> None:
    if not holds:
        raise Breach(what)


def _telling(fault: ItemError) -> None:
    _require(fault.code.startswith("E_"), f"a reason with the code {fault.code!r}")
    _require(fault.fault and fault.hint, f"{fault.code} says too little: {fault}")
    _require(len(str(fault)) < 1000, f"{fault.code} says too much: {len(str(fault))} characters")
    _require(fault.fault.isprintable() and fault.hint.isprintable(), f"{fault.code} has control characters")


def _sound(item: Item) -> None:
    """Whether a piece can go to the model and into the records.

    Raises:
        Breach: it cannot.
        ItemError: it cannot be measured, with a reason.
    """
    for name, words in item.metadata.items():
        _require(words and words.isprintable() and len(words) <= 500, f"metadata {name}: {words[:80]!r}")
    if item.recording is not None:
        listener = Listener(item.recording)
        for mel in listener.parts():
            _require(mel.dtype == np.float16 and mel.shape[1:] == (MELS,), "spectra of another form")
            _require(np.isfinite(mel).all(), "spectra that are no numbers")
        heard = prepare_heard(item, listener.facts())
        json.dumps(heard.facets.known() | dict(heard.item.metadata), allow_nan=False)
        _require(heard.places, "a recording without a place")
        return
    _require(item.score is not None and len(item.score.notes), "a score without notes")
    ready = prepare(item, ("score",))
    json.dumps(ready.facets.known() | dict(item.metadata), allow_nan=False)
    _require(set(tokens_of(ready.facets)) <= set(TOKENS), "a facet outside the vocabulary")
    tokens, sizes = ready.tokens, np.array(SIZES)
    _require(len(tokens) == len(item.score.notes) == ready.passages.sum(), "notes that no passage holds")
    _require((tokens >= 0).all() and (tokens < sizes).all(), f"octuples out of range: {tokens.min(0)} {tokens.max(0)}")
    _require((ready.passages <= 256).all() and (ready.segments < len(ready.bars)).all(), "passages out of range")
    edges = np.array([(p.start_s, p.end_s) for p in ready.places])
    _require(len(edges) and np.isfinite(edges).all() and (edges[:, 0] <= edges[:, 1]).all(), "places that are none")
    _require((ready.spans[:, 1] < ready.spans[:, 2]).all(), "a place without a bar")


def _forget_peak() -> None:
    with contextlib.suppress(OSError):  # then the peak is that of the process so far
        Path("/proc/self/clear_refs").write_text("5")


def _peaks() -> tuple[float, float]:
    """Largest resident size since the peak was forgotten and largest address space of the process, MB."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024, int(lines["VmPeak"].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0.0
