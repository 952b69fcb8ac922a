"""One file to its pieces, made ready for the model, however the file behaves meanwhile."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import mmbert
from mmbert.audio.chroma import score_chroma
from mmbert.audio.heard_tune import heard_tune
from mmbert.audio.listen import Listener
from mmbert.audio.sounds import default_ear
from mmbert.errors import ItemError, MissingExtraError
from mmbert.items import load_items
from mmbert.items.limits import LIMITS, Limits
from mmbert.prepare import Prepared, prepare, prepare_heard
from mmbert.symbolic.melody import voices
from mmbert.symbolic.phrase_lines import PhraseLines, phrase_lines
from mmbert.symbolic.score import Score
from mmbert.symbolic.tune_line import TUNE_NOTE, tune_line
from mmbert.types import Item, Kind
from mmbert_indexer.scan import FileState, hashed, look

_NO_CHROMA = np.zeros((0, 12), np.uint8)
_HEARD_BY = (
    "items/recording.py", "items/sound_stream.py", "items/sound_ends.py", "items/mp3_runs.py", "audio/resampled.py",
    "audio/listen.py", "audio/mel.py", "audio/chroma.py", "audio/tempo.py", "audio/mn04.py", "audio/ears.py",
    "audio/sounds.py", "audio/windows.py", "symbolic/keys.py", "prepare.py",
)  # fmt: skip
"""Code that decides what is heard in a recording, beside the network's own files."""


@functools.cache
def reader_version() -> str:
    """Digest of the code that reads and measures files: what older code refused is tried again by newer."""
    root = Path(mmbert.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(
        [*(p for room in ("items", "symbolic", "audio") for p in root.glob(f"{room}/*.py")), root / "prepare.py"]
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def ears_version() -> str:
    """Digest of the network and the code that hear recordings: what others heard is heard again, scores are not read.

    A network that is missing is missed by the first recording, not by a build of scores.
    """
    root, network = Path(mmbert.__file__).parent, default_ear()
    digest = hashlib.sha256()
    for path in [*(root / name for name in _HEARD_BY), *sorted(network.glob("*.json")), *network.glob("*.safetensors")]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
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
        to_show: The file is an example to search by: its first piece comes with its notes, and none but a recording is
            made ready.
        as_melody: Of a recording the notes of its tune are wanted, in free time, and not what is heard in it.
        longest_s: A recording that is longer is refused; where it states its length, before it is heard.
    """

    state: FileState
    kinds: frozenset[str]
    known: frozenset[int] = frozenset()
    to_show: bool = False
    as_melody: bool = False
    longest_s: float = LIMITS.recording_seconds


@dataclass(frozen=True)
class Found:
    """One piece of a file.

    Attributes:
        number: Which piece within the file.
        kind: What it is.
        metadata: What the file states in words.
        ready: The piece for the model, or why it cannot be embedded; None where its number was known.
        parse_seconds: What reading it took.
        score: Its notes, of the first piece of a file that is to be shown; of a recording those of its tune.
        melody: Its melody, ``TUNE_NOTE`` [n]; empty where it has none.
        phrases: Its phrases; empty where it has none.
        chroma: Its chroma sequence, uint8 [n, 12]; empty where it has none.
    """

    number: int
    kind: Kind
    metadata: Mapping[str, str]
    ready: Prepared | ItemError | None
    parse_seconds: float
    score: Score | None = None
    melody: np.ndarray = field(default_factory=lambda: np.zeros(0, TUNE_NOTE))
    phrases: PhraseLines = field(default_factory=PhraseLines.none)
    chroma: np.ndarray = field(default_factory=lambda: _NO_CHROMA)


@dataclass(frozen=True)
class SoundPart:
    """Some of a recording, for the network; the piece follows when all of it was given.

    Attributes:
        mel: Log-mel frames, float16 [n, 128].
    """

    mel: np.ndarray


def results(request: Request) -> Iterator[Found | SoundPart | ItemError]:
    """The pieces of a file, and in place of those that cannot be read, why.

    Raises:
        FileChanged: before anything is given.
        OSError: before anything is given: the file cannot be looked at any more.
    """
    pieces = _read(request.state, replace(LIMITS, recording_seconds=request.longest_s))
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
        known = piece.source.number in request.known
        if piece.recording is not None and request.as_melody:
            yield _tune(piece, seconds)
            continue
        if piece.kind == "recording" and "recording" in request.kinds and not known:
            yield from _heard(piece, seconds)
            continue
        ready = None if known or request.to_show else _ready(piece, request.kinds)
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


def _heard(item: Item, seconds: float) -> Iterator[Found | SoundPart | ItemError]:
    """A recording as it is listened to; a fault that is only found there refuses it as a whole."""
    assert item.recording is not None
    start, listener = time.perf_counter(), Listener(item.recording)
    try:
        for mel in listener.parts():
            yield SoundPart(mel)
        ready = prepare_heard(item, listener.facts())
    except ItemError as e:
        yield e
    except MissingExtraError as e:
        yield _missing(str(item.source.path), e)
    except MemoryError:
        raise
    except Exception as e:
        yield _mistake(str(item.source.path), "could not be listened to", e, "decode")
    else:
        seconds += time.perf_counter() - start
        yield Found(item.source.number, item.kind, ready.item.metadata, ready, seconds, chroma=ready.chroma)


def _tune(item: Item, seconds: float) -> Found | ItemError:
    """What is hummed, sung or played in a recording, as notes in free time."""
    start, path = time.perf_counter(), str(item.source.path)
    try:
        score = heard_tune(item)
    except ItemError as e:
        return e
    except MissingExtraError as e:
        return _missing(path, e)
    except MemoryError:
        raise
    except Exception as e:
        return _mistake(path, "could not be transcribed", e, "decode")
    return Found(item.source.number, "recording", item.metadata, None, seconds + time.perf_counter() - start, score)


def _lines(item: Item, to_show: bool) -> tuple[np.ndarray, PhraseLines, np.ndarray] | ItemError:
    """Melody, phrases and chroma sequence."""
    if item.score is None or to_show:
        return np.zeros(0, TUNE_NOTE), PhraseLines.none(), _NO_CHROMA
    try:
        found = voices(item.score)
        return tune_line(item.score, found), phrase_lines(item.score, found), score_chroma(item.score)
    except MemoryError:
        raise
    except Exception as e:
        return _mistake(str(item.source.path), "has a melody that could not be found", e, "encode")


def _read(state: FileState, limits: Limits) -> Iterator[Item | ItemError]:
    """The pieces as they are read.

    They carry the digest of the bytes that they were read from, so one look at it tells whether the file is still
    the one that was scanned; where nothing could be read, size, time and digest must be as they were.
    """
    refused: list[ItemError] = []
    given = changed = False
    try:
        for item in load_items(Path(state.path), limits=limits, on_reject=refused.append):
            if changed := item.source.sha256 != state.sha256:
                break
            given = True
            yield from refused
            refused.clear()
            yield item
    except MissingExtraError as e:
        refused.append(_missing(state.path, e))
    except MemoryError:
        raise
    except Exception as e:
        refused.append(_mistake(state.path, "could not be read", e, "decode"))
    if not given:
        now = hashed(look(state.path))
        if changed or now.sha256 != state.sha256:
            raise FileChanged(now)
    yield from refused


def _missing(path: str, error: MissingExtraError) -> ItemError:
    return ItemError(path, f"needs {error.subject}, which is not installed", error.hint, code="E_MISSING_EXTRA")


def _mistake(path: str, what: str, error: Exception, stage: str) -> ItemError:
    fault = f"{what} ({type(error).__name__}: {str(error)[:200]})"
    hint = "This is a fault of mmbert: please report it with the file"
    return ItemError(path, fault, hint, code="E_UNEXPECTED", stage=stage)
