"""A sequence finds itself: from any start, at another speed, in another key, in small and large libraries."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.audio.chroma import FRAMES_A_SECOND, comparable, stored
from mmbert.retrieval import chroma_match
from mmbert.retrieval.chroma_match import LEAST, PART, ROTATIONS, SPEEDS, ChromaIndex, at_speed


def sequence(rng, n, held=5):
    """Chords of three pitch classes that are held for some frames."""
    chords = np.zeros((n // held + 1, 12))
    for chord in chords:
        chord[rng.choice(12, 3, replace=False)] = rng.uniform(0.5, 1.5, 3)
    return stored(np.repeat(chords, held, axis=0)[:n])


def as_heard(frames, speed, rotation=0):
    """What a recording of some frames would give that plays so much faster, in another key."""
    return stored(np.roll(at_speed(frames.astype(np.float32) ** 2, 1 / speed), rotation, axis=1))


@pytest.fixture(scope="module")
def library():
    rng = np.random.default_rng(1)
    return [sequence(rng, int(n)) for n in rng.integers(100, 400, 30)]


@pytest.fixture(scope="module")
def index(library):
    return ChromaIndex.of(library)


@settings(deadline=None, max_examples=25)
@given(piece=st.integers(0, 29), begin=st.floats(0, 1), length=st.integers(25, PART), speed=st.floats(0.82, 1.22))
def test_a_sequence_finds_itself_at_another_speed_and_start(index, library, piece, begin, length, speed):
    frames = library[piece]
    start = int(begin * max(0, len(frames) - length * speed))
    query = as_heard(frames[start : start + round(length * speed)], speed)
    found = index.find(query)
    assert found.score.argmax() == piece
    assert found.start_s[piece] == pytest.approx(start / FRAMES_A_SECOND, abs=2)
    assert found.speed[piece] == pytest.approx(speed, rel=0.08)
    assert found.rotation.tolist() == [0] * 30


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_in_another_key_it_needs_rotations(index, library, rotation):
    query = as_heard(library[7][20:90], 1.0, -rotation)
    found = index.find(query, rotations=ROTATIONS)
    assert found.score.argmax() == 7
    assert found.score[7] > 0.95
    assert found.rotation[7] == rotation
    if rotation:
        assert index.find(query).score[7] < 0.8


@pytest.mark.parametrize("rotations", [(0,), (0, 3), ROTATIONS])
def test_scores_are_those_of_a_slow_search(library, rotations):
    query = library[3][11:60]
    found = ChromaIndex.of(library[:3]).find(query, rotations=rotations)
    for piece, frames in enumerate(library[:3]):
        padded = comparable(np.pad(frames, ((48, 120), (0, 0))))
        best = -1.0
        for speed, rotation in product(SPEEDS, rotations):
            q = np.roll(at_speed(comparable(query), speed)[:94], rotation, axis=1)
            under = np.lib.stride_tricks.sliding_window_view(padded, len(q), axis=0)[: 48 + len(frames)]
            energy = np.maximum((under**2).sum(axis=(1, 2)), 0.25 * np.sum(q**2))
            cosines = np.einsum("ncm,mc->n", under, q) / np.sqrt(np.sum(q**2) * energy)
            best = max(best, cosines.max() - 0.05 * np.log2(speed) ** 2)  # unlikely speeds cost
        assert found.score[piece] == pytest.approx(best, abs=1e-5)


def test_any_key_is_the_best_of_twelve(index, library):
    query = as_heard(library[5][30:90], 1.1, -4)
    found = index.find(query, rotations=ROTATIONS)
    single = [index.find(query, rotations=(rotation,)) for rotation in ROTATIONS]
    score = np.stack([each.score for each in single])
    assert found.score == pytest.approx(score.max(axis=0), abs=1e-5)
    best = score.argmax(axis=0)
    clear = np.diff(np.sort(score, axis=0)[-2:], axis=0)[0] > 1e-4
    assert clear.sum() > 20
    assert found.rotation[clear].tolist() == np.array(ROTATIONS)[best[clear]].tolist()
    for name in ("start_s", "speed"):
        there = np.stack([getattr(each, name) for each in single])[best, np.arange(30)]
        assert getattr(found, name)[5] == there[5]


@pytest.mark.parametrize("likely", [12, 1200])
@pytest.mark.parametrize("rotations", [(0,), ROTATIONS])
def test_a_large_library_is_searched_coarsely_first_with_the_same_best(library, monkeypatch, rotations, likely):
    rng, moved = np.random.default_rng(2), 2 * (len(rotations) > 1)
    exact = ChromaIndex.of(library)
    queries = [as_heard(library[i][10:85], float(rng.uniform(0.85, 1.18)), moved) for i in range(0, 30, 10)]
    for query in queries:
        want = exact.find(query, rotations=rotations)
        monkeypatch.setattr(chroma_match, "_LIKELY", likely)
        monkeypatch.setattr(chroma_match, "_KEPT", 6)
        monkeypatch.setattr(chroma_match, "_EXACT", 0)
        got = ChromaIndex.of(library).find(query, rotations=rotations)
        monkeypatch.undo()
        assert got.score.argmax() == want.score.argmax()
        kept = got.score > -1
        assert kept.sum() == 6
        assert (got.score[~kept] < got.score[kept].min()).all()
        # With rotations the others are searched in the one that the coarse pass gives.
        same = kept if len(rotations) == 1 else got.score.argmax()
        for name in ("score", "start_s", "speed", "rotation", "part_s"):
            assert getattr(got, name)[same] == pytest.approx(getattr(want, name)[same], abs=1e-5)


def test_a_long_query_is_asked_in_parts(index, library):
    longest = max(range(30), key=lambda i: len(library[i]))
    found = index.find(library[longest])
    assert found.score.argmax() == longest
    assert found.score[longest] > 0.95
    assert found.start_s[longest] == pytest.approx(found.part_s[longest], abs=1)


def test_several_parts_find_their_piece_in_a_large_library(index, library, monkeypatch):
    long = max(range(30), key=lambda i: len(library[i]))
    query = as_heard(library[long], 0.9, 2)
    want = index.find(query, rotations=ROTATIONS)
    monkeypatch.setattr(chroma_match, "_EXACT", 0)
    monkeypatch.setattr(chroma_match, "_KEPT_OF_PARTS", 3)
    for wanted in (0, 5):
        got = index.find(query, rotations=ROTATIONS, wanted=wanted)
        assert (got.score > -1).sum() == max(3, wanted)
        assert got.score.argmax() == want.score.argmax() == long
        for name in ("score", "start_s", "speed", "rotation", "part_s"):
            assert getattr(got, name)[long] == pytest.approx(getattr(want, name)[long], abs=1e-5)


def test_a_rough_likeness_is_near_the_exact_one(index, library):
    query = as_heard(library[4][10:80], 1.0, 2)
    rough, exact = (find(query, rotations=ROTATIONS) for find in (index.roughly, index.find))
    assert rough.score.argmax() == exact.score.argmax() == 4
    assert rough.score[4] == pytest.approx(exact.score[4], abs=0.1)
    assert rough.rotation[4] == exact.rotation[4]


def test_a_query_longer_than_a_piece_finds_it(library):
    short = library[4][50:80]
    found = ChromaIndex.of([*library[:4], short]).find(library[4][40 : 40 + PART])
    assert found.score.argmax() == 4


@pytest.mark.parametrize("exactly", [0, 10**9])
def test_a_query_that_begins_with_silence_finds_its_piece(library, monkeypatch, exactly):
    monkeypatch.setattr(chroma_match, "_EXACT", exactly)
    query = np.concatenate([np.zeros((PART - 20, 12), np.uint8), library[8][40:60]])  # a fast one is silence alone
    found = ChromaIndex.of(library).find(query, rotations=ROTATIONS)
    assert np.isfinite(found.score).all()
    assert found.score.argmax() == 8


def test_pieces_without_frames_and_libraries_without_pieces(library):
    nothing = np.zeros((0, 12), np.uint8)
    found = ChromaIndex.of([nothing, library[0], nothing]).find(library[0][:50])
    assert found.score.argmax() == 1
    assert np.isfinite(found.score).all()
    assert len(ChromaIndex.of([]).find(library[0])) == 0


@pytest.mark.parametrize("query", [np.zeros((LEAST - 1, 12), np.uint8), np.full((50, 12), 73, np.uint8)])
def test_too_short_and_without_pitch_are_refused(index, query):
    with pytest.raises(ValueError, match="at least 8"):
        index.find(query)


def test_lengths_must_fit(library):
    with pytest.raises(ValueError, match="sum to 5"):
        ChromaIndex(np.array([2, 3]), library[0])


def test_pieces_that_may_be_answers_are_exact_however_many_others_are_nearer(library, monkeypatch):
    index, among = ChromaIndex.of(library), np.arange(30) >= 27
    want = index.find(library[2][10:80])
    monkeypatch.setattr(chroma_match, "_EXACT", 0)
    monkeypatch.setattr(chroma_match, "_KEPT", 2)
    got = ChromaIndex.of(library).find(library[2][10:80], wanted=2, among=among)
    assert got.score.argmax() == 2
    assert (got.score > -1).sum() == 4
    assert got.score[27:].max() == pytest.approx(want.score[27:].max(), abs=1e-5)
