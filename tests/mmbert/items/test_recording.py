"""Recordings: decoding, and headers and samples that are not to be believed."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mmbert.errors import ItemError, MissingExtraError
from mmbert.items import Limits, load_items

soundfile = pytest.importorskip("soundfile")
DATA = Path(__file__).parents[2] / "data"
TONE = (DATA / "tone.wav").read_bytes()


def refusal(path: Path, **limits) -> ItemError:
    with pytest.raises(ItemError) as caught:
        list(load_items(path, limits=Limits(**limits)))
    return caught.value


def put(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_a_tone():
    item = next(load_items(DATA / "tone.wav"))
    recording = item.recording
    assert (item.kind, recording.sample_rate, recording.samples.dtype) == ("recording", 8000, np.float32)
    assert recording.duration_s == pytest.approx(0.5)
    assert np.argmax(np.abs(np.fft.rfft(recording.samples))) * 2 == 440
    assert not recording.truncated


@pytest.mark.parametrize(("suffix", "kind"), [(".flac", "FLAC"), (".ogg", "OGG"), (".mp3", "MP3"), (".aiff", "AIFF")])
def test_other_formats_by_content(tmp_path, suffix, kind):
    samples = np.stack([np.sin(np.arange(24_000) / 8), np.zeros(24_000)], 1)
    soundfile.write(tmp_path / f"a{suffix}", samples * 0.8, 24_000, format=kind)
    (tmp_path / f"a{suffix}").rename(tmp_path / "b.wav")
    recording = next(load_items(tmp_path / "b.wav")).recording
    assert recording.samples.ndim == 1
    assert recording.duration_s == pytest.approx(1, abs=0.1)
    assert 0.3 < np.abs(recording.samples).max() < 0.5  # the mean of both channels


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 4_000_000_000])
def test_a_header_that_claims_4_gb(tmp_path, claimed):
    at = TONE.index(b"data") + 4
    data = TONE[:4] + struct.pack("<I", claimed & 0xFFFFFFFF) + TONE[8:at] + struct.pack("<I", claimed) + TONE[at + 4 :]
    tracemalloc.start()
    recording = next(load_items(put(tmp_path, "a.wav", data))).recording
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert recording.truncated
    assert len(recording.samples) == 4000


def test_samples_that_are_no_numbers(tmp_path):
    for value in (np.nan, np.inf):
        samples = np.zeros(1000, np.float32)
        samples[500] = value
        soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
        assert refusal(tmp_path / "a.wav").code == "E_AUDIO_NAN"


def test_silence_and_nothing(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), 8000)
    assert refusal(tmp_path / "a.wav").code == "E_SILENT"
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 8000)
    assert refusal(tmp_path / "a.wav").code == "E_EMPTY"


def test_what_was_cut_off_is_read_to_the_cut(tmp_path):
    sound = 0.5 * np.sin(np.arange(200_000) / 10)
    soundfile.write(tmp_path / "a.flac", sound, 44_100)
    data = (tmp_path / "a.flac").read_bytes()
    recording = next(load_items(put(tmp_path, "b.flac", data[: len(data) // 2]))).recording
    assert recording.truncated
    assert 90_000 < len(recording.samples) < 110_000
    np.testing.assert_allclose(recording.samples, sound[: len(recording.samples)], atol=1e-3)
    fault = refusal(put(tmp_path, "c.flac", data[:200]))
    assert (fault.code, "first sound" in str(fault)) == ("E_AUDIO_DAMAGED", True)


def test_names_of_any_bytes(tmp_path):
    path = put(tmp_path, os.fsdecode(b"caf\xe9.wav"), TONE)
    assert next(load_items(path)).source.path == path


def test_hours_cost_little_memory(tmp_path):
    frames, rate = 36_000_000, 1000  # ten hours
    with soundfile.SoundFile(tmp_path / "a.flac", "w", rate, 1) as sound:
        for _ in range(36):
            sound.write(np.full(frames // 36, 1000, np.int16))
    tracemalloc.start()
    fault = refusal(tmp_path / "a.flac")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (fault.code, "longer than 60 minutes" in str(fault)) == ("E_AUDIO_LIMIT", True)
    assert peak < 20e6  # an hour at this rate is 14.4 MB
    with (tmp_path / "b.wav").open("wb") as f:  # ten hours that take ten hours' bytes are not decoded at all
        f.write(TONE[:40] + struct.pack("<I", 288_000_000 * 2))
        f.truncate(44 + 288_000_000 * 2)
    began = time.perf_counter()
    assert refusal(tmp_path / "b.wav").code == "E_AUDIO_LIMIT"
    assert time.perf_counter() - began < 1


def test_limits(tmp_path):
    assert refusal(DATA / "tone.wav", recording_samples=1000).code == "E_AUDIO_LIMIT"
    assert refusal(DATA / "tone.wav", recording_seconds=0.25).code == "E_AUDIO_LIMIT"
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
