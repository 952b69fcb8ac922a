"""Recordings of the library as files: found by id, known to be unchanged, handed out as they are or as a WAV.

All bytes of a file are compared with what the library was built from when it is first asked for; after that its size,
times and number on the disk say whether it is still the same.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmbert.errors import ItemError, LibraryError
from mmbert.items.sound_stream import SoundStream
from mmbert_ui.ranges import Whole
from mmbert_ui.render import wave_header
from mmbert_ui.waveform import Waveform, waveform

KEPT = 512  # recordings that are known to be unchanged, and their pictures
_LOCKS = 64
_BLOCK = 256 * 1024  # bytes
_BLOCK_FRAMES = 32_768
_HEADER, _MOST_BYTES = 44, 2**32 - 1  # of a WAV
# What browsers play, by libsndfile's names of container and coding. Whatever they refuse all the same is asked for as
# a WAV.
_PLAYED = {
    ("WAV", "PCM_U8"): "audio/wav", ("WAV", "PCM_16"): "audio/wav", ("WAV", "PCM_24"): "audio/wav",
    ("WAV", "PCM_32"): "audio/wav", ("WAV", "FLOAT"): "audio/wav", ("WAVEX", "PCM_16"): "audio/wav",
    ("WAVEX", "PCM_24"): "audio/wav", ("WAVEX", "FLOAT"): "audio/wav", ("FLAC", "PCM_16"): "audio/flac",
    ("FLAC", "PCM_24"): "audio/flac", ("FLAC", "PCM_S8"): "audio/flac", ("OGG", "VORBIS"): "audio/ogg",
    ("OGG", "OPUS"): "audio/ogg", ("MP3", "MPEG_LAYER_III"): "audio/mpeg", ("MPEG", "MPEG_LAYER_III"): "audio/mpeg",
}  # fmt: skip


@dataclass(frozen=True)
class RecordingFile:
    """A recording that holds what the library was built from.

    Attributes:
        id: Of the piece.
        path: Its file.
        state: Size, modification time, number and disk of the file.
        duration_s: Seconds that could be decoded.
        sample_rate: Hz.
        channels: Of the file.
        media_type: For browsers; empty where they do not play the file, or another part of it than was read.
    """

    id: str
    path: Path
    state: tuple[int, ...]
    duration_s: float
    sample_rate: int
    channels: int
    media_type: str

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, if it is still the one that was looked at.

        Raises:
            LibraryError: it is not.
            OSError: it is gone.
        """
        with self.path.open("rb") as f:
            if _state(os.fstat(f.fileno())) != self.state:
                raise _changed(self.path)
            yield f

    def decoded(self) -> SoundStream:
        """Its sound, if it is still the file that was looked at.

        Raises:
            LibraryError: it is not.
            ItemError: it cannot be decoded.
        """
        sound = _decoded(self.path, self.duration_s)
        if _state_of(self.path) != self.state:
            sound.close()
            raise _changed(self.path)
        return sound

    def whole(self) -> Whole:
        """The file as it is where browsers play it, else as a WAV."""
        return self.as_it_is(self.media_type) if self.media_type else self.wave()

    def as_it_is(self, media_type: str) -> Whole:
        """The file's own bytes."""
        return Whole(self.state[0], media_type, self._bytes, self.id)

    def wave(self) -> Whole:
        """The recording as a WAV of 16 bits, which is made where it is read; what is more than stereo becomes mono."""
        channels = self.channels if self.channels <= 2 else 1
        frames = round(self.duration_s * self.sample_rate)
        frames = min(frames, (_MOST_BYTES - _HEADER) // (2 * channels))
        size = _HEADER + frames * 2 * channels
        return Whole(
            size, "audio/wav", lambda start, stop: self._converted(frames, channels, start, stop), f"{self.id}-wav"
        )

    def _bytes(self, start: int, stop: int) -> Iterator[bytes]:
        with self.opened() as f:
            f.seek(start)
            while start < stop and (block := f.read(min(_BLOCK, stop - start))):
                start += len(block)
                yield block

    def _converted(self, frames: int, channels: int, start: int, stop: int) -> Iterator[bytes]:
        if start < _HEADER:
            yield wave_header(frames, self.sample_rate, channels)[start:stop]
        at, width = max(start, _HEADER), 2 * channels
        with self.decoded() as sound:
            first = (at - _HEADER) // width
            while at < stop:
                block = _pcm(sound.samples(first, _BLOCK_FRAMES), channels)
                if not len(block):  # shorter than it was: what is left is silence, so that the length holds
                    block = np.zeros((_BLOCK_FRAMES, channels), np.int16)
                data = block.tobytes()[at - _HEADER - first * width :][: stop - at]  # may begin within a frame
                first += len(block)
                at += len(data)
                yield data


class Recordings:
    """Recordings by their id; safe to use from several threads."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, RecordingFile] = OrderedDict()
        self._waveforms: OrderedDict[str, Waveform] = OrderedDict()
        self._guard = threading.Lock()
        self._checking = [threading.Lock() for _ in range(_LOCKS)]  # a long file keeps few others waiting
        self._drawing = threading.Lock()

    def file(self, library: Any, piece_id: str) -> RecordingFile:
        """The file of a recording of the library, unchanged.

        Args:
            library: An open ``mmbert.api.Library``.
            piece_id: Of a recording in it.

        Raises:
            LibraryError: the file is gone or has changed.
            ItemError: it cannot be read.
            MissingExtraError: soundfile is not installed.
        """
        with self._checking[hash(piece_id) % _LOCKS]:
            with self._guard:
                known = self._files.get(piece_id)
            if known is not None and _state_of(known.path) == known.state:
                return known
            checked = _checked(library, piece_id)
            with self._guard:
                _keep(self._files, piece_id, checked)
            return checked

    def waveform(self, library: Any, piece_id: str) -> Waveform:
        """How loud a recording of the library is over its length; one is read at a time.

        Raises:
            LibraryError, ItemError, MissingExtraError: as :meth:`file`.
        """
        file = self.file(library, piece_id)
        with self._drawing:
            if (known := self._waveforms.get(piece_id)) is None:
                with file.decoded() as sound:
                    known = waveform(sound, file.duration_s)
            _keep(self._waveforms, piece_id, known)
            return known


def _keep(kept: OrderedDict[str, Any], name: str, value: Any) -> None:
    kept[name] = value
    kept.move_to_end(name)
    while len(kept) > KEPT:
        kept.popitem(last=False)


def _checked(library: Any, piece_id: str) -> RecordingFile:
    piece = library.piece(piece_id)
    expected, path = None, Path(piece.path)
    while expected != path:  # its state is looked at before its bytes are: a change meanwhile shows
        expected, state = path, _state_of(path)
        path = library.file(piece_id)
    if state is None:
        raise _changed(path)
    with _decoded(path, piece.facets.duration_s) as sound:
        media_type = _PLAYED.get(sound.kind, "") if sound.as_stated else ""
        seconds = piece.facets.duration_s or sound.frames / sound.sample_rate
        if _state_of(path) != state:
            raise _changed(path)
        return RecordingFile(piece_id, path, state, seconds, sound.sample_rate, sound.channels, media_type)


def _decoded(path: Path, seconds: float | None) -> SoundStream:
    """A file as sound, of which the library read so many seconds.

    Raises:
        ItemError: it cannot be decoded.
        MissingExtraError: soundfile is not installed.
    """
    try:
        return SoundStream(path, seconds)
    except ValueError:
        raise ItemError(str(path), "cannot be decoded", "Build the library again", code="E_NOT_AUDIO") from None


def _pcm(samples: np.ndarray, channels: int) -> np.ndarray:
    """float32 [n, c] as int16 [n, channels]."""
    samples = samples if samples.shape[1] == channels else samples.mean(axis=1, keepdims=True)
    return (np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767).astype(np.int16)


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev


def _state_of(path: Path) -> tuple[int, ...] | None:
    try:
        return _state(path.stat())
    except OSError:
        return None


def _changed(path: Path) -> LibraryError:
    return LibraryError(str(path), "has changed since the library was built", "Build the library again")
