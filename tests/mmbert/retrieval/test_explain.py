"""Reasons say what is true of the piece and answers the question, and nothing that is unknown."""

from __future__ import annotations

import pytest

from mmbert.facets import satisfied
from mmbert.retrieval.explain import Grounds, why
from mmbert.types import Condition, Facets, Place

SONG = Facets(
    key="E", mode="minor", tempo_bpm=66.0, pace=1.2, metre="3/4", bars=32, duration_s=87.0, parts=2, notes_per_bar=5.0,
    instruments=("nylon guitar", "voice"), families=("guitar", "voice"), has_drums=False, pitch_low=48, pitch_high=76,
    form="song", title="Evening Star", composer="Ann Example",
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (Condition("pace", "=", "slow"), "Slow (66 bpm)."),
        (Condition("pace", "!=", "fast"), "Not fast (66 bpm)."),
        (Condition("instruments", "=", "guitar"), "Nylon guitar."),
        (Condition("instruments", "!=", "piano"), "No piano."),
        (Condition("has_drums", "=", False), "No drums."),
        (Condition("duration_s", "<", 120), "1:27 long."),
        (Condition("bars", "=", 32), "32 bars."),
        (Condition("parts", "=", 2), "2 parts."),
        (Condition("pitch_low", ">=", 40), "Lowest note C3."),
        (Condition("composer", "~", "example"), "By Ann Example."),
        (Condition("composer", "!=", "Bach"), "Not by Bach."),
        (Condition("title", "~", "Evening Star"), "The title has “Evening Star”."),
        (Condition("metre", "=", "3/4"), "3/4."),
        (Condition("mode", "=", "minor"), "In E minor."),
    ],
)
def test_a_condition_that_fits_is_said_of_the_piece(condition: Condition, says: str) -> None:
    if condition.facet != "pace":
        assert satisfied(condition, SONG)
    assert why(Grounds(SONG, (condition,))) == says


def test_what_is_slow_by_its_notes_says_so() -> None:
    untimed = Facets(pace=2.4, bars=16, parts=1)
    assert why(Grounds(untimed, (Condition("pace", "=", "slow"),))) == (
        "Slow (2.4 onsets a bar, no tempo is stated)."
    )  # fmt: skip


def test_words_found_and_the_nearest_passage() -> None:
    texts = [("title", "Evening Star"), ("description", "Sung at dusk by the stars")]
    place = Place(31.0, 40.0)
    reason = why(Grounds(SONG, lexical="star dusk", texts=texts, place=place))
    assert reason == "Its title has “star”; the passage from 0:31 is nearest to your words."
    assert (
        why(Grounds(SONG, place=Place(0, 4, 8, 9))) == "Bar 9 of 32 is nearest to your words; it is a song in E minor."
    )


def test_small_words_alone_are_no_reason() -> None:
    texts = [("title", "My Way"), ("description", "My tax at sea")]
    assert why(Grounds(Facets(), lexical="my tax", texts=texts)) == "Its description has “my tax”."
    assert why(Grounds(Facets(), lexical="my x", texts=texts)) == "Part of this library."


def test_beside_an_example_the_difference_and_what_is_shared() -> None:
    example = Facets(key="E", mode="minor", pace=2.0, tempo_bpm=90.0, metre="4/4", instruments=("voice",))
    slower = Condition("pace", "<", 2.0, "slower")
    reason = why(Grounds(SONG, (slower,), place=Place(0, 8, 0, 4), to="“Dusk”", example=example))
    assert reason == (
        "1.2 onsets a second against 2.0 onsets a second; like it: E minor, voice; "
        "bars 1-4 of 32 are nearest to “Dusk”."
    )
    near = Facets(pace=1.22)  # which is shown as the song's own 1.2
    assert (
        "a little under 1.2 onsets a second"
        in why(Grounds(SONG, (Condition("pace", "<", 1.22, "slower"),), example=near)).lower()
    )


def test_a_piece_of_which_nothing_is_known_claims_nothing() -> None:
    assert why(Grounds(Facets())) == "Part of this library."


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (Condition("key", "!=", "G"), "Not in G."),
        (Condition("mode", "!=", "major"), "Not major."),
        (Condition("bars", "!=", 16), "32 bars."),
    ],
)
def test_what_was_to_be_left_out_is_said_in_words(condition: Condition, says: str) -> None:
    assert satisfied(condition, SONG)
    assert why(Grounds(SONG, (condition,))) == says


def test_a_file_that_names_no_instrument_is_not_said_to_be_without_one() -> None:
    assert why(Grounds(Facets(parts=1), (Condition("instruments", "!=", "piano"),))) == "No instrument is named."


D, E, MAJOR, MINOR = (
    Condition(f, "=", v) for f, v in (("key", "D"), ("key", "E"), ("mode", "major"), ("mode", "minor"))
)
SUNG, WALTZ = Condition("form", "=", "song"), Condition("form", "=", "waltz")


@pytest.mark.parametrize(
    ("fitting", "missing", "says"),
    [
        ((SUNG, MINOR), (D,), "Song, but in E minor."),  # the mode fits, the key does not
        ((SUNG, E), (MAJOR,), "Song, but in E minor."),
        ((MINOR,), (D,), "Minor, but in E."),
        ((E,), (MAJOR,), "In E, but minor."),
        ((E, MINOR), (WALTZ, D), "In E minor, but a song."),  # one of two keys
        ((SUNG,), (WALTZ,), "Song."),  # one of two forms
        ((SUNG,), (D, MAJOR), "Song, but in E minor."),
        ((SUNG, Condition("tempo_bpm", "<=", 105)), (Condition("tempo_bpm", ">=", 95),), "Song, but 66 bpm."),
    ],
)
def test_each_fact_is_said_once_before_or_behind_but(fitting, missing, says: str) -> None:
    assert why(Grounds(SONG, fitting, missing)) == says


def test_what_differs_as_asked_is_not_also_called_alike() -> None:
    assert (
        why(Grounds(SONG, (SUNG, MINOR), (D,), example=SONG))
        == "Song, but in E minor; like it: 3/4, nylon guitar and voice."
    )


@pytest.mark.parametrize(
    ("facets", "says"),
    [
        (Facets(form="air", metre="3/4"), "It is an air in 3/4."),
        (Facets(form="variations", key="G", mode="major"), "It is variations in G major."),
        (Facets(form="game music", key="E", mode="minor"), "It is game music in E minor."),
        (Facets(metre="4/4", tempo_bpm=120.0), "It is in 4/4 and at 120 bpm."),
        (Facets(duration_s=87.0), "It is 1:27 long."),
    ],
)
def test_plain_facts_are_a_sentence(facets: Facets, says: str) -> None:
    assert why(Grounds(facets)) == says
