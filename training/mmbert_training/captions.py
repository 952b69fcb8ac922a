"""Words for a piece, written from its facets: what the text side learns from and is measured with.

Numbers are words by their class alone; nothing is said that the facets do not hold; nothing is negated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmbert.facets import TOKENS
from mmbert_training.phrases import Pool, bare, marked, marked_pair

_ORDER = {token: i for i, token in enumerate(TOKENS)}
_WEIGHT = {
    "form": 2.0, "instrument": 1.5, "metre": 1.2, "key": 1.2, "mode": 1.5, "tempo": 2.0, "pace": 2.0, "family": 1.0,
    "drums": 1.0, "parts": 1.0,
}  # fmt: skip
_OTHER_WEIGHT = 0.6
_SAME_SPEED = {("slow", "slow"), ("moderate", "medium"), ("brisk", "fast"), ("brisk", "medium"), ("fast", "fast")}
_NOUNS = {"known": ("piece", "tune", "music", "piece of music", "work"), "held_out": ("composition", "item", "music")}
_LEADS = {
    "known": ("{}", "{}", "{}", "{}", "looking for {}", "find me {}", "I want {}", "play {}", "show me {}", "{} please",
              "do you have {}?", "this is {}", "I need {} for Sunday", "something like {}", "any {}"),
    "held_out": ("{}", "{}", "got {} anywhere?", "could you dig out {}", "we are after {}", "{} for our concert",
                 "my pupil should learn {}", "what about {}"),
}  # fmt: skip
_JOINS = {"known": (", ", " ", " and ", "; ", ", "), "held_out": (", ", " / ", ", also ", " - ")}


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


def _worded(facts: tuple[str, ...], rng: np.random.Generator, pool: Pool) -> list[str]:
    """One marked phrase a fact; a key is said with its mode, and some pairs in one word (slow + minor: sad)."""
    out: list[str] = []
    done: set[str] = set()
    for i, first in enumerate(facts):
        for second in facts[i + 1 :]:
            pair = marked_pair(first, second, pool)
            if pair and not done & {first, second} and (first.startswith("key=") or rng.random() < 0.3):
                out.append(str(rng.choice(pair)))
                done |= {first, second}
    out += [str(rng.choice(marked(fact, pool))) for fact in facts if fact not in done]
    return [out[i] for i in rng.permutation(len(out))]


def _compose(phrases: list[str], rng: np.random.Generator, pool: Pool) -> str:
    """A list of key words, or a sentence with one noun."""
    lead = str(rng.choice(_LEADS[pool]))
    if rng.random() < 0.4:
        return lead.format(str(rng.choice(_JOINS[pool])).join(bare(p) for p in phrases))
    nouns = [bare(p) for p in phrases if p.startswith("=")]
    before = [p for p in phrases if p[0] not in "~="]
    behind = [bare(p) for p in phrases if p.startswith("~")]
    noun = nouns[0] if nouns else str(rng.choice(_NOUNS[pool]))
    words = " ".join([", ".join(before), noun, *behind, *(f"({other})" for other in nouns[1:])]).strip()
    if noun.endswith(("s", "music")) or lead.startswith("any"):
        return lead.format(words)
    article = "an" if words[0].lower() in "aeiou" else "a"
    return lead.format(f"{article} {words}")
