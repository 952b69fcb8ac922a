"""Pair scorers: what bars and notes have in common, and scores that padding and neighbours do not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmbert.model.pair_scorer import (
    RELATIONS,
    AccompanimentScorer,
    CompletionScorer,
    PairInputs,
    bar_relations,
    note_relations,
)
from mmbert.symbolic.phrase_relations import accompaniment_grid, melody_bars, melody_notes
from mmbert.symbolic.phrases import PhraseTable, joined

BAR = 4 * 48


def table(notes: list[tuple[int, int, int]], other: list[tuple[int, int, int]]) -> PhraseTable:
    melody, accompaniment = np.array(notes, np.int32), np.array(other, np.int32).reshape(-1, 3)
    return PhraseTable(
        np.zeros(1, np.int32), np.array([[4, 4]], np.int32), np.zeros(1, np.int8),
        melody, np.array([0, len(melody)]), accompaniment, np.array([0, len(accompaniment)]),
    )  # fmt: skip


def phrase(seed: int) -> PhraseTable:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    onset = np.sort(rng.choice(64, count, replace=False)) * 12
    line = [(int(t), 12, int(p)) for t, p in zip(onset, rng.integers(60, 80, count))]
    return table(line, [(b * BAR, BAR, 48 + int(k)) for b in range(4) for k in rng.integers(0, 12, 3)])


def test_bars_that_are_alike_say_so():
    bar = [(0, 48, 60), (48, 48, 64), (96, 96, 67)]
    up = [(t + BAR, n, p + 2) for t, n, p in bar]  # a second higher: D F# A for C E G
    other = [(2 * BAR + 24, 24, 71)]
    bars = torch.from_numpy(melody_bars(table([*bar, *up, *other], [])).astype(np.int64))
    found = bar_relations(torch.cat([bars, bars], dim=1)).view(28, RELATIONS)
    first, second = torch.triu_indices(8, 8, 1)
    pair = {(int(a), int(b)): row for a, b, row in zip(first, second, found)}
    repeat, sequence, unlike, empty = pair[0, 4], pair[0, 1], pair[0, 2], pair[0, 3]
    assert repeat[:10].tolist() == [1] * 10
    assert sequence[:3].tolist() == [1, 0, 0]
    assert sequence[10:13].tolist() == pytest.approx([1 / 6, 1 / 6, 1], abs=1e-4)  # two semitones up, wholly parallel
    assert unlike[0] == 0
    assert empty[14] == 1
    assert found.isfinite().all()


def test_what_sounds_under_a_note_is_told_from_the_note():
    some = table([(0, 48, 67), (48, 48, 64)], [(0, 48, 48), (48, 48, 45)])
    notes, grid = (torch.from_numpy(f(some).astype(np.int64)) for f in (melody_notes, accompaniment_grid))
    said = note_relations(notes, grid)[0]
    assert said[0, :12].nonzero().flatten().tolist() == [5]  # c under g is five above it
    assert said[0, 36:48].nonzero().flatten().tolist() == [2]  # then a
    assert said[1, :12].nonzero().flatten().tolist() == [5]


@pytest.mark.parametrize("kind", [CompletionScorer, AccompanimentScorer])
def test_scores_do_not_depend_on_what_else_is_scored(kind):
    torch.manual_seed(0)
    scorer = kind().eval()
    inputs = PairInputs.of(scorer, joined([phrase(i) for i in range(10)]))
    with torch.no_grad():
        all_ = inputs.scores(scorer, np.arange(10), np.tile(np.arange(10), (10, 1)))
        one = inputs.scores(scorer, np.array([3]), np.array([[7]]))
    assert all_.shape == (10, 10)
    assert float(all_.std()) > 0
    torch.testing.assert_close(one[0, 0], all_[3, 7], atol=1e-5, rtol=0)
