"""Recordings, decoded by soundfile in blocks to mono, whenever they are heard and never as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mmbert.errors import ItemError
from mmbert.items.sound_ends import ogg_fault
from mmbert.items.sound_stream import PADDED, SoundStream, is_mp3
from mmbert.types import Item, Recording

if TYPE_CHECKING:
    from mmbert.items.reader import File

SUFFIXES: tuple[str, ...] = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".m4a")
NOT = ("E_NOT_AUDIO", "holds no sound in a format that is read", "Convert it to WAV or FLAC")
SILENCE = 10 ** (-80 / 20)  # peak below which nothing was recorded
CLIPPED = 0.9999  # as loud as a file can hold
_RATES = (1_000, 192_000)  # Hz; nobody hears more
_LEFT_S = 1  # of sound that lies unread before it is told: less may be a tag
_LEAST_BYTES_A_SECOND = 500  # no coding of music takes less
_CANCELLED = 1e-4  # share of a channel's power below which the mean of all holds nothing of it


def sniff(head: bytes) -> bool:
    """Whether the bytes begin as WAV, FLAC, Ogg, MP3, AIFF or MPEG-4 audio."""
    return (
        (head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE")
        or head[:4] in (b"fLaC", b"OggS")
        or (head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"))
        or head[4:8] == b"ftyp"
        or is_mp3(head)
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
        self.clipped, self.flaw, self._file = 0, "", file
        try:
            self._sound = SoundStream(file.path)
        except ValueError:
            hint = "Convert it to WAV or FLAC, if a player plays it"
            raise file.refuse("is damaged, or of a kind that is not read", hint, NOT[0]) from None
        self.sample_rate, self.metadata = self._sound.sample_rate, self._sound.metadata
        try:
            self._check()
        except BaseException:
            self._sound.close()
            raise

    def __enter__(self) -> _Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._sound.close()

    def _check(self) -> None:
        """Refuse what a header claims and cannot be, and what is not decoded in vain."""
        sound, limits, file = self._sound, self._file.limits, self._file
        if not _RATES[0] <= self.sample_rate <= _RATES[1] or not 1 <= sound.channels <= limits.recording_channels:
            fault = f"claims {sound.channels} channels at {self.sample_rate} Hz"
            raise file.refuse(fault, "Is its header damaged?", "E_AUDIO_LIMIT")
        if sound.kind[1] == "MPEG_LAYER_I":  # noise under a false name: a little of it decodes to an hour
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
            for block in self._sound.blocks():
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

    def _check_end(self, total: int, swing: float) -> None:
        file = self._file
        if not total and self._sound.broken:
            raise file.refuse("breaks off before its first sound", "Is it damaged?", "E_AUDIO_DAMAGED")
        if not total:
            raise file.refuse("No sound", "Was a download or copy cut off?", "E_EMPTY")
        if swing < 2 * SILENCE:  # a constant is as silent as nothing
            raise file.refuse("is silent", "Was the right channel recorded?", "E_SILENT")
        self.flaw = self._flaw(total)

    def _flaw(self, total: int) -> str:
        """What the end of the sound, after so many frames, says of the file; empty where it is as it should be."""
        file, sound, wav, ogg = self._file, self._sound, self._sound.wav, self._file.head[:4] == b"OggS"
        seconds, why = total / self.sample_rate, ""
        if wav:
            behind = wav.behind * seconds / max(wav.length, 1)
        else:  # an encoder's padding is in the runs, and in each of them again
            behind = sum(run.seconds - PADDED / self.sample_rate for run in sound.runs) - seconds
        if sound.holes:
            places = "a place" if len(sound.holes) == 1 else f"{len(sound.holes)} places, first"
            more = f", and {_clock(behind)} behind it" if behind >= _LEFT_S else ""
            return f"is damaged in {places} at {_clock(sound.holes[0])}: what lay there is missing{more}"
        if sound.broken:
            why = "what follows is damaged or missing"
        elif wav and wav.behind and not wav.length:
            return "does not say how long it is, as after a recorder that was switched off: it is read to its end"
        elif behind >= _LEFT_S:
            why = f"{_clock(behind)} more lie unread behind the end that it states"
        elif ogg and (fault := ogg_fault(file.path, file.size)):
            why = fault
        elif ogg and sound.short:
            missing = sound.frames / self.sample_rate - seconds
            return f"is damaged: {missing:.1f} seconds of it are missing"
        elif sound.short or (wav and wav.length > wav.room):
            why = "the file is shorter than it says"
        return f"breaks off at {_clock(seconds)} ({why})" if why else ""

    @property
    def _most(self) -> int:
        return int(self._file.limits.recording_seconds * self.sample_rate)

    def _too_long(self) -> ItemError:
        seconds = self._file.limits.recording_seconds
        most = f"{seconds / 3600:.3g} hours" if seconds >= 3600 else f"{seconds / 60:.3g} minutes"
        return self._file.refuse(f"is longer than {most}", "Cut it", "E_LENGTH_LIMIT")


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
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"
