"""Recordings, decoded by soundfile in blocks to mono, whenever they are heard and never as a whole."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from mmbert.errors import ItemError, MissingExtraError
from mmbert.items.mp3_runs import RUNS, mp3_runs, rest
from mmbert.items.sound_ends import Part, ogg_ends, wav_data
from mmbert.items.text import clean
from mmbert.types import Item, Recording

if TYPE_CHECKING:
    from soundfile import SoundFile

    from mmbert.items.reader import File

SUFFIXES: tuple[str, ...] = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".m4a")
NOT = ("E_NOT_AUDIO", "holds no sound in a format that is read", "Convert it to WAV or FLAC")
SILENCE = 10 ** (-80 / 20)  # peak below which nothing was recorded
CLIPPED = 0.9999  # as loud as a file can hold
_BLOCK_FRAMES = 1 << 16
_RATES = (1_000, 192_000)  # Hz; nobody hears more
_LEFT_S = 1  # of sound that lies unread before it is told: less may be a tag
_ROUNDED_S = 0.1  # by which lengths of what is compressed are wrong in whole files: they are estimates
_PADDED = 6000  # samples that an MP3 may be longer than its sound: what its encoder put before and behind
_LEAST_BYTES_A_SECOND = 500  # no coding of music takes less
_STATED = {"title": "title", "composer": "artist", "album": "album"}  # metadata of an item, and libsndfile's name
_CANCELLED = 1e-4  # share of a channel's power below which the mean of all holds nothing of it


def sniff(head: bytes) -> bool:
    """Whether the bytes begin as WAV, FLAC, Ogg, MP3, AIFF or MPEG-4 audio."""
    return (
        (head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE")
        or head[:4] in (b"fLaC", b"OggS")
        or (head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"))
        or head[4:8] == b"ftyp"
        or _is_mp3(head)
    )


def _is_mp3(head: bytes) -> bool:
    if head[:3] == b"ID3":
        return True
    # sync, a layer, a bit rate and a sample rate that exist
    return (
        len(head) > 3
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[2] >> 4 not in (0, 15)
        and head[2] & 12 != 12
    )


def read(file: File) -> Iterator[Item]:
    """The one recording of a file.

    Raises:
        ItemError: E_NOT_AUDIO, E_AUDIO_FORMAT, E_AUDIO_DAMAGED, E_AUDIO_LIMIT, E_LENGTH_LIMIT, E_AUDIO_NAN, E_SILENT,
            E_EMPTY; what lies beyond the first block is found when the sound is heard.
        MissingExtraError: soundfile is not installed.
    """
    if file.head[4:8] == b"ftyp":
        raise file.refuse("is MPEG-4 audio (m4a), which is not read", "Convert it to WAV or FLAC", "E_AUDIO_FORMAT")
    if file.size > file.limits.recording_bytes:
        raise file.refuse(f"is larger than {file.limits.recording_bytes >> 20} MiB", "Cut it", "E_AUDIO_LIMIT")
    with _Decoder(file) as decoder:
        metadata = decoder.metadata
        next(iter(decoder), None)  # what cannot be decoded at all is refused here
    recording = Recording(decoder.sample_rate, lambda: _Decoder(file))
    yield Item("recording", file.source(), metadata, recording=recording)


class _Decoder:
    """One run through the sound of a file.

    Where channels cancel each other, the loudest of them is heard instead of their mean.

    Raises:
        ItemError: E_NOT_AUDIO, E_AUDIO_FORMAT, E_AUDIO_LIMIT, E_LENGTH_LIMIT.
        MissingExtraError: soundfile is not installed.
    """

    def __init__(self, file: File) -> None:
        try:
            import soundfile
        except ImportError:
            raise MissingExtraError.of("soundfile", "audio") from None
        self.clipped, self._holes = 0, list[float]()  # seconds at which something is missing
        self._file, self.flaw, self._broken, self._short = file, "", False, False
        self._damage: type[Exception] = soundfile.LibsndfileError
        self._wav = wav = wav_data(file.path, file.size)
        self._runs = mp3_runs(file.path) if _is_mp3(file.head) else []
        self._part: Part | None = None
        if len(self._runs) > 1:  # each is decoded by itself
            self._part = Part(file.path, 0, self._runs[0].end)
        elif wav and wav.behind:  # which libsndfile would stumble over
            if wav.length:
                self._part = Part(file.path, 0, file.size - wav.behind)
            else:  # whoever recorded it never came to write its length
                length = min(wav.room, 0xFFFF_FFFF).to_bytes(4, wav.order)
                self._part = Part(file.path, 0, file.size, (wav.length_at, length))
        try:
            self._sound = read_in_order(soundfile.SoundFile(self._part or os.fsencode(file.path)))
        except self._damage:
            if self._part is not None:
                self._part.close()
            hint = "Convert it to WAV or FLAC, if a player plays it"
            raise file.refuse("is damaged, or of a kind that is not read", hint, NOT[0]) from None
        self.sample_rate = int(self._sound.samplerate)
        stated = self._sound.copy_metadata()
        words = {ours: clean(stated.get(theirs, "")) for ours, theirs in _STATED.items()}
        self.metadata = {name: text for name, text in words.items() if text}
        try:
            self._check()
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> _Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        self._sound.close()
        if self._part is not None:  # soundfile leaves a file that it was given open
            self._part.close()

    def _check(self) -> None:
        """Refuse what a header claims and cannot be, and what is not decoded in vain."""
        sound, limits, file = self._sound, self._file.limits, self._file
        if not _RATES[0] <= self.sample_rate <= _RATES[1] or not 1 <= sound.channels <= limits.recording_channels:
            fault = f"claims {sound.channels} channels at {self.sample_rate} Hz"
            raise file.refuse(fault, "Is its header damaged?", "E_AUDIO_LIMIT")
        if sound.subtype == "MPEG_LAYER_I":  # noise under a false name: a little of it decodes to an hour
            hint = "Is it damaged? Else convert it to WAV or FLAC"
            raise file.refuse("is MPEG audio of layer I, which is not read", hint, "E_AUDIO_FORMAT")
        # A claim is believed where the file is large enough to hold it.
        if sound.frames > self._most and file.size > _LEAST_BYTES_A_SECOND * sound.frames / self.sample_rate:
            raise self._too_long()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Blocks, float32 [n], mono, in [-1, 1].

        Raises:
            ItemError: E_AUDIO_DAMAGED, E_LENGTH_LIMIT, E_AUDIO_NAN, E_SILENT, E_EMPTY.
        """
        with self:
            total, low, high = 0, np.inf, -np.inf
            for block in self._blocks():
                mono = _mono(block)
                if not np.isfinite(mono).all():
                    raise self._file.refuse("has samples that are no numbers", "Export it again", "E_AUDIO_NAN")
                if (total := total + len(mono)) > self._most:
                    raise self._too_long()
                self.clipped += int((np.abs(block) >= CLIPPED).any(axis=1).sum())  # the mean would hide one channel
                mono = np.clip(mono, -1.0, 1.0)
                low, high = min(low, float(mono.min())), max(high, float(mono.max()))
                yield mono
            self._check_end(total, high - low)

    def _blocks(self) -> Iterator[np.ndarray]:
        """float32 [n, channels] of all that can be read."""
        read = yield from self._read(self._sound)
        if self._runs:
            yield from self._further(read)

    def _further(self, read: int) -> Iterator[np.ndarray]:
        """float32 [n, channels] of what the decoder left of an MP3 after so many frames: it stops at damage, and where
        a file states that it ends, though another was joined to it."""
        import soundfile

        waiting, seconds = list(self._runs), 0.0
        for _ in range(RUNS):
            run, heard = waiting.pop(0), read / self.sample_rate
            seconds += heard
            left = run.seconds - heard >= _PADDED / self.sample_rate
            if left:
                waiting.insert(0, rest(self._file.path, run, heard))
            if not waiting:
                return
            run = waiting[0]
            if (run.damaged or (left and (self._short or self._broken))) and self._holes[-1:] != [seconds]:
                self._holes.append(seconds)
            with closing(Part(self._file.path, run.begin, run.end)) as part:
                try:
                    sound = soundfile.SoundFile(part)
                except self._damage:
                    return
                with sound:
                    if int(sound.samplerate) != self.sample_rate:
                        return
                    read = yield from self._read(read_in_order(sound))

    def _read(self, sound: SoundFile) -> Generator[np.ndarray, None, int]:
        """float32 [n, channels], and their number; what comes before damage is given."""
        total, buffer = 0, np.empty((_BLOCK_FRAMES, sound.channels), np.float32)
        self._broken = False
        while not self._broken:
            try:
                read = len(sound.read(out=buffer))
            except self._damage:
                read, self._broken = min(max(sound.tell() - total, 0), len(buffer)), True
            if not read:
                break
            total += read
            yield buffer[:read]
        self._short = sound.frames - total > _ROUNDED_S * sound.samplerate
        return total

    def _check_end(self, total: int, swing: float) -> None:
        file = self._file
        if not total and self._broken:
            raise file.refuse("breaks off before its first sound", "Is it damaged?", "E_AUDIO_DAMAGED")
        if not total:
            raise file.refuse("No sound", "Was a download or copy cut off?", "E_EMPTY")
        if swing < 2 * SILENCE:  # a constant is as silent as nothing
            raise file.refuse("is silent", "Was the right channel recorded?", "E_SILENT")
        self.flaw = self._flaw(total)

    def _flaw(self, total: int) -> str:
        """What the end of the sound, after so many frames, says of the file; empty where it is as it should be."""
        file, wav, ogg = self._file, self._wav, self._file.head[:4] == b"OggS"
        seconds, why = total / self.sample_rate, ""
        if wav:
            behind = wav.behind * seconds / max(wav.length, 1)
        else:  # an encoder's padding is in the runs, and in each of them again
            behind = sum(run.seconds - _PADDED / self.sample_rate for run in self._runs) - seconds
        if self._holes:
            places = "a place" if len(self._holes) == 1 else f"{len(self._holes)} places, first"
            more = f", and {_clock(behind)} behind it" if behind >= _LEFT_S else ""
            return f"is damaged in {places} at {_clock(self._holes[0])}: what lay there is missing{more}"
        if self._broken:
            why = "what follows is damaged or missing"
        elif wav and wav.behind and not wav.length:
            why = "its length was never written"
        elif behind >= _LEFT_S:
            why = f"{_clock(behind)} more lie unread behind the end that it states"
        elif ogg and not ogg_ends(file.path, file.size):
            why = "its last page is missing"
        elif ogg and self._short:
            missing = self._sound.frames / self.sample_rate - seconds
            return f"is damaged: {missing:.1f} seconds of it are missing"
        elif self._short or (wav and wav.length > wav.room):
            why = "the file is shorter than it says"
        return f"breaks off at {_clock(seconds)} ({why})" if why else ""

    @property
    def _most(self) -> int:
        return int(self._file.limits.recording_seconds * self.sample_rate)

    def _too_long(self) -> ItemError:
        seconds = self._file.limits.recording_seconds
        most = f"{seconds / 3600:.3g} hours" if seconds >= 3600 else f"{seconds / 60:.3g} minutes"
        return self._file.refuse(f"is longer than {most}", "Cut it", "E_LENGTH_LIMIT")


def read_in_order(sound: SoundFile) -> SoundFile:
    """An open file whose blocks are read as one stream; it can still be told to seek.

    soundfile seeks to where it is after each block of what can be sought in. MP3 frames then lose the bits that they
    borrow from those before, which is heard at every border.
    """
    sound.seekable = lambda: False  # what soundfile asks before it seeks
    return sound


def _mono(block: np.ndarray) -> np.ndarray:
    """Channels [n, c] as one, float32 [n]."""
    if block.shape[1] == 1:
        return block[:, 0].copy()
    mean = block.mean(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number is refused by the caller
        power = np.square(block).mean(axis=0)
        cancelled = np.square(mean).mean() < _CANCELLED * power.max()
    return block[:, int(power.argmax())].copy() if cancelled else mean


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
