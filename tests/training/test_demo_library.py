"""The demo library: what its command writes into files, and the zip that travels with mmbert."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from mmbert_training import demo_library

from mmbert.items import load_items

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"


@pytest.fixture(scope="module")
def archive() -> zipfile.ZipFile:
    return zipfile.ZipFile(ROOT / "mmbert" / "demo" / "library.zip")


@pytest.mark.parametrize(("name", "suffix"), [("waltz.mid", ".mid"), ("hymn.musicxml", ".mxl"), ("book.abc", ".abc")])
def test_form_and_composer_are_written_in_and_the_notes_stay(tmp_path, name, suffix):
    row = {"id": "x-1", "title": "New title", "creator": "Schop, Johann (1590-1664)", "form": "minuet", "labels": ""}
    entry = demo_library.Entry("openhymnal", row, "x-1")
    got_suffix, data = demo_library.labelled(entry, (DATA / name).read_bytes())
    assert got_suffix == suffix
    (tmp_path / f"a{suffix}").write_bytes(data)
    before = next(load_items(DATA / name))
    after = next(load_items(tmp_path / f"a{suffix}"))
    assert after.metadata["form"] == "minuet"
    assert after.score.notes.tolist() == before.score.notes.tolist()
    if "composer" not in before.metadata or suffix != ".mxl":  # MusicXML keeps a composer that it has
        assert after.metadata["composer"] == "Johann Schop"


def test_the_zip_is_varied_and_every_piece_of_it_can_be_read(archive, tmp_path):
    names = [n for n in archive.namelist() if n.startswith("music/")]
    assert 400 <= len(names) <= 600
    assert len({n.split("/")[1] for n in names}) >= 6
    archive.extractall(tmp_path)
    items = [item for n in names for item in load_items(tmp_path / n)]
    assert len(items) == len(names)
    assert all(item.metadata.get("title") for item in items)
    forms = Counter(item.metadata.get("form") for item in items)
    assert sum(n for form, n in forms.items() if form) > 400
    assert {"jig", "reel", "waltz", "hymn", "song"} <= set(forms)
    assert len({item.metadata.get("composer") for item in items}) > 100


def test_every_piece_is_attributed_and_every_licence_text_is_there(archive):
    rows = list(csv.DictReader(io.StringIO(archive.read("ATTRIBUTION.csv").decode("utf-8"))))
    assert {r["path"] for r in rows} == {n for n in archive.namelist() if n.startswith("music/")}
    assert all(r["licence"] for r in rows)
    for source in ("nottingham", "freedoom_music", "simutrans_music", "mutopia_sample"):
        assert any(n.startswith(f"licences/{source}/") for n in archive.namelist())
    assert not any(r["source"] == "pop909" for r in rows)


def test_works_come_in_turn_from_each_stratum_and_once_a_cluster():
    def entry(number: int, form: str, cluster: str) -> demo_library.Entry:
        row = {"id": f"n-{number}", "form": form, "title": "x", "creator": "", "year": "", "labels": ""}
        return demo_library.Entry("nottingham", row, cluster)

    entries = [entry(i, "jig", f"j{i}") for i in range(9)] + [entry(10, "waltz", "w"), entry(11, "waltz", "w")]
    chosen = demo_library.choose(entries, 4, lambda e: b"X:1")
    assert Counter(e.row["form"] for e in chosen) == {"jig": 3, "waltz": 1}
