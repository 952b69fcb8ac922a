"""A number lies in the class that it stands for; a signature has the sharps and flats of its key."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbert_training import numbers
from mmbert_training.phrases import phrases

from mmbert.facets import BINS, tokens_of
from mmbert.types import Facets

WORDS = {w: n for n, w in enumerate(numbers.WORDS)}
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def number_in(phrase: str) -> int:
    found = [int(w) if w.isdigit() else WORDS[w] for w in re.findall(r"\d+|\w+", phrase) if w.isdigit() or w in WORDS]
    return found[-1]  # of "0:45" the seconds


facets = st.builds(
    Facets, tempo_bpm=st.floats(30, 240), duration_s=st.floats(1, 2000), bars=st.integers(1, 400), pace=st.just(4.0)
)


@given(seeds, facets)
def test_a_number_is_the_piece_s_own_and_in_its_class(rng, known):
    own = {"tempo": known.tempo_bpm, "length": known.duration_s, "bars": known.bars}
    for statement in tokens_of(known):
        kind, _, value = statement.partition("=")
        if kind not in own:
            continue
        phrase = numbers.numbered(statement, known, rng)
        assert phrase is not None
        assert phrase.startswith("~")
        number = number_in(phrase) * (60 if "minute" in phrase and kind == "length" else 1)
        assert BINS[kind].name(number) == value, phrase
        assert number == pytest.approx(own[kind], abs=60 if "minute" in phrase else 1)


@given(seeds, st.integers(1, 400))
def test_bars_are_counted_also_where_they_are_neither_few_nor_many(rng, count):
    phrase = numbers.bars(Facets(bars=count), rng)
    assert number_in(phrase) == count
    assert not ("only" in phrase or "just" in phrase) or count < 20
    assert numbers.bars(Facets(), rng) is None


@given(seeds, facets)
def test_no_number_is_said_as_the_unseen_pool_says_it(rng, known):
    unseen = {phrase for phrase, _ in phrases("unseen").all}
    for statement in tokens_of(known):
        assert (numbers.numbered(statement, known, rng) or "~").removeprefix("~") not in unseen


def test_what_has_no_number_has_no_phrase():
    assert numbers.numbered("form=jig", Facets(form="jig"), np.random.default_rng(1)) is None


@pytest.mark.parametrize(
    ("key", "mode", "sharps"),
    [
        ("C", "major", 0),
        ("A", "minor", 0),
        ("D", "major", 2),
        ("B", "minor", 2),
        ("Eb", "major", -3),
        ("C", "minor", -3),
    ],
)
def test_a_signature_has_the_sharps_of_its_key(key, mode, sharps):
    said = {numbers.signature(key, mode, np.random.default_rng(seed)) for seed in range(40)}
    for phrase in said:
        assert mode in phrase
        assert number_in(phrase) == abs(sharps)
        assert ("sharp" in phrase) == (sharps >= 0)
        assert ("flat" in phrase) == (sharps <= 0)


def test_six_accidentals_are_sharps_or_flats():
    said = " ".join(numbers.signature("F#", "major", np.random.default_rng(seed)) for seed in range(20))
    assert "sharps" in said
    assert "flats" in said
