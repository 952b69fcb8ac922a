"""Works, splits, and what may be released, on a tiny folder of zips."""

import csv
import io
import zipfile

import pytest
from mmbert_training import manifest

from mmbert.errors import DataError

COLUMNS = ["id", "path", "title", "creator", "form", "key", "metre", "genre", "style", "instrumentation", "year"]
COLUMNS += ["language", "labels", "same_as"]
TUNE = "X:1\nT:Toy\nM:3/4\nL:1/4\nK:D\nDFA|d2A|FED|D3|]\n"


def row(**values):
    return dict.fromkeys(COLUMNS, "") | values


def write_zip(folder, source, rows, files):
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS)
    table.writeheader()
    table.writerows(rows)
    with zipfile.ZipFile(folder / f"{source}.zip", "w") as z:
        z.writestr("manifest.csv", text.getvalue())
        for name, content in files.items():
            z.writestr(name, content)


@pytest.fixture
def data(tmp_path):
    hymns = [
        row(id="h1", path="a.abc", title="Toy", creator="Schop, Johann (1590-1664)", form="hymn"),
        row(id="h2", path="b.abc"),
    ]
    write_zip(tmp_path, "openhymnal", hymns, {"a.abc": TUNE})
    songs = [row(id=f"s{y}", path="x.abc", year=y) for y in ("1925-06-08", "1930", "1931-11-02", "")]
    write_zip(tmp_path, "openewld", songs, {})
    book = "X:1\nT:One\nK:C\nC4|]\n\nX:2\nT:Two\nK:G\nG4|]\n"
    write_zip(
        tmp_path, "taberna_abc", [row(id="t1", path="all.abc#X:1"), row(id="t2", path="all.abc#X:2")], {"all.abc": book}
    )
    ids = ["h1", "h2", *(r["id"] for r in songs), "t1", "t2"]
    lines = ["id,source,cluster,cluster_size,split"] + [
        f"{i},x,{'both' if i in ('h1', 't1') else i},1,train" for i in ids
    ]
    with zipfile.ZipFile(tmp_path / "works.csv.zip", "w") as z:
        z.writestr("works.csv", "\n".join(lines))
    return tmp_path


def test_an_item_has_the_manifests_words(data):
    work = manifest.load_works(data, ("openhymnal",))[0]
    item = manifest.load_item(work)
    assert len(item.score.notes) == 9
    assert item.metadata == {"title": "Toy", "composer": "Johann Schop", "form": "hymn"}


def test_released_weights_see_open_sources_and_old_songs_alone(data):
    works = manifest.load_works(data, ("openhymnal", "openewld", "taberna_abc"))
    assert [w.id for w in works if w.releasable] == ["h1", "h2", "s1925-06-08", "s1930"]


def test_a_tune_of_a_book_is_read_alone(data):
    second = manifest.load_works(data, ("taberna_abc",))[1]
    assert manifest.read(second).startswith(b"X:2\nT:Two")
    assert len(manifest.load_item(second).score.notes) == 1


def test_what_is_missing_is_named(data, tmp_path, monkeypatch):
    monkeypatch.delenv("MMBERT_DATA", raising=False)
    with pytest.raises(DataError, match="MMBERT_DATA"):
        manifest.load_works(None)
    with pytest.raises(DataError, match=r"works\.csv\.zip"):
        manifest.load_works(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"pop909\.zip: is missing"):
        manifest.load_works(data, ("pop909",))
    with pytest.raises(DataError, match=r"holds no b\.abc"):
        manifest.load_item(manifest.load_works(data, ("openhymnal",))[1])
