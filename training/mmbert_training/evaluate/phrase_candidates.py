"""Among which phrases the right one has to be found: four short lists a query, and all phrases.

*Completion*: the query is a melody phrase, the right answer the one that begins where it ends. *Accompaniment*: the
right answer is what sounds with it. Candidates are phrases of one split of one source, every four bars:

* ``paper``: 49 others at random, of other works.
* ``same``: up to 9 others of the same work.
* ``matched``: of other works, with the answer's metre, its median pitch within three semitones (both transposed to no
  sharps or flats) and its number of notes within 30 %: the 20 whose onsets are nearest to the query's, the rest at
  random.
* ``hard``: ``same`` and ``matched`` together, 49 in all where there are as many.
* ``full``: all.

Nobody could tell literal repeats apart, so they are no candidates: what repeats the answer or, in completion, the query
within its own work; and in other works whatever repeats some phrase of the query's work, in any key. Nor are other
settings of the same work. Completion queries whose answer repeats them are left out. Nothing is drawn at run time from
a generator of random numbers: "at random" is the order of a hash of both phrases' names, so that a list changes only
where a phrase does.

    python -m mmbert_training.evaluate.phrase_candidates --data DIR

writes ``data/phrase_candidates.json`` again, the digests of all lists; with ``--lists FILE`` also the lists themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mmbert.errors import DataError
from mmbert.symbolic.phrase_profiles import Profile, accompaniments, melodies
from mmbert.symbolic.phrases import DURATION, ONSET, PITCH, TASKS, UNIT, PhraseTable, Task
from mmbert_training.manifest import Split, load_works
from mmbert_training.phrase_pack import WorkPhrases, gather

SOURCES = ("pop909", "nottingham", "openscore_lieder")
SETS = ("paper", "hard", "matched", "same", "full")
HOP = 4
OTHERS, OF_THE_SAME, NEAREST = 49, 9, 20
_SEMITONES, _NOTES = 3, 0.3  # how far a matched candidate's median pitch and number of notes may be from the answer's
_COARSE = UNIT // 12  # repeats are compared in twelfths of a quarter: played timing differs by less, triplets by more
_NAME = "data/phrase_candidates.json"
COMMAND = "python -m mmbert_training.evaluate.phrase_candidates"


@dataclass(frozen=True, eq=False)
class Candidates:
    """Queries and what is ranked for them.

    Attributes:
        queries: int64 [q], rows of the phrases.
        answers: int64 [q], the right one of each.
        lists: For each set but ``full`` int64 [q, n], the answer first, then the others, then -1 where there are fewer.
        open: bool [q, P], what is ranked in ``full``, the answer included.
    """

    queries: np.ndarray
    answers: np.ndarray
    lists: Mapping[str, np.ndarray]
    open: np.ndarray


def candidates_of(found: WorkPhrases, task: Task) -> Candidates:
    """The candidates of every query of some phrases of one source."""
    table = found.table
    query_profile = melodies(table)
    profile = query_profile if task == "completion" else accompaniments(table)
    own = repeats(table, task)
    tune = repeats(table, "completion")
    queries, answers = _queries(found, task, own)
    same, other = _open(found, task, queries, answers, own, tune)
    order = _order(found, queries)
    fits = other & _matches(profile, answers)
    nearest = _by_onsets(query_profile.onsets[queries], profile.onsets, order)
    paper, inside, matched, hard = [], [], [], []
    for row in range(len(queries)):
        at_random = np.argsort(order[row], kind="stable")
        few = at_random[same[row][at_random]][:OF_THE_SAME]
        near = nearest[row][fits[row][nearest[row]]][:NEAREST]
        rest = at_random[fits[row][at_random] & ~np.isin(at_random, near)][: OTHERS - len(few) - len(near)]
        paper.append(at_random[other[row][at_random]][:OTHERS])
        inside.append(few)
        matched.append(np.r_[near, rest])
        hard.append(np.r_[few, near, rest])
    drawn = {"paper": paper, "hard": hard, "matched": matched, "same": inside}
    lists = {name: _padded(answers, rows) for name, rows in drawn.items()}
    every = same | other
    every[np.arange(len(queries)), answers] = True
    return Candidates(queries, answers, lists, every)


def load_candidates(found: WorkPhrases, task: Task, source: str, split: Split) -> Candidates:
    """The candidates, checked against the digest that is kept of them.

    Raises:
        DataError: where phrases or lists are others than when the digest was taken.
    """
    made = candidates_of(found, task)
    kept = json.loads(files(__package__).joinpath(_NAME).read_text(encoding="utf-8"))
    stated = kept[f"{task} {source} {split}"]
    if digest(found, made) != stated["sha256"]:
        fault = f"was taken of other phrases than these ({stated['queries']} queries, now {len(made.queries)})"
        raise DataError(f"{_NAME}: {task} {source} {split}", fault, f"Are the data the same? Else: {COMMAND}")
    return made


def digest(found: WorkPhrases, candidates: Candidates) -> str:
    """SHA-256 of all lists by the names of the phrases, one list a line, ``full`` included."""
    total = hashlib.sha256()
    for line in lines(found, candidates):
        total.update(json.dumps(line).encode() + b"\n")
    return total.hexdigest()


def lines(found: WorkPhrases, candidates: Candidates) -> Iterator[dict[str, Any]]:
    """Every query with its lists by the names of the phrases; of ``full`` what is left out."""
    names = [found.uid(i) for i in range(len(found))]
    for row, query in enumerate(candidates.queries.tolist()):
        lists = {k: [names[i] for i in rows[row].tolist() if i >= 0] for k, rows in candidates.lists.items()}
        closed = [names[i] for i in np.flatnonzero(~candidates.open[row]).tolist()]
        yield {"query": names[query], "answer": names[int(candidates.answers[row])], **lists, "not_in_full": closed}


def repeats(table: PhraseTable, task: Task) -> np.ndarray:
    """int64 [P]: equal where melodies (accompaniments) have the same onsets and intervals, in any key.

    Of accompaniments durations count as well: chords are held.
    """
    notes, start = (
        (table.melody, table.melody_start) if task == "completion" else (table.accompaniment, table.accompaniment_start)
    )
    said = []
    for begin, end in zip(start[:-1].tolist(), start[1:].tolist()):
        some = notes[begin:end]
        columns = [np.rint(some[:, ONSET] / _COARSE), some[:, PITCH] - some[:, PITCH].min(initial=127)]
        if task == "accompaniment":
            columns.append(np.rint(some[:, DURATION] / _COARSE))
        said.append(np.stack(columns).astype(np.int64).tobytes())
    _, number = np.unique(np.array(said, dtype=object), return_inverse=True)
    return number


def _queries(found: WorkPhrases, task: Task, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if task == "accompaniment":
        rows = np.flatnonzero(np.diff(found.table.accompaniment_start) > 0)
        return rows, rows
    rows = np.flatnonzero((found.following >= 0) & (own[found.following] != own))
    return rows, found.following[rows]


def _open(
    found: WorkPhrases, task: Task, queries: np.ndarray, answers: np.ndarray, own: np.ndarray, tune: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates of the same work, and of others, bool [q, P] each; the answer is in neither."""
    cluster, work = found.cluster, found.work
    same = (work[queries][:, None] == work[None]) & (own[None] != own[answers][:, None])
    other = cluster[queries][:, None] != cluster[None]
    same &= tune[None] != tune[queries][:, None]  # of accompaniments: what another singing of the query is given
    for number in np.unique(work[queries]).tolist():
        rows, inside = work[queries] == number, work == number
        known = np.isin(own, own[inside]) | np.isin(tune, tune[inside])
        other[rows] &= ~known
    if task == "accompaniment":
        sounds = np.diff(found.table.accompaniment_start) > 0
        same &= sounds
        other &= sounds
    return same, other


def _matches(profile: Profile, answers: np.ndarray) -> np.ndarray:
    pitch, count = profile.median_pitch, profile.count
    apart = np.abs(pitch[answers][:, None] - pitch[None]) <= _SEMITONES
    wanted = count[answers][:, None]
    size = np.abs(count[None] - wanted) <= _NOTES * wanted
    return apart & size & (profile.metre[answers][:, None] == profile.metre[None])


def _order(found: WorkPhrases, queries: np.ndarray) -> np.ndarray:
    """uint64 [q, P]: a number of each pair that says nothing (SplitMix64 of the sum of the hashes of both names)."""
    hashes = [hashlib.sha256(found.uid(i).encode()).digest()[:8] for i in range(len(found))]
    name = np.frombuffer(b"".join(hashes), dtype=">u8").astype(np.uint64)
    mixed = name[queries][:, None] * np.uint64(3) + name[None]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _by_onsets(query: np.ndarray, candidate: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Candidates of each query by the cosine of their onsets, ties in hash order: int64 [q, P].

    Squared cosines of counts: whole numbers and one division, so that every machine finds the same order.
    """
    together = (query.astype(np.float64) @ candidate.T.astype(np.float64)) ** 2
    lengths = query.sum(axis=1, dtype=np.float64)[:, None] * candidate.sum(axis=1, dtype=np.float64)[None]
    return np.lexsort((order, -together / np.maximum(lengths, 1)), axis=1)


def _padded(answers: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    out = np.full((len(rows), 1 + max((len(r) for r in rows), default=0)), -1, np.int64)
    out[:, 0] = answers
    for row, some in enumerate(rows):
        out[row, 1 : 1 + len(some)] = some
    return out


def _write(
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    lists: Annotated[
        Path | None, typer.Option(help="Where to write the lists themselves, one JSON object a line.")
    ] = None,
) -> None:
    """Write the digests again."""
    kept: dict[str, dict[str, object]] = {}
    written = []
    for source in SOURCES:
        works = load_works(data, (source,))
        splits: tuple[Split, ...] = ("validation", "test")
        for split in splits:
            found = gather([w for w in works if w.split == split], HOP)
            for task in TASKS:
                made = candidates_of(found, task)
                name = f"{task} {source} {split}"
                kept[name] = {"queries": len(made.queries), "phrases": len(found), "sha256": digest(found, made)}
                if lists is not None:
                    written += [json.dumps({"list": name, **line}) for line in lines(found, made)]
    path = Path(str(files(__package__))) / _NAME
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if lists is not None:
        lists.write_text("\n".join(written) + "\n", encoding="utf-8")
    typer.echo(f"{path}: {len(kept)} sets of lists")


if __name__ == "__main__":
    typer.run(_write)
