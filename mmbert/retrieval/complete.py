"""What follows a melody, or sounds with it: phrases of a library by vector, the likely ones by the pair's score.

A continuation is four bars. An accompaniment is as long as the bars that are asked about: of a phrase that is found for
two bars, the first two are compared and heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mmbert.retrieval.calibrate import shares_beaten
from mmbert.retrieval.conditions import allowed, lies_in
from mmbert.retrieval.hits import hit_of
from mmbert.retrieval.melody_query import AskedMelody
from mmbert.retrieval.phrase_index import PhraseIndex
from mmbert.retrieval.phrase_why import Placed, figures, why
from mmbert.retrieval.suggestions import Arranged
from mmbert.retrieval.versions import fold_versions
from mmbert.store.vectors import PHRASE_SPACES
from mmbert.symbolic.phrase_lines import PhraseLines, joined_lines, shortened
from mmbert.symbolic.phrase_placing import moved, transpositions
from mmbert.symbolic.phrases import ONSET, PITCH, PhraseTable, Task
from mmbert.symbolic.windows import WINDOW_BARS
from mmbert.types import Answer, Facets, PhraseHit, Place, Query

if TYPE_CHECKING:
    from mmbert.store import Generation

SHORTLIST = 100  # phrases that are compared with the melody as a pair
_REPEATS = 100  # literal repeats of the melody that are looked past


class PhraseModelLike(Protocol):
    """What a question needs of :class:`mmbert.model.phrase_model.PhraseModel`."""

    def query_vectors(self, table: PhraseTable, task: Task) -> np.ndarray:
        """Unit vectors to ask with, float32 [P, d]."""
        ...

    def scores(self, query: PhraseTable, documents: PhraseTable, task: Task, products: np.ndarray) -> np.ndarray:
        """What to order a shortlist by, float32 [n]."""
        ...


@dataclass(frozen=True, eq=False)
class Shortlist:
    """Phrases that are likely, best first by their vectors.

    Attributes:
        phrase: Number of each, int64 [n].
        product: Inner product with the query's vector, float32 [n].
        lines: Each alone, with what plays it.
        table: All of them, in the melody's key and octave.
        by: Semitones that each was moved by, int64 [n].
    """

    phrase: np.ndarray
    product: np.ndarray
    lines: tuple[PhraseLines, ...]
    table: PhraseTable
    by: np.ndarray


def open_phrases(
    generation: Generation, index: PhraseIndex, melody: AskedMelody, query: Query, same_key: bool, folder: str | None,
    own: int | None,
) -> np.ndarray:  # fmt: skip
    """Which phrases may be suggested, bool [P]: of the metre, near enough in tempo, of pieces that are asked for.

    Args:
        generation: The open library.
        index: Its phrases.
        melody: What is asked about.
        query: As shown; its conditions exclude.
        same_key: Only pieces in the melody's key (its signature).
        folder: Only pieces whose file lies in this folder.
        own: Row of the piece that the melody was read from, which is not asked for.
    """
    keep = allowed(generation, query.conditions)
    if folder is not None:
        keep &= lies_in(generation.pieces.path, folder)
    if own is not None:
        keep[own] = False
    found = keep[index.piece] & index.in_metre(melody.metre) & index.in_tempo(melody.bpm)
    return found & (index.heads["shift"] == melody.phrase.shift[0]) if same_key else found


def shortlist(
    generation: Generation, index: PhraseIndex, vector: np.ndarray, melody: AskedMelody, task: Task, keep: np.ndarray
) -> Shortlist:
    """The phrases whose vectors lie nearest; of what goes on without literal repeats of the melody and without those
    that rest first, of what accompanies without those that have less than a note a bar in the bars asked about.

    Args:
        generation: The open library.
        index: Its phrases.
        vector: Of the melody's phrase, float32 [1, d].
        melody: What is asked about.
        task: What is asked.
        keep: bool [P], phrases that may be suggested.
    """
    rows = index.of_rows(task)
    near, row = generation.vectors.search(PHRASE_SPACES[task], vector, SHORTLIST + _REPEATS, keep[rows])
    there = row[0] >= 0
    phrase, product = rows[row[0][there]], near[0][there]
    lines = read_phrases(generation, index, phrase)
    if task == "accompaniment":
        lines = tuple(shortened(one, melody.bars) for one in lines)
    table = joined_lines(lines)
    if task == "completion":
        fits = ~repeats(melody.phrase, table) & begins_at_once(table)
        table = table.melodies()  # what is not heard shall not decide the octave
    else:
        fits = np.diff(table.accompaniment_start) >= melody.bars
    some = np.flatnonzero(fits)[:SHORTLIST]
    table = table.rows(some)
    by = transpositions(melody.phrase, table)
    return Shortlist(phrase[some], product[some], tuple(lines[i] for i in some), moved(table, by), by)


def read_phrases(generation: Generation, index: PhraseIndex, phrases: np.ndarray) -> tuple[PhraseLines, ...]:
    """Phrases by their numbers, int64 [n], each with its notes."""
    pieces = index.piece[phrases].astype(np.int64)
    kept = generation.phrases_of(np.unique(pieces))
    begins = {row: _begins(lines) for row, lines in kept.items()}
    out = []
    for piece, n in zip(pieces.tolist(), (phrases - index.start[pieces]).tolist(), strict=True):
        lines, begin = kept[piece], begins[piece]
        out.append(PhraseLines(lines.heads[n : n + 1], lines.notes[begin[n] : begin[n + 1]], lines.parts))
    return tuple(out)


def begins_at_once(table: PhraseTable) -> np.ndarray:
    """bool [P]: the melody begins within the first bar. After a longer rest nothing goes on."""
    first = table.melody[table.melody_start[:-1], ONSET]
    return first < table.length // WINDOW_BARS


def _begins(lines: PhraseLines) -> np.ndarray:
    sizes = lines.heads["melody"].astype(np.int64) + lines.heads["accompaniment"]
    return np.r_[0, np.cumsum(sizes)]


def repeats(query: PhraseTable, documents: PhraseTable) -> np.ndarray:
    """bool [P]: melodies that are the query's own, at any pitch."""
    wanted = query.melody
    begin, end = documents.melody_start[:-1], documents.melody_start[1:]
    same = end - begin == len(wanted)
    for i in np.flatnonzero(same):
        notes = documents.melody[begin[i] : end[i]]
        apart = notes[:, PITCH] - wanted[:, PITCH]
        same[i] = (notes[:, ONSET] == wanted[:, ONSET]).all() and (apart == apart[0]).all()
    return same


def suggest(
    generation: Generation,
    index: PhraseIndex,
    model: PhraseModelLike,
    melody: AskedMelody,
    task: Task,
    query: Query,
    keep: np.ndarray,
    *,
    limit: int = 10,
) -> tuple[Answer, dict[str, Arranged]]:
    """Find phrases for a melody.

    Args:
        generation: The open library.
        index: Its phrases.
        model: That the library was built with.
        melody: What is asked about.
        task: What is asked.
        query: As shown.
        keep: bool [P], of :func:`open_phrases`.
        limit: Hits wanted. A piece has one, its best phrase; versions of one piece share a hit.

    Returns:
        Hits best first, and the notes of each by its id. A hit's ``score`` is the share of random pieces whose phrases
        fit less.
    """
    total = len(np.unique(index.piece[index.of_rows(task)][keep[index.of_rows(task)]]))
    short = shortlist(generation, index, model.query_vectors(melody.phrase, task), melody, task, keep)
    if not len(short.phrase):
        return Answer(query, (), True, total), {}
    scores = model.scores(melody.phrase, short.table, task, short.product)
    best = _best_of_pieces(index.piece[short.phrase], scores)
    pieces = index.piece[short.phrase[best]].astype(np.int64)
    of_all = np.full(generation.n_pieces, -np.inf)
    of_all[pieces] = scores[best]
    share = shares_beaten(of_all)
    groups = fold_versions(generation, pieces, limit)
    place = dict(zip(pieces.tolist(), best.tolist(), strict=True))
    shown = np.array([place[row] for row, _ in groups])
    told = figures(melody.phrase, short.table.rows(shown), task)
    facets = generation.facets_of([row for row, _ in groups])
    hits = tuple(
        _hit(generation, melody, short, task, row, int(n), rank, float(share[row]), facets[row], versions,
             {name: float(values[rank - 1]) for name, values in told.items()})
        for rank, ((row, versions), n) in enumerate(zip(groups, shown, strict=True), 1)
    )  # fmt: skip
    arranged = {hit.id: _arranged(short, int(n), task) for hit, n in zip(hits, shown, strict=True)}
    return Answer(query, hits, False, total), arranged


def _best_of_pieces(piece: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The best phrase of each piece, best first; of equal ones the nearest."""
    order = np.argsort(-scores, kind="stable")
    return order[np.sort(np.unique(piece[order], return_index=True)[1])]


def _hit(
    generation: Generation, melody: AskedMelody, short: Shortlist, task: Task, row: int, n: int, rank: int,
    share: float, facets: Facets, versions: Sequence[int], told: dict[str, float],
) -> PhraseHit:  # fmt: skip
    head = short.lines[n].heads[0]
    first, by = int(head["start_bar"]), int(short.by[n])
    last = first + (WINDOW_BARS if task == "completion" else melody.bars)
    bpm = float(head["bpm"]) or None
    asked = melody.bpm
    one = short.table.rows(np.array([n]))
    placed = Placed(first, last, facets.bars, by, bpm, asked, int(melody.phrase.shift[0]))
    hit = hit_of(
        generation, row, rank=rank, similarity=float(short.product[n]), score=share,
        place=Place(float(head["start_s"]), float(head["end_s"]), first, last), facets=facets,
        why=why(task, placed, melody.phrase.melody, one.melody, told), versions=versions,
    )  # fmt: skip
    return PhraseHit(
        **vars(hit),
        transposed_by=by,
        stretched_by=bpm / asked if bpm and asked else None,
        played_by=tuple(name for name, _ in _players(short.lines[n], task)),
    )


def _players(lines: PhraseLines, task: Task) -> list[tuple[str, int]]:
    """Who plays the phrase, fullest part first."""
    return [lines.parts[p] for p in _fullest(_of_task(lines, task))]


def _of_task(lines: PhraseLines, task: Task) -> np.ndarray:
    """The notes that are suggested: the melody's, or those of its accompaniment."""
    n = int(lines.heads["melody"][0])
    return lines.notes[:n] if task == "completion" else lines.notes[n:]


def _fullest(notes: np.ndarray) -> list[int]:
    part, count = np.unique(notes["part"], return_counts=True)
    return part[np.argsort(-count, kind="stable")].tolist()


def _arranged(short: Shortlist, n: int, task: Task) -> Arranged:
    notes = _of_task(short.lines[n], task)
    order = _fullest(notes)
    one = short.table.rows(np.array([n]))
    rank = np.zeros(max(order, default=0) + 1, np.int64)
    rank[order] = np.arange(len(order))
    found = one.melody if task == "completion" else one.accompaniment
    return Arranged(found, rank[notes["part"]], tuple(short.lines[n].parts[p] for p in order))
