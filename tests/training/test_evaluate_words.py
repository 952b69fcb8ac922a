"""Finding pieces by words: candidates, questions, simple rows, figures, and all of it together on a toy set."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mmbert_training.evaluate import baselines, candidates, columns, neighbours, queries, text_to_music
from mmbert_training.evaluate.hand_written import Asked, hand_written
from mmbert_training.manifest import Work, load_works
from mmbert_training.phrases import POOLS, phrases

from mmbert.cli import main
from mmbert.embed import Embedder
from mmbert.errors import DataError
from mmbert.facets import TOKENS
from mmbert.text.phrases import Phrases

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


def test_validation_has_one_releasable_work_a_cluster_and_those_that_questions_were_written_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = hand_written("validation")[0].work
    works = [
        work("a", "nottingham", "one", "validation"),
        work(asked, "nottingham", "one", "validation"),
        work("c", "nottingham", "two", "validation"),
        work("b", "nottingham", "two", "validation"),
        work("d", "nottingham", "three"),
        work("e", "asap", "four", "validation"),
    ]
    monkeypatch.setattr(candidates, "load_works", lambda data: works)
    assert {w.id for w in candidates.load_candidates(None, "validation")} == {asked, "b"}


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


def test_the_kept_sentences_say_the_same_facts_in_two_wordings() -> None:
    listed = json.loads((Path(candidates.__file__).parent / "data/text_to_music_candidates.json").read_text())["ids"]
    known, unseen = (queries.kept(pool) for pool in POOLS)
    assert [(q.work, q.facts) for q in known] == [(q.work, q.facts) for q in unseen]
    assert [q.work for q in known] == [i for i in listed for _ in range(queries.QUERIES)]
    assert all(2 <= len(q.facts) <= 5 and set(q.facts) <= set(TOKENS) for q in known)
    assert all(a.text != b.text for a, b in zip(known, unseen, strict=True))
    assert {q.work for q in hand_written("test")} <= set(listed)


def test_sentences_of_other_phrases_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "phrases_digest", lambda: "another")
    with pytest.raises(DataError, match="other phrases"):
        queries.kept("unseen")


def test_what_is_drawn_for_a_work_is_true_and_depends_on_no_other() -> None:
    pieces = [(f"w{i}", tokens) for i, tokens in enumerate(STATEMENTS)]
    drawn = queries.draw(pieces, "known")
    assert drawn == queries.draw(pieces, "known")
    assert queries.draw(pieces[1:2], "known") == [q for q in drawn if q.work == "w1"]
    assert [(q.work, q.facts) for q in queries.draw(pieces, "unseen")] == [(q.work, q.facts) for q in drawn]
    assert all(set(q.facts) <= set(STATEMENTS[int(q.work[1:])]) for q in drawn)
    assert queries.draw([("none", ())], "known") == []


def test_bm25_is_the_formula() -> None:
    documents = [baselines.counted([d]) for d in ("slow slow waltz", "fast reel", "slow air in the key of g")]
    length, idf = np.array([3, 2, 7]), math.log(1 + 1.5 / 2.5)
    f = np.array([2, 0, 1])
    expected = idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * length / 4))
    assert baselines.bm25(documents, ["Slow!"])[0] == pytest.approx(expected)
    assert not baselines.bm25(documents, ["polka"]).any()


def test_a_full_sheet_holds_the_words_of_every_known_phrase() -> None:
    statements, pool = STATEMENTS[1], phrases("known")
    said = [p for s in statements for p in pool.of(s)] + list(pool.of_key("key=D", "mode=minor"))
    assert baselines.sheet(statements) == baselines.counted(said)
    assert baselines.sheet(("form=waltz",))["waltz"]
    assert not baselines.sheet(())


def test_phrase_neighbours_find_what_chunks_say(few_phrases: None, tiny_weights: Path) -> None:
    asked = ["a jig", "slow, for violin", "in D minor"]
    found = neighbours.phrase_neighbours(STATEMENTS, asked, Embedder.from_pretrained(tiny_weights).language)
    assert found.argmax(axis=1).tolist() == [0, 2, 1]


def test_similarity_of_words_is_the_mean_over_captions() -> None:
    rows = {"a": [1.0, 0.0], "b": [0.0, 1.0]}
    found = baselines.by_language(
        [["a", "b"], ["b"]], np.array([[1.0, 0.0]]), lambda texts: np.array([rows[t] for t in texts])
    )
    assert found.tolist() == [[0.5, 0.0]]


@pytest.fixture
def few_phrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small pool: thousands of phrases take seconds to read."""
    pool = Phrases(
        "form=jig | =jig; =hop\nform=reel | =reel\nform=polka | =polka\npace=slow | slow\nmode=minor | minor\n"
        "instrument | ~for {}\ninstrument=violin | violin; fiddle\nkey | ~in {}\nkey+mode | ~in {k} {m}"
    )
    monkeypatch.setattr(neighbours, "known_phrases", lambda: pool)


def column(facts: list[tuple[str, ...]], target: list[int], **scores: list[list[float]]) -> columns.Column:
    """A column over the candidates of STATEMENTS."""
    asked = tuple(Asked(f"w{i}", "", f) for i, f in zip(target, facts, strict=True))
    rows = {"oracle": baselines.true_facts(STATEMENTS, facts)} | {k: np.array(v) for k, v in scores.items()}
    return columns.Column("hand", asked, tuple(q.work for q in asked), np.array(target), rows)


def test_rows_count_the_one_work_and_beside_it_every_work_that_fits() -> None:
    found = column([("mode=minor", "pace=slow"), ("form=reel",)], [2, 0], fused=[[3, 2, 1], [3, 2, 1]])
    oracle, fused = text_to_music.rows_of(found)
    assert (oracle["mrr"], oracle["mrr_any"]) == pytest.approx(((0.75 + 11 / 18) / 2, (1 + 11 / 18) / 2))
    assert (fused["mrr"], fused["mrr_any"]) == pytest.approx(((1 / 3 + 1) / 2, (1 / 2 + 1) / 2))
    assert fused["share_of_oracle"] == pytest.approx(fused["mrr"] / oracle["mrr"])
    assert (fused["r@1"], fused["r@5"], fused["queries"]) == (0.5, 1, 2)
    [only] = [r for r in text_to_music.rows_of(found.where([False, True])) if r["row"] == "fused"]
    assert (only["mrr"], only["queries"]) == (1, 1)


def test_a_work_finds_the_best_of_its_own_texts() -> None:
    facts = [("key=D", "form=jig"), ("mode=major",), ("key=C", "mode=minor")]
    same = {row: [[0.9, 0, 0.1], [0.2, 0, 0.5], [0.5, 0, 0.4]] for row in ("minilm", "notes", "facets", "vectors")}
    rows = {r["row"]: r for r in text_to_music.rows_to_text(column(facts, [0, 0, 2], **same))}
    assert rows["vectors"]["works"] == 2
    assert rows["vectors"]["mrr"] == pytest.approx((1 + 1 / 2) / 2)
    assert rows["oracle"]["mrr"] == rows["oracle"]["share_of_oracle"] == 1


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


@pytest.fixture
def toy(data: Path, few_phrases: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy data as candidates, with questions of their own."""
    monkeypatch.setattr(text_to_music, "load_candidates", lambda data, split: load_works(data, ("nottingham",)))
    asked = [Asked("n-jig", "a lively jig in D", ("key=D", "form=jig")), Asked("n-reel", "metal", ("form=hymn",))]
    monkeypatch.setattr(columns, "hand_written", lambda split: asked)
    return data


def test_all_rows_on_a_toy_set(toy: Path, tiny_weights: Path) -> None:
    found = text_to_music.run(toy, tiny_weights, "validation")
    rows = {(r["row"], r["column"]): r for r in found["rows"]}
    names = {"chance", "oracle", "fused", "vectors", "notes", "facets", "rules", "knn", "bm25", "bm25_sheet", "minilm"}
    assert {name for name, _ in rows} == names
    assert (found["split"], found["n_candidates"], found["n_queries_known"], found["n_queries_hand"]) == (
        "validation", 3, 6, 2,
    )  # fmt: skip
    assert found["facts_a_query_hand"] == 1.5
    assert 0 < found["share_unseen_with_a_known_word"] < 1
    for column in ("known", "unseen", "hand"):
        assert rows["chance", column]["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
        assert rows["oracle", column]["share_of_oracle"] == 1
        assert rows["oracle", column]["mrr"] >= rows["chance", column]["mrr"]
        for name in names:
            row = rows[name, column]
            assert found[f"mrr_{name}_{column}"] == row["mrr"] <= row["mrr_any"]
            assert row["low"] <= row["mrr"] <= row["high"]
            assert row["r@5"] == pytest.approx(1)
        for name in ("fused", "vectors", "notes"):
            assert found[f"share_{name}_{column}"] == rows[name, column]["share_of_oracle"]
    assert rows["bm25_sheet", "known"]["share_of_oracle"] > 0.9
    assert rows["rules", "hand"]["r@1"] > rows["chance", "hand"]["r@1"]
    assert 2 <= found["facts_a_query_known"] <= 5
    assert {r["column"] for r in found["rows_without_form"]} == {"known", "unseen"}  # both hand-written ones name one
    assert found["rows_without_form"][0]["queries"] < found["rows"][0]["queries"]
    assert {r["row"] for r in found["music_to_text"]} == {"oracle", "minilm", "notes", "facets", "vectors"}
    assert [d["rows"] for d in found["differences_of_mrr"][:3]] == [
        "fused - bm25_sheet", "fused - knn", "vectors - knn",
    ]  # fmt: skip


def test_kept_sentences_must_be_true_of_the_works(
    toy: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "kept", lambda pool: [Asked("n-jig", "a waltz", ("form=waltz",))])
    with pytest.raises(DataError, match=r"not true of their works.*evaluate\.queries"):
        text_to_music.run(toy, tiny_weights)
    monkeypatch.setattr(columns, "kept", lambda pool: [])
    monkeypatch.setattr(columns, "hand_written", lambda split: [Asked("n-polka", "a polka", ("form=polka",))])
    with pytest.raises(DataError, match="lacks 1 works"):
        text_to_music.run(toy, tiny_weights)


def test_other_evaluations_refuse_a_split(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "understanding", "--split", "validation"]) == 2
    said = capsys.readouterr().err
    assert "It is for accompaniment, " in said
    assert "text-to-music" in said
