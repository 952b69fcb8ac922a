"""Phrase neighbours: finding pieces by the known phrases that are near the parts of a question, without training."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mmbert.text.phrases import known_phrases
from mmbert_training.evaluate.baselines import Language

_SHARP = 0.05  # temperature over phrases
_DOUBT, _SURE = 0.2, 0.6  # a chunk whose nearest phrase is farther says nothing, one that is nearer counts in full
_BETWEEN = re.compile(r"[,;()?!:|&+]|\.\s|\s/\s|\s-\s|\b(?:and|with|for|also)\b", re.I)
_AT_ONCE = 512  # chunks compared with all phrases


def chunks_of(query: str) -> list[str]:
    """A query cut where people join facts.

    >>> chunks_of("a slow waltz, in D minor and for two players")
    ['a slow waltz', 'in D minor', 'two players']
    """
    return [c.strip() for c in _BETWEEN.split(query) if c.strip()] or [query]


def phrase_neighbours(statements: Sequence[Sequence[str]], queries: Sequence[str], language: Language) -> np.ndarray:
    """Scores [queries, candidates]: each chunk of a query stands for the known phrases near it.

    A chunk shares itself out over all known phrases that are true of some candidate (softmax of the cosine of sentence
    vectors) and gives what a phrase gets to the pieces of which the phrase is true; chunks near no phrase count less.

    Args:
        statements: The statements that are true of each candidate.
        queries: As typed.
        language: What the text model makes of words.
    """
    phrases, true = _true_of_some(statements)
    chunks = [chunks_of(q) for q in queries]
    texts = list(dict.fromkeys([*phrases, *(c for some in chunks for c in some)]))
    rows = dict(zip(texts, language(texts), strict=True))
    said = np.stack([rows[phrase] for phrase in phrases])
    distinct = sorted({c for some in chunks for c in some})
    given: dict[str, np.ndarray] = {}
    for start in range(0, len(distinct), _AT_ONCE):
        some = distinct[start : start + _AT_ONCE]
        near = np.stack([rows[c] for c in some]) @ said.T
        best = near.max(axis=1, keepdims=True)
        share = np.exp((near - best) / _SHARP)
        share *= np.clip((best - _DOUBT) / (_SURE - _DOUBT), 0, 1) / share.sum(axis=1, keepdims=True)
        given |= dict(zip(some, share @ true, strict=True))
    return np.stack([np.sum([given[c] for c in some], axis=0) for some in chunks]).astype(np.float64)


def _true_of_some(statements: Sequence[Sequence[str]]) -> tuple[list[str], np.ndarray]:
    """The known phrases that are true of some candidate, and of which, float32 [phrases, candidates]."""
    held = [frozenset(tokens) for tokens in statements]
    pool = known_phrases().all
    fits = {facts: [holds.issuperset(facts) for holds in held] for facts in {facts for _, facts in pool}}
    kept = [(phrase, facts) for phrase, facts in pool if any(fits[facts])]
    return [phrase for phrase, _ in kept], np.array([fits[facts] for _, facts in kept], dtype=np.float32)
