"""What the manifests of the data sets state about a work, in the terms in which facets are measured."""

from __future__ import annotations

import re

from mmbert.facets import form_token, pitch_class
from mmbert.items.roles import program_of
from mmbert.symbolic.instruments import family_of
from mmbert_training.manifest import Work

Key = tuple[int, bool]  # pitch class of the tonic, whether minor
_LABELLED = ("nottingham", "pop909", "bimmuda")  # key is a key; elsewhere it is a signature in words
_SIGNED = ("openscore_lieder", "openscore_quartets", "openewld", "openhymnal")
_METRE = ("nottingham", "bimmuda", "openscore_lieder", "openscore_quartets", "openewld", "openhymnal", "taberna_abc")


def key_of(tonic: str, mode: str) -> Key:
    """A key from its names."""
    return pitch_class(tonic) or 0, mode == "minor"


def parse_key(text: str) -> Key | None:
    """A key as the manifests write it; None for anything else.

    >>> parse_key("Am"), parse_key("Gb:maj"), parse_key("F#  Minor"), parse_key("B- major"), parse_key("Ador")
    ((9, True), (6, False), (6, True), (10, False), None)
    """
    m = re.fullmatch(r"\s*([A-Ga-g])([#b-]?)\s*:?\s*(m|maj|min|major|minor|)\s*", text, re.I)
    if not m:
        return None
    tonic = pitch_class(m[1] + m[2].replace("-", "b"))
    return None if tonic is None else (tonic, m[3].lower() in ("m", "min", "minor"))


def key(work: Work) -> Key | None:
    """The key of a work, where its source labels keys."""
    return parse_key(work.row["key"]) if work.source in _LABELLED else None


def fifths(key: Key) -> int:
    """Fifths of a key's signature, modulo 12.

    >>> fifths((7, False)), fifths((9, True)), fifths((5, False))
    (1, 0, 11)
    """
    tonic, minor = key
    return 7 * (tonic + 3 if minor else tonic) % 12


def signature(work: Work) -> int | None:
    """Fifths of the signature, where a source states no more than that."""
    if work.source not in _SIGNED:
        return None
    m = re.fullmatch(r"signature ([+-]?\d+)", work.row["key"])
    if m:
        return int(m[1])
    named = parse_key(work.row["key"])
    return None if named is None else fifths(named)


def mirex(estimate: Key, label: Key) -> float:
    """Weighted score of MIREX's key detection task, as mir_eval's ``weighted_score``: 1 right, 0.5 a fifth above,
    0.3 relative, 0.2 parallel.

    >>> [mirex(k, (0, False)) for k in ((0, False), (7, False), (9, True), (0, True), (5, False))]
    [1.0, 0.5, 0.3, 0.2, 0.0]
    """
    if estimate == label:
        return 1.0
    up = (estimate[0] - label[0]) % 12
    if estimate[1] == label[1]:
        return 0.5 if up == 7 else 0.0
    if up == (3 if label[1] else 9):
        return 0.3
    return 0.2 if up == 0 else 0.0


def metre(work: Work) -> str | None:
    """``6/8``, or ``none`` where the source says that there is none; None where it says nothing."""
    if work.source == "pop909":
        return "3/4" if "beats_per_measure=3" in work.row["labels"] else "4/4"
    stated = work.row["metre"]
    return stated if work.source in _METRE and re.fullmatch(r"\d+/\d+|none", stated) else None


def tempo(work: Work) -> float | None:
    """Beats a minute as annotated."""
    m = re.search(r"(?:^|;)bpm=(\d+(?:\.\d+)?)", work.row["labels"])
    return float(m[1]) if m else None


def form(work: Work) -> str | None:
    """The listed form that the manifest names, where it names one of the work and not of the whole source."""
    return form_token(work.row["form"]) if work.source in ("nottingham", "openhymnal", "taberna_abc") else None


def families(work: Work) -> set[str]:
    """General MIDI families of the instruments that the manifest names one by one; empty where it names none.

    ``Harpsichord, Piano`` offers a choice within a family; an ensemble or choir is left out.
    """
    text = re.sub(r"\(.*?\)", "", work.row["instrumentation"])
    if work.source not in ("mutopia_sample", "openscore_lieder", "openscore_quartets") or re.search(
        r"\bor\b|ensemble|orchestra|quartet|continuo|\bNone\b", work.row["instrumentation"], re.I
    ):
        return set()
    programs = [program_of(name) for name in re.split(r"[,;&]|\band\b", text)]
    return set() if None in programs else {family_of(p) for p in programs if p is not None}


def free_time(work: Work) -> bool:
    """Whether the file as it is was played without regard to its bars."""
    return work.source in ("pianist8", "pop909") or "performance" in work.row["form"]
