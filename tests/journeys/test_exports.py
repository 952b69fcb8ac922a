"""A pair as it is exported: the right names and maps, the right length, no silence before it, no clipping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mmbert_ui.render import Renderer, find_soundfont

from benchmarks.exports import checked
from mmbert.api import Library
from mmbert.items import write_midi
from mmbert.symbolic.score import Score

from ..mmbert.conftest import WordEmbedder
from ..mmbert.retrieval.test_complete import piece
from ..mmbert.symbolic.test_phrases import TICKS, note

FONT = find_soundfont()
pytestmark = pytest.mark.skipif(FONT is None, reason="no SoundFont on this machine")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    from mmbert_indexer.build import build_library

    from mmbert.model.phrase_model import PhraseModel

    class Released(WordEmbedder):
        phrases = PhraseModel.from_pretrained()

    folder: Path = tmp_path_factory.mktemp("exports")
    (folder / "music").mkdir()
    for i in range(6):
        score = piece(i + 1, beats=4 if i % 3 else 3, bpm=None if i == 5 else 90 + 5 * i)
        (folder / "music" / f"{i}.mid").write_bytes(write_midi(score, {"title": f"Song of number {i}"}))
    build_library(folder / "library", [folder / "music"], Released(), workers=0)
    with Library.open(folder / "library") as opened:
        yield opened


def moved_on(score: Score, quarters: float, **maps: list) -> Score:
    """The same notes later."""
    notes = score.notes.copy()
    notes["onset"] += round(quarters * TICKS)
    return Score.build(notes, TICKS, parts=score.parts, **({"metre_map": [(0, 4, 4)], "tempo_map": [(0, 96)]} | maps))


LOUD = [note(i / 2, 0.5, 60 + i % 12, 0, False) for i in range(32)]
MELODIES = {
    "a song": piece(0),
    "a waltz": piece(9, beats=3),
    "without tempo": piece(10, bpm=None),
    "two bars": Score.build(piece(0, bars=2).notes, TICKS, tempo_map=[(0, 100)], metre_map=[(0, 4, 4)]),
    "a pickup": moved_on(
        Score.build([note(0, 1, 67), *map(tuple, moved_on(piece(0), 1).notes.tolist())], TICKS, parts=piece(0).parts),
        0,
        metre_map=[(0, 1, 4), (TICKS, 4, 4)],
    ),
    "a pickup in a full bar": moved_on(piece(0), 3),
    "five bars of rest first": moved_on(piece(0), 20),
    "as loud as can be": Score.build([(*n[:3], 127, *n[4:]) for n in LOUD], TICKS, metre_map=[(0, 4, 4)]),
}


@pytest.mark.parametrize("task", ["complete", "accompany"])
@pytest.mark.parametrize("name", MELODIES)
def test_an_exported_pair_is_right_as_midi_and_as_sound(library: Library, task: str, name: str) -> None:
    assert FONT is not None
    found = getattr(library, task)(MELODIES[name], limit=1)
    assert found.hits
    export = checked(found.midi(found.hits[0], whole=True), found, Renderer(FONT))
    assert export.wrong == ()
    assert export.peak < 1
    assert export.page_peak < 1
    bars = found.melody.line.n_bars if name != "five bars of rest first" else found.melody.line.n_bars - 5
    joined = found.mix(found.hits[0], whole=True) if task == "accompany" else found.joined(found.hits[0], whole=True)
    assert joined.n_bars == bars + (4 if task == "complete" else 0)
    assert export.length_s == pytest.approx(joined.duration_s, abs=0.01)


def test_faults_are_seen(library: Library) -> None:
    assert FONT is not None
    found = library.complete(MELODIES["a song"], limit=1)
    score = found.joined(found.hits[0], whole=True)
    wrong = checked(write_midi(moved_on(score, 4)), found, Renderer(FONT)).wrong
    assert [words.split(" ", 3)[:2] for words in wrong] == [
        ["begins", "without"], ["its", "melody"], ["what", "was"], ["begins", "with"],
    ]  # fmt: skip
