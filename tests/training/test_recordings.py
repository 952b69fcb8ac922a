"""Recordings join a model that stays as it is, bit for bit, and find their words after a few steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmbert_training import recording_words, recordings
from mmbert_training.recording_words import Said, musiccaps, said
from mmbert_training.recordings import How, Teacher, belongs, measured, taught, train, with_recordings
from mmbert_training.sound_pack import Sounds

from mmbert.audio.sounds import sound_names
from mmbert.embed import Embedder
from mmbert.model import MmbertModel, ModelConfig, checkpoint
from mmbert.objectives.vectors import mask_spans
from mmbert.retrieval.calibrate import Calibration
from mmbert.types import Facets, Stream

HOW = How(steps=40, batch=24, bridge=32)
HEADS = {  # of an objective
    "sounds": {"sounds"}, "told": {"sounds"}, "masked": {"hidden", "second"}, "mutual": {"with_score", "with_caption"},
}  # fmt: skip


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> MmbertModel:
    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("old")
    checkpoint.save(MmbertModel(ModelConfig(layers=1, symbolic_layers=1, dropout=0.0)), folder)
    return MmbertModel.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(sounds: Sounds, words: Said, old: MmbertModel) -> MmbertModel:
    return train(sounds, words, old, 1, HOW)


def vectors(model: MmbertModel) -> list[torch.Tensor]:
    """A text, facets, bars, and facets with bars."""
    generator = torch.Generator().manual_seed(0)
    text = model.encode_text(torch.randn(2, 7, 384, generator=generator), torch.ones(2, 7, dtype=torch.bool))
    facets = model.encode_facets([[1, 5], [9]])
    bars = torch.randn(2, 4, model.config.dim, generator=generator)
    score = Stream(bars, torch.ones(2, 4, dtype=torch.bool), "score", torch.arange(4).expand(2, -1))
    with torch.inference_mode():
        return [
            model.project(model.join([text]), "query"),
            *(model.project(model.join(some), "document") for some in ([facets], [score], [facets, score])),
        ]


def opened(old: MmbertModel) -> MmbertModel:
    """With a recording stream, and shared layers that do something: their gates begin at zero."""
    model = with_recordings(old)
    for name, parameter in model.named_parameters():
        if name.endswith("gates"):
            torch.nn.init.normal_(parameter, 1.0, 0.1)
    return model


def test_rows_of_scores_and_words_stay_what_they_were_bit_for_bit(old, model, tmp_path):
    checkpoint.save(model, tmp_path)
    again = MmbertModel.from_pretrained(tmp_path)
    before, after = old.state_dict(), again.state_dict()
    assert [name for name in after if name not in before] == [name for name in after if belongs(name)]
    assert all(torch.equal(after[name], value) for name, value in before.items())
    for a, b in zip(vectors(old), vectors(again), strict=True):
        assert torch.equal(a, b)


def test_only_the_recording_stream_learns(old):
    model = with_recordings(old)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {name for name, _ in model.named_parameters() if belongs(name)}
    assert {"shared.weight.recording", "shared.norms.recording.weight", "recording.norm.weight"} <= learning
    assert with_recordings(model).config.modalities == model.config.modalities  # taught again from the start


def test_words_find_renderings_of_works_that_were_not_heard(sounds, words, old, model):
    before, after = measured(with_recordings(old).eval(), sounds, words), measured(model, sounds, words)
    for row in ("both", "seconds"):  # the toy's states say nothing to the network that names sounds
        assert after[row] > max(before[row], after["chance"])
    assert after["both"] > 0.75 * after["facts"]


def test_imagined_recordings_are_near_what_people_wrote(sounds, words, model):
    teacher = Teacher(sounds, words, model, replace(HOW, gaps=0.0))
    with torch.inference_mode():
        found = teacher.imagined(words.labels[:64], np.random.default_rng(0)).numpy()
    near = words.noted[:64].astype(np.float32) @ found.T
    same = words.labels[:64].argmax(1)[:, None] == words.labels[:64].argmax(1)
    assert near[same].mean() > near[~same].mean() + 0.1


def test_each_loss_can_be_left_out(sounds, words, old):
    how = replace(HOW, words=0.0, score=0.0, other=0.0, labels=0.0)
    teacher = Teacher(sounds, words, with_recordings(old), how)
    assert float(teacher.loss(np.random.default_rng(0))) == 0
    for name in ("words", "score", "other", "labels", *HEADS):
        teacher.how = replace(how, **{name: 1.0})
        assert float(teacher.loss(np.random.default_rng(0))) > 0


@pytest.mark.parametrize("name", HEADS)
def test_each_objective_teaches_its_own_heads_and_the_stream(sounds, words, old, name):
    off = dict.fromkeys(("words", "score", "other", "labels"), 0.0)
    teacher = Teacher(sounds, words, opened(old), replace(HOW, **off, **{name: 1.0}))
    teacher.loss(np.random.default_rng(0)).backward()
    moved = {n.split(".")[0] for n, p in teacher.heads.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == HEADS[name]
    heard = [p.grad for p in teacher.encoder.parameters() if p.grad is not None and p.grad.any()]
    assert bool(heard) is (name != "told")  # captions are fixed: they teach the head where their sounds lie


def test_named_sounds_are_told_from_vectors(sounds, words, old):
    how = replace(HOW, words=0.0, score=0.0, other=0.0, labels=0.0, sounds=10.0)
    teacher = taught(sounds, words, old, 1, how)
    with torch.inference_mode():
        vectors = teacher.encoded([sounds.states_of(row) for row in range(20)])
        standard = teacher.heads.sounds(vectors * 16) * teacher.encoder.deviation + teacher.encoder.mean
    told = standard[:, :4].argmax(1).numpy()
    assert (told == sounds.logits[:20, :4].argmax(1)).mean() > 0.8


def test_what_is_told_of_hidden_seconds_has_not_seen_them(sounds, words, old):
    """The same seed hides the same seconds; what stands there changes the answer's key and not what is said."""
    teacher = Teacher(sounds, words, opened(old).eval(), replace(HOW, masked=1.0))
    said: list[torch.Tensor] = []
    teacher.heads.second.register_forward_hook(lambda module, inputs, output: said.append(output.detach()))
    runs = [sounds.states_of(row).copy() for row in range(6)]
    torch.manual_seed(3)
    teacher._masked(runs)
    torch.manual_seed(3)
    hidden = mask_spans(torch.ones(6, len(runs[0]), dtype=torch.bool)).numpy()
    assert hidden.any()
    for run, here in zip(runs, hidden, strict=True):
        run[here] += np.float16(3.0)
    torch.manual_seed(3)
    teacher._masked(runs)
    assert torch.equal(*said)


def test_a_vector_does_not_depend_on_what_else_is_in_the_batch(sounds, words, model):
    teacher = Teacher(sounds, words, model, HOW)
    runs = [sounds.states_of(row)[: 3 + row] for row in range(9)]
    shown = torch.tensor([[True, row % 3 > 0] for row in range(9)])
    facts = [Facets(key="D") if row % 2 else None for row in range(9)]
    with torch.inference_mode():
        together = teacher.encoded(runs, shown, facts)
        alone = [teacher.encoded([runs[i]], shown[i : i + 1], [facts[i]])[0] for i in range(9)]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=0)


def test_the_command_writes_a_checkpoint_and_keeps_the_calibration(sounds, words, old, monkeypatch, tmp_path):
    fingerprint = checkpoint.save(old, tmp_path / "old", "# A card\n\n## Recordings\nof before\n")
    calibration = Calibration(np.ones(256), np.eye(256), np.ones((2, 384)), 0.1, 0.5)
    calibration.save(tmp_path / "old", fingerprint)
    monkeypatch.setattr(recordings, "load_sounds", lambda folder: sounds)
    monkeypatch.setattr(recordings, "said", lambda *args: words)
    recordings._main(Path("pack"), tmp_path / "old", tmp_path / "new", steps=1)
    embedder = Embedder.from_pretrained(tmp_path / "new")
    assert embedder.fingerprint != fingerprint
    assert embedder.calibration is not None
    assert embedder.calibration.threshold == 0.5
    card = (tmp_path / "new" / "README.md").read_text()
    assert card.startswith("# A card")
    assert card.count("## Recordings") == 1
    assert "of before" not in card


def test_what_is_said_is_made_once_for_each_weights(sounds, words, monkeypatch, tmp_path):
    class Fake:
        fingerprint = "a" * 64

    made: list[int] = []
    monkeypatch.setattr(recording_words, "_made", lambda *args: made.append(1) or words)
    for _ in range(2):
        found = said(sounds, tmp_path, Fake(), None)  # type: ignore[arg-type]
    assert made == [1]
    np.testing.assert_array_equal(found.labels, words.labels)


def test_musiccaps_is_read_without_the_evaluation_part(monkeypatch, tmp_path):
    import zipfile

    rows = (
        "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,is_balanced_subset,is_audioset_eval\n"
        "a,0,10,\"/m/05r5c,/m/04rlf\",\"['piano', 'slow tempo']\",A slow piano.,1,False,False\n"
        "b,0,10,/m/05r5c,\"['piano']\",Another piano.,1,False,True\n"
        "c,0,10,/m/04rlf,\"['music']\",Only music.,1,False,False\n"
    )
    with zipfile.ZipFile(tmp_path / "text_musiccaps.zip", "w") as archive:
        archive.writestr("musiccaps.csv", rows)
    monkeypatch.setattr(recording_words, "data_folder", lambda data: tmp_path)
    texts, labels = musiccaps(None)
    assert texts == ["A slow piano.", "piano, slow tempo"]
    assert [sound_names()[i] for i in np.flatnonzero(labels[0])] == ["Piano"]
