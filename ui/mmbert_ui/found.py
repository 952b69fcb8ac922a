"""What was suggested for melodies, kept for a while so that it can be drawn, heard and downloaded by an id.

``found-`` and 32 random hex digits name one answer; ``-N`` its hit of rank N, both voices together, ``-0`` the melody
that was read; ``-melody`` or ``-suggestion`` behind it one voice alone, ``-whole`` the whole melody and not the bars
that were asked about alone.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mmbert.retrieval.suggestions import Continuations, Suggestions
from mmbert.symbolic.score import Score
from mmbert.types import PhraseHit
from mmbert_ui.notes import Playable

FOUND_ID = re.compile(r"(found-[0-9a-f]{32})-(\d{1,3})(?:-(melody|suggestion|whole))?")
KEPT = 64  # answers
KEPT_SECONDS = 3600.0


@dataclass(frozen=True)
class Found:
    """One thing that an id names.

    Attributes:
        name: What a file of it is called.
        score: Its notes.
        playable: Its notes on the clock.
        midi: It as a MIDI file with named tracks.
    """

    name: str
    score: Score
    playable: Playable
    midi: Callable[[], bytes]


class FoundStore:
    """At most :data:`KEPT` answers of the last hour, newest kept. Safe to call from several threads.

    Args:
        gone: Called with each id that may have been heard, once its answer is forgotten.
    """

    def __init__(self, gone: Callable[[str], None] = lambda found_id: None) -> None:
        self._gone = gone
        self._kept: OrderedDict[str, tuple[float, Suggestions]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, suggestions: Suggestions) -> str:
        """Keep an answer; returns its id, to which a hit's rank is added."""
        name = f"found-{secrets.token_hex(16)}"
        with self._lock:
            self._kept[name] = (time.monotonic(), suggestions)
            self._forget()
        return name

    def get(self, any_id: str) -> Found | None:
        """What an id names; None where it names nothing, or nothing any longer."""
        named = FOUND_ID.fullmatch(any_id)
        if named is None:
            return None
        with self._lock:
            self._forget()
            kept = self._kept.get(named[1])
        return _found(kept[1], int(named[2]), named[3]) if kept else None

    def close(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._kept.clear()

    def _forget(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        for name, (at, suggestions) in list(self._kept.items()):
            if len(self._kept) > KEPT or at < oldest:
                del self._kept[name]
                for any_id in ids_of(name, suggestions):
                    self._gone(any_id)


def ids_of(name: str, suggestions: Suggestions) -> list[str]:
    """Every id that an answer has."""
    numbered = [f"{name}-{rank}" for rank in (0, *(hit.rank for hit in suggestions.hits))]
    return [f"{one}{voice}" for one in numbered for voice in ("", "-melody", "-suggestion", "-whole")]


def together(suggestions: Suggestions, hit: PhraseHit, whole: bool = False) -> Score:
    """Both voices of a hit: the first part is the melody, all others are what was found."""
    if isinstance(suggestions, Continuations):
        return suggestions.joined(hit, whole=whole)
    return suggestions.mix(hit, whole=whole)  # type: ignore[attr-defined]  # the other kind


def _found(suggestions: Suggestions, rank: int, voice: str | None) -> Found | None:
    from mmbert.items import write_midi

    if rank == 0:
        line = suggestions.melody.line
        title = suggestions.melody.title
        return Found(title, line, Playable.of(line), lambda: write_midi(line, {"title": title}))
    hit = next((hit for hit in suggestions.hits if hit.rank == rank), None)
    if hit is None:
        return None
    score = together(suggestions, hit, whole=voice == "whole")
    playable = Playable.of(score)
    if voice in ("melody", "suggestion"):
        mine = (playable.notes["part"] == 0) == (voice == "melody")
        playable = replace(playable, notes=playable.notes[np.flatnonzero(mine)])
    return Found(suggestions.titled(hit), score, playable, lambda: suggestions.midi(hit, whole=voice == "whole"))
