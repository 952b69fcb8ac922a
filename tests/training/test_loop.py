"""The loop on a toy pack: it learns, and a stopped run goes on exactly where it was."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmbert_training import loop
from mmbert_training.batches import Batches
from mmbert_training.learner import Learner
from mmbert_training.log import read_log
from mmbert_training.pack import HAND, KNOWN
from mmbert_training.recipe import Objectives, StageConfig
from mmbert_training.stages import learns
from mmbert_training.validate import expected, reciprocal_ranks, validate

from mmbert.errors import ConfigError, DataError


def test_it_learns_to_find_validation_pieces_by_words(toy_pack, toy_recipe, tmp_path):
    stages = (
        StageConfig(kind="words", steps=120, batch=32, lr=1e-2),
        StageConfig(kind="notes", steps=50, batch=32, lr=1e-2),
        StageConfig(kind="together", steps=10, batch=32, lr=3e-3),
    )
    few = Objectives(masked=0, masked_text=0, masked_vectors=0, mutual=0)  # test_objectives.py has the others
    recipe = replace(toy_recipe, stages=stages, objectives=few, log_every=10, save_every=1000)
    torch.manual_seed(0)
    learner = Learner(recipe.model, len(toy_pack.words))
    untrained = validate(learner, Batches(toy_pack, 0, recipe.augment, 0, 1, 0), recipe)
    loop.train(recipe, toy_pack, tmp_path)
    figures = [e for e in read_log(tmp_path) if e["event"] == "validation"][-1]

    def over_wordings(event, row):
        return np.mean([event[wording][row] for wording in ("known", "unseen", "hand")])

    for shown in ("facets", "notes", "both"):
        assert over_wordings(figures, shown) > 1.6 * over_wordings(untrained, shown), shown
    assert over_wordings(figures, "facets") > 0.5 * over_wordings(figures, "facts")
    losses = [e["loss"] for e in read_log(tmp_path) if e["event"] == "train" and e["stage"] == 0]
    assert losses[-1] < losses[0]


def test_validation_is_the_same_twice_and_leaves_the_learner_as_it_was(toy_pack, toy_recipe):
    torch.manual_seed(0)
    learner = Learner(toy_recipe.model, len(toy_pack.words)).train()
    batches = Batches(toy_pack, 0, toy_recipe.augment, 0, 1, 0)
    found = validate(learner, batches, toy_recipe)
    assert found == validate(learner, batches, toy_recipe)
    assert learner.training
    assert found["works"] == 24
    assert {"accuracy_pitch", "accuracy_note"} <= set(found["masked_accuracy"])
    assert len(found["space"]["neighbour_cosine"]) == toy_recipe.model.layers + 1
    assert all(np.isfinite(np.ravel(figure)).all() for figure in found["space"].values())
    ranks = reciprocal_ranks(learner, batches, toy_recipe)
    assert {k: {row: pytest.approx(v.mean()) for row, v in rows.items()} for k, rows in ranks.items()} == {
        k: found[k] for k in ("known", "unseen", "hand", "music")
    }
    assert [len(ranks[k]["notes"]) for k in ("known", "unseen", "hand", "music")] == [24, 24, 12, 24]
    assert found["music"]["notes"] > found["known"]["notes"]  # even untrained, a piece is nearest to itself transposed
    for wording in ("known", "unseen", "hand"):
        assert set(found[wording]) == {"facets", "notes", "both", "facts"}
        assert 0 < found[wording]["notes"] < found[wording]["facts"] <= 1


def test_without_hand_written_questions_and_hidden_words_there_are_no_such_figures(toy_pack, toy_recipe, tmp_path):
    work, pool = toy_pack.sentence_work, toy_pack.sentence_pool
    asked = pool == HAND
    hidden = ("hidden", "hidden_scale", "hidden_work", "hidden_place", "hidden_word", "words")
    bare = replace(
        toy_pack, hidden_start=np.zeros(1, np.int64), **{n: getattr(toy_pack, n)[:0] for n in hidden},
        sentence_work=np.where(asked, -1, work), sentence_pool=np.where(asked, KNOWN, pool),
    )  # fmt: skip
    stages = (replace(toy_recipe.stages[0], steps=2), replace(toy_recipe.stages[2], steps=2))
    loop.train(replace(toy_recipe, stages=stages), bare, tmp_path)
    events = read_log(tmp_path)
    assert all("hand" not in e and {"known", "unseen"} <= set(e) for e in events if e["event"] == "validation")
    assert not any("masked_text" in e for e in events)


def test_ties_share_their_ranks():
    scores = torch.tensor([[3.0, 1.0, 2.0], [1.0, 1.0, 1.0], [0.0, 2.0, 2.0], [5.0, 4.0, 4.0], [5.0, 1.0, 3.0]])
    own = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=torch.bool)
    found = expected(scores, own)  # of several own pieces the best counts
    assert found.tolist() == pytest.approx([1, (1 + 1 / 2 + 1 / 3) / 3, 1 / 3, (1 / 2 + 1 / 3) / 2, 1 / 2])


class Stopped(Exception):
    """The power fails."""


@pytest.fixture(scope="module")
def uninterrupted(toy_pack, toy_recipe, tmp_path_factory):
    """A run's folder and what it learned."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, loop.train(toy_recipe, toy_pack, folder)


@pytest.mark.parametrize("stop_after", [5, 9, 13])  # steps; in each stage once
def test_a_stopped_run_goes_on_exactly(toy_pack, toy_recipe, uninterrupted, tmp_path, stop_after):
    folder, whole = uninterrupted
    steps = []

    def power(n=1, **_):
        steps.extend([1] * n)
        if len(steps) > stop_after:
            raise Stopped

    with pytest.raises(Stopped):
        loop.train(toy_recipe, toy_pack, tmp_path, advance=power)
    resumed = loop.train(toy_recipe, toy_pack, tmp_path, resume=True)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        assert torch.equal(a, b), name

    def values(folder):
        timing = ("tokens_per_s", "s_per_step")
        return [{k: v for k, v in e.items() if k not in timing} for e in read_log(folder)]

    assert values(folder) == values(tmp_path)


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
    nothing = replace(words, steps=1, lr=1e-30)
    untrained = loop.train(replace(toy_recipe, stages=(nothing,), weight_decay=0), toy_pack, tmp_path / "untrained")
    first = loop.train(replace(toy_recipe, stages=(words,)), toy_pack, tmp_path / "first")
    both = loop.train(replace(toy_recipe, stages=(words, notes)), toy_pack, tmp_path / "both")
    # The bias is the sigmoid loss's; a modality's weight matters only beside another's.
    alone = {"bias", "model.shared.weight.score"}

    def taught(kind, before, after):
        changed = {n for n, p in after.named_parameters() if not torch.equal(p, before.get_parameter(n))}
        assert changed | alone == {n for n, _ in after.named_parameters() if learns(kind, n)} | alone
        return changed

    assert not taught("words", untrained, first) & taught("notes", first, both)


def test_a_diverging_run_says_so(toy_pack, toy_recipe, tmp_path):
    wild = replace(toy_recipe, stages=(replace(toy_recipe.stages[0], lr=1e30),), clip=1e30)
    with pytest.raises(DataError, match="not finite"):
        loop.train(wild, toy_pack, tmp_path)
