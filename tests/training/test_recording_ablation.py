"""Every variant is asked the same questions, and is compared with the full recipe over them."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from mmbert_training import recording_ablation as ablation
from mmbert_training.recording_projection import ProjectionTeacher
from mmbert_training.recordings import How, taught, with_recordings

from mmbert.errors import DataError
from mmbert.model import MmbertModel, ModelConfig

DIM = 256


class Embedder:
    """Questions as rows that say nothing, and a model to teach."""

    def __init__(self) -> None:
        torch.manual_seed(2)
        self.model = MmbertModel(ModelConfig(layers=1, symbolic_layers=1, dropout=0.0)).eval()

    def embed_texts(self, texts):
        return np.full((len(texts), DIM), DIM**-0.5, np.float32)

    def language(self, texts):
        return np.full((len(texts), 384), 384**-0.5, np.float32)


@pytest.fixture
def bench(sounds, words, monkeypatch, tmp_path):
    """Over the toy pack, and noise instead of the real sounds."""
    twice = [i for i, h in enumerate(sounds.heard) if i and sounds.heard[i - 1].work == h.work]
    assert twice
    works = tuple({**w, "split": "validation" if i % 4 == 2 else "train"} for i, w in enumerate(sounds.works))
    noise = np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32)
    monkeypatch.setattr(ablation, "check", lambda folder: None)
    monkeypatch.setattr(ablation, "asked_of", lambda sounds, row: [Caption("a flute")])
    monkeypatch.setattr(ablation.hearing, "excerpt", lambda *args: noise)
    monkeypatch.setattr(ablation, "HOW", How(steps=2, batch=8, bridge=8))
    return ablation.Bench(replace(sounds, works=works), words, Embedder(), tmp_path)  # type: ignore[arg-type]


class Caption:
    def __init__(self, text: str) -> None:
        self.text = text


def test_variants_name_fields_of_the_recipe_and_have_a_file_each():
    names = {f.name for f in fields(How)}
    assert all(set(changes) <= names for changes in ablation.VARIANTS.values())
    assert ablation.VARIANTS[ablation.FULL] == {}


def test_every_variant_has_a_figure_for_every_question(bench):
    embedder = Embedder()
    asked = {}
    for name in (ablation.FULL, ablation.PROJECTED, ablation.ALONE, "masked seconds"):
        run = ablation.run(name, 1, bench, embedder)
        assert set(run["asked"]) <= set(ablation.COLUMNS)
        for column, values in run["asked"].items():
            assert len(values) == len(run["groups"][ablation.COLUMNS[column]])
            assert np.isfinite(values).all()
        asked[name] = run["asked"]
    assert set(asked[ablation.FULL]) == set(ablation.COLUMNS)
    assert asked[ablation.FULL]["both"] != asked[ablation.PROJECTED]["both"]
    # Real sounds that are one sound under one question: chance.
    chance = (1 / np.arange(1, len(bench.real) + 1)).mean()
    assert np.mean(asked[ablation.ALONE]["real"]) == pytest.approx(chance, abs=1e-4)


def test_nothing_finds_itself_in_another_font(bench):
    same = np.array([bench.sounds.heard[row].work for row in bench.rendered])
    assert bench._two_fonts(np.eye(len(same))[np.unique(same, return_inverse=True)[1]]).mean() == 1
    assert bench._two_fonts(np.eye(len(same))).mean() < 0.5


def test_a_pack_of_which_no_validation_work_was_rendered_twice_is_refused(sounds, words, monkeypatch, tmp_path):
    monkeypatch.setattr(ablation, "asked_of", lambda sounds, row: [Caption("a flute")])
    with pytest.raises(DataError, match="two fonts"):
        ablation.Bench(sounds, words, Embedder(), tmp_path)  # type: ignore[arg-type]


def test_vectors_beside_another_pack_are_refused(sounds, words, monkeypatch, tmp_path):
    monkeypatch.setattr(ablation, "asked_of", lambda sounds, row: [])
    with pytest.raises(DataError, match="another pack"):
        ablation.Bench(sounds, words, Embedder(), tmp_path)  # type: ignore[arg-type]


def test_a_projection_learns_and_changes_no_stream(sounds, words):
    old = Embedder().model
    how = How(steps=40, batch=24, bridge=32)
    teacher = taught(sounds, words, old, 1, how, ProjectionTeacher)
    torch.manual_seed(1)
    began = with_recordings(old).state_dict()
    kept = teacher.model.state_dict()
    assert all(torch.equal(kept[n], v) for n, v in began.items() if n not in ("recording.mean", "recording.deviation"))
    before = ProjectionTeacher(sounds, words, teacher.model, how)
    rows = sounds.rows("validation").tolist()
    near = []
    for one in (before, teacher):
        with torch.inference_mode():
            vectors = one.encoded([sounds.states_of(r) for r in rows]).numpy()
        near.append((vectors * words.score[rows]).sum(1).mean())
    assert near[1] > near[0] + 0.1
    with pytest.raises(ValueError, match="masked"):
        ProjectionTeacher(sounds, words, old, replace(how, masked=0.1))


def test_the_table_compares_over_the_same_questions_and_seeds(tmp_path):
    for name, up in ((ablation.FULL, 0.0), ("MIM", 0.1)):
        for seed in (1, 2):
            run = {"variant": name, "seed": seed, "cpu_seconds": 3.0,
                   "asked": {"both": [0.2 + up, 0.4 + up + 0.01 * seed], "real": [0.5, 0.5]},
                   "groups": {"captions": ["a", "b"], "real": ["x", "y"]}}  # fmt: skip
            (tmp_path / f"{name}-{seed}.json").write_text(json.dumps(run))
    full, mim = ablation.compare(tmp_path)
    assert (full["variant"], full["seeds"], full["both"]) == ("full", 2, pytest.approx(0.3075))
    assert mim["both: difference"] == (0.1, 0.1, 0.1)
    assert mim["both: seeds"] == [0.1, 0.1]
    assert mim["real: difference"] == (0.0, 0.0, 0.0)


def test_runs_that_exist_are_not_done_again(bench, monkeypatch, tmp_path):
    done: list[tuple[str, int]] = []
    monkeypatch.setattr(ablation.Embedder, "from_pretrained", lambda weights: Embedder())
    monkeypatch.setattr(ablation, "load_sounds", lambda pack: bench.sounds)
    monkeypatch.setattr(ablation, "said", lambda *args: bench.words)
    monkeypatch.setattr(ablation, "Bench", lambda *args: bench)
    monkeypatch.setattr(ablation, "run", lambda name, seed, *args: done.append((name, seed)) or {})
    (tmp_path / "no-bridge-2.json").write_text("{}")
    for _ in range(2):
        ablation._main(tmp_path, tmp_path, tmp_path, tmp_path, only=["no bridge", ablation.ALONE])
    assert done == [("no bridge", 1), (ablation.ALONE, 1), ("no bridge", 3)]
