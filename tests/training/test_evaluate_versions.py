"""Finding another version of a work: the three sets, the counts of notes, and all rows on toy data."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mmbert_training.evaluate import music_to_music, note_features, versions
from mmbert_training.manifest import load_works

from mmbert.items import write_midi
from mmbert.prepare import Prepared
from mmbert.symbolic.score import Part, Score
from mmbert.symbolic.transform import transpose

COLUMNS = "id path title creator form key metre genre style instrumentation year language labels same_as".split()  # noqa: SIM905
TUNES = {  # X: (work cluster, key, notes)
    "1": ("jig", "D", "DFA dAF|DFA dcB|AFD EDC|D3 D3|"),
    "2": ("jig", "E", "EGB eBG|EGB edc|BGE FED|E3 E3|"),  # the same in another key
    "3": ("jig", "D", "DFA dAF|DFA d2B|AFD E2C|D3 D3|"),  # another setting
    "4": ("air", "G", "G2B d2B|c2A F2A|G2B d2g|G3 G3|"),
    "5": ("air", "A", "A2c e2c|d2B G2B|A2c e2a|A3 A3|"),  # no other setting than the transposed one
    "6": ("lone", "C", "CEG cGE|CEG c3|BAG FED|C3 C3|"),
    "7": ("mute", "C", "z6|z6|"),
}


def line(pitches: list[int], seed: int = 0) -> Score:
    """A melody with an accompaniment that a reader made of chord symbols."""
    lengths = np.random.default_rng(seed).choice([240, 480, 720], len(pitches))
    onsets = np.cumsum(np.r_[0, lengths[:-1]])
    notes = [(int(t), int(n), p, 80, 0, False, 0) for t, n, p in zip(onsets, lengths, pitches)]
    chords = [(0, 1920, 48, 60, 0, False, 1)]
    parts = (Part("melody"), Part("chords", written=False))
    return Score.build(notes + chords, 480, tempo_map=[(0, 90.0)], metre_map=[(0, 4, 4)], parts=parts)


def melody(seed: int, n: int = 64) -> list[int]:
    return (62 + np.cumsum(np.random.default_rng(seed).integers(-2, 3, n)) % 12).tolist()


def zipped(path: Path, rows: list[dict[str, str]], files: dict[str, bytes]) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="")
    table.writeheader()
    table.writerows(rows)
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("manifest.csv", text.getvalue())
        for name, content in files.items():
            z.writestr(name, content)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    book = "".join(f"X:{x}\nT:Tune {x}\nM:6/8\nL:1/8\nK:{key}\n{notes * 4}\n\n" for x, (_, key, notes) in TUNES.items())
    tunes = [{"id": f"t{x}", "path": f"all.abc#X:{x}", "title": f"Tune {x}"} for x in TUNES]
    zipped(tmp_path / "taberna_abc.zip", tunes, {"all.abc": book.encode()})
    rows: list[dict[str, str]] = []
    files: dict[str, bytes] = {}
    for i in range(3):
        score = line(melody(i), i)
        slow = score.notes.copy()
        slow["onset"] = slow["onset"] * 1.1 + np.random.default_rng(i).integers(0, 60, len(slow))
        rows += [{"id": f"a{i}", "path": f"a{i}.mid"}, {"id": f"a{i}-perf", "path": f"p{i}.mid", "same_as": f"a{i}"}]
        files |= {f"a{i}.mid": write_midi(score, {}), f"p{i}.mid": write_midi(score.with_notes(slow), {})}
    zipped(tmp_path / "asap.zip", rows, files)
    split = [f"t{x},{cluster},test" for x, (cluster, _, _) in TUNES.items()]
    split += [f"a{i}{end},a{i},{'train' if i == 2 else 'test'}" for i in range(3) for end in ("", "-perf")]
    with zipfile.ZipFile(tmp_path / "works.csv.zip", "w") as z:
        z.writestr("works.csv", "\n".join(["id,cluster,split", *split]))
    return tmp_path


def titles(pieces: tuple[Prepared, ...]) -> list[str]:
    return [str(p.facets.title) for p in pieces]


def test_settings_of_a_tune_have_other_intervals(data: Path) -> None:
    found = versions.tunes(load_works(data, ("taberna_abc",)), {"score"})
    assert titles(found.questions) == ["Tune 1"]
    assert found.works == ("jig",)
    assert titles(found.candidates)[0] == "Tune 3"
    assert sorted(titles(found.candidates)[1:]) == ["Tune 4", "Tune 6"]
    assert found.target.tolist() == [0]


def test_a_performance_is_asked_for_among_scores(data: Path) -> None:
    found = versions.performances([w for w in load_works(data, ("asap",)) if w.split != "train"], {"score"})
    assert (len(found.questions), len(found.candidates)) == (2, 2)
    assert found.works == ("a0", "a1")
    assert found.target.tolist() == [0, 1]
    assert found.questions[0].n_notes == found.candidates[0].n_notes


def test_a_copy_is_in_another_key_and_tempo_and_nothing_else(data: Path) -> None:
    works = load_works(data, ("asap",))[::2]
    found = versions.copies(works, {"score"})
    assert sorted(found.works) == ["a0", "a1", "a2"]
    for copy, i in zip(found.questions, found.target, strict=True):
        new, old = copy.item.score, found.candidates[i].item.score
        assert new is not None
        assert old is not None
        shifts = set((new.notes["pitch"].astype(int) - old.notes["pitch"]).tolist())
        assert len(shifts) == 1
        assert 1 <= abs(shifts.pop()) <= 6
        assert (new.notes["onset"] == old.notes["onset"]).all()
        ratio = old.duration_s / new.duration_s
        assert 0.6 <= ratio <= 1.6
        assert ratio != pytest.approx(1)
    again = versions.copies(works[:1], {"score"})
    twin = found.questions[found.works.index("a0")]
    assert (again.questions[0].tokens == twin.tokens).all()


def test_a_copy_stays_within_the_keyboard() -> None:
    for seed in range(20):
        found = versions.changed(Score.build([(0, 480, 127, 80, 0, False, 0)], 480), np.random.default_rng(seed))
        assert 121 <= found.notes["pitch"][0] <= 126
    drums = Score.build([(0, 480, 40, 80, 0, True, 0)], 480)
    assert versions.changed(drums, np.random.default_rng(0)).notes["pitch"].tolist() == [40]


def test_counts_do_not_depend_on_the_key_but_for_the_mean_pitch() -> None:
    score = line(melody(4))
    here, there = note_features.features(score), note_features.features(transpose(score, 3))
    assert here.shape == (64,)
    assert here[:-1] == pytest.approx(there[:-1])
    assert there[-1] - here[-1] == pytest.approx(3)
    for part in (here[:12], here[12:37], here[37:45], here[45:61]):
        assert part.sum() == pytest.approx(1)
    chordless = line(melody(4)).with_notes(score.notes[score.notes["part"] == 0])
    assert note_features.pitch_classes(score) == pytest.approx(note_features.pitch_classes(chordless))


@pytest.mark.parametrize("notes", [[(0, 480, 60, 80, 0, False, 0)], [(0, 0, 60, 80, 0, True, 0)]])
def test_one_note_and_drums_alone_have_counts(notes: list[tuple]) -> None:
    assert np.isfinite(note_features.features(Score.build(notes, 480))).all()


def test_pitch_classes_are_compared_in_the_best_rotation() -> None:
    rows = np.stack([note_features.pitch_classes(line(melody(i), i)) for i in range(5)])
    found = note_features.by_pitch_classes(np.roll(rows, 4, axis=1), rows)
    assert found.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
    assert np.diagonal(found) == pytest.approx(1)


def test_a_number_that_all_share_says_nothing() -> None:
    candidates = np.array([[1.0, 5.0], [2.0, 5.0]])
    assert note_features.by_features(np.array([[2.0, 9.0]]), candidates).round(6).tolist() == [[-1, 1]]


def test_all_rows_on_toy_data(data: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    originals = [w for w in load_works(data, ("asap",)) if not w.row["same_as"]]
    monkeypatch.setattr(versions, "load_candidates", lambda data: originals)
    found = music_to_music.run(data, tiny_weights)
    sizes = {"tunes": (1, 3), "performances": (2, 2), "copies": (3, 3)}
    for name, (queries, candidates) in sizes.items():
        assert (found[f"n_queries_{name}"], found[f"n_candidates_{name}"]) == (queries, candidates)
        expected = np.mean(1 / np.arange(1, candidates + 1))
        assert found[f"mrr_chance_{name}"] == pytest.approx(expected)
        for row in ("vectors", "notes", "features", "pitch_classes"):
            assert 0 < found[f"mrr_{row}_{name}"] <= 1
    assert found["mrr_pitch_classes_copies"] == found["mrr_features_copies"] == pytest.approx(1)
    assert {(r["row"], r["set"]) for r in found["rows"]} == {
        (row, name) for row in ("chance", "vectors", "notes", "features", "pitch_classes") for name in sizes
    }
    assert len(found["differences_of_mrr"]) == 9
    assert found == music_to_music.run(data, tiny_weights)
