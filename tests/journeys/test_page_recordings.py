"""Recordings in Chromium: dropped, found, played from the second that fits; the microphone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmbert.items import write_midi
from mmbert.symbolic.score import Score
from tests.journeys.pages import CHROMIUM, HOSTILE, arrived, search, served, sideways, texts, tune, wrongs
from tests.journeys.test_page_access import looks, violations

soundfile = pytest.importorskip("soundfile")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
RATE = 16_000
# A microphone that hears a tone.
TONE = """() => { navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext(), tone = context.createOscillator(), out = context.createMediaStreamDestination();
  tone.connect(out); tone.start(); return out.stream; }; }"""
REFUSED = """() => { navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException('Permission denied', 'NotAllowedError'); }; }"""


def rendered(score: Score) -> np.ndarray:
    """A score as plain tones, float32 at :data:`RATE`."""
    out = np.zeros(int((score.duration_s + 0.5) * RATE), np.float32)
    onsets = score.seconds(score.notes["onset"])
    ends = score.seconds(score.notes["onset"] + score.notes["duration"])
    for pitch, start, end in zip(score.notes["pitch"].tolist(), onsets, ends, strict=True):
        t = np.arange(int((end - start) * RATE)) / RATE
        hz = 440 * 2 ** ((pitch - 69) / 12)
        tone = sum(np.sin(2 * np.pi * hz * k * t) / k for k in (1, 2, 3)) * np.exp(-2 * t)
        at = int(start * RATE)
        out[at : at + len(t)] += 0.1 * tone[: len(out) - at].astype(np.float32)
    return out


@pytest.fixture(scope="module")
def sounding(tmp_path_factory, tiny_weights) -> Iterator[tuple[str, Path]]:
    """(address, folder of music) of a library of four scores, two of them also as recordings, and a noise."""
    from mmbert_indexer.build import build_library

    from mmbert.embed import Embedder

    here = tmp_path_factory.mktemp("sounding")
    (here / "music").mkdir()
    for n in range(4):
        score = tune(20 + n, 57 + n, n % 2 == 0, 0.5, bars=16)
        (here / "music" / f"tune {n}.mid").write_bytes(write_midi(score, {"title": f"Tune {n}", "composer": "C"}))
        if n < 2:
            soundfile.write(here / "music" / f"played {n}{('.flac', '.ogg')[n]}", rendered(score), RATE)
    with soundfile.SoundFile(here / "music" / "noise.aiff", "w", RATE, 1) as f:
        f.title = HOSTILE
        f.write(np.random.default_rng(0).uniform(-0.3, 0.3, 6 * RATE))
    build_library(here / "library", [here / "music"], Embedder.from_pretrained(tiny_weights), workers=0)
    with served(here / "library", tiny_weights) as url:
        yield url, here / "music"


@pytest.fixture
def page(context, sounding) -> Iterator:
    """An open page; the test fails on any outside request, dialog, page error or console error."""
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong = wrongs(page, sounding[0])
    page.goto(sounding[0])
    page.wait_for_selector(".mm-microphone button")
    yield page
    page.close()
    assert [w for w in wrong if "410 (Gone)" not in w] == []  # a browser says so of a file that went away


def drop(page, path_or_file, title: str) -> None:
    page.set_input_files("input[type=file]:not([data-melody])", path_or_file)
    arrived(page, f"like “{title}”")


def sounds_at(page) -> float:
    """The second that the browser plays."""
    return page.evaluate(
        """async () => {
             const loaded = performance.getEntriesByType('resource').map(r => r.name);
             const { player } = await import(loaded.find(n => n.endsWith('player.js')));
             return player.source.currentTime; }"""
    )


def test_a_recording_is_dropped_found_and_played_from_its_second(page, sounding, tmp_path):
    whole, _ = soundfile.read(sounding[1] / "played 0.flac")
    soundfile.write(tmp_path / "part.wav", whole[12 * RATE : 24 * RATE], RATE)
    drop(page, tmp_path / "part.wav", "part")
    example = page.locator(".mm-example")
    assert "Understood from your file part.wav" in example.inner_text()
    assert "0:12" in example.inner_text()
    assert "Heard (estimated)" in example.inner_text()
    page.wait_for_selector(".mm-example .mm-wave[data-state=drawn]")
    example.locator("button", has_text="Play").click()  # the browser has its own copy
    page.wait_for_selector(".mm-example [data-on]:has-text('Stop')")
    page.keyboard.press("Escape")
    example.locator("button", has_text="The score of this recording").click()
    arrived(page, "nearest first to the harmony of “part”")
    assert texts(page, ".card h3")[0] == "Tune 0"
    assert "kind=score" in page.url
    assert "The same music as your file part.wav" in example.inner_text()
    page.wait_for_selector(".mm-example .mm-wave[data-state=drawn]")
    example.locator("button", has_text="Play").click()  # to be compared by ear
    page.wait_for_selector(".mm-example [data-on]:has-text('Stop')")
    page.locator(".card .mm-primary").first.click()
    page.wait_for_selector(".card .mm-primary[data-on]:has-text('Stop')")
    page.keyboard.press("Escape")
    page.click("[aria-label='Remove only scores']")
    page.wait_for_selector(".card .mm-wave")
    card = page.locator(".card", has_text="played 0")
    play = card.locator(".mm-primary")
    start = re.fullmatch(r"Play from 0:(\d\d)", play.locator(".mm-label").inner_text())
    assert start
    assert abs(int(start[1]) - 12) <= 2
    play.click()
    page.wait_for_selector(".card .mm-primary[data-on]:has-text('Stop')")
    assert int(start[1]) <= sounds_at(page) < int(start[1]) + 5
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('[data-on]')")


def test_both_kinds_stand_in_one_list_and_one_kind_can_be_asked_for(page):
    search(page, "tune")
    assert page.locator(".card .mm-roll:not(.mm-wave)").count() == 4
    assert page.locator(".card .mm-wave").count() == 3
    assert HOSTILE in texts(page, ".card h3")
    page.click(".mm-filters summary")
    page.wait_for_selector("select[data-name=kind]")
    assert page.locator("select[data-name=kind] option").all_inner_texts() == ["any", "scores (4)", "recordings (3)"]
    page.select_option("select[data-name=kind]", "recording")
    page.wait_for_function("document.querySelectorAll('.card').length === 3")
    page.wait_for_selector(".card .mm-wave[data-state=drawn]")
    card = page.locator(".card", has_text="played 1")
    card.locator(".mm-menu summary").click()
    card.locator("text=The score of this recording").click()
    arrived(page, "“played 1”")
    assert texts(page, ".card h3")[0] == "Tune 1"


def test_what_a_browser_does_not_play_sounds_all_the_same(page):
    search(page, "tune")
    card = page.locator(".card", has=page.locator(".mm-wave")).filter(has_text="<img src=x")
    card.locator(".mm-primary").click()
    page.wait_for_selector(".card .mm-primary[data-on]:has-text('Stop')")
    wave = card.locator("canvas")
    wave.click(position={"x": wave.bounding_box()["width"] * 0.5, "y": 40})
    page.wait_for_timeout(200)
    assert float(wave.get_attribute("aria-valuenow")) == pytest.approx(3, abs=1)
    page.keyboard.press("Escape")


def test_a_recording_whose_file_went_away_is_told(page, sounding):
    search(page, "tune")
    card = page.locator(".card", has_text="played 1")
    path = sounding[1] / "played 1.ogg"
    path.rename(path.with_suffix(".away"))
    try:
        card.locator(".mm-primary").click()
        card.locator(".mm-mute").wait_for()
        assert "is gone, or has changed since the library was built" in card.locator(".mm-mute").inner_text()
    finally:
        path.with_suffix(".away").rename(path)


def test_what_the_microphone_hears_is_searched_with(page):
    page.evaluate(TONE)
    button = page.locator(".mm-microphone button").first
    assert button.inner_text() == "Record from the microphone"
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.mm-microphone button').textContent.includes('0:02')")
    page.keyboard.press("Enter")
    arrived(page, "like “Recording ")
    assert re.search(r"0:0[2-9]", page.locator(".mm-example").inner_text())
    page.wait_for_selector(".mm-example .mm-wave[data-state=drawn]")
    assert page.locator(".card").count() == 7


def test_a_microphone_that_is_refused_is_told_and_a_recording_can_be_thrown_away(page):
    page.evaluate(REFUSED)
    said = page.locator(".mm-microphone [role=status]")
    page.locator(".mm-microphone button").first.click()
    page.wait_for_function("document.querySelector('.mm-microphone [role=status]').textContent.includes('allowed')")
    page.evaluate(TONE)
    page.locator(".mm-microphone button").first.click()
    page.locator("text=Cancel").click()
    assert said.inner_text() == "The recording was thrown away."
    assert page.locator(".mm-microphone button").first.inner_text() == "Record from the microphone"


def test_a_recording_that_is_too_large_or_none_is_refused_in_words(page, tmp_path):
    page.set_input_files(
        "input[type=file]:not([data-melody])", {"name": "no.flac", "mimeType": "", "buffer": b"fLaC" * 30}
    )
    page.wait_for_selector(".mm-search[data-state=error]")
    assert "no.flac: is damaged, or of a kind" in page.locator(".mm-notice").inner_text()
    with (tmp_path / "huge.wav").open("wb") as f:
        f.truncate(64 * 2**20 + 1)
    page.set_input_files("input[type=file]:not([data-melody])", tmp_path / "huge.wav")
    page.wait_for_function("document.querySelector('.mm-notice').textContent.includes('recordings up to 64 MB')")


def test_axe_finds_nothing_and_nothing_scrolls_sideways(page):
    data = io.BytesIO()
    soundfile.write(data, rendered(tune(20, 57, True, 0.5, bars=4)), RATE, format="WAV")
    drop(page, {"name": "mine.wav", "mimeType": "audio/wav", "buffer": data.getvalue()}, "mine")
    page.locator(".card", has=page.locator(".mm-wave")).first.locator(".mm-menu summary").click()
    found: list[str] = []
    for how in looks(page):
        assert not sideways(page), how
        found.extend(violations(page, how))
    assert found == []
