"""Each objective can be switched off, each alignment trains, and what hides something shows nothing of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmbert_training import loop, stages
from mmbert_training.augment import AugmentConfig
from mmbert_training.batches import Batches
from mmbert_training.learner import Learner
from mmbert_training.log import read_log
from mmbert_training.recipe import Objectives, StageConfig

from mmbert.symbolic.octuple import FIELDS, MASK_ID
from mmbert.symbolic.octuple_vocabulary import DRUM_PROGRAM

# The losses that a run logs, by stage, and what learns from each and from nothing else.
STAGES = {
    "words": {"contrast", "masked_text"},
    "notes": {"contrast", "pull", "masked", "facts", "masked_vectors", "mutual"},
    "together": {"contrast", "masked", "facts", "masked_vectors", "mutual", "masked_text"},
}
HEADS = {
    "masked": ("model.masked.",), "masked_text": ("word_head.",), "masked_vectors": ("bar_head.", "hidden_bar"),
    "mutual": ("critic.",), "facts": ("fact_head.",), "pull": (),
}  # fmt: skip
WORDS = StageConfig(kind="words", steps=1, facet_drop=0.0)
PROGRAM = FIELDS.index("program")


@pytest.fixture
def short(toy_recipe):
    """Three steps a stage."""
    kinds = tuple(StageConfig(kind=k, steps=3, batch=8, lr=3e-3) for k in STAGES)  # type: ignore[arg-type]
    return replace(toy_recipe, stages=kinds, save_every=100)


@pytest.fixture
def learner(toy_pack, toy_recipe):
    """One whose layers do something: gates begin at zero."""
    torch.manual_seed(0)
    learner = Learner(toy_recipe.model, len(toy_pack.words)).eval()
    for name, parameter in learner.named_parameters():
        if name.endswith("gates"):
            torch.nn.init.normal_(parameter, 1.0, 0.1)
    return learner


def batch_of(pack, **changes):
    drawn = {"seed": 1, "augment": AugmentConfig(), "phrase_share": 0.3, "passages": 2, "hide_cues": 0.0} | changes
    return Batches(pack, **drawn).training(0, 0, 16, notes=True, hidden=True)


def logged(folder):
    events = [e for e in read_log(folder) if e["event"] == "train"]
    return {kind: events[3 * i : 3 * i + 3] for i, kind in enumerate(STAGES)}


@pytest.mark.parametrize("off", [None, *HEADS])
def test_an_objective_that_is_off_has_no_loss_and_teaches_nothing(toy_pack, short, tmp_path, off):
    recipe = replace(short, objectives=Objectives(**({off: 0} if off else {})))
    began = {}
    whole = loop.Learner

    def remembered(*arguments):
        learner = whole(*arguments)
        began.update({n: p.detach().clone() for n, p in learner.named_parameters()})
        return learner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Learner", remembered)
        learner = loop.train(recipe, toy_pack, tmp_path)
    for kind, events in logged(tmp_path).items():
        losses = STAGES[kind] - {off}
        assert all(set(e) & set.union(*STAGES.values()) == losses for e in events), kind
        assert all(np.isfinite([e[name] for name in (*losses, "loss", "gradient_norm")]).all() for e in events)
        weights = {n: getattr(recipe.objectives, n, 1.0) for n in losses}
        for e in events:
            assert e["loss"] == pytest.approx(sum(w * e[n] for n, w in weights.items()), rel=1e-4)
        assert ("information" in events[0]) is ("mutual" in losses)
        assert ("accuracy_word" in events[0]) is ("masked_text" in losses)
        assert ("accuracy_bar_vector" in events[-1]) <= ("masked_vectors" in losses)
    for name, parameter in learner.named_parameters():
        if name == "bias":  # of the sigmoid loss alone
            assert torch.equal(parameter, began[name])
            continue
        if name == "model.shared.weight.text":  # matters beside another stream alone: in masked text
            assert torch.equal(parameter, began[name]) is (off == "masked_text")
            continue
        own = next((o for o, heads in HEADS.items() if name.startswith(heads or "-")), None)
        assert torch.equal(parameter, began[name]) is (own is not None and own == off), name


@pytest.mark.parametrize(
    "changes",
    [
        {"alignment": "siglip", "span": 1.0}, {"alignment": "decoupled", "span": 0.0},
        {"alignment": "siglip", "every_fit": False, "alike": 0.5}, {"every_fit": False, "alike": 0.5},
    ],
    ids=str,
)  # fmt: skip
def test_each_alignment_trains(toy_pack, short, tmp_path, changes):
    learner = loop.train(replace(short, objectives=Objectives(**changes)), toy_pack, tmp_path)
    figures = [e for e in read_log(tmp_path) if e["event"] == "validation"]
    assert [e["kind"] for e in figures] == list(STAGES)
    assert {"known", "unseen", "hand", "space"} <= set(figures[-1])
    assert all(np.isfinite(e["contrast"]) for events in logged(tmp_path).values() for e in events)
    assert (learner.bias.item() != -10) is (changes.get("alignment") == "siglip")


def test_bfloat16_trains_every_stage_with_float32_cosines(toy_pack, short, tmp_path):
    recipe = replace(short, stages=tuple(replace(s, bf16=True) for s in short.stages))
    learner = loop.train(recipe, toy_pack, tmp_path)
    assert {p.dtype for p in learner.parameters()} == {torch.float32}
    batch, want = batch_of(toy_pack), Objectives()
    texts = torch.nn.functional.normalize(torch.randn(len(batch.facts), 32), dim=1)
    documents = torch.nn.functional.normalize(torch.randn(16, 32), dim=1)
    plain = stages.contrast(learner, texts, documents, batch, 1, want)
    with torch.autocast("cpu", torch.bfloat16):
        assert stages.contrast(learner, texts, documents, batch, 1, want).item() == pytest.approx(plain.item())


def test_only_its_own_work_is_a_positive_where_fits_do_not_count(toy_pack, learner):
    """The gradient says which pairs were pulled together: own works, and what a phrase of no work fits."""
    batch = batch_of(toy_pack, phrase_share=0.5, augment=AugmentConfig(unchanged=1.0))
    own = batch.text_work[:, None] == batch.piece_work[None, :]
    fits = ((batch.facts.float() @ (~batch.tokens).float().T) == 0) & batch.facts.any(1, keepdim=True)
    phrase = batch.text_work < 0
    assert phrase.any()
    assert (fits & ~own)[~phrase].any()
    for every_fit, expected in ((True, fits), (False, own | (fits & phrase[:, None]))):
        # Texts see one document each through their own column of the similarity.
        similarity = torch.zeros(len(batch.facts), 16, requires_grad=True)
        texts = torch.cat([similarity, torch.eye(len(batch.facts))], 1)
        documents = torch.cat([torch.eye(16), torch.zeros(16, len(batch.facts))], 1)
        stages.contrast(learner, texts, documents, batch, 1, Objectives(every_fit=every_fit)).backward()
        assert torch.equal(similarity.grad < 0, expected)


def test_sentences_that_say_nearly_the_same_do_not_push_each_others_pieces(toy_pack, learner):
    batch = batch_of(toy_pack, phrase_share=0.0)
    pushed = {}
    for share in (1.0, 0.3):
        similarity = torch.zeros(len(batch.facts), 16, requires_grad=True)
        texts = torch.cat([similarity, torch.eye(len(batch.facts))], 1)
        documents = torch.cat([torch.eye(16), torch.zeros(16, len(batch.facts))], 1)
        stages.contrast(learner, texts, documents, batch, 1, Objectives(alike=share)).backward()
        pushed[share] = similarity.grad > 0
        pulled = similarity.grad < 0
    said = batch.facts.float()
    near = said @ said.T / (said.sum(1)[:, None] + said.sum(1) - said @ said.T) > 0.3
    spared = near.float() @ pulled.float() > 0
    assert (spared & pushed[1.0]).any()
    assert torch.equal(pushed[0.3], pushed[1.0] & ~spared)


def test_hidden_instruments_are_not_read_and_percussion_is_told_by_its_pitches(toy_pack, learner, monkeypatch):
    octuples = toy_pack.octuples.copy()
    octuples[::2, PROGRAM] = 40
    octuples[::7, PROGRAM] = DRUM_PROGRAM
    pack = replace(toy_pack, octuples=octuples)
    read = []
    note_states = stages.note_states

    def remembered(model, shown, valid, recompute):
        read.append(shown[valid][:, PROGRAM])
        return note_states(model, shown, valid, recompute=recompute)

    monkeypatch.setattr(stages, "note_states", remembered)
    for want in (Objectives(masked=0), Objectives()):
        batch = batch_of(pack, hide_cues=1.0)
        stages.read_notes(learner.model, batch, want)
        drums = batch.notes.octuples[batch.notes.valid][:, PROGRAM] == DRUM_PROGRAM
        assert (read[-1][~drums] == MASK_ID[PROGRAM]).all()
        assert (read[-1][drums] != MASK_ID[PROGRAM]).float().mean() > 0.5
    stages.read_notes(learner.model, batch_of(pack), Objectives(masked=0))
    assert (read[-1] != MASK_ID[PROGRAM]).all()


def test_masked_text_hears_the_piece_of_its_own_sentence(toy_pack, learner):
    """Other pieces of the batch do not change the loss, its own does."""
    batch = batch_of(toy_pack, augment=AugmentConfig(unchanged=0.5))
    spared = torch.zeros(16, dtype=torch.bool)
    spared[batch.hidden.piece] = True
    assert not spared.all()

    def loss(facets):
        losses = stages.words(learner, replace(batch, facets=facets), WORDS, Objectives())[1]
        return losses["masked_text"].item()

    told = loss(batch.facets)
    others = [ids if keep else [3, 9] for ids, keep in zip(batch.facets, spared)]
    assert loss(others) == pytest.approx(told, abs=1e-6)
    assert abs(loss([[3, 9]] * 16) - told) > 1e-4


def test_what_mim_drops_is_no_part_of_what_it_is_told_from(toy_pack, learner, monkeypatch):
    """A bar reaches the critic as a state or as a target, never as both, and each does."""
    batch, want = batch_of(toy_pack), Objectives(masked=0)
    bars, _, scalars = stages.read_notes(learner.model, batch, want)
    bars = replace(bars, states=bars.states.detach().requires_grad_())
    seen = []
    score = learner.critic.forward

    def remembered(state, vector):
        seen.append((state, vector))
        return score(state, vector)

    monkeypatch.setattr(learner.critic, "forward", remembered)
    monkeypatch.setattr(stages, "read_notes", lambda *_: (bars, bars.states.new_zeros(()), scalars))
    stages.notes(learner, batch, replace(WORDS, kind="notes"), want)
    state, vector = seen[0]
    shown, dropped = (
        torch.autograd.grad(part.square().sum(), bars.states, retain_graph=True)[0].any(-1) for part in (state, vector)
    )
    assert not (shown & dropped).any()
    assert torch.equal(shown | dropped, bars.mask)
    assert shown.any(1).all()
    assert dropped.any(1).all()


def test_reading_notes_again_for_the_gradient_changes_nothing(toy_pack, learner):
    batch = Batches(toy_pack, 1, AugmentConfig(), 0.3, 2, 0.0).training(0, 0, 24, notes=True, hidden=False)

    def gradients(recompute: bool) -> dict[str, torch.Tensor]:
        learner.zero_grad()
        states = stages.note_states(learner.model, batch.notes.octuples, batch.notes.valid, recompute=recompute)
        stages.bars_of(learner.model, batch.notes, states).states.square().sum().backward()
        return {n: p.grad.clone() for n, p in learner.named_parameters() if p.grad is not None}

    once, twice = gradients(False), gradients(True)
    assert once.keys() == twice.keys()
    assert len(once) > 10
    for name, gradient in once.items():
        torch.testing.assert_close(twice[name], gradient, atol=1e-4, rtol=1e-4)
