"""Finding pieces by words without a trained model: counting facts, counting words, and MiniLM as it comes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from mmbert.facets import fold
from mmbert.text.phrases import known_phrases

Language = Callable[[Sequence[str]], np.ndarray]  # texts to unit vectors, float32 [n, d]
_K1, _B = 1.2, 0.75


def true_facts(statements: Sequence[Sequence[str]], facts: Sequence[Sequence[str]]) -> np.ndarray:
    """How many of a query's facts are true of each candidate, float64 [queries, candidates].

    >>> true_facts([("mode=minor", "form=jig"), ("mode=minor",)], [("form=jig", "mode=minor")]).tolist()
    [[2.0, 1.0]]
    """
    place = {t: i for i, t in enumerate(sorted({t for tokens in (*statements, *facts) for t in tokens}))}
    holds, asked = np.zeros((len(statements), len(place))), np.zeros((len(facts), len(place)))
    for matrix, rows in ((holds, statements), (asked, facts)):
        for row, tokens in enumerate(rows):
            matrix[row, [place[t] for t in tokens]] = 1
    return asked @ holds.T


def words_of(text: str) -> list[str]:
    """Words in lower case without accents; ``6/8`` and ``F#`` stay whole.

    >>> words_of("A Bourrée in F# (6/8)")
    ['a', 'bourree', 'in', 'f#', '6/8']
    """
    return re.findall(r"[a-z0-9]+(?:/[0-9]+)?#?", fold(text))


def bm25(documents: Sequence[Counter[str]], queries: Sequence[str]) -> np.ndarray:
    """BM25 of every document for every query, float64 [queries, documents] (Robertson and Zaragoza, "The
    Probabilistic Relevance Framework", 2009, equation 3.15, k1 1.2, b 0.75, idf never negative).

    Args:
        documents: How often each word stands in each.
        queries: As typed.

    >>> bm25([counted(["a slow waltz"]), counted(["a fast reel"])], ["slow"]).round(2).tolist()
    [[0.69, 0.0]]
    """
    length = np.array([d.total() for d in documents], dtype=np.float64)
    norm = _K1 * (1 - _B + _B * length / max(length.mean(), 1e-9))
    found: dict[str, np.ndarray] = {}
    scores = np.zeros((len(queries), len(documents)))
    for row, query in enumerate(queries):
        for word in set(words_of(query)):
            if word not in found:
                f = np.array([d[word] for d in documents], dtype=np.float64)
                n = int((f > 0).sum())
                idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
                found[word] = idf * f * (_K1 + 1) / (f + norm)
            scores[row] += found[word]
    return scores


def counted(texts: Sequence[str]) -> Counter[str]:
    """How often each word stands in some texts."""
    return Counter(w for text in texts for w in words_of(text))


def sheet(tokens: Sequence[str]) -> Counter[str]:
    """The words of every known phrase of every statement of a piece.

    Instruments and keys have hundreds of phrases each, so the words of a statement are counted once for all pieces.
    """
    total: Counter[str] = Counter()
    for token in tokens:
        total.update(_phrase_words(token))
    mode = next((t for t in tokens if t.startswith("mode=")), None)
    for key in tokens if mode else ():
        if key.startswith("key="):
            total.update(_phrase_words(key, mode))
    return total


@cache
def _phrase_words(token: str, mode: str | None = None) -> Counter[str]:
    pool = known_phrases()
    return counted(pool.of(token) if mode is None else pool.of_key(token, mode))


def by_language(captions: Sequence[Sequence[str]], questions: np.ndarray, language: Language) -> np.ndarray:
    """Mean cosine with the captions of each candidate, float64 [questions, candidates].

    Args:
        captions: Of each candidate, at least one.
        questions: Unit vectors, float [questions, d].
        language: What the text model makes of words.
    """
    rows = language([text for some in captions for text in some])
    start = np.cumsum([0, *(len(some) for some in captions[:-1])])
    means = np.add.reduceat(rows, start, axis=0) / np.array([[len(some)] for some in captions])
    return (questions @ means.T).astype(np.float64)
