"""Recordings: decoding, and headers and samples that are not to be believed."""

from __future__ import annotations

import struct
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


def test_limits(tmp_path):
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
