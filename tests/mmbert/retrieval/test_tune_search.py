"""Finding a tune in a library: which bars, in which key, and what is said where there is none."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.errors import LibraryError, UsageError
from mmbert.items import load_items, write_midi
from mmbert.symbolic.score import Part, Score
from mmbert.symbolic.transform import transpose
from mmbert.types import Hit, TuneHit

from ..conftest import WordEmbedder

BOOK = """X:1
T:The Green Door
R:jig
M:6/8
L:1/8
K:D
|DFA dfa|gec d3|BGB AFA|gfe d3|

X:2
T:Evening
R:hymn
M:4/4
L:1/2
Q:1/4=60
K:Am
A c|e d|c B|A2|e f|g e|f d|e2|

X:3
T:Three Steps
M:3/4
L:1/4
K:G
GBd|g2f|edc|B3|cAF|G2B|AGF|G3|
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tunes")
    (folder / "music").mkdir()
    (folder / "music" / "book.abc").write_text(BOOK, encoding="utf-8")
    (folder / "music" / "words.txt").write_text("Some words about nothing at all", encoding="utf-8")
    (folder / "music" / "drums.mid").write_bytes(drums())
    build_library(folder / "library", [folder / "music"], WordEmbedder(), workers=0)
    return folder


@pytest.fixture(scope="module")
def library(folder: Path) -> Library:
    return Library.open(folder / "library")


def drums() -> bytes:
    beats = [(480 * i, 240, 36, 90, 0, True, 0) for i in range(8)]
    return write_midi(Score.build(beats, 480, parts=(Part("kit", 0, True),)), {"title": "Beat"})


def first(library: Library, **asked: object) -> TuneHit:
    hit = library.find_tune(**asked).hits[0]  # type: ignore[arg-type]
    assert isinstance(hit, TuneHit)
    return hit


def test_typed_notes_find_the_bars_in_another_key(library: Library) -> None:
    hit = first(library, notes="E4 G4 B4 A4 G4 F#4 E4")  # the hymn, a fourth lower
    assert (hit.title, hit.rank, hit.transposed_by, hit.stretched_by) == ("Evening", 1, -5, None)
    assert (hit.place.start_bar, hit.place.end_bar) == (0, 4)
    assert (hit.place.start_s, hit.place.end_s) == (0, pytest.approx(16))
    assert hit.why == "7 of 7 notes agree from bar 1 on, a fourth higher."


def test_abc_with_lengths_tells_the_tempo(library: Library) -> None:
    hit = first(library, notes="L:1/8\nM:3/4\nK:A\n" + "a2^g|fed|c3|" + "dBG|A2c")
    assert (hit.title, hit.transposed_by) == ("Three Steps", 2)
    assert hit.stretched_by == pytest.approx(0.5)
    assert hit.place.start_bar == 1
    assert "at 2.00 times yours" in hit.why


def test_a_wrong_note_is_forgiven_and_told(library: Library) -> None:
    hit = first(library, notes="B4 G4 B4 A4 F4 A4 G5 F#5 E5")
    assert (hit.title, hit.place.start_bar, hit.transposed_by) == ("The Green Door", 2, 0)
    assert hit.why == "8 of 9 notes agree from bar 3 on, at the same pitch."


@pytest.mark.parametrize("suffix", ["mid", "abc"])
def test_the_melody_of_a_file_is_found(library: Library, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"asked.{suffix}"
    if suffix == "abc":
        path.write_text("X:1\nM:4/4\nL:1/4\nK:Em\ne2 g2|b2 a2|g2 f2|e4|\n", encoding="utf-8")
        transposed = 7
    else:
        (score,) = [i.score for i in load_items(library.pieces()[0].path) if "Evening" in i.metadata["title"]]
        assert score is not None
        path.write_bytes(write_midi(transpose(score, -3), {}))
        transposed = -3
    answer = library.find_tune(path)
    assert (answer.hits[0].title, answer.hits[0].transposed_by) == ("Evening", transposed)  # type: ignore[attr-defined]
    assert answer.query.mode == "melody"
    assert answer.to_json()["query"] == str(path)


def test_the_hit_has_the_fields_of_a_search_and_two_more(library: Library) -> None:
    told = json.loads(json.dumps(library.find_tune(notes="A4 C5 E5 D5 C5 B4").to_json()["hits"][0]))
    own = {"transposed_by", "stretched_by"}
    assert own <= set(told)
    plain = Hit(**{name: getattr(library.find_tune(notes="A4 C5 E5 D5").hits[0], name) for name in Hit.__match_args__})
    assert set(told) - own == set(plain.to_json())


def test_conditions_and_limits_hold(library: Library) -> None:
    asked = "D4 F#4 A4 D5 F#5 A5"
    assert first(library, notes=asked).title == "The Green Door"
    assert "The Green Door" not in [h.title for h in library.find_tune(notes=asked, where="form=hymn").hits]
    assert len(library.find_tune(notes=asked, limit=1).hits) == 1
    assert library.find_tune(notes=asked, folder="/nowhere").nothing_fits


def test_a_tune_that_is_nowhere_fits_nothing(library: Library) -> None:
    answer = library.find_tune(notes="C4 C#5 D3 Eb6 E2 F6 F#3 G5 G#2 A6")
    assert answer.nothing_fits
    assert not library.find_tune(notes="A4 C5 E5 D5 C5 B4").nothing_fits


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (drums(), "holds drums alone. A tune needs notes with a pitch"),
        (b"X:1\nT:Rests\nK:C\nz4 z4|\n", "No notes"),
        (b"X:1\nT:One\nK:C\nC4|\n", "holds one note. Give at least 3"),
        (b"X:1\nT:Two\nK:C\nC4 E4|\n", "holds 2 notes. Give at least 3"),
        (b"Words of a song", "is a text. A tune is found by its notes"),
    ],
    ids=["drums", "rests", "one", "two", "words"],
)
def test_what_is_no_tune_is_said(library: Library, tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / ("asked" + (".mid" if content[:4] == b"MThd" else ".abc" if content[:1] == b"X" else ".txt"))
    path.write_bytes(content)
    with pytest.raises(Exception, match=words.replace(".", r"\.")) as caught:
        library.find_tune(path)
    assert str(path) in str(caught.value)


def test_one_tune_is_asked_for(library: Library) -> None:
    with pytest.raises(UsageError, match="tune: is not there"):
        library.find_tune()
    with pytest.raises(UsageError, match="tune: was given twice"):
        library.find_tune("a.mid", notes="C4 D4 E4")
    with pytest.raises(UsageError, match="limit"):
        library.find_tune(notes="C4 D4 E4", limit=0)


def test_ten_thousand_notes_are_answered(library: Library, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    notes = [(240 * i, 240, int(p), 80, 0, False, 0) for i, p in enumerate(rng.integers(40, 90, 10_000))]
    (tmp_path / "long.mid").write_bytes(write_midi(Score.build(notes, 480), {}))
    answer = library.find_tune(tmp_path / "long.mid")
    assert answer.nothing_fits
    assert answer.notice == "The first 500 of 10,000 notes were looked for."


def test_of_a_whole_tune_each_note_counts_once(library: Library) -> None:
    hit = first(library, notes="L:1/8\nM:6/8\nK:E\n" + "EGB egb|afd e3|cAc BGB|gfa e3|")
    assert (hit.title, hit.transposed_by, hit.place.start_bar, hit.place.end_bar) == ("The Green Door", 2, 0, 4)
    assert hit.why.startswith("19 of 20 notes agree from bar 1 on, a whole tone lower; the note lengths agree")


def test_a_library_without_melodies_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(folder / "library", tmp_path / "old"))
    generation = old / "generations" / (old / "CURRENT").read_text().strip()
    database = sqlite3.connect(generation / "records.sqlite")
    database.execute("DROP TABLE melody")
    database.commit()
    database.close()
    stated(generation)
    with Library.open(old) as library, pytest.raises(LibraryError, match=r"built before tunes .* mmbert index build"):
        library.find_tune(notes="C4 D4 E4")


def stated(generation: Path) -> None:
    """Let the manifest say what the files now hold."""
    from mmbert.store.files import json_bytes
    from mmbert.store.manifest import describe, with_checksum

    manifest = json.loads((generation / "MANIFEST.json").read_bytes())
    manifest["files"] = describe(generation, list(manifest["files"]))
    (generation / "MANIFEST.json").write_bytes(json_bytes(with_checksum(manifest)))
