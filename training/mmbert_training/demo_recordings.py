"""The recordings of the demo library: excerpts that people played or made, and some of its own works, rendered.

Excerpts are fifteen seconds of free recordings of Debian packages (``evaluate/real_sounds.py`` fetches them), none of
which is an evaluation clip. Rendered works are slower or faster than their scores and stand in a room, so that "the
score of this recording" has something to find. MP3, because libsndfile writes the same bytes for the same sound; its
Ogg streams have random numbers.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmbert.errors import DataError
from mmbert.facets import fold
from mmbert.items import load_items
from mmbert_training.rendering import RATE, TRAIN, fitted, in_room, render

FOLDER = "music/recordings"
_SECONDS, _RENDERED_S = 15.0, 24.0
_RATE, _QUALITY = 24_000, 0.8  # 44 kbit a second
_ROOM = (0.5, 0.25)  # seconds of decay, share of what comes back
_PEAK = 0.8
_PARROTTE, _SAVINO, _MCCRACKEN = "Shawn Parrotte", "Will Savino", "Max McCracken"
_SHARE_ALIKE = "CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/); excerpt, in other quality"
_ZERO = "CC0 1.0"

# (package, end of the path, title, who made it, licence)
EXCERPTS = (
    ("hyperrogue-music", "hr-savino-caribbean.ogg", "Caribbean", _SAVINO, _SHARE_ALIKE),
    ("hyperrogue-music", "hr-savino-ocean.ogg", "Ocean", _SAVINO, _SHARE_ALIKE),
    ("hyperrogue-music", "hr-savino-palace.ogg", "Palace", _SAVINO, _SHARE_ALIKE),
    ("hyperrogue-music", "hr3-jungle.ogg", "Jungle", _PARROTTE, _SHARE_ALIKE),
    ("hyperrogue-music", "hr3-graveyard.ogg", "Graveyard", _PARROTTE, _SHARE_ALIKE),
    ("hyperrogue-music", "hr3-icyland.ogg", "Icy Land", _PARROTTE, _SHARE_ALIKE),
    ("singularity-music", "Nebula.ogg", "Nebula", _MCCRACKEN, _SHARE_ALIKE),
    ("singularity-music", "Media Threat.ogg", "Media Threat", _MCCRACKEN, _SHARE_ALIKE),
    ("singularity-music", "March Thee to Dis.ogg", "March Thee to Dis", _MCCRACKEN, _SHARE_ALIKE),
    ("singularity-music", "Chimes They Fade.ogg", "Chimes They Fade", _MCCRACKEN, _SHARE_ALIKE),
    ("sonic-pi-samples", "loop_breakbeat.flac", "Breakbeat loop", "", _ZERO),
    ("sonic-pi-samples", "loop_perc1.flac", "Percussion loop", "", _ZERO),
    ("sonic-pi-samples", "loop_electric.flac", "Electric loop", "", _ZERO),
    ("sonic-pi-samples", "guit_e_fifths.flac", "Guitar fifths", "", _ZERO),
    ("sonic-pi-samples", "drum_roll.flac", "Drum roll", "", _ZERO),
)
# (work in the zip, second at which it begins, speed, semitones)
RENDERED = (
    ("music/classical/27-greensleeves-to-a-ground-with-division.mid", 0.0, 0.93, 0),
    ("music/classical/canon-in-d.mid", 40.0, 1.08, -2),
    ("music/classical/gymnopedie-no-3.mid", 5.0, 0.9, 0),
    ("music/classical/peacherine-rag.mid", 8.0, 1.1, 1),
    ("music/classical/adelita.mid", 0.0, 1.0, 0),
    ("music/hymns/amazing-grace.abc", 0.0, 0.95, 2),
    ("music/folk tunes/jonathan-s-jig.abc", 0.0, 1.15, 0),
    ("music/games/simupolitan-swing.mid", 12.0, 1.0, 0),
)


@dataclass(frozen=True)
class DemoRecording:
    """One file.

    Attributes:
        name: Its path in the zip.
        data: MP3.
        title: Of the music.
        who: Who made it.
        source: The package, or ``rendered``.
        part: Which file of the package, or which work of the zip.
        licence: As it may be passed on.
    """

    name: str
    data: bytes
    title: str
    who: str
    source: str
    part: str
    licence: str


def excerpts(sounds: Path) -> Iterator[DemoRecording]:
    """What people made.

    Args:
        sounds: Folder of the unpacked packages.

    Raises:
        DataError: a recording is missing.
    """
    import soundfile
    import soxr

    for package, part, title, who, licence in EXCERPTS:
        found = sorted((sounds / package).rglob(part))
        if not found:
            hint = f"Run: python -m mmbert_training.evaluate.real_sounds {sounds}"
            raise DataError(str(sounds / package), f"has no {part}", hint)
        with soundfile.SoundFile(found[0]) as file:
            heard = file.read(round(_SECONDS * file.samplerate), dtype="float32", always_2d=True).mean(axis=1)
            heard = soxr.resample(heard, file.samplerate, _RATE)
        yield DemoRecording(_name(title), _mp3(heard, title, who), title, who, package, part, licence)


def rendered(music: Callable[[str], bytes], licence: Callable[[str], str], folder: Path) -> Iterator[DemoRecording]:
    """Works of the demo library as they sound.

    Args:
        music: The bytes of a work by its path in the zip.
        licence: Its licence.
        folder: Where a work is written to be read.

    Raises:
        DataError: FluidSynth or its font is missing.
    """
    import soxr

    for work, start, speed, up in RENDERED:
        path = folder / Path(work).name
        path.write_bytes(music(work))
        item = next(iter(load_items(path)))
        assert item.score is not None
        title = f"{item.metadata['title']} (recording)"
        sound = render(item.score, TRAIN[0], start=start, seconds=_RENDERED_S, speed=speed, semitones=up)
        sound = in_room(sound, *_ROOM, np.random.default_rng(len(work)))
        sound = soxr.resample(fitted(sound, round(_RENDERED_S * RATE)), RATE, _RATE)
        coded = _mp3(sound, title, item.metadata.get("composer", ""))  # the artist of a recording is its composer
        yield DemoRecording(_name(title), coded, title, "FluidSynth with FluidR3_GM", "rendered", work, licence(work))


def _name(title: str) -> str:
    return f"{FOLDER}/{re.sub(r'[^a-z0-9]+', '-', fold(title)).strip('-')}.mp3"


def _mp3(sound: np.ndarray, title: str, who: str) -> bytes:
    import soundfile

    out = io.BytesIO()
    with soundfile.SoundFile(
        out, "w", _RATE, 1, format="MP3", compression_level=_QUALITY, bitrate_mode="CONSTANT"
    ) as file:
        file.title = title
        if who:
            file.artist = who
        file.write((_PEAK * sound / np.abs(sound).max()).astype(np.float32))
    return out.getvalue()
