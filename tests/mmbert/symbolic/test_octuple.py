"""The laws of octuples: what is encoded comes back the same, and what is lost is counted."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mmbert.errors import ItemError
from mmbert.symbolic.octuple import FIELDS, MASK_ID, PAD_ID, SIZES, VOCABULARY, Encoding, decode, encode
from mmbert.symbolic.octuple_line import representable
from mmbert.symbolic.octuple_vocabulary import BAR_LENGTHS, METRES
from mmbert.symbolic.score import KEY, Part, Score

RESOLUTIONS = [1, 24, 96, 100, 384, 480, 1024]
ODD_METRES = [(4, 4), (3, 4), (6, 8), (12, 8), (1, 4), (12, 4), (17, 4), (7, 16), (9, 1), (5, 128), (3, 6), (6, 128)]


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Any score."""
    tpq = draw(st.sampled_from(RESOLUTIONS))
    tick = st.integers(0, draw(st.sampled_from([2, 10, 60])) * tpq)
    pitch, velocity, program, part = st.integers(0, 127), st.integers(0, 127), st.integers(0, 3), st.integers(0, 2)
    rows = draw(st.lists(st.tuples(tick, tick, pitch, velocity, program, st.booleans(), part), max_size=30))
    metres = draw(st.lists(st.tuples(tick, st.sampled_from(ODD_METRES)), max_size=4))
    tempos = draw(st.lists(st.tuples(tick, st.floats(5, 400)), max_size=4))
    return Score.build(rows, tpq, metre_map=[(t, *m) for t, m in metres], tempo_map=tempos)


@st.composite
def tidy_scores(draw: st.DrawFn) -> Score:
    """A score on the grid, of which little or nothing is lost."""
    quarter = st.integers(0, 30).map(lambda q: 480 * q)
    length, velocity = st.integers(0, 15).map(lambda q: 480 * q), st.sampled_from([2, 78, 126])
    drawn = draw(st.lists(st.tuples(quarter, length, st.integers(0, 127), velocity, st.integers(0, 2)), max_size=30))
    rows = [(0, 480, 60, 78, 0, False, 0), *((t, d, p, v, part, False, part) for t, d, p, v, part in drawn)]
    metres = draw(st.lists(st.tuples(quarter, st.sampled_from([(4, 4), (3, 4), (6, 8)])), max_size=1))
    heard = st.sampled_from([row[0] for row in rows])
    tempos = draw(st.lists(st.tuples(heard, st.sampled_from([16.0, 32.0, 64.0])), unique_by=lambda t: t[0], max_size=3))
    tempos = [(0, 16.0), *(t for t in tempos if t[0])]
    return Score.build(rows, 480, metre_map=[(0, 4, 4), *((t, *m) for t, m in metres)], tempo_map=tempos)


@st.composite
def canonical(draw: st.DrawFn) -> np.ndarray:
    """Octuples in canonical order with one metre a bar and one tempo a position, which nobody encoded."""
    bars = draw(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 8, 9, 19, 128, 253])), max_size=8))
    rows, bar = [], -1
    for gap, metre in bars:
        bar += 1 + gap * draw(st.sampled_from([1, 1, 90]))
        for position in draw(st.sets(st.integers(0, int(BAR_LENGTHS[metre]) - 1), max_size=4)):
            tempo = draw(st.integers(0, 48))
            for _ in range(draw(st.integers(1, 3))):
                program = draw(st.sampled_from([0, 40, 127, 128]))
                pitch = draw(st.sampled_from([0, 60, 127])) + 128 * (program == 128)
                duration, velocity = draw(st.integers(0, 127)), draw(st.integers(0, 31))
                rows.append((bar, position, program, pitch, duration, velocity, metre, tempo))
    return np.array(sorted(rows), np.int16).reshape(-1, 8)


@settings(deadline=None, max_examples=300)
@given(scores())
def test_what_was_encoded_is_encoded_again_the_same(score: Score) -> None:
    octuples = encode(score).octuples
    assert (encode(decode(octuples)).octuples == octuples).all()


@settings(deadline=None, max_examples=300)
@given(canonical())
def test_octuples_in_canonical_order_come_back(octuples: np.ndarray) -> None:
    assert (encode(decode(octuples)).octuples == octuples).all()
    if decode(octuples).end_tick < 480 * 65_536 // 16:  # where the reference drops nothing
        assert (encode(decode(octuples), "muzic").octuples == octuples).all()


@settings(deadline=None)
@given(canonical())
def test_a_decoded_score_loses_nothing_more(octuples: np.ndarray) -> None:
    score = decode(octuples)
    encoding = encode(score)
    assert set(encoding.report.losses) <= {"part_names"}
    back = decode(encoding.octuples)
    for name in ("notes", "tempo_map", "metre_map", "parts"):
        assert np.array_equal(getattr(back, name), getattr(score, name))


@settings(deadline=None, max_examples=200)
@given(scores())
def test_the_policy_of_the_reference_comes_back_under_itself(score: Score) -> None:
    known = np.isin(score.metre_map["denominator"], [1, 2, 4, 8, 16])  # others may be refused
    octuples = encode(replace(score, metre_map=score.metre_map[known]), "muzic").octuples
    assert (encode(decode(octuples), "muzic").octuples == octuples).all()


@settings(deadline=None)
@given(scores())
def test_octuples_are_canonical_and_every_note_has_its_row(score: Score) -> None:
    encoding = encode(score)
    x = encoding.octuples
    assert sorted(encoding.note_index.tolist()) == list(range(len(score.notes)))
    assert x.tolist() == sorted(x.tolist())
    assert (x >= 0).all()
    assert (x[:, 1:] < SIZES[1:]).all()
    assert (x[:, 1] < BAR_LENGTHS[x[:, 6]]).all()
    for bar in np.unique(x[:, 0]):
        assert len(np.unique(x[x[:, 0] == bar, 6])) == 1
    notes = score.notes[encoding.note_index]
    assert (x[:, 3] == notes["pitch"] + 128 * notes["is_drum"]).all()


@settings(deadline=None)
@given(tidy_scores())
def test_bars_are_those_of_the_score(score: Score) -> None:
    encoding = encode(score)
    assert (encoding.octuples[:, 0] == score.bars(score.notes["onset"][encoding.note_index])).all()
    bars = np.arange(score.n_bars)
    assert np.array_equal(encoding.line.ticks(bars), score.bar_lines[:-1])


@pytest.mark.parametrize("metre", [(17, 4), (12, 4), (5, 128), (3, 6), (255, 64)])
def test_bar_lines_of_metres_that_are_replaced_are_kept(metre: tuple[int, int]) -> None:
    score = Score.build(
        [(480 * q, 480, 60, 78, 0, False, 0) for q in range(99)], 480, metre_map=[(0, *metre), (30_000, 4, 4)]
    )
    replaced = representable(score)
    assert set(score.bar_lines[:-1].tolist()) <= set(replaced.bar_lines.tolist())
    line = encode(score).line
    assert np.allclose(line.ticks(np.arange(replaced.n_bars)), replaced.bar_lines[:-1], atol=1)


def differences(encoding: Encoding) -> dict[str, int]:
    """Source and decoded score compared note by note, with exact fractions."""
    source, back = encoding.score, decode(encoding.octuples)
    again = encode(back).note_index  # rows of the octuples to notes of the decoded score
    counts = dict.fromkeys(("onset_moved", "duration_changed", "velocity_changed", "tempo_changed", "metre_changed"), 0)
    counts["pitch"] = counts["program"] = counts["drum_kits"] = 0
    for row, i, j in zip(encoding.octuples, encoding.note_index, again):
        a, b = source.notes[i], back.notes[j]
        bar = int(row[0])
        start_a = Fraction(encoding.line.ticks(np.array([bar]))[0]).limit_denominator(10_000)
        start_b = int(back.bar_lines[bar])
        counts["onset_moved"] += (int(a["onset"]) - start_a) / source.ticks_per_quarter != Fraction(
            int(b["onset"]) - start_b, back.ticks_per_quarter
        )
        counts["duration_changed"] += Fraction(int(a["duration"]), source.ticks_per_quarter) != Fraction(
            int(b["duration"]), back.ticks_per_quarter
        )
        counts["velocity_changed"] += a["velocity"] != b["velocity"]
        counts["pitch"] += a["pitch"] != b["pitch"] or a["is_drum"] != b["is_drum"]
        counts["program"] += not a["is_drum"] and a["program"] != b["program"]
        counts["drum_kits"] += bool(a["is_drum"] and a["program"] != b["program"])
        old, new = (_stated(s.tempo_map, n["onset"], "bpm") for s, n in ((source, a), (back, b)))
        counts["tempo_changed"] += old is None or not np.isclose(old, new, rtol=1e-9, atol=0)
        old, new = (
            tuple(_stated(s.metre_map, n["onset"], name) for name in ("numerator", "denominator"))
            for s, n in ((source, a), (back, b))
        )
        counts["metre_changed"] += old != new
    return counts


def _stated(changes: np.ndarray, tick: int, name: str) -> float | None:
    before = changes[changes["tick"] <= tick]
    return before[-1][name].item() if len(before) else None


@settings(deadline=None, max_examples=150)
@given(st.one_of(scores(), tidy_scores()))
def test_every_difference_of_a_note_is_counted(score: Score) -> None:
    encoding = encode(score)
    found = differences(encoding)
    assert found.pop("pitch") == found.pop("program") == 0
    assert {name: getattr(encoding.report, name) for name in found} == found


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(tidy_scores())
def test_where_nothing_is_counted_nothing_is_lost(score: Score) -> None:
    encoding = encode(score)
    assume(not encoding.report.losses)
    back = decode(encoding.octuples)
    names = ["onset", "duration", "pitch", "velocity", "program", "is_drum"]
    assert sorted(score.notes[names].tolist()) == sorted(back.notes[names].tolist())
    assert np.allclose(score.seconds(score.notes["onset"]), back.seconds(score.notes["onset"]))
    assert (score.bars(score.notes["onset"]) == back.bars(score.notes["onset"])).all()
    assert len(back.parts) == len({int(n["part"]) for n in score.notes})


def test_every_loss_has_its_count() -> None:
    rows = [
        (10, 480, 60, 78, 0, False, 0),  # off the grid
        (0, 960, 60, 78, 0, False, 1),  # the same pitch and program while the first sounds, another part
        (480, 470, 62, 79, 0, False, 0),  # length and velocity
        (480, 1, 63, 78, 0, False, 0),  # no length
        (1200, 480 * 300, 64, 78, 40, False, 1),  # past the ladder; part 1 changes its program
        (1440, 480, 36, 78, 16, True, 2),  # another drum kit
        (1440, 480, 36, 78, 16, True, 2),  # twice
    ]
    score = Score.build(
        rows, 480,
        tempo_map=[(0, 12.0), (500, 64.0), (1300, 300.0), (1310, 300.0), (9000, 64.0)],
        metre_map=[(0, 17, 4), (720, 3, 4), (1200, 2, 2), (99_999, 4, 4)],
        key_map=np.array([(0, 1, False)], KEY),
        parts=(Part("Right hand"),),
    )  # fmt: skip
    report = encode(score).report
    assert {**report.losses, "octuples": report.octuples} == {
        "octuples": 7,
        "onset_moved": 1, "onset_error_max": pytest.approx(10 / 480),
        "duration_changed": 3, "duration_error_max": pytest.approx(300 - 247), "duration_clipped": 1,
        "velocity_changed": 1,
        "tempo_changed": 6, "tempo_error_max": pytest.approx(1 / 3), "tempo_clipped": 3, "tempo_unheard": 2,
        "tempo_late": 2,
        "metre_changed": 4, "metre_replaced": 1, "metre_unheard": 2, "bars_cut": 2,
        "parts_merged": 1, "parts_split": 1, "drum_kits": 2, "part_names": 1, "key_signatures": 1,
    }  # fmt: skip
    assert (report.duplicates_kept, report.overlaps_kept, report.duration_zero) == (1, 2, 1)
    assert "7 notes in 7 octuples: onset_moved 1" in str(report)


def test_long_pieces_are_kept_and_the_reference_drops_their_end() -> None:
    score = Score.build([(1920 * bar, 480, 60, 78, 0, False, 0) for bar in range(1100)], 480)
    ours, theirs = encode(score), encode(score, "muzic")
    assert ours.octuples[-1, 0] == 1099
    assert (ours.report.dropped, ours.report.beyond_bar_255) == (0, 1100 - 256)
    assert len(theirs.octuples) == 65_536 // 64
    assert theirs.report.dropped == 1100 - 65_536 // 64
    assert theirs.note_index.tolist() == list(range(1024))


def test_refusals_name_the_fault() -> None:
    score = Score.build([(480 * 40_000, 480, 60, 78, 0, False, 0)], 480, metre_map=[(0, 1, 4)])
    with pytest.raises(ItemError, match="40001 bars") as refused:
        encode(score)
    assert refused.value.code == "E_BARS"
    with pytest.raises(ValueError, match='"exact" is neither'):
        encode(score, "exact")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pitch 256 is not in 0-255"):
        decode(np.array([[0, 0, 0, 256, 0, 0, 9, 35]]))
    with pytest.raises(ValueError, match="row 1 comes before row 0"):
        decode(np.array([[1, 0, 0, 60, 0, 0, 9, 35], [0, 0, 0, 60, 0, 0, 9, 35]]))
    with pytest.raises(ValueError, match="bar 0 holds position 50, but a bar of its metre has only 48"):
        decode(np.array([[0, 0, 0, 60, 0, 0, 8, 35], [0, 50, 0, 60, 0, 0, 8, 35]]))


def test_nothing_encodes_to_nothing() -> None:
    encoding = encode(Score.build([], 480))
    assert encoding.octuples.shape == (0, 8)
    assert len(decode(encoding.octuples).notes) == 0
    assert str(encoding.report) == "0 notes in 0 octuples: nothing lost"


def test_vocabulary() -> None:
    assert sum(SIZES) == 1232
    assert PAD_ID == SIZES
    assert [(m, v) for m, v in zip(MASK_ID, VOCABULARY)] == [(s + 1, s + 2) for s in SIZES]
    assert len(FIELDS) == len(SIZES) == 8
    assert [METRES.index(m) for m in ((2, 2), (2, 4), (3, 4), (4, 4), (6, 8), (12, 8))] == [3, 7, 8, 9, 19, 25]


def test_notes_kept_in_a_bar_shorter_than_a_tick_share_a_tempo():
    rows = [(1, 0, 0, 0, 0, False, 0), (2, 0, 0, 0, 0, False, 0)]
    score = Score.build(rows, 1, tempo_map=[(2, 5.0)], metre_map=[(0, 6, 128), (3, 4, 4)])
    octuples = encode(score).octuples
    assert len(np.unique(octuples[:, 7])) == 1
    assert (encode(decode(octuples)).octuples == octuples).all()
