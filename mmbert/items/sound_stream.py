"""A file of sound as one stream of samples, by soundfile in blocks: read on where libsndfile would stop.

It stops at damage in an MP3, and where a file states that it ends though another was joined to it, or though whoever
recorded it never came to write its length.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmbert.errors import MissingExtraError
from mmbert.items.mp3_runs import RUNS, mp3_runs, rest
from mmbert.items.sound_ends import Part, WavData, wav_data
from mmbert.items.text import clean

if TYPE_CHECKING:
    from soundfile import SoundFile

PADDED = 6000  # samples that an MP3 may be longer than its sound: what its encoder put before and behind
_BLOCK_FRAMES = 1 << 16
_ROUNDED_S = 0.1  # by which lengths of what is compressed are wrong in whole files: they are estimates
_TAG_S = 1.0  # by which those of MP3s are: tags count as sound
_STATED = {"title": "title", "composer": "artist", "album": "album"}  # metadata of an item, and libsndfile's name


def is_mp3(head: bytes) -> bool:
    """Whether the bytes begin as MP3: with a tag, or a frame whose layer, bit rate and sample rate exist."""
    if head[:3] == b"ID3":
        return True
    return (
        len(head) > 3
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[2] >> 4 not in (0, 15)
        and head[2] & 12 != 12
    )


class SoundStream:
    """One run through the samples of a file.

    Args:
        path: The file.
        seconds: How much of it is known to be read, where that is known.

    Attributes:
        sample_rate: Hz.
        channels: Of its first part; others are made to have as many.
        frames: Samples of each channel, as stated.
        kind: libsndfile's names of container and coding.
        metadata: Title, composer and album, where stated.
        as_stated: Whether it holds what it states, as far as that is known before it is read: no more, nothing missing.
        wav: Of a WAV, where its sound lies.
        runs: Of an MP3, where its frames lie.
        holes: Seconds at which something is missing, as far as it was read.
        broken: Whether the last that was read ends in damage.
        short: Whether it ends before it should.

    Raises:
        ValueError: nothing of it can be decoded.
        MissingExtraError: soundfile is not installed.
    """

    def __init__(self, path: Path, seconds: float | None = None) -> None:
        try:
            import soundfile
        except ImportError:
            raise MissingExtraError.of("soundfile", "audio") from None
        self.holes, self.broken, self.short = list[float](), False, False
        self._path, self._damage = path, soundfile.LibsndfileError
        with path.open("rb") as f:
            head, size = f.read(16), os.fstat(f.fileno()).st_size
        self.wav = wav = wav_data(path, size)
        self.runs = mp3_runs(path) if is_mp3(head) else []
        self._part: Part | None = None
        if len(self.runs) > 1:  # each is decoded by itself
            self._part = Part(path, 0, self.runs[0].end)
        elif wav and wav.behind:  # which libsndfile would stumble over
            if wav.length:
                self._part = Part(path, 0, size - wav.behind)
            else:  # whoever recorded it never came to write its length
                length = min(wav.room, 0xFFFF_FFFF).to_bytes(4, wav.order)
                self._part = Part(path, 0, size, (wav.length_at, length))
        try:
            sound = soundfile.SoundFile(self._part or os.fsencode(path))
        except self._damage:
            if self._part is not None:
                self._part.close()
            raise ValueError(f"path: nothing of {path} can be decoded") from None
        seekable = sound.seekable()
        self._sound = _in_order(sound)
        self.sample_rate, self.channels = int(self._sound.samplerate), int(self._sound.channels)
        self.frames, self.kind = int(self._sound.frames), (str(self._sound.format), str(self._sound.subtype))
        stated = self._sound.copy_metadata()
        words = {ours: clean(stated.get(theirs, "")) for ours, theirs in _STATED.items()}
        self.metadata = {name: text for name, text in words.items() if text}
        missing = 0.0 if seconds is None else abs(self.frames / self.sample_rate - seconds)
        whole = len(self.runs) < 2 and missing <= (_TAG_S if self.runs else _ROUNDED_S)
        self.as_stated = whole and not _unwritten(wav)
        self._seeks = whole and seekable  # behind damage seeking leads elsewhere than reading does
        self._flow, self._waiting, self._at = self._from(0), np.empty((0, self.channels), np.float32), 0

    def __enter__(self) -> SoundStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._sound.close()
        if self._part is not None:  # soundfile leaves a file that it was given open
            self._part.close()

    def blocks(self) -> Iterator[np.ndarray]:
        """float32 [n, channels] of all that can be read, from a stream of which nothing was read; each block comes in
        the memory of the last."""
        return self._flow

    def samples(self, first: int, number: int) -> np.ndarray:
        """So many samples of each channel from one on, float32 [n, channels]; fewer where the sound ends.

        Where a file does not hold what it states, or cannot be sought in, all that lies between is read, and one can
        only go on.

        Raises:
            ValueError: ``first`` lies before what was read of such a file.
        """
        if first != self._at and self._seeks:
            self._flow, self._waiting, self._at = self._from(first, seek=True), self._waiting[:0], first
        if first < self._at:
            raise ValueError(f"first: {first} lies before sample {self._at} of a file that is read in order")
        found, stop = [], first + number
        while self._at < stop:
            if not len(self._waiting) and (block := next(self._flow, None)) is not None:
                self._waiting = block
            if not len(self._waiting):
                break
            n = min(len(self._waiting), (first if self._at < first else stop) - self._at)
            if self._at >= first:
                found.append(self._waiting[:n].copy())
            self._waiting, self._at = self._waiting[n:], self._at + n
        return np.concatenate([np.empty((0, self.channels), np.float32), *found])

    def _from(self, first: int, seek: bool = False) -> Iterator[np.ndarray]:
        if seek:
            try:
                self._sound.seek(first)
            except self._damage:  # there is no such sample
                return
        read = yield from self._read(self._sound, first)
        if self.runs:
            yield from self._further(read)

    def _further(self, read: int) -> Iterator[np.ndarray]:
        """float32 [n, channels] of what the decoder left of an MP3 after so many frames."""
        import soundfile

        waiting, seconds = [replace(self.runs[0], stated=True), *self.runs[1:]], 0.0  # of which a whole file is said
        for _ in range(RUNS):
            run, heard = waiting.pop(0), read / self.sample_rate
            seconds += heard
            left = run.seconds - heard >= PADDED / self.sample_rate
            if left:
                waiting.insert(0, rest(self._path, run, heard))
            if not waiting:
                self.short &= run.stated  # else its length is an estimate
                return
            run = waiting[0]
            if (run.damaged or (left and (self.short or self.broken))) and self.holes[-1:] != [seconds]:
                self.holes.append(seconds)
            with closing(Part(self._path, run.begin, run.end)) as part:
                try:
                    sound = soundfile.SoundFile(part)
                except self._damage:
                    return
                with sound:
                    if int(sound.samplerate) != self.sample_rate:
                        return
                    read = yield from self._read(_in_order(sound))

    def _read(self, sound: SoundFile, begin: int = 0) -> Generator[np.ndarray, None, int]:
        """float32 [n, channels] from where an open file is, and where in it they end; what comes before damage is
        given."""
        at, buffer = begin, np.empty((_BLOCK_FRAMES, sound.channels), np.float32)
        self.broken = False
        while not self.broken:
            try:
                read = len(sound.read(out=buffer))
            except self._damage:
                read, self.broken = min(max(sound.tell() - at, 0), len(buffer)), True
            if not read:
                break
            at += read
            yield buffer[:read] if sound.channels == self.channels else self._spread(buffer[:read])
        self.short = sound.frames - at > _ROUNDED_S * sound.samplerate
        return at

    def _spread(self, block: np.ndarray) -> np.ndarray:
        """A part with other channels than the first: their mean in each channel of it."""
        return np.repeat(block.mean(axis=1, keepdims=True), self.channels, axis=1)


def _unwritten(wav: WavData | None) -> bool:
    """Whether the length of a WAV's sound was never written."""
    return wav is not None and not wav.length and wav.behind > 0


def _in_order(sound: SoundFile) -> SoundFile:
    """An open file whose blocks are read as one stream; it can still be told to seek.

    soundfile seeks to where it is after each block of what can be sought in. MP3 frames then lose the bits that they
    borrow from those before, which is heard at every border.
    """
    sound.seekable = lambda: False  # what soundfile asks before it seeks
    return sound
