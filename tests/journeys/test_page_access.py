"""Everybody can use the page: axe-core finds nothing, the keyboard is enough, colours tell apart, text is only text.

Tests whose names begin with t and a number hold the trap of that number in the page's design.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mmbert.items import write_midi
from tests.journeys.pages import HOSTILE, arrived, search, sideways, texts, tune

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[1] / "data" / "axe" / "axe.min.js"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
RULES = ["wcag2a", "wcag2aa", "wcag21aa"]


def violations(page, where: str) -> list[str]:
    """What axe-core finds in the page as it is shown now."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES)
    return [
        f"{where}: {v['id']}: {node['target']} {node['html'][:150]}"
        for v in found["violations"]
        for node in v["nodes"][:3]
    ]


def looks(page):
    """The page in light and dark, wide and narrow."""
    for scheme in ("light", "dark"):
        for width in (1280, 400):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour half way
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark")
            yield f"{scheme} {width}"


def test_axe_is_what_it_was_when_it_came():
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() == AXE_SHA256


def test_axe_finds_nothing_while_a_metronome_clicks(page, url):
    page.goto(f"{url}/?tab=complete")
    page.locator(".mm-melody[data-task=complete] .mm-metronome").click()
    page.wait_for_function("document.querySelector('.mm-beat').textContent !== ''")
    found = [one for how in looks(page) for one in violations(page, how)]
    assert found == []
    assert page.locator(".mm-metronome[aria-pressed=true]").count() == 1


def test_axe_finds_nothing_on_any_tab_or_state(page, url, tmp_path):
    found: list[str] = []

    def look(where: str) -> None:
        for how in looks(page):
            assert not sideways(page), f"{where} {how}"
            found.extend(violations(page, f"{where}, {how}"))

    look("start")
    search(page, "study in a minor key")
    page.locator(".mm-filters summary").click()
    page.wait_for_selector(".mm-panel select")
    page.locator(".mm-chip", has_text="minor").locator(".mm-chip-name").click()
    page.wait_for_selector(".mm-chip.mm-hard")
    arrived(page, "“study in a minor key”")
    page.locator(".card summary", has_text="In words").first.click()
    page.locator(".mm-near").first.wait_for(timeout=60_000)  # the first time the words are read
    page.locator(".mm-menu summary").first.click()
    look("hits, panel, words and menu open")
    page.set_input_files(
        "input[type=file]", {"name": "my.mid", "mimeType": "", "buffer": write_midi(tune(50, 60, True, 0.5), {})}
    )
    arrived(page, "like “my”")
    look("file")
    page.goto(f"{url}/?where=mode%3Dminor&where=form%3Djig")
    page.wait_for_selector(".mm-search[data-state=none]")
    look("nothing found")
    page.set_input_files("input[type=file]", {"name": "x.mid", "mimeType": "", "buffer": b"%PDF"})
    page.wait_for_selector(".mm-search[data-state=error]")
    page.evaluate(
        """() => import(performance.getEntriesByType('resource').map(r => r.name).find(n => n.endsWith('pulse.js')))
             .then(m => m.pulse.lose())"""
    )
    look("error, and the server gone")
    for task in ("complete", "accompany"):
        page.goto(f"{url}/?tab={task}")
        section = page.locator(f".mm-melody[data-task={task}]")
        section.locator(".mm-key").first.wait_for()
        look(f"{task}, empty")
        files = section.locator("input[type=file]")
        files.set_input_files({"name": "x.mid", "mimeType": "", "buffer": b"%PDF"})
        section.locator(".mm-notice .mm-box").wait_for()
        look(f"{task}, error")
        files.set_input_files({"name": "my.mid", "mimeType": "", "buffer": write_midi(tune(50, 60, True, 0.5), {})})
        section.locator(".mm-card").first.wait_for()
        section.locator(".mm-menu summary").first.click()
        look(f"{task}, results and menu open")
    page.goto(f"{url}/?tune=D4+E4+F%234+A4")
    arrived(page, "nearest first to the tune")
    page.locator(".mm-tune summary").click()
    page.locator(".mm-tune .mm-key").first.wait_for()
    look("a tune and its panel")
    page.get_by_role("tab", name="Library").click()
    page.wait_for_selector(".mm-lib tbody tr")
    look("library")
    page.get_by_role("tab", name="About").click()
    page.wait_for_selector("#mm-about dl")
    look("about")
    assert not found, "\n".join(found)


def test_tab_goes_as_the_eye_does(page):
    search(page, "slow song")
    page.wait_for_selector(".card .mm-roll[data-state=drawn]")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.focus("#mm-words input")
    places = []
    for _ in range(24):
        page.keyboard.press("Tab")
        places.append(page.evaluate(
            """() => { const e = document.activeElement, r = e.getBoundingClientRect();
                 const name = e.className + ' ' + e.id;
                 return [Math.round(r.top + scrollY), Math.round(r.left), name, getComputedStyle(e).outlineStyle]; }"""
        ))  # fmt: skip
    assert all(outline == "solid" for *_, outline in places), places
    last = -1
    for top, _, name, _ in places:
        assert top >= last - 60, (name, places)  # within a row tops differ by a little
        last = max(last, top)
    names = " ".join(name for _, _, name, _ in places)
    for a, b in (
        ("mm-file", "mm-example-words"),
        ("mm-example-words", "mm-chip"),
        ("mm-chip", "mm-roll"),
        ("mm-roll", "mm-primary"),
    ):
        assert names.index(a) < names.index(b), names


def test_targets_are_large_enough_for_a_thumb(page):
    page.set_viewport_size({"width": 400, "height": 900})
    search(page, "study in a minor key")
    page.locator(".mm-filters summary").click()
    page.wait_for_selector(".mm-panel select")
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, select, summary, .mm-panel input, a')]
             .filter(e => e.offsetParent && !e.closest('[aria-hidden=true], .visually-hidden'))
             .map(e => [e.getBoundingClientRect(), e.className || e.textContent])
             .filter(([r]) => r.height < 43.5 || r.width < 24).map(([r, n]) => `${n} ${r.width}x${r.height}`)"""
    )
    assert small == []


def test_dark_follows_the_system_and_redraws_the_rolls(page):
    search(page, "slow song")
    page.wait_for_selector(".card .mm-roll[data-state=drawn]")
    corner = (
        "() => [...document.querySelector('.card canvas').getContext('2d').getImageData(2, 2, 1, 1).data].slice(0, 3)"
    )
    assert page.evaluate(corner) == [0xF6, 0xF7, 0xF9]
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"({corner})().join() === '17,22,31'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 16, 23)"


def test_nothing_moves_where_less_motion_is_wished(page):
    page.emulate_media(reduced_motion="reduce")
    search(page, "slow song")
    moving = page.evaluate(
        """() => [...document.querySelectorAll('.mm-search *')].filter(e => {
             const s = getComputedStyle(e);
             return s.animationName !== 'none' || parseFloat(s.transitionDuration) > 0; }).length"""
    )
    assert moving == 0


@pytest.mark.parametrize("words", [HOSTILE, "\\\\server\\new ${1} `x`", "ابحث عن لحن حزين", "x" * 5000])
def test_t7_hostile_words_are_text(page, words):
    page.fill("#mm-words input", words)
    page.press("#mm-words input", "Enter")
    arrived(page, "of 20 pieces")
    assert words[:200] in page.locator(".mm-summary").first.inner_text().replace("\n", " ")
    assert not sideways(page)
    assert page.locator(".mm-search img").count() == 0


def test_t17_subdued_text_is_dark_enough(page):
    assert page.evaluate("getComputedStyle(document.querySelector('#mm-formats p')).color") == "rgb(86, 96, 110)"
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("body.dark")
    assert page.evaluate("getComputedStyle(document.querySelector('#mm-formats p')).color") == "rgb(170, 180, 195)"


def test_t18_every_tab_is_as_wide_as_the_page(page):
    widths = set()
    for tab in ("Search", "Library", "About"):
        page.get_by_role("tab", name=tab).click()
        widths.add(page.locator("#mm-tabs").bounding_box()["width"])
    assert len(widths) == 1
    assert widths.pop() > 1000


def test_t19_the_file_button_shows_all_its_words_and_little_else(page):
    page.set_viewport_size({"width": 400, "height": 900})
    box = page.locator("#mm-file").bounding_box()
    assert 43 <= box["height"] < 90
    assert page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('#mm-file'))")
    assert page.locator("#mm-file").inner_text() == "Choose or drop a file"


def test_t20_a_redraw_of_gradio_keeps_what_the_scripts_made(page):
    search(page, "slow song")
    page.get_by_role("tab", name="Library").click()
    page.wait_for_selector(".mm-tile")
    page.get_by_role("tab", name="Search").click()
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 700, "height": 900})
    assert page.locator(".card").count() == 10
    search(page, "bright")
    assert page.locator(".card").count() == 10


def test_t21_a_roll_whose_tab_was_closed_is_drawn_when_it_opens(page, url):
    page.goto(f"{url}/?q=slow+song&tab=library")
    page.wait_for_selector(".mm-tile")
    page.get_by_role("tab", name="Search").click()
    page.wait_for_selector(".card .mm-roll[data-state=drawn]")
    page.wait_for_function("document.querySelector('.card canvas').width > 900")


def test_t24_gradio_adds_no_padding_to_our_parts(page):
    search(page, "slow song")
    assert page.evaluate(
        "[...document.querySelectorAll('.html-container')].every(e => getComputedStyle(e).padding === '0px')"
    )
    left = {
        round(page.locator(s).first.bounding_box()["x"]) for s in ("#mm-title h1", ".mm-filters", ".card", "#mm-words")
    }
    assert max(left) - min(left) <= 1


def test_t25_the_length_on_the_card_is_that_of_the_file_that_plays(page, url):
    search(page, "slow song")
    page.wait_for_selector(".card .mm-roll[data-state=drawn]")
    shown = texts(page, ".card:first-child .mm-facts > div:has(dt:text-is('Length')) dd")[0].split(":")
    roll = page.locator(".card canvas").first
    assert int(shown[0]) * 60 + int(shown[1]) == pytest.approx(float(roll.get_attribute("aria-valuemax")), abs=1.01)


def test_t26_no_title_is_a_file_name(page):
    search(page, "study")
    while page.locator("text=Show 10 more").count():
        before = page.locator(".card").count()
        page.click("text=Show 10 more")
        page.wait_for_function("n => document.querySelectorAll('.card').length > n", arg=before)
    assert not [t for t in texts(page, ".card h3") if not t.strip() or t.lower().endswith((".mid", ".abc", ".xml"))]
