"""The words that the grammar knows, and the conditions that they stand for. Numbers come from ``mmbert.facets.BINS``.

A *reading* is ``(facet, operator, value)``. Names of instruments are those of ``mmbert.symbolic.instruments`` with
what people say besides; forms are ``mmbert.facets.FORMS`` with their plurals and other spellings.
"""

from __future__ import annotations

import re
from functools import cache

from mmbert.facets import BINS, FORM_SPELLINGS, FORMS, MAJOR_TONICS, MINOR_TONICS, fold
from mmbert.symbolic.instruments import NAMES

Value = str | float | bool
Reading = tuple[str, str, Value]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PACE: dict[str, str] = {
    "slow": "slow slowly slowish slow-moving unhurried leisurely adagio adagietto largo larghetto lento grave lentement"
    " langsam calm relaxed sustained takes-its-time long-notes",
    "moderate": "moderate medium-tempo mid-tempo medium-paced medium-speed steady flowing andante andantino"
    " walking-pace",
    "brisk": "brisk briskly moderato allegretto con-moto",
    "fast": "fast fast-moving quick quickly lively rapid rapidly sprightly spirited energetic upbeat up-tempo uptempo"
    " speedy allegro vivace vivo presto prestissimo schnell lebhaft animated vigorous high-speed"
    " full-of-energy running-notes",
}  # fmt: skip
"""Class of pace -> words; a hyphen also stands for a space. The classes are those of ``BINS["tempo"]``."""

_LENGTH, _LOUD, _DENSITY = BINS["length"].bounds, BINS["dynamics"].bounds, BINS["density"].bounds
MIDDLE_C = 60
_HIGH: Reading = ("pitch_low", ">=", MIDDLE_C)
_LOW: Reading = ("pitch_high", "<", MIDDLE_C)
_ONE_LINE: Reading = ("polyphony", "<", BINS["texture"].bounds[0])
_THICK: Reading = ("polyphony", ">=", BINS["texture"].bounds[-1])
_MANY: Reading = ("parts", ">=", BINS["parts"].bounds[-1])
QUALITIES: tuple[tuple[str, Reading], ...] = (
    (r"short|brief|shortish|miniature", ("duration_s", "<", _LENGTH[0])),
    (r"long(?!\s+(?:notes?|ago|way|time))|lengthy|extended|large[- ]scale", ("duration_s", ">=", _LENGTH[1])),
    (r"(?:with |of )?(?:a )?few bars", ("bars", "<", BINS["bars"].bounds[0])),
    (r"(?:with |of )?many bars", ("bars", ">=", BINS["bars"].bounds[1])),
    (r"quiet|quietly|soft|softly|hushed|delicate|low volume|pianissimo", ("velocity_mean", "<", _LOUD[0])),
    (r"loud|loudly|forceful|powerful|full volume|forte|fortissimo", ("velocity_mean", ">=", _LOUD[1])),
    (r"monophonic|single[- ]line|melody[- ]only|just a melody|one note at a time|unharmonised", _ONE_LINE),
    (r"without (?:chords|accompaniment)", _ONE_LINE),
    (r"chordal|full chords|thick[- ]textured|thick texture|densely harmonised", _THICK),
    (r"many notes at (?:once|a time)", _THICK),
    (r"sparse|uncluttered|few notes(?! a second)", ("notes_per_bar", "<", _DENSITY[0])),
    (r"busy|dense|intricate|ornate|(?:many|lots of|full of) notes(?! a second)", ("notes_per_bar", ">=", _DENSITY[1])),
    (r"few notes a second", ("pace", "=", "slow")),
    (r"many notes a second", ("pace", "=", "fast")),
    (r"high[- ]pitched|(?:in (?:a |the )?)?(?:high|treble) (?:register|range)|treble(?! clef)", _HIGH),
    (r"low[- ]pitched|(?:in (?:a |the )?)?(?:low|bass) (?:register|range)|bass[- ]heavy|deep", _LOW),
    (r"high(?=\s*(?:$|[,.;!?]|and\b|but\b))", _HIGH),
    (r"low(?=\s*(?:$|[,.;!?]|and\b|but\b))", _LOW),
    (r"solo|unaccompanied|single[- ]part|(?:for )?a single instrument|one stave", ("parts", "=", 1)),
    (r"duets?|duos?", ("parts", "=", 2)),
    (r"trios?", ("parts", "=", 3)),
    (r"quartets?|satb", ("parts", "=", 4)),
    (r"quintets?", ("parts", "=", 5)),
    (r"sextets?", ("parts", "=", 6)),
    (r"many[- ](?:parts|instruments|voices|voiced)|multi[- ]instrument|large ensemble|full band|orchestral", _MANY),
    (r"(?:five|5) or more (?:parts|players|voices|instruments)", _MANY),
    (r"with a beat", ("has_drums", "=", True)),
)

# Said of an example: facet, and whether more or less of it is wanted.
RELATIVE: tuple[tuple[str, str, str], ...] = (
    (r"slower|calmer|more slowly|(?:less|half as|not as|not so) (?:fast|quick|lively)", "pace", "<"),
    (r"faster|quicker|livelier|more lively|twice as (?:fast|quick)|(?:less|not as|not so) slow", "pace", ">"),
    (r"shorter|(?:less|half as|not as|not so) long", "duration_s", "<"),
    (r"longer|twice as long|(?:less|not as|not so) short", "duration_s", ">"),
    (r"higher", "pitch_high", ">"),
    (r"lower|deeper", "pitch_high", "<"),
    (r"louder|(?:less|not as|not so) (?:quiet|soft)", "velocity_mean", ">"),
    (r"quieter|softer|(?:less|not as|not so) loud", "velocity_mean", "<"),
    (r"busier|denser|more notes|(?:less|not as|not so) sparse", "notes_per_bar", ">"),
    (r"sparser|simpler|fewer notes|(?:less|not as|not so) (?:busy|dense)", "notes_per_bar", "<"),
    (r"fuller|thicker|richer", "polyphony", ">"),
    (r"thinner", "polyphony", "<"),
    (r"more (?:parts|instruments|voices)", "parts", ">"),
    (r"fewer (?:parts|instruments|voices)", "parts", "<"),
)

_METRE_WORDS = {
    "two two": "2/2", "two four": "2/4", "three two": "3/2", "three four": "3/4", "three eight": "3/8",
    "four four": "4/4", "four two": "4/2", "five four": "5/4", "six four": "6/4", "six eight": "6/8",
    "seven eight": "7/8", "nine eight": "9/8", "twelve eight": "12/8",
}  # fmt: skip
_A_BAR = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "nine": 9, "twelve": 12}
METRES: tuple[tuple[str, str], ...] = (
    *((rf"{words.replace(' ', '[- ]')}(?: time)?", metre) for words, metre in _METRE_WORDS.items()),
    *(
        (rf"{n}[- ]{note}s?[- ]time", f"{k}/{d}")
        for note, d in (("half", 2), ("quarter", 4), ("eighth", 8))
        for n, k in _A_BAR.items()
    ),
    *(
        (rf"{n} {note} notes (?:a|to the|per) (?:bar|measure)", f"{k}/{d}")
        for note, d in (("half", 2), ("quarter", 4), ("eighth", 8))
        for n, k in _A_BAR.items()
    ),
    *(
        (rf"{n}(?: beats (?:a|to the|per) (?:bar|measure)|[- ]in[- ]a[- ]bar)", f"{k}/4")
        for n, k in list(_A_BAR.items())[:5]
    ),
    (r"common time", "4/4"),
    (r"cut[- ](?:common[- ])?time|alla breve", "2/2"),
    (r"(?:triple|waltz)[- ](?:time|met(?:re|er))", "3/4"),
    (r"(?:duple|polka)[- ](?:time|met(?:re|er))", "2/4"),
    (r"quadruple[- ](?:time|met(?:re|er))", "4/4"),
    (r"quintuple[- ](?:time|met(?:re|er))", "5/4"),
    (r"jig[- ]time", "6/8"),
    (r"slip[- ]jig[- ]time", "9/8"),
)
IN_N = {"two": "2/4", "2": "2/4", "three": "3/4", "3": "3/4", "four": "4/4", "4": "4/4", "five": "5/4", "5": "5/4",
        "six": "6/8", "6": "6/8", "seven": "7/8", "7": "7/8", "nine": "9/8", "9": "9/8", "twelve": "12/8"}  # fmt: skip

_COUNTS = "one two three four five six seven eight nine ten eleven twelve"
NUMBER_WORDS = {word: n for n, word in enumerate(_COUNTS.split(), 1)} | {
    "a": 1, "an": 1, "half a": 0.5, "one and a half": 1.5, "two and a half": 2.5,
    "fifteen": 15, "sixteen": 16, "twenty": 20, "thirty": 30, "forty": 40,
    "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "a hundred": 100,
}  # fmt: skip

# What people say -> readings; singular, folded. General MIDI names are added below.
_SAID: dict[str, tuple[Reading, ...]] = {
    "drum": (("has_drums", "=", True),), "percussion": (("has_drums", "=", True),),
    "drum kit": (("has_drums", "=", True),), "bass drum": (("has_drums", "=", True),),
    "vocal": (("families", "=", "voice"),), "wind instrument": (("families", "=", "reed"), ("families", "=", "pipe")),
    "string": (("families", "=", "strings"),), "bowed string": (("families", "=", "strings"),),
    "string orchestra": (("families", "=", "strings"),), "string section": (("families", "=", "strings"),),
    "brass": (("families", "=", "brass"),), "brass band": (("families", "=", "brass"),),
    "woodwind": (("families", "=", "reed"), ("families", "=", "pipe")),
    "choir": (("families", "=", "voice"),), "chorus": (("families", "=", "voice"),),
    "a capella": (("families", "=", "voice"),), "a cappella": (("families", "=", "voice"),),
    "singer": (("families", "=", "voice"),), "voice": (("families", "=", "voice"),),
    "tuned percussion": (("families", "=", "chromatic percussion"),),
    "mallet": (("families", "=", "chromatic percussion"),), "singing": (("families", "=", "voice"),),
    "reed": (("families", "=", "reed"),), "woodwinds": (("families", "=", "reed"), ("families", "=", "pipe")),
    "folk instrument": (("families", "=", "ethnic"),), "world instrument": (("families", "=", "ethnic"),),
    "synth lead": (("families", "=", "synth lead"),), "synth pad": (("families", "=", "synth pad"),),
    "sound effect": (("families", "=", "sound effects"),),
    "string synth": (("instruments", "=", "synth strings"),), "brass synth": (("instruments", "=", "synth brass"),),
    "keyboard": (("families", "=", "piano"),), "synth": (("families", "=", "synth"),),
    "synthesizer": (("families", "=", "synth"),),
    **{n: (("families", "=", "strings"), ("parts", "=", k))
       for n, k in (("string trio", 3), ("string quartet", 4), ("string quintet", 5), ("string sextet", 6))},
    **{said: (("instruments", "=", name),) for said, name in {
        "piano": "piano", "pianoforte": "piano", "grand piano": "piano", "guitar": "guitar", "organ": "organ",
        "pipe organ": "organ", "church organ": "organ", "bass": "bass", "sax": "sax", "saxophone": "sax",
        "soprano saxophone": "soprano sax", "alto saxophone": "alto sax", "tenor saxophone": "tenor sax",
        "baritone saxophone": "baritone sax", "horn": "french horn", "fiddle": "fiddle", "violoncello": "cello",
        "celli": "cello", "contrabass": "double bass", "upright bass": "acoustic bass",
        "bass guitar": "fingered bass", "cor anglais": "english horn", "steel drum": "steel drums",
        "electric grand": "electric grand piano",
        "classical guitar": "nylon guitar", "acoustic guitar": "steel guitar", "glocken": "glockenspiel",
        "tin whistle": "whistle", "pennywhistle": "whistle", "penny whistle": "whistle", "flute": "flute",
        "traverso": "flute", "bass clarinet": "clarinet",
        "bagpipe": "bagpipes", "timpani": "timpani", "kettledrum": "timpani",
        "squeezebox": "accordion", "mouth organ": "harmonica", "tubular bell": "tubular bells",
    }.items()},
}  # fmt: skip
# General MIDI names that are ordinary words or would take a word that means something else.
_NOT_INSTRUMENTS = _words(
    "rain soundtrack crystal atmosphere brightness goblins echoes sci-fi bird telephone helicopter applause gunshot"
    " seashore voice drums"
)

_FORM_SAID = {
    "cradle song": "lullaby", "study piece": "study", "christmas carol": "carol", "hymn tune": "hymn",
    "sailor's hornpipe": "hornpipe", "bluesy": "blues", "canonic": "canon", "danceable": "dance", "fugal": "fugue",
    "jazzy": "swing", "swinging": "swing", "marcia": "march",
    "marching tune": "march", "notturno": "nocturne", "partita": "suite",
}  # fmt: skip
_NOT_FORMS = frozenset(("quartet", "trio"))  # said of the players: read as a number of parts
FORM_METRE = {"waltz": "3/4"}


def _plurals(word: str) -> tuple[str, ...]:
    if word.endswith("s") and not word.endswith(("ss", "bass", "brass")):
        return (word,)
    if word.endswith("y") and word[-2] not in "aeiou":
        return word, word[:-1] + "ies"
    if word.endswith(("ch", "sh", "z", "ss")):
        return word, word + "es"
    return word, word + "s"


@cache
def instruments() -> dict[str, tuple[Reading, ...]]:
    """What people call instruments and families, with plurals -> readings."""
    out: dict[str, tuple[Reading, ...]] = {}
    for name in NAMES:
        if name not in _NOT_INSTRUMENTS and not name.startswith("slow "):
            out |= dict.fromkeys(_plurals(name), (("instruments", "=", name),))
    for said, readings in _SAID.items():
        out |= dict.fromkeys(_plurals(said), readings)
    return out


@cache
def forms() -> dict[str, tuple[Reading, ...]]:
    """What people call forms, with plurals -> readings. A waltz is a metre too."""
    out: dict[str, tuple[Reading, ...]] = {}
    for said, name in ({f: f for f in FORMS} | FORM_SPELLINGS | _FORM_SAID).items():
        if name in _NOT_FORMS:
            continue
        readings: list[Reading] = [("form", "=", name)]
        if name in FORM_METRE:
            readings.append(("metre", "=", FORM_METRE[name]))
        out |= dict.fromkeys(_plurals(fold(said)), tuple(readings))
    return out


@cache
def things() -> dict[str, tuple[Reading, ...]]:
    """Instruments and forms together."""
    return instruments() | forms()


@cache
def things_pattern() -> str:
    """A regular expression of all :func:`things`."""
    return alternatives(things())


@cache
def paces() -> dict[str, tuple[Reading, ...]]:
    """Words of pace -> one reading ``pace=slow`` ...; a quickstep is a dance."""
    return {w.replace("-", "[- ]"): (("pace", "=", name),) for name, words in PACE.items() for w in words.split()}


def alternatives(words: dict[str, tuple[Reading, ...]]) -> str:
    """A regular expression of all words, longest first; keys may hold patterns."""
    return "|".join(w if "[" in w else re.escape(w) for w in sorted(words, key=len, reverse=True))


GERMAN_NOTES = {"c": "C", "cis": "C#", "des": "Db", "d": "D", "dis": "D#", "es": "Eb", "e": "E", "f": "F", "fis": "F#",
                "ges": "Gb", "g": "G", "gis": "G#", "as": "Ab", "a": "A", "ais": "A#", "b": "Bb", "h": "B"}  # fmt: skip
ROMANCE_NOTES = {"do": "C", "ut": "C", "re": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
TONICS = frozenset((*MAJOR_TONICS, *MINOR_TONICS))

FACET_ALIASES = {
    "bpm": "tempo_bpm", "tempo": "tempo_bpm", "meter": "metre", "time": "metre", "length": "duration_s",
    "duration": "duration_s", "seconds": "duration_s", "instrument": "instruments", "family": "families",
    "drums": "has_drums", "voices": "parts", "measures": "bars", "artist": "composer",
}  # fmt: skip
"""Names of facets that people write in front of an operator, besides the names themselves."""

STOP = _words(
    "a an the in on of for with and or but to at by from it is its that this these those which whose where as very"
    " quite some something anything any piece pieces music tune tunes please find me i want would like need give show"
    " looking one called titled named than no not without nothing same more less most time key played play written"
    " about"
)
"""Words that tell no title, composer or thing."""

_SMALL = STOP | _words(
    "my your his her our their me you he she we they us him them mine yours who whom what when how why there here am"
    " are was were be been being do does did done have has had should could if so then just also i'm i'd i've it's"
    " that's there's what's you're let's don't doesn't"
)


def is_silent(word: str) -> bool:
    """Whether a word says nothing to full text, since any title may hold it: small words and single letters.

    >>> is_silent("My"), is_silent("I’ve"), is_silent("x"), is_silent("5"), is_silent("tax")
    (True, True, True, False, False)
    """
    bare = word.casefold().replace("’", "'")
    return bare in _SMALL or re.fullmatch("[a-z]", bare) is not None


# Surnames that are words as well: only a capital letter or "by" makes them a composer.
COMMON_SURNAMES = _words(
    "young wood field white black brown green king love price bliss smart rich best day may child hill stone long short"
    " strong page church parish bishop bell bond fox grey gray moon rose snow summer winter west north woods brook"
    " barber taylor cook carter mason shepherd hunter fisher walker cage glass berlin gay work still sharp flat"
)
# Behind "Composer:" in many files, and no composer.
NO_COMPOSER = _words(
    "trad traditional anon anonymous unknown arr arranged various composer folk english german french irish scottish"
    " welsh american italian spanish basque dutch swedish norwegian danish finnish polish russian bohemian czech"
    " hungarian silesian medieval gregorian latin hebrew jewish spiritual volksweise gesangbuch psalter psalmody"
    " melody harmony band maestro beau song"
)
# Ordinary words that are one letter away from a word of this lexicon (from the 30,000 of the text model).
NO_SLIPS = _words(
    "arches ballard bosses cannons carlos carole celeste chairs choral chords chores danced dancer dancers finger"
    " fingers ginger grasses hanson harmonic intention intentions linger marched marcia marshes martha masses matches"
    " middle minute minutes niccolo passes recorded riddle romania spring springs staring storing strong strung studied"
    " studios suited synthesized thames themed travers traverse values valves villas voiced walker walkers waller"
    " walter walters winger"
)
