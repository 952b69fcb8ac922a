"""Batches: what is said is true of what is heard, and they depend on the seed, stage and step alone."""

import numpy as np
import torch
from mmbert_training.augment import AugmentConfig
from mmbert_training.batches import Batches

from mmbert.facets import TOKENS, tokens_of
from mmbert.objectives.alignment import fitting


def batches(pack, **changes):
    return Batches(pack, **{"seed": 3, "augment": AugmentConfig(), "phrase_share": 0.3, "passages": 2} | changes)


def test_the_sentence_of_a_work_is_true_of_its_augmented_version(toy_pack):
    made = batches(toy_pack, augment=AugmentConfig(unchanged=0.0))
    changed = 0
    for step in range(20):
        batch = made.training(0, step, 24, notes=True)
        fits = fitting(batch.facts, batch.tokens)
        same = batch.text_work[:, None] == batch.piece_work[None, :]
        assert len(batch.facts) == 24  # every version has something true to say
        assert bool(fits[same].all())
        assert bool(fits.any(1).all())  # phrases too are true of some piece of the batch
        originals = {frozenset(tokens_of(f)) for f in toy_pack.facets}
        changed += sum(frozenset(TOKENS[i] for i in ids) not in originals for ids in batch.facets)
    assert changed > 50


def test_a_batch_depends_on_seed_stage_and_step_alone(toy_pack):
    a, b = (batches(toy_pack).training(1, 7, 16, notes=True) for _ in range(2))
    assert a.facets == b.facets
    assert torch.equal(a.notes.octuples, b.notes.octuples)
    assert torch.equal(a.states, b.states)
    other = batches(toy_pack).training(1, 8, 16, notes=True)
    assert a.facets != other.facets


def test_training_batches_hold_training_works_alone(toy_pack):
    made = batches(toy_pack)
    train = set(toy_pack.split("train").tolist())
    for step in range(5):
        assert set(made.training(0, step, 32, notes=False).piece_work.tolist()) <= train
    assert not set(made.validation(0, 999).piece_work.tolist()) & train


def test_notes_of_a_piece_fall_into_its_own_bars(toy_pack):
    batch = batches(toy_pack, augment=AugmentConfig(unchanged=1.0)).training(0, 0, 8, notes=True)
    piece, bar = batch.notes.segment // batch.notes.n_bars, batch.notes.segment % batch.notes.n_bars
    assert torch.equal(bar, batch.notes.octuples[..., 0][batch.notes.valid])
    for i in range(8):
        work = int(batch.piece_work[i])
        expected = toy_pack.passage_start[work + 1] - toy_pack.passage_start[work]
        assert int((piece == i).sum()) == expected
    assert np.array_equal(np.unique(piece), np.arange(8))
