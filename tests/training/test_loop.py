"""The loop on a toy pack: it learns, and a stopped run goes on exactly where it was."""

import json
from dataclasses import replace

import pytest
import torch
from mmbert_training import loop
from mmbert_training.batches import Batches
from mmbert_training.log import read_log
from mmbert_training.recipe import StageConfig
from mmbert_training.stages import Learner, learns
from mmbert_training.validate import validate

from mmbert.errors import ConfigError, DataError


def test_it_learns_to_find_held_out_pieces_by_words(toy_pack, toy_recipe, tmp_path):
    stages = (
        StageConfig(kind="words", steps=150, batch=48, lr=3e-3),
        StageConfig(kind="notes", steps=120, batch=32, lr=3e-3),
        StageConfig(kind="together", steps=40, batch=32, lr=1e-3),
    )
    recipe = replace(toy_recipe, stages=stages, log_every=20)
    untrained = validate(Learner(recipe.model).model, Batches(toy_pack, 0, recipe.augment, 0, 1), recipe)
    loop.train(recipe, toy_pack, tmp_path)
    figures = [e for e in read_log(tmp_path) if e["event"] == "validation"][-1]
    known, before = figures["known"], untrained["known"]
    for shown in ("facets", "notes", "both"):
        assert known[shown] > 1.5 * before[shown], shown
    assert known["facets"] > 0.6 * known["facts"]
    losses = [e["loss"] for e in read_log(tmp_path) if e["event"] == "train" and e["stage"] == 0]
    assert losses[-1] < losses[0]


class Stopped(Exception):
    """The power fails."""


@pytest.mark.parametrize("stop_after", [5, 9, 13])
def test_a_stopped_run_goes_on_exactly(toy_pack, toy_recipe, tmp_path, stop_after):
    whole = loop.train(toy_recipe, toy_pack, tmp_path / "whole")
    steps = []

    def power(n=1, **_):
        steps.extend([1] * n)
        if len(steps) > stop_after:
            raise Stopped

    with pytest.raises(Stopped):
        loop.train(toy_recipe, toy_pack, tmp_path / "stopped", advance=power)
    resumed = loop.train(toy_recipe, toy_pack, tmp_path / "stopped", resume=True)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        assert torch.equal(a, b), name

    def values(folder):
        timing = ("tokens_per_s", "s_per_step")
        return [{k: v for k, v in e.items() if k not in timing} for e in read_log(tmp_path / folder)]

    assert values("whole") == values("stopped")


def test_resuming_refuses_another_recipe_and_a_damaged_state(toy_pack, toy_recipe, tmp_path):
    loop.train(toy_recipe, toy_pack, tmp_path)
    with pytest.raises(ConfigError, match="another recipe"):
        loop.train(replace(toy_recipe, seed=2), toy_pack, tmp_path, resume=True)
    state = tmp_path / json.loads((tmp_path / loop.PROGRESS).read_text())["state"]
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read"):
        loop.train(toy_recipe, toy_pack, tmp_path, resume=True)


def test_a_stage_leaves_the_other_side_as_it_is(toy_pack, toy_recipe, tmp_path):
    words, notes, _ = toy_recipe.stages
    first = loop.train(replace(toy_recipe, stages=(words,)), toy_pack, tmp_path / "a")
    both = loop.train(replace(toy_recipe, stages=(words, notes)), toy_pack, tmp_path / "b")
    for (name, before), after in zip(first.named_parameters(), both.parameters()):
        assert torch.equal(before, after) != learns("notes", name), name


def test_a_diverging_run_says_so(toy_pack, toy_recipe, tmp_path):
    wild = replace(toy_recipe, stages=(replace(toy_recipe.stages[0], lr=1e30),), clip=1e30)
    with pytest.raises(DataError, match="not finite"):
        loop.train(wild, toy_pack, tmp_path)
