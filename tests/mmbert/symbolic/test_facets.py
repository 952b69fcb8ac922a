"""Facets: each is what a person would count, and unknown where nothing states or shows it."""

from __future__ import annotations

import numpy as np
import pytest

from mmbert.facets import tokens_of
from mmbert.symbolic.facets import grid_residual, is_free_time, score_facets
from mmbert.symbolic.score import Part, Score

Q = 480


def tune(step: int = Q // 2, n: int = 48, **maps: object) -> Score:
    """Even notes up and down a scale."""
    pitches = [62, 64, 66, 67, 69, 71, 73, 74]
    notes = [(i * step, step, pitches[i % 8], 80, 40, False, 0) for i in range(n)]
    return Score.build(notes, Q, **maps)  # type: ignore[arg-type]


def played(n: int = 200, seed: int = 0) -> Score:
    """Notes where a performer puts them, which knows of no ticks."""
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.uniform(60, 400, n)).astype(int)
    pitch = rng.integers(40, 90, n)
    notes = [(int(t), 200, int(p), 60 + i % 40, 0, False, 0) for i, (t, p) in enumerate(zip(onset, pitch))]
    return Score.build(notes, Q, tempo_map=[(0, 120.0)], metre_map=[(0, 4, 4)])


def test_a_jig() -> None:
    found = score_facets(tune(metre_map=[(0, 6, 8)]), {"form": "Jigs", "title": "The Example", "composer": "Anon"})
    assert (found.key, found.mode, found.metre, found.bars) == ("D", "major", "6/8", 8)
    assert found.tempo_bpm is None
    assert (found.pace, found.pace_unit) == (6.0, "bar")
    assert (found.parts, found.polyphony, found.has_drums) == (1, 1.0, False)
    assert (found.instruments, found.families) == (("violin",), ("strings",))
    assert (found.pitch_low, found.pitch_high, found.velocity_mean) == (62, 74, None)
    assert (found.form, found.title, found.composer) == ("jig", "The Example", "Anon")
    assert {"pace=fast", "metre=6/8", "form=jig", "parts=one"} <= set(tokens_of(found))


def test_an_unstated_tempo_is_unknown_and_a_stated_one_is_weighted_by_time() -> None:
    assert score_facets(tune()).tempo_bpm is None
    stated = score_facets(tune(tempo_map=[(0, 60.0)]))
    assert stated.tempo_bpm == pytest.approx(60)
    assert stated.pace == pytest.approx(2.0)
    assert stated.pace_unit == "second"
    # 12 quarters at 60 take 12 s, 12 at 120 take 6 s: 24 quarters in 18 s
    half = score_facets(tune(tempo_map=[(0, 60.0), (12 * Q, 120.0)]))
    assert half.tempo_bpm == pytest.approx(80)
    assert half.duration_s == pytest.approx(18)


def test_an_unstated_metre_is_unknown_and_of_several_the_one_of_most_bars_counts() -> None:
    assert score_facets(tune()).metre is None
    assert score_facets(tune()).bars == 6
    mixed = score_facets(tune(metre_map=[(0, 4, 4), (4 * Q, 3, 4)]))
    assert (mixed.metre, mixed.bars) == ("3/4", 8)


def test_performed_notes_have_no_bars() -> None:
    found = score_facets(played())
    assert found.free_time
    assert (found.metre, found.bars, found.tempo_bpm, found.notes_per_bar) == (None, None, None, None)
    assert found.pace_unit == "second"
    assert found.pace == pytest.approx(200 / found.duration_s, rel=0.2)
    assert found.velocity_mean == pytest.approx(79.5, abs=1)


@pytest.mark.parametrize(
    "step", [Q, Q // 2, Q // 3, Q // 4, Q // 6, Q // 8, 2 * Q // 3, 3 * Q // 4, 5 * Q // 4], ids=str
)
def test_written_values_are_on_the_grid(step: int) -> None:
    assert not is_free_time(tune(step))


def test_a_human_feel_is_still_in_time() -> None:
    straight = tune(Q // 2, 200)
    rng = np.random.default_rng(0)
    notes = straight.notes.copy()
    notes["onset"] = np.maximum(notes["onset"] + np.round(rng.normal(0, 8, len(notes))), 0)  # 8 ms at 120 bpm
    swung = straight.with_notes(notes)
    assert 0 < grid_residual(swung) < 0.1
    assert not is_free_time(swung)
    assert grid_residual(straight) == 0
    assert grid_residual(played()) == pytest.approx(0.19, abs=0.03)


def test_instruments_by_notes_drums_apart() -> None:
    notes = [(i * Q, Q, 60, 80, 0, False, 0) for i in range(2)]
    notes += [(i * Q, Q, 50, 80, 42, False, 1) for i in range(3)]
    notes += [(i * Q, Q, 38, 80, 0, True, 2) for i in range(4)]
    found = score_facets(Score.build(notes, Q, parts=(Part("p", 0), Part("c", 42), Part("d", 0, True))))
    assert found.instruments == ("drums", "cello", "acoustic grand piano")
    assert found.families == ("drums", "strings", "piano")
    assert found.has_drums
    assert found.parts == 3
    assert (found.pitch_low, found.pitch_high) == (50, 60)


def test_polyphony_counts_while_anything_sounds() -> None:
    notes = [(0, Q, 60, 80, 0, False, 0), (0, Q, 64, 80, 0, False, 0), (4 * Q, Q, 67, 80, 0, False, 0)]
    assert score_facets(Score.build(notes, Q)).polyphony == pytest.approx(1.5)


def test_a_form_that_is_not_listed_keeps_its_own_words() -> None:
    assert score_facets(tune(), {"form": "Xiraldilla"}).form == "xiraldilla"
    assert score_facets(tune(), {"form": "Slip Jig"}).form == "slip jig"
    assert score_facets(tune()).form is None


def test_odd_scores_have_facets() -> None:
    nothing = score_facets(Score.build([], Q), {"title": "Silence"})
    assert (nothing.title, nothing.parts, nothing.key) == ("Silence", 0, None)
    drums = score_facets(Score.build([(0, Q, 38, 80, 0, True, 0)], Q))
    assert (drums.key, drums.pitch_low, drums.has_drums) == (None, None, True)
    instant = score_facets(Score.build([(0, 0, 60, 80, 0, False, 0)], Q, tempo_map=[(0, 90.0)]))
    assert (instant.polyphony, instant.tempo_bpm) == (None, None)
    rest = score_facets(Score.build([(8 * Q, Q, 60, 80, 0, False, 0)], Q))
    assert (rest.bars, rest.notes_per_bar) == (3, 1.0)
