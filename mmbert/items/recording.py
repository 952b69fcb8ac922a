"""Recordings, decoded by soundfile in blocks to mono; their windows are those of :mod:`mmbert.audio.windows`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mmbert.errors import MissingExtraError
from mmbert.items.text import clean
from mmbert.types import Item, Recording

if TYPE_CHECKING:
    from mmbert.items.reader import File

SUFFIXES: tuple[str, ...] = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".m4a")
NOT = ("E_NOT_AUDIO", "holds no sound in a format that is read", "Convert it to WAV or FLAC")
SILENCE = 10 ** (-80 / 20)  # peak below which nothing was recorded
_BLOCK_FRAMES = 1 << 16
_RATES = (1_000, 192_000)  # Hz; an hour of more would not fit into memory, and nobody hears it


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
        ItemError: E_NOT_AUDIO, E_AUDIO_LIMIT, E_AUDIO_NAN, E_SILENT, E_EMPTY.
        MissingExtraError: soundfile is not installed.
    """
    if file.head[4:8] == b"ftyp":
        raise file.refuse("is MPEG-4 audio (m4a), which is not read", "Convert it to WAV or FLAC", "E_AUDIO_FORMAT")
    limits = file.limits
    if file.size > limits.recording_bytes:
        raise file.refuse(f"is larger than {limits.recording_bytes >> 20} MiB", "Cut it", "E_AUDIO_LIMIT")
    try:
        import soundfile
    except ImportError:
        raise MissingExtraError.of("soundfile", "audio") from None
    try:
        with soundfile.SoundFile(str(file.path)) as sound:
            rate = int(sound.samplerate)
            if not _RATES[0] <= rate <= _RATES[1] or sound.channels > limits.recording_channels:
                fault = f"claims {sound.channels} channels at {rate} Hz"
                raise file.refuse(fault, "Is its header damaged?", "E_AUDIO_LIMIT")
            samples = _samples(file, sound)
            claimed = sound.frames
            title = clean(sound.copy_metadata().get("title", "").rstrip("\0"))
    except soundfile.LibsndfileError as fault:
        raise file.refuse(f"cannot be decoded ({clean(str(fault), 120)})", NOT[2], NOT[0]) from None
    if not len(samples):
        raise file.refuse("No sound", "Was a download or copy cut off?", "E_EMPTY")
    if float(np.abs(samples).max()) < SILENCE:
        raise file.refuse("is silent", "Was the right channel recorded?", "E_SILENT")
    truncated = len(samples) < claimed or _cut_off(file)
    recording = Recording(samples, rate, truncated)
    yield Item("recording", file.source(), {"title": title} if title else {}, recording=recording)


def _samples(file: File, sound: Any) -> np.ndarray:
    """float32 [n], mono; memory grows with what is there, never with what the header claims."""
    most = int(file.limits.recording_seconds * sound.samplerate)
    blocks: list[np.ndarray] = []
    total = 0
    while True:
        block = sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        if not len(block):
            break
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise file.refuse("has samples that are no numbers", "Export it again", "E_AUDIO_NAN")
        total += len(mono)
        if total > most:
            minutes = file.limits.recording_seconds / 60
            raise file.refuse(f"is longer than {minutes:.0f} minutes", "Cut it", "E_AUDIO_LIMIT")
        blocks.append(np.clip(mono, -1.0, 1.0))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _cut_off(file: File) -> bool:
    """Whether a RIFF header promises more bytes than there are (0xFFFFFFFF of a stream included)."""
    if file.head[:4] != b"RIFF":
        return False
    at = 12
    while at + 8 <= len(file.head):
        kind, size = file.head[at : at + 4], int.from_bytes(file.head[at + 4 : at + 8], "little")
        if kind == b"data":
            return at + 8 + size > file.size
        at += 8 + size + size % 2
    return False
