"""Any item to vectors: facets, windows and one forward pass, for a library and for questions by example."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import Lock

from mmbert import _runtime  # noqa: F401  (thread settings before torch is imported)

# isort: split
import numpy as np
import torch
from torch import Tensor

from mmbert.audio.ears import Ears
from mmbert.audio.listen import Listener
from mmbert.errors import ItemError, MissingExtraError, WeightsError
from mmbert.facets import TOKENS
from mmbert.model import MmbertModel, checkpoint
from mmbert.model.config import PIECE_BARS, PIECE_SECONDS
from mmbert.model.facets import facet_ids
from mmbert.model.phrase_model import PhraseModel
from mmbert.prepare import STATE, Prepared, prepare, prepare_heard
from mmbert.retrieval.calibrate import Calibration
from mmbert.retrieval.describe import LIMIT, Subject, Vocabulary, describe
from mmbert.symbolic.octuple import PAD_ID
from mmbert.symbolic.windows import PASSAGE_NOTES
from mmbert.text.encoder import TextEncoder
from mmbert.types import Description, Embedded, Facets, Item, Kind, Modality, Stream

_NOTES_AT_ONCE = 65_536  # bounds memory: note states of this many notes are held at a time
_ITEMS_AT_ONCE = 64  # read, then embedded, of a list of files
_WINDOWS_AT_ONCE = 128  # of a recording
_WINDOWS_A_PASSAGE = 8  # windows are small: so many times more go through at once
_STREAMS: tuple[Modality, ...] = ("facets", "score")  # of a piece's row
_FEW_TEXTS = 8  # that one thread reads
_TEXT_LOCK = Lock()  # questions come from several threads: one of them loads the text model


class Embedder:
    """Items and words to unit vectors of one space.

    Attributes:
        fingerprint: Of the weights; a library stores it and refuses another.
        calibration: What similarities mean under these weights; None where they come without.
        dim: Width of the vectors.
        kinds: Kinds of items that these weights can embed.
        seconds: Time spent so far in ``facets``, ``encode`` and ``forward``.

    >>> from mmbert.model import ModelConfig
    >>> embedder = Embedder(MmbertModel(ModelConfig()))  # random; Embedder.from_pretrained() gives trained ones
    >>> embedder.embed_texts(["a lively jig in D major", "slow hymn"]).shape
    (2, 256)
    """

    def __init__(self, model: MmbertModel, device: str = "cpu", batch_size: int = 32) -> None:
        self.model = model.eval().to(device)
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.fingerprint = checkpoint.fingerprint(model.config, model.state_dict())
        self.dim = model.config.out_dim
        kinds: tuple[Kind, ...] = ("score", "text")
        # A recording's facts are heard by a network of their own: every model can embed them.
        self.kinds: frozenset[str] = frozenset(k for k in kinds if k in model.config.modalities) | {"recording"}
        self._ears = Ears(self.device)
        self.seconds = {"facets": 0.0, "encode": 0.0, "forward": 0.0}
        self.calibration: Calibration | None = None
        self._text: TextEncoder | None = None
        self._last: tuple[list[str], Tensor, Tensor] | None = None

    @classmethod
    def from_pretrained(cls, weights: str | Path | None = None, device: str = "cpu", batch_size: int = 32) -> Embedder:
        """Load weights.

        Args:
            weights: A checkpoint folder or hub name; None for the released ones.
            device: A torch device.
            batch_size: Passages (and pieces) of one forward pass. Changes the speed, not the vectors.

        Raises:
            WeightsError: where the checkpoint is missing or damaged.
        """
        folder = Path(weights if weights is not None else checkpoint.default_weights())
        if weights is not None and not folder.is_dir():
            folder = checkpoint.from_hub(
                str(weights), revision=None, token=None, cache_dir=None, local_files_only=False
            )
        embedder = cls(MmbertModel.from_pretrained(folder), device, batch_size)
        embedder.calibration = Calibration.load(folder, embedder.fingerprint)
        return embedder

    def embed(self, items: Sequence[Item]) -> list[Embedded | ItemError]:
        """One result an item, in order: its vectors, or why it has none.

        A piece's row reads its facets and bars; a window's row its bars alone; every note is encoded once.
        Windows in which no note starts have no row.
        """
        ready: list[Prepared | ItemError] = []
        for item in items:
            try:
                prepared = prepare(item, self.kinds) if item.kind != "recording" else self._listen(item)
            except ItemError as e:
                ready.append(e)
                continue
            self.seconds["facets"] += prepared.seconds[0]
            self.seconds["encode"] += prepared.seconds[1]
            ready.append(prepared)
        done = iter(self.embed_prepared([p for p in ready if isinstance(p, Prepared)]))
        return [p if isinstance(p, ItemError) else next(done) for p in ready]

    def hear(self, mel: np.ndarray) -> np.ndarray:
        """Log-mel frames float16 [n, 128] of a recording (:class:`mmbert.audio.listen.Listener`) to states, float16
        [seconds, 384].

        Raises:
            WeightsError: where the network that hears is missing or damaged.
        """
        return self._ears.network.hear(mel)

    def _listen(self, item: Item) -> Prepared:
        assert item.recording is not None
        listener = Listener(item.recording)
        states = [self.hear(mel) for mel in listener.parts()]
        return replace(prepare_heard(item, listener.facts()), states=np.concatenate(states))

    def embed_prepared(self, ready: Sequence[Prepared]) -> list[Embedded | ItemError]:
        """One result a piece, in order: its vectors, or why it has none."""
        with self._timed("forward"), torch.inference_mode():
            music = _groups([p for p in ready if p.item.kind == "score"])
            forward = (result for group in music for result in self._forward(group))
            other = {"text": self._read, "recording": self._heard}
            return [other[p.item.kind](p) if p.item.kind in other else next(forward) for p in ready]

    def piece_rows(self, ready: Sequence[Prepared], choices: Sequence[Collection[Modality]]) -> np.ndarray:
        """Rows of pieces from some of their streams, to see what each stream knows.

        Args:
            ready: Pieces.
            choices: Sets of streams, each of ``score``, ``facets`` or both; both give the row of :meth:`embed`.

        Returns:
            float32 [choices, pieces, dim], unit length.

        Raises:
            WeightsError: where a row is not finite.
        """
        rows = [np.empty((len(choices), 0, self.dim), np.float32)]
        with self._timed("forward"), torch.inference_mode():
            for group in _groups(ready):
                bars, first = self._bars(group), _first(group)
                rows.append(np.stack([self._pieces(group, bars, first, streams) for streams in choices]))
        return _finite(np.concatenate(rows, axis=1))

    def embed_files(
        self, paths: Iterable[str | Path], *, on_reject: Callable[[ItemError], None] | None = None
    ) -> list[Embedded]:
        """Every piece of every file, in order.

        Args:
            paths: Files of music.
            on_reject: Takes what is refused, a file or one piece of it, and lets the rest come.

        Raises:
            ItemError: at the first file or piece that cannot be read or embedded, where there is no ``on_reject``.
        """

        def refuse(fault: ItemError) -> None:
            if on_reject is None:
                raise fault
            on_reject(fault)

        found: list[Embedded] = []
        items = _items(paths, refuse)
        while batch := list(islice(items, _ITEMS_AT_ONCE)):
            for result in self.embed(batch):
                if isinstance(result, ItemError):
                    refuse(result)
                else:
                    found.append(result)
        return found

    def describe_files(
        self,
        paths: Iterable[str | Path],
        *,
        limit: int = LIMIT,
        on_reject: Callable[[ItemError], None] | None = None,
    ) -> list[Description]:
        """Every piece of every file in words, in order: its facts in a sentence, the nearest tags and phrases.

        Args:
            paths: Files of music or text.
            limit: Tags and phrases of each piece.
            on_reject: As for :meth:`embed_files`.

        Raises:
            ItemError: as :meth:`embed_files`.
            MissingExtraError, WeightsError: as :meth:`embed_texts`.
        """
        found = self.embed_files(paths, on_reject=on_reject)
        return [describe(Subject.of(embedded), self.vocabulary, limit) for embedded in found]

    @cached_property
    def phrases(self) -> PhraseModel:
        """The model of phrases, read when it is first needed.

        Raises:
            WeightsError: where it is missing or damaged.
        """
        return PhraseModel.from_pretrained()

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What music is described with, read at the first description: some 1,200 wordings.

        Raises:
            MissingExtraError, WeightsError: as :meth:`embed_texts`.
        """
        return Vocabulary.of(self)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Questions in words to unit rows, float32 [n, dim].

        Raises:
            MissingExtraError: where the ``text`` extra is not installed.
            WeightsError: where the text model is not the one that these weights were trained with.
        """
        with torch.inference_mode(), _few_threads(len(texts)):
            stream = self.model.encode_text(*self._states(texts))
            rows = self.model.project(self.model.join([stream]), "query").float().cpu().numpy()
        return _finite(rows)

    def embed_statements(self) -> np.ndarray:
        """One piece a statement of :data:`mmbert.facets.TOKENS`, of which that alone is known: float32 [n, dim]."""
        with torch.inference_mode():
            return self._vectors([self.model.encode_facets([[i] for i in range(len(TOKENS))])])

    def language(self, texts: Sequence[str]) -> np.ndarray:
        """What the text model alone makes of words, the mean of its token states: float32 [n, text_dim], unit length.

        Raises as :meth:`embed_texts`.
        """
        with torch.inference_mode(), _few_threads(len(texts)):
            states, mask = self._states(texts)
            return torch.nn.functional.normalize((states * mask[..., None]).sum(1), dim=-1).float().cpu().numpy()

    def _states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token states of the text model. Those of the last texts are kept: a question is read once."""
        with _TEXT_LOCK:
            if self._text is None:
                config = self.model.config
                self._text = TextEncoder.load(config.text_model, config.text_sha256, str(self.device))
        last = self._last  # another thread may replace it
        if last is None or last[0] != list(texts):
            self._last = last = (list(texts), *self._text.encode(texts))
        return last[1:]

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start

    # ---- the model -----------------------------------------------------------------------------------

    def _forward(self, group: Sequence[Prepared]) -> list[Embedded | ItemError]:
        bars, first = self._bars(group), _first(group)
        pieces, windows = self._pieces(group, bars, first, _STREAMS), self._windows(group, bars, first)
        rows = np.split(windows, np.cumsum([len(p.places) for p in group])[:-1])
        return [_checked(p, piece, own) for p, piece, own in zip(group, pieces, rows, strict=True)]

    def _read(self, p: Prepared) -> Embedded | ItemError:
        """A text: the mean of its passages, on the side of the questions, where music was taught to find words.

        A build goes on where the text model is not installed: it needs none for music.
        """
        try:
            mean = self.embed_texts(p.chunks).mean(axis=0, dtype=np.float64)
        except MissingExtraError as e:
            fault = f"cannot be read: {e.subject} {e.fault}"
            return ItemError(str(p.item.source.path), fault, e.hint, code="E_MISSING_EXTRA", stage="embed")
        piece = (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)
        return _checked(p, piece, np.zeros((0, self.dim), np.float32))

    def _heard(self, p: Prepared) -> Embedded | ItemError:
        """A recording and its windows, by what is heard in them and the facts that it amounts to."""
        own = self._ears.recording(p)
        facets = [own.facets, *own.windows]
        runs = [slice(0, 1), *_runs(1, len(facets))]  # by itself: beside all of it, windows would be mostly padding
        rows = np.concatenate([self._sounding(facets[run], own.states[run], own.logits[run]) for run in runs])
        result = _checked(replace(p, facets=own.facets), rows[0], rows[1:])
        return result if isinstance(result, ItemError) else replace(result, heard=own.logits, chroma=p.chroma)

    def _sounding(self, facets: Sequence[Facets], states: Sequence[np.ndarray], logits: np.ndarray) -> np.ndarray:
        """float32 [n, dim] of recordings or windows; by their facts alone where the weights know no recordings."""
        streams = [self.model.encode_facets([facet_ids(f) for f in facets])]
        if self.model.recording is not None:
            chosen = [some[_evenly(len(some), PIECE_SECONDS)] for some in states]
            mask = np.arange(max(map(len, chosen))) < np.array([[len(some)] for some in chosen])
            padded = np.zeros((*mask.shape, STATE), np.float32)
            padded[mask] = np.concatenate(chosen)
            read = (torch.from_numpy(a).to(self.device) for a in (padded, mask, logits))
            streams.append(self.model.encode_recording(*read))
        return self._vectors(streams)

    def _bars(self, group: Sequence[Prepared]) -> Tensor:
        """States [bars of all pieces, d]; passages in batches of near lengths."""
        first = _first(group)
        tokens = torch.from_numpy(np.concatenate([p.tokens for p in group])).to(self.device)
        segments = torch.from_numpy(np.concatenate([p.segments + at for p, at in zip(group, first)])).to(self.device)
        lengths = torch.from_numpy(np.concatenate([p.passages for p in group])).to(self.device)
        begin = lengths.cumsum(0) - lengths
        order = lengths.argsort(stable=True)
        states = tokens.new_empty((len(tokens), self.model.config.symbolic_dim), dtype=torch.float32)
        for runs in order.split(_even_batches(lengths[order].tolist(), self.batch_size * PASSAGE_NOTES)):
            at = torch.arange(int(lengths[runs[-1]]), device=self.device)
            valid = at < lengths[runs, None]
            notes = (begin[runs, None] + at)[valid]
            padded = torch.tensor(PAD_ID, device=self.device).repeat(*valid.shape, 1)
            padded[valid] = tokens[notes].long()
            states[notes] = self.model.encode_passages(padded, valid)[valid]
        return self.model.pool_bars(states, segments, int(first[-1]))[0]

    def _pieces(
        self, group: Sequence[Prepared], bars: Tensor, first: np.ndarray, streams: Collection[Modality]
    ) -> np.ndarray:
        """float32 [pieces, dim] from facets and at most :data:`PIECE_BARS` bars of each, or one of the two."""
        chosen = [_evenly(len(p.bars), PIECE_BARS) for p in group]
        order = np.argsort([len(c) for c in chosen], kind="stable")
        out = np.empty((len(group), self.dim), np.float32)
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            index = np.zeros((len(rows), len(chosen[rows[-1]])), np.int64)
            position, mask = np.zeros_like(index), np.zeros_like(index, dtype=bool)
            for i, n in enumerate(rows):
                some = slice(len(chosen[n]))
                index[i, some], position[i, some], mask[i, some] = first[n] + chosen[n], group[n].bars[chosen[n]], True
            facets = self.model.encode_facets([facet_ids(group[n].facets) for n in rows])
            read = [facets, self._score_stream(bars, index, mask, position)]
            out[rows] = self._vectors([stream for stream in read if stream.modality in streams])
        return out

    def _windows(self, group: Sequence[Prepared], bars: Tensor, first: np.ndarray) -> np.ndarray:
        """float32 [windows of all pieces, dim] from the bars of each alone, counted from its first."""
        spans = np.concatenate([p.spans + np.array([0, at, at]) for p, at in zip(group, first)])
        numbers = np.concatenate([p.bars for p in group])
        out = np.empty((len(spans), self.dim), np.float32)
        order = np.argsort(spans[:, 2] - spans[:, 1], kind="stable")  # whole windows together need no mask
        for start in range(0, len(order), _WINDOWS_A_PASSAGE * self.batch_size):
            rows = order[start : start + _WINDOWS_A_PASSAGE * self.batch_size]
            begin, low, high = spans[rows].T[..., None]
            index = low + np.arange((high - low).max())
            mask = index < high
            index = np.where(mask, index, low)
            out[rows] = self._vectors([self._score_stream(bars, index, mask, numbers[index] - begin)])
        return out

    def _score_stream(self, bars: Tensor, index: np.ndarray, mask: np.ndarray, position: np.ndarray) -> Stream:
        at, seen, place = (torch.from_numpy(a).to(self.device) for a in (index, mask, position))
        return Stream(bars[at], seen, "score", place)

    def _vectors(self, streams: list[Stream]) -> np.ndarray:
        return self.model.project(self.model.join(streams), "document").float().cpu().numpy()


def _first(group: Sequence[Prepared]) -> np.ndarray:
    """Where the bars of each piece begin among those of all, and where the last end, int64 [pieces + 1]."""
    return np.cumsum([0, *(len(p.bars) for p in group)])


def _finite(rows: np.ndarray) -> np.ndarray:
    if not np.isfinite(rows).all():
        raise WeightsError("weights", "give vectors that are not finite", "Copy or download them again")
    return rows


@contextmanager
def _few_threads(texts: int) -> Iterator[None]:
    """A question is too short to be divided: more threads than one wait for each other most of the time.

    On two busy cores 14 ms with one thread, 280 with two.
    """
    threads = torch.get_num_threads()
    if texts <= _FEW_TEXTS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _items(paths: Iterable[str | Path], refuse: Callable[[ItemError], None]) -> Iterator[Item]:
    from mmbert.items import load_items, no_piece

    for path in paths:
        refused: list[ItemError] = []
        item = None
        for item in load_items(path, on_reject=refused.append):
            yield item
        if item is None and not refused:
            refused.append(no_piece(path))
        for fault in refused:
            refuse(fault)


def _checked(p: Prepared, piece: np.ndarray, windows: np.ndarray) -> Embedded | ItemError:
    if np.isfinite(piece).all() and np.isfinite(windows).all():
        return Embedded(p.item, p.facets, piece, windows, p.places)
    fault, hint = "gives vectors that are not finite", "The weights or this machine's torch are faulty"
    return ItemError(str(p.item.source.path), fault, hint, code="E_NOT_FINITE", stage="embed")


def _groups(ready: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    """Pieces that go through the model together: as many as :data:`_NOTES_AT_ONCE` notes allow, at least one."""
    group: list[Prepared] = []
    for prepared in ready:
        if group and sum(p.n_notes for p in group) + prepared.n_notes > _NOTES_AT_ONCE:
            yield group
            group = []
        group.append(prepared)
    if group:
        yield group


def _even_batches(lengths: Sequence[int], most: int) -> list[int]:
    """Sizes of batches of passages, shortest first, that hold at most ``most`` notes with their padding each.

    >>> _even_batches([10, 10, 20, 40], 60)
    [3, 1]
    """
    sizes = [0]
    for length in lengths:
        if sizes[-1] and (sizes[-1] + 1) * length > most:
            sizes.append(0)
        sizes[-1] += 1
    return sizes


def _evenly(n: int, most: int) -> np.ndarray:
    """At most so many of n, evenly spaced, the first and last among them."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)


def _runs(first: int, last: int) -> Iterator[slice]:
    """Windows of a recording that go through the model together."""
    return (slice(at, min(last, at + _WINDOWS_AT_ONCE)) for at in range(first, last, _WINDOWS_AT_ONCE))
