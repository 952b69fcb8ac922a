"""Captions say only what is true of the piece, in words of the pool asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbert_training import captions
from mmbert_training.phrases import POOLS, phrases

from mmbert.facets import tokens_of
from mmbert.types import Facets

ASIDES = ("heard once at a wedding", "32 bars", "rocking between two chords", "aabb")

facets = st.builds(
    Facets,
    key=st.sampled_from(["C", "Eb", "F#", None]),
    mode=st.sampled_from(["major", "minor"]),
    tempo_bpm=st.none() | st.floats(40, 200),
    pace=st.none() | st.floats(0.2, 12),
    metre=st.sampled_from(["3/4", "6/8", "11/16", None]),
    bars=st.none() | st.integers(1, 200),
    instruments=st.sampled_from([(), ("violin",), ("oboe", "acoustic grand piano")]),
    families=st.sampled_from([(), ("strings", "piano")]),
    parts=st.none() | st.integers(1, 9),
    form=st.sampled_from([None, "Jig", "slow march", "unheard of"]),
)


@given(facets, st.integers(0, 2**32 - 1), st.sampled_from(POOLS))
def test_a_caption_states_only_facts_of_the_piece(facets, seed, pool):
    tokens = tokens_of(facets)
    if not tokens:
        with pytest.raises(ValueError, match="at least one"):
            captions.caption(tokens, np.random.default_rng(seed), pool)
        return
    made = captions.caption(tokens, np.random.default_rng(seed), pool, (2, 5))
    assert set(made.facts) <= set(tokens)
    assert len(set(made.facts)) == len(made.facts) <= 5
    # At most one of a kind is said (tempo and pace are one kind), of instruments two.
    kinds = ["speed" if t.startswith(("tempo=", "pace=")) else t.split("=")[0] for t in captions.sayable(tokens)]
    most = len(set(kinds)) + (kinds.count("instrument") > 1)
    assert len(made.facts) >= min(2, most) or "key" in kinds
    # Every statement is said, in words of the pool asked for; a key and its mode at once.
    key, mode = (next((f for f in made.facts if f.startswith(kind)), "") for kind in ("key=", "mode="))
    said = [phrases(pool).of(f) for f in made.facts if not key or f not in (key, mode)]
    said += [phrases(pool).of_key(key, mode)] if key else []
    assert all(any(p in made.text for p in options) for options in said), made


@given(facets, st.integers(0, 2**32 - 1))
def test_a_free_caption_states_only_facts_of_the_piece(facets, seed):
    tokens = tokens_of(facets)
    if not tokens:
        with pytest.raises(ValueError, match="at least one"):
            captions.free_caption(facets, np.random.default_rng(seed), ASIDES)
        return
    made = captions.free_caption(facets, np.random.default_rng(seed), ASIDES)
    assert set(made.facts) <= set(captions.sayable(tokens))
    assert 1 <= len(made.facts) <= 9
    assert made == captions.free_caption(facets, np.random.default_rng(seed), ASIDES)
    assert made.text.strip()
    assert "~" not in made.text
    assert "{" not in made.text


def test_speed_is_left_unsaid_where_tempo_and_notes_disagree():
    assert captions.sayable(("tempo=fast", "pace=slow", "metre=3/4")) == ("tempo=fast", "metre=3/4")
    assert captions.sayable(("tempo=slow", "pace=slow")) == ("tempo=slow", "pace=slow")
    assert captions.sayable(("pace=slow",)) == ("pace=slow",)


def test_names_are_captions_of_their_own():
    rng = np.random.default_rng(0)
    made = [captions.names_caption({"title": "The Trout", "composer": "Schubert"}, rng) for _ in range(20)]
    assert all(c.facts == () and ("Trout" in c.text or "Schubert" in c.text) for c in made)
    assert captions.names_caption({}, rng) is None
