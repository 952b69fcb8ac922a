"""One model for many threads: loaded once, and questions that wait at the same time go through it together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from mmbert.errors import ItemError
from mmbert.types import Embedded, Item

if TYPE_CHECKING:
    from mmbert.embed import Embedder
    from mmbert.model.phrase_model import PhraseModel
    from mmbert.prepare import Prepared
    from mmbert.retrieval.calibrate import Calibration
    from mmbert.retrieval.describe import Vocabulary

TOGETHER = 64  # texts of one forward pass
REMEMBERED = 256  # texts whose vectors are kept: the same words with another filter need no model

_Pair = tuple[np.ndarray, np.ndarray]  # of one text: its vector, and what the text model alone makes of it


class SharedEmbedder:
    """The embedder of a library and of its later generations. Safe to call from several threads.

    Nobody waits for a batch to fill: whoever finds the model free takes all texts that wait by then.

    Attributes:
        weights: Checkpoint folder or hub name; None for the released ones. Loaded when first needed.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        self.weights = weights
        self._loaded: Embedder | None = None
        self._phrases: PhraseModel | None = None
        self._loading = Lock()
        self._texts = Lock()  # one forward pass over texts at a time: two would only share the same cores
        self._describing = Lock()  # who describes first reads the vocabulary, others wait for it
        self._vocabulary: Vocabulary | None = None
        self._items = Lock()  # a long file keeps no question in words waiting
        self._guard = Lock()  # of what follows
        self._waiting: list[_Job] = []
        self._known: OrderedDict[str, _Pair] = OrderedDict()

    @property
    def fingerprint(self) -> str:
        """Of the weights."""
        return self._embedder().fingerprint

    def embed(self, items: Sequence[Item]) -> list[Embedded | ItemError]:
        """As :meth:`mmbert.embed.Embedder.embed`."""
        with self._items:
            return self._embedder().embed(items)

    def hear(self, mel: np.ndarray) -> np.ndarray:
        """As :meth:`mmbert.embed.Embedder.hear`: float16 [seconds, 384]."""
        with self._items:
            return self._embedder().hear(mel)

    def embed_prepared(self, ready: Sequence[Prepared]) -> list[Embedded | ItemError]:
        """As :meth:`mmbert.embed.Embedder.embed_prepared`."""
        with self._items:
            return self._embedder().embed_prepared(ready)

    @property
    def calibration(self) -> Calibration | None:
        """What similarities mean under the weights; None where they come without."""
        return self._embedder().calibration

    @property
    def vocabulary(self) -> Vocabulary:
        """As :attr:`mmbert.embed.Embedder.vocabulary`; questions are answered while it is read."""
        from mmbert.retrieval.describe import Vocabulary

        with self._describing:
            if self._vocabulary is None:
                self._vocabulary = Vocabulary.of(self)
            return self._vocabulary

    @property
    def phrases(self) -> PhraseModel:
        """The model of phrases; the embedder's weights are not read for it."""
        with self._loading:
            if self._phrases is None:
                from mmbert.model.phrase_model import PhraseModel

                self._phrases = PhraseModel.from_pretrained()
            return self._phrases

    def embed_statements(self) -> np.ndarray:
        """As :meth:`mmbert.embed.Embedder.embed_statements`: float32 [n, dim]."""
        return self._embedder().embed_statements()

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """As :meth:`mmbert.embed.Embedder.embed_texts`: float32 [n, dim]."""
        return np.stack([vector for vector, _ in self._read(texts)]) if texts else self._embedder().embed_texts([])

    def language(self, texts: Sequence[str]) -> np.ndarray:
        """As :meth:`mmbert.embed.Embedder.language`: float32 [n, t]."""
        return np.stack([mean for _, mean in self._read(texts)]) if texts else self._embedder().language([])

    def _read(self, texts: Sequence[str]) -> list[_Pair]:
        """Both vectors of each text: the second costs next to nothing beside the first, and is often asked for next."""
        job = _Job(list(texts))
        with self._guard:
            if all(t in self._known for t in job.texts):
                return [self._recalled(t) for t in job.texts]
            self._waiting.append(job)
        while job.pairs is None and job.fault is None:
            with self._texts:
                if job.pairs is None and job.fault is None:
                    self._answer_waiting()
        if job.fault is not None:
            raise job.fault
        assert job.pairs is not None
        return job.pairs

    def _answer_waiting(self) -> None:
        jobs = self._take()
        texts = list(dict.fromkeys(t for job in jobs for t in job.texts))
        try:
            embedder = self._embedder()
            rows = dict(
                zip(texts, zip(embedder.embed_texts(texts), embedder.language(texts), strict=True), strict=True)
            )
            for job in jobs:
                job.pairs = [rows[t] for t in job.texts]
        except BaseException as e:  # everybody who waits is told, Ctrl-C included
            for job in jobs:
                job.fault = e
            return
        with self._guard:
            self._known |= rows
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def _take(self) -> list[_Job]:
        with self._guard:
            jobs = [self._waiting.pop(0)]
            while self._waiting and sum(len(j.texts) for j in jobs) + len(self._waiting[0].texts) <= TOGETHER:
                jobs.append(self._waiting.pop(0))
        return jobs

    def _recalled(self, text: str) -> _Pair:
        self._known.move_to_end(text)
        return self._known[text]

    def _embedder(self) -> Embedder:
        with self._loading:
            if self._loaded is None:
                from mmbert.embed import Embedder

                self._loaded = Embedder.from_pretrained(self.weights)
            return self._loaded


class _Job:
    """Texts of one caller, and what became of them."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.pairs: list[_Pair] | None = None
        self.fault: BaseException | None = None
