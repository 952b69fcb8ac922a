"""Sound of a score by FluidSynth, in a known speed, key and sound font, and what becomes of it in rooms and on tapes.

    apt-get install -y fluidsynth fluid-soundfont-gm musescore-general-soundfont-small timgm6mb-soundfont

Nothing is chosen, and nothing learns, by a font that an evaluation renders with: :data:`TRAIN` and :data:`HELD_OUT` are
the one place that says which they are. Rendering is deterministic.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from mmbert.errors import DataError, MissingExtraError
from mmbert.items.midi_write import write_midi
from mmbert.symbolic.score import NOTE, Score
from mmbert.symbolic.transform import transpose

RATE = 32_000  # Hz
TRAIN = ("FluidR3_GM", "MuseScore_General")
HELD_OUT = "TimGM6mb"

_PACKAGES = {
    "FluidR3_GM": "fluid-soundfont-gm",
    "MuseScore_General": "musescore-general-soundfont-small",
    "TimGM6mb": "timgm6mb-soundfont",
}
_FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"))
_TICKS_A_SECOND = 960  # 480 a quarter at 120 quarters a minute, of which a file without a tempo is taken
_PEAK = 0.7  # of full scale
_SECONDS_A_RENDERING = 600
Codec = Literal["mp3", "vorbis", "opus"]
_CODECS: dict[Codec, tuple[str, str]] = {
    "mp3": ("MP3", "MPEG_LAYER_III"), "vorbis": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"),
}  # fmt: skip
BANDS, _LOWEST_BAND = 8, 62.5  # octaves of the equaliser, and Hz of its first
_OPUS_RATE = 24_000  # the nearest that Opus has


@cache
def font_path(name: str) -> Path:
    """The file of a font.

    Raises:
        DataError: where it is unknown or not installed.
    """
    if name not in _PACKAGES:
        raise DataError(name, "no sound font has this name", f"There are: {', '.join(_PACKAGES)}")
    for folder in _FOLDERS:
        for path in sorted(folder.glob(f"{name}.sf[23]")):
            return path
    raise DataError(name, "this sound font is not installed", f"Run: apt-get install {_PACKAGES[name]}")


def excerpt(score: Score, start: float = 0.0, seconds: float | None = None, speed: float = 1.0) -> Score:
    """What sounds from a second on, for so many seconds of sound, ``speed`` times as fast; a note that is cut begins or
    ends there. Its ticks are even in time: tempo, metre and key maps are gone.

    >>> s = Score.build([(0, 960, 60, 80, 0, False, 0), (960, 960, 64, 80, 0, False, 0)], 480)
    >>> e = excerpt(s, start=0.5, seconds=0.5, speed=2)
    >>> e.notes["pitch"].tolist(), e.seconds(e.notes["onset"]).tolist(), e.duration_s
    ([60, 64], [0.0, 0.25], 0.5)
    """
    notes = score.notes
    onset = (score.seconds(notes["onset"]) - start) / speed
    end = (score.seconds(notes["onset"].astype(np.int64) + notes["duration"]) - start) / speed
    last = np.inf if seconds is None else seconds
    heard = (end > 0) & (onset < last)
    kept = notes[heard].astype(NOTE, copy=True)
    first = np.rint(np.clip(onset[heard], 0, last) * _TICKS_A_SECOND).astype(np.int32)
    kept["onset"] = first
    kept["duration"] = np.maximum(np.rint(np.clip(end[heard], 0, last) * _TICKS_A_SECOND).astype(np.int32) - first, 1)
    return Score.build(kept, _TICKS_A_SECOND // 2, parts=score.parts)


def render(
    score: Score,
    font: str,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    speed: float = 1.0,
    semitones: int = 0,
    reverb: bool = True,
) -> np.ndarray:
    """Sound of a score, or of a part of it.

    Args:
        score: Any score with notes in the part that is asked for.
        font: One of :data:`TRAIN` or :data:`HELD_OUT`.
        start: Second of the score from which on it is heard.
        seconds: How much sound; None for all of it, with what rings on.
        speed: How many times as fast as the score says.
        semitones: All pitched notes are moved by so many.
        reverb: Whether FluidSynth's own is on.

    Returns:
        float32 [samples], mono at :data:`RATE`, its peak at :data:`_PEAK`.

    Raises:
        DataError: where the command or the font is missing, or FluidSynth fails or makes no sound.
        ValueError: where a pitch would leave 0-127.
    """
    command, path = shutil.which("fluidsynth"), font_path(font)
    if command is None:
        raise DataError("fluidsynth", "this command is not installed", "Run: apt-get install fluidsynth")
    heard = transpose(excerpt(score, start, seconds, speed), semitones)
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        midi.write_bytes(write_midi(heard))
        settings = ("synth.chorus.active=0", f"synth.reverb.active={int(reverb)}", "synth.dynamic-sample-loading=1")
        options = [part for setting in settings for part in ("-o", setting)]
        run = [
            command,
            "-niq",
            "-r",
            str(RATE),
            *options,
            "-T",
            "wav",
            "-O",
            "float",
            "-F",
            str(wav),
            str(path),
            str(midi),
        ]
        try:
            done = subprocess.run(run, capture_output=True, check=False, timeout=_SECONDS_A_RENDERING)
        except subprocess.TimeoutExpired as e:
            raise DataError("fluidsynth", f"took more than {_SECONDS_A_RENDERING} s for {score}") from e
        if done.returncode or not wav.is_file():
            raise DataError("fluidsynth", f"failed on {score}: {done.stderr.decode(errors='replace')[-200:]}")
        sound = _soundfile().read(wav, dtype="float32", always_2d=True)[0].mean(axis=1)
    peak = float(np.abs(sound).max(initial=0.0))
    if not peak:
        raise DataError(font, f"makes no sound of {score}", "Has the part that was asked for any notes?")
    sound *= _PEAK / peak
    return sound if seconds is None else fitted(sound, round(seconds * RATE))


def fitted(sound: np.ndarray, samples: int) -> np.ndarray:
    """Cut, or followed by silence, to so many samples."""
    return np.pad(sound[:samples], (0, max(0, samples - len(sound))))


def with_noise(sound: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """Noise as of a tape or a hall added, as strong in each octave (pink), ``snr_db`` below the sound's own power."""
    spectrum = np.fft.rfft(rng.standard_normal(len(sound)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, len(sound))
    noise *= np.sqrt(np.mean(sound.astype(np.float64) ** 2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return (sound + noise).astype(np.float32)


def in_room(sound: np.ndarray, decay_s: float, wet: float, rng: np.random.Generator, rate: int = RATE) -> np.ndarray:
    """The sound in a room whose echo is exponentially decaying noise.

    Args:
        sound: float32 [samples].
        decay_s: Seconds in which the echo falls by 60 dB.
        wet: Energy of the echo for each unit of the sound itself.
        rng: Draws the room.
        rate: Hz.
    """
    n = max(2, round(decay_s * rate))
    echo = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response = np.r_[1.0, echo * np.sqrt(wet / np.sum(echo**2))]
    size = 1 << (len(sound) + n).bit_length()
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: len(sound)]
    return _as_loud(heard, sound)


def equalised(sound: np.ndarray, gains_db: np.ndarray, rate: int = RATE) -> np.ndarray:
    """The sound through an equaliser of octave bands, its peak as before: what microphones and loudspeakers favour.

    Args:
        sound: float32 [samples].
        gains_db: float [:data:`BANDS`], of 62.5 Hz, 125 Hz and so on; between two bands by pitch, beyond them as there.
        rate: Hz.
    """
    size = 1 << len(sound).bit_length()
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / rate), 1.0) / _LOWEST_BAND)
    gains = 10 ** (np.interp(octaves, np.arange(len(gains_db)), gains_db) / 20)
    heard = np.fft.irfft(np.fft.rfft(sound, size) * gains, size)[: len(sound)]
    return _as_loud(heard, sound)


def _as_loud(heard: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """float32, with the peak of the sound that it was made of."""
    peak = np.abs(heard).max(initial=0.0)
    return (heard * (np.abs(sound).max(initial=0.0) / peak if peak else 1.0)).astype(np.float32)


def through_codec(sound: np.ndarray, codec: Codec, rate: int = RATE) -> np.ndarray:
    """Coded and decoded in memory, as long as before.

    >>> tone = np.sin(np.arange(RATE) * 0.1).astype(np.float32)
    >>> through_codec(tone, "vorbis").shape
    (32000,)
    """
    soundfile, (kind, subtype) = _soundfile(), _CODECS[codec]
    there = _OPUS_RATE if codec == "opus" else rate
    memory = io.BytesIO()
    soundfile.write(memory, np.clip(_resampled(sound, rate, there), -1, 1), there, format=kind, subtype=subtype)
    memory.seek(0)
    return fitted(_resampled(soundfile.read(memory, dtype="float32")[0], there, rate), len(sound))


def _resampled(sound: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    if rate == wanted:
        return sound
    try:
        import soxr
    except ImportError:
        raise MissingExtraError.of("soxr", "audio") from None
    return soxr.resample(sound, rate, wanted)


def _soundfile():
    try:
        import soundfile
    except ImportError:
        raise MissingExtraError.of("soundfile", "audio") from None
    return soundfile
