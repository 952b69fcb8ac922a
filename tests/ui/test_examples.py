"""Example questions are about this library: each is understood, and something fits all that was understood."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbert_ui.examples import MOST, examples

from mmbert.facets import satisfied
from mmbert.retrieval.conditions import is_pace_class, pace_fits
from mmbert.retrieval.names import names_of
from mmbert.retrieval.understand import understand
from mmbert.types import Facets

pieces = st.builds(
    Facets,
    key=st.sampled_from(["C", "D", "G", "Bb", "F#"]),
    mode=st.sampled_from(["major", "minor"]),
    metre=st.sampled_from(["4/4", "3/4", "6/8", None]),
    tempo_bpm=st.sampled_from([None, 60.0, 100.0, 150.0]),
    pace=st.sampled_from([1.0, 4.0, 8.0]),
    bars=st.just(16),
    parts=st.integers(1, 5),
    instruments=st.sampled_from([(), ("violin",), ("violin", "cello"), ("acoustic grand piano", "flute")]),
    form=st.sampled_from([None, "jig", "hymn", "waltz"]),
    composer=st.sampled_from([None, "Trad.", "Clara Sample", "Emil Other"]),
)


def fits(question: str, library: list[Facets]) -> bool:
    """Whether one piece fits everything that is read from a question."""
    names = names_of([f.composer for f in library], [None for _ in library])
    conditions = understand(question, names).conditions

    def all_fit(f: Facets) -> bool:
        return all(pace_fits(str(c.value), f) if is_pace_class(c) else satisfied(c, f) for c in conditions)

    return bool(conditions) and any(all_fit(f) for f in library)


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces, min_size=1, max_size=12))
def test_each_question_is_understood_and_fits_a_piece(library):
    found = examples(library)
    assert len(found) <= MOST
    assert [q for q in found if not fits(q, library)] == []


def test_an_empty_library_has_no_questions():
    assert examples([]) == []


@pytest.mark.parametrize("composer", ["Trad.", "Traditional", "anonymous", "Unknown", "?"])
def test_nobody_is_no_composer(composer):
    assert examples([Facets(composer=composer)]) == []


def test_common_kinds_of_pieces_give_questions():
    jig = Facets(key="D", mode="major", metre="6/8", pace=7.0, bars=16, parts=1, form="jig", composer="Clara Sample")
    song = Facets(key="E", mode="minor", metre="3/4", tempo_bpm=60.0, bars=40, parts=2, form="song",
                  instruments=("voice", "acoustic grand piano"), families=("voice", "piano"))  # fmt: skip
    assert examples([jig, song, song], most=9) == [
        "a lively jig in D major",
        "slow two-part song in a minor key",
        "something by Clara Sample",
        "voice and piano",
        "song in 3/4",
    ]
