"""MIDI files: notes, words, and files that were cut, inflated or emptied."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import mido
import pytest

from mmbert.errors import ItemError
from mmbert.items import Limits, load_items

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
