"""MIDI files: notes, words, and files that were cut, inflated or emptied."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import mido
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmbert.errors import ItemError
from mmbert.items import Limits, load_items, midi_events

DATA = Path(__file__).parents[2] / "data"
WALTZ = (DATA / "waltz.mid").read_bytes()


def load(tmp_path: Path, data: bytes, limits: Limits | None = None):
    path = tmp_path / "a.mid"
    path.write_bytes(data)
    return next(load_items(path, **({"limits": limits} if limits else {})))


def refusal(tmp_path: Path, data: bytes, limits: Limits | None = None) -> ItemError:
    with pytest.raises(ItemError) as caught:
        load(tmp_path, data, limits)
    return caught.value


def track(*events: bytes) -> bytes:
    body = b"".join(events) + b"\x00\xff\x2f\x00"
    return b"MTrk" + len(body).to_bytes(4) + body


def header(tracks: int, division: int = 480, form: int = 1) -> bytes:
    return b"MThd\x00\x00\x00\x06" + form.to_bytes(2) + tracks.to_bytes(2) + division.to_bytes(2)


def name(kind: int, words: bytes) -> bytes:
    return b"\x00\xff" + bytes([kind, len(words)]) + words


NOTE = b"\x00\x90\x3c\x50\x60\x80\x3c\x00"


def test_notes_maps_parts_and_words():
    item = next(load_items(DATA / "waltz.mid"))
    score = item.score
    assert {k: v for k, v in item.metadata.items() if k != "description"} == {
        "title": "The Test Waltz", "composer": "A. Nonymous", "form": "waltz",
    }  # fmt: skip
    assert score.notes["pitch"][:5].tolist() == [72, 48, 60, 64, 76]
    assert score.notes["onset"][:5].tolist() == [0, 0, 480, 480, 960]
    assert [(p.name, p.program, p.role) for p in score.parts] == [
        ("Melody", 10, "melody"), ("Piano", 0, "accompaniment"),
    ]  # fmt: skip
    assert score.metre_map.tolist() == [(0, 3, 4)]
    assert score.tempo_map["bpm"].tolist() == pytest.approx([132], abs=1e-3)
    assert score.n_bars == 8


def test_an_independent_parser_reads_the_same(tmp_path):
    score = next(load_items(DATA / "waltz.mid")).score
    theirs, now = [], 0
    for message in mido.merge_tracks(mido.MidiFile(DATA / "waltz.mid").tracks):
        now += message.time
        if message.type == "note_on" and message.velocity:
            theirs.append((now, message.note, message.velocity))
    ours = zip(score.notes["onset"].tolist(), score.notes["pitch"].tolist(), score.notes["velocity"].tolist())
    assert sorted(theirs) == sorted(ours)


@pytest.mark.parametrize(("bpm", "stated"), [(60, []), (90, [90.0])])
def test_the_tempo_that_lilypond_puts_for_none_is_no_tempo(tmp_path, bpm, stated):
    tempo = b"\x00\xff\x51\x03" + (60_000_000 // bpm).to_bytes(3)
    first = track(name(1, b"creator: "), name(1, b"LilyPond 2.24.1  "), tempo)
    item = load(tmp_path, header(2) + first + track(NOTE))
    assert item.score.tempo_map["bpm"].round(1).tolist() == stated


def test_no_tempo_and_no_metre_stay_unknown(tmp_path):
    item = load(tmp_path, header(1) + track(NOTE))
    assert len(item.score.tempo_map) == len(item.score.metre_map) == len(item.score.key_map) == 0
    assert item.metadata == {}


@pytest.mark.parametrize(
    ("first", "second", "title"),
    [(b"Moonlight", b"Piano", "Moonlight"), (b"Piano", b"x", None), (b"Track 1", b"x", None), (b"", b"Piano", None),
     (b"control track", b"", None), (b"Sonata for Piano", b"", "Sonata for Piano")],
)  # fmt: skip
def test_the_name_of_a_first_track_without_notes_is_the_title(tmp_path, first, second, title):
    data = header(2) + track(name(3, first)) + track(name(3, second), NOTE)
    assert load(tmp_path, data).metadata.get("title") == title


def test_a_first_track_with_notes_names_an_instrument_not_the_piece(tmp_path):
    data = header(2) + track(name(3, b"Created for"), NOTE) + track(NOTE)
    assert load(tmp_path, data).metadata == {}
    assert load(tmp_path, header(1, form=0) + track(name(3, b"Gavotte"), NOTE)).metadata == {"title": "Gavotte"}


def test_stated_words_win_over_names(tmp_path):
    words = [
        name(3, b"Sequence One"),
        name(1, b"Title: Air"),
        name(1, "composer: Dvořák".encode()),
        name(1, b"form:jig"),
    ]
    item = load(tmp_path, header(2) + track(*words) + track(NOTE))
    assert item.metadata == {"title": "Air", "composer": "Dvořák", "form": "jig"}


def test_latin_1_words(tmp_path):
    data = header(2) + track(name(3, "Prélude".encode("latin-1"))) + track(NOTE)
    assert load(tmp_path, data).metadata["title"] == "Prélude"


@pytest.mark.parametrize("where", ["track 1", "track 2", "track 3"])
def test_a_file_cut_inside_a_track(tmp_path, where):
    starts = [i for i in range(len(WALTZ)) if WALTZ[i : i + 4] == b"MTrk"]
    fault = refusal(tmp_path, WALTZ[: starts[int(where[-1]) - 1] + 20])
    assert fault.code == "E_MIDI_TRUNCATED"
    assert f"The file ends inside {where}" in str(fault)


def test_a_file_cut_anywhere_is_never_a_partial_piece(tmp_path):
    for length in range(4, len(WALTZ)):
        assert refusal(tmp_path, WALTZ[:length]).code == "E_MIDI_TRUNCATED"


def test_a_header_that_claims_60000_tracks_allocates_nothing(tmp_path):
    tracemalloc.start()
    began = time.perf_counter()
    fault = refusal(tmp_path, header(60_000) + track(NOTE))
    assert fault.code == "E_MIDI_LIMIT"
    assert "60000" in str(fault)
    assert time.perf_counter() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize("times", [1, 7, 8, 15, 40])
def test_absurd_delta_times(tmp_path, times):
    far = b"\xff\xff\xff\x7f\x90\x3c\x50" * times
    fault = refusal(tmp_path, header(1, 1) + track(far, b"\xff\xff\xff\x7f\x80\x3c\x00"))
    assert fault.code in ("E_MIDI_LIMIT", "E_EMPTY")


def test_a_file_without_notes(tmp_path):
    fault = refusal(tmp_path, header(1) + track(name(3, b"Nothing")))
    assert (fault.code, fault.fault) == ("E_EMPTY", "No notes")


def test_film_frames_and_damage(tmp_path):
    assert refusal(tmp_path, header(1, 0xE728) + track(NOTE)).code == "E_MIDI_TIMECODE"
    assert refusal(tmp_path, header(2) + track(NOTE) + b"\x00\x01\x02\x03\x04\x05\x06\x07\x08").code == "E_MIDI_DAMAGED"
    broken = track(b"\x00\x90\x3c")  # a note without its velocity
    assert refusal(tmp_path, header(1) + broken[:-4]).code in ("E_MIDI_TRUNCATED", "E_MIDI_DAMAGED")


def follow(data: bytes) -> int | None:
    """The events of a track one after the other: what the regular expressions must agree with."""
    at, running = 0, 0

    def variable() -> int:
        nonlocal at
        value = 0
        for _ in range(4):
            value, at = value << 7 | data[at] & 127, at + 1
            if data[at - 1] < 128:
                return value
        raise IndexError

    while at < len(data):
        begin = at
        try:
            variable()
            status = data[at]
            if status >= 0x80:
                at += 1
                running = status if status < 0xF0 else running if status == 0xFF else 0
            elif running:
                status = running
            if status < 0x80:
                return begin
            if status == 0xFF:
                kind, at = data[at], at + 1
                size = variable()
                if size < {0x51: 3, 0x58: 2, 0x59: 2}.get(kind, 0):
                    return begin
                at += size
                if kind == 0x2F and at <= len(data):
                    return None
            elif status in (0xF0, 0xF7):
                size = variable()
                at += size
            elif status in (0xF4, 0xF5):
                return begin
            else:
                size = {0xF1: 1, 0xF2: 2, 0xF3: 1}.get(status, 0) if status >= 0xF0 else 1 + (status >> 5 != 6)
                if status < 0xF0 and max(data[at : at + size], default=0) > 127:
                    return begin
                at += size
        except IndexError:
            return begin
        if at > len(data):
            return begin
    return None


EVENTS = st.one_of(
    st.builds(lambda s, p, v: bytes([0, 0x90 | s, p, v]), st.integers(0, 15), st.integers(0, 130), st.integers(0, 130)),
    st.sampled_from([b"\x60\x3c\x40", b"\x83\x60\xc1\x05", b"\0\x07", b"\0\xff\x01\x02ab", b"\0\xff\x51\x03abc",
    b"\0\xf0\x01\xf7",
                     b"\0\xff\x51\x01a", b"\0\xf2\x01\x02", b"\0\xf8", b"\0\xf4", b"\0\xff\x2f\0",
                     b"\xff\xff\xff\xff\x7f\x90",
                     b"\0\xd3\x10", b"\0\xff\x7f\x81\x00" + bytes(128)]),
    st.binary(max_size=4),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=30).map(b"".join))
@example(b"\x00\x90\x00\x00\x00\xff\x01\x02ab`<@")  # ends with an event whose status stands before a text
@settings(max_examples=400, deadline=None)
def test_events_are_followed_as_one_by_one(data):
    (where, _), expected = midi_events.follow(b"abc" + data + b"\xff", 3, 3 + len(data), 999), follow(data)
    assert (where is None) == (expected is None)


@pytest.mark.parametrize(
    "event",
    [
        b"\0\x90\xbc\x40",
        b"\0\x90\x3c\xc0",
        b"\0\x80\x3c\x40\x10\x90",
        b"\0\xff\x51\x01\x05",
        b"\0\xff\x01\x7fx",
        b"\0\xf4",
    ],
)
def test_events_that_would_lead_a_parser_astray(tmp_path, event):
    body = event * 2000
    fault = refusal(tmp_path, header(1) + b"MTrk" + len(body).to_bytes(4) + body)
    assert (fault.code, "track 0" in str(fault)) == ("E_MIDI_DAMAGED", True)


def test_limits_on_notes_and_bars(tmp_path):
    assert refusal(tmp_path, WALTZ, Limits(notes=10)).code == "E_MIDI_LIMIT"
    assert refusal(tmp_path, WALTZ, Limits(bars=7)).code == "E_MIDI_LIMIT"
    assert refusal(tmp_path, WALTZ, Limits(seconds=5)).code == "E_MIDI_LIMIT"
    assert refusal(tmp_path, WALTZ, Limits(quarters=20)).code == "E_MIDI_LIMIT"


def test_a_riff_container(tmp_path):
    data = b"RIFF" + (len(WALTZ) + 12).to_bytes(4, "little") + b"RMIDdata" + len(WALTZ).to_bytes(4, "little") + WALTZ
    assert len(load(tmp_path, data).score.notes) == 50


def test_bytes_at_random_places_never_raise_anything_else(tmp_path):
    for at in range(0, len(WALTZ), 3):
        damaged = bytearray(WALTZ)
        damaged[at] ^= 0xFF
        path = tmp_path / "d.mid"
        path.write_bytes(bytes(damaged))
        for item in load_items(path, on_reject=lambda fault: None):
            assert item.score.duration_s >= 0
