"""Every state of the page has a next step: busy, nothing found, nothing fits, empty, file refused, server gone."""

from __future__ import annotations

import shutil
from urllib.parse import urlsplit

import pytest

from tests.journeys.pages import HOSTILE, arrived, search, served, texts

pytestmark = pytest.mark.browser


def summary(page) -> str:
    return page.locator(".mm-summary").first.inner_text()


def submit_width(page) -> float:
    return page.locator("#mm-words .submit-button").bounding_box()["width"]


def test_busy_keeps_the_button_and_the_old_results_and_says_that_it_goes_on(page):
    search(page, "study")
    width, cards = submit_width(page), page.locator(".card").count()
    held = []
    page.route("**/gradio_api/queue/join*", lambda route: held.append(route))
    page.fill("#mm-words input", "bright")
    page.press("#mm-words input", "Enter")
    page.wait_for_selector(".mm-search[aria-busy]")
    label = "getComputedStyle(document.querySelector('#mm-words .submit-button'), '::after').content"
    assert page.evaluate(label) == '"Searching"'
    assert submit_width(page) == width
    assert page.locator(".card").count() == cards
    assert page.evaluate("+getComputedStyle(document.querySelector('.mm-cards')).opacity") < 1
    page.wait_for_function("document.querySelector('.mm-summary').textContent.startsWith('Still searching')")
    for route in held:
        route.continue_()
    page.unroute("**/gradio_api/queue/join*")
    arrived(page, "“bright”")
    assert page.evaluate(label) == "none"


def test_nothing_found_says_which_filter_leaves_out_most(page, url):
    page.goto(f"{url}/?where=mode%3Dminor&where=form%3Djig&tab=search")
    page.wait_for_selector(".mm-search[data-state=none] .mm-notice button")
    ways = texts(page, ".mm-notice button")
    counts = [int(way.split(": ")[1].split()[0]) for way in ways]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 0
    page.locator(".mm-notice button").first.click()
    page.wait_for_selector(".mm-search[data-state=hits]")
    assert page.locator(".card").count() == min(10, counts[0])


def test_nothing_fits_shows_the_nearest_and_offers_what_would(page):
    page.route("**/gradio_api/queue/data*", lambda route: _as_if_nothing_fits(route))
    search(page, "study")
    assert page.locator(".mm-notice .mm-box").inner_text().startswith("Nothing in this library fits well")
    page.unroute("**/gradio_api/queue/data*")
    button = page.locator(".mm-notice button").first
    words = button.inner_text()
    button.click()
    arrived(page, f"“{words}”")
    assert page.locator(".mm-notice .mm-box").count() == 0


def _as_if_nothing_fits(route) -> None:
    """Random weights find something fitting in any words: the answer is changed on its way."""
    answer = route.fetch()
    body = answer.text().replace('"nothing_fits":false', '"nothing_fits":true')
    body = body.replace('"nothing_fits": false', '"nothing_fits": true')
    route.fulfill(response=answer, body=body)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("tune.mid", b"%PDF-1.4 nothing to hear", "MIDI"),
        (f"{HOSTILE[:40]}.xml", b"<html><body>no score</body></html>", "MusicXML"),
    ],
)
def test_a_refused_file_is_named_with_what_was_expected(page, tmp_path, name, data, said):
    (tmp_path / "file").write_bytes(data)
    page.set_input_files("input[type=file]", {"name": name, "mimeType": "", "buffer": data})
    page.wait_for_selector(".mm-search[data-state=error] .mm-notice .mm-box")
    box = page.locator(".mm-notice .mm-box").inner_text()
    assert name.split(".")[-1] in box
    assert said in box
    assert "Traceback" not in box
    with page.expect_file_chooser():
        page.locator(".mm-notice button", has_text="Choose another file").click()


def test_t19b_a_file_that_is_too_large_replaces_what_was_shown_and_is_not_sent(page):
    search(page, "study")
    sent = []
    page.on("request", lambda r: sent.append(r.url) if "upload" in r.url else None)
    page.set_input_files(
        "input[type=file]", {"name": "big <b>.mid", "mimeType": "", "buffer": b"MThd" + bytes(9 * 2**20)}
    )
    page.wait_for_selector(".mm-search[data-state=error]")
    box = page.locator(".mm-notice .mm-box").inner_text()
    assert "big <b>.mid" in box
    assert "9 MB" in box
    assert "up to 8 MB" in box
    assert page.locator(".card").count() == 0
    assert sent == []


def test_an_empty_library_says_how_to_fill_it(browser, music_library, tiny_weights, tmp_path):
    from mmbert_indexer.remove import remove_paths

    library = tmp_path / "my library"
    shutil.copytree(music_library[1], library)
    remove_paths(library, [music_library[0]])
    with served(library, tiny_weights) as url:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector(".mm-search[data-state=empty]")
        assert page.locator(".mm-command").inner_text() == f"mmbert index build '{library}' FOLDER"
        page.close()


def test_a_server_that_is_gone_is_one_line_and_comes_back_by_itself(browser, music_library, tiny_weights):
    with served(music_library[1], tiny_weights) as url:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector(".mm-example-words")
        search(page, "study")
        port = urlsplit(url).port
    page.fill("#mm-words input", "bright morning")
    page.press("#mm-words input", "Enter")
    page.wait_for_selector(".mm-lost button:has-text('Try again')")
    assert page.input_value("#mm-words input") == "bright morning"
    assert page.locator(".card").count() == 10
    assert not page.locator(".toast-wrap").is_visible()
    with served(music_library[1], tiny_weights, port):
        arrived(page, "“bright morning”")
        page.wait_for_function("!document.querySelector('.mm-lost').childElementCount")
        page.close()
