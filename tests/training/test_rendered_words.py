"""Renderings found by words: what is asked is true of what sounds, and every row answers every question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmbert_training.evaluate import rendered_words
from mmbert_training.evaluate.rendered_words import Bench, made, rows, scored
from mmbert_training.manifest import Work
from mmbert_training.recordings import with_recordings

from mmbert.embed import Embedder
from mmbert.facets import tokens_of
from mmbert.types import Item, Source
from tests.training.test_sound_pack import tune


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    works = [
        Work(f"w{i}", "nottingham", f"c{i // 2}", "test", Path("toy.zip"), f"w{i}", {"year": ""}) for i in range(8)
    ]
    monkeypatch.setattr(rendered_words, "load_works", lambda data, sources: works)
    monkeypatch.setattr(
        rendered_words, "load_item", lambda w: Item("score", Source(Path(w.id), "0"), {}, score=tune(int(w.id[1:])))
    )
    monkeypatch.setattr(
        rendered_words, "hear",
        lambda parts, scores, work, kept: [
            np.random.default_rng(i).standard_normal((30, 384)).astype(np.float16) for i in range(len(parts))
        ],
    )  # fmt: skip
    return made(None, "test", tmp_path)


def test_questions_are_true_of_one_rendering_a_cluster(bench):
    assert [w.cluster for w in bench.works] == ["c0", "c1", "c2", "c3"]
    assert len(bench.asked) == len(bench.target) == 8
    for one, i in zip(bench.asked, bench.target.tolist()):
        assert set(one.facts) <= set(tokens_of(bench.facets[i]))
        assert 1 <= len(one.facts) <= 5
    assert all(f.bars is None and f.title is None for f in bench.facets)


def test_every_row_answers_and_recordings_only_where_they_are_read(bench, tmp_path, monkeypatch):
    embedder = Embedder.from_pretrained()
    found = scored(bench, Embedder(with_recordings(embedder.model)))
    assert {"recording", "recording with facts heard", "labels", "score", "facts heard", "oracle", "chance"} == {*found}
    for scores in found.values():
        assert scores.shape == (8, 4)
        assert np.isfinite(scores).all()
    assert (found["oracle"].max(axis=1) == [len(q.facts) for q in bench.asked]).all()
    monkeypatch.setattr(rendered_words, "made", lambda *args: bench)
    keys, table = rows(None, embedder, "test", tmp_path)
    assert {*keys} == {f"mrr_text_to_audio_{name}" for name in ("rendered", "labels", "score_route")}
    assert {row["row"] for row in table} >= {"chance", "labels", "oracle"}
