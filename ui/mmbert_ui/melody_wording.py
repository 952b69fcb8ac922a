"""How the page words what was done to a phrase so that it goes with a melody, and how a melody was read."""

from __future__ import annotations

from typing import Any

from mmbert.facets import pitch_class, tonic_name
from mmbert.retrieval.melody_query import AskedMelody
from mmbert.titles import part_named
from mmbert.types import PhraseHit

_SAME_TEMPO = 0.005  # smaller changes are no change to a listener


def moved(hit: PhraseHit, melody: AskedMelody) -> str:
    """One sentence: from which key and tempo to which.

    >>> from types import SimpleNamespace as N
    >>> found = N(facets=N(key="G", mode="major"), transposed_by=7, stretched_by=0.92 / 1.0)
    >>> moved(found, N(bpm=100.0))
    'Found in G major, shown in D major (up 7 semitones); 92 → 100 bpm.'
    >>> moved(N(facets=N(key="D", mode="major"), transposed_by=0, stretched_by=None), N(bpm=None))
    'Found in D major, shown as it is; at your tempo.'
    """
    return f"{_key(hit)}; {_tempo(hit, melody)}."


def _key(hit: PhraseHit) -> str:
    by, facets = hit.transposed_by, hit.facets
    steps = f"{'up' if by > 0 else 'down'} {_count(abs(by), 'semitone')}"
    tonic = pitch_class(facets.key) if facets.key else None
    if tonic is None:
        return f"Shown {steps}" if by else "Shown as it was found"
    mode = facets.mode or ""
    name = f"{facets.key} {mode}".strip()
    if not by:
        return f"Found in {name}, shown as it is"
    if by % 12 == 0:
        octaves = "an octave" if abs(by) == 12 else f"{abs(by) // 12} octaves"
        return f"Found in {name}, shown {octaves} {'higher' if by > 0 else 'lower'}"
    return f"Found in {name}, shown in {tonic_name(tonic + by, mode)} {mode}".rstrip() + f" ({steps})"


def _tempo(hit: PhraseHit, melody: AskedMelody) -> str:
    if hit.stretched_by is None or melody.bpm is None:
        return "at your tempo"
    was, now = round(melody.bpm * hit.stretched_by), round(melody.bpm)
    if abs(hit.stretched_by - 1) < _SAME_TEMPO or was == now:
        return f"{now} bpm, as yours"
    return f"{was} → {now} bpm"


def _count(n: int, one: str) -> str:
    return f"{n} {one}" if n == 1 else f"{n} {one}s"


_RULES = {
    "named": "the part {part} is named as the melody",
    "chosen": "the melody is the part {part}",
    "skyline": "the melody is the highest notes of {part}",
}


def melody_view(melody: AskedMelody, name: str) -> dict[str, Any]:
    """``{name, sentence, facts, heard, metre}``: what was read of a melody, and which of its bars are asked about.

    Args:
        melody: As it was read.
        name: Of its file or piece; empty where it was played.
    """
    bars = f"{melody.start_bar + 1}–{melody.end_bar}" if melody.bars > 1 else str(melody.end_bar)
    metre = "{}/{}".format(*melody.metre)
    facts = [
        ("Bars asked about", bars),
        ("Notes in them", f"{len(melody.phrase.melody)}"),
        ("Key", f"{melody.key.key} {melody.key.mode}"),
        ("Metre", metre),
        ("Tempo", f"{melody.bpm:.0f} bpm" if melody.bpm is not None else ""),
    ]
    part = part_named(melody.part)
    sentence = _RULES.get(melody.rule, "").format(part=f"“{part}”") if name and part else ""
    return {
        "name": name or "What you played",
        "sentence": sentence[:1].upper() + sentence[1:],
        "heard": melody.heard,
        "metre": metre,
        "facts": [{"label": label, "value": value, "fits": False} for label, value in facts if value],
    }
