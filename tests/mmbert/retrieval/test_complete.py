"""Phrases for a melody: which are open to it, how they arrive, and what they sound like together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.errors import LibraryError, UsageError
from mmbert.items import load_items, write_midi
from mmbert.model.phrase_model import PhraseModel
from mmbert.retrieval.complete import begins_at_once, repeats
from mmbert.symbolic.phrase_pairs import (
    ACCOMPANIMENT_BY_HAND,
    COMPLETION_BY_HAND,
    accompaniment,
    completion,
    weighted,
)  # fmt: skip
from mmbert.symbolic.phrase_profiles import accompaniments, melodies
from mmbert.symbolic.phrases import PhraseTable, Task, phrases_of
from mmbert.symbolic.score import Part, Score
from mmbert.symbolic.transform import transpose
from mmbert.types import PhraseHit

from ..conftest import WordEmbedder
from ..symbolic.test_phrases import TICKS, chords, note, song

STEPS = (0, 2, 4, 5, 7, 9, 11, 12)


class HandWeighted:
    """A model of phrases that nobody trained: pitch classes find, figures by hand order."""

    fingerprint = "b" * 64
    dims: Mapping[Task, int] = {"completion": 12, "accompaniment": 12}

    def document_vectors(self, table: PhraseTable, task: Task) -> np.ndarray:
        counts = (melodies if task == "completion" else accompaniments)(table).pitch_classes + 1e-3
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)

    def query_vectors(self, table: PhraseTable, task: Task) -> np.ndarray:
        return self.document_vectors(table, "completion")

    def scores(self, query: PhraseTable, documents: PhraseTable, task: Task, products: np.ndarray) -> np.ndarray:
        if task == "completion":
            return weighted(completion(melodies(query), melodies(documents)), COMPLETION_BY_HAND)[0]
        return weighted(accompaniment(melodies(query), accompaniments(documents)), ACCOMPANIMENT_BY_HAND)[0]


class Embedder(WordEmbedder):
    phrases = HandWeighted()


def piece(seed: int, bars: int = 8, beats: int = 4, bpm: float | None = 96, low: int = 60) -> Score:
    """A melody of steps that nobody else has, in C, with chords beneath."""
    drawn = np.random.default_rng(seed)
    line = low + np.array(STEPS)[drawn.integers(0, 8, bars * beats)]
    line[-beats:] = low
    notes = [note(i, 1, int(p)) for i, p in enumerate(line)] + chords(bars, beats)
    tempo = [] if bpm is None else [(0, bpm)]
    parts = (Part("Voice", 53), Part("Piano", 0))
    return Score.build(notes, TICKS, tempo_map=tempo, metre_map=[(0, beats, 4)], key_map=[(0, 0, False)], parts=parts)


PIECES = {
    "here": piece(0),
    "transposed": transpose(piece(1), 5),
    "low": transpose(piece(2), -31),
    "slow": piece(3, bpm=66),
    "too slow": piece(4, bpm=60),
    "untimed": piece(5, bpm=None),
    "waltz": piece(6, beats=3),
    "same tune": transpose(piece(0, bars=4), 2),
    "long": piece(8, bars=16),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    (folder / "music").mkdir()
    for name, score in PIECES.items():
        (folder / "music" / f"{name}.mid").write_bytes(write_midi(score, {"title": f"Song {name} of mine"}))
    (folder / "music" / "words.txt").write_text("Some words about nothing at all", encoding="utf-8")
    build_library(folder / "library", [folder / "music"], Embedder(), workers=0)
    return folder


@pytest.fixture
def library(folder: Path) -> Library:
    opened = Library.open(folder / "library")
    opened._model._phrases = HandWeighted()  # type: ignore[assignment]
    return opened


def names(found) -> set[str]:
    return {Path(hit.path).stem for hit in found.hits}


def hit_of(found, name: str) -> PhraseHit:
    return next(hit for hit in found.hits if Path(hit.path).stem == name)


def test_a_piece_has_one_hit_and_the_one_asked_about_none(library, folder):
    found = library.complete(folder / "music" / "here.mid")
    assert names(found) == {"transposed", "low", "slow", "untimed", "same tune", "long"}
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5, 6]
    assert found.hits[0].score == 1
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    assert found.answer.total == 6
    assert found.answer.query.mode == "continue"
    assert len(library.complete(folder / "music" / "here.mid", limit=2).hits) == 2


def test_what_repeats_the_melody_does_not_go_on_from_it(library):
    assert "same tune" not in names(library.complete(PIECES["same tune"]))
    assert "same tune" in names(library.accompany(PIECES["same tune"]))
    table = phrases_of(PIECES["long"])
    assert repeats(table.rows(np.array([1])), phrases_of(transpose(PIECES["long"], 3))).tolist() == [
        i == 1 for i in range(len(table))
    ]


def test_what_rests_for_a_bar_first_does_not_go_on():
    for rest, goes_on in ((0, True), (3, True), (4, False)):  # quarters of 4/4
        score = Score.build([note(rest + i / 2, 0.5, 60 + i % 12) for i in range(32)], TICKS, metre_map=[(0, 4, 4)])
        phrase = phrases_of(score).rows(np.array([0]))
        assert begins_at_once(phrase).tolist() == [goes_on]


def test_a_tempo_farther_off_than_half_as_much_again_is_left_out(library):
    found = library.complete(PIECES["here"])
    assert "slow" in names(found)
    assert "too slow" not in names(found)
    assert hit_of(found, "slow").stretched_by == pytest.approx(66 / 96, rel=1e-3)
    assert hit_of(found, "untimed").stretched_by is None
    assert "at 66 bpm" in hit_of(found, "slow").why
    everything = library.complete(PIECES["untimed"])
    assert "too slow" in names(everything)
    assert all(hit.stretched_by is None for hit in everything.hits)


def test_phrases_arrive_in_the_key_and_octave_of_the_melody(library):
    found = library.complete(PIECES["here"])
    assert hit_of(found, "transposed").transposed_by == -5
    assert hit_of(found, "low").transposed_by == 31
    assert "written a fourth higher" in hit_of(found, "transposed").why
    there = phrases_of(PIECES["transposed"])
    hit = hit_of(found, "transposed")
    at = there.start_bar.tolist().index(hit.place.start_bar)
    notes = there.rows(np.array([at])).melody
    assert (found.arranged[hit.id].notes[:, 2] == notes[:, 2] - 5).all()
    assert hit.played_by == ("Voice",)


def test_the_same_key_may_be_asked_for(library):
    found = library.complete(PIECES["here"], same_key=True)
    assert names(found) == {"here", "slow", "untimed", "long"}
    assert all(hit.transposed_by % 12 == 0 for hit in found.hits)


def test_conditions_and_folders_narrow(library, folder):
    assert names(library.complete(PIECES["here"], where="bars>8")) == {"long"}
    assert not library.complete(PIECES["here"], folder=str(folder / "elsewhere")).hits


def test_a_continuation_stands_behind_the_melody(library):
    found = library.complete(PIECES["here"])
    hit = hit_of(found, "slow")
    for whole, bars in ((False, 4), (True, 8)):
        score = found.joined(hit, whole=whole)
        assert [p.name for p in score.parts] == ["melody", "continuation"]
        melody, behind = (score.notes[score.notes["part"] == p] for p in (0, 1))
        assert len(melody) == bars * 4
        assert behind["onset"].min() == bars * 4 * TICKS
        assert score.n_bars == bars + 4
        assert score.tempo_map["bpm"].tolist() == [96]
        assert score.key_map["fifths"].tolist() == [0]
        assert (behind["program"] == 53).all()
        assert {n.voice for n in found.notes(hit, whole=whole)} == {"melody", "suggestion"}
        first = next(n for n in found.notes(hit, whole=whole) if n.voice == "suggestion")
        assert (first.onset, first.duration) == (bars * 4, 1)
        assert len(found.notes(hit, whole=whole)) == len(score.notes)


def test_an_accompaniment_lies_beneath_the_bars_asked_about(library):
    found = library.accompany(PIECES["here"], bar=2)
    hit = found.hits[0]
    for whole, begin, bars in ((False, 0, 4), (True, 2, 8)):
        score = found.mix(hit, whole=whole)
        assert [p.name for p in score.parts] == ["melody", "accompaniment: Piano"]
        melody, beneath = (score.notes[score.notes["part"] == p] for p in (0, 1))
        assert len(melody) == bars * 4
        assert beneath["onset"].min() == begin * 4 * TICKS
        assert (beneath["onset"] + beneath["duration"]).max() == (begin + 4) * 4 * TICKS
    assert hit.played_by == ("Piano",)
    assert "sound in it" in hit.why


@pytest.mark.parametrize("bars", [1, 2, 3])
def test_an_accompaniment_is_as_long_as_the_bars_asked_about(library, bars):
    short = Score.build(piece(0, bars=bars).notes, TICKS, metre_map=[(0, 4, 4)])
    found = library.accompany(short)
    assert found.hits
    for hit in found.hits:
        assert hit.place.end_bar - hit.place.start_bar == bars
        first = hit.place.start_bar + 1
        said = f"Bar {first} of" if bars == 1 else f"Bars {first}-{first + bars - 1} of"
        assert said in hit.why
        for whole in (False, True):
            notes = found.mix(hit, whole=whole).notes
            beneath = notes[notes["part"] > 0]
            assert beneath["onset"].min() == 0
            assert (beneath["onset"] + beneath["duration"]).max() == bars * 4 * TICKS
    last = library.accompany(PIECES["here"], bar=6)  # its last two bars
    score = last.mix(last.hits[0], whole=True)
    assert score.notes["onset"][score.notes["part"] > 0].min() == 6 * 4 * TICKS
    assert score.n_bars == 8
    assert last.notice == "There are not four full bars of one metre: asked about bars 7-8."


def test_seconds_of_a_shortened_place_are_those_of_its_bars(library):
    short = Score.build(piece(0, bars=2).notes, TICKS, metre_map=[(0, 4, 4)], tempo_map=[(0, 96)])
    place = hit_of(library.accompany(short), "slow").place
    assert place.end_s - place.start_s == pytest.approx(8 * 60 / 66, rel=1e-3)


def test_what_accompanies_none_of_the_bars_asked_about_is_not_suggested(tmp_path):
    (tmp_path / "music").mkdir()
    for name, begin in (("late", 2), ("always", 0)):  # late: no chords in bars 1, 2, 5 and 6
        notes = piece(3).notes
        notes = notes[(notes["part"] == 0) | (notes["onset"] % (4 * 4 * TICKS) >= begin * 4 * TICKS)]
        (tmp_path / "music" / f"{name}.mid").write_bytes(write_midi(Score.build(notes, TICKS)))
    build_library(tmp_path / "library", [tmp_path / "music"], Embedder(), workers=0)
    with Library.open(tmp_path / "library") as opened:
        opened._model._phrases = HandWeighted()
        found = opened.accompany(Score.build(piece(0, bars=2).notes, TICKS))
    assert {hit.place.start_bar for hit in found.hits if Path(hit.path).stem == "late"} == {2}


@pytest.mark.parametrize("task", ["complete", "accompany"])
def test_what_is_exported_reads_back_with_named_tracks_key_metre_and_tempo(library, tmp_path, task):
    found = getattr(library, task)(transpose(PIECES["waltz"], 2))
    assert names(found) == {"waltz"}
    hit = found.hits[0]
    assert hit.transposed_by == 2
    (tmp_path / "a.mid").write_bytes(found.midi(hit, whole=True))
    (item,) = load_items(tmp_path / "a.mid")
    score = (found.joined if task == "complete" else found.mix)(hit, whole=True)
    assert (item.score.notes[["onset", "duration", "pitch"]] == score.notes[["onset", "duration", "pitch"]]).all()
    second = "continuation" if task == "complete" else "accompaniment: Piano"
    assert [p.name for p in item.score.parts] == ["melody", second]
    assert item.score.metre_map.tolist() == [(0, 3, 4)]
    assert item.score.key_map["fifths"].tolist() == [2]
    assert item.score.tempo_map["bpm"].tolist() == [pytest.approx(96, rel=1e-3)]


def test_a_melody_without_signature_and_tempo_is_exported_with_both(library):
    found = library.complete(replace(transpose(PIECES["untimed"], 7), key_map=PIECES["here"].key_map[:0]))
    score = found.joined(found.hits[0])
    assert score.key_map["fifths"].tolist() == [1]
    assert score.tempo_map["bpm"].tolist() == [120]


def test_the_json_has_the_fields_of_a_search_and_what_was_done(library):
    told = json.loads(json.dumps(library.complete(PIECES["here"]).to_json()))
    assert set(told) == {"query", "understood", "nothing_fits", "hits", "melody", "notice"}
    searched = library.search(where="bars>0").to_json()["hits"][0]
    assert set(told["hits"][0]) == set(searched) | {"transposed_by", "stretched_by", "played_by"}
    assert told["melody"] == {
        "part": "Voice", "rule": "chosen", "heard": False, "start_bar": 4, "end_bar": 8, "notes": 16, "metre": "4/4",
        "tempo_bpm": pytest.approx(96), "key": "C", "mode": "major",
    }  # fmt: skip


def test_a_metre_that_no_phrase_has_is_told(library):
    found = library.complete(piece(9, beats=7))
    assert (found.hits, found.answer.nothing_fits) == ((), True)
    assert found.notice == "None of the library's 29 phrases is in 7/4."
    assert library.complete(piece(6, beats=3, bpm=300)).notice.endswith(
        "comes near 300 bpm (at most 1.5 times faster or slower)."
    )
    assert "none in 4/4 is left" in library.complete(PIECES["here"], where="bars>90").notice


def test_how_a_melody_was_read_is_told_where_it_is_in_doubt(library):
    both = [note(i, 1, p + i % 3) for i in range(32) for p in (48, 60, 64, 72)]
    found = library.complete(Score.build(both, TICKS, parts=(Part("Piano"),)))
    assert found.notice == "No part is one line: the highest notes of part 'Piano' were taken as the melody."
    assert found.hits
    short = library.complete(Score.build(piece(0, bars=2).notes, TICKS))
    assert short.notice == "There are not four full bars of one metre: asked about bars 1-2."
    assert short.hits
    assert library.complete(PIECES["here"]).notice == ""


@pytest.mark.parametrize("name", ["tune.abc", "tune.musicxml"])
def test_other_formats_are_read(library, tmp_path, name):
    data = Path(__file__).parents[2] / "data"
    if name == "tune.abc":
        (tmp_path / name).write_text("X:1\nT:x\nM:4/4\nL:1/4\nK:C\nCDEF|GAGF|EDEF|C4|EFGA|GFED|CDEC|C4|\n")
        found = library.complete(tmp_path / name)
        assert (found.melody.start_bar, found.melody.end_bar, len(found.hits) > 0) == (4, 8, True)
    else:
        shutil.copy(data / "hymn.musicxml", tmp_path / name)
        found = library.accompany(tmp_path / name)
        assert found.melody.metre == (4, 4)


def test_the_tasks_refuse_what_search_refuses(library):
    for task in (library.complete, library.accompany):
        with pytest.raises(UsageError, match="limit"):
            task(PIECES["here"], limit=0)
        with pytest.raises(UsageError, match="holds no notes"):
            task(Score.build([], TICKS))


def test_a_library_of_another_model_of_phrases_is_refused(folder):
    with (
        Library.open(folder / "library") as opened,
        pytest.raises(LibraryError, match=r"embedded with model bbbbbbbb, you loaded .*index build"),
    ):
        opened.complete(PIECES["here"])


def test_a_library_without_phrases_says_what_to_do(tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.mid").write_bytes(write_midi(PIECES["here"]))
    build_library(tmp_path / "library", [tmp_path / "music"], WordEmbedder(), workers=0)
    with Library.open(tmp_path / "library") as opened:
        for task in (opened.complete, opened.accompany):
            with pytest.raises(LibraryError, match=r"before phrases were kept.*mmbert index build"):
                task(PIECES["here"])
        assert opened.search(where="bars>0").hits


def test_tunes_without_accompaniment_have_continuations_alone(tmp_path):
    (tmp_path / "music").mkdir()
    for i in range(3):
        notes = piece(i).notes
        score = Score.build(notes[notes["part"] == 0], TICKS)
        (tmp_path / "music" / f"{i}.mid").write_bytes(write_midi(score))
    build_library(tmp_path / "library", [tmp_path / "music"], Embedder(), workers=0)
    with Library.open(tmp_path / "library") as opened:
        opened._model._phrases = HandWeighted()
        assert opened.complete(PIECES["long"]).hits
        found = opened.accompany(PIECES["long"])
    assert (found.hits, found.notice) == ((), "The library holds no phrases with an accompaniment.")


def test_the_released_model_answers_in_every_form(tmp_path):
    class Released(WordEmbedder):
        phrases = PhraseModel.from_pretrained()

    (tmp_path / "music").mkdir()
    for i in range(4):
        (tmp_path / "music" / f"{i}.mid").write_bytes(write_midi(song(8 + i), {"title": f"Song of number {i}"}))
        (tmp_path / "music" / f"{i}w.mid").write_bytes(write_midi(piece(i), {"title": f"Piece of number {i}"}))
    build_library(tmp_path / "library", [tmp_path / "music"], Released(), workers=0)
    with Library.open(tmp_path / "library") as opened:
        for ask in (opened.complete, partial(opened.accompany, bar=1)):
            found = ask(PIECES["here"])
            assert found.hits
            assert all(-1.001 <= hit.similarity <= 1.001 for hit in found.hits)
            assert len(found.midi(found.hits[0])) > 200
