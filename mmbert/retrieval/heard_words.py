"""Words to recordings by the sounds that are heard in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmbert.audio.sounds import SOUNDS, playing, sound_names
from mmbert.retrieval.calibrate import TextEmbedder
from mmbert.retrieval.sound_words import SoundWords
from mmbert.types import Condition, Place

if TYPE_CHECKING:
    from mmbert.store import Generation

MOST_NAMED = 2  # sounds that a reason names
TOLD_BY_SOUNDS = ("instruments", "families", "has_drums", "sounds")  # facets that names of sounds tell


@dataclass(frozen=True, eq=False)
class HeardSounds:
    """The sounds that are heard in the recordings of a library.

    Attributes:
        rows: Of the recordings, int64 [r].
        vectors: float32 [r, 527], unit length: standardised logits.
    """

    rows: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, generation: Generation) -> HeardSounds | None:
        """Of a library; None where it holds no recording."""
        rows, logits = generation.heard(SOUNDS)
        return cls(rows, SoundWords.load().standardised(logits)) if len(rows) else None


@dataclass(frozen=True, eq=False)
class HeardWords:
    """Words beside the sounds of recordings.

    Attributes:
        direction: Where recordings lie of which the words are true, float32 [527].
        similarity: With every piece, float32 [n_pieces]; NaN of what is no recording.
        known: Whether any of the words is known to the reader of words.
    """

    direction: np.ndarray
    similarity: np.ndarray
    known: bool

    def named(self, sounds: Sequence[str]) -> tuple[str, ...]:
        """Of the sounds that are heard in a recording those that the words speak of, most of all first."""
        weight = {name: float(self.direction[sound_names().index(name)]) for name in sounds}
        spoken = sorted((name for name in sounds if weight[name] > 0), key=lambda name: -weight[name])
        return tuple(spoken[:MOST_NAMED])

    def places(self, generation: Generation, rows: Collection[int]) -> Mapping[int, Place]:
        """Of some recordings the window in which most is heard of what the words say."""
        windows = generation.heard_windows(rows, SOUNDS)
        reader, best = SoundWords.load(), {}
        for row, logits in windows.items():
            near = reader.standardised(logits) @ self.direction
            best[row] = int(generation.windows.of_piece(row)[int(near.argmax())])
        places = generation.places_of(best.values())
        return {row: places[window] for row, window in best.items()}


def by_sound(sounds: HeardSounds, words: str, embedder: TextEmbedder, n_pieces: int) -> HeardWords:
    """Compare words with the sounds of all recordings.

    Args:
        sounds: Of the library.
        words: The question.
        embedder: Its text model reads the words.
        n_pieces: Of the library.
    """
    reader = SoundWords.load()
    direction = reader.directions([words], embedder.language([words]))[0]
    similarity = np.full(n_pieces, np.nan, np.float32)
    similarity[sounds.rows] = sounds.vectors @ direction
    return HeardWords(direction, similarity, reader.knows(words))


def perhaps(generation: Generation, condition: Condition) -> np.ndarray:
    """Recordings in which an instrument that is asked for is among the sounds that are told, bool [n_pieces].

    Too unsure to be a fact about them, and too near to what was asked for to say that nothing fits.
    """
    found = np.zeros(generation.n_pieces, bool)
    if condition.operator == "=":
        for sound in playing(condition.facet, condition.value):
            found |= np.asarray(generation.fits(Condition("sounds", "=", sound))) == 1
    return found
