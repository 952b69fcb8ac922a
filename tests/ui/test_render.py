"""Sound from notes: any stretch, the same however it is asked for, and none of it cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from mmbert_ui.notes import Playable
from mmbert_ui.render import SAMPLE_RATE, SEGMENT_S, Renderer, find_soundfont

from mmbert.errors import UsageError
from mmbert.symbolic.score import Part, Score

FONT = find_soundfont()
pytestmark = pytest.mark.skipif(FONT is None, reason="no SoundFont on this machine")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(FONT)


def playable(notes: list[tuple], parts: tuple[Part, ...] = ()) -> Playable:
    return Playable.of(Score.build(notes, 500, parts=parts))


def loudness(sound: np.ndarray) -> float:
    return float(np.sqrt((sound.astype(float) ** 2).mean()))


def test_a_note_over_the_edge_of_a_segment_goes_on(renderer):
    edge = SEGMENT_S * 1000
    p = playable([(edge - 1000, 3000, 60, 90, 19, False, 0)])
    after = renderer.stretch("a", p, SEGMENT_S * SAMPLE_RATE, (SEGMENT_S + 1) * SAMPLE_RATE)
    assert loudness(after) > 500
    whole = renderer.stretch("a", p, (SEGMENT_S - 1) * SAMPLE_RATE, (SEGMENT_S + 2) * SAMPLE_RATE).astype(int)
    # A sustained organ note has no jump at the edge that it has not elsewhere.
    steps = np.abs(np.diff(whole[:, 0]))
    assert steps[SAMPLE_RATE - 50 : SAMPLE_RATE + 50].max() <= steps[SAMPLE_RATE // 2 : 3 * SAMPLE_RATE // 2].max()


def test_sound_begins_where_its_note_does(renderer):
    p = playable([(20_000, 500, 72, 100, 0, False, 0)])
    assert renderer.stretch("b", p, 0, 19 * SAMPLE_RATE).max() == 0
    heard = np.flatnonzero(np.abs(renderer.stretch("b", p, 19 * SAMPLE_RATE, 21 * SAMPLE_RATE)[:, 0]) > 200)
    assert abs(heard[0] / SAMPLE_RATE - 1.0) < 0.05


def test_stretches_add_up_to_the_whole(renderer):
    rng = np.random.default_rng(0)
    p = playable(
        [(int(t), 700, int(rng.integers(48, 80)), 90, int(t) % 3 * 20, False, 0) for t in range(0, 20_000, 333)]
    )
    n = renderer.frames(p)
    whole = renderer.stretch("c", p, 0, n)
    cuts = [0, 1, 12_345, 8 * SAMPLE_RATE, 8 * SAMPLE_RATE + 7, n]
    parts = [renderer.stretch("c", p, a, b) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_nothing_clips_and_quiet_music_is_brought_up(renderer):
    loud = playable([(i * 10, 4000, 40 + i, 127, 61, False, 0) for i in range(40)])
    quiet = playable([(i * 500, 450, 60 + i, 30, 0, False, 0) for i in range(12)])
    sound = renderer.stretch("d", loud, 0, 4 * SAMPLE_RATE)
    assert np.abs(sound.astype(int)).max() < 32_767
    assert loudness(renderer.stretch("e", quiet, 0, 4 * SAMPLE_RATE)) > 200
    assert quiet.gain > loud.gain


def test_more_instruments_than_channels_and_drums_still_sound(renderer):
    notes = [(i * 200, 190, 60, 90, i * 3, False, i) for i in range(30)] + [(0, 100, 38, 100, 0, True, 30)]
    parts = (*(Part(f"p{i}", i * 3) for i in range(30)), Part("kit", 0, True))
    p = playable(notes, parts)
    for second in range(6):
        assert loudness(renderer.stretch("f", p, second * SAMPLE_RATE, (second + 1) * SAMPLE_RATE)) > 100


def test_the_font_asked_for_must_be_one(tmp_path):
    (tmp_path / "no.sf2").write_bytes(b"RIFFxxxxWAVE")
    for path in (tmp_path / "no.sf2", tmp_path / "missing.sf2", tmp_path):
        with pytest.raises(UsageError, match="SoundFont"):
            find_soundfont(path)
    assert find_soundfont(FONT) == FONT


def test_sound_and_notes_agree_over_more_than_a_minute(renderer):
    """Short notes at a tempo that changes: each is heard where the roll draws it, within a tenth of a second."""
    onsets = [(i * 1920, 240, 72, 110, 0, False, 0) for i in range(40)]
    tempo = [(0, 120.0), (1920 * 10, 90.0), (1920 * 25, 133.0)]
    piece = Playable.of(Score.build(onsets, 480, tempo_map=tempo, metre_map=[(0, 4, 4)], parts=(Part("Piano", 0),)))
    assert piece.duration_s > 70
    sound = renderer.stretch("minute", piece, 0, renderer.frames(piece)).astype(float)
    level = np.abs(sound[: len(sound) // 480 * 480]).reshape(-1, 480, 2).max((1, 2))  # ten milliseconds each
    loud = level.max() / 8
    starts = np.flatnonzero((level[3:] > loud) & (level[:-3] * 2 < level[3:])) + 3
    for onset in piece.onset_ms[1:] / 1000:  # before the first there is no silence to rise from
        assert np.abs(starts / 100 - onset).min() < 0.1
        assert not ((starts / 100 > onset - 0.5) & (starts / 100 < onset - 0.1)).any()
