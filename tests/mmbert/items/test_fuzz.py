"""The law for strangers' files: pieces that are sound, or reasons that tell something, whatever the bytes are.

``benchmarks/fuzz.py`` does the same with ten thousand files a format, in processes that may die.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzzing import abc, cases, check, midi, mxl, sound, xml

pytest.importorskip("soundfile")
FILES = 40  # of each format, made as the command makes them
LAW = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def held(folder: Path, suffix: str, data: bytes) -> check.Outcome:
    path = folder / f"a{suffix}"
    path.write_bytes(data or b"\0")
    outcome = check.examine(path)
    assert not outcome.breach, outcome.breach
    assert not [words for code, words in outcome.reasons if code in check.CATCH_ALL], outcome.reasons
    return outcome


@pytest.mark.parametrize("name", cases.FORMATS)
def test_changed_and_made_files(tmp_path, name):
    files = cases.Cases(name, seed=20)
    pieces = 0
    for i in range(FILES):
        case = files.case(i)
        pieces += held(tmp_path, Path(case.name).suffix, case.data).items
    assert pieces  # not all is refused at the door


def test_a_file_is_a_function_of_its_seed_and_number():
    first, again, other = (cases.Cases("midi", seed).case(7) for seed in (1, 1, 2))
    assert first == again
    assert first.data != other.data


@pytest.mark.parametrize(
    ("suffix", "head"),
    [(".mid", midi.header()), (".musicxml", b"<score-partwise>"), (".mxl", b"PK\x03\x04"), (".abc", b"X:1\nT:\nK:C\n"),
     (".wav", b"RIFF\0\0\0\0WAVEfmt "), (".mp3", b"\xff\xfb\x90\x00"), (".flac", b"fLaC\0\0\0\x22"), (".ogg",
     b"OggS\0\2")],
)  # fmt: skip
@LAW
@given(data=st.binary(max_size=400))
def test_a_head_and_anything_behind_it(tmp_path, suffix, head, data):
    held(tmp_path, suffix, head + data)


TIMES = st.sampled_from([b"\0", b"\x01", b"\x60", b"\x83\x60", b"\xff\x7f", b"\xff\xff\xff\x7f"])
EVENTS = st.builds(
    bytes.__add__,
    TIMES,
    st.one_of(
        st.builds(lambda s, p, v: bytes([s, p, v]), st.integers(0x80, 0xBF), st.integers(0, 127), st.integers(0, 127)),
        st.builds(lambda c, p: bytes([0xC0 | c, p]), st.integers(0, 15), st.integers(0, 127)),
        st.binary(min_size=3, max_size=3).map(lambda b: b"\xff\x51\x03" + b),
        st.binary(min_size=4, max_size=4).map(lambda b: b"\xff\x58\x04" + b),
        st.binary(min_size=2, max_size=2).map(lambda b: b"\xff\x59\x02" + b),
        st.binary(max_size=20).map(lambda b: b"\xff\x03" + bytes([len(b)]) + b),
    ),
)


@LAW
@given(st.lists(st.lists(EVENTS, max_size=40).map(b"".join), max_size=4), st.integers(0, 2), st.integers(1, 0x7FFF))
def test_midi_events(tmp_path, tracks, form, division):
    body = b"".join(midi.chunk(b"MTrk", b"\0\x90\x3c\x40\x60\x80\x3c\0" + t + b"\0\xff\x2f\0") for t in tracks)
    held(tmp_path, ".mid", midi.header(form, len(tracks), division) + body)


ELEMENTS = st.recursive(
    st.builds(lambda tag, text: f"<{tag}>{text}</{tag}>", st.sampled_from(xml.TAGS), st.sampled_from(xml.TEXTS)),
    lambda inner: st.builds(
        lambda tag, children: f"<{tag}>{''.join(children)}</{tag}>",
        st.sampled_from(("note", "pitch", "attributes", "measure", "time", "key", "direction", "harmony", "part")),
        st.lists(inner, max_size=6),
    ),
    max_leaves=40,
)
HYMN = (cases.ROOT / "tests/data/hymn.musicxml").read_text()


@LAW
@given(ELEMENTS, st.integers(0, 40), st.booleans())
def test_musicxml_elements(tmp_path, element, place, packed):
    at = [i for i in range(len(HYMN)) if HYMN.startswith("</measure>", i) or HYMN.startswith("</note>", i)][place % 12]
    data = (HYMN[:at] + element + HYMN[at:]).encode()
    held(tmp_path, *((".mxl", mxl.compressed(data)) if packed else (".musicxml", data)))


LINES = st.one_of(
    st.builds("{}:{}".format, st.sampled_from(abc.FIELDS), st.sampled_from((*abc.VALUES, *abc.NUMBERS)) | st.text()),
    st.lists(st.sampled_from(abc.TOKENS), max_size=40).map("".join),
    st.text(max_size=40),
)


@LAW
@given(st.lists(LINES, max_size=6), st.lists(LINES, max_size=12))
def test_abc_lines(tmp_path, head, body):
    text = "\n".join(["X:1", *head, "K:C", "ABc|", *body])
    held(tmp_path, ".abc", text.encode("utf-8", "surrogatepass"))


@LAW
@given(
    st.integers(0, 7), st.integers(0, 40), st.integers(0, 400_000), st.integers(0, 64), st.integers(0, 64),
    st.integers(0, 2**32 - 1) | st.just(200), st.binary(max_size=200),
)  # fmt: skip
def test_wav_heads(tmp_path, coding, channels, rate, block, bits, claimed, body):
    fmt = struct.pack("<IHHIIHH", 16, coding, channels, rate, (rate * block) % 2**32, block, bits)
    held(tmp_path, ".wav", b"RIFF\xff\xff\xff\xffWAVEfmt " + fmt + b"data" + struct.pack("<I", claimed) + body)


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "ogg"])
@LAW
@given(st.data())
def test_recordings_with_other_bytes(tmp_path, kind, data):
    out = bytearray(data.draw(st.sampled_from(sound.seeds(kind))))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6)):
        out[at % len(out)] = byte
    held(tmp_path, f".{kind}", bytes(out[: data.draw(st.integers(1, len(out)))]))
