"""The page in Chromium over a real library: type, filter, drop, play, and nothing leaves the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmbert.items import write_midi
from tests.journeys.pages import HOSTILE, arrived, search, sideways, texts, tune

pytestmark = pytest.mark.browser


def test_words_find_cards_with_facts_reasons_and_rolls(page):
    search(page, "slow song")
    assert page.locator(".card").count() == 10
    first = page.locator(".card").first
    assert first.locator("h3").inner_text() == "Slow song of the north"
    assert "Clara Sample" in first.inner_text()
    assert first.locator(".mm-why").inner_text().startswith("Why")
    page.wait_for_selector(".card .mm-roll[data-state=drawn]")
    colours = page.evaluate(
        """() => { const c = document.querySelector('.card canvas');
             const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
             const seen = new Set(); for (let i = 0; i < d.length; i += 4) seen.add(d.slice(i, i + 3).join());
             return seen.size; }"""
    )
    assert colours > 4
    assert page.locator(".mm-chip").count() >= 1


def test_every_example_question_finds_something(page):
    for i in range(page.locator(".mm-example-words").count()):
        button = page.locator(".mm-example-words").nth(i)
        words = button.inner_text()
        button.click()
        arrived(page, f"“{words}”")
        assert page.locator(".card").count() > 0
        assert page.locator(".mm-chip").count() > 0, words
        assert page.locator(".mm-notice .mm-box").count() == 0


def test_more_cards_come_below_those_that_are_there(page):
    search(page, "study")
    before = texts(page, ".card h3")
    page.click("text=Show 10 more")
    page.wait_for_function("document.querySelectorAll('.card').length > 10")
    assert texts(page, ".card h3")[:10] == before
    assert "n=20" in page.url


def test_a_chip_becomes_a_filter_goes_back_and_is_removed(page):
    search(page, "study in a minor key")
    chip = page.locator(".mm-chip", has_text="minor")
    assert chip.locator("[aria-pressed=false]").count() == 1
    chip.locator(".mm-chip-name").click()
    page.wait_for_selector(".mm-chip.mm-hard")
    assert all("minor" in text for text in texts(page, ".card .mm-facts"))
    assert "where=mode%3Dminor" in page.url
    page.locator(".mm-chip.mm-hard .mm-chip-x").click()
    arrived(page, "“study”")
    assert page.input_value("#mm-words input") == "study"
    assert page.locator(".mm-chip", has_text="minor").count() == 0


def test_back_restores_and_the_address_reproduces(page, url):
    search(page, "bright morning")
    first = texts(page, ".card h3")
    search(page, "study")
    page.go_back()
    arrived(page, "“bright morning”")
    assert texts(page, ".card h3") == first
    page.goto(page.url)
    arrived(page, "“bright morning”")
    assert texts(page, ".card h3") == first


def test_filters_that_exclude_everything_offer_a_way_out(page, url):
    page.goto(f"{url}/?q=study&where=mode%3Dminor&where=form%3Djig&where=composer%3DNobody")
    page.wait_for_selector(".mm-notice button")
    page.locator(".mm-notice button").first.click()
    page.wait_for_selector(".mm-search[data-state=hits]")


def test_versions_are_folded_and_unfold(page):
    search(page, "bright morning")
    titles = texts(page, ".card h3")
    assert sum("Bright morning" in t for t in titles) == 1
    page.locator(".card", has_text="Bright morning").locator("summary", has_text="1 more version").click()
    page.wait_for_selector(".mm-versions .mm-roll[data-state=drawn]")
    assert "Bright morning" in page.locator(".mm-versions h4").inner_text()


def test_play_sounds_from_the_place_and_the_playhead_follows(page):
    search(page, "slow song")
    button = page.locator(".card .mm-primary").first
    button.click()
    page.wait_for_selector(".card .mm-primary[data-on]:has-text('Stop')")
    shown = page.locator(".card").first.locator("canvas")
    start = float(shown.get_attribute("aria-valuenow"))
    page.wait_for_function(
        "start => +document.querySelector('.card canvas').getAttribute('aria-valuenow') >= start + 2", arg=start
    )
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('[data-on]')")


def test_without_a_soundfont_the_browser_plays_the_notes(page):
    page.evaluate(
        """async () => {
             const loaded = performance.getEntriesByType('resource').map(r => r.name);
             (await import(loaded.find(n => n.endsWith('player.js')))).player.soundfont = false; }"""
    )
    search(page, "slow song")
    page.locator(".card .mm-primary").first.click()
    page.wait_for_selector(".card .mm-primary[data-on]:has-text('Stop')")
    start = float(page.locator(".card canvas").first.get_attribute("aria-valuenow"))
    page.wait_for_function(
        "start => +document.querySelector('.card canvas').getAttribute('aria-valuenow') >= start + 2", arg=start
    )
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('[data-on]')")


def test_a_click_on_the_roll_plays_from_there_and_one_sound_at_a_time(page):
    search(page, "slow song")
    page.wait_for_selector(".card:nth-child(2) .mm-roll[data-state=drawn]")
    page.locator(".card").nth(0).locator(".mm-primary").click()
    page.wait_for_selector(".card:nth-child(1) [data-on]")
    roll = page.locator(".card").nth(1).locator("canvas")
    roll.click(position={"x": roll.bounding_box()["width"] * 0.6, "y": 40})
    page.wait_for_selector(".card:nth-child(2) [data-on]:has-text('Stop')")
    assert page.locator("[data-on]").count() == 1
    length = float(roll.get_attribute("aria-valuemax"))
    assert float(roll.get_attribute("aria-valuenow")) == pytest.approx(0.6 * length, abs=0.1 * length)
    page.locator(".card").nth(1).locator("[data-on]").click()
    page.wait_for_function("!document.querySelector('[data-on]')")


def test_a_chosen_file_is_read_back_and_finds_its_like(page, tmp_path):
    (tmp_path / "my tune.mid").write_bytes(write_midi(tune(50, 60, True, 0.5), {"title": "My own tune"}))
    page.set_input_files("input[type=file]", tmp_path / "my tune.mid")
    arrived(page, "like “My own tune”")
    example = page.locator(".mm-example")
    assert "Notes" in example.inner_text()
    assert "C minor" in example.inner_text()
    page.wait_for_selector(".mm-example .mm-roll[data-state=drawn]")
    assert page.locator(".card").count() == 10
    search(page, "but slower")
    assert page.locator(".mm-example").count() == 1
    assert page.locator(".mm-chip", has_text="slower").count() == 1
    page.click(".mm-example .mm-chip-x")
    page.wait_for_selector(".mm-example", state="detached")


def test_a_file_dropped_anywhere_is_taken(page):
    page.evaluate(
        """bytes => { const data = new DataTransfer();
             data.items.add(new File([new Uint8Array(bytes)], 'dropped.mid'));
             for (const name of ['dragover', 'drop'])
               document.querySelector('#mm-title').dispatchEvent(
                 new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer: data })); }""",
        list(write_midi(tune(51, 62, False, 1.0), {})),
    )
    arrived(page, "like “dropped”")


def test_a_dropped_file_is_in_the_address_so_that_reload_and_back_work(page, url):
    search(page, "study")
    data = write_midi(tune(52, 60, False, 1.0), {"title": "Mine"})
    page.set_input_files("input[type=file]", {"name": "mine.mid", "mimeType": "", "buffer": data})
    arrived(page, "like “Mine”")
    assert page.url.startswith(f"{url}/?like=upload-")
    own, found = page.url, texts(page, ".card h3")
    search(page, "but slower")
    assert page.url == own.replace("?", "?q=but+slower&")
    page.reload()
    arrived(page, "“but slower” like “Mine”")
    page.go_back()
    arrived(page, "pieces like “Mine”")
    assert page.url == own
    assert page.input_value("#mm-words input") == ""
    assert texts(page, ".card h3") == found
    page.go_back()
    arrived(page, "“study”")
    page.goto(f"{url}/?like=upload-{'0' * 32}")
    page.wait_for_selector(".mm-notice:has-text('no longer held')")


@pytest.mark.parametrize("name", ["not music.mid", "<b>bold${1}.pdf"])
def test_a_file_that_is_no_music_is_refused_in_words(page, tmp_path, name):
    (tmp_path / name).write_bytes(b"%PDF-1.4 nothing to hear")
    page.set_input_files("input[type=file]", tmp_path / name)
    page.wait_for_selector(".mm-search[data-state=error] .mm-notice .mm-box")
    assert page.locator(".card").count() == 0
    assert page.locator("body.mm-busy").count() == 0


def test_a_piece_in_words_is_shown_where_it_is_asked_for(page):
    asked = []
    page.on("request", lambda r: asked.append(r.url) if "/words/" in r.url else None)
    search(page, "slow song")
    assert not asked
    card = page.locator(".card").first
    words = card.locator("details", has_text="In words")
    words.locator("summary").click()
    words.locator(".mm-near").first.wait_for(timeout=60_000)  # the first time the words are read
    assert words.locator("p").first.inner_text().startswith("A piece in A minor, 4/4 time, moderate (96 bpm, ")
    assert texts(page, ".card .mm-near caption") == ["Nearest tags", "Nearest phrases"]
    assert words.locator(".mm-near tbody tr").count() == 16
    words.locator("summary").click()
    words.locator("summary").click()
    assert len(asked) == 1
    assert not sideways(page)


def test_a_dropped_text_finds_music_and_has_words(page):
    data = b"A slow song of the north, in a minor key."
    page.set_input_files("input[type=file]", {"name": "my-note.txt", "mimeType": "", "buffer": data})
    arrived(page, "like “my note”")
    assert page.locator(".card").count() == 10
    words = page.locator(".mm-example details", has_text="In words")
    words.locator("summary").click()
    words.locator(".mm-near").first.wait_for(timeout=60_000)  # the first time the words are read
    assert "begins “A slow song of the north" in words.inner_text()


def test_more_like_this_shows_its_example(page):
    search(page, "study")
    title = texts(page, ".card h3")[0]
    page.locator(".card").first.get_by_role("button", name="More like this").click()
    arrived(page, f"like “{title}”")
    assert title not in texts(page, ".card h3")
    page.go_back()
    arrived(page, "“study”")


def test_hostile_titles_and_questions_are_text(page):
    search(page, HOSTILE)
    assert HOSTILE in texts(page, ".card h3")
    assert page.locator(".card img").count() == 0
    page.get_by_role("tab", name="Library").click()
    page.fill("#mm-filter", "onerror")
    page.wait_for_function("document.querySelectorAll('.mm-lib tbody tr').length >= 1")
    assert page.locator(".mm-lib img").count() == 0


def test_the_library_tab_counts_lists_and_explains(page):
    page.get_by_role("tab", name="Library").click()
    page.wait_for_selector(".mm-tile")
    assert "20" in page.locator(".mm-tile").first.inner_text()
    assert "broken.mid" in page.locator(".mm-lib").inner_text()
    page.fill("#mm-filter", "emil study")
    page.wait_for_function("document.querySelector('.mm-lib .mm-summary').textContent.startsWith('12 pieces')")
    page.locator(".mm-tiny").first.click()
    page.wait_for_selector(".mm-tiny:has-text('■')")
    page.keyboard.press("Escape")
    page.wait_for_selector(".mm-tiny:has-text('■')", state="detached")


def test_nothing_scrolls_sideways(page):
    for scheme, width in (("light", 400), ("light", 1280), ("dark", 400)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.get_by_role("tab", name="Search").click()
        search(page, f"{HOSTILE} {scheme} {width}")
        assert not sideways(page)
        page.locator(".mm-menu summary").first.click()
        assert not sideways(page)
        for tab, shown in (("Library", ".mm-tile"), ("About", "#mm-about dl")):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_selector(shown)
            assert not sideways(page)


def test_the_keyboard_alone_is_enough(page):
    page.keyboard.press("/")
    page.keyboard.type("bright morning")
    page.keyboard.press("Enter")
    arrived(page, "“bright morning”")
    page.wait_for_selector(".card .mm-roll[data-state=drawn]")
    page.focus(".card canvas")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector(".card [data-on]:has-text('Stop')")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.classList.contains('mm-primary')")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.tagName") == "INPUT"


def test_a_download_is_the_file_itself(page):
    search(page, "slow song")
    page.locator(".mm-menu summary").first.click()
    with page.expect_download() as found:
        page.locator(".mm-popup a").first.click()
    assert found.value.suggested_filename == "Slow song of the north.mid"
    assert Path(found.value.path()).read_bytes()[:4] == b"MThd"


def test_programs_get_the_same_answer_as_the_page(page, url):
    from gradio_client import Client

    search(page, "study in a minor key")
    answer = Client(url, verbose=False).predict("study in a minor key", "", 10, api_name="/search")
    assert [h["title"] for h in answer["hits"]] == texts(page, ".card h3")
    assert set(answer) == {"query", "understood", "nothing_fits", "notice", "hits"}
    plain = page.request.get(f"{url}/api/search?q=study+in+a+minor+key").json()
    assert [h["id"] for h in plain["hits"]] == [h["id"] for h in answer["hits"]]
    assert plain["hits"][0]["path"] == answer["hits"][0]["file"]


def test_the_playhead_is_where_the_sound_is(page):
    """At several places of a piece: the drawn line, and the second that the browser plays, within a tenth."""
    search(page, "study 11")
    page.wait_for_selector(".card .mm-roll[data-state=drawn]")
    seen = page.evaluate(
        """async () => {
             const loaded = performance.getEntriesByType('resource').map(r => r.name);
             const { player } = await import(loaded.find(n => n.endsWith('player.js')));
             const canvas = document.querySelector('.card canvas'), roll = canvas.roll, out = [];
             const head = () => {
               const d = canvas.getContext('2d').getImageData(0, 2, canvas.width, 1).data;
               const xs = [...Array(canvas.width).keys()].filter(x => d[4*x] > 180 && d[4*x+1] < 60 && d[4*x+2] < 60);
               const ratio = canvas.width / canvas.getBoundingClientRect().width;
               const x = (xs[0] + xs[xs.length - 1] + 1) / 2 / ratio;
               return (x - 26) / (roll.width - 30) * roll.notes.duration_s;
             };
             for (const share of [0.1, 0.5, 0.9]) {
               roll.play(share * roll.notes.duration_s);
               for (let i = 0; i < 20; i++) {
                 await new Promise(r => setTimeout(r, 60));
                 await new Promise(requestAnimationFrame);  // a busy machine draws late
                 if (player.now.state === 'playing') out.push([head(), player.now.time, player.audio.currentTime]);
               }
             }
             player.stop();
             return [roll.notes.duration_s, out]; }"""
    )
    length, heads = seen
    assert len(heads) >= 20
    pixel = length / 900
    for drawn, told, heard in heads:
        assert abs(drawn - told) <= 2 * pixel + 0.02
        assert abs(told - heard) < 0.1
    assert {round(3 * told / length) for _, told, _ in heads} >= {0, 2, 3}


DATA = Path(__file__).parents[1] / "data"
DROP = """({ bytes, name }) => { const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name));
  for (const event of ['dragover', 'drop'])
    document.querySelector('h1').dispatchEvent(
      new DragEvent(event, { bubbles: true, cancelable: true, dataTransfer: data })); }"""


def test_every_format_is_taken_by_choosing_and_by_dropping(page):
    for source, name in (
        ("waltz.mid", "a.mid"), ("hymn.musicxml", "b.musicxml"), ("hymn.musicxml", "c.xml"),
        ("hymn.mxl", "d.mxl"), ("book.abc", "e.abc"),
    ):  # fmt: skip
        data = (DATA / source).read_bytes()
        for way in ("choose", "drop"):
            if way == "choose":
                page.set_input_files("input[type=file]", {"name": name, "mimeType": "", "buffer": data})
            else:
                page.evaluate(DROP, {"bytes": list(data), "name": f"dropped-{name}"})
            shown = name if way == "choose" else f"dropped-{name}"
            page.wait_for_selector(f".mm-example:has-text('file {shown}')")
            assert page.locator(".card").count() == 10
            assert "Notes" in page.locator(".mm-example .mm-facts").inner_text()
            assert page.locator(".mm-example canvas").count() == 1
