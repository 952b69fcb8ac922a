"""Recordings on the page: their files by ranges, their pictures, their cards; dropped ones are heard."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from mmbert_indexer.build import build_library
from mmbert_ui import uploads
from mmbert_ui.asking import respond
from mmbert_ui.faults import add_faults
from mmbert_ui.programs import add_program_routes
from mmbert_ui.routes import add_routes
from mmbert_ui.state import Site
from mmbert_ui.waveform import COLUMNS, Envelope, waveform

from mmbert.api import Library
from mmbert.audio.mel import LogMel
from mmbert.embed import Embedder
from mmbert.errors import ItemError
from mmbert.items.sound_stream import SoundStream
from tests.ui.conftest import HOSTILE

soundfile = pytest.importorskip("soundfile")
DATA = Path(__file__).parents[1] / "data"
RATE = 16_000
LENGTH_S = 14.0
TYPES = {
    "plain.wav": "audio/wav",
    "lossless.flac": "audio/flac",
    "small.ogg": "audio/ogg",
    "smaller.mp3": "audio/mpeg",
    "old.aiff": "audio/wav",  # which browsers do not play
}


def sound(seconds: float = LENGTH_S) -> np.ndarray:
    """Silence, and from its middle on a tone."""
    t = np.arange(int(seconds * RATE)) / RATE
    return np.where(t < seconds / 2, 0.0, 0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def unfinished(wav: bytes) -> bytes:
    """As of a recorder that was switched off: the length of its sound was never written."""
    at = wav.index(b"data") + 4
    return wav[:at] + bytes(4) + wav[at + 4 :]


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny_weights) -> Path:
    """A folder with ``music`` and ``library``."""
    here = tmp_path_factory.mktemp("recordings")
    (here / "music").mkdir()
    for i, name in enumerate(TYPES):
        own = sound() * (1 - i / 10)  # no two are the same
        soundfile.write(here / "music" / name, own, RATE)
    with soundfile.SoundFile(here / "music" / "hostile.wav", "w", RATE, 1) as f:
        f.title = HOSTILE
        f.write(sound(4.0))
    data = (here / "music" / "lossless.flac").read_bytes()
    (here / "music" / "cut.flac").write_bytes(data[: len(data) * 3 // 4])
    (here / "music" / "unfinished.wav").write_bytes(unfinished((here / "music" / "plain.wav").read_bytes()))
    data = (here / "music" / "smaller.mp3").read_bytes()
    how = {"format": "MP3", "compression_level": 0.8, "bitrate_mode": "CONSTANT"}  # which state no length
    with soundfile.SoundFile(here / "second.mp3", "w", RATE, 1, **how) as f:
        f.write(sound())
    (here / "music" / "joined.mp3").write_bytes(data + (here / "second.mp3").read_bytes())
    (here / "music" / "damaged.mp3").write_bytes(data[: len(data) // 3] + bytes(4000) + data[len(data) // 3 :])
    shutil.copy(DATA / "waltz.mid", here / "music")
    build_library(here / "library", [here / "music"], Embedder.from_pretrained(tiny_weights), workers=0)
    return here


@pytest.fixture
def site(built, tiny_weights):
    site = Site(Library.open(built / "library", tiny_weights))
    yield site
    site.close()


@pytest.fixture
def client(site) -> TestClient:
    app = FastAPI()
    add_faults(app, {}, site.outside)
    add_routes(app, site)
    add_program_routes(app, site)
    return TestClient(app)


def id_of(site: Site, name: str) -> str:
    with site.now() as state:
        return next(p.id for p in state.library.pieces() if Path(p.path).name == name)


# ---- sound ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_a_recording_is_handed_out_as_what_browsers_play(client, site, built, name):
    answer = client.get(f"/sound/{id_of(site, name)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, TYPES[name])
    assert int(answer.headers["content-length"]) == len(answer.content)
    own = (built / "music" / name).read_bytes()
    assert (answer.content == own) is not name.endswith("aiff")
    samples, rate = soundfile.read(io.BytesIO(answer.content))
    assert rate == RATE
    assert len(samples) == pytest.approx(LENGTH_S * RATE, abs=0.1 * RATE)


@pytest.mark.parametrize("name", ["lossless.flac", "old.aiff"])
@pytest.mark.parametrize("span", ["0-0", "0-99", "40-50", "100001-140003", "-777", "200000-", "5-99999999"])
def test_any_range_is_that_part_of_the_whole(client, site, name, span):
    url = f"/sound/{id_of(site, name)}"
    whole = client.get(url).content
    first, _, last = span.partition("-")
    start = int(first) if first else len(whole) - int(last)
    stop = min(len(whole), int(last) + 1) if first and last else len(whole)
    if start >= len(whole):
        pytest.skip("the file is smaller")
    part = client.get(url, headers={"Range": f"bytes={span}"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
    assert int(part.headers["content-length"]) == stop - start
    assert part.content == whole[start:stop]


def test_what_no_range_can_meet_and_what_is_no_range(client, site):
    url = f"/sound/{id_of(site, 'plain.wav')}"
    size = len(client.get(url).content)
    for span in (f"bytes={size}-", "bytes=-0"):
        answer = client.get(url, headers={"Range": span})
        assert (answer.status_code, answer.headers["content-range"], answer.content) == (416, f"bytes */{size}", b"")
    for span in ("bytes=9-3", "lines=1-2", "bytes=0-1,5-6", "bytes=", "nonsense"):
        answer = client.get(url, headers={"Range": span})
        assert (answer.status_code, len(answer.content)) == (200, size)


def test_a_part_is_given_only_of_the_very_bytes_that_were_meant(client, site):
    url = f"/sound/{id_of(site, 'plain.wav')}"
    tag = client.get(url).headers["etag"]
    asked = {"Range": "bytes=10-19"}
    assert client.get(url, headers=asked | {"If-Range": tag}).status_code == 206
    for other in ('"other"', f"W/{tag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert client.get(url, headers=asked | {"If-Range": other}).status_code == 200
    unchanged = client.get(url, headers={"If-None-Match": f'"other", {tag}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert client.get(f"{url}.wav").headers["etag"] != tag


def test_head_tells_the_length_and_has_no_ranges(client, site):
    url = f"/sound/{id_of(site, 'small.ogg')}"
    whole = client.get(url)
    for headers in ({}, {"Range": "bytes=0-9"}):
        head = client.head(url, headers=headers)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "accept-ranges", "etag"):
            assert head.headers[name] == whole.headers[name]


def test_any_recording_comes_as_a_wav_too(client, site):
    samples, rate = soundfile.read(io.BytesIO(client.get(f"/sound/{id_of(site, 'smaller.mp3')}.wav").content))
    quiet, loud = samples[: 6 * rate], samples[8 * rate :]
    assert np.abs(quiet).max() < 0.01
    assert np.abs(loud).max() == pytest.approx(0.5 * 0.7, rel=0.1)


def test_a_file_that_changed_or_is_gone_is_told_in_words(client, site, built):
    path, piece = built / "music" / "plain.wav", id_of(site, "plain.wav")
    assert client.get(f"/sound/{piece}").status_code == 200
    kept = path.read_bytes()
    try:
        path.write_bytes(kept[:-2] + b"xx")
        for url in (f"/sound/{piece}", f"/sound/{piece}.wav", f"/waveform/{piece}.json", f"/download/{piece}"):
            answer = client.get(url)
            assert answer.status_code == 410
            assert "has changed since the library was built" in answer.json()["error"]["fault"]
        path.unlink()
        assert "is gone" in client.get(f"/sound/{piece}").json()["error"]["fault"]
        assert str(built) not in client.get(f"/sound/{piece}").text
    finally:
        path.write_bytes(kept)
    assert client.get(f"/sound/{piece}").content == kept


@pytest.mark.parametrize("route", ["/sound/{}", "/sound/{}.wav", "/waveform/{}.json", "/api/same/{}"])
@pytest.mark.parametrize("name", ["f" * 32 + "-0", "nothing", "upload-" + "0" * 32, "..%2f..%2fx", "%2e%2e", "a.b"])
def test_an_id_that_names_nothing_is_not_found(client, route, name):
    assert client.get(route.format(name)).status_code in (400, 404)


def test_a_recording_is_downloaded_as_it_is(client, site, built):
    answer = client.get(f"/download/{id_of(site, 'hostile.wav')}")
    assert answer.content == (built / "music" / "hostile.wav").read_bytes()
    assert answer.headers["content-disposition"].count('"') == 2
    assert answer.headers["content-type"] == "application/octet-stream"


# ---- pictures ---------------------------------------------------------------------------------------------


def test_the_picture_shows_where_it_is_loud(client, site):
    found = client.get(f"/waveform/{id_of(site, 'plain.wav')}.json").json()
    assert found["duration_s"] == LENGTH_S
    assert len(found["peaks"]) == COLUMNS
    assert max(found["peaks"][: COLUMNS // 2 - 1]) == 0
    assert min(found["peaks"][COLUMNS // 2 + 1 :]) >= 98
    cut = client.get(f"/waveform/{id_of(site, 'cut.flac')}.json").json()
    assert 7 < cut["duration_s"] < LENGTH_S


@pytest.mark.parametrize(("name", "times"), [("unfinished.wav", 1), ("damaged.mp3", 1), ("joined.mp3", 2)])
def test_what_browsers_would_break_off_is_handed_out_and_drawn_whole(client, site, name, times):
    url = f"/sound/{id_of(site, name)}"
    answer = client.get(url)
    assert answer.headers["content-type"] == "audio/wav"
    samples, rate = soundfile.read(io.BytesIO(answer.content))
    assert len(samples) / rate == pytest.approx(times * LENGTH_S, abs=0.3)
    assert np.abs(samples[-2 * rate : -rate]).max() > 0.2
    for start in (400_001, len(answer.content) - 50_000):
        part = client.get(url, headers={"Range": f"bytes={start}-{start + 99}"})
        assert part.content == answer.content[start : start + 100]
    if times > 1:
        return
    peaks = client.get(f"/waveform/{id_of(site, name)}.json").json()["peaks"]
    assert max(peaks[: COLUMNS // 2 - 20]) <= 2
    assert min(peaks[COLUMNS // 2 + 20 : -20]) >= 90


def test_of_a_long_recording_a_second_of_each_column_is_read(tmp_path):
    class Counting(SoundStream):
        asked = 0

        def samples(self, first, number):
            self.asked += number
            return super().samples(first, number)

    path = tmp_path / "hours.wav"
    with soundfile.SoundFile(path, "w", 1000, 1) as f:
        for _ in range(120):
            f.write(np.full(60_000, 0.5, np.float32))
    with Counting(path) as stream:
        assert set(waveform(stream, 7200.0).peaks) == {100}
        assert stream.asked == 1000 * COLUMNS


def test_spectra_show_the_same_picture():
    import soxr

    mel, envelope = LogMel(), Envelope()
    for block in np.array_split(soxr.resample(sound(), RATE, 32_000), 5):
        envelope.feed(mel.feed(block).astype(np.float16))
    envelope.feed(mel.finish())
    drawn = envelope.finish()
    assert drawn.duration_s == pytest.approx(LENGTH_S, abs=0.02)
    half = len(drawn.peaks) // 2
    assert max(drawn.peaks[: half - 2]) <= 1
    assert min(drawn.peaks[half + 2 :]) >= 60


# ---- cards and answers ------------------------------------------------------------------------------------


def test_cards_of_both_kinds_stand_in_one_list(site):
    view = respond(site, {"words": "violin", "serial": 1, "limit": 20})
    kinds = [card["kind"] for card in view["cards"]]
    assert sorted(set(kinds)) == ["recording", "score"]
    recording = next(c for c in view["cards"] if c["kind"] == "recording")
    labels = [fact["label"] for fact in recording["facts"]]
    assert "Length" in labels
    assert "Heard (estimated)" in labels
    assert "For" not in labels
    assert recording["same"] == "score"
    assert next(c for c in view["cards"] if c["kind"] == "score")["same"] == "recording"
    for kind in ("recording", "score"):
        only = respond(site, {"words": "violin", "kind": kind, "serial": 2, "limit": 20})
        assert {card["kind"] for card in only["cards"]} == {kind}
        assert len(only["cards"]) == kinds.count(kind)


def test_a_card_names_flaws_and_a_hostile_title_is_plain_text(site):
    view = respond(site, {"kind": "recording", "serial": 1, "limit": 20})
    flaws = {card["title"]: card["flaws"] for card in view["cards"] if card["flaws"]}
    assert flaws.keys() == {"cut", "unfinished", "damaged"}
    assert flaws["cut"].startswith("breaks off at 0:")
    assert HOSTILE in [card["title"] for card in view["cards"]]


def test_the_json_of_recordings_holds_seconds_and_addresses(client, site):
    hits = client.get("/api/search", params={"q": "violin", "modality": "recording"}).json()["hits"]
    assert {hit["modality"] for hit in hits} == {"recording"}
    assert all(0 <= hit["start_s"] < hit["end_s"] <= 2 * LENGTH_S + 0.1 for hit in hits)
    piece = client.get(f"/api/piece/{id_of(site, 'small.ogg')}").json()
    assert (piece["roll"], piece["sound"]) == (None, f"/sound/{piece['id']}")
    assert piece["words"]["sentence"].startswith("A recording, 0:14 long; heard: ")
    assert [sound["name"] for sound in piece["words"]["heard"]] == list(piece["facets"]["sounds"])
    assert client.get(piece["waveform"]).status_code == 200
    assert client.get(piece["sound"]).status_code == 200


def test_the_same_music_in_its_other_form(client, site):
    mp3 = id_of(site, "smaller.mp3")
    answer = client.get(f"/api/same/{mp3}", params={"modality": "recording"}).json()
    assert mp3 not in [hit["id"] for hit in answer["hits"]]
    assert "transposed_by" in answer["hits"][0]
    assert {h["modality"] for h in client.get(f"/api/same/{mp3}?modality=score").json()["hits"]} <= {"score"}
    view = respond(site, {"same": mp3, "kind": "score", "serial": 3})
    assert (view["state"], view["same"]["title"]) == ("hits", "smaller")
    assert client.get(f"/api/same/{mp3}?limit=0").status_code == 422
    wrong = respond(site, {"same": "../../etc/passwd", "serial": 4})
    assert wrong["state"] == "error"


# ---- dropped ----------------------------------------------------------------------------------------------


def test_a_dropped_recording_is_heard_and_asked_with(client, site, tmp_path):
    path = tmp_path / "mine.flac"
    soundfile.write(path, sound(9.0)[::-1], RATE)
    upload = site.uploads.add(path, "mine.flac")
    assert upload.item.recording is None
    assert upload.embedded is not None
    view = respond(site, {"like": upload.id, "serial": 1})
    assert (view["example"]["kind"], view["example"]["dropped"]) == ("recording", True)
    assert [fact["value"] for fact in view["example"]["facts"] if fact["label"] == "Length"] == ["0:09"]
    assert view["cards"]
    words = client.get(f"/words/{upload.id}.json").json()
    assert words["sentence"].startswith("A recording, 0:09 long; heard: ")
    assert words["tags"]
    assert 0 < words["heard"][0]["probability"] <= 1
    assert client.get(f"/waveform/{upload.id}.json").json()["duration_s"] == pytest.approx(9.0, abs=0.02)
    assert client.get(f"/sound/{upload.id}").status_code == 404  # its sound is not kept
    same = respond(site, {"same": upload.id, "serial": 2})
    assert same["cards"][0]["kind"] == "recording"
    refused = respond(site, {"tune": upload.id, "serial": 3})
    assert "is a recording" in refused["title"]


def test_a_piece_of_the_library_that_is_dropped_is_found_again(site, built):
    upload = site.uploads.add(built / "music" / "small.ogg", "mine.ogg")
    view = respond(site, {"like": upload.id, "serial": 1, "limit": 20})
    assert id_of(site, "small.ogg") not in [card["id"] for card in view["cards"]]


def test_what_cannot_be_heard_is_told(site, tmp_path, monkeypatch):
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(RATE * 2, np.float32), RATE)
    with pytest.raises(ItemError, match=r"^silent\.wav: is silent"):
        site.uploads.add(silent, "silent.wav")
    (tmp_path / "no.flac").write_bytes(b"fLaC" + b"\0" * 99)
    with pytest.raises(ItemError, match=r"^no\.flac: is damaged, or of a kind"):
        site.uploads.add(tmp_path / "no.flac", "no.flac")
    long = tmp_path / "long.flac"
    soundfile.write(long, sound(9.0), RATE)
    monkeypatch.setattr(uploads, "MOST_HEARD_S", 6.0)
    monkeypatch.setattr(uploads, "_Hearing", None)  # nothing is heard of what states its length
    with pytest.raises(ItemError, match="as long as the page listens"):
        site.uploads.add(long, "long.flac")
    assert site.uploads.add(long, "long.flac", as_melody=True).item.score is not None
    monkeypatch.undo()
    assert site.uploads.add(long, "long.flac").embedded is not None


def test_recordings_may_be_larger_than_other_files(site, tmp_path):
    for name, head, limit, what in (
        ("big.wav", b"RIFF\0\0\0\0WAVE", uploads.MAX_RECORDING_BYTES, "recordings up to 64 MB"),
        ("big.mid", b"MThd", uploads.MAX_BYTES, "files up to 8 MB"),
    ):
        with (tmp_path / name).open("wb") as f:
            f.write(head)
            f.truncate(limit + 1)
        with pytest.raises(ItemError, match=what):
            site.uploads.add(tmp_path / name, name)
