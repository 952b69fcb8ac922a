"""Two versions of one work: settings of a tune, a performance and its score, a transposed and stretched copy.

Each set has questions, and candidates of which one is the same work. Nothing is drawn at run time: clusters come in the
order of the SHA-256 of their names, shifts and ratios from a seed of the work's id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmbert.prepare import Prepared, prepare
from mmbert.symbolic.facets import written
from mmbert.symbolic.score import Score
from mmbert.symbolic.transform import stretch, transpose
from mmbert_training.evaluate.candidates import TUNES, load_candidates, shuffled
from mmbert_training.evaluate.pieces import read
from mmbert_training.evaluate.queries import seed_of
from mmbert_training.manifest import Work, load_works

SEED = 20_270
PAIRS, TUNES_IN_ALL = 300, 600  # clusters of which two settings are compared, if there are as many; candidates
COPIES = 300
SEMITONES = tuple(n for n in range(-6, 7) if n)
RATIOS = (0.6, 1.6)  # of the tempo, drawn evenly on a logarithmic scale


@dataclass(frozen=True)
class Versions:
    """One set.

    Attributes:
        name: ``tunes``, ``performances`` or ``copies``.
        questions: The versions that are asked with.
        candidates: Those that are searched.
        target: int64 [questions], the candidate that is the same work.
        works: Of each question its work cluster.
    """

    name: str
    questions: tuple[Prepared, ...]
    candidates: tuple[Prepared, ...]
    target: np.ndarray
    works: tuple[str, ...]


def sets(data: Path | None, kinds: Collection[str]) -> Iterator[Versions]:
    """The three sets, each read when its turn comes.

    Raises:
        DataError: where the data are missing.
    """
    yield tunes([w for w in load_works(data, (TUNES,)) if w.split == "test"], kinds)
    yield performances([w for w in load_works(data, ("asap",)) if w.split != "train"], kinds)
    yield copies([w for w in load_candidates(data) if w.source != TUNES], kinds)


def tunes(works: Iterable[Work], kinds: Collection[str]) -> Versions:
    """Two settings of a folk tune whose intervals differ, among other tunes."""
    by_cluster: dict[str, list[Work]] = defaultdict(list)
    for work in sorted(works, key=lambda w: w.id):
        by_cluster[work.cluster].append(work)
    settings: dict[str, list[Prepared]] = defaultdict(list)
    for work, ready in read([w for some in by_cluster.values() if len(some) > 1 for w in some], kinds):
        settings[work.cluster].append(ready)
    pairs = {cluster: pair for cluster in shuffled(settings) if (pair := _two_settings(settings[cluster]))}
    chosen = list(pairs)[:PAIRS]
    others = [by_cluster[c][0] for c in shuffled(by_cluster) if c not in chosen][: TUNES_IN_ALL - len(chosen)]
    candidates = [*(pairs[c][1] for c in chosen), *(ready for _, ready in read(others, kinds))]
    return Versions(
        "tunes", tuple(pairs[c][0] for c in chosen), tuple(candidates), np.arange(len(chosen)), tuple(chosen)
    )


def performances(works: Iterable[Work], kinds: Collection[str]) -> Versions:
    """A human performance of a score, among the scores."""
    ready = read(list(works), kinds)
    scores = {work.id: prepared for work, prepared in ready if not work.row["same_as"]}
    played = [(work, prepared) for work, prepared in ready if work.row["same_as"] in scores]
    target = np.array([list(scores).index(work.row["same_as"]) for work, _ in played])
    questions, clusters = tuple(p for _, p in played), tuple(w.cluster for w, _ in played)
    return Versions("performances", questions, tuple(scores.values()), target, clusters)


def copies(works: Iterable[Work], kinds: Collection[str]) -> Versions:
    """A copy of a work in another key and tempo, among all originals. What words say of it (its form) stays."""
    ready = read(list(works), kinds)
    place = {work.cluster: i for i, (work, _) in enumerate(ready)}
    clusters = shuffled(place)[:COPIES]
    target = np.array([place[cluster] for cluster in clusters])
    questions = tuple(_copy(work, original, kinds) for work, original in (ready[i] for i in target))
    return Versions("copies", questions, tuple(p for _, p in ready), target, tuple(clusters))


def _copy(work: Work, original: Prepared, kinds: Collection[str]) -> Prepared:
    assert original.item.score is not None
    score = changed(original.item.score, np.random.default_rng([SEED, seed_of(work.id)]))
    return prepare(replace(original.item, score=score), kinds)


def changed(score: Score, rng: np.random.Generator) -> Score:
    """A score moved by one to six semitones up or down, as far as its pitches allow, at 0.6 to 1.6 times its tempo."""
    pitched = score.notes["pitch"][~score.notes["is_drum"]].astype(int)
    low, high = (int(pitched.min()), int(pitched.max())) if len(pitched) else (60, 60)
    semitones = int(rng.choice([n for n in SEMITONES if low + n >= 0 and high + n <= 127]))
    ratio = float(np.exp(rng.uniform(*np.log(RATIOS))))
    return stretch(transpose(score, semitones), ratio)


def _two_settings(settings: Sequence[Prepared]) -> tuple[Prepared, Prepared] | None:
    """The first setting of a tune, and the first of the others with other intervals; None where there is no such."""
    first, *others = settings
    other = next((o for o in others if _intervals(o) != _intervals(first)), None)
    return None if other is None else (first, other)


def _intervals(prepared: Prepared) -> list[int]:
    """Semitones from note to note, without regard to lengths."""
    assert prepared.item.score is not None
    return np.diff(written(prepared.item.score).notes["pitch"].astype(int)).tolist()
