"""What named sounds say of a recording: which instruments play, and what else is heard.

AudioSet names 527 sounds. Those that General MIDI knows as instruments become the instruments of a recording, so that
one filter finds a violin in scores and in recordings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mmbert.symbolic.instruments import DRUMS, NAMES, family_of
from mmbert.types import HeardSound

SOUNDS = 527
HEARD = 0.2  # probability from which an instrument counts as playing
TOLD = 0.05  # from which a sound is named at all
MOST_TOLD = 12
INSTRUMENTS: dict[str, str] = {
    "Guitar": "steel guitar", "Acoustic guitar": "nylon guitar", "Electric guitar": "electric guitar",
    "Bass guitar": "fingered bass", "Banjo": "banjo", "Sitar": "sitar", "Piano": "acoustic grand piano",
    "Electric piano": "electric piano", "Organ": "church organ", "Hammond organ": "drawbar organ",
    "Electronic organ": "rock organ", "Harpsichord": "harpsichord", "Synthesizer": "square lead",
    "Drum kit": DRUMS, "Drum machine": DRUMS, "Snare drum": DRUMS, "Hi-hat": DRUMS, "Timpani": "timpani",
    "Tubular bells": "tubular bells", "Marimba, xylophone": "marimba", "Glockenspiel": "glockenspiel",
    "Vibraphone": "vibraphone", "Steelpan": "steel drums", "French horn": "french horn", "Trumpet": "trumpet",
    "Trombone": "trombone", "Brass instrument": "brass section", "String section": "string ensemble",
    "Violin, fiddle": "violin", "Pizzicato": "pizzicato strings", "Cello": "cello", "Double bass": "double bass",
    "Flute": "flute", "Saxophone": "alto sax", "Clarinet": "clarinet", "Harp": "harp", "Harmonica": "harmonica",
    "Accordion": "accordion", "Bagpipes": "bagpipes", "Choir": "choir", "Singing": "voice",
}  # fmt: skip
_PROPER = ("French", "Hammond", "Middle", "Christian", "Carnatic", "Christmas")  # of names of music
_OF_MUSIC = ("Music", "Musical instrument")  # said of everything, so that they say nothing


@dataclass(frozen=True)
class Heard:
    """What is heard in a recording, estimated by a network.

    Attributes:
        sounds: The most probable first; at most :data:`MOST_TOLD`.
        instruments: General MIDI names of the instruments, the most probable first; ``drums`` for percussion.
        families: Their families, in that order.
        has_drums: Whether drums are among them.
    """

    sounds: tuple[HeardSound, ...]
    instruments: tuple[str, ...]
    families: tuple[str, ...]
    has_drums: bool


def heard(logits: np.ndarray, names: Sequence[str]) -> Heard:
    """What the logits of named sounds say.

    Args:
        logits: float [527].
        names: Of the sounds.

    >>> heard(np.array([2.0, -1.0, -9.0]), ["Violin, fiddle", "Music", "Rain"]).instruments
    ('violin',)
    """
    probability = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    order = [int(i) for i in np.argsort(-probability, kind="stable") if names[i] not in _OF_MUSIC]
    likely = [i for i in order[:MOST_TOLD] if probability[i] >= TOLD]
    told = tuple(HeardSound(names[i], round(float(probability[i]), 3)) for i in likely)
    playing = [INSTRUMENTS[names[i]] for i in order if probability[i] >= HEARD and names[i] in INSTRUMENTS]
    instruments = tuple(dict.fromkeys(playing))
    families = tuple(dict.fromkeys(map(_family, instruments)))
    return Heard(told, instruments, families, DRUMS in instruments)


def _family(instrument: str) -> str:
    return DRUMS if instrument == DRUMS else family_of(NAMES.index(instrument))


def playing(facet: str, value: object) -> tuple[str, ...]:
    """Sounds of which a fact about instruments is true.

    >>> playing("instruments", "choir"), playing("families", "organ")
    (('Choir',), ('Organ', 'Hammond organ', 'Electronic organ', 'Harmonica', 'Accordion'))
    >>> playing("mode", "minor")
    ()
    """
    if facet == "has_drums":
        facet, value = "instruments", DRUMS if value else None
    if facet not in ("instruments", "families"):
        return ()
    shown = {sound: name if facet == "instruments" else _family(name) for sound, name in INSTRUMENTS.items()}
    return tuple(sound for sound, one in shown.items() if one == value)


def said(name: str) -> str:
    """A sound as it is named within a sentence.

    >>> said("Violin, fiddle"), said("Keyboard (musical)"), said("French horn"), said("Music of Latin America")
    ('violin', 'keyboard', 'French horn', 'music of Latin America')
    """
    short = name.split(",")[0].split(" (")[0]
    return short if short.split()[0] in _PROPER else short[:1].lower() + short[1:]


@cache
def sound_names() -> tuple[str, ...]:
    """Names of the 527 sounds, as AudioSet gives them."""
    labels = json.loads((default_ear() / "config.json").read_text(encoding="utf-8"))["labels"]
    return tuple(label["name"] for label in labels)


@cache
def sound_ids() -> tuple[str, ...]:
    """AudioSet's ids of the 527 sounds, such as ``/m/05r5c``."""
    labels = json.loads((default_ear() / "config.json").read_text(encoding="utf-8"))["labels"]
    return tuple(label["mid"] for label in labels)


def default_ear() -> Path:
    """Folder of the network inside the installed package."""
    return Path(__file__).parent.parent / "pretrained" / "mn04"
