"""Any item to vectors: facets, windows and one forward pass, for a library and for questions by example."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

from mmbert import _runtime  # noqa: F401  (thread settings before torch is imported)

# isort: split
import numpy as np
import torch
from torch import Tensor

from mmbert.errors import ItemError, WeightsError
from mmbert.model import MmbertModel, checkpoint
from mmbert.model.config import PIECE_BARS
from mmbert.model.facets import facet_ids
from mmbert.symbolic.facets import score_facets
from mmbert.symbolic.octuple import FIELDS, PAD_ID, encode
from mmbert.symbolic.score import Score
from mmbert.symbolic.windows import FREE_BAR_S, passages, search_windows, timeline
from mmbert.text.encoder import TextEncoder
from mmbert.types import Embedded, Facets, Item, Kind, Place, Stream

_NOTES_AT_ONCE = 65_536  # bounds memory: note states of this many notes are held at a time
_ITEMS_AT_ONCE = 64  # read, then embedded, of a list of files
_WINDOWS_A_PASSAGE = 8  # windows are small: so many times more go through at once
_TEXT_LOCK = Lock()  # questions come from several threads: one of them loads the text model
_BAR = FIELDS.index("bar")


@dataclass(frozen=True)
class _Prepared:
    """One score, ready for the model. "Bars" are those in which a note starts, in order."""

    index: int  # in the caller's list
    item: Item
    facets: Facets
    tokens: tuple[np.ndarray, ...]  # passages, int64 [n, 8], bars counted from the passage's first
    segments: tuple[np.ndarray, ...]  # of each passage: int64 [n], which of the bars each note starts in
    bars: np.ndarray  # int64 [bars], their numbers in the piece
    places: tuple[Place, ...]  # those in which a note starts
    spans: np.ndarray  # int64 [places, 3]: number of the place's first bar; which bars it holds, from and up to

    @property
    def n_notes(self) -> int:
        return sum(len(t) for t in self.tokens)


class Embedder:
    """Items and words to unit vectors of one space.

    Attributes:
        fingerprint: Of the weights; a library stores it and refuses another.
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
        music: tuple[Kind, ...] = ("score", "recording")
        self.kinds: frozenset[str] = frozenset(kind for kind in music if kind in model.config.modalities)
        self.seconds = {"facets": 0.0, "encode": 0.0, "forward": 0.0}
        self._text: TextEncoder | None = None

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
        model = MmbertModel.from_pretrained(weights if weights is not None else checkpoint.default_weights())
        return cls(model, device, batch_size)

    def embed(self, items: Sequence[Item]) -> list[Embedded | ItemError]:
        """One result an item, in order: its vectors, or why it has none.

        A piece's row reads its facets and bars; a window's row its bars alone; every note is encoded once.
        Windows in which no note starts have no row.
        """
        results: list[Embedded | ItemError | None] = [None] * len(items)
        ready: list[_Prepared] = []
        for i, item in enumerate(items):
            try:
                ready.append(self._prepare(i, item))
            except ItemError as e:
                results[i] = e
        with self._timed("forward"), torch.inference_mode():
            for group in _groups(ready):
                for prepared, result in zip(group, self._forward(group), strict=True):
                    results[prepared.index] = result
        return [r for r in results if r is not None]

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

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Questions in words to unit rows, float32 [n, dim].

        Raises:
            MissingExtraError: where the ``text`` extra is not installed.
            WeightsError: where the text model is not the one that these weights were trained with.
        """
        with _TEXT_LOCK:
            if self._text is None:
                config = self.model.config
                self._text = TextEncoder.load(config.text_model, config.text_sha256, str(self.device))
        with torch.inference_mode():
            stream = self.model.encode_text(*self._text.encode(texts))
            rows = self.model.project(self.model.join([stream]), "query").float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise WeightsError("weights", "give vectors that are not finite", "Copy or download them again")
        return rows

    # ---- before the model ----------------------------------------------------------------------------

    def _prepare(self, index: int, item: Item) -> _Prepared:
        path = str(item.source.path)
        if item.score is None or item.kind not in self.kinds:
            if item.kind == "recording":
                fault, hint = "no audio encoder in these weights", "Give weights that were trained on recordings"
                raise ItemError(path, fault, hint, code="E_NO_AUDIO_ENCODER", stage="embed")
            raise ItemError(path, "is not a piece of music", code="E_NOT_MUSIC", stage="embed")
        if not len(item.score.notes):
            raise ItemError(path, "holds no notes", code="E_NO_NOTES", stage="encode")
        try:
            with self._timed("facets"):
                facets = score_facets(item.score, item.metadata)
            with self._timed("encode"):
                return _prepared(index, item, item.score, facets)
        except ItemError as e:  # a score does not know its file
            raise ItemError(path, e.fault, e.hint, code=e.code, stage=e.stage) from e
        except (ArithmeticError, LookupError, ValueError) as e:
            fault = f"could not be measured ({type(e).__name__}: {e})"
            hint = "This is a fault of mmbert: please report it with the file"
            raise ItemError(path, fault, hint, code="E_UNEXPECTED", stage="encode") from e

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start

    # ---- the model -----------------------------------------------------------------------------------

    def _forward(self, group: Sequence[_Prepared]) -> list[Embedded | ItemError]:
        bars = self._bars(group)
        first = np.cumsum([0, *(len(p.bars) for p in group)])  # of each piece, in bars
        pieces, windows = self._pieces(group, bars, first), self._windows(group, bars, first)
        rows = np.split(windows, np.cumsum([len(p.places) for p in group])[:-1])
        return [_checked(p, piece, own) for p, piece, own in zip(group, pieces, rows, strict=True)]

    def _bars(self, group: Sequence[_Prepared]) -> Tensor:
        """States [bars of all pieces, d]; passages in batches of near lengths."""
        first = np.cumsum([0, *(len(p.bars) for p in group)])
        runs = [
            (tokens, segment + at)
            for p, at in zip(group, first)
            for tokens, segment in zip(p.tokens, p.segments, strict=True)
        ]
        runs.sort(key=lambda run: len(run[0]))
        states = []
        for start in range(0, len(runs), self.batch_size):
            tokens, valid = _padded([t for t, _ in runs[start : start + self.batch_size]])
            tokens, valid = tokens.to(self.device), valid.to(self.device)
            states.append(self.model.encode_passages(tokens, valid)[valid])
        segments = torch.from_numpy(np.concatenate([segment for _, segment in runs])).to(self.device)
        return self.model.pool_bars(torch.cat(states), segments, int(first[-1]))[0]

    def _pieces(self, group: Sequence[_Prepared], bars: Tensor, first: np.ndarray) -> np.ndarray:
        """float32 [pieces, dim] from facets and at most :data:`PIECE_BARS` bars of each."""
        chosen = [_evenly(len(p.bars)) for p in group]
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
            out[rows] = self._vectors([facets, self._score_stream(bars, index, mask, position)])
        return out

    def _windows(self, group: Sequence[_Prepared], bars: Tensor, first: np.ndarray) -> np.ndarray:
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


def _prepared(index: int, item: Item, score: Score, facets: Facets) -> _Prepared:
    runs = passages(encode(timeline(score, facets.free_time)))
    tokens = tuple(run.tokens.astype(np.int64) for run in runs)
    number = np.concatenate([t[:, _BAR] + _span(run.place)[0] for t, run in zip(tokens, runs, strict=True)])
    bars, segment = np.unique(number, return_inverse=True)
    segments = np.split(segment, np.cumsum([len(t) for t in tokens])[:-1])
    places = search_windows(score, facets.free_time)
    begin, end = np.array([_span(place) for place in places], np.int64).T
    spans = np.stack([begin, np.searchsorted(bars, begin), np.searchsorted(bars, end)], 1)
    sounding = (spans[:, 2] > spans[:, 1]).nonzero()[0]
    places = tuple(places[i] for i in sounding)
    return _Prepared(index, item, facets, tokens, tuple(segments), bars, places, spans[sounding])


def _checked(p: _Prepared, piece: np.ndarray, windows: np.ndarray) -> Embedded | ItemError:
    if np.isfinite(piece).all() and np.isfinite(windows).all():
        return Embedded(p.item, p.facets, piece, windows, p.places)
    fault, hint = "gives vectors that are not finite", "The weights or this machine's torch are faulty"
    return ItemError(str(p.item.source.path), fault, hint, code="E_NOT_FINITE", stage="embed")


def _span(place: Place) -> tuple[int, int]:
    """First bar of a place and the one behind its last, on the time line that was encoded."""
    if place.start_bar is None or place.end_bar is None:
        return round(place.start_s / FREE_BAR_S), round(place.end_s / FREE_BAR_S)
    return place.start_bar, place.end_bar


def _groups(ready: Sequence[_Prepared]) -> Iterator[list[_Prepared]]:
    """Pieces that go through the model together: as many as :data:`_NOTES_AT_ONCE` notes allow, at least one."""
    group: list[_Prepared] = []
    for prepared in ready:
        if group and sum(p.n_notes for p in group) + prepared.n_notes > _NOTES_AT_ONCE:
            yield group
            group = []
        group.append(prepared)
    if group:
        yield group


def _padded(rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Octuples of several lengths as int64 [B, T, 8] with PAD behind each, and bool [B, T]."""
    length = max(len(row) for row in rows)
    tokens = torch.tensor(PAD_ID).expand(len(rows), length, -1).clone()
    valid = torch.zeros(len(rows), length, dtype=torch.bool)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = torch.from_numpy(row)
        valid[i, : len(row)] = True
    return tokens, valid


def _evenly(n: int) -> np.ndarray:
    """At most :data:`PIECE_BARS` of n bars, evenly spaced, the first and last among them."""
    return np.linspace(0, n - 1, min(n, PIECE_BARS)).round().astype(np.int64)
