"""Notes as people type them, and what is said where they are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.errors import UsageError
from mmbert.retrieval.tune_search import checked_tune
from mmbert.retrieval.typed_notes import typed_notes

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@pytest.mark.parametrize(
    ("text", "pitch"),
    [
        ("D4 E4 F#4 A4", [62, 64, 66, 69]),
        ("D4, E4, F♯4 | A4", [62, 64, 66, 69]),
        ("Bb3 C4 Db4", [58, 60, 61]),
        ("C-1 G9 Fx4", [0, 127, 67]),
        ("D E ^F A", [62, 64, 66, 69]),
        ("DEFA|dd'z2D,", [62, 64, 65, 69, 74, 86, 50]),
        ("[K:D] D E F A", [62, 64, 66, 69]),
        ("X:1\nK:D\nDEFA|", [62, 64, 66, 69]),
        ('"Am7" A,2 (3CEG', [57, 60, 64, 67]),
    ],
)
def test_pitches(text: str, pitch: list[int]) -> None:
    assert typed_notes(text).pitch.tolist() == pitch


def test_lengths_are_read_where_they_differ() -> None:
    assert typed_notes("D2 E2 c2").onset is None
    onset = typed_notes("D3 E F2").onset
    assert onset is not None
    assert onset.tolist() == [0, 1.5, 2]


@given(st.lists(st.integers(0, 127), min_size=1, max_size=40))
def test_every_pitch_has_a_name(pitches: list[int]) -> None:
    text = " ".join(f"{NAMES[p % 12]}{p // 12 - 1}" for p in pitches)
    assert typed_notes(text).pitch.tolist() == pitches


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "notes: are empty"),
        ("z4 z2 |", "notes: hold no note"),
        ("hello world", "'hello': is no note"),
        ("D4 E4 F# A4", "F#: lacks its octave. Write F#4, or ^F in ABC"),
        ("D4 E4 H4", "'H4': is no note"),
        ("D E F#4", "D: is written otherwise than F#4"),
        ("G#9 A4", "G#9: is no note of MIDI"),
        ("C4 D44 E4", "D44: is no note of MIDI"),
        ("D4 " * 2000, "notes: are longer than 4,000 characters"),
        ("🎵🎵🎵", "'🎵🎵🎵': is no note"),
    ],
)
def test_what_are_no_notes_is_said(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        typed_notes(text)
    assert str(caught.value).startswith(words)
    assert caught.value.hint


@given(st.text(max_size=60))
def test_any_text_is_a_tune_or_refused(text: str) -> None:
    try:
        tune = typed_notes(text)
    except UsageError:
        return
    assert len(tune) > 0


@pytest.mark.parametrize(("text", "count"), [("D4", "one note"), ("D4 E4", "2 notes")])
def test_too_few_notes_are_refused(text: str, count: str) -> None:
    with pytest.raises(UsageError, match=f"notes: are {count}"):
        checked_tune(typed_notes(text))
