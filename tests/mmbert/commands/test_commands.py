"""The commands as they are typed, over a library made with real (if meaningless) weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mmbert.audio.sounds import said
from mmbert.cli import main
from mmbert.console import if_slow
from mmbert.store import open_library


@pytest.fixture(scope="module")
def built(tunes: Path, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mmbert_indexer.build import build_library

    from mmbert.embed import Embedder

    path = tmp_path_factory.mktemp("commands") / "library"
    build_library(path, [tunes], Embedder.from_pretrained(tiny_weights))
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main([str(a) for a in args])
    out, err = capsys.readouterr()
    return code, out, err


def answer_of(out: str) -> dict:
    assert out.count("\n") == 1
    assert "NaN" not in out
    return json.loads(out)


def test_search_prints_one_object(capsys: pytest.CaptureFixture[str], built: Path, tiny_weights: Path) -> None:
    code, out, _ = run(capsys, "search", built, "a slow hymn", "--limit", 3, "--json", "--weights", tiny_weights)
    answer = answer_of(out)
    assert code == 0
    assert [list(answer), len(answer["hits"])] == [["query", "understood", "nothing_fits", "notice", "hits"], 3]
    assert answer["hits"][0]["title"].startswith("Amazing Grace")
    assert answer["understood"][0] == {
        "facet": "pace", "operator": "=", "value": "slow", "words": "slow", "hard": False,
    }  # fmt: skip


def test_search_prints_a_table(capsys: pytest.CaptureFixture[str], built: Path, tiny_weights: Path) -> None:
    code, out, _ = run(capsys, "search", built, "jig without drums", "--weights", tiny_weights)
    assert code == 0
    assert "form=jig, has_drums=False (must)" in out
    assert "Kesh" in out
    assert "Loud Engine" not in out


def test_every_line_has_its_answer(
    capsys: pytest.CaptureFixture[str], built: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "questions.txt"
    lines.write_text("a jig\n\nwaltz\fviolin\u2028\n   \n" + "x" * 5000 + "\n", encoding="utf-8")
    code, out, _ = run(capsys, "search", built, "--queries", lines, "--json", "--weights", tiny_weights, "--limit", 1)
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [len(a["hits"]) for a in answers] == [1, 0, 1, 0, 1]
    assert [a["query"][:6] for a in answers] == ["a jig", "", "waltz\f", "   ", "xxxxxx"]


def test_like_a_file_and_where(capsys: pytest.CaptureFixture[str], built: Path, tunes: Path) -> None:
    jig = tunes / "jig-g.mid"
    code, out, _ = run(capsys, "search", built, "--like", jig, "--where", "form=jig", "--json")
    answer = answer_of(out)
    assert code == 0
    assert [h["title"] for h in answer["hits"]] == ["The Lilting Banshee"]
    assert answer["query"] == str(jig)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["search", "LIB"], 2, "empty"),
        (["search", "LIB", " "], 2, "empty"),
        (["search", "LIB", "jig", "--where", "tempo<<1"], 2, "--where"),
        (["search", "LIB", "jig", "--limit", "0"], 2, "limit"),
        (["search", "LIB", "--like", "no-such.mid"], 2, "no-such.mid"),
        (["search", "LIB", "jig", "--queries", "x"], 2, "--queries"),
        (["search", "LIB", "--queries", "no-such.txt"], 2, "no-such.txt"),
        (["search", "/no/library", "jig"], 4, "does not exist"),
        (["show", "no-such.mid"], 3, "no-such.mid"),
        (["embed", "no-such.mid", "--out", "vectors.txt"], 2, ".npy"),
        (["describe", "no-such.mid", "--limit", "0"], 2, "limit"),
        (["describe", "no-such.mid", "--weights", "/no/weights"], 4, "/no/weights"),
    ],
)
def test_what_is_wrong_is_said(
    capsys: pytest.CaptureFixture[str], built: Path, args: list[str], code: int, says: str
) -> None:
    args = [str(built) if a == "LIB" else a for a in args]
    found, out, err = run(capsys, *args)
    assert (found, out) == (code, "")
    assert says in err
    found, out, _ = run(capsys, *args, "--json")
    assert found == code
    assert set(answer_of(out)["error"]) == {"subject", "fault", "hint"}


def test_show_says_what_a_file_is(capsys: pytest.CaptureFixture[str], tunes: Path) -> None:
    code, out, _ = run(capsys, "show", tunes / "waltz.mid", "--json")
    (piece,) = answer_of(out)["pieces"]
    assert code == 0
    assert (piece["facets"]["metre"], piece["facets"]["key"], piece["facets"]["form"]) == ("3/4", "A", "waltz")
    code, out, _ = run(capsys, "show", tunes / "waltz.mid")
    assert "A minor" in out
    code, out, _ = run(capsys, "show", tunes / "broken.mid")
    assert (code, out) == (3, "")


def test_show_tells_of_every_tune_of_a_book(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    book = tmp_path / "book.abc"
    book.write_text("X:1\nT:Good\nM:6/8\nL:1/8\nK:D\nDFA dAF|DFA d3:|\n\nX:2\nT:Empty\nK:C\n\n")
    code, out, err = run(capsys, "show", book, "--json")
    found = answer_of(out)
    assert (code, [p["facets"]["title"] for p in found["pieces"]]) == (3, ["Good"])
    assert [set(r) for r in found["rejects"]] == [{"code", "stage", "fault", "hint"}]
    assert "book.abc" in err


def test_describe_puts_a_piece_into_words(
    capsys: pytest.CaptureFixture[str], tunes: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    waltz, note = tunes / "waltz.mid", tmp_path / "note.txt"
    note.write_text("A slow air for the evening.")
    args = ["describe", waltz, tunes / "broken.mid", note, "--limit", 3, "--weights", tiny_weights]
    code, out, err = run(capsys, *args, "--json")
    found = answer_of(out)
    assert (code, list(found), len(found["rejects"])) == (3, ["fingerprint", "pieces", "rejects"], 1)
    piece, text = found["pieces"]
    names = ["id", "path", "number", "kind", "title", "sentence", "tags", "phrases", "left_out", "flaws", "heard"]
    assert (list(piece), piece["path"], piece["title"]) == (names, str(waltz), "Waltz in A minor")
    assert piece["sentence"].startswith("A waltz in A minor, 3/4 time, moderate (100 bpm, ")
    assert "for violin in two parts" in piece["sentence"]
    assert [len(piece["tags"]), len(piece["phrases"])] == [3, 3]
    for tag in (*piece["tags"], *piece["phrases"]):
        assert list(tag) == ["words", "statements", "similarity", "z", "agrees"]
        assert not {"mode=major", "metre=4/4", "tempo=fast"} & set(tag["statements"])
    assert [t["z"] for t in piece["tags"]] == sorted((t["z"] for t in piece["tags"]), reverse=True)
    assert (text["kind"], text["sentence"]) == ("text", "A text that begins “A slow air for the evening.”.")
    assert "broken.mid" in err
    code, out, _ = run(capsys, "describe", tunes / "broken.mid", "--weights", tiny_weights)
    assert (code, out) == (3, "")
    code, out, _ = run(capsys, *args)
    assert code == 3
    assert "Waltz in A minor" in out
    assert piece["tags"][0]["words"] in out


def test_describe_tells_what_is_wrong_with_a_recording(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, tmp_path: Path
) -> None:
    tone = (Path(__file__).parents[2] / "data" / "tone.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(tone[:-2000])
    args = ["describe", tmp_path / "cut.wav", "--limit", 1, "--weights", tiny_weights]
    code, out, _ = run(capsys, *args, "--json")
    flaws = "breaks off at 0:00 (the file is shorter than it says)"
    assert (code, answer_of(out)["pieces"][0]["flaws"]) == (0, flaws)
    assert f"flaws: {flaws}" in run(capsys, *args)[1]


def test_describe_tells_how_probable_the_sounds_of_a_recording_are(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path
) -> None:
    args = ["describe", Path(__file__).parents[2] / "data" / "tone.wav", "--limit", 1, "--weights", tiny_weights]
    heard = answer_of(run(capsys, *args, "--json")[1])["pieces"][0]["heard"]
    probabilities = [sound["probability"] for sound in heard]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0.05 <= p <= 1 for p in probabilities)
    shown = " ".join(run(capsys, *args)[1].split())
    assert f"heard, with probabilities: {said(heard[0]['name'])} {probabilities[0]:.0%}" in shown


def test_a_description_is_no_piece(capsys: pytest.CaptureFixture[str], tunes: Path, tiny_weights: Path) -> None:
    for command in (["show"], ["embed", "--weights", tiny_weights], ["describe", "--weights", tiny_weights]):
        code, out, _ = run(capsys, *command, tunes / "lied.txt", "--json")
        assert (code, answer_of(out)["error"]["hint"]) == (3, "Give that piece")


def test_embed_leaves_out_what_cannot_be_read_and_says_so(
    capsys: pytest.CaptureFixture[str], tunes: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    book = tmp_path / "book.abc"
    book.write_text("X:1\nT:Good\nM:6/8\nL:1/8\nK:D\nDFA dAF|DFA d3:|\n\nX:2\nT:Empty\nK:C\n\n")
    files = [book, "nowhere.mid", tunes / "broken.mid", tunes / "waltz.mid"]
    code, out, err = run(capsys, "embed", *files, "--json", "--weights", tiny_weights)
    found = answer_of(out)
    assert (code, [Path(p["path"]).name for p in found["pieces"]]) == (3, ["book.abc", "waltz.mid"])
    assert [(r["path"], r["code"]) for r in found["rejects"]] == [
        (str(book), "E_EMPTY"), ("nowhere.mid", "E_GONE"), (str(tunes / "broken.mid"), "E_MIDI_TRUNCATED"),
    ]  # fmt: skip
    assert "nowhere.mid: is not there" in err
    code, out, _ = run(capsys, "embed", tunes / "broken.mid", "--json", "--weights", tiny_weights)
    assert (code, set(answer_of(out))) == (3, {"error"})


def test_what_steers_a_terminal_is_not_printed(
    capsys: pytest.CaptureFixture[str], tunes: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "\x1b[31mred\udcff.mid"
    odd.write_bytes((tunes / "rock.mid").read_bytes())
    for args in (["embed", odd, "--weights", tiny_weights], ["show", odd], ["show", tmp_path / "\x1b[2J.mid"]):
        _, out, err = run(capsys, *args)
        assert "\x1b" not in out + err
        (out + err).encode("utf-8")


def test_an_interrupted_command_and_an_unknown_one_print_one_object(
    capsys: pytest.CaptureFixture[str], tunes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, "shwo", "--json")
    assert (code, answer_of(out)["error"]["hint"]) == (2, "Did you mean mmbert show?")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmbert.items.load_items", interrupted)
    code, out, err = run(capsys, "show", tunes / "waltz.mid", "--json")
    assert (code, answer_of(out)["error"]["fault"], err) == (130, "Stopped", "Stopped.\n")


def test_embed_gives_unit_vectors(
    capsys: pytest.CaptureFixture[str], tunes: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    files = [tunes / "waltz.mid", tunes / "hymn.mid"]
    code, out, _ = run(capsys, "embed", *files, "--json", "--weights", tiny_weights)
    found = answer_of(out)
    assert code == 0
    assert np.allclose([np.linalg.norm(p["vector"]) for p in found["pieces"]], 1, atol=1e-4)
    saved = tmp_path / "vectors.npy"
    code, _, err = run(capsys, "embed", *files, "--out", saved, "--weights", tiny_weights)
    assert code == 0
    assert str(saved) in err
    assert np.allclose(np.load(saved), [p["vector"] for p in found["pieces"]], atol=1e-5)


def loaded_by(*args: object) -> set[str]:
    """Modules that a command has loaded in a process of its own."""
    code = "import sys; from mmbert.cli import main; assert main(sys.argv[1:]) == 0; print(*sys.modules)"
    command = [sys.executable, "-c", code, *map(str, args)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split())


def test_a_question_in_words_loads_no_more_than_it_needs(built: Path, tiny_weights: Path) -> None:
    """Each of these costs a one-shot search a second or more."""
    loaded = loaded_by("search", built, "a slow hymn", "--json", "--weights", tiny_weights)
    assert "torch" in loaded
    assert loaded.isdisjoint({"transformers", "sentence_transformers", "torch._dynamo", "sympy", "sklearn", "scipy"})


@pytest.mark.parametrize("kind", ["filter", "piece"])
def test_what_needs_no_model_loads_none(built: Path, kind: str) -> None:
    asked = ["--where", "mode=minor"] if kind == "filter" else ["--like", open_library(built).current().pieces.uid[0]]
    loaded = loaded_by("search", built, *asked, "--json")
    assert loaded.isdisjoint({"torch", "tokenizers", "huggingface_hub", "symusic"})


def test_who_waits_at_a_terminal_is_told_why(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    with if_slow("Loading ...", 0.01):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with if_slow("Loading ...", 0.01):
        time.sleep(0.2)
    with if_slow("Loading ...", 60):
        pass
    assert capsys.readouterr().err == "Loading ...\n"


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_output_is_one_sentence_and_a_reader_that_leaves_is_none(tunes, more):
    command = [sys.executable, "-m", "mmbert", "show", str(tunes / "waltz.mid"), *more]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (5, "The output: cannot be written: the disk is full.\n")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_tune_is_found_by_its_notes_and_by_a_file(
    capsys: pytest.CaptureFixture[str], built: Path, tunes: Path
) -> None:
    code, out, _ = run(capsys, "search", built, "--melody", tunes / "jig-g.mid", "--limit", 2, "--json")
    answer = answer_of(out)
    assert code == 0
    assert list(answer) == ["query", "understood", "nothing_fits", "notice", "hits"]
    assert len(answer["hits"]) <= 2
    assert answer["hits"][0]["title"] == "Kesh"
    assert (answer["hits"][0]["transposed_by"], answer["hits"][0]["stretched_by"]) == (0, 1)
    code, out, _ = run(capsys, "search", built, "--notes", "C4 E4 D4 G4 F#4 E4", "--where", "form=jig")
    assert code == 0
    assert "notes agree from bar" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--notes", "C4"), "notes: are one note. Give at least 3"),
        (("--notes", "hello"), "'hello': is no note. Write names with octaves"),
        (("--notes", "C4 D4 E4", "--melody", "a.mid"), "--notes: and --melody exclude each other"),
        (("a waltz", "--notes", "C4 D4 E4"), "a question in words: and --notes exclude each other"),
        (("--melody", "nowhere.mid"), "nowhere.mid: is neither a file"),
        (("--melody", "a.mid", "--order", "title"), "--order: and --melody exclude each other"),
    ],
)
def test_what_is_no_tune_is_told(
    capsys: pytest.CaptureFixture[str], built: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = run(capsys, "search", built, *arguments)
    assert (code, out) == (2, "")
    assert words in err
