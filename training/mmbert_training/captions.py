"""Words for a piece, written from its facets: what the text side learns from and is measured with.

No statement is made that the facets do not hold; nothing is negated. Test sentences are phrases of one pool and no
more; training hears besides what people write around facts and instead of phrases (:func:`free_caption`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmbert.facets import TOKENS, tokens_of
from mmbert.text.phrases import bare
from mmbert.types import Facets
from mmbert_training.numbers import bars, numbered, signature
from mmbert_training.phrases import Pool, phrases

_ORDER = {token: i for i, token in enumerate(TOKENS)}
_WEIGHT = {
    "form": 2.0, "instrument": 1.5, "metre": 1.2, "key": 1.2, "mode": 1.5, "tempo": 2.0, "pace": 2.0, "family": 1.0,
    "drums": 1.0, "parts": 1.0, "mood": 1.5,
}  # fmt: skip
_OTHER_WEIGHT = 0.6
_SAME_SPEED = {("slow", "slow"), ("moderate", "medium"), ("brisk", "fast"), ("brisk", "medium"), ("fast", "fast")}
_JOINS = {
    "known": (", ", " ", " and ", "; ", ", ", " + ", ". "),
    "unseen": (", ", " / ", ", also ", " - ", " & ", " | "),
}
_KEYWORDS = 0.4  # share of captions that are key words and no sentence
_NUMBERED, _SIGNED = 0.3, 0.15  # share of facts said as numbers, of keys said as signatures, in free captions
_COUNTED = 0.15  # share of pieces of a middling number of bars of which it is told


@dataclass(frozen=True)
class Caption:
    """A sentence and the statements of ``mmbert.facets.TOKENS`` that it makes (none for names alone)."""

    text: str
    facts: tuple[str, ...]


def sayable(tokens: Sequence[str]) -> tuple[str, ...]:
    """The statements that can be said without misleading.

    A fast movement over long notes (or the reverse) is called neither fast nor slow by its notes: pace goes,
    tempo stays. A family whose instruments are named stays, it is no less true.

    >>> sayable(("mode=minor", "tempo=slow", "pace=fast"))
    ('mode=minor', 'tempo=slow')
    """
    tempo = next((t[6:] for t in tokens if t.startswith("tempo=")), None)
    return tuple(
        t for t in tokens if not (tempo and t.startswith("pace=")) or (tempo, t.removeprefix("pace=")) in _SAME_SPEED
    )


def caption(
    tokens: Sequence[str], rng: np.random.Generator, pool: Pool = "known", n_facts: tuple[int, int] = (1, 5)
) -> Caption:
    """A caption of ``n_facts`` (both ends included; fewer where the piece has fewer) true statements.

    Raises:
        ValueError: if ``tokens`` is empty.

    >>> made = caption(("mode=minor", "metre=3/4", "pace=slow"), np.random.default_rng(1), n_facts=(2, 2))
    >>> len(made.facts), set(made.facts) <= {"mode=minor", "metre=3/4", "pace=slow"}
    (2, True)
    """
    if not tokens:
        raise ValueError("a caption needs at least one statement")
    facts = _choose(sayable(tokens), int(rng.integers(n_facts[0], n_facts[1] + 1)), rng)
    return Caption(_compose(_worded(facts, rng, pool), rng, pool), facts)


def free_caption(facets: Facets, rng: np.random.Generator, aside: Sequence[str]) -> Caption:
    """A caption in known words as people write who think of the music and not of facts.

    One to nine statements, numbers for classes now and then, and up to three asides, among which the number of bars of
    a piece that has neither few nor many.

    Args:
        facets: What is true of the piece.
        rng: What is drawn.
        aside: What people say beside facts (:mod:`mmbert_training.asides`, aspects of MusicCaps).

    Raises:
        ValueError: if no statement is true.
    """
    tokens = tokens_of(facets)
    if not tokens:
        raise ValueError("a caption needs at least one statement")
    most = 9 if rng.random() < 0.5 else 4
    facts = _choose(sayable(tokens), int(rng.integers(1, most + 1)), rng)
    said = _worded(facts, rng, "known", facets)
    said += [f"~{a}" for a in rng.choice(aside, min(int(rng.integers(4)), len(aside)), replace=False)]
    counted = None if any(t.startswith("bars=") for t in tokens) else bars(facets, rng)
    said += [counted] if counted and rng.random() < _COUNTED else []
    return Caption(_loosely([said[i] for i in rng.permutation(len(said))], rng), facts)


def names_caption(metadata: Mapping[str, str], rng: np.random.Generator) -> Caption | None:
    """A caption from title and composer; None where the file states neither. It makes no statement of facts."""
    title, composer = metadata.get("title", "").strip(), metadata.get("composer", "").strip()
    forms = []
    if composer:
        forms += ["{c}", "by {c}", "music by {c}", "something by {c}", "a piece by {c}", "composed by {c}"]
    if title:
        forms += ["{t}", "the piece called {t}", '"{t}"']
    if title and composer:
        forms += ["{t} by {c}", "{c}: {t}", "{c} {t}"]
    return Caption(str(rng.choice(forms)).format(t=title, c=composer), ()) if forms else None


def _choose(tokens: tuple[str, ...], wanted: int, rng: np.random.Generator) -> tuple[str, ...]:
    """At most one statement a kind (two instruments), frequent kinds of question preferred; a key brings its mode."""
    chosen: list[str] = []
    left = list(tokens)
    while left and len(chosen) < wanted:
        kinds = [t.split("=")[0] for t in left]
        weight = np.array([_WEIGHT.get(k, _OTHER_WEIGHT) / kinds.count(k) for k in kinds])
        pick = left[int(rng.choice(len(left), p=weight / weight.sum()))]
        kind = pick.split("=")[0]
        mode = next((t for t in left if t.startswith("mode=")), None)
        if kind == "key" and mode:
            if len(chosen) + 2 > wanted:
                left.remove(pick)
                continue
            chosen.append(mode)
        chosen.append(pick)
        used = {c.split("=")[0] for c in chosen} | ({"tempo", "pace"} if kind in ("tempo", "pace") else set())
        if sum(c.startswith("instrument=") for c in chosen) < 2:
            used.discard("instrument")
        left = [t for t in left if t not in chosen and t.split("=")[0] not in used]
    return tuple(sorted(chosen or tokens[:1], key=_ORDER.__getitem__))


def _worded(
    facts: tuple[str, ...], rng: np.random.Generator, pool: Pool, numbers_of: Facets | None = None
) -> list[str]:
    """One marked phrase a fact, shuffled; a key is said with its mode. With facets, some are said as numbers."""
    said, out, left = phrases(pool), [], list(facts)
    key = next((f for f in facts if f.startswith("key=")), None)
    mode = next((f for f in facts if f.startswith("mode=")), None)
    if key and mode:
        signed = numbers_of is not None and rng.random() < _SIGNED
        out.append(signature(key[4:], mode[5:], rng) if signed else _one(said.marked_key(key, mode), rng))
        left = [f for f in facts if f not in (key, mode)]
    for fact in left:
        number = numbered(fact, numbers_of, rng) if numbers_of is not None and rng.random() < _NUMBERED else None
        out.append(number or _one(said.marked(fact), rng))
    return [out[i] for i in rng.permutation(len(out))]


def _compose(said: list[str], rng: np.random.Generator, pool: Pool) -> str:
    """A list of key words, or a sentence with one noun, in what people type around it."""
    frame = _one(phrases(pool).frames, rng) if rng.random() < 0.7 else "{}"
    if rng.random() < _KEYWORDS:
        return frame.format(_one(_JOINS[pool], rng).join(bare(p) for p in said))
    nouns = [bare(p) for p in said if p.startswith("=")]
    before = [p for p in said if p[0] not in "~="]
    behind = [bare(p) for p in said if p.startswith("~")]
    noun = nouns[0] if nouns else _one(phrases(pool).nouns, rng)
    words = " ".join([", ".join(before), noun, *behind, *(f"({other})" for other in nouns[1:])]).strip()
    if noun.endswith(("s", "music")) or rng.random() < 0.2:
        return frame.format(words)
    return frame.format(f"{_article(words)} {words}")


def _loosely(said: list[str], rng: np.random.Generator) -> str:
    """What is said with commas or without, seldom in a frame; words that stand before a noun come first or anywhere."""
    frame = _one(phrases("known").frames, rng) if rng.random() < 0.3 else "{}"
    join = ", " if rng.random() < 0.7 else " "
    if rng.random() < _KEYWORDS:
        return frame.format(join.join(bare(p) for p in said))
    before = [p for p in said if p[0] not in "~="]
    nouns = [bare(p) for p in said if p.startswith("=")]
    noun = nouns[0] if nouns else _one(phrases("known").nouns, rng)
    behind = [bare(p) for p in said if p.startswith("~") or (p.startswith("=") and bare(p) != noun)]
    words = " ".join([*before, noun])
    article = "" if noun.endswith(("s", "music")) or rng.random() < 0.4 else f"{_article(words)} "
    return frame.format(article + join.join([words, *behind]))


def _article(words: str) -> str:
    return "an" if words[0].lower() in "aeiou" else "a"


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
