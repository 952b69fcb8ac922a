"""A pack of sounds: what is rendered, what is noted of it, that it goes on where it was and says when it is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmbert_training import rendering, sound_pack
from mmbert_training.manifest import Work
from mmbert_training.recognised import recognised, said_of
from mmbert_training.sound_pack import build, chosen, heard_facets, load_sounds, rendered

from mmbert.audio.sounds import sound_names
from mmbert.errors import DataError
from mmbert.symbolic.facets import score_facets
from mmbert.symbolic.score import Part, Score
from mmbert.types import Facets, Item, Source

FONTS = rendering.TRAIN


def tune(seed: int, bars: int = 40) -> Score:
    """A flute over a cello, 4/4 at 120, one note a beat."""
    rng = np.random.default_rng(seed)
    notes = []
    for i in range(bars * 4):
        notes.append((i * 480, 480, int(72 + rng.integers(0, 12)), 80, 73, False, 0))
        notes.append((i * 480, 480, int(48 + rng.integers(0, 12)), 80, 42, False, 1))
    parts = [Part("flute", 73, False, program_stated=True), Part("cello", 42, False, program_stated=True)]
    return Score.build(notes, 480, tempo_map=[(0, 120.0)], metre_map=[(0, 4, 4)], parts=parts)


def work(name: str, split: str, cluster: str = "", source: str = "nottingham") -> Work:
    return Work(name, source, cluster or name, split, Path("toy.zip"), name, {"year": ""})  # type: ignore[arg-type]


@pytest.fixture
def sines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Renders sine waves of the notes, and notes which fonts were asked for."""
    asked: list[str] = []

    def render(score, font, *, start=0.0, seconds=None, speed=1.0, semitones=0, reverb=True):
        asked.append(font)
        part = rendering.excerpt(score, start, seconds, speed)
        time = np.arange(int(seconds * rendering.RATE)) / rendering.RATE
        out = np.zeros(len(time))
        begin = part.seconds(part.notes["onset"])
        for note, at in zip(part.notes, begin):
            inside = slice(int(at * rendering.RATE), int((at + 0.4) * rendering.RATE))
            out[inside] += np.sin(2 * np.pi * 440 * 2 ** ((int(note["pitch"]) - 69) / 12) * time[inside])
        return (0.2 * out).astype(np.float32)

    monkeypatch.setattr(rendering, "render", render)
    return asked


def test_one_work_a_cluster_and_none_of_the_test_split():
    works = [work("b", "train", "x"), work("a", "train", "x"), work("c", "test"), work("d", "validation")]
    works.append(work("e", "train", source="taberna_abc"))
    assert [w.id for w in chosen(works, "train")] == ["a"]
    assert [w.id for w in chosen(works, "validation")] == ["d"]


def test_every_third_work_is_heard_in_both_fonts_of_which_one_is_changed(sines):
    twice = [row for row, _ in rendered(tune(1), {}, 3)]
    assert sines == list(FONTS)
    assert {row["changed"] for row in twice} == {True, False}
    assert len({(row["start_s"], row["speed"]) for row in twice}) == 1
    once = [row for row, _ in rendered(tune(1), {}, 4)]
    assert [row["font"] for row in once] == [FONTS[0]]


def test_a_rendering_depends_on_its_number_alone(sines):
    first, again = ([*rendered(tune(1), {}, 6)] for _ in range(2))
    for (row, sound), (same, other) in zip(first, again, strict=True):
        assert row == same
        np.testing.assert_array_equal(sound, other)
        assert 20 * rendering.RATE - 1 <= len(sound) <= 30 * rendering.RATE + 1


def test_hardly_any_notes_are_not_rendered(sines):
    assert [*rendered(Score.build([(0, 480, 60, 80, 0, False, 0)], 480), {}, 0)] == []


def test_facets_are_those_of_what_sounds():
    score = tune(1)
    whole = score_facets(score, {"title": "A tune", "form": "jig"})
    part = rendering.excerpt(score, 10.0, 20.0, 1.25)
    heard = heard_facets(part, whole, 1.25)
    assert heard.tempo_bpm == pytest.approx(150)
    assert (heard.metre, heard.form, heard.title, heard.bars) == ("4/4", "jig", None, None)
    assert heard.pace == pytest.approx(2.5, rel=0.05)  # onsets a second
    assert set(heard.instruments) == {"flute", "cello"}


def test_voices_that_are_not_recognised_are_not_said():
    logits = np.full(527, -9.0)
    logits[sound_names().index("Flute")] = 1.0
    known = score_facets(tune(1))
    said = said_of(known, recognised(logits))
    assert said is not None
    assert said.instruments == ("flute",)
    assert said.families == ("pipe",)
    assert said_of(known, recognised(np.full(527, -9.0))) is None
    assert said_of(Facets(mode="minor"), frozenset()) == Facets(mode="minor")  # no instrument stated: none is said


def test_a_pack_is_written_goes_on_and_says_when_it_is_damaged(sines, monkeypatch, tmp_path):
    works = [work(f"w{i}", "validation" if i < 2 else "train") for i in range(6)]
    scores = {w.id: tune(i) for i, w in enumerate(works)}
    monkeypatch.setattr(sound_pack, "load_works", lambda data, sources: works)
    monkeypatch.setattr(
        sound_pack, "load_item", lambda w: Item("score", Source(Path(w.id), "0", 0), {}, score=scores[w.id])
    )
    monkeypatch.setattr(sound_pack, "_A_PART", 2)
    build(None, tmp_path, {"train": 3, "validation": 2})
    found = load_sounds(tmp_path)
    assert len(found.works) == 6
    assert [len(found.works_of(split)) for split in sound_pack.SPLITS] == [4, 2]
    assert {found.heard[i].work for i in found.rows("validation")} == set(found.works_of("validation").tolist())
    assert found.logits.shape == (len(found), 527)
    for row in range(len(found)):
        seconds = len(found.states_of(row))
        assert 20 <= seconds <= 30
        assert len(found.chroma_of(row)) == pytest.approx(2.5 * seconds, abs=2)
        assert found.heard[row].facets.metre == "4/4"
    assert len(found.score_of(0)) == 200  # 80 s

    asked = len(sines)
    (tmp_path / sound_pack.PARTS / "train-00002.safetensors").unlink()
    build(None, tmp_path, {"train": 3, "validation": 2})
    assert len(sines) - asked in (1, 2)  # the one work of that part
    again = load_sounds(tmp_path)
    np.testing.assert_array_equal(again.chroma, found.chroma)
    assert again.heard == found.heard

    (tmp_path / "sounds.safetensors").write_bytes(b"0")
    with pytest.raises(DataError, match="digest"):
        load_sounds(tmp_path)
    with pytest.raises(DataError, match="not a readable pack"):
        load_sounds(tmp_path / "none")


def test_a_work_that_cannot_be_read_is_left_out(sines, monkeypatch):
    from mmbert.errors import ItemError

    def refuse(w):
        raise ItemError(w.id, "is broken", code="E_TEST")

    monkeypatch.setattr(sound_pack, "load_item", refuse)
    assert sound_pack._renderings(work("a", "train"), 0) == []
