"""A recording finds the score of the same notes, and a score its recording: at another speed, in another key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.embed import Embedder
from mmbert.errors import UsageError
from mmbert.items.midi_write import write_midi
from mmbert.model import MmbertModel, ModelConfig
from mmbert.symbolic.score import Score

soundfile = pytest.importorskip("soundfile")
RATE = 16_000


class Small(Embedder):
    phrases = None


def tune(seed: int, bars: int = 12) -> list[int]:
    """Random steps that turn back where they would leave 53 to 74: one that stays there is like any other."""
    at = np.cumsum(np.random.default_rng(seed).integers(-4, 5, 4 * bars)) % 42
    return (53 + np.minimum(at, 42 - at)).tolist()


def score(pitches: list[int], tempo: float | None = 120) -> Score:
    notes = [(480 * i, 470, p, 80, 0, False, 0) for i, p in enumerate(pitches)]
    return Score.build(notes, 480, tempo_map=[(0, tempo)] if tempo else ())


def sound(pitches: list[int], seconds: float) -> np.ndarray:
    """A plain tone for each note, with two overtones."""
    t = np.arange(int(seconds * RATE)) / RATE
    tones = []
    for pitch in pitches:
        hz = 440 * 2 ** ((pitch - 69) / 12)
        tones.append(sum(np.sin(2 * np.pi * hz * k * t) / k**2 for k in (1, 2, 3)) * np.exp(-2 * t))
    return 0.3 * np.concatenate(tones)


def suite() -> list[int]:
    """Six tunes, two and a half minutes."""
    return [pitch for seed in range(31, 37) for pitch in tune(seed)]


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Library:
    folder: Path = tmp_path_factory.mktemp("same")
    music = folder / "music"
    music.mkdir()
    for seed in range(8):
        (music / f"tune {seed}.mid").write_bytes(write_midi(score(tune(seed)), {}))
    (music / "untimed.mid").write_bytes(write_midi(score(tune(60), None), {}))
    (music / "suite.mid").write_bytes(write_midi(score(suite()), {}))
    soundfile.write(music / "played.wav", sound([p + 2 for p in tune(3)][8:], 0.6), RATE)
    soundfile.write(music / "drums.wav", np.random.default_rng(0).normal(0, 0.1, 8 * RATE), RATE)
    small = Small(MmbertModel(ModelConfig(dim=64, out_dim=32, layers=1, ffn=64)))
    build_library(folder / "library", [music], small, workers=0)
    with Library.open(folder / "library") as opened:
        yield opened


def of_title(library: Library, title: str) -> str:
    return next(piece.id for piece in library.pieces() if piece.title == title)


def test_the_score_of_a_recording(library):
    hit = library.find_same(of_title(library, "played"), limit=1).hits[0]
    assert (hit.title, hit.modality, hit.transposed_by) == ("tune 3", "score", 2)
    assert hit.stretched_by == pytest.approx(1.2, rel=0.05)
    assert hit.place.start_s == pytest.approx(4, abs=0.6)
    assert hit.place.start_bar == 2
    assert "a whole tone lower" in hit.why
    assert "from bar 3 on" in hit.why
    assert "the speed of yours" in hit.why


def test_nothing_is_said_of_speed_where_a_score_has_no_tempo(library, tmp_path):
    soundfile.write(tmp_path / "fast.wav", sound(tune(60)[:40], 0.3), RATE)
    (tmp_path / "no tempo.mid").write_bytes(write_midi(score(tune(3), None), {}))
    for asked, title in (("fast.wav", "untimed"), ("no tempo.mid", "tune 3")):
        hit = library.find_same(tmp_path / asked, limit=1).hits[0]
        assert (hit.title, hit.stretched_by) == (title, None)
        assert "speed" not in hit.why


def test_the_recordings_of_a_score(library):
    answer = library.find_same(of_title(library, "tune 3"), modality="recording")
    assert [hit.title for hit in answer.hits] == ["played", "drums"]
    assert answer.hits[0].transposed_by == -2
    assert not answer.nothing_fits


def test_a_recording_of_a_part_of_a_long_score(library, tmp_path):
    long = tune(21) + tune(22)[:7] + tune(3) + tune(23) + tune(24) + tune(25)  # two minutes; it lies across two parts
    (tmp_path / "long.mid").write_bytes(write_midi(score(long), {}))
    found = library.find_same(tmp_path / "long.mid", modality="recording", limit=3)
    assert not found.nothing_fits
    assert (found.hits[0].title, found.hits[0].transposed_by) == ("played", -2)
    assert found.hits[0].similarity > 0.6
    assert found.hits[0].stretched_by == pytest.approx(1 / 1.2, rel=0.05)
    assert (found.hits[0].place.start_s, found.hits[0].place.end_s) == pytest.approx((0, 24), abs=1)


@pytest.mark.parametrize(("before", "first", "place"), [([], 40, (20, 120)), (tune(40), 0, (0, 120))])
def test_the_place_of_a_long_question_is_that_of_all_of_it(library, tmp_path, before, first, place):
    asked = [*before, *suite()[first:240]]
    asked[len(before) : len(before) + 48] = tune(50)  # what begins it is not in the piece: a later part fits best
    (tmp_path / "asked.mid").write_bytes(write_midi(score(asked), {}))
    hit = library.find_same(tmp_path / "asked.mid", limit=1).hits[0]
    assert hit.title == "suite"
    assert (hit.place.start_s, hit.place.end_s) == pytest.approx(place, abs=1.5)


def test_a_file_from_elsewhere(library, tmp_path):
    soundfile.write(tmp_path / "hum.flac", sound([p - 3 for p in tune(5)][:30], 0.45), RATE)
    hit = library.find_same(tmp_path / "hum.flac").hits[0]
    assert (hit.title, hit.transposed_by) == ("tune 5", -3)


def test_what_is_in_no_piece_is_said_to_be_like_them_at_most(library, tmp_path):
    for seconds in (4, 24):
        soundfile.write(tmp_path / "other.wav", sound(tune(70)[: 2 * seconds], 0.5), RATE)
        found = library.find_same(tmp_path / "other.wav")
        assert found.nothing_fits
        assert all(hit.why.startswith("Like harmony") for hit in found.hits)


def test_what_cannot_be_looked_for(library, tmp_path):
    soundfile.write(tmp_path / "short.wav", sound([60, 62], 0.5), RATE)
    with pytest.raises(UsageError, match="shorter than 3 seconds"):
        library.find_same(tmp_path / "short.wav")
    (tmp_path / "words.txt").write_text("a lively jig")
    with pytest.raises(UsageError, match="is a text"):
        library.find_same(tmp_path / "words.txt")
    with pytest.raises(UsageError, match="neither a file"):
        library.find_same("nothing.mp3")
