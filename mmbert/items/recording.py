"""Recordings, decoded by soundfile in blocks to mono; their windows are those of :mod:`mmbert.audio.windows`."""

from __future__ import annotations

import os
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
_RATES = (1_000, 192_000)  # Hz; nobody hears more
_LEAST_BYTES_A_SECOND = 500  # no coding of music takes less


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
        ItemError: E_NOT_AUDIO, E_AUDIO_FORMAT, E_AUDIO_DAMAGED, E_AUDIO_LIMIT, E_AUDIO_NAN, E_SILENT, E_EMPTY.
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
        with soundfile.SoundFile(os.fsencode(file.path)) as sound:
            rate = int(sound.samplerate)
            if not _RATES[0] <= rate <= _RATES[1] or not 1 <= sound.channels <= limits.recording_channels:
                fault = f"claims {sound.channels} channels at {rate} Hz"
                raise file.refuse(fault, "Is its header damaged?", "E_AUDIO_LIMIT")
            if sound.subtype == "MPEG_LAYER_I":  # noise under a false name: a little of it decodes to an hour
                hint = "Is it damaged? Else convert it to WAV or FLAC"
                raise file.refuse("is MPEG audio of layer I, which is not read", hint, "E_AUDIO_FORMAT")
            samples, fault = _samples(file, sound)
            claimed = sound.frames
            title = clean(sound.copy_metadata().get("title", "").rstrip("\0"))
    except soundfile.LibsndfileError as e:
        hint = "Is it damaged? Else convert it to WAV or FLAC"
        raise file.refuse(f"cannot be decoded ({clean(str(e), 120)})", hint, NOT[0]) from None
    if not len(samples):
        if fault:
            raise file.refuse(f"breaks off before its first sound ({fault})", "Is it damaged?", "E_AUDIO_DAMAGED")
        raise file.refuse("No sound", "Was a download or copy cut off?", "E_EMPTY")
    if float(max(samples.max(), -samples.min())) < SILENCE:
        raise file.refuse("is silent", "Was the right channel recorded?", "E_SILENT")
    truncated = bool(fault) or len(samples) < claimed or _cut_off(file)
    recording = Recording(samples, rate, truncated)
    yield Item("recording", file.source(), {"title": title} if title else {}, recording=recording)


def _samples(file: File, sound: Any) -> tuple[np.ndarray, str]:
    """float32 [n], mono, and why decoding broke off before the end, empty where it did not.

    Memory grows with what is there, never with what the header claims.
    """
    import soundfile

    most = min(int(file.limits.recording_seconds * sound.samplerate), file.limits.recording_samples)
    too_long = file.refuse(f"is longer than {most / sound.samplerate / 60:.3g} minutes", "Cut it", "E_AUDIO_LIMIT")
    # A claim is believed where the file is large enough to hold it, so that hours are not decoded in vain.
    if sound.frames > most and file.size > _LEAST_BYTES_A_SECOND * sound.frames / sound.samplerate:
        raise too_long
    block = np.empty((_BLOCK_FRAMES, sound.channels), np.float32)
    samples, total, fault = np.empty(_BLOCK_FRAMES, np.float32), 0, ""
    while not fault:
        try:
            read = len(sound.read(out=block))
        except soundfile.LibsndfileError as e:  # what came before the damage is in the block
            read, fault = min(max(sound.tell() - total, 0), len(block)), clean(str(e), 120)
        if not read:
            break
        mono = block[:read, 0] if block.shape[1] == 1 else block[:read].mean(axis=1)
        if not np.isfinite(mono).all():
            raise file.refuse("has samples that are no numbers", "Export it again", "E_AUDIO_NAN")
        if total + read > most:
            raise too_long
        if total + read > len(samples):
            samples.resize(len(samples) + max(_BLOCK_FRAMES, len(samples) // 8), refcheck=False)
        np.clip(mono, -1.0, 1.0, out=samples[total : total + read])
        total += read
    samples.resize(total, refcheck=False)
    return samples, fault


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
