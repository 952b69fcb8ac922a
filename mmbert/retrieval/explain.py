"""Why a hit is there: true statements about that piece that answer this question, nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mmbert.audio.sounds import said
from mmbert.facets import FACETS, fold, note_name, pitch_class, show
from mmbert.retrieval.conditions import is_pace_class, paced_by
from mmbert.retrieval.lexicon import is_silent
from mmbert.types import Condition, Facets, Place, bars_named

FACTS_ADDED = 2  # of a piece that nothing but its nearness speaks for
TONALITY = ("key", "mode")  # said as one phrase
NO_ARTICLE = re.compile(r"(?:music|ragtime|swing|[^s]s)$", re.I)  # blues, variations, several reels


@dataclass(frozen=True)
class Grounds:
    """What is known about a hit when its reason is written.

    Attributes:
        facets: The piece's.
        fitting: Conditions of the question that it fits.
        missing: Those that it is known not to fit.
        lexical: Words of the question that full text looked for.
        texts: Names of its texts (``title``, ``description`` ...) and what they say.
        place: The nearest passage, None where no vector was compared, or the hit is a text.
        to: What the passage is near to: ``your words`` or the example's name.
        example: Facets of the example, None without one.
        opening: The first words of a hit that is a text.
        heard: Sounds of a recording that the question speaks of.
    """

    facets: Facets
    fitting: Sequence[Condition] = ()
    missing: Sequence[Condition] = ()
    lexical: str = ""
    texts: Sequence[tuple[str, str]] = ()
    place: Place | None = None
    to: str = "your words"
    example: Facets | None = None
    opening: str = ""
    heard: Sequence[str] = ()


def why(grounds: Grounds) -> str:
    """The reason as one sentence.

    >>> jig = Facets(key="D", mode="major", pace=6.6, bars=16, metre="6/8", form="jig")
    >>> asked = (Condition("form", "=", "jig"), Condition("pace", "=", "fast"), Condition("key", "=", "D"))
    >>> why(Grounds(jig, asked, place=Place(4.0, 8.0, 8, 12)))
    'Jig, fast (6.6 onsets a bar, no tempo is stated), in D; bars 9-12 of 16 are nearest to your words.'
    >>> why(Grounds(jig, (Condition("form", "=", "jig"),), (Condition("mode", "=", "minor"),)))
    'Jig, but in D major.'
    >>> why(Grounds(jig, (Condition("key", "=", "D"), Condition("mode", "=", "major"))))
    'In D major.'
    """
    facts = list(
        dict.fromkeys(_fact(c, grounds) for c in grounds.fitting if not _is_name(c) and not _missed(c, grounds))
    )
    facts = [fact for fact in facts if fact]
    facts = [", ".join(facts), _but(grounds, facts)]
    names = [_named(c, grounds.facets) for c in grounds.fitting if _is_name(c)]
    found = _found(grounds)
    parts = [*dict.fromkeys(names), ", ".join(fact for fact in facts if fact), found, _shared(grounds), _heard(grounds)]
    if grounds.opening:
        parts.append(f"it begins “{grounds.opening}”")
    if grounds.place is not None:
        parts.append(_nearest(grounds.place, grounds.to, grounds.facets.bars))
    if not any(parts[:-1] if grounds.place is not None else parts):
        parts.append(_plain_facts(grounds.facets))
    sentence = "; ".join(part for part in parts if part)
    return sentence[:1].upper() + sentence[1:] + "." if sentence else "Part of this library."


def _is_name(c: Condition) -> bool:
    return c.facet in ("title", "composer") and c.operator in ("=", "~")


def _named(c: Condition, facets: Facets) -> str:
    if c.facet == "title":
        return f"the title has “{c.value}”"
    return "by " + re.sub(r"^by\s+", "", facets.composer or "", flags=re.I)  # some files say "by" themselves


def _fact(c: Condition, grounds: Grounds) -> str:
    """A condition that holds, said of the piece itself."""
    facets = grounds.facets
    if is_pace_class(c):
        return _pace(c, facets)
    value = getattr(facets, c.facet)
    if isinstance(value, bool):
        return "drums" if value else "no drums"
    if c.operator == "!=" and value == ():
        return "no instrument is named"
    if c.operator == "!=" and FACETS[c.facet].kind != "number":
        no = {"composer": "not by", "key": "not in", "title": "not called"}
        return f"{'no' if isinstance(value, tuple) else no.get(c.facet, 'not')} {c.value}"
    if c.facet in TONALITY:
        return _tonality(grounds)[0]
    if isinstance(value, tuple):
        return _members(value, str(c.value))
    if c.facet in ("pitch_low", "pitch_high"):
        return f"{'lowest' if c.facet == 'pitch_low' else 'highest'} note {note_name(int(value))}"
    if FACETS[c.facet].kind == "number":
        against = show(c.facet, grounds.example) if grounds.example is not None and c.operator in ("<", ">") else ""
        if against and against == show(c.facet, facets):
            return f"a little {'over' if c.operator == '>' else 'under'} {against}"
        return _number(c.facet, facets) + (f" against {against}" if against else "")
    return str(value)


def _tonality(grounds: Grounds) -> tuple[str, str]:
    """Key and mode as one phrase: what is said of them before and behind ``but``, each fact once.

    Of ``D minor`` that met ``E minor`` only the mode fits. Beside other facts that is no news, and ``but in E minor``
    says it all; alone it is ``minor, but in E``.
    """
    facets, fit, miss = grounds.facets, _asked(grounds.fitting), _asked(grounds.missing)
    miss -= fit  # one of two keys asked for
    whole = f"in {show('key', facets)}" if facets.key else facets.mode or ""
    if fit and not miss:
        return (f"in {facets.key}" if fit == {"key"} else whole), ""
    if fit and not any(c.facet not in TONALITY and not _missed(c, grounds) for c in grounds.fitting):
        key, mode = f"in {facets.key}", facets.mode or ""
        return (mode, key) if fit == {"mode"} else (key, mode)
    return "", whole if miss else ""


def _asked(conditions: Sequence[Condition]) -> set[str]:
    return {c.facet for c in conditions if c.facet in TONALITY and c.operator != "!="}


def _missed(c: Condition, grounds: Grounds) -> bool:
    """Whether the piece lies outside of a range of which this is one end: it is then said behind ``but``."""
    return c.operator in (">", ">=", "<", "<=") and any(m.facet == c.facet for m in grounds.missing)


def _but(grounds: Grounds, said: Sequence[str]) -> str:
    """What the piece has instead of what was asked for, and is not ``said`` yet."""
    facets, found = grounds.facets, []
    for c in grounds.missing:
        if c.facet in ("metre", "form") and any(f.facet == c.facet and f.operator == "=" for f in grounds.fitting):
            continue  # one of two that were asked for
        if is_pace_class(c):
            found.append(show("tempo_bpm" if paced_by(facets) == "tempo" else "pace", facets))
        elif c.facet in TONALITY:
            found.append(_tonality(grounds)[1])
        elif c.facet in ("metre", "form"):
            found.append(show(c.facet, facets) if c.facet == "metre" else with_article(facets.form or ""))
        elif c.facet in ("parts", "tempo_bpm", "duration_s", "bars"):
            found.append(_number(c.facet, facets))
    found = [fact for fact in dict.fromkeys(found) if fact and not any(fact in other for other in said)]
    return f"but {', '.join(found)}" if found and grounds.fitting else ""


def with_article(noun: str) -> str:
    """A kind of piece behind its article, where it takes one.

    >>> with_article("air"), with_article("reel"), with_article("variations")
    ('an air', 'a reel', 'variations')
    """
    if NO_ARTICLE.search(noun):
        return noun
    return f"{'an' if noun[:1].lower() in tuple('aeiou') else 'a'} {noun}"


def _number(facet: str, facets: Facets) -> str:
    shown = show(facet, facets)
    nouns = {"bars": "bars", "parts": "parts", "notes_per_bar": "notes a bar", "polyphony": "notes at once"}
    if facet == "duration_s":
        return f"{shown} long"
    if facet == "velocity_mean":
        return f"mean velocity {shown}"
    noun = nouns.get(facet, "")
    return f"{shown} {noun[:-1] if noun in ('bars', 'parts') and shown == '1' else noun}".strip()


def _members(values: Sequence[str], wanted: str) -> str:
    """The instruments of the piece that the condition meant."""
    meant = [v for v in values if re.search(rf"\b{re.escape(fold(wanted))}\b", fold(v))]
    return " and ".join(meant[:3]) or wanted


def _pace(c: Condition, facets: Facets) -> str:
    """Slow or fast, and by what: the tempo where the file states one, else the pace."""
    said = f"not {c.value}" if c.operator == "!=" else str(c.value)
    if paced_by(facets) == "tempo":
        return f"{said} ({show('tempo_bpm', facets)})"
    return f"{said} ({show('pace', facets)}, no tempo is stated)"


def _found(grounds: Grounds) -> str:
    """Words of the question in the piece's own texts."""
    said = {fold(w) for c in grounds.fitting for w in re.findall(r"\w+", f"{c.words} {c.value}")}
    words = [w for w in dict.fromkeys(fold(w) for w in grounds.lexical.split()) if w not in said]
    named = {c.facet for c in grounds.fitting if _is_name(c)}
    for name, text in grounds.texts:
        if name in named:
            continue
        here = [w for w in words if re.search(rf"\b{re.escape(w)}(?:s|es)?\b", fold(text))]
        if not all(map(is_silent, here)):
            return f"its {name} has “{' '.join(here)}”"
    return ""


def _shared(grounds: Grounds) -> str:
    """What the piece has in common with the example, beside what was asked for."""
    if grounds.example is None:
        return ""
    asked = {c.facet for c in (*grounds.fitting, *grounds.missing)}
    mine, theirs = grounds.facets, grounds.example
    same = []
    if not asked & set(TONALITY) and _same_key(mine, theirs):
        same.append(show("key", mine))
    elif not asked & set(TONALITY) and mine.mode and mine.mode == theirs.mode:
        same.append(mine.mode)
    for name in ("metre", "form"):
        if name not in asked and getattr(mine, name) and getattr(mine, name) == getattr(theirs, name):
            same.append(show(name, mine))
    common = [i for i in mine.instruments if i in theirs.instruments][:2]
    if common and "instruments" not in asked:
        same.append(" and ".join(common))
    return f"like it: {', '.join(same)}" if same else ""


def _heard(grounds: Grounds) -> str:
    """Sounds that a network hears, by AudioSet's names for them."""
    if not grounds.heard:
        return ""
    return f"heard in it: {' and '.join(map(said, grounds.heard))}"


def _same_key(a: Facets, b: Facets) -> bool:
    return bool(a.key and b.key) and (pitch_class(a.key or ""), a.mode) == (pitch_class(b.key or ""), b.mode)


def _nearest(place: Place, to: str, bars: int | None) -> str:
    if place.start_bar is not None and place.end_bar is not None:
        first, last = place.start_bar, place.end_bar
        where = bars_named(first, last, f" of {bars}" if bars and bars >= last else "")
        return f"{where} {'is' if last - first <= 1 else 'are'} nearest to {to}"
    start = int(place.start_s)
    return f"the passage from {start // 60}:{start % 60:02d} is nearest to {to}"


def _plain_facts(facets: Facets) -> str:
    """A few facts of a piece for which only its nearness speaks."""
    said = {"key": "in {}", "metre": "in {}", "tempo_bpm": "at {}", "duration_s": "{} long"}
    form = [with_article(facets.form)] if facets.form else []
    shown = [words.format(show(name, facets)) for name, words in said.items() if show(name, facets)]
    facts = (" " if form else " and ").join([*form, *shown][:FACTS_ADDED])
    return f"it is {facts}" if facts else ""
