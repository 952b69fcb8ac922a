"""Recordings: decoding, and headers and samples that are not to be believed."""

from __future__ import annotations

import os
import re
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mmbert.errors import ItemError, MissingExtraError
from mmbert.items import Limits, load_items
from mmbert.items.mp3_runs import mp3_runs
from mmbert.items.sound_stream import SoundStream
from mmbert.types import Recording

soundfile = pytest.importorskip("soundfile")
DATA = Path(__file__).parents[2] / "data"
TONE = (DATA / "tone.wav").read_bytes()


def refusal(path: Path, **limits) -> ItemError:
    with pytest.raises(ItemError) as caught:
        list(map(heard, (item.recording for item in load_items(path, limits=Limits(**limits)))))
    return caught.value


def heard(recording: Recording) -> tuple[np.ndarray, str]:
    """All samples, and what is wrong with their file."""
    sound = recording.sound()
    return np.concatenate(list(sound)), sound.flaw


def put(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_a_tone():
    item = next(load_items(DATA / "tone.wav"))
    recording = item.recording
    samples, truncated = heard(recording)
    assert (item.kind, recording.sample_rate, samples.dtype) == ("recording", 8000, np.float32)
    assert len(samples) == 4000
    assert np.argmax(np.abs(np.fft.rfft(samples))) * 2 == 440
    assert not truncated
    assert (heard(recording)[0] == samples).all()  # as often as one likes


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_what_a_file_says_of_itself(tmp_path, suffix):
    with soundfile.SoundFile(tmp_path / f"a{suffix}", "w", 24_000, 1) as f:
        f.title, f.artist, f.album, f.comment = "Salt\tRoad", "Mary  Brown ", "B" * 600, "unsaid"
        f.write(0.5 * np.sin(np.arange(24_000) / 8))
    stated = next(load_items(tmp_path / f"a{suffix}")).metadata
    assert stated == {"title": "Salt Road", "composer": "Mary Brown", "album": "B" * len(stated["album"])}
    assert 250 <= len(stated["album"]) <= 500


@pytest.mark.parametrize(("suffix", "kind"), [(".flac", "FLAC"), (".ogg", "OGG"), (".mp3", "MP3"), (".aiff", "AIFF")])
def test_other_formats_by_content(tmp_path, suffix, kind):
    samples = np.stack([np.sin(np.arange(24_000) / 8), np.zeros(24_000)], 1)
    soundfile.write(tmp_path / f"a{suffix}", samples * 0.8, 24_000, format=kind)
    (tmp_path / f"a{suffix}").rename(tmp_path / "b.wav")
    recording = next(load_items(tmp_path / "b.wav")).recording
    samples, _ = heard(recording)
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(24_000, abs=2400)
    assert 0.3 < np.abs(samples).max() < 0.5  # the mean of both channels


def test_blocks_of_an_mp3_join_without_a_seam(tmp_path, capfd):
    rng = np.random.default_rng(1)
    loud = np.cumsum(rng.normal(size=200_000)) * np.repeat(rng.random(200), 1000)  # frames of unequal need borrow bits
    path = tmp_path / "a.mp3"
    with soundfile.SoundFile(path, "w", 24_000, 1, format="MP3", compression_level=0.8, bitrate_mode="CONSTANT") as f:
        f.write((loud / np.abs(loud).max()).astype(np.float32))
    whole, _ = soundfile.read(path, dtype="float32")
    samples, _ = heard(next(load_items(path)).recording)
    assert len(samples) == len(whole)
    assert np.abs(samples - np.clip(whole, -1, 1)).max() < 1e-6
    assert capfd.readouterr().err == ""  # where a seam is, libmpg123 complains


def test_channels_that_cancel_each_other(tmp_path):
    tone = 0.5 * np.sin(np.arange(24_000) / 8)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, -tone, 0 * tone, tone * 0.1, 0 * tone, -tone * 0.1], 1), 24_000)
    samples, _ = heard(next(load_items(tmp_path / "a.wav")).recording)
    np.testing.assert_allclose(np.abs(samples), np.abs(tone), atol=1e-3)


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"), [(96_000, 6, "PCM_24"), (11_025, 1, "PCM_U8"), (192_000, 2, "FLOAT")]
)
def test_any_rate_and_number_of_channels(tmp_path, rate, channels, subtype):
    sound = np.repeat(0.5 * np.sin(np.arange(rate) * 2 * np.pi * 440 / rate)[:, None], channels, axis=1)
    soundfile.write(tmp_path / "a.wav", sound, rate, subtype=subtype)
    samples, _ = heard(next(load_items(tmp_path / "a.wav")).recording)
    assert len(samples) == rate
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 440


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 4_000_000_000])
def test_a_header_that_claims_4_gb(tmp_path, claimed):
    at = TONE.index(b"data") + 4
    data = TONE[:4] + struct.pack("<I", claimed & 0xFFFFFFFF) + TONE[8:at] + struct.pack("<I", claimed) + TONE[at + 4 :]
    tracemalloc.start()
    samples, truncated = heard(next(load_items(put(tmp_path, "a.wav", data))).recording)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert truncated == "breaks off at 0:00 (the file is shorter than it says)"
    assert len(samples) == 4000


def test_samples_that_are_no_numbers(tmp_path):
    for value in (np.nan, np.inf):
        samples = np.zeros(1000, np.float32)
        samples[500] = value
        soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
        assert refusal(tmp_path / "a.wav").code == "E_AUDIO_NAN"


def test_silence_and_nothing(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), 8000)
    assert refusal(tmp_path / "a.wav").code == "E_SILENT"
    soundfile.write(tmp_path / "a.wav", np.full(1000, 0.7), 8000)  # a constant is not heard
    assert refusal(tmp_path / "a.wav").code == "E_SILENT"
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 8000)
    assert refusal(tmp_path / "a.wav").code == "E_EMPTY"


def test_what_was_cut_off_is_read_to_the_cut(tmp_path):
    sound = 0.5 * np.sin(np.arange(200_000) / 10)
    soundfile.write(tmp_path / "a.flac", sound, 44_100)
    data = (tmp_path / "a.flac").read_bytes()
    samples, truncated = heard(next(load_items(put(tmp_path, "b.flac", data[: len(data) // 2]))).recording)
    assert truncated == "breaks off at 0:02 (what follows is damaged or missing)"
    assert 90_000 < len(samples) < 110_000
    np.testing.assert_allclose(samples, sound[: len(samples)], atol=1e-3)
    fault = refusal(put(tmp_path, "c.flac", data[:200]))
    assert (fault.code, "first sound" in str(fault)) == ("E_AUDIO_DAMAGED", True)


NOISE = np.random.default_rng(0).normal(size=8 * 8000).clip(-3, 3) / 4


@pytest.fixture
def wav(tmp_path) -> bytes:
    """Eight seconds, mono, 16 bits; its data chunk is the last."""
    soundfile.write(tmp_path / "a.wav", NOISE, 8000, subtype="PCM_16")
    return (tmp_path / "a.wav").read_bytes()


def stating(wav: bytes, length: int, behind: bytes = b"") -> bytes:
    at = wav.index(b"data") + 4
    return wav[:at] + struct.pack("<I", length) + wav[at + 4 :] + behind


@pytest.mark.parametrize("riff", [0, 36, 8 * 16_000 + 36])
def test_a_wav_whose_length_was_never_written_is_read_to_its_end(tmp_path, wav, riff):
    data = wav[:4] + struct.pack("<I", riff) + stating(wav, 0)[8:]
    samples, flaw = heard(next(load_items(put(tmp_path, "a.wav", data))).recording)
    np.testing.assert_allclose(samples, NOISE, atol=1e-4)
    assert flaw.startswith("does not say how long it is")


def test_sound_behind_the_stated_end_is_told_and_tags_are_not(tmp_path, wav):
    samples, flaw = heard(next(load_items(put(tmp_path, "a.wav", stating(wav, 2 * 16_000)))).recording)
    assert len(samples) == 2 * 8000
    assert flaw == "breaks off at 0:02 (0:06 more lie unread behind the end that it states)"
    _, flaw = heard(next(load_items(put(tmp_path, "b.wav", wav + wav))).recording)
    assert "0:08 more lie unread" in flaw
    picture = b"id3 " + struct.pack("<I", 40_000) + bytes(40_000)
    tags = b"LIST" + struct.pack("<I", 4) + b"INFO" + picture
    assert heard(next(load_items(put(tmp_path, "c.wav", wav + tags))).recording)[1] == ""
    odd = stating(wav, 8 * 16_000 - 1)[:-1] + tags  # and no byte that makes it even
    assert heard(next(load_items(put(tmp_path, "odd.wav", odd))).recording)[1] == ""
    assert refusal(put(tmp_path, "d.wav", stating(wav, 0)[: wav.index(b"data") + 8] + tags)).code == "E_EMPTY"


@pytest.fixture(scope="module")
def mp3s(tmp_path_factory) -> tuple[bytes, bytes]:
    """Two MP3s of eight seconds at 24 kHz; the encoder says how long the first is, not of the second."""
    folder = tmp_path_factory.mktemp("mp3")
    loud = np.random.default_rng(1).normal(size=8 * 24_000) * np.sin(np.arange(8 * 24_000) / 9000) / 5
    soundfile.write(folder / "a.mp3", loud, 24_000)
    how = {"format": "MP3", "compression_level": 0.8, "bitrate_mode": "CONSTANT"}
    with soundfile.SoundFile(folder / "b.mp3", "w", 24_000, 1, **how) as f:
        f.write(loud)
    return (folder / "a.mp3").read_bytes(), (folder / "b.mp3").read_bytes()


def test_what_lies_behind_damage_in_an_mp3_is_read(tmp_path, mp3s):
    whole, flaw = heard(next(load_items(put(tmp_path, "a.mp3", mp3s[0]))).recording)
    assert (len(whole), flaw) == (8 * 24_000, "")
    noise = np.random.default_rng(2).integers(0, 256, 3000, np.uint8).tobytes()
    for name, noises in (("b.mp3", noise), ("c.mp3", bytes(3000))):
        middle = len(mp3s[0]) // 2
        data = mp3s[0][:middle] + noises + mp3s[0][middle + 3000 :]
        samples, flaw = heard(next(load_items(put(tmp_path, name, data))).recording)
        assert 7 * 24_000 < len(samples) < 8 * 24_000
        assert re.fullmatch(r"is damaged in a place at 0:0[34]: what lay there is missing", flaw)
        np.testing.assert_allclose(samples[:36_000], whole[:36_000], atol=1e-6)
        end = samples[-24_000:-12_000]
        same = np.correlate(whole[-30_000:], end, "valid").max() / np.square(end).sum()
        assert same == pytest.approx(1, abs=0.01)
    _, flaw = heard(next(load_items(put(tmp_path, "d.mp3", mp3s[0][: len(mp3s[0]) // 2]))).recording)
    assert "the file is shorter than it says" in flaw


def test_joined_mp3s_are_read_as_one(tmp_path, mp3s):
    first, second = mp3s
    tagged = first + b"TAG" + bytes(125)
    for name, data in (
        ("a.mp3", first + first),
        ("b.mp3", tagged + first),
        ("c.mp3", second + first),
        ("d.mp3", first + second),
    ):
        samples, flaw = heard(next(load_items(put(tmp_path, name, data))).recording)
        assert len(samples) == pytest.approx(16 * 24_000, abs=4800)
        assert flaw == ""


def test_an_mp3_that_hides_behind_the_stated_end_of_another_is_read_and_no_flaw(tmp_path, mp3s):
    """The first says how long it is, the second does not: their frames are one run."""
    first, second = mp3s
    path = put(tmp_path, "a.mp3", first + second)
    assert len(mp3_runs(path)) == 1
    samples, flaw = heard(next(load_items(path)).recording)
    assert len(samples) == pytest.approx(16 * 24_000, abs=4800)
    assert flaw == ""


def test_many_joined_mp3s_do_not_break_off_by_the_padding_of_each(tmp_path, mp3s):
    padded = b"LYRICSBEGIN" + bytes(500)
    path = put(tmp_path, "a.mp3", padded.join([mp3s[0]] * 30))
    samples, flaw = heard(next(load_items(path)).recording)
    assert len(samples) == pytest.approx(30 * 8 * 24_000, rel=0.02)
    assert flaw == ""


def test_a_picture_in_a_tag_is_not_looked_through(mp3s, tmp_path):
    picture = b"\xff\xfb" * (1 << 20)  # may all be headers
    size = len(picture)
    tag = b"ID3\x03\0\0" + bytes(size >> 7 * i & 127 for i in (3, 2, 1, 0)) + picture
    runs = mp3_runs(put(tmp_path, "a.mp3", tag + mp3s[0]))
    assert [(run.begin, run.damaged) for run in runs] == [(len(tag), False)]


def test_a_whole_mp3_whose_length_is_estimated_has_no_flaw(tmp_path, mp3s):
    tag = b"ID3\x03\0\0" + bytes([0, 0, 0, 22]) + bytes(22)  # which is counted as sound
    for name, data in (("a.mp3", tag + mp3s[1]), ("b.mp3", mp3s[1] + bytes(100))):
        assert heard(next(load_items(put(tmp_path, name, data))).recording)[1] == ""


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_an_mp3_of_any_rate_is_as_long_as_its_sound(tmp_path, rate):
    soundfile.write(tmp_path / "a.mp3", NOISE[:20_000], rate)
    samples, flaw = heard(next(load_items(tmp_path / "a.mp3")).recording)
    assert (len(samples), flaw) == (20_000, "")


def test_frames_that_cannot_be_decoded_are_passed_over(tmp_path, mp3s):
    data = bytearray(mp3s[0])
    rng = np.random.default_rng(3)
    for at in rng.integers(4000, len(data), 200).tolist():
        data[at] = int(rng.integers(256))
    samples, flaw = heard(next(load_items(put(tmp_path, "a.mp3", bytes(data)))).recording)
    assert len(samples) > 7 * 24_000
    assert flaw.startswith("is damaged in ")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_that_was_cut_off_or_damaged_says_so(tmp_path, subtype):
    soundfile.write(tmp_path / "a.ogg", NOISE, 8000, format="OGG", subtype=subtype)
    data = (tmp_path / "a.ogg").read_bytes()
    assert heard(next(load_items(tmp_path / "a.ogg")).recording)[1] == ""
    for name, cut in (("b.ogg", len(data) * 2 // 3), ("c.ogg", len(data) - 1)):
        _, flaw = heard(next(load_items(put(tmp_path, name, data[:cut]))).recording)
        assert "breaks off at 0:0" in flaw
        assert "last page is missing" in flaw
    middle = len(data) // 2
    hole = data[:middle] + bytes(100) + data[middle + 100 :]
    _, flaw = heard(next(load_items(put(tmp_path, "d.ogg", hole))).recording)
    assert flaw.startswith("is damaged: ")


def test_an_ogg_behind_an_ogg_is_told(tmp_path):
    soundfile.write(tmp_path / "a.ogg", NOISE, 8000)
    soundfile.write(tmp_path / "b.ogg", NOISE[::-1], 8000)
    both = (tmp_path / "a.ogg").read_bytes() + (tmp_path / "b.ogg").read_bytes()
    _, flaw = heard(next(load_items(put(tmp_path, "c.ogg", both))).recording)
    assert flaw == "breaks off at 0:08 (another one lies unread behind it)"


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "NMS_ADPCM_32"])
def test_what_cannot_be_sought_in_is_read(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", NOISE / 2, 8000, subtype=subtype)
    samples, flaw = heard(next(load_items(tmp_path / "a.wav")).recording)
    assert len(samples) == pytest.approx(len(NOISE), abs=400)
    assert flaw == ""
    with SoundStream(tmp_path / "a.wav") as stream:
        assert len(stream.samples(20_000, 100)) == 100
        with pytest.raises(ValueError, match="read in order"):
            stream.samples(0, 100)


@pytest.mark.parametrize(("suffix", "near"), [(".wav", 0), (".flac", 0), (".ogg", 1e-4), (".mp3", 1e-3)])
def test_samples_of_any_place_are_those_that_are_read_in_order(tmp_path, suffix, near):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, np.stack([NOISE, NOISE[::-1]], axis=1) / 2, 8000)
    with SoundStream(path) as stream:
        whole = np.concatenate([block.copy() for block in stream.blocks()])
    with SoundStream(path, 8.0) as stream:
        assert stream.as_stated
        for first, number in ((5000, 100), (0, 3000), (3000, 70_000), (63_900, 500), (40_000, 1), (90_000, 10)):
            np.testing.assert_allclose(stream.samples(first, number), whole[first : first + number], atol=near)


def test_names_of_any_bytes(tmp_path):
    path = put(tmp_path, os.fsdecode(b"caf\xe9.wav"), TONE)
    assert next(load_items(path)).source.path == path


def test_hours_cost_no_memory(tmp_path):
    frames, rate = 36_000_000, 1000  # ten hours
    with soundfile.SoundFile(tmp_path / "a.flac", "w", rate, 1) as sound:
        for i in range(36):
            sound.write(np.full(frames // 36, 1000 * (i % 2), np.int16))
    tracemalloc.start()
    samples = sum(map(len, next(load_items(tmp_path / "a.flac")).recording.sound()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert samples == frames
    assert peak < 5e6
    with (tmp_path / "b.wav").open("wb") as f:  # hours that take hours' bytes are not decoded at all
        f.write(TONE[:40] + struct.pack("<I", 288_000_000 * 2))
        f.truncate(44 + 288_000_000 * 2)
    began = time.perf_counter()
    fault = refusal(tmp_path / "b.wav", recording_seconds=3600)
    assert (fault.code, "longer than 1 hours" in str(fault)) == ("E_LENGTH_LIMIT", True)
    assert time.perf_counter() - began < 1


def test_limits(tmp_path):
    assert refusal(DATA / "tone.wav", recording_seconds=0.25).code == "E_LENGTH_LIMIT"
    assert refusal(DATA / "tone.wav", recording_bytes=1000).code == "E_AUDIO_LIMIT"


def test_what_libsndfile_does_not_know(tmp_path):
    fault = refusal(put(tmp_path, "a.m4a", b"\x00\x00\x00\x20ftypM4A " + bytes(100)))
    assert fault.code == "E_AUDIO_FORMAT"
    assert "WAV" in str(fault)
    assert refusal(put(tmp_path, "a.flac", b"fLaC" + bytes(100))).code == "E_NOT_AUDIO"


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"mmbert\[audio\]"):
        list(load_items(DATA / "tone.wav"))
