"""What towers and pair scorers for phrases learn from: queries, right answers, and wrong ones of the same work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmbert.symbolic.phrases import Task
from mmbert_training.evaluate.phrase_candidates import repeats
from mmbert_training.phrase_pack import WorkPhrases, in_tenth

_TRIES = 24  # draws of the same work, of which those an even number of bars away count


@dataclass(frozen=True, eq=False)
class Examples:
    """Phrases of training works outside the tenth that weights are fitted on, as queries and answers.

    Attributes:
        found: Phrases of every bar.
        task: What is asked.
        queries: int64 [q], ordered by cluster.
        answers: int64 [q].
        first: int64 [c + 1], where the queries of each cluster begin.
        own: int64 [P], equal for repeats of what is found.
        tune: int64 [P], equal for repeats of the melody.
    """

    found: WorkPhrases
    task: Task
    queries: np.ndarray
    answers: np.ndarray
    first: np.ndarray
    own: np.ndarray
    tune: np.ndarray

    @classmethod
    def of(cls, found: WorkPhrases, task: Task) -> Examples:
        """All examples of some phrases."""
        learns = np.array([w.split == "train" and not in_tenth(w.cluster) for w in found.works])[found.work]
        tune = repeats(found.table, "completion")
        own = tune if task == "completion" else repeats(found.table, task)
        if task == "completion":
            rows = np.flatnonzero(learns & (found.following >= 0) & (own[found.following] != own))
            answers = found.following
        else:
            rows = np.flatnonzero(learns & (np.diff(found.table.accompaniment_start) > 0))
            answers = np.arange(len(found))
        cluster = found.cluster[rows]
        rows = rows[np.argsort(cluster, kind="stable")]
        first = np.unique(np.sort(cluster), return_index=True)[1]
        return cls(found, task, rows, answers[rows], np.append(first, len(rows)), own, tune)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Queries and answers, int64 [n] each, each of another cluster; ``count`` at most."""
        clusters = len(self.first) - 1
        chosen = rng.choice(clusters, min(count, clusters), replace=False)
        size = np.diff(self.first)[chosen]
        at = self.first[chosen] + (rng.random(len(chosen)) * size).astype(np.int64)
        return self.queries[at], self.answers[at]

    def of_the_same_work(
        self, rng: np.random.Generator, query: np.ndarray, answer: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Wrong phrases of the queries' works, an even number of bars away as in a library: int64 [n, count], and bool
        [n, count], False where there are fewer."""
        work = self.found.work
        begin = np.searchsorted(work, work[query])
        size = np.searchsorted(work, work[query], side="right") - begin
        rows = begin[:, None] + (rng.random((len(query), _TRIES)) * size[:, None]).astype(np.int64)
        bar = self.found.table.start_bar
        good = ~self.same(query, answer, rows) & ((bar[rows] - bar[answer][:, None]) % 2 == 0)
        return first_of(rows, good, count)

    def same(self, query: np.ndarray, answer: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Which phrases [n, m] repeat each query's answer or tune, or sound not at all: they are no wrong answers."""
        alike = (self.own[rows] == self.own[answer][:, None]) | (self.tune[rows] == self.tune[query][:, None])
        if self.task == "accompaniment":
            alike |= np.diff(self.found.table.accompaniment_start)[rows] == 0
        return alike


def first_of(rows: np.ndarray, good: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first ``count`` good ones of each row, and whether there are so many."""
    order = np.argsort(~good, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(good, order, axis=1)
