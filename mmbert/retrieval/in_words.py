"""A piece's measured facts as one sentence, and each statement of the vocabulary in a word or two."""

from __future__ import annotations

from mmbert.audio.sounds import said as said_of
from mmbert.facets import BINS, MOODS, form_token, show, tokens_of
from mmbert.items.text import clean
from mmbert.retrieval.explain import with_article
from mmbert.types import Facets, Kind

INSTRUMENTS_NAMED = 6
OPENING = 80  # characters of a text that stand for it
_FEW = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# What a value needs around it to say what it is about; forms, instruments, families and metres need nothing.
_ABOUT = {
    "key": "in {}", "tempo": "{} tempo", "pace": "{} pace", "parts": "{} parts", "bars": "{} bars", "length": "{}",
    "texture": "{} texture", "density": "{}", "range": "{} range", "register": "{} register", "drums": "drums",
    "mood": "{} (derived)",
}  # fmt: skip
_ODD = {"parts=one": "one part", "texture=single line": "single line", "parts=many": "many parts"}


def short(statement: str) -> str:
    """A statement of :data:`mmbert.facets.TOKENS` as people read it.

    >>> short("mode=minor"), short("pace=fast"), short("key=D"), short("mood=sad"), short("parts=one")
    ('minor', 'fast pace', 'in D', 'sad (derived)', 'one part')
    """
    name, _, value = statement.partition("=")
    return _ODD.get(statement) or _ABOUT.get(name, "{}").format(value)


def sentence(facets: Facets, kind: Kind = "score", text: str = "") -> str:
    """What is known of a piece; nothing that is unknown.

    Args:
        facets: Measured facts.
        kind: What the piece is.
        text: What a piece of kind ``text`` says.

    >>> sentence(Facets(key="D", mode="major", metre="6/8", bars=16, form="Jig", tempo_bpm=96, duration_s=61, parts=1))
    'A jig in D major, 6/8 time, moderate (96 bpm), in one part, 1:01 long (16 bars).'
    >>> sentence(Facets(key="A", mode="minor", tempo_bpm=60, pace=1.0, duration_s=125, instruments=("flute", "harp")))
    'A piece in A minor, slow (60 bpm, 1.0 onsets a second), for flute and harp, 2:05 long; derived mood: sad.'
    >>> sentence(Facets(duration_s=75, instruments=("violin",), sounds=("Violin, fiddle", "Orchestra")), "recording")
    'A recording, 1:15 long; heard: violin and orchestra.'
    """
    if kind == "text":
        return f"A text that begins “{opening(text)}”." if text.strip() else "A text."
    key = f" in {show('key', facets)}" if facets.key else f" in a {facets.mode} key" if facets.mode else ""
    facts = [
        with_article(_noun(facets, kind)) + key,
        f"{facets.metre} time" if facets.metre else "",
        _speed(facets),
        _players(facets) if kind != "recording" else "",  # they are among what is heard
        _length(facets),
    ]
    said = ", ".join(fact for fact in facts if fact)
    true = tokens_of(facets)
    moods = [mood for mood in MOODS if f"mood={mood}" in true]
    heard = [said_of(name) for name in facets.sounds[:INSTRUMENTS_NAMED]]
    sounds = f"; heard: {_listed(heard)}" if heard else ""
    derived = f"; derived mood{'s' if len(moods) > 1 else ''}: {_listed(moods)}" if moods else ""
    return f"{said[:1].upper()}{said[1:]}{sounds}{derived}."


def opening(text: str) -> str:
    """The first words of a text on one line, with an ellipsis where more follow.

    >>> opening("Tune for a wedding.\\n\\nPlay it twice."), opening("la " * 50)[-9:]
    ('Tune for a wedding. Play it twice.', 'la la la…')
    """
    line = clean(text, 2 * OPENING)
    return line if len(line) <= OPENING else line[: OPENING + 1].rsplit(" ", 1)[0].rstrip() + "…"


def _noun(facets: Facets, kind: Kind) -> str:
    if facets.form:
        return form_token(facets.form) or clean(facets.form, OPENING).lower()
    return "recording" if kind == "recording" else "performance in free time" if facets.free_time else "piece"


def _speed(facets: Facets) -> str:
    """Slow or fast and the number: by the tempo where the file states one, else by the pace."""
    if facets.tempo_bpm is not None:
        word = BINS["tempo"].name(facets.tempo_bpm)
    elif facets.pace is not None:
        word = BINS[f"pace_{facets.pace_unit}"].name(facets.pace)
    else:
        return ""
    stated = "" if facets.tempo_bpm is not None or facets.free_time else "no tempo is stated"
    numbers = [n for n in (show("tempo_bpm", facets), show("pace", facets), stated) if n]
    return f"{'of medium pace' if word == 'medium' else word} ({', '.join(numbers)})"


def _players(facets: Facets) -> str:
    names = list(facets.instruments)
    more = len(names) - INSTRUMENTS_NAMED
    if more > 0:
        names = [*names[:INSTRUMENTS_NAMED], f"{more} more"]
    played = f"for {_listed(names)}" if names else ""
    parts = ""
    if facets.parts:
        count = _FEW[facets.parts] if facets.parts < len(_FEW) else str(facets.parts)
        parts = f"in {count} part{'' if facets.parts == 1 else 's'}"
    return f"{played} {parts}".strip()


def _length(facets: Facets) -> str:
    """In minutes where a tempo is known (or the notes were played): a length at an assumed tempo is no measurement."""
    bars = f"{facets.bars} bar{'' if facets.bars == 1 else 's'}" if facets.bars else ""
    if facets.duration_s is not None and facets.timed:
        return f"{show('duration_s', facets)} long" + (f" ({bars})" if bars else "")
    return f"{bars} long" if bars else ""


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
