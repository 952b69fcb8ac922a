"""One file to its pieces, made ready for the model, however the file behaves meanwhile."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import mmbert
from mmbert.errors import ItemError, MissingExtraError
from mmbert.items import load_items
from mmbert.prepare import Prepared, prepare
from mmbert.symbolic.melody import voices
from mmbert.symbolic.phrase_lines import PhraseLines, phrase_lines
from mmbert.symbolic.score import Score
from mmbert.symbolic.tune_line import TUNE_NOTE, tune_line
from mmbert.types import Item, Kind
from mmbert_indexer.scan import FileState, hashed, look


@functools.cache
def reader_version() -> str:
    """Digest of the code that reads and measures files: what older code refused is tried again by newer."""
    root = Path(mmbert.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.glob("items/*.py"), *root.glob("symbolic/*.py"), root / "prepare.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class FileChanged(Exception):
    """The file is not what it was when it was scanned; ``state`` is what it is now."""

    def __init__(self, state: FileState) -> None:
        super().__init__(state.path)
        self.state = state


@dataclass(frozen=True)
class Request:
    """A file to be read.

    Attributes:
        state: The file as it was scanned.
        kinds: Kinds of items that the weights can embed.
        known: Numbers of its pieces that have vectors already: they are named, not made ready.
        to_show: The file is an example to search by: its first piece comes with its notes, and none is made ready.
    """

    state: FileState
    kinds: frozenset[str]
    known: frozenset[int] = frozenset()
    to_show: bool = False


@dataclass(frozen=True)
class Found:
    """One piece of a file.

    Attributes:
        number: Which piece within the file.
        kind: What it is.
        metadata: What the file states in words.
        ready: The piece for the model, or why it cannot be embedded; None where its number was known.
        parse_seconds: What reading it took.
        score: Its notes, of the first piece of a file that is to be shown.
        melody: Its melody, ``TUNE_NOTE`` [n]; empty where it has none.
        phrases: Its phrases; empty where it has none.
    """

    number: int
    kind: Kind
    metadata: Mapping[str, str]
    ready: Prepared | ItemError | None
    parse_seconds: float
    score: Score | None = None
    melody: np.ndarray = field(default_factory=lambda: np.zeros(0, TUNE_NOTE))
    phrases: PhraseLines = field(default_factory=PhraseLines.none)


def results(request: Request) -> Iterator[Found | ItemError]:
    """The pieces of a file, and in place of those that cannot be read, why.

    Raises:
        FileChanged: before anything is given.
        OSError: before anything is given: the file cannot be looked at any more.
    """
    pieces = _read(request.state)
    given = False
    while True:
        start = time.perf_counter()
        piece = next(pieces, None)
        seconds = time.perf_counter() - start
        if piece is None:
            return
        if isinstance(piece, ItemError):
            yield piece
            continue
        named = request.to_show or piece.source.number in request.known
        ready = None if named else _ready(piece, request.kinds)
        score = piece.score if request.to_show and not given else None
        given = True
        lines = _lines(piece, request.to_show)
        if isinstance(lines, ItemError):
            yield lines
            continue
        yield Found(piece.source.number, piece.kind, piece.metadata, ready, seconds, score, *lines)


def _ready(item: Item, kinds: frozenset[str]) -> Prepared | ItemError:
    try:
        return prepare(item, kinds)
    except ItemError as e:
        return e
    except MemoryError:
        raise
    except Exception as e:
        return _mistake(str(item.source.path), "could not be measured", e, "encode")


def _lines(item: Item, to_show: bool) -> tuple[np.ndarray, PhraseLines] | ItemError:
    """Melody and phrases."""
    if item.score is None or to_show:
        return np.zeros(0, TUNE_NOTE), PhraseLines.none()
    try:
        found = voices(item.score)
        return tune_line(item.score, found), phrase_lines(item.score, found)
    except MemoryError:
        raise
    except Exception as e:
        return _mistake(str(item.source.path), "has a melody that could not be found", e, "encode")


def _read(state: FileState) -> Iterator[Item | ItemError]:
    """The pieces as they are read.

    They carry the digest of the bytes that they were read from, so one look at it tells whether the file is still
    the one that was scanned; where nothing could be read, size, time and digest must be as they were.
    """
    refused: list[ItemError] = []
    given = changed = False
    try:
        for item in load_items(Path(state.path), on_reject=refused.append):
            if changed := item.source.sha256 != state.sha256:
                break
            given = True
            yield from refused
            refused.clear()
            yield item
    except MissingExtraError as e:
        fault = f"needs {e.subject}, which is not installed"
        refused.append(ItemError(state.path, fault, e.hint, code="E_MISSING_EXTRA"))
    except MemoryError:
        raise
    except Exception as e:
        refused.append(_mistake(state.path, "could not be read", e, "decode"))
    if not given:
        now = hashed(look(state.path))
        if changed or now.sha256 != state.sha256:
            raise FileChanged(now)
    yield from refused


def _mistake(path: str, what: str, error: Exception, stage: str) -> ItemError:
    fault = f"{what} ({type(error).__name__}: {str(error)[:200]})"
    hint = "This is a fault of mmbert: please report it with the file"
    return ItemError(path, fault, hint, code="E_UNEXPECTED", stage=stage)
