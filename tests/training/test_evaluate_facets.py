"""Measured facets against labels, over a tiny folder of data: what is right, wrong and not stated."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from mmbert_training.evaluate import facets, labels
from mmbert_training.manifest import Work

from mmbert.errors import DataError

COLUMNS = "id path title creator form key metre genre style instrumentation year language labels same_as".split()  # noqa: SIM905
JIG = "X:1\nT:Toy\nR:jig\nM:6/8\nL:1/8\nK:D\n" + "DFA dAF|DFA dcB|AFD EDC|D3 D3|\n" * 4
SONG = "X:1\nT:Lament\nM:4/4\nL:1/4\nK:Am\nAcea|edcB|^GBeB|A4|\nAcea|dfed|c^GBe|A4|]\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {"id": "n1", "path": "jig.abc", "form": "jig", "key": "D", "metre": "6/8"},
        {"id": "n2", "path": "song.abc", "form": "reel", "key": "C", "metre": "3/4"},  # labels that are wrong
        {"id": "n3", "path": "empty.abc", "form": "jig", "key": "C", "metre": "4/4"},
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="")
    table.writeheader()
    table.writerows(rows)
    with zipfile.ZipFile(tmp_path / "nottingham.zip", "w") as z:
        z.writestr("manifest.csv", text.getvalue())
        z.writestr("jig.abc", JIG)
        z.writestr("song.abc", SONG)
        z.writestr("empty.abc", "X:1\nT:Nothing\nK:C\n")
    with zipfile.ZipFile(tmp_path / "works.csv.zip", "w") as z:
        z.writestr("works.csv", "id,cluster,split\nn1,a,test\nn2,b,train\nn3,c,train\n")
    return tmp_path


def test_every_facet_is_compared_with_its_label(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facets, "SOURCES", ("nottingham",))
    found = facets.run(data)
    value = {(r["facet"], r["split"]): (r["value"], r["pieces"]) for r in found["rows"]}
    assert value["key and mode", "all"] == (0.5, 2)
    assert value["key and mode", "test"] == (1.0, 1)
    assert value["key and mode, MIREX-weighted", "all"] == (pytest.approx(0.65), 2)  # A minor for C major
    assert value["metre", "all"] == (0.5, 2)
    assert value["form stated in the file", "all"] == (0.5, 2)
    assert value["form, where stated", "all"] == (1.0, 1)
    assert value["free time", "all"] == (1.0, 2)
    assert found["unread"] == {"nottingham": 1}
    assert all(r["low"] is None for r in found["rows"]), "no interval over two works"


def test_without_data_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMBERT_DATA", raising=False)
    with pytest.raises(DataError, match="--data"):
        facets.run(None)
    with pytest.raises(DataError, match=r"works\.csv\.zip"):
        facets.run(tmp_path)


def work(source: str, **row: str) -> Work:
    return Work("x", source, "c", "test", Path(), "", dict.fromkeys(COLUMNS, "") | row)


def test_labels_are_read_from_what_each_source_states() -> None:
    assert labels.key(work("bimmuda", key="F#  Minor")) == (6, True)
    assert labels.key(work("openhymnal", key="D")) is None
    assert labels.signature(work("openhymnal", key="Eb")) == 9
    assert labels.signature(work("openscore_lieder", key="signature -3")) == -3
    assert labels.metre(work("openhymnal", metre="none")) == "none"
    assert labels.metre(work("pop909", labels="key_changes=0;beats_per_measure=3")) == "3/4"
    assert labels.tempo(work("bimmuda", labels="bpm=94;chart_position=1")) == 94
    assert labels.families(work("mutopia_sample", instrumentation="Flute and Guitar")) == {"pipe", "guitar"}
    assert labels.families(work("mutopia_sample", instrumentation="String Ensemble")) == set()
    assert labels.free_time(work("asap", form="human performance (MIDI)"))
    assert not labels.free_time(work("asap", form="score (quantised MIDI)"))
