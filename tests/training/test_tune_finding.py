"""The evaluation of finding tunes: its questions, the index beside the search, and a run over toy tunes."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbert_training.evaluate import tune_finding
from mmbert_training.evaluate.tune_finding import Condition, Tunes, part, questions
from mmbert_training.evaluate.tune_ngrams import NGramIndex
from mmbert_training.evaluate.tune_queries import AFTER, FAULTS, Fault, drawn

from mmbert.cli import main
from mmbert.symbolic.tune_line import TUNE_NOTE


def melody(seed: int, n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    line = np.zeros(n, TUNE_NOTE)
    line["pitch"] = 66 + rng.integers(-9, 10, n)
    line["duration"] = rng.choice([0.5, 1.0], n)
    line["onset"] = np.r_[0.0, np.cumsum(line["duration"].astype(float))[:-1]]
    return line


def toy(n: int = 20) -> Tunes:
    return Tunes([melody(i) for i in range(n)], np.arange(n) // 2)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([8, 12]), st.sampled_from(FAULTS))
def test_questions_are_spoiled_as_they_say(seed: int, notes: int, fault: Fault) -> None:
    line = melody(seed)
    tune = drawn(line, notes, fault, np.random.default_rng(seed))
    assert tune.onset is not None
    assert len(tune) == len(tune.onset) == notes + {"1_missing": -1, "1_extra": 1}.get(fault, 0)
    assert (np.diff(tune.onset) > 0).all()
    if fault in ("exact", "1_wrong", "2_wrong"):
        off = [
            int(np.count_nonzero(line["pitch"][i : i + notes].astype(int) - key != tune.pitch))
            for i in range(AFTER, len(line) - notes + 1)
            for key in [int(line["pitch"][i]) - int(tune.pitch[0])]
        ]
        assert min(off) <= {"exact": 0, "1_wrong": 1, "2_wrong": 2}[fault]


def test_the_same_seed_asks_the_same_questions() -> None:
    condition = Condition("4k", 8, "1_wrong")
    first, second = list(questions(toy(), condition, 5)), list(questions(toy(), condition, 5))
    assert all((a.pitch == b.pitch).all() and x == y for (a, x), (b, y) in zip(first, second, strict=True))
    other = list(questions(toy(), Condition("4k", 8, "2_wrong"), 5))
    assert any((a.pitch != b.pitch).any() for (a, _), (b, _) in zip(first, other, strict=True))


def test_clusters_are_drawn_whole() -> None:
    drawn_part = part(toy(), 7)
    assert len(drawn_part) == 8
    assert np.bincount(drawn_part.cluster).tolist() == [2] * 4


def test_the_index_of_runs_knows_what_is_rare() -> None:
    common, rare = np.array([60, 62, 64, 65, 67]), np.array([60, 61, 66, 61, 72])
    index = NGramIndex([common, common + 5, np.r_[common, rare], rare[:4]])
    assert index.scores(common).tolist() == pytest.approx([np.log(4 / 3)] * 3 + [0])
    assert index.scores(rare - 7).tolist() == pytest.approx([0, 0, np.log(4), 0])
    assert index.scores(common[:4]).tolist() == [0] * 4


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Zips of twelve tunes in six clusters, as the data have them."""
    names = "CDEFGABcdefgab"
    works = ["id,source,cluster,cluster_size,split"]
    for source, first in (("taberna_abc", 0), ("nottingham", 6)):
        table = io.StringIO()
        rows = csv.DictWriter(table, ["id", "path", "labels"])
        rows.writeheader()
        book = []
        for i in range(first, first + 6):
            rng = np.random.default_rng(i)
            music = "".join(names[k] + ("2" if long else "") for k, long in rng.integers(0, [[14, 2]] * 40))
            book.append(f"X:{i}\nT:Toy {i}\nM:4/4\nL:1/8\nK:C\n{music}\n\n")
            rows.writerow({"id": f"t{i}", "path": f"all.abc#X:{i}"})
            works.append(f"t{i},{source},c{i % 6},2,test")
        with zipfile.ZipFile(tmp_path / f"{source}.zip", "w") as z:
            z.writestr("all.abc", "".join(book))
            z.writestr("manifest.csv", table.getvalue())
    with zipfile.ZipFile(tmp_path / "works.csv.zip", "w") as z:
        z.writestr("works.csv", "\n".join(works))
    return tmp_path


def test_a_run_prints_every_key(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tune_finding, "SIZES", {"4k": 6, "all": None})
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert main(["eval", "tune-finding", "--data", str(data), "--queries", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_pieces"], found["n_clusters"], found["n_tunes_4k"]) == (12, 6, 6)
    keys = {
        f"r10_{notes}_{fault}_{kind}_{size}"
        for notes in (8, 12) for fault in FAULTS for kind in ("lengths", "pitches") for size in ("4k", "all")
    }  # fmt: skip
    assert keys | {"p95_ms_4k", "p95_ms_all"} <= set(found)
    assert all(found[key] == 1 for key in keys if "12_exact" in key)
    assert len(found["rows"]) == 20


def test_queries_are_for_this_evaluation_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "octuple", "--queries", "2"]) == 2
    said = capsys.readouterr().err
    assert "--queries: octuple asks what it asks. It is for " in said
    assert "tune-finding" in said
