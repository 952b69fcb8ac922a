"""A tune is found in any key and tempo, and with wrong, missing and extra notes in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.retrieval.tune_find import find
from mmbert.retrieval.tune_index import LONGEST, Tune, TuneIndex
from mmbert.retrieval.tune_scan import scan
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
    assert found.right[0] == found.asked
    assert found.shift[0] == 5


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
