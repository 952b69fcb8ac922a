"""Strangers' files in a folder: each that cannot be read is one line of rejects.jsonl, and the rest is indexed."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fake_library import FakeEmbedder, midi
from mmbert_indexer.build import build_library

from mmbert.store import open_library

DATA = Path(__file__).parents[1] / "data"
WALTZ, TONE, HYMN = ((DATA / name).read_bytes() for name in ("waltz.mid", "tone.wav", "hymn.musicxml"))
THIRD = [i for i in range(len(WALTZ)) if WALTZ[i : i + 4] == b"MTrk"][2]
DOCTYPE = '<!DOCTYPE score-partwise [{}]><score-partwise version="4.0">{}</score-partwise>'


def track(events: bytes) -> bytes:
    body = events + b"\x00\xff\x2f\x00"
    return b"MTrk" + len(body).to_bytes(4) + body


def header(tracks: int) -> bytes:
    return b"MThd\x00\x00\x00\x06\x00\x01" + tracks.to_bytes(2) + (480).to_bytes(2)


def mxl(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, content)
    return out.getvalue()


def wav(samples: np.ndarray) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    out = io.BytesIO()
    soundfile.write(out, samples, 8000, format="WAV", subtype="FLOAT")
    return out.getvalue()


def with_nan() -> bytes:
    samples = np.sin(np.arange(4000) / 8).astype(np.float32)
    samples[77] = np.nan
    return wav(samples)


def many_entities() -> bytes:
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 9}">' for i in range(1, 12))
    return DOCTYPE.format('<!ENTITY e0 "x">' + levels, "<part-list>&e11;</part-list>").encode()


FAR = b"\xff\xff\xff\x7f\x90\x3c\x50" * 40 + b"\xff\xff\xff\x7f\x80\x3c\x00"  # delta times of 2^28 - 1
OUTSIDE = '<!ENTITY secret SYSTEM "file:///etc/passwd">'
REJECTS = [
    pytest.param("a.mid", lambda: WALTZ[: THIRD + 20], "E_MIDI_TRUNCATED", "The file ends inside track 3",
                 marks=pytest.mark.failure(1), id="1 cut in a track"),
    pytest.param("a.mid", lambda: header(60_000) + track(b"\x00\x90\x3c\x50"), "E_MIDI_LIMIT", "claims 60000 tracks",
                 marks=pytest.mark.failure(2), id="2 claims 60,000 tracks"),
    pytest.param("a.mid", lambda: header(1) + track(FAR), "E_MIDI_LIMIT", "",
                 marks=pytest.mark.failure(2), id="2 delta times of 2^28"),
    pytest.param("a.mid", lambda: header(1) + track(b""), "E_EMPTY", "No notes",
                 marks=pytest.mark.failure(3), id="3 no notes"),
    pytest.param("a.mxl", lambda: mxl("score.xml", b"<score-partwise>" + b" " * 100_000_000), "E_ZIP_RATIO",
                 "unpacks to more than", marks=pytest.mark.failure(4), id="4 a zip bomb"),
    pytest.param("a.mxl", lambda: mxl("../../x.xml", HYMN), "E_ZIP_PATH", "names a file outside itself",
                 marks=pytest.mark.failure(5), id="5 a path that leads up"),
    pytest.param("a.mxl", lambda: mxl("/tmp/x.xml", HYMN), "E_ZIP_PATH", "names a file outside itself",
                 marks=pytest.mark.failure(5), id="5 an absolute path"),
    pytest.param("a.musicxml", many_entities, "E_XML_ENTITY", "declares XML entities",
                 marks=pytest.mark.failure(6), id="6 nested entities"),
    pytest.param("a.musicxml", lambda: DOCTYPE.format(OUTSIDE, "<work>&secret;</work>").encode(), "E_XML_ENTITY",
                 "declares XML entities", marks=pytest.mark.failure(7), id="7 an external entity"),
    *(pytest.param(f"a{suffix}", lambda: b"", "E_EMPTY_FILE", "is empty", marks=pytest.mark.failure(8),
                   id=f"8 0 bytes {suffix}") for suffix in (".mid", ".musicxml", ".mxl", ".abc", ".wav")),
    pytest.param("a.mid", lambda: b"Dear sirs, ...", "E_NOT_MIDI", "does not begin as a MIDI file does",
                 marks=pytest.mark.failure(9), id="9 text named .mid"),
    pytest.param("a.wav", with_nan, "E_AUDIO_NAN", "has samples that are no numbers",
                 marks=pytest.mark.failure(11), id="11 no numbers"),
    pytest.param("a.wav", lambda: wav(np.zeros(4000)), "E_SILENT", "is silent",
                 marks=pytest.mark.failure(11), id="11 silence"),
    pytest.param("a.wav", lambda: wav(np.full(4000, 0.5)), "E_SILENT", "is silent",
                 marks=pytest.mark.failure(11), id="11 a constant"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "code", "words"), REJECTS)
def test_a_file_that_cannot_be_read_is_one_reject(tmp_path, library, name, data, code, words):
    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "good.mid").write_bytes(midi(60))
    (folder / name).write_bytes(data())
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    tracemalloc.start()
    begun = time.perf_counter()
    embedder = FakeEmbedder()
    embedder.kinds = frozenset({"score", "recording"})
    report = build_library(library, [folder], embedder)
    seconds, (_, peak) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (report.pieces, report.rejected) == (1, 1)
    generation = open_library(library).current()
    [line] = generation.rejects()
    generation.close()
    assert (line["path"], line["code"], line["stage"] in ("decode", "scan")) == (str(folder / name), code, True)
    assert words in line["fault"]
    assert line["hint"]
    assert peak < 200e6
    assert seconds < 5  # a second, and the machine may have other things to do
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and library not in p.parents} == before
    rest = FakeEmbedder()
    build_library(library, [folder], rest)
    assert rest.asked == []  # never tried again


@pytest.mark.failure(7)
def test_the_ordinary_doctype_of_musicxml_is_no_attack(tmp_path, library):
    assert b"<!DOCTYPE score-partwise PUBLIC" in HYMN
    (tmp_path / "hymn.musicxml").write_bytes(HYMN)
    assert build_library(library, [tmp_path / "hymn.musicxml"], FakeEmbedder()).pieces == 1


@pytest.mark.failure(9)
def test_content_decides_over_the_name(tmp_path):
    from mmbert.items import load_items

    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.mp3", np.sin(np.arange(24_000) / 8) * 0.5, 24_000, format="MP3")
    (tmp_path / "a.mp3").rename(tmp_path / "a.wav")
    samples = sum(map(len, next(load_items(tmp_path / "a.wav")).recording.sound()))
    assert samples == pytest.approx(24_000, abs=2400)


@pytest.mark.failure(10)
@pytest.mark.parametrize("claimed", [4_000_000_000, 0xFFFFFFFF])
def test_a_wav_header_that_claims_4_gb(tmp_path, claimed):
    from mmbert.items import load_items

    pytest.importorskip("soundfile")
    at = TONE.index(b"data") + 4
    size = struct.pack("<I", claimed)
    (tmp_path / "a.wav").write_bytes(TONE[:4] + size + TONE[8:at] + size + TONE[at + 4 :])
    tracemalloc.start()
    sound = next(load_items(tmp_path / "a.wav")).recording.sound()
    samples = sum(map(len, sound))
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert (sound.flaw, samples) == ("breaks off at 0:00 (the file is shorter than it says)", 4000)


@pytest.mark.failure(11)
def test_no_vector_that_is_no_number_enters_a_shard(tmp_path, library):
    class Broken(FakeEmbedder):
        def _one(self, piece):
            result = super()._one(piece)
            if piece.item.source.path.stem == "bad":
                result.windows[0, 0] = np.nan
            return result

    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "good.mid").write_bytes(midi(60))
    (folder / "bad.mid").write_bytes(midi(61))
    report = build_library(library, [folder], Broken())
    assert (report.pieces, report.rejects["counts"]) == (1, {"E_NOT_FINITE": 1})
    rows = np.fromfile(library / "work/shards/joint-f00dfeed/000001.open", "<f2")
    assert np.isfinite(rows).all()


@pytest.mark.failure(12)
def test_days_of_sound(tmp_path):
    """A sparse file takes no disk; more than the limit is refused before any of it is decoded."""
    from mmbert.errors import ItemError
    from mmbert.items import load_items

    pytest.importorskip("soundfile")
    at = TONE.index(b"data") + 4
    path, size = tmp_path / "a.wav", 30 * 3600 * 8000 * 2
    with path.open("wb") as f:
        f.write(TONE[:4] + struct.pack("<I", size + at - 4) + TONE[8:at] + struct.pack("<I", size) + TONE[at + 4 :])
        f.truncate(at + 4 + size)
    tracemalloc.start()
    with pytest.raises(ItemError) as caught:
        next(load_items(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (caught.value.code, caught.value.fault) == ("E_LENGTH_LIMIT", "is longer than 24 hours")
    assert peak < 10e6
