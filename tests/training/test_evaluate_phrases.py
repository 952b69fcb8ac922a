"""Completion and accompaniment: which phrases are candidates, what ranks them, and the fit of the weights."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mmbert_training import conditional_logit, phrase_pack
from mmbert_training.evaluate import accompaniment, melody_completion, phrase_candidates, phrase_ranking
from mmbert_training.evaluate.phrase_candidates import candidates_of, digest, lines, repeats
from mmbert_training.evaluate.phrase_rows import figures_of, fitted_weights, looked_up, simple_rows
from mmbert_training.manifest import load_works
from mmbert_training.phrase_pack import PhraseWork, WorkPhrases, gather, load_phrases, write_phrases

from mmbert.errors import DataError
from mmbert.items import write_midi
from mmbert.symbolic.phrases import joined, phrases_of
from mmbert.symbolic.score import Part, Score

TICKS = 480
COLUMNS = "id path title creator form key metre genre style instrumentation year language labels same_as".split()  # noqa: SIM905


def song(seed: int, bars: int = 16, repeat: tuple[int, int] | None = None, up: int = 0) -> Score:
    """A tune over chords on the first note of each bar; ``repeat`` copies one phrase over another."""
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    degree = np.cumsum(rng.integers(-2, 3, bars * 4)) % 14
    if repeat is not None:
        into, of = repeat
        degree[into * 16 : into * 16 + 16] = degree[of * 16 : of * 16 + 16]
    roots = degree[::4] % 7
    melody = [(i * TICKS, TICKS, int(67 + scale[d % 7] + 12 * (d // 7)) + up) for i, d in enumerate(degree)]
    held = [
        (b * 4 * TICKS, 4 * TICKS, int(48 + scale[(r + k) % 7] + 12 * ((r + k) // 7)) + up)
        for b, r in enumerate(roots)
        for k in (0, 2, 4)
    ]
    notes = [(t, n, p, 80, 0, False, 0) for t, n, p in melody] + [(t, n, p, 60, 0, False, 1) for t, n, p in held]
    parts = (Part("melody", role="melody"), Part("piano", role="accompaniment"))
    return Score.build(notes, TICKS, metre_map=[(0, 4, 4)], parts=parts)


def phrases_from(scores: dict[str, Score], clusters: dict[str, str] | None = None) -> WorkPhrases:
    tables = [phrases_of(s, hop=4) for s in scores.values()]
    work = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
    works = tuple(PhraseWork(name, "toy", (clusters or {}).get(name, name), "test") for name in scores)
    table = joined(tables)
    return WorkPhrases(works, table, work, phrase_pack._following(table, work), {})


@pytest.fixture(scope="module")
def toy() -> WorkPhrases:
    scores = {f"s{i}": song(i) for i in range(24)}
    scores["rep"] = song(50, repeat=(2, 0))  # its third phrase is its first
    scores["copy"] = song(3, up=5)  # s3 in another key
    scores["twin"] = song(60)
    return phrases_from(scores, {"twin": "s5"})


def row(toy: WorkPhrases, name: str) -> int:
    return next(i for i in range(len(toy)) if toy.uid(i) == name)


@pytest.mark.parametrize("task", phrase_candidates.TASKS)
def test_lists_hold_the_answer_first_and_nothing_twice(toy, task):
    made = candidates_of(toy, task)
    for name, rows in made.lists.items():
        assert (rows[:, 0] == made.answers).all()
        for some in rows:
            some = some[some >= 0]
            assert len(set(some.tolist())) == len(some), name
    work, cluster = toy.work, toy.cluster
    for i, query in enumerate(made.queries):
        same, matched = (made.lists[n][i, 1:] for n in ("same", "matched"))
        assert (work[same[same >= 0]] == work[query]).all()
        assert (cluster[matched[matched >= 0]] != cluster[query]).all()
        hard = made.lists["hard"][i, 1:]
        assert set(hard[hard >= 0]) == set(np.r_[same[same >= 0], matched[matched >= 0]])
        paper = made.lists["paper"][i, 1:]
        assert (cluster[paper[paper >= 0]] != cluster[query]).all()
    assert (made.lists["paper"] >= 0).sum(axis=1).min() == 50
    assert made.open[np.arange(len(made.queries)), made.answers].all()


def test_the_answer_of_completion_begins_where_the_query_ends(toy):
    made = candidates_of(toy, "completion")
    bars = toy.table.start_bar
    assert (bars[made.answers] == bars[made.queries] + 4).all()
    assert (toy.work[made.answers] == toy.work[made.queries]).all()
    assert not made.open[np.arange(len(made.queries)), made.queries].any()


def test_literal_repeats_are_no_candidates(toy):
    made = candidates_of(toy, "completion")
    first, third, fourth = row(toy, "rep:0"), row(toy, "rep:8"), row(toy, "rep:12")
    own = repeats(toy.table, "completion")
    assert own[first] == own[third] != own[fourth]
    asked = made.queries.tolist().index(first)
    assert not made.open[asked, third]  # it repeats the query
    assert made.open[asked, fourth]
    sounds = candidates_of(toy, "accompaniment")
    asked = sounds.queries.tolist().index(first)
    assert not sounds.open[asked, third]  # another singing of the same notes


def test_transposed_copies_and_other_settings_are_no_candidates(toy):
    for task in phrase_candidates.TASKS:
        made = candidates_of(toy, task)
        asked = made.queries.tolist().index(row(toy, "s3:0"))
        assert not made.open[asked, toy.work == [w.id for w in toy.works].index("copy")].any()
        asked = made.queries.tolist().index(row(toy, "s5:0"))
        assert not made.open[asked, toy.work == [w.id for w in toy.works].index("twin")].any()


def test_matched_candidates_are_like_the_answer(toy):
    made = candidates_of(toy, "completion")
    from mmbert.symbolic.phrase_profiles import melodies

    profile = melodies(toy.table)
    for answer, rows in zip(made.answers, made.lists["matched"]):
        others = rows[1:][rows[1:] >= 0]
        assert (np.abs(profile.median_pitch[others] - profile.median_pitch[answer]) <= 3).all()
        assert (np.abs(profile.count[others] - profile.count[answer]) <= 0.3 * profile.count[answer]).all()


def test_a_list_changes_only_where_a_phrase_does(toy):
    made = candidates_of(toy, "completion")
    less = toy.work != 0
    place = np.cumsum(less) - 1
    table = toy.table.rows(less)
    following = np.where(toy.following[less] >= 0, place[toy.following[less]], -1)
    fewer = WorkPhrases(toy.works, table, toy.work[less], following, {})
    again = {line["query"]: line for line in lines(fewer, candidates_of(fewer, "completion"))}
    for line in lines(toy, made):
        if not any(name.startswith("s0:") for name in line["paper"]) and line["query"] in again:
            assert again[line["query"]]["paper"] == line["paper"]
    assert digest(toy, made) == digest(toy, candidates_of(toy, "completion"))
    assert digest(fewer, candidates_of(fewer, "completion")) != digest(toy, made)


def test_chance_is_chance_and_an_oracle_is_right(toy):
    made = candidates_of(toy, "completion")
    truth = np.zeros((len(toy), len(toy)))
    truth[made.queries, made.answers] = 1
    rows = simple_rows(figures_of(toy.table, "completion"), "completion", {"join": 1.0})
    for name in phrase_candidates.SETS:
        asked, found = phrase_ranking.ranks({"chance": rows["chance"], "truth": looked_up(truth)}, made, name)
        n = (made.open if name == "full" else made.lists[name] >= 0).sum(axis=1)[asked]
        np.testing.assert_allclose(found["chance"].recall_at(1), 1 / n)
        assert (found["truth"].rank() == 1).all()


def test_the_fit_finds_weights_that_chose():
    rng = np.random.default_rng(0)
    figures = rng.normal(size=(400, 12, 3)) * [1, 10, 1]
    present = np.arange(12) < rng.integers(2, 13, (400, 1))
    noise = rng.gumbel(size=(400, 12))
    chosen = np.where(present, figures @ [1.0, -0.2, 0.0] + noise, -np.inf).argmax(axis=1)
    to_front = np.tile(np.arange(12), (400, 1))
    to_front[np.arange(400), chosen], to_front[:, 0] = 0, chosen
    rows = np.take_along_axis(figures, to_front[:, :, None], axis=1)
    seen = np.take_along_axis(present, to_front, axis=1)
    np.testing.assert_allclose(conditional_logit.fit(rows, seen), [1.0, -0.2, 0.0], atol=0.15)
    with pytest.raises(ValueError, match="no choice"):
        conditional_logit.fit(rows[:0], seen[:0])


def test_fitted_weights_beat_what_they_were_fitted_on_by_chance(toy):
    for task in phrase_candidates.TASKS:
        figures, made = figures_of(toy.table, task), candidates_of(toy, task)
        weights = fitted_weights([(figures, made), (figures, made)])
        assert weights == pytest.approx(fitted_weights([(figures, made)]), abs=1e-3)
        _, found = phrase_ranking.ranks(simple_rows(figures, task, weights), made, "paper")
        assert found["fitted"].reciprocal_rank().mean() > 1.5 * found["chance"].reciprocal_rank().mean()


# ---- from files ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    text, split = io.StringIO(), ["id,source,cluster,cluster_size,split"]
    table = csv.DictWriter(text, COLUMNS, restval="")
    table.writeheader()
    with zipfile.ZipFile(folder / "nottingham.zip", "w") as z:
        for i in range(36):
            part = "train" if i < 20 else "test" if i < 34 else "validation"
            table.writerow({"id": f"n{i}", "path": f"n{i}.mid"})
            split.append(f"n{i},nottingham,n{i},1,{part}")
            z.writestr(f"n{i}.mid", b"no midi" if i == 33 else write_midi(song(i), {}))
        z.writestr("manifest.csv", text.getvalue())
    with zipfile.ZipFile(folder / "works.csv.zip", "w") as z:
        z.writestr("works.csv", "\n".join(split))
    return folder


def test_phrases_come_back_as_they_were_written(data, tmp_path):
    found = gather([w for w in load_works(data, ("nottingham",)) if w.split == "test"], hop=1)
    assert found.left_out
    assert len(found.works) == 13
    assert (np.diff(found.work) >= 0).all()
    manifest = write_phrases(found, tmp_path)
    assert manifest["by_source"] == {"nottingham": len(found)}
    again = load_phrases(tmp_path)
    np.testing.assert_array_equal(again.table.melody, found.table.melody)
    np.testing.assert_array_equal(again.following, found.following)
    assert again.works == found.works
    (tmp_path / phrase_pack.ARRAYS).write_bytes(b"x")
    with pytest.raises(DataError, match="damaged"):
        load_phrases(tmp_path)
    with pytest.raises(DataError, match="not a readable folder"):
        load_phrases(tmp_path / "nowhere")


@pytest.mark.parametrize("evaluation", [melody_completion, accompaniment])
def test_all_rows_and_keys(data, monkeypatch, evaluation):
    monkeypatch.setattr(phrase_ranking, "SOURCES", ("nottingham",))
    monkeypatch.setattr(phrase_ranking, "held_out_tenth", lambda works: works)
    with pytest.raises(DataError, match="was taken of other phrases"):
        evaluation.run(data)
    monkeypatch.setattr(
        phrase_ranking, "load_candidates", lambda found, task, source, split: candidates_of(found, task)
    )
    result = evaluation.run(data)
    json.dumps(result)
    for name in phrase_candidates.SETS:
        for key in ("map", "r10"):
            assert 0 <= result[f"{key}_{name}_fitted_nottingham"] <= 1
            assert result[f"{key}_{name}_fitted_mean"] == result[f"{key}_{name}_fitted_nottingham"]
    assert result["n_works_nottingham"] == 13
    names = {r["row"] for r in result["rows"]}
    assert {"chance", "hand", "fitted", "tonnetz", "piano_roll"} <= names


def test_a_further_row_drops_in(data, monkeypatch):
    monkeypatch.setattr(phrase_ranking, "SOURCES", ("nottingham",))
    monkeypatch.setattr(phrase_ranking, "held_out_tenth", lambda works: works)
    monkeypatch.setattr(
        phrase_ranking, "load_candidates", lambda found, task, source, split: candidates_of(found, task)
    )

    def towers(asked, learned):
        truth = np.zeros((len(asked.phrases), len(asked.phrases)))
        truth[asked.candidates.queries, asked.candidates.answers] = 1
        assert {w.split for w in learned.phrases.works} == {"train"}
        return {"towers": looked_up(truth)}

    result = phrase_ranking.rank("completion", data, "test", more=towers)
    assert result["map_full_towers_nottingham"] == 1


def test_the_kept_digests_are_of_every_task_source_and_split():
    from importlib.resources import files

    kept = json.loads(files(phrase_candidates.__package__).joinpath("data/phrase_candidates.json").read_text())
    assert len(kept) == 12
    assert all(len(k["sha256"]) == 64 and k["queries"] > 300 for k in kept.values())
