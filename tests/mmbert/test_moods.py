"""Moods follow from mode, speed, density and register by the table, and from nothing else."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbert.facets import MOODS, TOKENS, moods, tokens_of
from mmbert.types import Facets

PACES, TEMPOS = (None, "slow", "medium", "fast"), (None, "slow", "moderate", "brisk", "fast")


def speed_of(pace: str | None, tempo: str | None) -> str | None:
    """Slow or fast: said by the notes, and not contradicted by a stated tempo."""
    if pace == "slow" and tempo in (None, "slow", "moderate"):
        return "slow"
    if pace == "fast" and tempo in (None, "brisk", "fast"):
        return "fast"
    return None


@pytest.mark.parametrize("mode", ["major", "minor", None])
def test_the_rule_over_all_that_it_reads(mode: str | None) -> None:
    quadrants = {("fast", "major"): "happy", ("slow", "major"): "calm", ("slow", "minor"): "sad",
                 ("fast", "minor"): "agitated"}  # fmt: skip
    for pace, tempo, density, register in itertools.product(
        PACES, TEMPOS, (None, "sparse", "dense"), (None, "low", "high")
    ):
        stated = {"mode": mode, "pace": pace, "tempo": tempo, "density": density, "register": register}
        speed = speed_of(pace, tempo)
        expected = {quadrants[speed, mode]} if speed and mode else set()
        if speed == "slow":
            expected |= {"solemn"} if register == "low" else set()
            expected |= {"dreamy"} if density == "sparse" else set()
        if speed == "fast":
            expected |= {"playful"} if (mode, register) == ("major", "high") else set()
            expected |= {"energetic"} if density == "dense" else set()
        assert set(moods([f"{k}={v}" for k, v in stated.items() if v])) == expected, stated


def test_every_mood_can_be_derived_and_is_in_the_vocabulary() -> None:
    for mood, needed in MOODS.items():
        speed = next(n for n in needed if n in ("slow", "fast"))
        assert mood in moods([f"pace={speed}", *(n for n in needed if n != speed)])
        assert f"mood={mood}" in TOKENS


def test_other_facts_never_change_a_mood() -> None:
    stated = ("mode=minor", "pace=slow")
    others = [t for t in TOKENS if t.split("=")[0] not in ("mode", "pace", "tempo", "density", "register", "mood")]
    assert moods((*stated, *others)) == moods(stated) == ("sad",)


@given(
    st.sampled_from(["major", "minor"]), st.none() | st.floats(40, 220), st.floats(0.2, 12),
    st.none() | st.floats(1, 40), st.none() | st.integers(20, 90),
)  # fmt: skip
def test_a_pieces_moods_are_those_of_its_other_statements(
    mode: str, tempo: float | None, pace: float, density: float | None, low: int | None
) -> None:
    high = None if low is None else low + 12
    facets = Facets(
        key="C", mode=mode, tempo_bpm=tempo, pace=pace, notes_per_bar=density, pitch_low=low, pitch_high=high
    )
    tokens = tokens_of(facets)
    found = tuple(t.removeprefix("mood=") for t in tokens if t.startswith("mood="))
    assert found == moods([t for t in tokens if not t.startswith("mood=")])
    assert not {"happy", "sad"} <= set(found)
    assert not {"calm", "energetic"} <= set(found)


def test_a_piece_of_unknown_key_or_pace_has_none() -> None:
    assert "mood" not in str(tokens_of(Facets(pace=9.0)))
    assert "mood" not in str(tokens_of(Facets(key="C", mode="major", tempo_bpm=60)))
