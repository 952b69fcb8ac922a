"""Encoders of recordings are trained from packs and from folders, and frozen ones are probed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import torch
from mmbert_training import audio_ablation, audio_encoders, audio_learners, audio_pack, audio_segments
from mmbert_training.evaluate import audio_probe
from typer.testing import CliRunner

from mmbert.audio.encoders import load_encoder
from mmbert.config import load_config
from mmbert.errors import DataError

RATE = 16_000
SMALL = {
    "cola": {"encoder": {"channels": 0.125, "depth": 0.1}},
    "vggish": {"encoder": {"channels": (2, 2, 2, 2, 2, 2), "dense": (8, 8), "width": 8}},
    "mert": {"encoder": {"convolutions": 8, "depth": 1, "dim": 16, "heads": 2, "ffn": 16}, "crop_s": 1.0, "log_mel": 6,
             "chroma": 4},
}  # fmt: skip


def tones(n: int, seconds: float = 2.0) -> tuple[list[np.ndarray], np.ndarray]:
    """Notes and which of twelve pitch classes each is."""
    t = np.arange(round(seconds * RATE)) / RATE
    sounds = [0.5 * np.sin(2 * np.pi * 261.63 * 2 ** (i % 12 / 12) * t).astype(np.float32) for i in range(n)]
    return sounds, np.eye(12, dtype=bool)[np.arange(n) % 12]


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    sounds, labels = tones(12)
    audio_pack.save_audio(folder, sounds, RATE, [f"pitch {i}" for i in range(12)], labels)
    return folder


def recipe(kind: str, **changes):
    from mmbert.config import from_dict

    return from_dict({"steps": 2, "batch": 4, **SMALL[kind], **changes}, audio_learners.LEARNERS[kind][1], kind)


def test_a_pack_comes_back(pack):
    found = audio_pack.load_audio(pack)
    sounds, labels = tones(12)
    assert (len(found), found.rate, found.names[3]) == (12, RATE, "pitch 3")
    np.testing.assert_allclose(found.sound(slice(0, 3)), sounds[:3], atol=1e-4)
    assert np.array_equal(found.labels, labels)
    other = found.at(24_000)
    assert other.segments.shape == (12, 48_000)
    assert other.segments.dtype == np.int16


def test_half_floats_are_sound_too(tmp_path):
    sounds, _ = tones(2)
    np.save(tmp_path / "segments.npy", np.stack(sounds).astype(np.float16))
    (tmp_path / "pack.json").write_text(json.dumps({"rate": RATE, "names": []}))
    found = audio_pack.load_audio(tmp_path)
    np.testing.assert_allclose(found.sound(np.array([1])), sounds[1][None], atol=1e-3)
    assert found.labels.shape == (2, 0)


def test_what_is_no_pack(tmp_path):
    with pytest.raises(DataError, match="is no pack of sound"):
        audio_pack.load_audio(tmp_path)
    np.save(tmp_path / "segments.npy", np.zeros((2, 5)))
    (tmp_path / "pack.json").write_text(json.dumps({"rate": RATE, "names": []}))
    with pytest.raises(DataError, match="float64"):
        audio_pack.load_audio(tmp_path)
    with pytest.raises(DataError, match="without sound"):
        audio_pack.save_audio(tmp_path, [], RATE)


@pytest.mark.parametrize("kind", SMALL)
def test_a_seed_decides(pack, kind):
    found = audio_pack.load_audio(pack)
    (one, told), (two, _) = (audio_encoders.train(kind, recipe(kind), found, 1) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values()))
    assert np.isfinite(list(told.values())).all()
    start, none = audio_encoders.train(kind, recipe(kind, steps=0), found, 1)
    assert none == {}
    assert any(not torch.equal(a, b) for a, b in zip(one.state_dict().values(), start.state_dict().values()))


@pytest.mark.parametrize(
    "changes", [{"chroma": 0, "cqt": False}, {"cqt": False}, {"log_mel": 0, "chroma": 0}], ids=lambda c: ",".join(c)
)
def test_teachers_can_be_chosen(pack, changes):
    _, told = audio_encoders.train("mert", recipe("mert", **changes), audio_pack.load_audio(pack), 1)
    assert ("explained_cqt" in told) == changes.get("cqt", True)
    assert ("accuracy_code" in told) == (changes.get("log_mel", 6) > 0)


def test_no_teacher_and_no_labels_are_refused(pack, tmp_path):
    with pytest.raises(DataError, match="names no teacher"):
        audio_encoders.train("mert", recipe("mert", log_mel=0, chroma=0, cqt=False), audio_pack.load_audio(pack), 1)
    audio_pack.save_audio(tmp_path, tones(4)[0], RATE)
    with pytest.raises(DataError, match="has no labels"):
        audio_encoders.train("vggish", recipe("vggish"), audio_pack.load_audio(tmp_path), 1)


def test_cola_begins_alive(pack):
    """Something of the input is left before anything is learned, else nothing ever would be."""
    sound = audio_pack.load_audio(pack).sound(slice(0, 12))
    for similarity in ("bilinear", "cosine"):
        sizes = SMALL["cola"]["encoder"] | {"similarity": similarity}
        learner = audio_learners.ColaLearner(recipe("cola", encoder=sizes), audio_pack.load_audio(pack), 1, "cpu")
        states = learner.encoder.layers(sound)[0, :, 0]
        assert float((states.std(0).mean() / states.abs().mean()).detach()) > 0.1
        assert float(learner.encoder.similarity(states, states).detach().std()) > 0.1
        loss, _ = learner.loss(sound, torch.zeros(12, 0), torch.Generator().manual_seed(1))
        loss.backward()
        assert all(float(p.grad.abs().max()) > 0 for p in learner.encoder.network.parameters() if p.ndim > 1)


def test_the_command_from_a_folder_of_recordings(tmp_path):
    for i, sound in enumerate(tones(3, 12.0)[0]):
        soundfile.write(tmp_path / f"{i}.wav", sound, RATE)
    (tmp_path / "broken.wav").write_bytes(b"RIFF....WAVE")
    (tmp_path / "small.yaml").write_text(json.dumps({"batch": 4, **SMALL["cola"]}))
    app = audio_encoders.typer.Typer()
    app.command()(audio_encoders._main)
    out = tmp_path / "out"
    arguments = [tmp_path, out, "--encoder", "cola", "--config", tmp_path / "small.yaml", "--steps", "1"]
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert load_encoder(out)(torch.zeros(1, RATE)).states.shape == (1, 1, 160)
    assert json.loads((out / "taught.json").read_text())["recipe"]["steps"] == 1


def test_recordings_are_cut(tmp_path):
    soundfile.write(tmp_path / "a.wav", tones(1, 12.5)[0][0], RATE)
    soundfile.write(tmp_path / "b.wav", tones(1, 10.5)[0][0], RATE)
    found = list(audio_pack.recordings(tmp_path, 5.0))
    assert [len(s) for s in found] == [5 * audio_pack.RATE] * 5  # what remains of b is too little
    assert float(np.abs(found[2][round(2.6 * audio_pack.RATE) :]).max()) < 1e-3


@pytest.mark.parametrize("path", sorted(audio_ablation.Path("configs").glob("audio-*.yaml")), ids=lambda p: p.name)
def test_configs_are_recipes(path):
    kind = path.stem.split("-")[1]
    assert load_config(path, audio_learners.LEARNERS[kind][1])
    assert path.read_text().startswith(f"# python -m mmbert_training.audio_encoders PACK OUT --encoder {kind}")


def test_a_probe_finds_what_is_there_and_no_more():
    task = audio_probe.Task("pitch", "notes", "pitch ")
    rng = torch.Generator().manual_seed(1)
    classes = [torch.randint(4, (n,), generator=rng) for n in (150, 60, 100)]
    knows = [torch.eye(4)[c][:, None] + 0.1 * torch.randn(len(c), 2, 4, generator=rng) for c in classes]
    knows = [torch.cat([k[:, :1], torch.randn(len(k), 1, 4, generator=rng)], 1) for k in knows]  # one of two layers
    knows_nothing = [torch.randn(len(c), 1, 4, generator=rng) for c in classes]
    assert audio_probe.fitted_scores(task, audio_probe.standardised(knows), classes, 4, 1)[0] > 0.95
    assert audio_probe.fitted_scores(task, knows_nothing, classes, 4, 1)[0] < 0.4


def test_keys_are_scored_as_in_mirex():
    task = audio_probe.TASKS[2]
    said, true = np.array([0, 7, 9 + 12, 12, 5]), np.zeros(5, int)
    assert audio_probe.score(task, said, true) == pytest.approx((1 + 0.5 + 0.3 + 0.2 + 0) / 5)
    assert audio_segments.KEY_NAMES[9 + 12] == "key 9 minor"


def test_the_table(tmp_path):
    for seed in (1, 2):
        run = {"variant": "COLA, cosine", "seed": seed, "parameters": 5, "training_cpu_seconds": 2.0,
               "scores": {"instrument": 0.1 * seed, "pitch": 0.5, "key": 0.25}}  # fmt: skip
        (tmp_path / f"{seed}.json").write_text(json.dumps(run))
    (row,) = audio_ablation.table(tmp_path)
    assert (row["seeds"], row["instrument"], row["instrument_deviation"]) == (2, 0.15, 0.071)
