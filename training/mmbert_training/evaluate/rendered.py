"""Sound of works made on the fly, and what is kept of it: the questions of ``mmbert eval audio-to-score``.

An excerpt is rendered, heard and forgotten; what is heard of it (:data:`HEARD`) stays in a folder, so that a run
that was broken off goes on where it was and a second one renders nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mmbert.audio.chroma import Chroma
from mmbert.audio.mel import LogMel
from mmbert.audio.tempo import Onsets
from mmbert.audio.transcribe import transcribe
from mmbert.console import progress, warn
from mmbert.errors import DataError, ItemError
from mmbert.symbolic.score import Score
from mmbert.types import Recording
from mmbert_training import manifest
from mmbert_training.evaluate.candidates import shuffled
from mmbert_training.evaluate.queries import seed_of
from mmbert_training.manifest import Work, load_item
from mmbert_training.rendering import HELD_OUT, RATE, TRAIN, in_room, render, with_noise

if TYPE_CHECKING:
    from mmbert.audio.mn04 import Mn04

SECONDS = 30.0
SPEEDS = (0.8, 1.25)  # drawn evenly on a logarithmic scale
LEAST_NOTES = 8  # with a pitch, of an excerpt
_DECAYS, _WET, _SNR_DB = (0.4, 1.2), 0.5, 10.0  # of the noisy condition: seconds, energy of the echo, noise
_SEED = 20_290
Condition = Literal["clean", "noisy"]
Split = Literal["test", "validation"]


@dataclass(frozen=True)
class Excerpt:
    """A part of a score as it is to be heard.

    Attributes:
        work: Its id.
        start: Second of the score.
        speed: How many times as fast.
        semitones: Upwards.
        font: What it is rendered with.
        condition: What becomes of the sound.
    """

    work: str
    start: float
    speed: float
    semitones: int
    font: str
    condition: Condition = "clean"


def draw(
    work: str,
    score: Score,
    font: str,
    *,
    speeds: tuple[float, float] = SPEEDS,
    transposed: bool = False,
    shortest: float = SECONDS,
) -> Excerpt | None:
    """A random half minute of a score, the same at every call; None where it is too short or has too few notes there.

    Args:
        work: Its id, which the chance comes from.
        score: Its notes.
        font: What it is to be rendered with.
        speeds: Least and most.
        transposed: Whether to move it by one to eleven semitones up, or as many down that give the same pitch classes
            where there is more room below.
        shortest: Seconds of sound that a score has to give.
    """
    rng = np.random.default_rng([_SEED, seed_of(work)])
    speed = float(np.exp(rng.uniform(*np.log(speeds))))
    room = score.duration_s - SECONDS * speed
    start, up = float(rng.uniform(0, max(room, 0))), int(rng.integers(1, 12))
    notes = score.notes[~score.notes["is_drum"]]
    onset = score.seconds(notes["onset"])
    if (
        score.duration_s < shortest * speed
        or np.count_nonzero((onset >= start) & (onset < start + SECONDS * speed)) < LEAST_NOTES
    ):
        return None
    semitones = 0
    if transposed:
        above, below = 127 - int(notes["pitch"].max()), int(notes["pitch"].min())
        semitones = up if up <= above and (up <= 6 or 12 - up > below) else up - 12
    return Excerpt(work, round(start, 3), round(speed, 4), semitones, font)


def draw_all(scores: Mapping[str, Score], split: manifest.Split, **how: Any) -> list[Excerpt]:
    """Excerpts of scores by id, in the order of the SHA-256 of the ids: of the test split with the font that is held
    out, of others with those of training."""
    drawn: list[Excerpt] = []
    for i in shuffled(scores):
        # One in four of the fonts of training is the second, which takes ten times as long to load.
        font = HELD_OUT if split == "test" else TRAIN[len(drawn) % 4 == 3]
        excerpt = draw(i, scores[i], font, **how)
        if excerpt:
            drawn.append(excerpt)
    return drawn


def one_a_cluster(works: Iterable[Work]) -> list[Work]:
    """The first of each cluster, by id."""
    first: dict[str, Work] = {}
    for work in sorted(works, key=lambda w: w.id):
        first.setdefault(work.cluster, work)
    return list(first.values())


def scores_of(works: Iterable[Work]) -> list[tuple[Work, Score]]:
    """Works with their notes; one without a pitch is left out, one that cannot be read is left out and said."""
    found = []
    for work in works:
        try:
            score = load_item(work).score
        except ItemError as e:
            warn(f"{work.id} is left out: {e}")
            continue
        if score is not None and not score.notes["is_drum"].all():
            found.append((work, score))
    return found


def sound_of(excerpt: Excerpt, score: Score) -> np.ndarray:
    """Half a minute of sound, float32 at ``RATE``. Raises as :func:`mmbert_training.rendering.render`."""
    how = {"start": excerpt.start, "speed": excerpt.speed, "semitones": excerpt.semitones}
    sound = render(score, excerpt.font, seconds=SECONDS, **how)  # type: ignore[arg-type]
    if excerpt.condition == "noisy":
        rng = np.random.default_rng([_SEED, seed_of(excerpt.work)])
        sound = with_noise(in_room(sound, float(rng.uniform(*_DECAYS)), _WET, rng), _SNR_DB, rng)
    return sound


def chroma_of(sound: np.ndarray) -> np.ndarray:
    """Stored chroma frames of sound at ``RATE``."""
    chroma = Chroma(RATE)
    chroma.feed(sound)
    return chroma.finish()


def onsets_of(sound: np.ndarray) -> np.ndarray:
    """Strength of onsets of sound at ``RATE``, a hundred a second."""
    mel, onsets = LogMel(), Onsets()
    onsets.feed(mel.feed(sound))
    onsets.feed(mel.finish())
    return onsets.finish()


def states_of(sound: np.ndarray) -> np.ndarray:
    """What mn04 says of each second of sound at ``RATE``, float16 [seconds, 384]."""
    from mmbert_training import hearing

    return hearing.states(sound, _ear())


@cache
def _ear() -> Mn04:
    from mmbert.audio.mn04 import Mn04

    return Mn04.load()


def notes_of(sound: np.ndarray) -> np.ndarray:
    """The notes that Basic Pitch hears in sound at ``RATE``, ``score.NOTE`` [n], 960 ticks a second."""
    return transcribe(Recording(RATE, lambda: _Rendered(sound))).notes


class _Rendered:
    """Sound that is there as a whole."""

    flaw, clipped = "", 0

    def __init__(self, sound: np.ndarray) -> None:
        self._sound = sound

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self._sound


HEARD: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "chroma": chroma_of, "onsets": onsets_of, "states": states_of, "notes": notes_of,
}  # fmt: skip
"""What is kept of a rendering."""
ASKED_FOR = ("notes",)
"""What is kept only where it is asked for: it takes as long as all else together."""


def hear(
    excerpts: Sequence[Excerpt], scores: Mapping[str, Score], work: Path, kept: str = "chroma"
) -> list[np.ndarray]:
    """What is heard of excerpts.

    Args:
        excerpts: Of works of ``scores``.
        scores: By id.
        work: Folder of what was heard already; made if it is missing.
        kept: A name of :data:`HEARD`.

    Raises:
        DataError: where there is no FluidSynth or font.
    """
    made = [name for name in HEARD if name == kept or name not in ASKED_FOR]
    folders = [(work / f"{name}-{_version(name)}", HEARD[name]) for name in made]
    for folder, _ in folders:
        folder.mkdir(parents=True, exist_ok=True)
    here = work / f"{kept}-{_version(kept)}"
    found = []
    with progress("rendering", len(excerpts)) as advance:
        for excerpt in excerpts:
            name = hashlib.sha256(json.dumps(asdict(excerpt), sort_keys=True).encode()).hexdigest()[:24]
            path = here / f"{name}.npy"
            if not path.is_file():
                sound = sound_of(excerpt, scores[excerpt.work])
                for folder, hears in folders:  # all that is missing at once: to render takes longest
                    if (folder / f"{name}.npy").is_file():
                        continue
                    np.save(folder / f"{name}.part.npy", hears(sound))
                    (folder / f"{name}.part.npy").rename(folder / f"{name}.npy")
            try:
                found.append(np.load(path, allow_pickle=False))
            except (EOFError, ValueError) as e:
                raise DataError(str(path), "is damaged", "Delete it; it is made again") from e
            advance()
    return found


@cache
def _version(kept: str) -> str:
    """Other code that hears otherwise has another folder: the digest of what is heard of a fixed sound."""
    time = np.arange(4 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * hz * time) * (time > at) for at, hz in enumerate((110.0, 277.2, 659.3)))
    sound = (0.2 * tones + 0.01 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)
    return hashlib.sha256(HEARD[kept](sound).tobytes()).hexdigest()[:12]
