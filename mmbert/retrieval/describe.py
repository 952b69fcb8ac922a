"""Music to words: the tags and phrases that lie nearest to a piece, and its measured facts in a sentence.

The words are the known pool's (:mod:`mmbert.text.phrases`), read as questions are read. A tag is a statement of
``mmbert.facets.TOKENS``; its vector is the mean of its phrases'. Some words are near to everything (hubs), so what
orders is not the cosine ``w . v`` but

    z = (w . (v - m) - mean) / deviation,

where ``m`` is the mean vector of one piece a statement of which nothing else is known: how much nearer the words are to
this piece than to any. Mean and deviation are over all tags (or all phrases). A background of statements rather than of
a library, so that a collection of reels does not make its reels unremarkable, and no library is needed.

What the facets speak against is left out: a description that is major and minor is none. What was left out is told. An
instrument that is not heard in a recording may sound in it all the same, but is nothing to describe it by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmbert.audio.sounds import heard, sound_names
from mmbert.facets import TOKENS, denied, tokens_of
from mmbert.retrieval.in_words import sentence, short
from mmbert.text.phrases import known_phrases
from mmbert.titles import title_of
from mmbert.types import Description, Embedded, Facets, Kind, Tag

WORDINGS = 8  # of a statement that are read: all together stay below 1,500 texts
PATTERNED = 2  # of an instrument, a family or a key, which fill the same patterns
AT_ONCE = 64  # texts of one forward pass; questions of others are answered between two
LIMIT = 8  # tags, and phrases, unless asked otherwise
_OF_INSTRUMENTS = frozenset(t for t in TOKENS if t.partition("=")[0] in ("instrument", "family", "drums"))


class Speaker(Protocol):
    """What turns words and bare statements into unit vectors of one space."""

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Words as they are asked: float32 [n, d]."""
        ...

    def embed_statements(self) -> np.ndarray:
        """One piece a statement of ``TOKENS``, of which that alone is known: float32 [len(TOKENS), d]."""
        ...


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words and their vectors under one model.

    Attributes:
        phrases: Every wording with the statements that it makes.
        wordings: float32 [n, d], theirs.
        tags: float32 [len(TOKENS), d], of the statements.
        music: float32 [d], the mean piece.
        text: float32 [d], the mean tag: texts lie among the words, not among the pieces.
    """

    phrases: tuple[tuple[str, tuple[str, ...]], ...]
    wordings: np.ndarray
    tags: np.ndarray
    music: np.ndarray
    text: np.ndarray

    @classmethod
    def of(cls, speaker: Speaker) -> Vocabulary:
        """Read every wording once.

        Raises:
            MissingExtraError, WeightsError: as :meth:`mmbert.embed.Embedder.embed_texts`.
        """
        phrases = tuple(_phrases())
        order = sorted(range(len(phrases)), key=lambda i: len(phrases[i][0]))  # near lengths pad little
        rows = [
            speaker.embed_texts([phrases[i][0] for i in order[start : start + AT_ONCE]])
            for start in range(0, len(order), AT_ONCE)
        ]
        wordings = np.concatenate(rows)[np.argsort(order)]
        own: dict[tuple[str, ...], list[int]] = {(t,): [] for t in TOKENS}
        for i, (_, statements) in enumerate(phrases):
            own.get(statements, []).append(i)
        tags = np.stack([wordings[own[(t,)]].mean(axis=0) for t in TOKENS])
        tags /= np.maximum(np.linalg.norm(tags, axis=1, keepdims=True), 1e-9)
        return cls(phrases, wordings, tags, speaker.embed_statements().mean(axis=0), tags.mean(axis=0))

    def nearest(
        self, vector: np.ndarray, facets: Facets, kind: Kind, limit: int
    ) -> tuple[tuple[Tag, ...], tuple[Tag, ...], tuple[str, ...]]:
        """The nearest tags, the nearest phrases, and the statements left out (see :class:`mmbert.types.Description`).

        Args:
            vector: float32 [d], unit length.
            facets: What is known of the piece.
            kind: What the piece is.
            limit: Tags and phrases wanted, each.
        """
        true, against = frozenset(tokens_of(facets)), denied(facets)
        kept_out = against | (_OF_INSTRUMENTS - true if kind == "recording" else frozenset())
        usual = self.text if kind == "text" else self.music

        def ranked(words: Sequence[tuple[str, tuple[str, ...]]], rows: np.ndarray) -> Iterator[Tag]:
            nearer = rows @ (vector - usual)
            z = (nearer - nearer.mean()) / max(float(nearer.std()), 1e-9)
            similarity = np.clip(rows @ vector, -1.0, 1.0)
            for i in np.argsort(-z, kind="stable"):
                said, statements = words[i]
                yield Tag(said, statements, float(similarity[i]), float(z[i]), true.issuperset(statements))

        tags, left_out = list(ranked([(short(t), (t,)) for t in TOKENS], self.tags)), []
        for tag in tags[:limit]:
            left_out += [t for t in tag.statements if t in against]
        kept: dict[str, Tag] = {}
        for tag in tags:
            if kept_out.isdisjoint(tag.statements):
                kept.setdefault(tag.words, tag)  # drums are an instrument, a family and a fact of their own
        phrases: dict[tuple[str, ...], Tag] = {}
        for tag in ranked(self.phrases, self.wordings):
            if kept_out.isdisjoint(tag.statements):
                phrases.setdefault(tag.statements, tag)
        return tuple(kept.values())[:limit], tuple(phrases.values())[:limit], tuple(left_out)


@dataclass(frozen=True, eq=False)
class Subject:
    """A piece to be described: fields as in :class:`mmbert.types.Description`, its facets, its vector float32 [d],
    what it says where it is a text, and of a recording the logits of named sounds, float [527]."""

    id: str
    path: str
    number: int
    kind: Kind
    title: str
    facets: Facets
    vector: np.ndarray
    text: str = ""
    flaws: str = ""
    logits: np.ndarray | None = None

    @classmethod
    def of(cls, embedded: Embedded) -> Subject:
        """A piece that was just embedded."""
        item, facets = embedded.item, embedded.facets
        source = item.source
        title = title_of(facets.title or item.metadata.get("title"), source.path, source.number or None)
        vector = np.asarray(embedded.piece, np.float32)
        said = item.text or "", item.metadata.get("flaws", "")
        logits = None if embedded.heard is None else embedded.heard[0]
        return cls(item.uid, str(source.path), source.number, item.kind, title, facets, vector, *said, logits)


def describe(subject: Subject, vocabulary: Vocabulary, limit: int = LIMIT) -> Description:
    """A piece in words: its facts in a sentence, and the nearest tags and phrases with scores."""
    tags, phrases, left_out = vocabulary.nearest(subject.vector, subject.facets, subject.kind, limit)
    return Description(
        id=subject.id,
        path=subject.path,
        number=subject.number,
        kind=subject.kind,
        title=subject.title,
        sentence=sentence(subject.facets, subject.kind, subject.text),
        tags=tags,
        phrases=phrases,
        left_out=left_out,
        flaws=subject.flaws,
        heard=() if subject.logits is None else heard(subject.logits, sound_names()).sounds,
    )


def _phrases() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Some wordings of every statement, of each as many."""
    taken: dict[tuple[str, ...], int] = {}
    for words, statements in known_phrases().all:
        kind = statements[0].partition("=")[0]
        most = PATTERNED if kind in ("instrument", "family", "key") else WORDINGS
        if (n := taken.get(statements, 0)) < most:
            taken[statements] = n + 1
            yield words, statements
