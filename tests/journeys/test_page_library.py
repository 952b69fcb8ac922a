"""The library tab: what is there, what was refused, and a build that begins from the page."""

from __future__ import annotations

import csv
import io
import shutil

import pytest

from mmbert.items import write_midi
from tests.journeys.pages import search, served, texts, tune

pytestmark = pytest.mark.browser


@pytest.fixture
def own(browser, music_library, tiny_weights, tmp_path):
    """(page, music folder, library) of a library that the test may change: five pieces."""
    from mmbert_indexer.build import build_library

    from mmbert.embed import Embedder

    music, library = tmp_path / "music", tmp_path / "library"
    music.mkdir()
    for i in range(5):
        shutil.copy(music_library[0] / f"piece {i}.mid", music)
    build_library(library, [music], Embedder.from_pretrained(tiny_weights))
    with served(library, tiny_weights) as url:
        page = browser.new_page()
        page.goto(f"{url}/?tab=library")
        page.wait_for_selector(".mm-build")
        yield page, music, library
        page.close()


def said(page, text: str) -> None:
    page.wait_for_function("text => document.querySelector('.mm-said')?.textContent.includes(text)", arg=text)


def test_a_build_begins_from_the_page_and_the_page_shows_what_it_made(own):
    page, music, _ = own
    assert texts(page, ".mm-tile b")[0] == "5"
    for i in range(70):
        (music / f"new {i}.mid").write_bytes(write_midi(tune(100 + i, 60, i % 2 == 0, 1.0), {"title": f"New {i}"}))
    (music / "=cmd.mid").write_bytes(b"MThd\0\0\0\6\0\1\0\1")
    page.click("text=Look for changes")
    page.wait_for_selector(".mm-build progress")
    assert page.locator("button:has-text('Look for changes')").is_disabled()
    page.wait_for_function(
        "/^\\d+ of 7[1-6] indexed, [\\d.]+ pieces a second/.test(document.querySelector('.mm-said').textContent)"
    )
    page.get_by_role("tab", name="Search").click()
    page.wait_for_function(
        "document.querySelector('.mm-building').textContent.startsWith('The library is being built')"
    )
    search(page, "bright")  # the page answers meanwhile
    page.get_by_role("tab", name="Library").click()
    page.wait_for_function("document.querySelector('.mm-tile b').textContent === '75'")
    said(page, "75 pieces, 70 new. 1 file refused")
    assert page.locator(".mm-reasons li").first.inner_text().startswith("1 ×")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("text=Copy as CSV")
    page.wait_for_selector("button:has-text('Copied')")
    rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert rows[0] == ["path", "code", "fault", "hint"]
    assert rows[1][0].endswith("=cmd.mid")
    page.get_by_role("tab", name="Search").click()
    page.wait_for_function("document.querySelector('.mm-building').textContent === ''")


def test_a_build_is_stopped_and_goes_on(own):
    page, music, _ = own
    for i in range(40):
        (music / f"new {i}.mid").write_bytes(write_midi(tune(200 + i, 60, False, 1.0), {"title": f"New {i}"}))
    page.click("text=Look for changes")
    page.click(".mm-build button:has-text('Stop')")
    said(page, "Stopped")
    page.wait_for_selector("button:has-text('Look for changes'):not([disabled])")
    assert texts(page, ".mm-tile b")[0] == "5"
    page.click("text=Look for changes")
    page.wait_for_function("document.querySelector('.mm-tile b').textContent === '45'")


def test_without_its_folders_a_library_says_why_it_cannot_be_built(own):
    page, music, _ = own
    music.rename(music.with_name("elsewhere"))
    page.reload()
    said(page, "not on this machine")
    assert page.locator("button:has-text('Look for changes')").is_disabled()


def test_cells_that_a_spreadsheet_would_run_are_harmless(page):
    page.get_by_role("tab", name="Library").click()
    page.wait_for_selector(".mm-tile")
    made = page.evaluate(
        """async () => {
             const loaded = performance.getEntriesByType('resource').map(r => r.name);
             const { csv } = await import(loaded.find(n => n.endsWith('library.js')));
             const row = path => ({ path, code: '', fault: '', hint: '' });
             return csv(['=1+1', '+1', '-1', '@x', 'a"b', 'plain'].map(row)); }"""
    )
    cells = [row[0] for row in csv.reader(io.StringIO(made))][1:]
    assert cells == ["'=1+1", "'+1", "'-1", "'@x", 'a"b', "plain"]
