"""What is read from words: the table, and the laws that hold for any words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbert_training.evaluate import understanding

from mmbert.facets import satisfied
from mmbert.retrieval.conditions import is_pace_class
from mmbert.retrieval.names import Names, names_of
from mmbert.retrieval.understand import understand
from mmbert.types import Facets

VOCABULARY = re.split(
    " ",
    "slow fast lively jig waltz hymn in a A D minor major flat without no not drums piano violin and or but with 6/8"
    " three bpm:90-110 90 bpm under 2 minutes by Bach like this slower , . ! quick step middle c quartet",
)


def chips(words: str, names: Names | None = None, example: Facets | None = None) -> list[str]:
    return [str(c) + " (must)" * c.hard for c in understand(words, names, example).conditions]


def test_the_table_is_read_as_written_down() -> None:
    found = understanding.run()
    everything = next(row for row in found["rows"] if row["sentences"] == "all")
    assert everything["of"] >= 60
    assert everything["accuracy"] >= 0.95, found["wrong"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("without drums or guitar", ["has_drums=False (must)", "instruments!=guitar (must)"]),
        ("no drums, slow", ["has_drums=False (must)", "pace=slow"]),
        ("without drums but with flute", ["has_drums=False (must)", "instruments=flute"]),
        ("no", []),
        ("nothing but piano", ["instruments=piano"]),
        ("no strings of any kind whatever, and a piano", ["families!=strings (must)", "instruments=piano"]),
        ("anything but a waltz", ["form!=waltz (must)"]),
        ("neither fast nor slow", ["pace!=fast (must)", "pace!=slow (must)"]),
        ("I don't want drums", ["has_drums=False (must)"]),
        ("nothing with drums", ["has_drums=False (must)"]),
        ("free of drums", ["has_drums=False (must)"]),
        ("no jigs, reels or hornpipes", ["form!=jig (must)", "form!=reel (must)", "form!=hornpipe (must)"]),
        ("no drums, piano and violin", ["has_drums=False (must)", "instruments=piano", "instruments=violin"]),
        ("not in D minor", ["key!=D (must)"]),  # other pieces in minor stay
        ("not minor", ["mode!=minor (must)"]),
        ("slow, not 120 bpm", ["pace=slow"]),
        ("Symphony no 5 in C minor", ["key=C", "mode=minor"]),
        ("no 3 for piano", ["instruments=piano"]),
        ("no 3/4", ["metre!=3/4 (must)"]),
    ],
)
def test_a_negation_reaches_three_words_and_excludes(words: str, wanted: list[str]) -> None:
    assert chips(words) == wanted


def test_what_is_excluded_is_not_looked_for() -> None:
    query = understand("slow march without drums")
    assert "drums" not in query.meaning
    assert "drums" not in query.lexical
    assert query.words == "slow march without drums"


@pytest.mark.parametrize("words", ["tempo_bpm<fast", "nosuch<3", "bpm:", "key:H", "tempo_bpm<", "<90", "bars=="])
def test_an_operator_without_sense_stays_words(words: str) -> None:
    assert not [c for c in understand(words).conditions if c.hard]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("in a minor key", ["mode=minor"]),
        ("in a minor", ["key=A", "mode=minor"]),
        ("A minor waltz", ["key=A", "mode=minor", "form=waltz", "metre=3/4"]),
        ("c-Moll", ["key=C", "mode=minor"]),
        ("H-moll", ["key=B", "mode=minor"]),
        ("B-Dur", ["key=Bb", "mode=major"]),  # the German B is B flat
        ("in Am", ["key=A", "mode=minor"]),
        ("Gm reel", ["key=G", "mode=minor", "form=reel"]),
        ("guitar, fingerpicked, Dm", ["instruments=guitar", "key=D", "mode=minor"]),
        ("Bb blues", ["key=Bb", "form=blues"]),
        ("Bb clarinet", ["instruments=clarinet"]),  # how it is built, not the key
        ("a merry jig, D", ["form=jig", "key=D"]),
        ("D dorian", ["key=D"]),
        ("polka in D or G", ["form=polka", "key=D", "key=G"]),
        ("ré mineur", ["key=D", "mode=minor"]),
        ("B♭ major", ["key=Bb", "mode=major"]),
        ("I am in a band", []),
        ("a major work", []),
    ],
)
def test_keys(words: str, wanted: list[str]) -> None:
    assert chips(words) == wanted


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("fewer than 3 parts", ["parts<3"]),
        ("no more than two instruments", ["parts<=2"]),
        ("more than four voices", ["parts>4"]),
        ("tempo under 90", ["tempo_bpm<90"]),
        ("♩ = 100", ["tempo_bpm>=92", "tempo_bpm<=108"]),
        ("2:30 long", ["duration_s>=135", "duration_s<=165"]),
        ("1 min 40 s", ["duration_s>=90", "duration_s<=110"]),
        ("one and a half minutes", ["duration_s>=81", "duration_s<=99"]),
        ("in three-quarter time", ["metre=3/4"]),
        ("9" * 400 + " bpm", []),
    ],
)
def test_numbers(words: str, wanted: list[str]) -> None:
    assert chips(words) == wanted


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("bass clarinet", ["instruments=clarinet"]),
        ("bass drum", ["has_drums=True"]),
        ("andante con moto", ["pace=moderate"]),
        ("air on the G string", ["form=air"]),
        ("no vocals", ["families!=voice (must)"]),
        ("less loud", []),  # than what?
    ],
)
def test_what_looks_like_something_else(words: str, wanted: list[str]) -> None:
    assert chips(words) == wanted


def test_relative_words_are_relative_to_the_example() -> None:
    example = Facets(pace=4.1, tempo_bpm=90.0, duration_s=60.0, bars=20, notes_per_bar=8.0)
    assert chips("like this, but slower", example=example) == ["pace<4.1"]
    assert chips("faster and longer", example=example) == ["pace>4.1", "duration_s>60"]
    assert chips("half as fast, less dense", example=example) == ["pace<4.1", "notes_per_bar<8"]
    assert chips("twice as long", example=example) == ["duration_s>60"]
    assert chips("slower") == ["pace=slow"]
    assert chips("louder", example=example) == []  # the example's loudness is unknown


def test_names_are_those_of_the_library() -> None:
    names = Names(("Wood, Charles", "Franz Schubert"), ("Slow Boat to China", "Waltz", "Jig in D"))
    assert chips("slow boat to china", names) == ["title~Slow Boat to China"]
    assert chips("a wood fire", names) == []
    assert chips("something by Wood", names) == ["composer~Wood"]
    assert chips("a jig in D", names) == ["form=jig", "key=D"]
    joplin = Names(("Scott Joplin", "Scott, Cyril"), ())
    assert chips("ragtime by Scott Joplin", joplin) == ["form=ragtime", "composer~Joplin"]
    assert chips("by Cyril Scott", joplin) == ["composer~Scott"]
    assert chips("by Joplin", Names(("by SCOTT JOPLIN.", "Scott Joplin"))) == ["composer~Joplin"]
    assert chips("Shubert", names) == ["composer~Schubert"]


def test_one_person_in_several_spellings_is_one_and_two_of_a_surname_are_two() -> None:
    bach = Names(("J.S. Bach", "Johann Sebastian BACH", "Bach"))
    assert chips("something by Johann Sebastian Bach", bach)[0].casefold() == "composer~bach"
    schumanns = Names(("Schumann, Clara", "Robert Schumann"))
    assert chips("clara schumann", schumanns) == ["composer~Schumann, Clara"]
    assert chips("Robert Schumann", schumanns) == ["composer~Robert Schumann"]
    assert chips("schumann", schumanns) == ["composer~Schumann"]


@given(st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join))
def test_any_words_of_the_vocabulary_give_conditions_that_can_be_asked(words: str) -> None:
    query = understand(words)
    for c in query.conditions:
        if not is_pace_class(c):
            satisfied(c, Facets(tempo_bpm=90, pace=3.0, metre="3/4", bars=8, duration_s=40, parts=2, key="D"))
        assert c.words in words
    assert query == understand(words)


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_fault(words: str) -> None:
    query = understand(words, Names(("Bach",), ("A b",)))
    assert query.words == words


def test_upper_case_and_accents_change_nothing() -> None:
    for words in ("slow waltz for violin", "étude in e minor", "without drums"):
        assert chips(words.upper()) == chips(words)


@pytest.mark.parametrize(
    ("words", "lexical"),
    [
        ("my tax return", "tax return"),
        ("a", ""),
        ("🎵🎵", ""),
        ("Is there a cat for you?", "cat"),
        ("op 9 no 2", "op 9 2"),
    ],
)
def test_small_words_and_single_letters_are_not_looked_for(words: str, lexical: str) -> None:
    assert understand(words).lexical == lexical


def test_a_title_asked_for_by_name_keeps_its_small_words() -> None:
    found = understand("My Way", names_of([], ["My Way", "Another"]))
    assert [c.facet for c in found.conditions] == ["title"]
    assert found.lexical == "My Way"
