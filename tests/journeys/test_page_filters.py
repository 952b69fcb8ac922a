"""Filters and order: over all that is found, as chips, and in the address."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.journeys.pages import arrived, search, texts

pytestmark = pytest.mark.browser


def open_panel(page) -> None:
    page.locator(".mm-filters summary").click()
    page.wait_for_selector(".mm-panel select")


def settled(page) -> None:
    page.wait_for_function("!document.querySelector('.mm-search').hasAttribute('aria-busy')")


def address(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_filters_offer_what_the_library_holds_and_show_as_chips_when_closed(page):
    open_panel(page)
    composers = page.locator("select[data-name=composer] option").all_inner_texts()
    assert composers[:3] == ["any", "Emil Muster (12)", "Clara Sample (4)"]
    page.select_option("select[data-name=composer]", "Emil Muster")
    page.wait_for_selector(".card")
    page.select_option("select[data-name=mode]", "minor")
    page.wait_for_selector(".mm-chip:nth-of-type(3), .mm-chips .mm-chip >> nth=1")
    settled(page)
    page.locator(".mm-filters summary").click()
    assert page.locator(".mm-count").inner_text() == "2 set"
    assert sorted(text.strip("✓× \n") for text in texts(page, ".mm-chip.mm-hard")) == ["by Emil Muster", "minor"]
    assert all("Emil Muster" in text and "minor" in text for text in texts(page, ".card"))
    total = int(page.locator(".mm-summary").first.inner_text().split(" of ")[1].split()[0])
    assert total == 6
    page.locator(".mm-chip", has_text="minor").locator(".mm-chip-x").click()
    page.wait_for_function("document.querySelector('.mm-summary').textContent.includes('of 12 pieces')")
    page.click("text=Reset all")
    page.wait_for_selector(".mm-search[data-state=start]")
    assert address(page) == {}


def test_spans_are_filters_too(page):
    open_panel(page)
    low = page.locator("input[data-name=duration_s][data-sign='>=']")
    low.fill("0.75")
    low.press("Tab")
    page.wait_for_selector(".card")
    assert address(page)["where"] == ["duration_s>=45"]
    lengths = texts(page, ".card .mm-facts > div:has(dt:text-is('Length')) dd")
    assert lengths
    assert all(int(m) * 60 + int(s) >= 45 for m, s in (length.split()[0].split(":") for length in lengths))


def test_order_arranges_everything_and_not_what_is_shown(page, url):
    page.goto(f"{url}/?where=composer%3DEmil+Muster&order=title")
    page.wait_for_selector(".card")
    first = texts(page, ".card h3")
    assert first == sorted(f"Study {n}" for n in range(12))[:10]
    assert page.locator(".mm-chip", has_text="order: title").count() == 1
    open_panel(page)
    assert page.input_value("select[data-name=order]") == "title"
    page.select_option("select[data-name=order]", "length")
    page.wait_for_function("document.querySelectorAll('.card h3')[2].textContent === 'Study 2'")
    assert texts(page, ".card h3") == [f"Study {n}" for n in range(10)]  # each is a bar longer than the one before


def test_varied_shows_a_composer_once_before_twice(page, url):
    page.goto(f"{url}/?q=study&order=varied")
    page.wait_for_selector(".card")
    composers = [text for text in texts(page, ".card .mm-composer") if text in ("Emil Muster", "Clara Sample")]
    assert set(composers[:2]) == {"Emil Muster", "Clara Sample"}


def test_an_order_that_there_is_not_is_best_first(page, url):
    page.goto(f"{url}/?q=study&order=bogus")
    page.wait_for_selector(".mm-search[data-state=hits] .card")
    page.evaluate("window.dispatchEvent(new PopStateEvent('popstate'))")
    assert page.locator(".mm-lost").inner_text() == ""
    assert page.locator(".card").count()


def test_a_folder_is_a_filter(page, url):
    page.goto(f"{url}/?q=study&folder=no+such")
    page.wait_for_selector(".mm-search[data-state=error] button:has-text('Start again')")
    assert "folder" in page.locator(".mm-notice").inner_text()


def test_the_address_reproduces_words_filters_order_and_tab(page, url):
    search(page, "study")
    open_panel(page)
    page.select_option("select[data-name=mode]", "minor")
    page.wait_for_selector(".mm-chip.mm-hard")
    settled(page)
    page.select_option("select[data-name=order]", "title")
    page.wait_for_selector(".mm-chip:has-text('order: title')")
    settled(page)
    shown = texts(page, ".card h3")
    page.get_by_role("tab", name="Library").click()
    page.wait_for_selector(".mm-tile")
    there = page.url
    assert address(page) == {"q": ["study"], "where": ["mode=minor"], "order": ["title"], "tab": ["library"]}
    other = page.context.browser.new_page()
    other.goto(there)
    other.wait_for_selector(".mm-tile")
    other.get_by_role("tab", name="Search").click()
    arrived(other, "“study”")
    assert texts(other, ".card h3") == shown
    other.close()
    page.go_back()
    page.wait_for_function("document.querySelector('#mm-tabs [role=tab]').getAttribute('aria-selected') === 'true'")
    page.go_back()
    page.wait_for_selector(".mm-chip:has-text('order: title')", state="detached")
    arrived(page, "“study”")


def test_a_fact_of_a_card_becomes_a_filter_by_keyboard(page):
    search(page, "study")
    page.focus(".card .mm-menu summary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".mm-menu[open]")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "Continue its melody"
    page.keyboard.press("Escape")
    assert page.locator(".mm-menu[open]").count() == 0
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    while not page.evaluate("document.activeElement.textContent").startswith("Only in ") and not page.evaluate(
        "document.activeElement.textContent"
    ).endswith(("major", "minor")):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".mm-chip.mm-hard")
    assert len(address(page)["where"]) == 2
