"""Finding pieces by words without a trained model: the rows that a model has to beat."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mmbert.facets import fold
from mmbert.text.encoder import TextEncoder
from mmbert_training.phrases import marked_pair, pairs, phrases_of

_K1, _B = 1.2, 0.75
_SHARP = 0.05  # temperature over phrases
_DOUBT, _SURE = 0.2, 0.6  # a chunk whose nearest phrase is farther says nothing, one that is nearer counts in full
_BETWEEN = re.compile(r"[,;()?!:]|\s/\s|\s-\s|\b(?:and|with|for|also)\b", re.I)


def words_of(text: str) -> list[str]:
    """Words in lower case without accents; ``6/8`` and ``F#`` stay whole.

    >>> words_of("A Bourrée in F# (6/8)")
    ['a', 'bourree', 'in', 'f#', '6/8']
    """
    return re.findall(r"[a-z0-9]+(?:/[0-9]+)?#?", fold(text))


def bm25(documents: Sequence[str], queries: Sequence[str]) -> np.ndarray:
    """BM25 of every document for every query, float64 [queries, documents] (Robertson and Zaragoza, "The
    Probabilistic Relevance Framework", 2009, equation 3.15, k1 1.2, b 0.75, idf never negative).

    >>> bm25(["a slow waltz", "a fast reel"], ["slow"]).round(2).tolist()
    [[0.69, 0.0]]
    """
    counts = [Counter(words_of(d)) for d in documents]
    length = np.array([sum(c.values()) for c in counts], dtype=np.float64)
    norm = _K1 * (1 - _B + _B * length / max(length.mean(), 1e-9))
    found: dict[str, np.ndarray] = {}
    scores = np.zeros((len(queries), len(documents)))
    for row, query in enumerate(queries):
        for word in set(words_of(query)):
            if word not in found:
                f = np.array([c[word] for c in counts], dtype=np.float64)
                n = int((f > 0).sum())
                idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
                found[word] = idf * f * (_K1 + 1) / (f + norm)
            scores[row] += found[word]
    return scores


def sheet(tokens: Sequence[str]) -> str:
    """Every known phrase of every statement of a piece, as one document."""
    said = [phrase for token in tokens for phrase in phrases_of(token, "known")]
    return ". ".join(said + [p.lstrip("~=") for a in tokens for b in tokens for p in marked_pair(a, b, "known")])


def chunks_of(query: str) -> list[str]:
    """A query cut where people join facts.

    >>> chunks_of("a slow waltz, in D minor and for two players")
    ['a slow waltz', 'in D minor', 'two players']
    """
    return [c.strip() for c in _BETWEEN.split(query) if c.strip()] or [query]


def phrase_neighbours(statements: Sequence[Sequence[str]], queries: Sequence[str], encoder: TextEncoder) -> np.ndarray:
    """Scores [queries, candidates] without training: each chunk of a query stands for the known phrases near it.

    A chunk shares itself out over all known phrases (softmax of the cosine of sentence vectors) and gives what a
    phrase gets to the pieces of which the phrase is true; chunks near no phrase count less.

    Args:
        statements: The statements that are true of each candidate.
        queries: As typed.
        encoder: Its token states, averaged, are the sentence vectors.
    """
    vocabulary = sorted({t for tokens in statements for t in tokens})
    phrases, means = _known_phrases(vocabulary)
    holds = np.array([[t in tokens for t in vocabulary] for tokens in map(set, statements)], dtype=np.float64)
    true = (holds @ means.T >= means.sum(axis=1)).astype(np.float64)  # [candidates, phrases]
    chunks = [chunks_of(q) for q in queries]
    distinct = sorted({c for some in chunks for c in some})
    near = _vectors(encoder, distinct) @ _vectors(encoder, phrases).T
    sure = np.clip((near.max(axis=1) - _DOUBT) / (_SURE - _DOUBT), 0, 1)
    share = np.exp((near - near.max(axis=1, keepdims=True)) / _SHARP)
    share *= (sure / share.sum(axis=1))[:, None]
    given = dict(zip(distinct, share @ true.T))
    return np.stack([np.sum([given[c] for c in some], axis=0) for some in chunks])


def _known_phrases(vocabulary: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Known phrases, and which statements each makes, float64 [phrases, vocabulary] of zeros and ones."""
    known = set(vocabulary)
    said: list[tuple[str, tuple[str, ...]]] = [(phrase, (t,)) for t in vocabulary for phrase in phrases_of(t, "known")]
    both = [p for p in pairs() if known.issuperset(p)]
    both += [(k, m) for k in vocabulary if k.startswith("key=") for m in vocabulary if m.startswith("mode=")]
    said += [(phrase.lstrip("~="), pair) for pair in both for phrase in marked_pair(*pair, "known")]
    place = {t: i for i, t in enumerate(vocabulary)}
    means = np.zeros((len(said), len(vocabulary)))
    for row, (_, tokens) in enumerate(said):
        means[row, [place[t] for t in tokens]] = 1
    return [phrase for phrase, _ in said], means


def _vectors(encoder: TextEncoder, texts: Sequence[str]) -> np.ndarray:
    """Unit sentence vectors, float64 [n, dim]: the mean of the token states."""
    rows = []
    for start in range(0, len(texts), 512):
        states, mask = encoder.encode(texts[start : start + 512])
        rows.append((states.sum(dim=1) / mask.sum(dim=1, keepdim=True)).double().cpu().numpy())
    found = np.concatenate(rows)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
