"""Two towers for phrases: slots keep time and key, and a few steps of training find what belongs together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmbert_training import phrase_pack, phrase_towers
from mmbert_training.phrase_pack import PhraseWork, WorkPhrases, in_tenth
from mmbert_training.phrase_towers import SLOTS, products, sides, slots, train

from mmbert.symbolic.phrases import PhraseTable, joined

BAR = 4 * 48


def table(notes: list[tuple[int, int, int]], other: list[tuple[int, int, int]], bar: int = 0) -> PhraseTable:
    melody, accompaniment = np.array(notes, np.int32), np.array(other, np.int32)
    return PhraseTable(
        np.array([bar], np.int32), np.array([[4, 4]], np.int32), np.zeros(1, np.int8),
        melody, np.array([0, len(melody)]), accompaniment, np.array([0, len(accompaniment)]),
    )  # fmt: skip


def work(seed: int) -> PhraseTable:
    """Two phrases of a wandering line, each bar over a chord on its first note."""
    rng = np.random.default_rng(seed)
    degree = 60 + np.array([0, 2, 4, 5, 7, 9, 11])[rng.integers(0, 7, 32)]
    made = []
    for n in (0, 1):
        line = [(i * 48, 48, int(degree[n * 16 + i])) for i in range(16)]
        chords = [(b * BAR, BAR, line[b * 4][2] - 24 + k) for b in range(4) for k in (0, 4, 7)]
        made.append(table(line, chords, 4 * n))
    return joined(made)


@pytest.fixture(scope="module")
def toy() -> WorkPhrases:
    tables = [work(i) for i in range(32)]
    of = np.repeat(np.arange(32), 2)
    all_ = joined(tables)
    works = tuple(PhraseWork(f"w{i}", "toy", f"w{i}", "train") for i in range(32))
    return WorkPhrases(works, all_, of, phrase_pack._following(all_, of), {})


def test_slots_say_what_sounds_begins_and_lies_lowest():
    some = table([(0, 24, 60), (24, 36, 64)], [(0, 4 * BAR, 48), (BAR, 24, 67)])
    grid = slots(some.melody, some.melody_start, some.length, some.shift)[0]
    assert grid[:3, 0].tolist() == [1, 0, 0]
    assert grid[:4, 4].tolist() == [0, 1, 0.5, 0]
    assert grid[:3, 12 + 4].tolist() == [0, 1, 0]
    other = slots(some.accompaniment, some.accompaniment_start, some.length, some.shift)[0]
    assert other[:, 0].tolist() == [1.0] * SLOTS
    assert other[:, 24].tolist() == [1.0] * SLOTS
    assert other[8, 37] == 0.25
    assert other[8, 36] == pytest.approx((48 + 67 - 120) / 2 / 12)


def test_transposed_phrases_are_rolled_slots(toy):
    here, _ = sides(toy.table, "completion")
    there, _ = sides(toy.table, "completion", np.full(len(toy), 3))
    for begin in (0, 12, 24):
        np.testing.assert_array_equal(
            np.roll(here[:, :, begin : begin + 12], 3, axis=2), there[:, :, begin : begin + 12]
        )


def test_training_finds_accompaniments_and_depends_on_its_seed_alone(toy):
    clusters = sum(not in_tenth(w.cluster) for w in toy.works)
    towers = train(toy, "accompaniment", steps=20, batch=clusters, seed=1)
    found = products(towers, toy.table, "accompaniment")
    rank = (found >= found.diagonal()[:, None]).sum(axis=1)
    assert np.median(rank) < 12  # of 64
    again = (
        train(toy, "accompaniment", steps=2, batch=16, seed=5),
        train(toy, "accompaniment", steps=2, batch=16, seed=5),
    )
    for a, b in zip(again[0].parameters(), again[1].parameters()):
        torch.testing.assert_close(a, b)


def test_completion_asks_for_what_follows(toy):
    towers = train(toy, "completion", steps=2, batch=16, seed=0)
    assert products(towers, toy.table, "completion").shape == (64, 64)
    assert sides(toy.table, "completion")[0].shape[2] == phrase_towers.CHANNELS
