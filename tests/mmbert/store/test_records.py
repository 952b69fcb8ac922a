"""Facets as columns, and full text that takes anything a person types."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmbert.facets import FACETS, satisfied
from mmbert.store.columns import Columns
from mmbert.types import Condition, Facets


def test_the_piece_table(generation):
    pieces = generation.pieces
    assert len(pieces) == generation.n_pieces == 10
    row = list(pieces.title).index("Mondschein")
    assert pieces.path[row].endswith("MoonlightSonata_op27.mid")
    assert (pieces.composer[row], pieces.form[row], pieces.kind[row]) == ("Antonín Dvořák", "waltz", "score")
    assert pieces.uid[row] == f"{pieces.sha256[row][:32]}-{pieces.number[row]}"
    assert generation.row_of(pieces.uid[row]) == row
    assert generation.row_of("nothing") is None
    with pytest.raises(IndexError):
        generation.facets(10)


def test_the_tables_can_be_read_with_sqlite3(built):
    db = sqlite3.connect(built / "generations/gen-000002/records.sqlite")
    names = {row[1] for row in db.execute("PRAGMA table_info(piece)")}
    assert set(FACETS) < names
    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    shared = "SELECT count(*) FROM facet WHERE name='instruments' AND value='violin'"
    assert db.execute(shared).fetchone()[0] > 0


# ---- conditions --------------------------------------------------------------------------------------

_FACETS = st.builds(
    Facets,
    key=st.sampled_from([None, "C", "Db", "C#", "F#", "Bb"]),
    mode=st.sampled_from([None, "major", "minor"]),
    tempo_bpm=st.sampled_from([None, 60.0, 90.0, 90.3, 120.0]),
    bars=st.sampled_from([None, 4, 16]),
    metre=st.sampled_from([None, "4/4", "6/8"]),
    instruments=st.sampled_from([(), ("violin",), ("nylon guitar", "drums"), ("organic",)]),
    families=st.sampled_from([(), ("strings",), ("piano", "strings")]),
    has_drums=st.sampled_from([None, True, False]),
    parts=st.sampled_from([None, 1, 3]),
    form=st.sampled_from([None, "jig", "Slip Jig", ""]),
    title=st.sampled_from([None, "Été", "Slow Air", ""]),
    composer=st.sampled_from([None, "Antonín Dvořák", "Bach"]),
)
_NUMBERS = ("tempo_bpm", "bars", "parts")
_TEXTS = ("key", "mode", "metre", "instruments", "families", "form", "title", "composer")
_CONDITIONS = st.one_of(
    st.builds(
        Condition,
        st.sampled_from(_NUMBERS),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.sampled_from([1.0, 3.0, 16.0, 60.0, 90.0, 90.2]),
    ),
    st.builds(
        Condition,
        st.sampled_from(_TEXTS),
        st.sampled_from(["=", "!=", "~"]),
        st.sampled_from(["C#", "minor", "6/8", "guitar", "organ", "jig", "ete", "DVORAK", "strings", ""]),
    ),
    st.builds(Condition, st.just("has_drums"), st.sampled_from(["=", "!="]), st.booleans()),
)


@settings(max_examples=300)
@given(st.lists(_FACETS, max_size=12), st.lists(_CONDITIONS, min_size=1, max_size=4))
def test_columns_answer_as_satisfied_does(all_facets, conditions):
    import json

    def read(name):
        values = [getattr(f, name) for f in all_facets]
        return [json.dumps(list(v)) if isinstance(v, tuple) and v else None if v == () else v for v in values]

    columns = Columns(read)
    for condition in conditions:
        expected = [satisfied(condition, f) for f in all_facets]
        got = [{1: True, 0: False, -1: None}[v] for v in columns.fits(condition).tolist()]
        assert got == expected, condition


def test_fits_of_a_generation(generation):
    for condition in (
        Condition("key", "=", "D"),
        Condition("tempo_bpm", "<", 105),
        Condition("instruments", "=", "flute"),
        Condition("instruments", "!=", "flute"),
        Condition("has_drums", "=", True),
        Condition("composer", "~", "dvorak"),
        Condition("form", "=", "waltz"),
        Condition("bars", ">", 3),
    ):
        expected = [satisfied(condition, generation.facets(row)) for row in range(generation.n_pieces)]
        got = [{1: True, 0: False, -1: None}[v] for v in generation.fits(condition).tolist()]
        assert got == expected, condition


# ---- full text ---------------------------------------------------------------------------------------


def found(generation, *terms):
    return [generation.pieces.title[row] for row, _ in generation.full_text(list(terms), 20)]


@pytest.mark.parametrize(
    "terms",
    [
        ("dvorak",),
        ("DVOŘÁK",),
        ("mondsch",),
        ("moonlight",),
        ("sonata", "moonl"),
        ("op27",),
        ("waltz",),
        ("antonín dvo",),
    ],
)
def test_words_are_found_in_titles_names_and_composers(generation, terms):
    assert found(generation, *terms)[0] == "Mondschein"


def test_the_beginning_of_a_word_counts_for_the_last_term_alone(generation):
    assert found(generation, "mondsch", "nothing") == []
    assert found(generation, "nothing", "mondsch") == ["Mondschein"]


def test_more_terms_and_better_places_come_first(generation):
    assert found(generation, "tune", "3")[0] == "Tune 3"
    scores = [score for _, score in generation.full_text(["tune", "3"], 20)]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    assert len(generation.full_text(["tune"], 4)) == 4


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(st.characters(), max_size=12), max_size=5))
@example(['"', "'", "*", "NEAR(", "a OR b", "title:x", "^x", "-", "a\x00b", "\ud800x", "{}", "\\"])
@example(["x" * 100_000] * 1000)
@example(["a AND (b"])
@example([""])
def test_full_text_takes_anything(generation, terms):
    for row, score in generation.full_text(terms, 5):
        assert 0 <= row < 10
        assert score > 0


def test_several_threads_may_ask_at_once(generation):
    def ask(i):
        return (
            found(generation, "tune"),
            generation.facets(i % 10),
            generation.vectors.search("joint/windows", generation.vectors.rows("joint/windows", [i % 20]), 3)[1][0, 0],
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(80)))
    assert [int(a[2]) for a in answers] == [i % 20 for i in range(80)]
    assert all(len(a[0]) == 9 for a in answers)
