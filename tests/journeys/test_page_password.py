"""The page behind a password: the browser is asked once, and then scripts, streams, sound and files get through."""

from __future__ import annotations

import pytest

from mmbert.items import write_midi
from tests.journeys.pages import arrived, search, served, tune, wrongs

pytestmark = pytest.mark.browser

SECRET = "correct horse"


@pytest.fixture(scope="module")
def locked(music_library, tiny_weights):
    with served(music_library[1], tiny_weights, password=SECRET) as url:
        yield url


def test_t5_nothing_is_shown_without_it(browser, locked):
    context = browser.new_context()
    for path in ("/", "/config", "/api/search?q=study", "/library.json"):
        answer = context.request.get(f"{locked}{path}")
        assert answer.status == 401
        assert "study" not in answer.text().lower()
    context.close()


def test_t5_everything_works_with_it(browser, locked, tmp_path):
    context = browser.new_context(http_credentials={"username": "ann", "password": SECRET})
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong = wrongs(page, locked)
    page.goto(locked)
    page.wait_for_selector(".mm-example-words")
    search(page, "slow song")
    page.wait_for_selector(".card .mm-roll[data-state=drawn]")
    page.locator(".card .mm-primary").first.click()
    page.wait_for_selector(".card .mm-primary[data-on]:has-text('Stop')")
    page.keyboard.press("Escape")
    (tmp_path / "tune.mid").write_bytes(write_midi(tune(50, 60, True, 0.5), {"title": "My own tune"}))
    page.set_input_files("input[type=file]", tmp_path / "tune.mid")
    arrived(page, "like “My own tune”")
    page.get_by_role("tab", name="Library").click()
    page.wait_for_selector(".mm-tile")
    context.close()
    assert wrong == []
