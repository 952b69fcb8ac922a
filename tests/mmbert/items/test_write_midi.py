"""write_midi: what is written comes back, as a law over generated scores and with an independent parser."""

from __future__ import annotations

import io
import string
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert.items import load_items, write_midi
from mmbert.symbolic.score import NOTE, Part, Score

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("midi") / "a.mid"


words = st.text(st.sampled_from(string.ascii_letters + "éßñ中 -'"), max_size=30).map(lambda s: " ".join(s.split()))


@st.composite
def scores(draw) -> Score:
    resolution = draw(st.sampled_from([24, 96, 480, 960]))
    parts = [
        Part(draw(words), 0 if drum else draw(st.integers(0, 127)), drum)
        for drum in draw(st.lists(st.booleans(), min_size=1, max_size=20))
    ]
    rows = []
    for i, part in enumerate(parts):
        taken: set[tuple[int, int]] = set()
        for slot, pitch in draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 127)), min_size=1, max_size=6)):
            if (slot, pitch) not in taken:  # sounding notes of one pitch in one part do not overlap
                taken.add((slot, pitch))
                length = draw(st.integers(1, resolution))
                rows.append(
                    (slot * resolution, length, pitch, draw(st.integers(1, 127)), part.program, part.is_drum, i)
                )
    ticks = st.lists(st.integers(1, 40), unique=True, max_size=3).map(lambda t: [0, *sorted(t)])
    tempi = [(t * resolution, 60e6 / draw(st.integers(200_000, 2_000_000))) for t in draw(ticks)]
    metres = [(t * resolution, draw(st.integers(1, 30)), draw(st.sampled_from([1, 2, 4, 8, 16]))) for t in draw(ticks)]
    keys = [(t * resolution, draw(st.integers(-7, 7)), draw(st.booleans())) for t in draw(ticks)]
    return Score.build(rows, resolution, tempo_map=tempi, metre_map=metres, key_map=keys, parts=tuple(parts))


def distinct(rows: np.ndarray) -> list[tuple]:
    """Map rows without those that change nothing."""
    kept = rows.tolist()
    return [r for i, r in enumerate(kept) if i == 0 or r[1:] != kept[i - 1][1:]]


@settings(max_examples=150, deadline=None)
@given(score=scores(), title=words, composer=words, form=words)
def test_what_is_written_comes_back(scratch, score, title, composer, form):
    stated = {k: v for k, v in (("title", title), ("composer", composer), ("form", form)) if v}
    scratch.write_bytes(write_midi(score, stated))
    item = next(load_items(scratch))
    back = item.score
    assert item.metadata == stated
    assert back.ticks_per_quarter == score.ticks_per_quarter
    assert back.notes.tolist() == score.notes.tolist()
    assert [(p.name, p.program, p.is_drum) for p in back.parts] == [(p.name, p.program, p.is_drum) for p in score.parts]
    assert back.metre_map.tolist() == distinct(score.metre_map)
    assert back.key_map.tolist() == distinct(score.key_map)
    expected = distinct(score.tempo_map)
    assert back.tempo_map["tick"].tolist() == [t for t, _ in expected]
    assert back.tempo_map["bpm"].tolist() == pytest.approx([b for _, b in expected], rel=1e-6)


def test_every_reader_gives_what_midi_keeps(scratch):
    for name in ("book.abc", "hymn.musicxml", "waltz.mid"):
        for item in load_items(DATA / name, on_reject=lambda fault: None):
            scratch.write_bytes(write_midi(item.score, item.metadata))
            back = next(load_items(scratch))
            assert back.score.notes.tolist() == item.score.notes.tolist()
            assert back.score.parts == item.score.parts
            assert back.score.bar_lines.tolist() == item.score.bar_lines.tolist()
            assert back.metadata == {k: v for k, v in item.metadata.items() if k != "description"}


def test_drums_are_on_channel_10_and_names_and_text_in_the_file():
    score = Score.build(
        [(0, 10, 36, 99, 0, True, 0), (0, 10, 60, 99, 40, False, 1)],
        96,
        parts=(Part("Kit", 0, True), Part("Fiddle", 40)),
    )
    parsed = mido.MidiFile(file=io.BytesIO(write_midi(score, {"title": "Élan", "form": "jig"})), charset="utf-8")
    channels = {m.note: m.channel for t in parsed.tracks for m in t if m.type == "note_on"}
    assert channels == {36: 9, 60: 0}
    assert [t.name for t in parsed.tracks] == ["Élan", "Kit", "Fiddle"]
    assert [m.text for m in parsed.tracks[0] if m.type == "text"] == ["title: Élan", "form: jig"]


def test_an_unknown_tempo_and_metre_stay_unknown(scratch):
    score = Score.build([(0, 10, 60, 99, 0, False, 0)], 96)
    scratch.write_bytes(write_midi(score))
    back = next(load_items(scratch)).score
    assert len(back.tempo_map) == len(back.metre_map) == 0


def test_a_note_without_length_becomes_one_tick(scratch):
    scratch.write_bytes(write_midi(Score.build([(5, 0, 60, 99, 0, False, 0)], 96)))
    assert next(load_items(scratch)).score.notes["duration"].tolist() == [1]


def test_what_midi_cannot_hold_is_said():
    with pytest.raises(ValueError, match="ticks a quarter"):
        write_midi(Score.build(np.zeros(0, NOTE), 40_000))
    with pytest.raises(ValueError, match="before tick 0"):
        write_midi(Score.build([(-5, 10, 60, 99, 0, False, 0)], 96))
