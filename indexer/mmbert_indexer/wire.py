"""How a reading process tells what it found: JSON and plain arrays, so that nothing it sends is ever unpickled.

A reading process has read strangers' files; if one of them took it over, what it sends must be data and no code.
A frame is a head (length of the rest of it, JSON) and the bytes of the arrays that the head describes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from mmbert.audio.listen import MOST_FRAMES
from mmbert.audio.mel import MELS
from mmbert.errors import ItemError
from mmbert.items.limits import LIMITS
from mmbert.prepare import Prepared
from mmbert.symbolic.phrase_lines import PHRASE, PHRASE_NOTE, PhraseLines, possible
from mmbert.symbolic.score import KEY, METRE, NOTE, TEMPO, Part, Score
from mmbert.symbolic.tune_line import TUNE_NOTE
from mmbert.symbolic.windows import PASSAGE_NOTES
from mmbert.text.chunks import CHUNK
from mmbert.types import Facets, Item, Kind, Place, Source
from mmbert_indexer.reading import FileChanged, Found, Request, SoundPart
from mmbert_indexer.scan import FileState

_LENGTH = struct.Struct("<I")
MOST_HEAD, MOST_ARRAY = 64 << 20, 1 << 30  # bytes; a frame beyond is damage
# The arrays of a piece, in order: columns (0: a vector) and type.
_ARRAYS = {
    "tokens": (8, "<i2"),
    "passages": (0, "<i4"),
    "segments": (0, "<i4"),
    "bars": (0, "<i4"),
    "spans": (3, "<i4"),
}

_MAPS = {"notes": NOTE, "tempo_map": TEMPO, "metre_map": METRE, "key_map": KEY}  # of a score, in order

READY: dict[str, Any] = {"is": "ready"}  # the first frame of a process
END: dict[str, Any] = {"is": "end"}  # the last of a request


class BadFrame(Exception):
    """What came is no frame: the process that sent it is damaged."""


def request_line(request: Request) -> bytes:
    """A request as one line of JSON. ASCII, so that a file name of any bytes can be written."""
    head = asdict(request) | {"kinds": sorted(request.kinds), "known": sorted(request.known)}
    return json.dumps(head).encode("ascii") + b"\n"


def read_request(line: bytes) -> Request:
    """Inverse of :func:`request_line`."""
    head = json.loads(line)
    sets = {name: frozenset(head[name]) for name in ("kinds", "known")}
    return Request(**head | sets | {"state": FileState(**head["state"])})


Message = Found | SoundPart | ItemError | FileChanged | OSError


def frame(message: Message | dict[str, Any]) -> bytes:
    """One message as bytes."""
    arrays: list[bytes] = []
    head = message if isinstance(message, dict) else _head(message, arrays)
    data = json.dumps(head).encode("ascii")
    return b"".join([_LENGTH.pack(len(data)), data, *arrays])


def read_frame(take: Callable[[int], bytes]) -> Message | dict[str, Any]:
    """The next message.

    Args:
        take: Gives exactly so many bytes.

    Raises:
        BadFrame: what comes is no frame.
    """
    (length,) = _LENGTH.unpack(take(_LENGTH.size))
    if length > MOST_HEAD:
        raise BadFrame(f"a head of {length} bytes")
    try:
        return _message(json.loads(take(length)), take)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as e:
        raise BadFrame(str(e)) from e


def belongs(message: Message, request: Request) -> bool:
    """Whether a message speaks of the file that was asked for, and of no other."""
    state = request.state
    if isinstance(message, FileChanged):
        return message.state.path == state.path
    if isinstance(message, Found) and isinstance(message.ready, Prepared):
        source = message.ready.item.source
        return (str(source.path), source.sha256, source.number) == (state.path, state.sha256, message.number)
    return True


def _head(message: Message, arrays: list[bytes]) -> dict[str, Any]:
    if isinstance(message, Found):
        head = {"is": "piece", "number": message.number, "kind": message.kind, "metadata": dict(message.metadata)}
        head["parse_seconds"] = message.parse_seconds
        if isinstance(message.ready, Prepared):
            head["prepared"] = _prepared_head(message.ready, arrays)
        elif message.ready is not None:
            head["refused"] = _error_head(message.ready)
        if message.score is not None:
            head["score"] = _score_head(message.score, arrays)
        head["melody"] = len(message.melody)
        arrays.append(np.ascontiguousarray(message.melody, dtype=TUNE_NOTE).tobytes())
        phrases = message.phrases
        head["phrases"] = [len(phrases.heads), len(phrases.notes), phrases.parts]
        head["chroma"] = len(message.chroma)
        arrays += [phrases.heads.tobytes(), phrases.notes.tobytes(), message.chroma.tobytes()]
        return head
    if isinstance(message, SoundPart):
        arrays.append(np.ascontiguousarray(message.mel, dtype="<f2").tobytes())
        return {"is": "sound", "frames": len(message.mel)}
    if isinstance(message, ItemError):
        return {"is": "refused", "refused": _error_head(message)}
    if isinstance(message, FileChanged):
        return {"is": "changed", "state": asdict(message.state)}
    return {"is": "gone", "errno": message.errno or 0, "strerror": message.strerror or str(message)}


def _message(head: dict[str, Any], take: Callable[[int], bytes]) -> Any:
    if head["is"] == "piece":
        ready: Prepared | ItemError | None = None
        if "prepared" in head:
            ready = _prepared(head, take)
        elif "refused" in head:
            ready = _error(head["refused"])
        score = _score(head["score"], take) if "score" in head else None
        melody = _melody(head["melody"], take)
        phrases = _phrases(head["phrases"], take)
        chroma = _rows(12 * head["chroma"], np.dtype(np.uint8), take).reshape(-1, 12)
        number, kind, metadata = int(head["number"]), head["kind"], head["metadata"]
        words = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
        if number < 0 or kind not in get_args(Kind) or not words:
            raise BadFrame("a piece that cannot be")
        return Found(number, kind, metadata, ready, float(head["parse_seconds"]), score, melody, phrases, chroma)
    if head["is"] == "sound":
        return _sound(head["frames"], take)
    if head["is"] == "refused":
        return _error(head["refused"])
    if head["is"] == "changed":
        return FileChanged(FileState(**head["state"]))
    if head["is"] == "gone":
        return OSError(int(head["errno"]), head["strerror"])  # of the class that belongs to the number
    return head


def _sound(frames: int, take: Callable[[int], bytes]) -> SoundPart:
    if not 0 <= frames <= MOST_FRAMES:
        raise BadFrame(f"{frames} frames of sound")
    mel = np.frombuffer(take(2 * MELS * frames), dtype="<f2").reshape(frames, MELS)
    if not np.isfinite(mel).all():
        raise BadFrame("sound that cannot be")
    return SoundPart(mel)


def _melody(rows: int, take: Callable[[int], bytes]) -> np.ndarray:
    line = _rows(rows, TUNE_NOTE, take)
    times = np.stack([line[name].astype(np.float64) for name in ("onset", "second", "duration")])
    if not (
        np.isfinite(times).all() and (times >= 0).all() and (line["bar"] >= 0).all() and (line["pitch"] < 128).all()
    ):
        raise BadFrame("a melody that cannot be")
    return line


def _phrases(told: list[Any], take: Callable[[int], bytes]) -> PhraseLines:
    heads, notes, parts = told
    named = tuple((str(name), int(program)) for name, program in parts)
    lines = PhraseLines(_rows(heads, PHRASE, take), _rows(notes, PHRASE_NOTE, take), named)
    if not possible(lines):
        raise BadFrame("phrases that cannot be")
    return lines


def _rows(rows: int, kind: np.dtype, take: Callable[[int], bytes]) -> np.ndarray:
    if not 0 <= rows <= MOST_ARRAY // kind.itemsize:
        raise BadFrame(f"{rows} rows")
    return np.frombuffer(take(rows * kind.itemsize), dtype=kind)


def _error_head(error: ItemError) -> list[str]:
    return [error.subject, error.fault, error.hint, error.code, error.stage]


def _error(fields: list[str]) -> ItemError:
    subject, fault, hint, code, stage = map(str, fields)
    return ItemError(subject, fault, hint, code=code, stage=stage)


def _prepared_head(ready: Prepared, arrays: list[bytes]) -> dict[str, Any]:
    source = ready.item.source
    for name, (_, kind) in _ARRAYS.items():
        arrays.append(np.ascontiguousarray(getattr(ready, name), dtype=kind).tobytes())
    return {
        "source": [str(source.path), source.sha256, source.number, source.size],
        "facets": {k: getattr(v, "item", lambda v=v: v)() for k, v in ready.facets.known().items()},
        "places": [[p.start_s, p.end_s, p.start_bar, p.end_bar] for p in ready.places],
        "seconds": ready.seconds,
        "rows": [len(getattr(ready, name)) for name in _ARRAYS],
        "chunks": ready.chunks,
    }


def _prepared(head: dict[str, Any], take: Callable[[int], bytes]) -> Prepared:
    own = head["prepared"]
    path, sha256, number, size = own["source"]
    arrays: dict[str, Any] = {}
    for rows, (name, (columns, kind)) in zip(own["rows"], _ARRAYS.items(), strict=True):
        size_of = np.dtype(kind).itemsize * max(1, columns)
        if not 0 <= rows <= MOST_ARRAY // size_of:
            raise BadFrame(f"{rows} rows")
        flat = np.frombuffer(take(rows * size_of), dtype=kind)
        arrays[name] = flat.reshape(-1, columns) if columns else flat
    if not _consistent(**arrays):
        raise BadFrame("octuples that cannot be")
    chunks = tuple(own["chunks"])
    sound = all(isinstance(chunk, str) and len(chunk) <= CHUNK for chunk in chunks)
    if not sound or bool(chunks) != (head["kind"] == "text") or len(chunks) > LIMITS.text_chunks:
        raise BadFrame("passages of a text that cannot be")
    return Prepared(
        item=Item(head["kind"], Source(Path(path), sha256, number, size), head["metadata"]),
        facets=Facets.from_known(own["facets"]),
        places=tuple(Place(*p) for p in own["places"]),
        seconds=(float(own["seconds"][0]), float(own["seconds"][1])),
        chunks=chunks,
        **arrays,
    )


def _consistent(
    tokens: np.ndarray, passages: np.ndarray, segments: np.ndarray, bars: np.ndarray, spans: np.ndarray
) -> bool:
    """Whether the arrays of a piece refer to each other: what the model would take memory for is there."""
    begin, low, high = spans.T
    return bool(
        (passages > 0).all()
        and (passages <= PASSAGE_NOTES).all()
        and passages.sum() == len(tokens) == len(segments)
        and (segments >= 0).all()
        and (segments < len(bars)).all()
        and (begin >= 0).all()
        and (low >= 0).all()
        and (low < high).all()
        and (high <= len(bars)).all()
    )


def _score_head(score: Score, arrays: list[bytes]) -> dict[str, Any]:
    arrays += [np.ascontiguousarray(getattr(score, name), dtype=kind).tobytes() for name, kind in _MAPS.items()]
    return {
        "ticks_per_quarter": score.ticks_per_quarter,
        "parts": [asdict(part) for part in score.parts],
        "rows": [len(getattr(score, name)) for name in _MAPS],
        "goes_on": score.goes_on,
    }


def _score(head: dict[str, Any], take: Callable[[int], bytes]) -> Score:
    arrays = {}
    for rows, (name, kind) in zip(head["rows"], _MAPS.items(), strict=True):
        arrays[name] = _rows(rows, kind, take)
    parts = tuple(Part(**part) for part in head["parts"])
    score = Score(
        ticks_per_quarter=int(head["ticks_per_quarter"]), parts=parts, goes_on=bool(head["goes_on"]), **arrays
    )
    notes, tempo, metre = score.notes, score.tempo_map, score.metre_map
    sound = (
        score.ticks_per_quarter > 0
        and (notes["onset"] >= 0).all()
        and (notes["duration"] >= 0).all()
        and (notes["pitch"] < 128).all()
        and (notes["program"] < 128).all()
        and (notes["part"] >= 0).all()
        and (notes["part"] < len(score.parts)).all()
        and (np.isfinite(tempo["bpm"]) & (tempo["bpm"] > 0)).all()
        and (metre["numerator"] > 0).all()
        and (metre["denominator"] > 0).all()
    )
    if not sound:
        raise BadFrame("a score that cannot be")
    return score
