"""General MIDI instruments and their families (General MIDI Level 1 sound set), in lower case."""

from __future__ import annotations

NAMES: tuple[str, ...] = tuple(
    """acoustic grand piano|bright acoustic piano|electric grand piano
honky-tonk piano|electric piano|electric piano 2|harpsichord|clavinet
celesta|glockenspiel|music box|vibraphone|marimba|xylophone|tubular bells|dulcimer
drawbar organ|percussive organ|rock organ|church organ|reed organ|accordion|harmonica|bandoneon
nylon guitar|steel guitar|jazz guitar|electric guitar|muted guitar|overdriven guitar|distortion guitar|guitar harmonics
acoustic bass|fingered bass|picked bass|fretless bass|slap bass|slap bass 2|synth bass|synth bass 2
violin|viola|cello|double bass|tremolo strings|pizzicato strings|harp|timpani
string ensemble|slow strings|synth strings|synth strings 2|choir|voice|synth voice|orchestra hit
trumpet|trombone|tuba|muted trumpet|french horn|brass section|synth brass|synth brass 2
soprano sax|alto sax|tenor sax|baritone sax|oboe|english horn|bassoon|clarinet
piccolo|flute|recorder|pan flute|blown bottle|shakuhachi|whistle|ocarina
square lead|sawtooth lead|calliope lead|chiff lead|charang lead|voice lead|fifths lead|bass lead
new age pad|warm pad|polysynth pad|choir pad|bowed pad|metallic pad|halo pad|sweep pad
rain|soundtrack|crystal|atmosphere|brightness|goblins|echoes|sci-fi
sitar|banjo|shamisen|koto|kalimba|bagpipes|fiddle|shanai
tinkle bell|agogo|steel drums|woodblock|taiko|melodic tom|synth drum|reverse cymbal
guitar fret noise|breath noise|seashore|bird|telephone|helicopter|applause|gunshot""".replace("\n", "|").split("|")
)
FAMILIES: tuple[str, ...] = (
    "piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass",
    "reed", "pipe", "synth lead", "synth pad", "synth effects", "ethnic", "percussive", "sound effects",
)  # fmt: skip
DRUMS = "drums"


def name_of(program: int, is_drum: bool = False) -> str:
    """Name of a General MIDI program 0-127.

    >>> name_of(40), name_of(0, is_drum=True)
    ('violin', 'drums')
    """
    return DRUMS if is_drum else NAMES[program]


def family_of(program: int, is_drum: bool = False) -> str:
    """Family of a General MIDI program 0-127; choirs and voices (52-54) are ``voice``.

    >>> family_of(40), family_of(52), family_of(48)
    ('strings', 'voice', 'strings')
    """
    if is_drum:
        return DRUMS
    if 52 <= program <= 54:
        return "voice"
    if 48 <= program <= 51:  # string ensembles: people who ask for strings want them
        return "strings"
    return FAMILIES[program // 8]
