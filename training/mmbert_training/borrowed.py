"""Wording read from the shared text data while a pack is made; no sentence of it is kept in the repository.

Templates are MuseCoco's (Lu et al. 2023; microsoft/muzic, MIT): those that can be filled from facts, deny nothing, hold
no phrase of another fact and none of the unseen pool. Aspects are what musicians noted of recordings in MusicCaps
(Agostinelli et al. 2023, CC BY-SA 4.0): those of which no word begins as a word of any fact's phrases does. They stand
where asides do.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.errors import DataError
from mmbert.facets import TOKENS, tokens_of
from mmbert.text.phrases import content_words
from mmbert.types import Facets
from mmbert_training.asides import asides
from mmbert_training.captions import Caption
from mmbert_training.evaluate import calibration_questions
from mmbert_training.manifest import data_folder
from mmbert_training.phrases import NAMED, POOLS, phrases

TEMPLATES = "text_musecoco_templates.zip"
_MOST_WORDS = 30  # of a template; longer ones are mostly padding
_STEM = 5  # letters by which words are taken for forms of one word: guitar, guitarist
# Words that say how wide a range is, or that a model wrote instead of a sentence; slots that need an adjective.
_LEFT_OUT = re.compile(
    r"compact|limited|narrow|wide|broad|vast|extensive|expansive|impressive|sentence|context|brisk"
    r"|(\ban?|\bvery|\bis|\bare) \[EMOTION\]|\[EMOTION\](-| (in|feel|nature|vibe|tone|mood|character|atmosphere))",
    re.I,
)
_SEEN_TWICE = 2  # aspects noted once are often slips
# The attribute of a template and its slot. A speed has no slot: its words are the template's.
_SLOTS = {
    "I1": "[INSTRUMENTS]", "B1": "[NUM_BARS]", "TS1": "[TIME_SIGNATURE]", "K1": "[KEY]", "TM1": "[TM1]",
    "P4": "[RANGE]", "EM1": "[EMOTION]",
}  # fmt: skip
_SPEEDS = {"T1_0": "tempo=fast", "T1_1": "tempo=slow", "T1_2": "tempo=moderate"}
_MOODS = {
    "happy": "happiness", "calm": "calm", "sad": "sadness", "agitated": "tension", "solemn": "solemnity",
    "dreamy": "dreaminess", "playful": "playfulness", "energetic": "energy",
}  # fmt: skip


@dataclass(frozen=True)
class Template:
    """A sentence with slots.

    Attributes:
        text: With slots such as ``[KEY]``.
        slots: Attributes whose slots it has.
        speed: The statement of speed that its words make, else None.
    """

    text: str
    slots: tuple[str, ...]
    speed: str | None


@dataclass(frozen=True)
class Borrowed:
    """What was read of the text data.

    Attributes:
        templates: Sentences to fill.
        asides: What may be said of any piece, the project's own asides and the aspects.
    """

    templates: tuple[Template, ...]
    asides: tuple[str, ...]

    def caption(self, facets: Facets, rng: np.random.Generator) -> Caption | None:
        """A filled template; None where none can be filled."""
        fill = _fillings(facets, rng)
        tokens = tokens_of(facets)
        fitting = [
            t for t in self.templates if all(s in fill for s in t.slots) and (t.speed is None or t.speed in tokens)
        ]
        if not fitting:
            return None
        chosen = fitting[int(rng.integers(len(fitting)))]
        text, facts = chosen.text, [chosen.speed] if chosen.speed else []
        for slot in chosen.slots:
            said, stated = fill[slot]
            text, facts = text.replace(_SLOTS[slot], said), facts + list(stated)
        return Caption(text, tuple(sorted(facts, key=TOKENS.index)))


def read_borrowed(data: Path | None) -> Borrowed:
    """Read templates and aspects.

    Raises:
        DataError: where the text data are missing or unreadable.
    """
    folder = data_folder(data)
    base = json.loads(_member(folder / TEMPLATES, "base_templates.json"))
    refined = json.loads(_member(folder / TEMPLATES, "refined_template.json"))
    table = _member(folder / calibration_questions.MUSICCAPS, "musiccaps.csv")
    return Borrowed(_templates(base, refined), (*asides(), *_aspects(data, table)))


def _templates(base: Mapping[str, str], refined: Sequence[Mapping[str, Any]]) -> tuple[Template, ...]:
    """Those that can be filled and say no more than they state, each once."""
    rows = [([f"{name}_1"], text.strip()) for name in _SLOTS for text in base.get(name, "").split(";")]
    rows += [(list(r["attributes"]), r["response"].strip()) for r in refined]
    said = _said()
    found: dict[str, Template] = {}
    for attributes, text in rows:
        slots = [a.removesuffix("_1") for a in attributes if a not in _SPEEDS]
        speeds = [_SPEEDS[a] for a in attributes if a in _SPEEDS]
        there = sorted(re.findall(r"\[[^\]]*\]", text))
        if not (slots or speeds) or len(speeds) > 1 or there != sorted(_SLOTS.get(s, "") for s in slots):
            continue
        if len(text.split()) > _MOST_WORDS or text.count(". ") >= len(attributes) or _LEFT_OUT.search(text):
            continue
        stated = {speeds[0], speeds[0].replace("tempo", "pace").replace("moderate", "medium")} if speeds else set()
        words = _words(re.sub(r"\[[^\]]*\]", "", text))
        if all(facts & stated for phrase, facts in said.items() if phrase in words):
            found.setdefault(text, Template(text, tuple(slots), speeds[0] if speeds else None))
    return tuple(found.values())


def _said() -> dict[str, frozenset[str]]:
    """Every phrase, and the statements that its known uses make: none for a phrase of the unseen pool alone.

    Phrases that are also nouns around a description (``song``) state nothing.
    """
    nouns = {_words(noun) for noun in phrases("known").nouns}
    out: dict[str, set[str]] = {}
    for pool in POOLS:
        for token in (t for t in TOKENS if t.split("=")[0] not in NAMED):
            for phrase in phrases(pool).of(token):
                out.setdefault(_words(phrase), set()).update({token} if pool == "known" else ())
    return {phrase: frozenset(facts) for phrase, facts in out.items() if phrase not in nouns}


def _words(text: str) -> str:
    """Text as words between blanks, so that one may be looked for in another."""
    found = re.findall(r"[^\W_]+", text.lower())
    return f" {' '.join(found)} "


def _aspects(data: Path | None, table: str) -> tuple[str, ...]:
    rows = [r for r in csv.DictReader(io.StringIO(table)) if r["is_audioset_eval"] != "True"]
    noted = Counter(p for row in rows for p in set(calibration_questions.aspects(row)))
    asked = {q.text for part in ("choosing", "held") for q in calibration_questions.phrases(data, part)}
    of_facts = {w for pool in POOLS for t in TOKENS for p in phrases(pool).of(t) for w in content_words(p)}
    stems = {w[:_STEM] for w in (*of_facts, *_MOODS.values())}
    return tuple(sorted(
        p for p, n in noted.items()
        if n >= _SEEN_TWICE and p not in asked and not {w[:_STEM] for w in content_words(p)} & stems
    ))  # fmt: skip


def _fillings(facets: Facets, rng: np.random.Generator) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Of each slot that the facets can fill: what is said, and the statements that it makes."""
    true: dict[str, list[str]] = {}
    for token in tokens_of(facets):
        true.setdefault(token.split("=")[0], []).append(token)
    fill: dict[str, tuple[str, tuple[str, ...]]] = {}
    if named := true.get("instrument"):
        some = [named[i] for i in rng.permutation(len(named))[: int(rng.integers(1, 3))]]
        fill["I1"] = (" and ".join(t[11:] for t in some), tuple(some))
    if "bars" in true:
        fill["B1"] = (str(facets.bars), tuple(true["bars"]))
    if metre := true.get("metre"):
        fill["TS1"] = (metre[0][6:], tuple(metre))
    if "key" in true and "mode" in true:
        key, mode = true["key"][0], true["mode"][0]
        whole = rng.random() < 0.7
        fill["K1"] = (f"{key[4:]} {mode[5:]}", (key, mode)) if whole else (mode[5:], (mode,))
    if "length" in true and facets.duration_s is not None:
        fill["TM1"] = (str(int(facets.duration_s)), tuple(true["length"]))
    if "range" in true and facets.pitch_low is not None and facets.pitch_high is not None:
        fill["P4"] = (str(max(2, math.ceil((facets.pitch_high - facets.pitch_low) / 12))), tuple(true["range"]))
    if moods := true.get("mood"):
        mood = moods[int(rng.integers(len(moods)))]
        fill["EM1"] = (_MOODS[mood[5:]], (mood,))
    return fill


def _member(archive: Path, name: str) -> str:
    try:
        return zipfile.ZipFile(archive).read(name).decode("utf-8")
    except (OSError, KeyError, zipfile.BadZipFile, UnicodeDecodeError) as e:
        raise DataError(str(archive), f"cannot be read: {e}", "Copy it again") from e
