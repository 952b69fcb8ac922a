"""Finding pieces by words: the candidates, the sentences, the simple rows, and all rows together on a toy set."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mmbert_training.evaluate import baselines, candidates, text_to_music
from mmbert_training.manifest import Work, load_works

from mmbert.errors import DataError
from mmbert.text.encoder import TextEncoder

COLUMNS = "id path title creator form key metre genre style instrumentation year language labels same_as".split()  # noqa: SIM905
STATEMENTS = (
    ("key=D", "mode=major", "metre=6/8", "pace=fast", "form=jig"),
    ("key=D", "mode=minor", "metre=3/4", "pace=slow", "form=waltz"),
    ("key=C", "mode=minor", "metre=4/4", "pace=slow", "instrument=violin"),
)


def work(id: str, source: str, cluster: str, split: str = "test") -> Work:
    return Work(id, source, cluster, split, Path(), "", {})  # type: ignore[arg-type]


def test_one_candidate_a_cluster_and_no_tune_that_an_open_source_has() -> None:
    works = [
        work("nottingham-b", "nottingham", "one"),
        work("nottingham-a", "nottingham", "one"),
        work("lieder-1", "openscore_lieder", "two"),
        work("lieder-2", "openscore_lieder", "three", "train"),
        work("taberna-1", "taberna_abc", "one"),
        work("taberna-2", "taberna_abc", "four"),
        work("taberna-3", "taberna_abc", "four"),
        work("taberna-4", "taberna_abc", "five", "train"),
        work("asap-1", "asap", "six"),
    ]
    assert candidates.choose(works, lambda w: True) == ["lieder-1", "nottingham-a", "taberna-2"]
    assert candidates.choose(works[::-1], lambda w: w.id != "taberna-2") == ["lieder-1", "nottingham-a", "taberna-3"]


def test_the_kept_list_is_the_one_of_its_digest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = json.loads((Path(candidates.__file__).parent / "data/text_to_music_candidates.json").read_text())
    assert len(kept["ids"]) == len(set(kept["ids"])) == 690
    assert sum(i.startswith("taberna-") for i in kept["ids"]) == candidates.N_TUNES
    assert candidates.digest(kept["ids"]) == kept["sha256"]
    monkeypatch.delenv("MMBERT_DATA", raising=False)
    with pytest.raises(DataError, match="--data"):
        candidates.load_candidates(None)
    monkeypatch.setattr(candidates, "digest", lambda ids: "another")
    with pytest.raises(DataError, match="digest"):
        candidates.load_candidates(tmp_path)


def test_both_wordings_say_the_same_facts_and_only_true_ones() -> None:
    queries = text_to_music.draw(STATEMENTS)
    assert queries == text_to_music.draw(STATEMENTS)
    half = len(queries) // 2
    assert half == len(STATEMENTS) * text_to_music.QUERIES
    for known, held_out in zip(queries[:half], queries[half:]):
        assert (known.candidate, known.facts) == (held_out.candidate, held_out.facts)
        assert set(known.facts) <= set(STATEMENTS[known.candidate])
        assert known.text != held_out.text
    scores = text_to_music.oracle(STATEMENTS, queries)
    assert all(scores[i, q.candidate] == scores[i].max() == len(q.facts) for i, q in enumerate(queries))


def test_bm25_is_the_formula() -> None:
    documents = ["slow slow waltz", "fast reel", "slow air in the key of g"]
    length, idf = np.array([3, 2, 7]), math.log(1 + 1.5 / 2.5)
    f = np.array([2, 0, 1])
    expected = idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * length / 4))
    assert baselines.bm25(documents, ["Slow!"])[0] == pytest.approx(expected)
    assert not baselines.bm25(documents, ["polka"]).any()


def test_a_full_sheet_holds_every_known_phrase_and_no_held_out_one() -> None:
    sheet = baselines.sheet(STATEMENTS[1])
    assert "waltz" in sheet
    assert "D minor" in sheet
    assert "rooted on D" not in sheet


def test_phrase_neighbours_find_what_chunks_say(minilm: TextEncoder) -> None:
    found = baselines.phrase_neighbours(STATEMENTS, ["a jig", "slow, for violin", "in D minor"], minilm)
    assert found.argmax(axis=1).tolist() == [0, 2, 1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    tunes = {
        "jig": "X:1\nT:One\nR:jig\nM:6/8\nL:1/8\nK:D\n" + "DFA dAF|DFA dcB|AFD EDC|D3 D3|\n" * 4,
        "waltz": "X:1\nT:Two\nR:waltz\nM:3/4\nL:1/4\nK:Am\n" + "A c e|a2 e|d2 c|^G2 B|c2 A|A3|\n" * 4,
        "reel": "X:1\nT:Three\nR:reel\nM:4/4\nL:1/8\nK:G\n" + "GABc dBGB|cABG AFDF|GABc dBGB|AFDF G4|\n" * 4,
    }
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="")
    table.writeheader()
    table.writerows({"id": f"n-{n}", "path": f"{n}.abc", "form": n, "title": f"Tune {n[::-1]}"} for n in tunes)
    with zipfile.ZipFile(tmp_path / "nottingham.zip", "w") as z:
        z.writestr("manifest.csv", text.getvalue())
        for name, tune in tunes.items():
            z.writestr(f"{name}.abc", tune)
    with zipfile.ZipFile(tmp_path / "works.csv.zip", "w") as z:
        z.writestr("works.csv", "id,cluster,split\n" + "".join(f"n-{n},c-{n},test\n" for n in tunes))
    return tmp_path


def test_all_rows_on_a_toy_set(data: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_to_music, "load_candidates", lambda data: load_works(data, ("nottingham",)))
    found = text_to_music.run(data, tiny_weights)
    rows = {(r["row"], r["wording"]): r for r in found["rows"]}
    assert found["candidates"] == 3
    assert {name for name, _ in rows} == {
        "chance", "oracle", "BM25, six captions", "BM25, full sheet", "phrase neighbours", "vectors", "fused"
    }  # fmt: skip
    assert rows["chance", "known"]["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    for pool in ("known", "held_out"):
        assert rows["oracle", pool]["share_of_oracle"] == 1
        assert rows["oracle", pool]["mrr"] >= rows["chance", pool]["mrr"]
        assert rows["fused", pool]["low"] <= rows["fused", pool]["mrr"] <= rows["fused", pool]["high"]
        assert rows["fused", pool]["r@5"] == 1
    assert rows["BM25, full sheet", "known"]["share_of_oracle"] > 0.9
    assert 2 <= found["facts_a_query"] <= 5
    assert found["rows_without_form"][0]["queries"] < found["rows"][0]["queries"]
    assert found == text_to_music.run(data, tiny_weights)
