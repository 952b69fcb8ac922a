"""Batches: what is said is true of what is heard, and they depend on the seed, stage and step alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmbert_training.augment import AugmentConfig
from mmbert_training.batches import Batches
from mmbert_training.pack import HAND, IMAGINED, KNOWN, UNSEEN
from mmbert_training.recipe import Objectives, StageConfig

from mmbert.facets import TOKENS, tokens_of
from mmbert.objectives.alignment import fitting
from mmbert.symbolic.octuple import FIELDS
from mmbert.types import Facets

AS_THEY_ARE = AugmentConfig(unchanged=1.0)
CUES = ("instrument", "family", "form")


def batches(pack, **changes):
    drawn = {"seed": 3, "augment": AugmentConfig(), "phrase_share": 0.3, "passages": 2, "hide_cues": 0.0} | changes
    return Batches(pack, **drawn)


def test_the_sentence_of_a_work_is_true_of_its_augmented_version(toy_pack):
    made = batches(toy_pack, augment=AugmentConfig(unchanged=0.0))
    changed = 0
    for step in range(20):
        batch = made.training(0, step, 24, notes=True, hidden=False)
        fits = fitting(batch.facts, batch.tokens)
        same = batch.text_work[:, None] == batch.piece_work[None, :]
        assert len(batch.facts) == 24  # every version has something true to say
        assert bool(fits[same].all())
        assert bool(fits.any(1).all())  # phrases too are true of some piece of the batch
        originals = {frozenset(tokens_of(f)) for f in toy_pack.facets}
        changed += sum(frozenset(TOKENS[i] for i in ids) not in originals for ids in batch.facets)
    assert changed > 50


def tensors_of(batch):
    parts = [*vars(batch).values(), *vars(batch.notes).values(), *vars(batch.hidden).values()]
    return [part for part in parts if torch.is_tensor(part)]


def test_a_batch_depends_on_seed_stage_and_step_alone(toy_pack):
    drawn = [batches(toy_pack, hide_cues=0.5).training(1, 7, 16, notes=True, hidden=True) for _ in range(2)]
    assert drawn[0].facets == drawn[1].facets
    for a, b in zip(*map(tensors_of, drawn), strict=True):
        assert torch.equal(a, b)
    others = [batches(toy_pack).training(1, 8, 16, True, True), batches(toy_pack).training(2, 7, 16, True, True)]
    assert all(drawn[0].facets != other.facets for other in others)


def test_training_batches_hold_training_works_alone(toy_pack):
    made = batches(toy_pack)
    train = set(toy_pack.split("train").tolist())
    for step in range(5):
        assert set(made.training(0, step, 32, notes=False, hidden=False).piece_work.tolist()) <= train
    for pool in (KNOWN, UNSEEN, HAND):
        batch = made.validation(pool, 999)
        assert sorted(batch.piece_work.tolist()) == toy_pack.split("validation").tolist()
        own = np.isin(toy_pack.sentence_work, toy_pack.split("validation"))
        assert len(batch.facts) == (own & (toy_pack.sentence_pool == pool)).sum()


def test_validation_works_with_a_question_written_for_them_come_first(toy_pack):
    asked = set(toy_pack.sentence_work[toy_pack.sentence_pool == HAND].tolist())
    made = batches(toy_pack)
    few = [made.validation(pool, len(asked)) for pool in (KNOWN, UNSEEN, HAND)]
    for batch in few:  # all pools rank the same pieces
        assert set(batch.piece_work.tolist()) == asked
        assert set(batch.text_work.tolist()) == asked
        assert torch.equal(batch.piece_work, few[0].piece_work)


def test_changed_works_are_transposed_and_otherwise_the_same(toy_pack):
    made = batches(toy_pack)
    before, after = made.validation(KNOWN, 999), made.changed(999)
    assert torch.equal(after.piece_work, before.piece_work)
    assert torch.equal(after.notes.valid, before.notes.valid)
    valid, pitch = before.notes.valid, FIELDS.index("pitch")
    moved = (after.notes.octuples - before.notes.octuples)[valid]
    assert not moved[:, [f for f in range(8) if f != pitch]].any()  # the toy states no tempo
    piece = before.notes.segment // before.notes.n_bars
    for i in range(len(before.facets)):
        (shift,) = moved[piece == i][:, pitch].unique().tolist()
        assert 1 <= abs(shift) <= 6
    keys = [[next(TOKENS[t] for t in ids if TOKENS[t].startswith("key=")) for ids in b.facets] for b in (before, after)]
    assert all(a != b for a, b in zip(*keys, strict=True))
    assert torch.equal(made.changed(999).notes.octuples, after.notes.octuples)


def test_a_hidden_word_is_the_one_that_the_pack_says_of_a_piece_as_it_is(toy_pack):
    made = batches(toy_pack, augment=AugmentConfig(unchanged=0.5))
    fewer = 0
    for step in range(5):
        batch = made.training(0, step, 32, notes=True, hidden=True)
        gaps = batch.hidden
        fewer += len(gaps.piece) < 32  # of versions that were changed none is true
        assert len(gaps.piece) == len(gaps.states) == len(gaps.mask) == len(gaps.place) == len(gaps.word)
        assert gaps.place[:, 0].tolist() == list(range(len(gaps.piece)))
        assert not gaps.states[gaps.place[:, 0], gaps.place[:, 1]].any()  # the toy's hidden words have no state
        assert gaps.mask[gaps.place[:, 0], gaps.place[:, 1]].all()
        for row, piece in enumerate(gaps.piece.tolist()):
            work = int(batch.piece_work[piece])
            assert sorted(TOKENS[i] for i in batch.facets[piece]) == sorted(tokens_of(toy_pack.facets[work]))
            own = np.flatnonzero(toy_pack.hidden_work == work)
            assert int(gaps.word[row]) in toy_pack.hidden_word[own]
    assert fewer
    assert made.training(0, 0, 8, notes=True, hidden=False).hidden is None


def test_a_batch_without_unchanged_pieces_or_a_pack_without_hidden_words_has_none(toy_pack):
    changed = batches(toy_pack, augment=AugmentConfig(unchanged=0.0, semitones=0, tempo_ids=0, velocity_ids=0))
    assert len(changed.training(0, 0, 8, notes=False, hidden=True).hidden.piece) == 8  # a change by nothing is none
    hidden = ("hidden", "hidden_scale", "hidden_work", "hidden_place", "hidden_word", "words")
    bare = replace(toy_pack, hidden_start=np.zeros(1, np.int64), **{n: getattr(toy_pack, n)[:0] for n in hidden})
    assert batches(bare).training(0, 0, 8, notes=False, hidden=True).hidden is None


def test_imagined_pieces_are_told_of_and_never_heard(toy_pack):
    jig = Facets(key="Bb", mode="minor", metre="9/8", form="slip jig")
    row = {"id": "imagined:0", "source": IMAGINED, "cluster": "imagined:0", "split": IMAGINED}
    pack = replace(
        toy_pack, works=[*toy_pack.works, row], facets=[*toy_pack.facets, jig],
        work_start=np.append(toy_pack.work_start, toy_pack.work_start[-1]),
    )  # fmt: skip
    made, number = batches(pack, phrase_share=1.0, augment=AS_THEY_ARE), len(toy_pack.works)
    told = [made.training(0, step, 64, notes=False, hidden=True) for step in range(10)]
    seen = [batch for batch in told if number in batch.piece_work]
    assert seen
    for batch in seen:
        piece = batch.piece_work.tolist().index(number)
        assert [TOKENS[i] for i in batch.facets[piece]] == list(tokens_of(jig))
    assert all(number not in made.training(0, step, 64, notes=True, hidden=False).piece_work for step in range(10))


def test_a_rehearsal_brings_sentences_without_notes(toy_pack):
    stage = StageConfig(kind="together", steps=1, batch=8, rehearsal=24)
    batch = batches(toy_pack).for_stage(stage, Objectives(), 2, 5)
    assert (len(batch.facets), len(batch.rehearsal.facets)) == (8, 24)
    assert batch.notes
    assert not batch.rehearsal.notes
    assert batches(toy_pack).for_stage(replace(stage, rehearsal=0), Objectives(), 2, 5).rehearsal is None


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_cues_are_hidden_from_the_input_and_stay_true(toy_pack, share):
    pack = replace(
        toy_pack, facets=[replace(f, instruments=("oboe",), families=("reed",), form="jig") for f in toy_pack.facets]
    )
    made = batches(pack, hide_cues=share, augment=AS_THEY_ARE)
    hidden = 0
    for step in range(10):
        batch = made.training(0, step, 16, notes=True, hidden=False)
        for piece, ids in enumerate(batch.facets):
            kinds = {TOKENS[i].split("=")[0] for i in ids}
            secret = not kinds & set(CUES)
            assert secret or kinds >= set(CUES)
            assert {TOKENS[i].split("=")[0] for i in batch.tokens[piece].nonzero()[:, 0]} == kinds | set(CUES)
            mine = batch.notes.segment // batch.notes.n_bars == piece
            passages = batch.notes.valid.nonzero()[:, 0][mine].unique()
            assert (batch.notes.secret[passages] == secret).all()
            hidden += secret
    assert hidden / 160 == pytest.approx(share, abs=0.12)
    assert not made.validation(KNOWN, 99).notes.secret.any()


def test_notes_of_a_piece_fall_into_its_own_bars(toy_pack):
    batch = batches(toy_pack, augment=AS_THEY_ARE).training(0, 0, 8, notes=True, hidden=False)
    piece, bar = batch.notes.segment // batch.notes.n_bars, batch.notes.segment % batch.notes.n_bars
    assert torch.equal(bar, batch.notes.octuples[..., 0][batch.notes.valid])
    for i in range(8):
        work = int(batch.piece_work[i])
        expected = toy_pack.passage_start[work + 1] - toy_pack.passage_start[work]
        assert int((piece == i).sum()) == expected
    assert np.array_equal(np.unique(piece), np.arange(8))
