"""Which of a score's instruments a network that has heard real recordings recognises in a rendering.

A sound font's cello may sound like a synthesizer. Words that say cello would then teach that synthesizers are cellos,
so what is not recognised is not said of the rendering.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mmbert.audio.sounds import sound_names
from mmbert.symbolic.instruments import DRUMS, NAMES, family_of
from mmbert.types import Facets

LEAST = 0.05  # probability of a named sound from which on it counts as heard

# General MIDI family -> the sounds of AudioSet that it may be taken for. Families without one are never recognised.
SOUNDS: Mapping[str, tuple[str, ...]] = {
    "piano": ("Piano", "Electric piano", "Keyboard (musical)", "Harpsichord"),
    "chromatic percussion": (
        "Mallet percussion", "Marimba, xylophone", "Glockenspiel", "Vibraphone", "Tubular bells", "Bell", "Chime",
    ),
    "organ": ("Organ", "Electronic organ", "Hammond organ", "Accordion", "Harmonica"),
    "guitar": ("Guitar", "Electric guitar", "Acoustic guitar", "Steel guitar, slide guitar", "Strum"),
    "bass": ("Bass guitar", "Double bass"),
    "strings": ("Bowed string instrument", "String section", "Violin, fiddle", "Cello", "Double bass", "Pizzicato",
                "Harp", "Orchestra"),
    "ensemble": ("Orchestra", "String section"),
    "voice": ("Singing", "Choir", "Vocal music", "A capella", "Chant"),
    "brass": ("Brass instrument", "French horn", "Trumpet", "Trombone"),
    "reed": ("Wind instrument, woodwind instrument", "Saxophone", "Clarinet"),
    "pipe": ("Flute", "Wind instrument, woodwind instrument", "Whistling"),
    "synth lead": ("Synthesizer", "Electronic music"),
    "synth pad": ("Synthesizer", "Ambient music"),
    "synth effects": ("Synthesizer",),
    "ethnic": ("Sitar", "Banjo", "Bagpipes", "Plucked string instrument", "Violin, fiddle"),
    "percussive": ("Steelpan", "Percussion", "Wood block"),
    DRUMS: ("Drum kit", "Drum", "Drum machine", "Snare drum", "Bass drum", "Percussion", "Cymbal"),
}  # fmt: skip


def recognised(logits: np.ndarray) -> frozenset[str]:
    """Families that are heard.

    Args:
        logits: float [527], of a clip.

    >>> quiet = np.full(527, -9.0)
    >>> quiet[sound_names().index("Cello")] = 0.0
    >>> sorted(recognised(quiet))
    ['strings']
    """
    heard = {name for name, logit in zip(sound_names(), logits) if 1 / (1 + np.exp(-float(logit))) >= LEAST}
    return frozenset(family for family, sounds in SOUNDS.items() if heard & {*sounds})


def said_of(facets: Facets, heard: frozenset[str]) -> Facets | None:
    """The facts that words may state of a rendering: instruments that are not recognised are left out.

    None where instruments are known and not one of them is recognised.

    >>> known = Facets(mode="minor", instruments=("cello", "flute"), families=("strings", "pipe"))
    >>> said_of(known, frozenset({"pipe"})).instruments, said_of(known, frozenset())
    (('flute',), None)
    """
    kept = tuple(name for name in facets.instruments if _family(name) in heard)
    if facets.instruments and not kept:
        return None
    families = tuple(family for family in facets.families if family in heard)
    return replace(
        facets,
        instruments=kept,
        families=families,
        has_drums=None if facets.has_drums and DRUMS not in heard else facets.has_drums,
    )


def _family(instrument: str) -> str:
    return family_of(0, True) if instrument == DRUMS else family_of(NAMES.index(instrument))
