"""Bars from beat annotation: the grid, the phase, pickups, slips, and what cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
from mmbert_training.rebar import TICKS, rebar

from mmbert.errors import DataError
from mmbert.symbolic.facets import is_free_time, score_facets
from mmbert.symbolic.score import Score

FIRST, STEP = 3.07, 0.6  # seconds of the first beat and between beats: 100 bpm


def song(beats: int = 64, offset: float = FIRST) -> Score:
    """Two notes a beat, placed on the beats by seconds, in a file that says 120 bpm and 1/4."""
    seconds = offset + STEP / 2 * np.arange(2 * beats)
    ticks = np.round(seconds * 2 * 480).astype(int)
    notes = [(int(t), 200, 60 + i % 12, 60 + i % 30, 0, False, 0) for i, t in enumerate(ticks)]
    return Score.build(notes, 480, tempo_map=[(0, 120.0)], metre_map=[(0, 1, 4)])


def annotation(starts: set[int], beats: int = 64, metre: int = 4) -> dict[str, str]:
    """Files of a song whose bars begin at the beats ``starts``."""
    times = FIRST + STEP * np.arange(beats)
    chords, count, order = [], 0, []
    for i, t in enumerate(times):
        count = 1 if i in starts else count + 1
        order.append(min(count, metre) or 1)
        if i in starts:
            chords.append(f"{t} {t + STEP} {'CG'[len(chords) % 2]}:maj")
    return {
        "beat_midi.txt": "\n".join(f"{t} {i % 2}.0 {float(i in starts)}" for i, t in enumerate(times)),
        "beat_audio.txt": "\n".join(f"{t + 0.05} {o}.0" for t, o in zip(times, order)),
        "chord_midi.txt": "\n".join(chords),
    }


def starts_of(score: Score) -> list[int]:
    return (score.bar_lines[:-1] // TICKS).tolist()


def test_notes_come_onto_the_grid_and_keep_their_seconds() -> None:
    before = song()
    assert is_free_time(before)
    after = rebar(before, annotation(set(range(0, 64, 4)))).score
    assert not is_free_time(after)
    assert np.abs(after.notes["onset"] - np.arange(128) * TICKS // 2).max() <= 1
    assert after.seconds(after.notes["onset"]) == pytest.approx(before.seconds(before.notes["onset"]) - FIRST, abs=2e-3)
    facets = score_facets(after)
    assert (facets.metre, facets.bars) == ("4/4", 16)
    assert facets.tempo_bpm == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize("pickup", [1, 2, 3])
def test_a_pickup_is_a_short_first_bar(pickup: int) -> None:
    found = rebar(song(), annotation(set(range(pickup, 64, 4))))
    assert starts_of(found.score)[:3] == [0, pickup, pickup + 4]
    assert found.score.metre_map.tolist() == [(0, pickup, 4), (pickup * TICKS, 4, 4)]
    assert found.confidence > 0.9


def test_three_beats_a_bar() -> None:
    found = rebar(song(60), annotation(set(range(0, 60, 3)), 60, metre=3)).score
    assert starts_of(found)[:3] == [0, 3, 6]
    assert score_facets(found).metre == "3/4"


def test_a_lasting_slip_is_one_short_bar_and_a_passing_one_is_none() -> None:
    lasting = set(range(0, 68, 4)) | set(range(66, 160, 4))
    found = rebar(song(160), annotation(lasting, 160)).score
    assert starts_of(found) == sorted(lasting)
    passing = set(range(0, 160, 4)) - {64, 68} | {66, 70}
    assert starts_of(rebar(song(160), annotation(passing, 160)).score) == list(range(0, 160, 4))


def test_notes_before_and_behind_the_annotated_beats_have_bars_too() -> None:
    files = annotation(set(range(0, 60, 4)), 60)
    after = rebar(song(72, FIRST - 4 * STEP), files).score
    assert after.notes["onset"][0] == 0
    assert len(after.notes) == 144
    assert starts_of(after)[:3] == [0, 4, 8]


def test_votes_that_disagree_are_not_trusted() -> None:
    files = annotation(set(range(0, 64, 4)))
    files["chord_midi.txt"] = ""
    files["beat_audio.txt"] = annotation(set(range(2, 64, 4)))["beat_audio.txt"]
    assert rebar(song(), files).confidence < 0.1


def test_an_annotation_that_is_none_is_refused() -> None:
    good = annotation(set(range(0, 64, 4)))
    with pytest.raises(DataError, match=r"beat_midi.txt: is missing"):
        rebar(song(), {k: v for k, v in good.items() if k != "beat_midi.txt"})
    with pytest.raises(DataError, match="not a table of numbers"):
        rebar(song(), good | {"beat_audio.txt": "one two"})
    with pytest.raises(DataError, match="fewer than two beats"):
        rebar(song(), good | {"beat_midi.txt": ""})
