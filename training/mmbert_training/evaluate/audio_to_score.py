"""Finding the score that a recording plays, and the recording of a score.

The sound is made: half a minute of a work by a sound font that nothing was chosen or trained with, .8 to 1.25 times as
fast as the score says. What is searched are the whole scores of all works of the split, one a cluster. That is an easy
task (it is the candidate's own notes, clean and steady), so harder rows stand beside it, each apart: people's
performances (ASAP) among their scores, another setting of a folk tune (both research data, SOURCES.md: evaluated with,
never trained on), other keys, noise in a room.

Three ways are compared and fused: the sequence of chroma, its vectors, and the notes that are heard
(:mod:`mmbert_training.evaluate.fused_rows`). Shorter questions leave room for a fusion to be of use.

``--split validation`` renders with the fonts of training: by that alone anything is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.audio.chroma import FRAMES_A_SECOND, comparable, score_chroma
from mmbert.console import progress
from mmbert.embed import Embedder
from mmbert.metrics import Standing, standing
from mmbert.retrieval.chroma_match import ROTATIONS, ChromaIndex
from mmbert.symbolic.score import Score
from mmbert_training.evaluate import two_fonts
from mmbert_training.evaluate.candidates import TUNES
from mmbert_training.evaluate.fused_rows import fused, transcribed, tried
from mmbert_training.evaluate.rendered import SECONDS, Excerpt, Split, draw, draw_all, hear, one_a_cluster, scores_of
from mmbert_training.evaluate.tables import differences, figures
from mmbert_training.evaluate.tonal_rows import by_passage_vector, by_vector, by_whole_vector
from mmbert_training.evaluate.versions import tunes
from mmbert_training.manifest import load_works

HARDER = 100  # questions of a harder row at most
SHORTEST_TUNE = 10.0  # seconds of sound; what follows is silence
LENGTHS = (30, 10, 5)  # seconds of a question


@dataclass(frozen=True)
class Questions:
    """Recordings of which each plays one of the candidates.

    Attributes:
        name: Of the set.
        excerpts: What is heard.
        heard: Chroma of each, uint8 [n, 12].
        candidates: Chroma of whole scores, uint8 [n, 12] each.
        index: Of the candidates.
        target: int64 [questions].
        works: Of each question its work cluster.
        notes: What is transcribed of each, ``score.NOTE`` [n], 960 ticks a second; of the set ``works`` alone.
    """

    name: str
    excerpts: tuple[Excerpt, ...]
    heard: tuple[np.ndarray, ...]
    candidates: tuple[np.ndarray, ...]
    index: ChromaIndex
    target: np.ndarray
    works: tuple[str, ...]
    notes: tuple[np.ndarray, ...] = ()
    _scores: dict[Any, np.ndarray] = field(default_factory=dict, repr=False)

    def scores(self, by: Callable[[Questions], np.ndarray]) -> np.ndarray:
        """What one way to answer says: rows that share it, or are made of it, search once."""
        if by not in self._scores:
            self._scores[by] = by(self)
        return self._scores[by]


def run(
    data: Path | None = None,
    weights: Path | None = None,
    split: Split = "test",
    queries: int | None = None,
    work: Path = Path("runs/audio-to-score"),
) -> dict[str, Any]:
    """All sets and rows.

    Args:
        data: Folder of data zips; None for ``MMBERT_DATA``.
        weights: A checkpoint, whose recording stream is asked for the same excerpt in another font; vectors of chroma
            are always those released.
        split: ``validation`` to choose by, with the fonts of training.
        queries: Questions of each set at most, for a quick look.
        work: Folder of what was heard; a run that was broken off goes on there.

    Raises:
        DataError: where the data, FluidSynth or a font are missing.
    """
    found: dict[str, Any] = {"split": split}
    rows: list[dict[str, Any]] = []
    for asked in _sets(data, split, queries, work):
        found |= {f"n_queries_{asked.name}": len(asked.excerpts), f"n_candidates_{asked.name}": len(asked.candidates)}
        ranked: dict[str, Standing] = {}
        for row in ROWS[asked.name]:
            where, works = row.ranked(asked, asked.scores(row.score))
            ranked[row.name] = where
            values = figures(where, works)
            rows.append({"set": asked.name, "row": row.name, "queries": len(where), **values})
            if row.key:
                found |= {f"{cut.replace('@', '')}_{row.key}": values[cut] for cut in ("r@1", "r@10", "mrr")}
        if asked.name == "works":
            found["checks"] = checks(asked.scores(_SEQUENCE.score), asked.target)
            found["differences_of_mrr"] = differences(ranked, asked.works, COMPARED)
            if split == "validation":
                found["fusions"] = tried(asked, [WAYS[s] for s in LENGTHS])
    most = min(queries or two_fonts.MOST, two_fonts.MOST)
    keys, fonts = two_fonts.rows(data, Embedder.from_pretrained(weights), split, work, most)
    return {**found, **keys, "rows": rows, "two_fonts": fonts}


def checks(scores: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """What a figure near 1 has to stand: that scores differ, and by how much the right answer leads or lags.

    Args:
        scores: float64 [questions, candidates], finite.
        target: int [questions].
    """
    every = np.arange(len(target))
    others = scores.copy()
    others[every, target] = -np.inf
    margin = scores[every, target] - others.max(axis=1)
    return {
        "distinct_scores_of_a_question_at_least": float(min(len(np.unique(row)) for row in scores)),
        "median_margin_to_the_next": float(np.median(margin)),
        "margin_that_nine_of_ten_reach": float(np.percentile(margin, 10)),
        "median_score_of_the_right": float(np.median(scores[every, target])),
        "median_score_of_others": float(np.median(scores)),
    }


# ---- rows: one line each -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One way to answer.

    Attributes:
        name: In the table.
        score: Questions to float64 [questions, candidates].
        key: Of its figures in JSON, behind ``r1_``, ``r10_`` and ``mrr_``; empty where the table alone has them.
        swapped: Whether scores ask and recordings are found: the right answer of question i is recording i.
        shuffled: Whether each question is given the right answer of the next.
    """

    name: str
    score: Callable[[Questions], np.ndarray]
    key: str = ""
    swapped: bool = False
    shuffled: bool = False

    def ranked(self, asked: Questions, scores: np.ndarray) -> tuple[Standing, tuple[str, ...]]:
        """Where the right answers stand, and the works that were asked for."""
        target = np.arange(len(asked.excerpts)) if self.swapped else asked.target
        return standing(scores, np.roll(target, 1) if self.shuffled else target), asked.works


def _of(seconds: int) -> str:
    """The end of a key."""
    return "_unseen_font" if seconds == LENGTHS[0] else f"_{seconds}s_unseen_font"


def by_nothing(asked: Questions) -> np.ndarray:
    """Chance."""
    return np.zeros((len(asked.excerpts), len(asked.candidates)))


def by_histogram(asked: Questions) -> np.ndarray:
    """Cosine of the mean frames."""
    heard, there = (
        np.stack([comparable(frames).mean(axis=0, dtype=np.float64) for frames in sequences])
        for sequences in (asked.heard, asked.candidates)
    )
    heard, there = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (heard, there))
    return heard @ there.T


def by_sequence(seconds: int = LENGTHS[0], rotations: Sequence[int] = (0,)) -> Callable[[Questions], np.ndarray]:
    """The first seconds of each recording, searched in all scores."""

    def score(asked: Questions) -> np.ndarray:
        first = [frames[: round(seconds * FRAMES_A_SECOND)] for frames in asked.heard]
        return _found(asked.index, first, rotations)

    return score


def by_passage(asked: Questions) -> np.ndarray:
    """What is written of each passage, searched in all recordings: float64 [questions, questions]."""
    passages = []
    for excerpt, target in zip(asked.excerpts, asked.target.tolist()):
        start, end = excerpt.start, excerpt.start + SECONDS * excerpt.speed
        passages.append(asked.candidates[target][int(start * FRAMES_A_SECOND) : round(end * FRAMES_A_SECOND)])
    return _found(ChromaIndex.of(asked.heard), passages, (0,))


def _found(index: ChromaIndex, sequences: Sequence[np.ndarray], rotations: Sequence[int]) -> np.ndarray:
    rows = np.full((len(sequences), len(index)), -1.0)
    with progress("searching", len(sequences)) as advance:
        for row, frames in zip(rows, sequences):
            if frames.size and np.ptp(frames, axis=1).any():  # silence is a wrong answer, not an error
                row[:] = index.find(frames, rotations=rotations).score
            advance()
    return rows


WAYS = {s: (by_sequence(s), by_vector(s), transcribed(s, _found)) for s in LENGTHS}
"""Ways to answer that are fused, by seconds of a question."""
_SEQUENCE = Row("chroma sequence, 30 s", WAYS[30][0], "audio_to_score_chroma_unseen_font")
_ANY_KEY = Row("chroma sequence, 30 s, twelve rotations", by_sequence(rotations=ROTATIONS))
_VECTOR = Row("vectors of windows, 30 s", WAYS[30][1], "audio_to_score_vector_unseen_font")
_VECTOR_ANY_KEY = Row("vectors of windows, twelve rotations", by_vector(SECONDS, ROTATIONS))
_TRANSCRIBED = {s: Row(f"transcription, {s} s", WAYS[s][2], f"audio_to_score_transcription{_of(s)}") for s in LENGTHS}
_FUSED = {s: Row(f"fused, {s} s", fused(*WAYS[s]), f"audio_to_score_fused{_of(s)}") for s in LENGTHS}
COMPARED = tuple((f"{way}, {s} s", f"chroma sequence, {s} s") for s in LENGTHS for way in ("fused", "transcription"))
_CHANCE = Row("chance", by_nothing)
_HISTOGRAM = Row("chroma histogram", by_histogram)
ROWS: dict[str, tuple[Row, ...]] = {
    "works": (
        _CHANCE,
        replace(_SEQUENCE, name="chroma sequence, 30 s, shuffled gold", key="", shuffled=True),
        replace(_HISTOGRAM, key="audio_to_score_histogram_unseen_font"),
        _SEQUENCE,
        *(Row(f"chroma sequence, {s} s", WAYS[s][0], f"audio_to_score_chroma{_of(s)}") for s in LENGTHS[1:]),
        Row("score to audio, chroma sequence", by_passage, "score_to_audio_unseen_font", swapped=True),
        _VECTOR,
        replace(_VECTOR, name="vectors of windows, 30 s, shuffled gold", key="", shuffled=True),
        *(Row(f"vectors of windows, {s} s", WAYS[s][1], f"audio_to_score_vector{_of(s)}") for s in LENGTHS[1:]),
        *_TRANSCRIBED.values(),
        replace(_TRANSCRIBED[30], name="transcription, 30 s, shuffled gold", key="", shuffled=True),
        *_FUSED.values(),
        Row("one vector a score, 30 s", by_whole_vector),
        Row("score to audio, vectors", by_passage_vector(SECONDS), "score_to_audio_vector_unseen_font", swapped=True),
    ),
    "noisy": (
        _HISTOGRAM,
        replace(_SEQUENCE, key="audio_to_score_noisy"),
        replace(_VECTOR, key="audio_to_score_vector_noisy"),
        *(Row(f"chroma sequence, {s} s", by_sequence(s), f"audio_to_score_noisy_{s}s") for s in LENGTHS[1:]),
    ),
    "transposed": (
        replace(_SEQUENCE, key=""),
        replace(_ANY_KEY, key="audio_to_score_transposed"),
        replace(_VECTOR_ANY_KEY, key="audio_to_score_vector_transposed"),
    ),
    "performances": (
        _CHANCE,
        _HISTOGRAM,
        replace(_SEQUENCE, key="audio_to_score_performance"),
        _ANY_KEY,
        replace(_VECTOR, key="audio_to_score_vector_performance"),
    ),
    "settings": (_CHANCE, _HISTOGRAM, replace(_SEQUENCE, key="audio_to_score_another_edition"), _ANY_KEY),
}


# ---- sets ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Played:
    """A score that is rendered: which candidate it is, and of which work."""

    score: Score
    target: int
    cluster: str


def _sets(data: Path | None, split: Split, queries: int | None, work: Path) -> Iterator[Questions]:
    """The sets, each made when its turn comes."""

    def asked(name: str, excerpts: Sequence[Excerpt], played: Mapping[str, _Played]) -> Questions:
        scores = {i: p.score for i, p in played.items()}
        notes = hear(excerpts, scores, work, "notes") if name == "works" else []
        heard = hear(excerpts, scores, work)
        target = np.array([played[e.work].target for e in excerpts])
        works = tuple(played[e.work].cluster for e in excerpts)
        return Questions(name, tuple(excerpts), tuple(heard), candidates, index, target, works, tuple(notes))

    harder = min(queries or HARDER, HARDER)
    works = scores_of(one_a_cluster(w for w in load_works(data) if w.split == split))
    played = {w.id: _Played(score, i, w.cluster) for i, (w, score) in enumerate(works)}
    candidates = tuple(score_chroma(score) for _, score in works)
    index = ChromaIndex.of(candidates)
    drawn = draw_all({i: p.score for i, p in played.items()}, split)
    yield asked("works", drawn[:queries], played)
    yield asked("noisy", [replace(e, condition="noisy") for e in drawn[:harder]], played)
    moved = (draw(e.work, played[e.work].score, e.font, transposed=True) for e in drawn[:harder])
    yield asked("transposed", [e for e in moved if e], played)

    # Nothing learns from performances, so those of works to train on are asked too: of test works there are 15. The
    # rows of vectors have an advantage there: their tower has learned from scores of some of these works.
    human = [w for w in load_works(data, ("asap",)) if (w.split == "validation") == (split == "validation")]
    written = scores_of(w for w in human if not w.row["same_as"])
    place = {w.id: len(works) + i for i, (w, _) in enumerate(written)}
    performed = scores_of(w for w in human if w.row["same_as"] in place)
    played = {w.id: _Played(score, place[w.row["same_as"]], w.cluster) for w, score in performed}
    candidates = (*candidates, *(score_chroma(score) for _, score in written))
    index = ChromaIndex.of(candidates)
    yield asked(
        "performances", draw_all({i: p.score for i, p in played.items()}, split, speeds=(1.0, 1.0))[:harder], played
    )

    settings = tunes((w for w in load_works(data, (TUNES,)) if w.split == split), ("score",))
    pairs = [(q.item.score, c) for q, c in zip(settings.questions, settings.works) if q.item.score]
    played = {cluster: _Played(score, i, cluster) for i, (score, cluster) in enumerate(pairs)}
    candidates = tuple(score_chroma(c.item.score) for c in settings.candidates if c.item.score)
    index = ChromaIndex.of(candidates)
    yield asked(
        "settings", draw_all({i: p.score for i, p in played.items()}, split, shortest=SHORTEST_TUNE)[:harder], played
    )
