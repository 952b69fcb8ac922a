"""Words find recordings by what is heard in them, and only recordings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmbert.audio.sounds import SOUNDS, heard, sound_names
from mmbert.retrieval.fuse import Lists, Weights, fuse
from mmbert.retrieval.heard_words import HeardSounds, by_sound, perhaps
from mmbert.retrieval.sound_words import SoundWords
from mmbert.types import Condition, HeardSound, Operator

NAMES = sound_names()


class Reads:
    """A text model that makes the same of all words."""

    fingerprint, calibration = "", None

    def language(self, texts: list[str]) -> np.ndarray:
        return np.zeros((len(texts), 384), np.float32)

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        raise AssertionError("sounds need no vector of the joint space")


def logits(**probabilities: float) -> np.ndarray:
    """Logits in which some sounds are heard; underscores are blanks."""
    out = np.full(SOUNDS, -6.0, np.float32)
    for name, p in probabilities.items():
        out[next(i for i, n in enumerate(NAMES) if n.startswith(name.replace("_", " ")))] = np.log(p / (1 - p))
    return out


LIBRARY = np.stack([logits(Violin=0.9, String_section=0.4, Music=0.9), logits(Drum_kit=0.9, Snare_drum=0.6, Music=0.9)])
SOUND_OF = HeardSounds(np.array([1, 3]), SoundWords.load().standardised(LIBRARY))


def test_words_are_compared_with_recordings_alone():
    found = by_sound(SOUND_OF, "a solo violin", Reads(), 5)
    assert np.isnan(found.similarity[[0, 2, 4]]).all()
    assert found.similarity[1] > found.similarity[3] + 0.2
    drums = by_sound(SOUND_OF, "drums, a steady drum kit beat", Reads(), 5)
    assert drums.similarity[3] > drums.similarity[1] + 0.2


def test_a_reason_names_what_is_heard_and_asked_for():
    found = by_sound(SOUND_OF, "violin and strings", Reads(), 5)
    assert found.named(("Drum kit", "Violin, fiddle"))[0] == "Violin, fiddle"
    assert "Rain on surface" not in found.named(("Rain on surface",))


def test_what_nobody_hears_is_neither_for_nor_against():
    none = np.zeros(4)
    lists = Lists(none, none, none.astype(np.int64), sounds=np.array([np.nan, 0.1, np.nan, 0.5]))
    fused = fuse(lists, Weights())
    assert fused[0] == fused[2] == 0
    assert fused[3] > 0 > fused[1]


def test_recordings_stand_among_scores_by_how_far_they_are_ahead_of_their_own_kind():
    n, rng = 200, np.random.default_rng(0)
    none, meaning = np.zeros(n), rng.normal(0.2, 0.1, n).astype(np.float32)
    sounds = np.where(np.arange(n) < 100, np.nan, rng.normal(0.1, 0.05, n))
    meaning[:100] += 0.3  # words of the joint space lie nearer to scores
    fused = fuse(Lists(none, none, none.astype(np.int64), meaning=meaning, sounds=sounds))
    first = np.argsort(-fused)[:40]
    assert 10 <= (first >= 100).sum() <= 30
    alone = fuse(Lists(none[100:], none[100:], none[100:].astype(np.int64), meaning=meaning[100:], sounds=sounds[100:]))
    assert np.corrcoef(alone.argsort().argsort(), fused[100:].argsort().argsort())[0, 1] > 0.95


def test_what_is_heard_but_not_for_sure_is_no_reason_to_say_that_nothing_fits():
    class Records:
        """Two pieces; an electric guitar is told of the second."""

        n_pieces = 2

        def fits(self, condition: Condition) -> np.ndarray:
            return np.array([0, int((condition.facet, condition.value) == ("sounds", "Electric guitar"))], np.int8)

    def found(facet: str, value: object, operator: Operator = "=") -> list[bool]:
        return perhaps(Records(), Condition(facet, operator, value)).tolist()

    assert found("instruments", "electric guitar") == found("families", "guitar") == [False, True]
    assert not any(found("instruments", "violin") + found("key", "D") + found("instruments", "electric guitar", "!="))


def test_instruments_of_a_recording_are_named_as_those_of_scores():
    said = heard(LIBRARY[0], NAMES)
    assert said.instruments[0] == "violin"
    assert said.families[0] == "strings"
    assert not said.has_drums
    assert heard(LIBRARY[1], NAMES).instruments == ("drums",)
    assert said.sounds[0] == HeardSound("Violin, fiddle", 0.9)
    assert "Music" not in [sound.name for sound in said.sounds]


def test_beside_facts_what_is_heard_weighs_less():
    none = np.zeros(4)
    facts = np.array([0.0, 1.0, 0.0, 0.0])
    lists = Lists(none, facts, none.astype(np.int64), sounds=np.array([np.nan, 0.1, np.nan, 0.5]))
    loud, true = fuse(lists), fuse(replace(lists, measured=True))
    assert loud[3] > loud[1]  # what sounds like the words
    assert true[1] > true[3]  # what is in the key that was asked for
    assert replace(lists, measured=True).of(np.array([1, 3])).measured
