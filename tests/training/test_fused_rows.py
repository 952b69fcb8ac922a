"""Notes that are transcribed and fusions as rows: a piece finds itself, and what is tried is told."""

from __future__ import annotations

import numpy as np
import pytest
from mmbert_training.evaluate.audio_to_score import COMPARED, LENGTHS, ROWS, WAYS, Questions
from mmbert_training.evaluate.fused_rows import GRID, WEIGHTS, fused, noted_chroma, tried

from mmbert.audio.chroma import score_chroma
from mmbert.retrieval.chroma_match import ChromaIndex
from mmbert.symbolic.score import Score


def tune(seed: int, ticks: int = 960) -> Score:
    """A minute and a half of random quarters at 120 a minute, a second being 960 ticks."""
    pitches = 60 + np.random.default_rng(seed).integers(0, 12, 180)
    return Score.build([(i * ticks // 2, ticks // 2, int(p), 80, 0, False, 0) for i, p in enumerate(pitches)], 480)


@pytest.fixture(scope="module")
def asked() -> Questions:
    scores = [tune(seed) for seed in range(6)]
    chroma = tuple(score_chroma(score) for score in scores)
    notes = tuple(score.notes[score.notes["onset"] < 30 * 960] for score in scores)
    heard = tuple(frames[:75] for frames in chroma)
    return Questions("works", (), heard, chroma, ChromaIndex.of(chroma), np.arange(6), tuple("abcdef"), notes)


def test_notes_are_heard_up_to_the_end_of_a_question(asked):
    frames = noted_chroma(asked.notes[0], 5)
    assert frames.shape == (13, 12)
    assert (frames[:12] == asked.candidates[0][:12]).all()
    assert noted_chroma(asked.notes[0][:0], 5).shape == (0, 12)


def test_each_way_finds_what_is_played(asked):
    for way in (*WAYS[10], fused(*WAYS[10])):
        assert (asked.scores(way).argmax(axis=1) == asked.target).all()


def test_a_way_is_searched_once_for_all_rows_that_need_it(asked):
    calls = []

    def way(questions):
        calls.append(questions)
        return np.eye(6)

    fused(way, way, way)(asked)
    assert asked.scores(way) is asked.scores(way)
    assert len(calls) == 1


def test_all_weights_are_tried_and_the_smallest_of_the_best_comes_first():
    right, wrong = (lambda _: np.eye(6)), (lambda _: np.roll(np.eye(6), 1, axis=1))
    bench = Questions("works", (), (), (), ChromaIndex.of([np.zeros((9, 12), np.uint8)]),
                      np.arange(6), tuple("abcdef"))  # fmt: skip
    rows = tried(bench, [(wrong, right, wrong)])
    assert len(rows) == len(GRID) ** 2
    assert (rows[0]["vectors"], rows[0]["transcription"], rows[0]["mrr"]) == (2.0, 0.0, 1.0)


def test_what_is_compared_are_rows_and_weights_are_of_the_grid():
    names = {row.name for row in ROWS["works"]}
    assert {name for pair in COMPARED for name in pair} <= names
    assert len(COMPARED) == 2 * len(LENGTHS)
    assert set(WEIGHTS) <= set(GRID)
