"""The sentence of a piece's facts: what is known, in words with its number, and nothing else."""

from __future__ import annotations

import pytest

from mmbert.facets import BINS, TOKENS, denied, tokens_of
from mmbert.retrieval.in_words import opening, sentence, short
from mmbert.types import Facets

HYMN = Facets(
    key="E", mode="minor", tempo_bpm=66.0, pace=1.2, metre="3/4", bars=32, duration_s=87.0, parts=4, notes_per_bar=9.0,
    instruments=("church organ", "flute"), families=("organ", "pipe"), pitch_low=38, pitch_high=70, form="Hymn",
)  # fmt: skip


def test_a_piece_of_which_much_is_known():
    assert sentence(HYMN) == (
        "A hymn in E minor, 3/4 time, slow (66 bpm, 1.2 onsets a second), for church organ and flute in four parts, "
        "1:27 long (32 bars); derived moods: sad and solemn."
    )


def test_without_a_tempo_the_pace_speaks_and_no_length_in_minutes_is_claimed():
    jig = Facets(key="D", mode="major", pace=6.6, metre="6/8", bars=16, duration_s=24.0, parts=1, form="jig")
    said = sentence(jig)
    assert "fast (6.6 onsets a bar, no tempo is stated)" in said
    assert "16 bars long" in said
    assert "0:24" not in said
    assert said.endswith("derived mood: happy.")


@pytest.mark.parametrize(
    ("facets", "kind", "said"),
    [
        (Facets(), "score", "A piece."),
        (Facets(title="Secret", composer="Nobody"), "score", "A piece."),
        (Facets(duration_s=75.0), "recording", "A recording, 1:15 long."),
        (Facets(form="Variations", parts=1), "score", "Variations, in one part."),
        (Facets(form="air"), "score", "An air."),
        (Facets(form="<b>Karaoke</b> night"), "score", "A <b>karaoke</b> night."),
        (Facets(mode="minor"), "score", "A piece in a minor key."),
        (Facets(bars=1, parts=12), "score", "A piece, in 12 parts, 1 bar long."),
        (
            Facets(parts=1, pace=3.0, duration_s=61.0, has_drums=False),
            "score",
            "A performance in free time, of medium pace (3.0 onsets a second), in one part, 1:01 long.",
        ),
    ],
)
def test_what_is_unknown_is_not_said(facets, kind, said):
    assert sentence(facets, kind) == said


def test_of_many_instruments_some_are_named():
    band = tuple(f"instrument {i}" for i in range(20))
    assert sentence(Facets(instruments=band)).endswith("instrument 5 and 14 more.")


def test_a_text_is_told_by_its_beginning():
    assert (
        sentence(Facets(), "text", "Dear Ann,\nthe harvest is in.")
        == "A text that begins “Dear Ann, the harvest is in.”."
    )
    assert len(opening("x" * 5000)) < 100


def test_every_statement_has_a_short_phrase_of_its_own():
    phrases = [short(t) for t in TOKENS]
    assert all(phrases)
    assert max(map(len, phrases)) < 30
    assert not any("=" in phrase or "{" in phrase for phrase in phrases)


@pytest.mark.parametrize("name", [t for t in BINS if not t.startswith("pace")])
def test_of_a_number_that_is_known_all_classes_but_its_own_are_denied(name):
    values = {"tempo": "tempo_bpm", "length": "duration_s", "texture": "polyphony", "density": "notes_per_bar"}
    values |= {"dynamics": "velocity_mean"}
    if name in ("range", "register"):
        facets = Facets(pitch_low=30, pitch_high=100)
    else:
        facets = Facets(**({"tempo_bpm": 100.0} if name == "length" else {}), **{values.get(name, name): 1000})
    own = {t for t in tokens_of(facets) if t.startswith(f"{name}=")}
    assert denied(facets) & set(TOKENS) >= {t for t in TOKENS if t.startswith(f"{name}=")} - own
    assert not denied(facets) & own


def test_what_nothing_is_known_of_is_not_denied():
    assert denied(Facets()) == set()
    assert not any(t.startswith("length") for t in denied(Facets(duration_s=10.0, parts=1, bars=4)))
    assert not any(t.startswith("form") for t in denied(HYMN))


def test_a_mood_is_denied_where_what_it_is_derived_from_is():
    against = denied(HYMN)
    assert {"mood=happy", "mood=calm", "mood=agitated"} <= against  # minor, and slow
    assert not {"mood=sad", "mood=solemn"} & against  # derived
    assert "mood=happy" not in denied(Facets(pace=9.0))
    assert "mood=calm" in denied(Facets(tempo_bpm=180.0))
