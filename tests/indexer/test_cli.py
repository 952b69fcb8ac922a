"""mmbert index as a person or a program sees it: one JSON object, exit codes, sentences."""

from __future__ import annotations

import json
import os
import sys
import types

import pytest
from fake_library import FakeEmbedder, midi

from mmbert.cli import main
from mmbert.store import open_library


@pytest.fixture(autouse=True)
def fake_weights(monkeypatch):
    """``mmbert.embed`` without torch."""
    module = types.ModuleType("mmbert.embed")
    module.Embedder = types.SimpleNamespace(from_pretrained=lambda weights=None: FakeEmbedder())
    monkeypatch.setitem(sys.modules, "mmbert.embed", module)


@pytest.fixture
def run(capsys):
    def call(*arguments):
        code = main(["index", *map(os.fspath, arguments)])
        out, err = capsys.readouterr()
        return code, (json.loads(out) if "--json" in arguments else out), err

    return call


def test_build(run, library, music):
    code, report, _ = run("build", library, music, "--json")
    assert code == 0
    assert set(report) == {"library", "generation", "pieces", "windows", "files", "embedded", "unchanged", "removed",
                           "rejected", "rejects", "flawed", "seconds", "seconds_by_stage",
                           "seconds_beside"}  # fmt: skip
    assert (report["pieces"], report["library"]) == (5, str(library))


def test_build_with_rejects_is_exit_3(run, library, music):
    (music / "bad.mid").write_bytes(b"no music")
    code, report, _ = run("build", library, music, "--json")
    assert (code, report["rejected"], report["rejects"]["counts"]) == (3, 1, {"E_NOT_MIDI": 1})
    assert report["rejects"]["first"][0]["path"] == str(music / "bad.mid")
    code, out, err = run("build", library, music)
    assert code == 3
    assert "1 E_NOT_MIDI" in out
    assert str(music / "bad.mid") in err


def test_build_as_a_table_tells_titles_nothing(run, library, music):
    code, out, _ = run("build", library, music)
    assert code == 0
    assert "5 from 5 files, 10 windows" in out
    assert "5 embedded, 0 unchanged, 0 removed" in out


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("build", "LIB"), 2, "FOLDER"),
        (("build", "LIB", "NOWHERE"), 2, "does not exist"),
        (("build", "LIB", "EMPTY"), 2, "holds no music"),
        (("build", "MUSIC", "MUSIC"), 4, "other things than a library"),
        (("info", "NOWHERE"), 4, "does not exist"),
        (("info", "MUSIC"), 4, "is not a library"),
        (("verify", "NOWHERE"), 4, "does not exist"),
        (("remove", "NOWHERE", "MUSIC"), 4, "does not exist"),
        (("repair", "NOWHERE"), 4, "does not exist"),
        (("repair", "MUSIC"), 4, "is not a library"),
        (("gc", "NOWHERE"), 4, "does not exist"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_faults_are_one_sentence_and_a_code(run, library, music, tmp_path, arguments, code, word):
    (tmp_path / "empty").mkdir()
    places = {"LIB": library, "MUSIC": music, "NOWHERE": tmp_path / "nowhere", "EMPTY": tmp_path / "empty"}
    arguments = [places.get(a, a) for a in arguments]
    got, _, err = run(*arguments)
    assert (got, word in err, "Traceback" in err) == (code, True, False), err
    got, told, _ = run(*arguments, "--json")
    assert got == code
    assert set(told["error"]) == {"subject", "fault", "hint"}


def test_info(run, library, music):
    (music / "bad.mid").write_bytes(b"no music")
    run("build", library, music)
    code, facts, _ = run("info", library, "--json")
    assert code == 0
    assert (facts["pieces"], facts["windows"], facts["rejected"], facts["kinds"]) == (5, 10, 1, {"score": 5})
    assert facts["sources"] == [str(music)]
    assert facts["fingerprint"] == FakeEmbedder().fingerprint
    assert run("info", library)[0] == 0


def test_verify(run, library, music):
    run("build", library, music)
    code, verdict, _ = run("verify", library, "--json")
    assert (code, verdict["sound"], verdict["damaged"], verdict["serving"]) == (0, True, [], "gen-000001")
    assert "sound" in run("verify", library)[1]
    path = library / "generations/gen-000001/joint.windows.f16"
    data = bytearray(path.read_bytes())
    data[100] ^= 0x10
    path.write_bytes(data)
    code, verdict, _ = run("verify", library, "--json")
    assert (code, verdict["sound"], verdict["serving"]) == (4, False, None)
    assert verdict["damaged"] == [{"file": "gen-000001/joint.windows.f16", "fault": "the bytes were altered"}]
    code, _, err = run("verify", library)
    assert code == 4
    assert "damaged gen-000001/joint.windows.f16" in err


def test_remove(run, library, music):
    run("build", library, music)
    code, report, _ = run("remove", library, music / "tune00.mid", "--json")
    assert (code, report["removed"], report["pieces"]) == (0, 1, 4)
    code, _, err = run("remove", library, music / "tune00.mid")
    assert (code, "not in this library" in err) == (2, True)
    assert "1 files, 1 pieces" in run("remove", library, music / "tune01.mid")[1]


def test_another_path_to_the_same_folder_is_the_same_folder(run, library, music, monkeypatch):
    run("build", library, music)
    monkeypatch.chdir(music.parent)
    (music.parent / "link").symlink_to(music)
    _, report, _ = run("build", library, "music", "--json")
    assert (report["pieces"], report["generation"]) == (5, "gen-000001")
    _, report, _ = run("build", library, "link", "--json")
    assert (report["files"], report["generation"]) == (5, "gen-000001")
    code, report, _ = run("remove", library, "music/tune00.mid", "--json")
    assert (code, report["removed"]) == (0, 1)


def test_markup_in_names_is_no_markup(run, library, music):
    (music / "[red]bad.mid").write_bytes(b"no music")
    (music / "\x1b[31mred.mid").write_bytes(midi(99))
    _, out, err = run("build", library, music)
    assert "[red]bad.mid" in err
    assert "\x1b" not in out + err
    run("remove", library, music / "[red]bad.mid")
    assert open_library(library).current().n_pieces == 6


@pytest.mark.failure(23)
def test_repair_and_gc(run, library, music):
    run("build", library, music)
    (music / "new.mid").write_bytes(midi(90))
    run("build", library, music)
    assert "nothing was damaged" in run("repair", library)[1]
    path = library / "generations/gen-000002/joint.windows.f16"
    os.truncate(path, 100)
    _, _, err = run("info", library)
    assert "gen-000002 is damaged (joint.windows.f16: 384 bytes expected, 100 found). Serving gen-000001." in err
    assert err.rstrip().endswith(f"Run: mmbert index repair {library}")
    code, _, err = run("verify", library)
    assert (code, err.rstrip().splitlines()[-1]) == (4, f"Serving gen-000001. Run: mmbert index repair {library}")
    code, told, _ = run("gc", library, "--json")
    assert (code, told["error"]["hint"]) == (4, f"Run: mmbert index repair {library}")
    code, report, _ = run("repair", library, "--json")
    assert (code, report["before"], report["generation"], report["left"]) == (0, "gen-000002", "gen-000003", [])
    assert run("verify", library)[0] == 0
    code, report, _ = run("gc", library, "--json")
    assert (code, report["kept"], report["deleted"]) == (
        0, ["gen-000003", "gen-000001"], ["generations/gen-000002.damaged"],
    )  # fmt: skip
    assert report["bytes"] > 10_000
    assert "0.0 MB" in run("gc", library)[1]
