"""Melody and accompaniment, phrases on true bars, their counts, and what pairs of them have in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.symbolic.melody import voices
from mmbert.symbolic.phrase_pairs import accompaniment, completion, tonnetz, weighted
from mmbert.symbolic.phrase_profiles import accompaniments, melodies
from mmbert.symbolic.phrases import PhraseTable, joined, phrases_of
from mmbert.symbolic.score import Part, Score
from mmbert.symbolic.transform import transpose

TICKS = 480
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def note(onset: float, length: float, pitch: int, part: int = 0, drum: bool = False) -> tuple:
    return (round(onset * TICKS), round(length * TICKS), pitch, 80, 0, drum, part)


def tune(bars: int, beats: int = 4, start: float = 0, part: int = 0) -> list[tuple]:
    return [note(start + i, 1, SCALE[(i * 3 + i // 7) % 8] + 12, part) for i in range(bars * beats)]


def chords(bars: int, beats: int = 4, start: float = 0, part: int = 1) -> list[tuple]:
    roots = (48, 53, 55, 48)
    return [note(start + b * beats, beats, roots[b % 4] + n, part) for b in range(bars) for n in (0, 4, 7)]


def song(bars: int = 8, names: tuple[str, str] = ("Voice", "Piano"), **maps: object) -> Score:
    from mmbert.items.roles import with_roles

    metres = maps.pop("metre_map", [(0, 4, 4)])
    parts = with_roles([Part(name) for name in names])
    return Score.build(tune(bars) + chords(bars), TICKS, metre_map=metres, parts=parts)  # type: ignore[arg-type]


def test_a_named_part_is_the_melody():
    found = voices(song(names=("Piano", "Voice")))
    assert found.rule == "named"
    assert set(found.melody["part"]) == {1}


def test_of_unnamed_parts_the_line_is_the_melody_wherever_it_lies():
    low_tune = [note(i, 1, 60 + i % 5, 1) for i in range(16)]
    high_chords = [note(4 * b, 4, p, 0) for b in range(4) for p in (72, 76, 79)]
    found = voices(Score.build(low_tune + high_chords, TICKS))
    assert found.rule == "chosen"
    assert set(found.melody["part"]) == {1}
    assert len(found.accompaniment) == 12


def test_a_bass_is_no_melody_and_of_four_voices_the_highest_is():
    bass = [note(i, 1, 40, 0) for i in range(16)]
    found = voices(Score.build(bass + tune(4, part=1) + [note(i, 1, 60, 2) for i in range(16)], TICKS))
    assert set(found.melody["part"]) == {1}


def test_the_skyline_leaves_out_what_lies_under_a_held_note_or_far_below():
    notes = [note(0, 2, 72), note(1, 1, 64), note(2, 1, 74), note(3, 0.5, 40), note(3.5, 1, 76), note(0, 4, 48)]
    found = voices(Score.build(notes, TICKS))
    assert found.rule == "skyline"
    assert found.melody["pitch"].tolist() == [72, 74, 76]
    assert sorted(found.accompaniment["pitch"].tolist()) == [40, 48, 64]


def test_drums_alone_have_no_melody():
    found = voices(Score.build([note(i, 1, 38, 0, True) for i in range(8)], TICKS))
    assert (found.rule, len(found.melody), len(found.accompaniment)) == ("none", 0, 0)
    assert len(phrases_of(Score.build([note(i, 1, 38, 0, True) for i in range(32)], TICKS))) == 0


def test_phrases_begin_with_the_first_full_bar_and_anew_behind_an_irregular_one():
    pickup = [note(0, 1, 67)]
    score = Score.build(
        pickup + tune(13, start=1), TICKS, metre_map=[(0, 1, 4), (TICKS, 4, 4), (17 * TICKS, 2, 4), (19 * TICKS, 4, 4)]
    )
    table = phrases_of(score, hop=2)
    assert table.start_bar.tolist() == [1, 6, 8, 10]
    assert table.metre.tolist() == [[4, 4]] * 4
    assert table.melody[: table.melody_start[1], 0].tolist() == [48 * i for i in range(16)]


def test_phrases_stay_within_one_metre():
    score = Score.build(tune(14), TICKS, metre_map=[(0, 4, 4), (6 * 4 * TICKS, 3, 4)])
    table = phrases_of(score, hop=1)
    assert table.start_bar.tolist()[:3] == [0, 1, 2]
    assert 5 not in table.start_bar
    assert table.length[0] == 16 * 48
    assert table.length[-1] == 12 * 48


def test_what_sounds_on_into_a_phrase_accompanies_it():
    score = Score.build([*tune(8), note(0, 32, 48, 1)], TICKS, parts=(Part(role="melody"), Part()))
    table = phrases_of(score, hop=4)
    assert table.accompaniment.tolist() == [[0, 16 * 48, 48], [0, 16 * 48, 48]]


def test_phrases_with_few_notes_are_left_out():
    sparse = [note(4 * i, 4, 60 + i) for i in range(8)]
    assert len(phrases_of(Score.build(sparse, TICKS))) == 0
    assert len(phrases_of(Score.build(sparse, TICKS), hop=4, least_notes=4)) == 2
    with pytest.raises(ValueError, match="hop: 0"):
        phrases_of(Score.build(sparse, TICKS), hop=0)


def test_tables_join_and_give_up_rows():
    a, b = phrases_of(song(8), hop=4), phrases_of(song(12), hop=4)
    both = joined([a, b])
    assert len(both) == 5
    back = both.rows(np.array([4, 0]))
    assert back.start_bar.tolist() == [8, 0]
    np.testing.assert_array_equal(back.melody[back.melody_start[1] :], a.melody[: a.melody_start[1]])
    assert len(joined([])) == 0


@given(st.integers(-5, 6))
@settings(max_examples=12, deadline=None)
def test_counts_do_not_know_the_key(semitones: int):
    there = phrases_of(song(), hop=4)
    here = phrases_of(transpose(song(), semitones), hop=4)
    np.testing.assert_allclose(melodies(there).pitch_classes, melodies(here).pitch_classes, atol=1e-6)
    figures = accompaniment(melodies(there), accompaniments(here))
    np.testing.assert_allclose(figures["same_pitch_class"], accompaniment(melodies(there), accompaniments(there))
                               ["same_pitch_class"], atol=1e-6)  # fmt: skip


def table_of(melody: list[tuple], other: list[tuple]) -> PhraseTable:
    parts = (Part(role="melody"), Part())
    return phrases_of(Score.build(melody + other, TICKS, metre_map=[(0, 4, 4)], parts=parts), hop=4)


def test_completion_figures_by_hand():
    table = table_of(tune(8), [])
    figures = completion(melodies(table), melodies(table))
    assert all(f.shape == (2, 2) for f in figures.values())
    for name in ("pitch_classes", "onsets", "places", "trigrams", "rhythms", "piano_roll", "metre"):
        assert figures[name][0, 0] == pytest.approx(1), name
    for name in ("durations", "count", "range", "mean_pitch"):
        assert figures[name][0, 0] == pytest.approx(0, abs=1e-6), name
    last, first = tune(8)[15][2], tune(8)[16][2]
    assert figures["join"][0, 1] == -abs(first - last)


def test_accompaniment_figures_by_hand():
    melody = [note(i, 1, 72) for i in range(16)]  # C throughout
    held = {  # one chord for four bars
        "C": [note(0, 16, p, 1) for p in (48, 52, 55)], "D": [note(0, 16, p, 1) for p in (50, 54, 57)],
        "B": [note(0, 16, 47, 1)],
    }  # fmt: skip
    table = joined([table_of(melody, chord) for chord in held.values()])
    table = PhraseTable(**{**table.__dict__, "shift": np.zeros(3, np.int8)})
    found = {k: v[0].tolist() for k, v in accompaniment(melodies(table), accompaniments(table)).items()}
    assert found["same_pitch_class"] == [1, 0, 0]
    assert found["consonance"] == [1, 1, 0]  # D major: C over A is a minor third
    assert found["bass_consonance"] == [1, 0, 0]
    assert found["clashes"] == [0, 0, -1]
    assert found["onset_overlap"] == pytest.approx([1 / 16] * 3)
    assert found["below"] == pytest.approx([(72 - (48 + 52 + 55) / 3) / 12, (72 - (50 + 54 + 57) / 3) / 12, 2])


def test_a_third_apart_is_nearer_in_the_tonnetz_than_a_tritone():
    c, e, f_sharp = (tonnetz(np.eye(12)[p]) for p in (0, 4, 6))
    assert c @ e > c @ f_sharp
    assert weighted({"a": np.ones((1, 1)), "b": np.ones((1, 1))}, {"b": 2}).tolist() == [[2.0]]


def test_a_phrase_without_accompaniment_can_be_counted():
    table = table_of(tune(4), [])
    figures = accompaniment(melodies(table), accompaniments(table))
    assert all(np.isfinite(f).all() for f in figures.values())
