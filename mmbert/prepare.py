"""An item made ready for the model: its facets, and its notes as octuples, its words as passages or its sound as it was
heard. No torch, so that any process can do it."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np

from mmbert.audio.listen import SoundFacts
from mmbert.audio.windows import search_windows as sound_windows
from mmbert.errors import ItemError
from mmbert.items.limits import LIMITS
from mmbert.symbolic.facets import score_facets
from mmbert.symbolic.octuple import FIELDS, encode
from mmbert.symbolic.score import Score
from mmbert.symbolic.windows import FREE_BAR_S, passages, search_windows, timeline
from mmbert.text.chunks import chunks
from mmbert.types import Facets, Item, Place

# Confidence of a recording's key and tempo from which they are facts: the least step of .05 from which at least three
# of four are right, in `believed` of `mmbert eval recording-facets --split validation --queries 150` (.76 and .78).
KEY_BELIEVED, TEMPO_BELIEVED = 0.5, 0.6
# Seconds that a recording must last for them. The confidences were chosen on half minutes and say little of a snippet:
# a chord alone is surely in "its" key, and onsets are compared over twelve seconds.
KEY_HEARD_S, TEMPO_HEARD_S = 8.0, 12.0
STATE = 384  # numbers that a second of sound is to the network
_BAR = FIELDS.index("bar")
_NO_TOKENS = np.zeros((0, len(FIELDS)), np.int16)
_NO_LENGTHS, _NO_SPANS = np.zeros(0, np.int32), np.zeros((0, 3), np.int32)


@dataclass(frozen=True)
class Prepared:
    """One piece, ready for the model. "Bars" are those in which a note starts, in order; a text has none of them.

    Attributes:
        item: The piece; without its notes where another process read it.
        facets: Its measured facts.
        tokens: Octuples of all passages one after the other, int16 [n, 8]; bars count from the passage's first.
        passages: Notes of each passage, int32 [p].
        segments: Which of the bars each note starts in, int32 [n].
        bars: Numbers of the bars in the piece, int32 [bars].
        places: Those in which a note starts.
        spans: int32 [places, 3]: number of the place's first bar; which bars it holds, from and up to.
        seconds: What measuring (``facets``) and encoding (``encode``) took.
        chunks: Passages of a text, at most ``LIMITS.text_chunks``; empty for music.
        states: Of a recording, what the network heard: float16 [seconds, 384]. It is filled in where the network is.
        chroma: Of a recording, uint8 [n, 12] (:mod:`mmbert.audio.chroma`).
    """

    item: Item
    facets: Facets
    tokens: np.ndarray
    passages: np.ndarray
    segments: np.ndarray
    bars: np.ndarray
    places: tuple[Place, ...]
    spans: np.ndarray
    seconds: tuple[float, float]
    chunks: tuple[str, ...] = ()
    states: np.ndarray = field(default_factory=lambda: np.zeros((0, STATE), np.float16))
    chroma: np.ndarray = field(default_factory=lambda: np.zeros((0, 12), np.uint8))

    @property
    def n_notes(self) -> int:
        """Notes of all passages."""
        return len(self.tokens)


def prepare(item: Item, kinds: Collection[str]) -> Prepared:
    """Measure and encode a score or a text. A recording is heard first: :func:`prepare_heard`.

    Args:
        item: A piece with what it holds.
        kinds: Kinds of items that the weights can embed.

    Raises:
        ItemError: it has no notes or words, is of another kind, or cannot be measured.
    """
    path = str(item.source.path)
    if item.kind == "text" and item.kind in kinds:
        return _text(item)
    if item.score is None or item.kind not in kinds:
        if item.kind == "recording":
            fault, hint = "no audio encoder in these weights", "Give weights that were trained on recordings: --weights"
            raise ItemError(path, fault, hint, code="E_NO_AUDIO_ENCODER", stage="embed")
        raise ItemError(path, "is not a piece of music", code="E_NOT_MUSIC", stage="embed")
    if not len(item.score.notes):
        raise ItemError(path, "holds no notes", code="E_NO_NOTES", stage="encode")
    start = time.perf_counter()
    try:
        facets = score_facets(item.score, item.metadata)
        measured = time.perf_counter()
        tokens, lengths, segments, bars, places, spans = _encoded(item.score, facets.free_time)
    except ItemError as e:  # a score does not know its file
        raise ItemError(path, e.fault, e.hint, code=e.code, stage=e.stage) from e
    except (ArithmeticError, LookupError, ValueError) as e:
        fault = f"could not be measured ({type(e).__name__}: {e})"
        hint = "This is a fault of mmbert: please report it with the file"
        raise ItemError(path, fault, hint, code="E_UNEXPECTED", stage="encode") from e
    seconds = measured - start, time.perf_counter() - measured
    return Prepared(item, facets, tokens, lengths, segments, bars, places, spans, seconds)


def _text(item: Item) -> Prepared:
    start = time.perf_counter()
    found = chunks(item.text or "", LIMITS.text_chunks)
    if not found:
        raise ItemError(str(item.source.path), "holds no words", code="E_EMPTY", stage="encode")
    seconds = 0.0, time.perf_counter() - start
    nothing = _NO_TOKENS, _NO_LENGTHS, _NO_LENGTHS, _NO_LENGTHS
    return Prepared(item, Facets(), *nothing, (), _NO_SPANS, seconds, chunks=found)


def prepare_heard(item: Item, counted: SoundFacts) -> Prepared:
    """A recording to which a :class:`mmbert.audio.listen.Listener` has listened, without the network's states.

    What is wrong with the recording becomes its ``flaws`` among the metadata. A key or tempo that is not believed in,
    or that too little was heard for, is unknown.
    """
    says = item.metadata.get
    facets = Facets(title=says("title"), composer=says("composer"))
    facets = replace(facets, duration_s=round(counted.duration_s, 3), loudness_db=counted.loudness_db)
    heard_s, key, tempo = counted.duration_s, counted.key, counted.tempo
    if key is not None and key.confidence >= KEY_BELIEVED and heard_s >= KEY_HEARD_S:
        facets = replace(facets, key=key.key, mode=key.mode, key_confidence=round(key.confidence, 3))
    if tempo is not None and tempo.confidence >= TEMPO_BELIEVED and heard_s >= TEMPO_HEARD_S:
        facets = replace(facets, tempo_bpm=round(tempo.bpm, 1), tempo_confidence=round(tempo.confidence, 3))
    if counted.flaws:
        item = replace(item, metadata={**item.metadata, "flaws": "; ".join(counted.flaws)})
    places = sound_windows(counted.duration_s)
    nothing = _NO_TOKENS, _NO_LENGTHS, _NO_LENGTHS, _NO_LENGTHS
    return Prepared(item, facets, *nothing, places, _NO_SPANS, (0.0, 0.0), chroma=counted.chroma)


def _encoded(score: Score, free_time: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple, np.ndarray]:
    runs = passages(encode(timeline(score, free_time)))
    tokens = np.concatenate([run.tokens for run in runs])
    lengths = np.array([len(run.tokens) for run in runs], np.int32)
    first = np.repeat([_span(run.place)[0] for run in runs], lengths)
    bars, segments = np.unique(tokens[:, _BAR] + first, return_inverse=True)
    places = search_windows(score, free_time)
    begin, end = np.array([_span(place) for place in places], np.int64).T
    spans = np.stack([begin, np.searchsorted(bars, begin), np.searchsorted(bars, end)], 1)
    sounding = (spans[:, 2] > spans[:, 1]).nonzero()[0]
    places = tuple(places[i] for i in sounding)
    return (
        tokens.astype(np.int16),
        lengths,
        segments.astype(np.int32),
        bars.astype(np.int32),
        places,
        spans[sounding].astype(np.int32),
    )


def _span(place: Place) -> tuple[int, int]:
    """First bar of a place and the one behind its last, on the time line that was encoded."""
    if place.start_bar is None or place.end_bar is None:
        return round(place.start_s / FREE_BAR_S), round(place.end_s / FREE_BAR_S)
    return place.start_bar, place.end_bar
