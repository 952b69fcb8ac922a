"""``complete`` and ``accompany`` as they are typed: every kind of file is answered, or refused in words that help."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmbert.items import load_items, write_midi
from mmbert.symbolic.score import Part, Score

from ..conftest import WordEmbedder
from ..retrieval.test_complete import piece
from ..retrieval.test_heard_tune import RATE, played
from ..symbolic.test_phrases import TICKS, note, tune
from .test_commands import answer_of, run

COMMANDS = ("complete", "accompany")
PIANO = [note(i, 1, p + i % 3) for i in range(32) for p in (48, 60, 64, 72)]
MIDI = {
    "song": piece(0),
    "rests": Score.build([], TICKS, metre_map=[(0, 4, 4)]),
    "one note": Score.build([note(0, 1, 60)], TICKS),
    "drums": Score.build([note(i, 1, 36, 0, True) for i in range(32)], TICKS, parts=(Part("kit", 0, True),)),
    "three": Score.build([note(i, 1, 60 + i) for i in range(3)], TICKS),
    "sparse": Score.build([note(i * 16, 1, 60 + i) for i in range(8)], TICKS, metre_map=[(0, 4, 4)]),
    "long": Score.build(tune(2500), TICKS),
    "odd": Score.build([note(i / 2, 0.5, 60 + i % 5) for i in range(56)], TICKS, metre_map=[(0, 7, 8)]),
    "piano": Score.build(PIANO, TICKS, parts=(Part("Piano"),)),
    "free": Score.build([note(i * 0.7 + (i * i % 17) / 41, 0.4, 60 + i % 7) for i in range(80)], TICKS),
}
RESTS = {
    "rests.abc": "X:1\nT:x\nM:4/4\nL:1/4\nK:C\nz4|z4|z4|z4|\n",
    "rests.musicxml": """<?xml version="1.0"?><score-partwise version="4.0"><part-list><score-part id="P1">
<part-name>Voice</part-name></score-part></part-list><part id="P1"><measure number="1"><attributes>
<divisions>1</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes><note><rest/><duration>4</duration></note></measure>
</part></score-partwise>""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mmbert_indexer.build import build_library

    from mmbert.model.phrase_model import PhraseModel

    class Released(WordEmbedder):
        phrases = PhraseModel.from_pretrained()

    folder = tmp_path_factory.mktemp("suggestions")
    (folder / "music").mkdir()
    for i in range(5):
        score = piece(i + 1, beats=4 if i < 4 else 3, bpm=None if i == 3 else 90 + i)
        (folder / "music" / f"{i}.mid").write_bytes(write_midi(score, {"title": f"Song of number {i}"}))
    for name, score in MIDI.items():
        (folder / f"{name}.mid").write_bytes(write_midi(score))
    (folder / "empty.mid").write_bytes(b"")
    (folder / "junk.mid").write_bytes(b"\x01\x02\x03\x04" * 100)
    (folder / "words.txt").write_text("Words of a song about nothing")
    for name, text in RESTS.items():
        (folder / name).write_text(text)
    build_library(folder / "library", [folder / "music"], Released(), workers=0)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_one_object_is_printed(capsys, folder, command):
    code, out, _ = run(capsys, command, folder / "library", folder / "song.mid", "--limit", 2, "--json")
    answer = answer_of(out)
    assert code == 0
    assert set(answer) == {"query", "understood", "nothing_fits", "hits", "melody", "notice", "export"}
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2]
    assert {"transposed_by", "stretched_by", "played_by", "start_bar", "end_bar", "why"} <= set(answer["hits"][0])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_table_is_printed(capsys, folder, command):
    code, out, _ = run(capsys, command, folder / "library", folder / "song.mid")
    assert code == 0
    bars = "bars 5-8" if command == "complete" else "bars 1-4"
    assert f"song.mid: {bars} in C major, 4/4, 96 bpm, from its part Voice" in " ".join(out.split())
    assert "Song of number" in out
    assert "Bars" in out


@pytest.mark.parametrize(("command", "second"), [("complete", "continuation"), ("accompany", "accompaniment: Piano")])
def test_the_best_is_exported_with_the_whole_melody(capsys, folder, tmp_path, command, second):
    to = tmp_path / "both.mid"
    code, out, err = run(capsys, command, folder / "library", folder / "song.mid", "--export", to, "--json")
    assert (code, answer_of(out)["export"]) == (0, str(to))
    (item,) = load_items(to)
    assert [part.name for part in item.score.parts] == ["melody", second]
    assert (item.score.notes["part"] == 0).sum() == 32
    kind, best = second.partition(":")[0], answer_of(out)["hits"][0]["title"]
    assert item.metadata["title"] == f"song - {kind} from {best}"
    code, _, err = run(capsys, command, folder / "library", folder / "song.mid", "--export", to)
    assert "both.mid: the melody with hit 1" in err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("rests.mid", "No notes"), ("rests.abc", "No notes"), ("rests.musicxml", "No notes"),
        ("one note.mid", "holds one note. Give a melody of at least 4 notes"),
        ("drums.mid", "holds drums alone. A melody needs notes with a pitch"),
        ("three.mid", "holds 3 notes. Give a melody of at least 4 notes"),
        ("sparse.mid", "No four bars of one metre hold 4 of its melody: are its bar lines right?"),
        ("empty.mid", "is empty"), ("junk.mid", "does not begin as a MIDI file does"),
        ("words.txt", "is a text. A phrase is found by its notes: give MIDI, MusicXML, ABC or a rec"),
        ("free.mid", "was played without regard to its bar lines. Record it to a click"),
        ("nowhere.mid", "is neither a file"),
    ],
)  # fmt: skip
def test_what_holds_no_melody_is_refused(capsys, folder, command, name, fault):
    code, out, err = run(capsys, command, folder / "library", folder / name, "--json")
    assert code in (2, 3)
    assert fault in err
    assert json.loads(out)["error"]["subject"].endswith(name)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "notice"),
    [
        ("long.mid", ""),
        ("odd.mid", "None of the library's"),
        ("piano.mid", "No part is one line: the highest notes of part 'Piano' were taken as the melody."),
    ],
)
def test_what_is_unusual_is_answered(capsys, folder, command, name, notice):
    code, out, _ = run(capsys, command, folder / "library", folder / name, "--json")
    answer = answer_of(out)
    assert code == 0
    assert answer["notice"].startswith(notice)
    assert bool(answer["hits"]) == (name != "odd.mid")
    assert answer["nothing_fits"] == (name == "odd.mid")


@pytest.mark.parametrize("name", ["hymn.musicxml", "hymn.mxl", "book.abc", "waltz.mid"])
def test_every_format_is_read(capsys, folder, name):
    data = Path(__file__).parents[2] / "data"
    code, out, err = run(capsys, "complete", folder / "library", data / name, "--json")
    assert (code, err) == (0, "")
    assert answer_of(out)["melody"]["notes"] >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_recording_of_a_tune_is_a_melody(capsys, folder, tmp_path, command):
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("onnxruntime")
    soundfile.write(tmp_path / "hum.wav", played(piece(0)), RATE)
    to = tmp_path / "both.mid"
    code, out, err = run(capsys, command, folder / "library", tmp_path / "hum.wav", "--export", to, "--json")
    answer = answer_of(out)
    assert (code, err) == (0, "")
    assert answer["melody"]["heard"]
    assert answer["notice"].startswith("Heard as 9 bars of 4/4 at ")  # the last note rings on
    assert answer["hits"]
    (item,) = load_items(to)
    assert item.score.parts[0].name == "melody"
    arguments = (command, folder / "library", tmp_path / "hum.wav", "--metre")
    code, out, _ = run(capsys, *arguments, "3/4", "--json")
    assert (code, answer_of(out)["melody"]["metre"], answer_of(out)["hits"] != []) == (0, "3/4", True)
    code, _, err = run(capsys, *arguments, "three")
    assert (code, "metre: 'three' is none. Write it like 3/4 or 6/8" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--export", "a.wav"), "does not end in .mid"),
        (("--export", "/nowhere/a.mid"), "lies in a folder that does not exist"),
        (("--metre", "3/4"), "metre: is not asked of song.mid, which states its own bars"),
        (("--part", "Oboe"), "'Oboe' is no part of song.mid. Its parts with notes are: 1 Voice, 2 Piano"),
    ],
)
def test_arguments_that_cannot_be_are_refused(capsys, folder, arguments, fault):
    code, _, err = run(capsys, "complete", folder / "library", folder / "song.mid", *arguments)
    assert code == 2
    assert fault in err


@pytest.mark.parametrize("command", COMMANDS)
def test_the_melody_itself_is_never_overwritten(capsys, folder, tmp_path, command):
    mine = tmp_path / "mine.mid"
    mine.write_bytes((folder / "song.mid").read_bytes())
    (tmp_path / "other.mid").symlink_to(mine)
    for to in (mine, tmp_path / "other.mid"):
        code, _, err = run(capsys, command, folder / "library", mine, "--export", to)
        assert (code, mine.read_bytes()) == (2, (folder / "song.mid").read_bytes())
        assert "is the melody itself, which would be lost. Choose another name" in err


def test_one_bar_is_one_bar(capsys, folder):
    code, out, _ = run(capsys, "accompany", folder / "library", folder / "song.mid", "--bar", 8)
    assert code == 0
    assert "song.mid: bar 8 in C major" in out
    assert "There are not four full bars of one metre: asked about bar 8." in " ".join(out.split())
    code, _, err = run(capsys, "accompany", folder / "library", folder / "sparse.mid", "--bar", 2)
    assert (code, "has one note in bars 2-5. Ask about bars with at least 4 notes" in err) == (2, True)


def test_a_tune_without_a_name_is_said(capsys, folder):
    code, _, err = run(capsys, "search", folder / "library", "--melody", "")
    assert (code, "The file: has no name" in err) == (2, True)


def test_nothing_is_exported_where_nothing_is_found(capsys, folder, tmp_path):
    to = tmp_path / "a.mid"
    code, _, err = run(capsys, "complete", folder / "library", folder / "odd.mid", "--export", to)
    assert (code, to.exists()) == (2, False)
    assert "has nothing to write" in err
    assert "is in 7/8" in err


def test_bars_part_and_key_are_chosen(capsys, folder):
    code, out, _ = run(capsys, "accompany", folder / "library", folder / "song.mid", "--bar", 3, "--part", 1, "--json")
    assert (code, answer_of(out)["melody"]["start_bar"]) == (0, 2)
    code, _, err = run(capsys, "accompany", folder / "library", folder / "song.mid", "--bar", 99)
    assert (code, "99 is not among the 8 bars" in err) == (2, True)
    code, out, _ = run(capsys, "complete", folder / "library", folder / "song.mid", "--same-key", "--json")
    assert all(hit["transposed_by"] % 12 == 0 for hit in answer_of(out)["hits"])


def test_odd_bars_are_answered_where_the_library_has_them(capsys, folder, tmp_path):
    from mmbert_indexer.build import build_library

    from mmbert.model.phrase_model import PhraseModel

    class Released(WordEmbedder):
        phrases = PhraseModel.from_pretrained()

    (tmp_path / "music").mkdir()
    for seed in range(2):
        line = 60 + np.random.default_rng(seed).integers(0, 9, 56)
        notes = [note(i / 2, 0.5, int(p)) for i, p in enumerate(line)] + [note(i, 1, 40, 1) for i in range(28)]
        score = Score.build(notes, TICKS, metre_map=[(0, 7, 8)])
        (tmp_path / "music" / f"{seed}.mid").write_bytes(write_midi(score, {"title": f"Dance of number {seed}"}))
    build_library(tmp_path / "library", [tmp_path / "music"], Released(), workers=0)
    for command in COMMANDS:
        code, out, _ = run(capsys, command, tmp_path / "library", folder / "odd.mid", "--json")
        assert (code, answer_of(out)["melody"]["metre"], len(answer_of(out)["hits"])) == (0, "7/8", 2)
