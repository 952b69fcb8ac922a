"""Notes to sound: a SoundFont found on this machine, and any stretch of a piece rendered when it is asked for.

A piece is cut into segments of :data:`SEGMENT_S` seconds by the onsets of its notes. Each segment is rendered
alone, with the tails of its notes, and a stretch of the piece is the sum of the segments that reach into it. So a
player may start anywhere and waits for one segment, not for the piece, and no note is cut or struck twice.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mmbert.errors import UsageError
from mmbert_ui.notes import Playable

SAMPLE_RATE = 48_000  # the renderer knows no other
SEGMENT_S = 8
TAIL_S = 2.5  # what a release and the room need after the last note
LONGEST_S = 3600.0  # a piece is played up to here
NOTES_A_SEGMENT = 6000  # more than a person can hear in eight seconds; bounds the work of one request
KEPT_SEGMENTS = 24  # about 2 MB each
SYSTEM_FONTS = Path("/usr/share/sounds/sf2")


def find_soundfont(asked: Path | None = None) -> Path | None:
    """The SoundFont to play with: the one asked for, pretty_midi's small one, then the system's.

    Raises:
        UsageError: if the one asked for is missing or no SoundFont 2 file.
    """
    if asked is not None:
        if not asked.is_file() or not _is_soundfont(asked):
            raise UsageError(str(asked), "is no SoundFont 2 file (.sf2)", "Leave --soundfont out to look for one")
        return asked
    spec = find_spec("pretty_midi")
    places = [Path(p) / "TimGM6mb.sf2" for p in (spec.submodule_search_locations or ())] if spec else []
    if SYSTEM_FONTS.is_dir():
        places += sorted(SYSTEM_FONTS.glob("*.sf2"), key=lambda p: (p.stat().st_size, p.name))
    return next((p for p in places if p.is_file() and _is_soundfont(p)), None)


def _is_soundfont(path: Path) -> bool:
    with path.open("rb") as f:
        head = f.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"sfbk"


class Renderer:
    """Renders with one SoundFont; safe to call from several threads.

    Args:
        soundfont: A SoundFont 2 file.
    """

    def __init__(self, soundfont: Path) -> None:
        self.path = soundfont
        self._font = soundfont.read_bytes()
        self.digest = hashlib.sha256(self._font).hexdigest()[:16]
        self._segments: OrderedDict[tuple[str, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def frames(self, piece: Playable) -> int:
        """How many sample frames the whole piece takes, its last tail included."""
        return round((min(piece.duration_s, LONGEST_S) + TAIL_S) * SAMPLE_RATE)

    def stretch(self, key: str, piece: Playable, start: int, stop: int) -> np.ndarray:
        """Frames ``start`` to ``stop`` of a piece: int16 [stop - start, 2]. ``key`` names the piece in the cache."""
        out = np.zeros((stop - start, 2), np.float32)
        step = SEGMENT_S * SAMPLE_RATE
        for segment in self._reaching(piece, start, stop):
            sound = self._segment(key, piece, segment)
            at = segment * step
            left, right = max(start, at), min(stop, at + len(sound))
            if left < right:
                out[left - start : right - start] += sound[left - at : right - at]
        return _limit(out * piece.gain)

    def forget(self, key: str) -> None:
        """Drop the sound of a piece."""
        with self._lock:
            for name in [name for name in self._segments if name[0] == key]:
                del self._segments[name]

    def _reaching(self, piece: Playable, start: int, stop: int) -> Sequence[int]:
        """Segments with a note that sounds between two frames."""
        begins, ends = start / SAMPLE_RATE * 1000, stop / SAMPLE_RATE * 1000
        sounds = (piece.onset_ms < ends) & (piece.onset_ms + piece.duration_ms + TAIL_S * 1000 > begins)
        return np.unique(piece.onset_ms[sounds] // (SEGMENT_S * 1000)).tolist()

    def _segment(self, key: str, piece: Playable, segment: int) -> np.ndarray:
        with self._lock:
            if (key, segment) in self._segments:
                self._segments.move_to_end((key, segment))
                return self._segments[key, segment]
            sound = self._render(piece, segment)
            self._segments[key, segment] = sound
            while len(self._segments) > KEPT_SEGMENTS:
                self._segments.popitem(last=False)
            return sound

    def _render(self, piece: Playable, segment: int) -> np.ndarray:
        import midirenderer

        begin = segment * SEGMENT_S * 1000
        inside = np.flatnonzero((piece.onset_ms >= begin) & (piece.onset_ms < begin + SEGMENT_S * 1000))
        midi = piece.excerpt(inside[:NOTES_A_SEGMENT], begin, round(TAIL_S * 1000))
        return wave_samples(midirenderer.render_wave_from(self._font, midi))


def wave_samples(wave: bytes) -> np.ndarray:
    """The samples of a stereo 16-bit WAV in memory: int16 [frames, 2]."""
    at = wave.index(b"data") + 8
    whole = (len(wave) - at) // 4 * 4
    return np.frombuffer(wave, np.int16, whole // 2, at).reshape(-1, 2)


def wave_header(frames: int, rate: int = SAMPLE_RATE, channels: int = 2) -> bytes:
    """The 44 bytes before the samples of a 16-bit WAV."""
    import struct

    width = 2 * channels
    size = frames * width
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * width, width, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


def _limit(sound: np.ndarray) -> np.ndarray:
    """float32 to int16; what passes 0.7 of full scale is bent, not cut."""
    sound = sound / 32768
    loud = np.abs(sound) > 0.7
    if loud.any():
        over = sound[loud]
        sound[loud] = np.sign(over) * (0.7 + 0.29 * np.tanh((np.abs(over) - 0.7) / 0.29))
    return (sound * 32767).astype(np.int16)
