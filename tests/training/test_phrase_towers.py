"""Towers and pair scorers for phrases: what they learn from, that a few steps find what belongs together, their sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmbert_training import pair_scorers, phrase_pack, phrase_towers
from mmbert_training.evaluate import phrase_learned
from mmbert_training.evaluate.phrase_candidates import candidates_of
from mmbert_training.evaluate.phrase_learned import learned_rows
from mmbert_training.evaluate.phrase_ranking import Asked
from mmbert_training.evaluate.phrase_rows import figures_of
from mmbert_training.phrase_examples import Examples
from mmbert_training.phrase_model import fit, pair_scores, read_parts
from mmbert_training.phrase_pack import PhraseWork, WorkPhrases, in_tenth
from mmbert_training.phrase_towers import HOW
from safetensors.torch import save_file

from mmbert.errors import DataError
from mmbert.model.pair_scorer import AccompanimentScorer, CompletionScorer
from mmbert.model.phrase_model import PhraseModel
from mmbert.model.phrase_towers import AccompanimentTowers, CompletionTowers
from mmbert.symbolic.phrase_slots import SLOTS, slots
from mmbert.symbolic.phrases import TASKS, PhraseTable, joined

BAR = 4 * 48
MODEL = {
    "completion": (CompletionTowers, CompletionScorer),
    "accompaniment": (AccompanimentTowers, AccompanimentScorer),
}


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


def test_towers_find_accompaniments_and_depend_on_their_seed_alone(toy):
    how = replace(HOW["accompaniment"], steps=24, batch=32)
    towers = phrase_towers.train(toy, "accompaniment", 1, how)
    with torch.no_grad():
        asked = towers.query(torch.from_numpy(towers.read_query(toy.table)))
        found = (asked @ towers.document(torch.from_numpy(towers.read_document(toy.table))).T).numpy()
    rank = (found >= found.diagonal()[:, None]).sum(axis=1)
    assert np.median(rank) < 12  # of 64
    one, other = (phrase_towers.train(toy, "accompaniment", 5, replace(how, steps=2)) for _ in range(2))
    for a, b in zip(one.parameters(), other.parameters()):
        torch.testing.assert_close(a, b)


def test_pair_scorers_find_accompaniments(toy):
    how = replace(pair_scorers.HOW["accompaniment"], steps=20, batch=32)
    scorer = pair_scorers.train(toy, "accompaniment", 1, how)
    every = np.arange(len(toy))
    found = pair_scores(scorer, toy.table, every, np.tile(every, (len(toy), 1)))
    rank = (found >= found.diagonal()[:, None]).sum(axis=1)
    assert np.median(rank) < 8  # of 64


def test_lists_hold_the_answer_and_no_repeat_of_it(toy):
    examples = Examples.of(toy, "completion")
    assert (toy.following[examples.queries] == examples.answers).all()
    assert not any(in_tenth(toy.works[w].cluster) for w in toy.work[examples.queries])
    rng = np.random.default_rng(0)
    query, answer = examples.draw(rng, 8)
    assert len(set(toy.cluster[query].tolist())) == 8
    onsets = (np.ones((len(toy), 96), np.float32),) * 2
    rows, there = pair_scorers.lists(rng, examples, onsets, query, answer)
    assert (rows[:, 0] == answer).all()
    assert there[:, 0].all()
    wrong = np.where(there, rows, -1)[:, 1:]
    assert not (wrong == answer[:, None]).any()
    assert not (wrong == query[:, None]).any()  # it repeats the query
    assert (toy.work[wrong[:, pair_scorers.SAME :]] != toy.work[query][:, None]).all()


def test_parts_become_a_model_whose_sum_is_fitted(toy, tmp_path):
    with pytest.raises(DataError, match=r"phrase_towers PACK .* --task completion"):
        read_parts(tmp_path)
    for task in TASKS:
        towers, scorer = MODEL[task]
        save_file(towers().state_dict(), tmp_path / f"{task}_towers.safetensors")
        save_file(scorer().state_dict(), tmp_path / f"{task}_pairs.safetensors")
    model = PhraseModel(*read_parts(tmp_path), {task: {} for task in TASKS})
    candidates = candidates_of(toy, "completion")
    model.weights["completion"] = fit(model, "completion", [(toy.table, candidates)])
    assert {"towers", "pair", "onsets"} <= set(model.weights["completion"])
    # What the evaluation calls "pair" is what a library is ordered by.
    asked = Asked("toy", toy, candidates, figures_of(toy.table, "completion"))
    rows = learned_rows(model, "completion")(asked, asked)
    queries, documents = candidates.queries[:3], np.arange(len(toy))
    said = rows["pair"](queries, np.tile(documents, (3, 1)))
    product = rows["towers"](queries, np.tile(documents, (3, 1)))
    for i, query in enumerate(queries):
        here = model.scores(toy.table.rows(np.array([query])), toy.table, "completion", product[i])
        np.testing.assert_allclose(said[i], here, atol=1e-3)


def test_what_is_not_on_the_shortlist_keeps_the_order_of_the_towers(toy, monkeypatch):
    monkeypatch.setattr(phrase_learned, "SHORTLIST", 5)
    model = PhraseModel(
        {task: MODEL[task][0]() for task in TASKS}, {task: MODEL[task][1]() for task in TASKS},
        {task: {"towers": 0.0, "pair": 1.0} for task in TASKS},
    )  # fmt: skip
    candidates = candidates_of(toy, "accompaniment")
    asked = Asked("toy", toy, candidates, figures_of(toy.table, "accompaniment"))
    rows = learned_rows(model, "accompaniment")(asked, asked)
    shown = np.where(np.arange(len(toy)) % 7 == 0, -1, np.arange(len(toy)))[None]
    said, product = (rows[r](candidates.queries[:1], shown)[0] for r in ("pair", "towers"))
    open_ = np.flatnonzero(shown[0] >= 0)
    order = open_[np.argsort(-product[open_])]
    assert set(open_[np.argsort(-said[open_])][:5]) == set(order[:5])
    np.testing.assert_array_equal(open_[np.argsort(-said[open_])][5:], order[5:])
