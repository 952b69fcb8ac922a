"""Recordings, scores and words in one batch: what learns, and that both ways are asked the same questions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmbert_training import recordings_together
from mmbert_training.recipe import Objectives, Recipe, StageConfig
from mmbert_training.recordings import How, belongs, taught
from mmbert_training.recordings_together import Everything, run

from mmbert.model import MmbertModel, ModelConfig
from tests.training.conftest import TEXT_DIM

HOW = How(steps=2, batch=8, bridge=8)
CONFIG = ModelConfig(text_dim=TEXT_DIM, layers=1, symbolic_layers=1, dropout=0.0)
STAGES = (StageConfig("together", 2, 8, passages=1, rehearsal=8),)


class Embedder:
    """Says the same of all words."""

    def __init__(self, model: MmbertModel) -> None:
        self.model = model

    def embed_texts(self, texts):
        return np.full((len(texts), CONFIG.out_dim), CONFIG.out_dim**-0.5, np.float32)


class Caption:
    text = "a flute"


@pytest.fixture
def recipe(monkeypatch) -> Recipe:
    monkeypatch.setattr(recordings_together, "Embedder", Embedder)
    monkeypatch.setattr(recordings_together, "SEEDS", (1, 2))
    return Recipe("toy", STAGES, Objectives(masked_text=0.0), model=CONFIG)


@pytest.fixture
def old() -> MmbertModel:
    torch.manual_seed(2)
    return MmbertModel(CONFIG).eval()


@pytest.mark.parametrize("together", [False, True])
def test_all_else_learns_where_it_is_told_to(sounds, words, toy_pack, recipe, old, together):
    everything = Everything(taught(sounds, words, old, 1, HOW), recipe, toy_pack)
    before = {name: value.clone() for name, value in everything.teacher.model.state_dict().items()}
    everything.learn(2, together, 1)
    moved = {n for n, value in everything.teacher.model.state_dict().items() if not torch.equal(before[n], value)}
    assert {name.split(".")[0] for name in moved if belongs(name)} >= {"recording"}
    others = {name.split(".")[0] for name in moved if not belongs(name)}
    assert others >= {"symbolic", "bars", "shared"} if together else not others


def test_both_ways_are_asked_the_same(sounds, words, toy_pack, recipe, old, monkeypatch):
    rows, captions, _ = recordings_together.recordings.asked(sounds, words)
    each = len(captions) // len(rows)
    monkeypatch.setattr(recordings_together, "asked_of", lambda sounds, row: [Caption()] * each)
    report = run(sounds, words, Embedder(old), recipe, toy_pack, HOW)  # type: ignore[arg-type]
    assert [row["asked"] for row in report["rows"]] == ["recordings", "known", "unseen", "hand", "music"]
    for row in report["rows"]:
        low, high = row["difference"][1:]
        assert low <= row["together"] - row["frozen"] + 1e-3
        assert row["together"] - row["frozen"] <= high + 1e-3
        assert (row["questions"] > 0, len(row["by_seed"])) == (True, 2)
