"""A tune is found in any key and tempo, and with wrong, missing and extra notes in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.retrieval.tune_find import Found, as_a_whole, find
from mmbert.retrieval.tune_index import LONGEST, Tune, TuneIndex
from mmbert.retrieval.tune_scan import Places, scan
from mmbert.retrieval.tune_whole import align_whole
from mmbert.symbolic.tune_line import TUNE_NOTE


def melody(pitch: list[int] | np.ndarray, length: list[float] | np.ndarray) -> np.ndarray:
    line = np.zeros(len(pitch), TUNE_NOTE)
    line["pitch"], line["duration"] = pitch, length
    line["onset"] = line["second"] = np.r_[0.0, np.cumsum(length)[:-1]]
    return line


def walk(rng: np.random.Generator, n: int) -> np.ndarray:
    """A melody that wanders about and comes back; no note is repeated."""
    pitch = [67]
    while len(pitch) < n:
        step = int(rng.choice([-5, -4, -3, -2, -2, -1, 1, 2, 2, 3, 4, 5]))
        pitch.append(pitch[-1] + (step if abs(pitch[-1] + step - 67) <= 12 else -step))
    return melody(pitch, rng.choice([0.25, 0.5, 0.5, 1.0, 1.5], n))


LINES = [walk(np.random.default_rng(seed), 60) for seed in range(100)]
INDEX = TuneIndex.of(LINES)


def taken(piece: int, start: int, n: int, key: int = 0, tempo: float = 1.0) -> Tune:
    tune = Tune.of(LINES[piece][start : start + n])
    assert tune.onset is not None
    return Tune(tune.pitch + np.int16(key), tune.onset * tempo)


pieces, starts = st.integers(0, len(LINES) - 1), st.integers(0, 40)
keys, tempos = st.integers(-24, 24), st.floats(0.5, 2.0)


@settings(max_examples=20, deadline=None)
@given(pieces, starts, st.integers(8, 14), keys, tempos)
def test_an_excerpt_is_found_first_where_it_begins(piece: int, start: int, n: int, key: int, tempo: float) -> None:
    found = find(INDEX, taken(piece, start, n, key, tempo))
    assert found.piece[0] == piece
    assert found.right[0] == n
    assert found.first[0] == INDEX.start[piece] + start
    assert found.last[0] == INDEX.start[piece] + start + n - 1
    assert found.shift[0] == -key
    assert 2.0 ** -found.slower[0] == pytest.approx(tempo, rel=1e-3)
    assert found.agreement[0] == pytest.approx(1, abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(pieces, starts, keys, st.sampled_from([0.5, 0.8, 1.25, 2.0]), st.booleans())
def test_key_and_tempo_change_no_ranking(piece: int, start: int, key: int, tempo: float, lengths: bool) -> None:
    asked, moved = taken(piece, start, 9), taken(piece, start, 9, key, tempo)
    if not lengths:
        asked, moved = Tune(asked.pitch), Tune(moved.pitch)
    before, after = find(INDEX, asked), find(INDEX, moved)
    assert after.score == pytest.approx(before.score, abs=1e-4)
    if not lengths:  # nothing is rounded
        assert (after.piece == before.piece).all()
    assert after.piece[0] == before.piece[0] == piece


@settings(max_examples=15, deadline=None)
@given(pieces, starts, st.data())
def test_some_wrong_notes_are_forgiven(piece: int, start: int, data: st.DataObject) -> None:
    tune = taken(piece, start, 14)
    wrong = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=2, unique=True))
    for k in wrong:
        tune.pitch[k] += data.draw(st.sampled_from([-3, -2, -1, 1, 2, 3]))
    found = find(INDEX, tune)
    assert found.piece[0] == piece
    assert found.right[0] >= 14 - len(wrong)  # a wrong note may be met as a missing and an extra one


@settings(max_examples=15, deadline=None)
@given(pieces, starts, st.integers(2, 11))
def test_a_missing_note_is_forgiven(piece: int, start: int, lost: int) -> None:
    tune = taken(piece, start, 14)
    assert tune.onset is not None
    found = find(INDEX, Tune(np.delete(tune.pitch, lost), np.delete(tune.onset, lost)))
    assert found.piece[0] == piece
    assert found.right[0] == 13
    assert found.last[0] - found.first[0] == 13


@settings(max_examples=15, deadline=None)
@given(pieces, starts, st.integers(1, 12))
def test_an_extra_note_is_forgiven(piece: int, start: int, before: int) -> None:
    tune = taken(piece, start, 14)
    assert tune.onset is not None
    between = (tune.onset[before - 1] + tune.onset[before]) / 2
    more = Tune(np.insert(tune.pitch, before, tune.pitch[before] + 6), np.insert(tune.onset, before, between))
    found = find(INDEX, more)
    assert found.piece[0] == piece
    assert found.right[0] >= 14  # the note before the tune may happen to be as the extra one needs it


def test_lengths_tell_pieces_of_the_same_pitches_apart() -> None:
    pitch = [60, 62, 64, 65, 67, 65, 64, 62]
    even = melody(pitch, [0.5] * 8)
    dotted = melody(pitch, [0.75, 0.25] * 4)
    index = TuneIndex.of([even, dotted])
    with_lengths, without = find(index, Tune.of(dotted)), find(index, Tune(Tune.of(dotted).pitch))
    assert with_lengths.piece.tolist() == [1, 0]
    assert with_lengths.score[0] > with_lengths.score[1] + 1
    assert without.score[0] == without.score[1]
    assert without.piece.tolist() == [0, 1]


def test_a_whole_melody_is_found_by_stretches_of_it() -> None:
    found = find(INDEX, Tune(LINES[7]["pitch"].astype(np.int16) - 5, LINES[7]["onset"] * 1.2))
    assert found.piece[0] == 7
    assert found.right[0] == 12
    assert (found.asked, found.shift[0], found.begin[0]) == (60, 5, INDEX.start[7])


@pytest.mark.parametrize("n", [1, 2, 3, LONGEST, LONGEST + 1])
def test_any_number_of_notes_is_answered(n: int) -> None:
    found = find(INDEX, taken(3, 5, n))
    assert len(found) == len(np.unique(found.piece))
    assert (np.diff(found.score) <= 0).all()


def test_no_note_of_another_piece_is_met() -> None:
    index = TuneIndex.of([melody([60, 62, 64], [1] * 3), melody([65, 67, 69], [1] * 3)])
    found = find(index, Tune(np.array([60, 62, 64, 65, 67, 69], np.int16)))
    for piece, first, last in zip(found.piece, found.first, found.last, strict=True):
        assert index.start[piece] <= first <= last < index.start[piece + 1]


def test_pieces_without_a_melody_are_never_found() -> None:
    index = TuneIndex.of([LINES[0][:0], LINES[1], LINES[0][:0]])
    assert find(index, taken(1, 0, 8)).piece.tolist() == [1]
    assert len(find(TuneIndex.of([]), taken(1, 0, 8))) == 0


def test_the_number_of_places_is_bounded() -> None:
    index = TuneIndex.of([melody([60] * 500, [1] * 500)] * 20)
    assert len(scan(index, np.full(8, 60), most=1000)) <= 3000
    assert len(find(index, Tune(np.full(8, 60, np.int16)))) > 0


def test_pitches_at_both_ends_of_midi_are_no_trap() -> None:
    line = melody([0, 127, 0, 127, 1, 126, 0, 127], [1] * 8)
    found = find(TuneIndex.of([*LINES[:5], line]), Tune(line["pitch"].astype(np.int16)))
    assert (found.piece[0], found.right[0]) == (5, 8)


def whole(asked: Tune, index: TuneIndex = INDEX) -> Found:
    return as_a_whole(index, asked, find(index, asked))


@settings(max_examples=10, deadline=None)
@given(pieces, st.integers(0, 20), st.integers(LONGEST + 1, 40), keys, tempos)
def test_a_long_tune_is_counted_placed_and_keyed_as_a_whole(
    piece: int, start: int, n: int, key: int, tempo: float
) -> None:
    found = whole(taken(piece, start, n, key, tempo))
    begin = INDEX.start[piece] + start
    assert (found.asked, found.piece[0], found.right[0], found.shift[0]) == (n, piece, n, -key)
    assert (found.first[0], found.last[0]) == (begin, begin + n - 1)
    assert 2.0 ** -found.slower[0] == pytest.approx(tempo, rel=1e-3)
    assert (np.diff(found.score) <= 0).all()


def test_each_wrong_missing_and_extra_note_of_a_long_tune_counts_once() -> None:
    asked = taken(7, 3, 40, 2)
    assert asked.onset is not None
    asked.pitch[[5, 21]] += 6
    asked = Tune(np.delete(asked.pitch, 30), np.delete(asked.onset, 30))
    found = whole(Tune(np.insert(asked.pitch, 12, 90), np.insert(asked.onset, 12, asked.onset[11:13].mean())))
    assert (found.asked, found.piece[0], found.right[0]) == (40, 7, 37)
    assert found.last[0] - found.first[0] == 39


def test_what_is_sung_twice_and_written_once_is_right() -> None:
    once = taken(4, 0, 24)
    found = whole(Tune(np.concatenate([once.pitch[:12], once.pitch])))
    assert (found.asked, found.piece[0], found.right[0]) == (36, 4, 36)
    assert (found.first[0], found.last[0]) == (INDEX.start[4], INDEX.start[4] + 23)


def test_who_has_more_of_the_whole_tune_comes_first() -> None:
    asked = LINES[3][:30]
    halves = [np.concatenate([LINES[9][:20], asked[15:]]), asked, np.concatenate([asked[:15], LINES[8][:20]])]
    for line in halves:
        line["onset"] = np.arange(len(line))
    found = whole(Tune(asked["pitch"].astype(np.int16)), TuneIndex.of(halves))
    assert found.piece[0] == 1
    assert found.right[0] == 30
    assert (found.right[1:] < 25).all()


def test_pieces_behind_the_best_keep_what_was_found_of_their_best_stretch() -> None:
    found = whole(taken(3, 5, 30))
    assert len(found) == len(np.unique(found.piece)) > 40
    assert (found.right[40:] <= 12).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(60, 66), min_size=1, max_size=7), st.lists(st.integers(60, 66), min_size=1, max_size=5))
def test_the_whole_is_laid_as_cheaply_as_can_be(line: list[int], asked: list[int]) -> None:
    index = TuneIndex.of([melody(line, [1] * len(line)), melody([63] * 9, [1] * 9)])
    places = Places(np.array([-len(asked)]), np.zeros(1, np.int16), np.zeros(1, np.int32))
    assert align_whole(index, np.array(asked), places).cost[0] == cheapest(line, asked)


def cheapest(line: list[int], asked: list[int]) -> int:
    """By recursion, in fifths of a note."""

    def cost(k: int, at: int | None) -> int:
        if k == len(asked):
            return 0
        found = 5 + cost(k + 1, at)
        for place in range(min(len(line), 2 * len(asked))):
            away = abs(line[place] - asked[k])
            passed = 0 if at is None else min(3 * (place - at - 1), 20) if place > at else 20
            found = min(found, passed + (0 if not away else 4 if away <= 3 else 5) + cost(k + 1, place))
        return found

    return cost(0, None)
