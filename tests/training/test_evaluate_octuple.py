"""The evaluation of octuples over a tiny folder of data: what is read, what is refused, what is lost."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from mmbert_training.evaluate import octuple

from mmbert.errors import DataError
from mmbert.items import write_midi
from mmbert.symbolic.score import Score


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with zipfile.ZipFile(tmp_path / "works.csv.zip", "w"):
        pass
    tune = Score.build([(7, 480, 60, 80, 0, False, 0), (480, 480, 62, 78, 40, False, 1)], 480, tempo_map=[(0, 120.0)])
    odd = Score.build([(0, 480, 60, 78, 0, False, 0)], 480, metre_map=[(0, 17, 4)])
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as zipped:
        zipped.writestr("midi/a.mid", write_midi(tune, {}))
        zipped.writestr("midi/b.mid", write_midi(odd, {}))
        zipped.writestr("midi/torn.mid", write_midi(tune, {})[:40])
        zipped.writestr("manifest.csv", "id,path\n")
    monkeypatch.setattr(octuple, "SOURCES", ("songs",))
    monkeypatch.delenv("MMBERT_DATA", raising=False)
    return tmp_path


def test_files_are_counted_and_losses_added_up(folder: Path) -> None:
    found = octuple.run(folder)
    assert found["law_holds"] is True
    assert (found["files"], found["unread"], found["notes"], found["broken"]) == (3, 1, 3, [])
    assert found["sources"]["songs"]["unread"].startswith("E_MIDI")
    losses = {name: row["songs"] for name, row in found["losses"].items()}
    assert (losses["onset_moved"], losses["velocity_changed"], losses["metre_replaced"]) == (1, 1, 1)
    assert {row["songs"] == row["all"] for row in found["losses"].values()} == {True}


def test_a_law_that_does_not_hold_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(octuple, "decode", lambda x: Score.build([], 480))
    found = octuple.run(folder)
    assert found["law_holds"] is False
    assert found["broken"] == [f"songs: midi/{f}.mid{p}" for f in "ab" for p in ("", " (muzic)")]


def test_missing_data_are_named(folder: Path) -> None:
    with pytest.raises(DataError, match="MMBERT_DATA"):
        octuple.run(None)
    (folder / "songs.zip").unlink()
    with pytest.raises(DataError, match=r"songs\.zip"):
        octuple.run(folder)
