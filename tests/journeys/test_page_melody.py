"""The tabs for melodies in Chromium: play on the piano or the keys, ask, hear, download; and finding a tune."""

from __future__ import annotations

import itertools
import random
import re
from io import BytesIO
from pathlib import Path

import pytest

from mmbert.items import load_items, write_midi
from tests.journeys.pages import arrived, sideways, texts, tune
from tests.mmbert.retrieval.test_heard_tune import RATE, played

pytestmark = pytest.mark.browser

TABS = {"complete": "Complete a melody", "accompany": "Find accompaniment"}


def open_tab(page, url: str, task: str):
    """The open tab's section."""
    page.goto(f"{url}/?tab={task}")
    section = page.locator(f".mm-melody[data-task={task}]")
    section.locator(".mm-key").first.wait_for()
    return section


def play(page, letters: str = "adgjhfds", ms: int = 150) -> None:
    for letter in letters:
        page.keyboard.down(letter)
        page.wait_for_timeout(ms)
        page.keyboard.up(letter)


def note_names(section) -> list[str]:
    return re.findall(r"[A-G]♯?\d", section.locator(".mm-notes").inner_text())


def ask(section) -> None:
    section.locator(".mm-ask").click()
    section.locator(".mm-card").first.wait_for()


@pytest.mark.parametrize("task", TABS)
def test_the_button_waits_for_four_notes(page, url, task):
    section = open_tab(page, url, task)
    button = section.locator(".mm-ask")
    play(page, "sdf")
    assert button.is_disabled()
    assert "1 more" in section.locator(".mm-told").inner_text()
    play(page, "g")
    assert button.is_enabled()
    assert note_names(section) == ["D4", "E4", "F4", "G4"]


def test_keys_shift_by_octaves_and_leave_text_alone(page, url):
    section = open_tab(page, url, "complete")
    play(page, "axazza")
    assert note_names(section) == ["C4", "C5", "C3"]
    section.locator("input[type=number]").first.focus()
    play(page, "a")
    section.locator(".mm-computer input").uncheck()
    section.locator(".mm-summary").evaluate("e => document.activeElement.blur()")
    play(page, "a")
    assert len(note_names(section)) == 3


def test_the_piano_is_played_by_pointer_and_by_arrows(page, url):
    section = open_tab(page, url, "complete")
    assert section.locator(".mm-key").count() == 37
    for name in ("C3", "F♯4", "C6"):
        section.get_by_role("button", name=name, exact=True).click(delay=180, position={"x": 8, "y": 60})
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter", delay=180)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space", delay=180)
    assert note_names(section) == ["C3", "F♯4", "C6", "B5", "B4"]
    assert section.locator(".mm-key[tabindex='0']").count() == 1


def test_a_finger_slides_over_an_octave_of_keys_and_others_have_buttons(page, url):
    page.set_viewport_size({"width": 400, "height": 900})
    section = open_tab(page, url, "complete")
    page.wait_for_function("document.querySelectorAll('.mm-melody .mm-key').length === 13")
    box = section.locator(".mm-piano").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 110)
    page.mouse.down()
    page.wait_for_timeout(120)
    page.mouse.move(box["x"] + 10 + box["width"] / 8, box["y"] + 110)
    page.wait_for_timeout(120)
    page.mouse.up()
    sizes = section.locator(".mm-key").evaluate_all("keys => keys.map(k => [k.offsetWidth, k.offsetHeight])")
    assert all(wide >= 32 and high >= 32 for wide, high in sizes)
    section.get_by_role("button", name="An octave higher").click()
    section.get_by_role("button", name="C5", exact=True).click(delay=60, position={"x": 8, "y": 110})
    assert note_names(section) == ["C4", "D4", "C5"]
    assert not sideways(page)


def test_undo_and_clear(page, url):
    section = open_tab(page, url, "complete")
    play(page, "asdf")
    section.get_by_role("button", name="Undo").click()
    assert note_names(section) == ["C4", "D4", "E4"]
    play(page, "g")
    text = section.locator(".mm-notes").inner_text()
    assert "rest" not in text.split("E4")[1]  # what is played after an undo follows at once
    section.get_by_role("button", name="Clear").click()
    assert note_names(section) == []
    assert section.locator(".mm-ask").is_disabled()


def test_both_tabs_and_a_reload_keep_what_was_played(page, url):
    section = open_tab(page, url, "complete")
    play(page, "asdfg")
    page.get_by_role("tab", name=TABS["accompany"]).click()
    other = page.locator(".mm-melody[data-task=accompany]")
    other.locator(".mm-key").first.wait_for()
    assert note_names(other) == note_names(section) == ["C4", "D4", "E4", "F4", "G4"]
    assert "tab=accompany" in page.url
    page.reload()
    other.locator(".mm-key").first.wait_for()
    assert len(note_names(other)) == 5


def module(page, name: str, use: str, given=None):
    """What ``use`` makes of a script that the page has loaded (``m``) and of ``given``."""
    return page.evaluate(
        f"""async given => {{
             const loaded = performance.getEntriesByType('resource').map(r => r.name);
             const m = await import(loaded.find(n => n.endsWith('/{name}')));
             return ({use}); }}""",
        given,
    )


def on_grid(page, played, bpm: float, clicked: bool = False) -> list[list[int]]:
    """``(start, length, pitch)`` in sixteenths of ``(at, length, pitch)`` in milliseconds."""
    use = """m.onGrid(given.notes.map(([at, length, pitch]) => ({ at, length, pitch })), 15000 / given.bpm,
                       given.clicked).map(n => [n.start, n.length, n.pitch])"""
    return module(page, "grid.js", use, {"notes": played, "bpm": bpm, "clicked": clicked})


def test_notes_are_set_on_a_grid_from_the_first(page):
    played = [(1000, 290, 60), (1310, 140, 62), (1330, 140, 65), (1450, 900, 64), (1740, 150, 67), (2500, 10, 69)]
    # a chord keeps its highest note, a held note ends where the next begins, a rest stays
    assert on_grid(page, played, 100) == [[0, 2, 60], [2, 1, 65], [3, 2, 64], [5, 1, 67], [10, 1, 69]]
    assert on_grid(page, [], 100) == []
    assert on_grid(page, [(500, None, 60)], 100) == [[0, 1, 60]]


SLOW = [(0, 4), (4, 2), (6, 2), (8, 6), (14, 2), (16, 2), (18, 2), (20, 4), (24, 8), (32, 4), (36, 4), (40, 4), (48, 8)]
QUICK = [(0, 3), (3, 1), (4, 2), (6, 2), (8, 1), (9, 1), (10, 1), (11, 1), (12, 4), (16, 3), (19, 1), (20, 4), (28, 4)]


def human(tune, bpm: float, draw: random.Random, late: float = 0.0, hold: float = 1.0) -> list[tuple]:
    """A tune as somebody plays it: up to 40 ms early or late, slower by a share, keys held for a share of each note."""
    unit = 15_000 / bpm * (1 + late)
    onsets = [2000 + start * unit + draw.uniform(-40, 40) for start, _ in tune]
    return [
        (at, max(30, length * unit * hold + draw.uniform(-40, 40)), 60 + i)
        for i, (at, (_, length)) in enumerate(zip(onsets, tune, strict=True))
    ]


@pytest.mark.parametrize(
    ("tune", "bpm", "late", "hold"),
    [
        (SLOW, 60, 0, 1), (SLOW, 100, 0, 1), (SLOW, 140, 0, 1), (SLOW, 100, 0.03, 1), (SLOW, 120, -0.03, 1),
        (SLOW, 100, 0, 0.9), (SLOW[:10], 100, 0, 0.75), (QUICK, 60, 0, 1), (QUICK, 80, 0, 1), (QUICK, 80, 0.02, 0.9),
    ],
)  # fmt: skip
def test_the_same_tune_played_again_is_the_same_tune(page, tune, bpm, late, hold):
    exact = [[start, length, 60 + i] for i, (start, length) in enumerate(tune)]
    draw = random.Random(7)
    read = [on_grid(page, human(tune, bpm, draw, late, hold), bpm) for _ in range(60)]
    assert [i for i, one in enumerate(read) if one != exact] == []


def play_notes(page, notes) -> None:
    """Play ``(at, length, pitch)`` in milliseconds into the melody of the page."""
    use = "given.map(([at, length, pitch]) => { m.melody.down(pitch, at); m.melody.up(pitch, at + length); })"
    module(page, "melody.js", use, notes)


@pytest.mark.parametrize("task", TABS)
def test_a_tune_played_unevenly_gets_what_the_exact_one_gets(page, url, task):
    section = open_tab(page, url, task)
    draw, asked, first = random.Random(3), [], []
    page.on("request", lambda r: f"/melody/{task}" in r.url and asked.append(r.post_data_json))
    exact = [(start * 150, length * 150, 60 + i) for i, (start, length) in enumerate(SLOW)]
    for notes in (exact, *(sorted(human(SLOW, 100, draw, hold=0.9)) for _ in range(3))):
        section.get_by_role("button", name="Clear").click(force=True)
        play_notes(page, notes)
        with page.expect_response(f"**/melody/{task}"):
            section.locator(".mm-ask").click()
        page.wait_for_function("!document.querySelector('.mm-melody[aria-busy]')")
        card = section.locator(".mm-card").first
        first.append((card.get_attribute("data-id"), card.locator(".mm-why").inner_text()))
    assert len(asked) == 4
    assert all(one == asked[0] for one in asked)
    assert all(one == first[0] for one in first)


def clicks_of(page) -> list[list[float]]:
    """``(second, hertz)`` of every click that was scheduled."""
    return page.evaluate("window.clicks")


HEAR_CLICKS = """
    window.clicks = [];
    const make = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () {
      const tone = make.call(this), start = tone.start;
      tone.start = function (at) { window.clicks.push([at, tone.frequency.value]); return start.call(this, at); };
      return tone; };"""


@pytest.mark.parametrize(("metre", "bpm", "beats", "seconds"), [("4/4", 120, 4, 0.5), ("6/8", 180, 2, 0.5)])
def test_a_metronome_clicks_in_tempo_and_metre(page, url, metre, bpm, beats, seconds):
    page.add_init_script(HEAR_CLICKS)
    section = open_tab(page, url, "complete")
    section.locator(".mm-tools select").select_option(metre)
    section.locator(".mm-tools input[type=number]").fill(str(bpm))
    button = section.get_by_role("button", name="Metronome")
    assert button.get_attribute("aria-pressed") == "false"
    page.wait_for_timeout(200)
    assert clicks_of(page) == []  # off until it is asked for
    button.focus()
    page.keyboard.press("Enter")
    assert "One bar of clicks counts in" in section.locator(".mm-said").inner_text()
    assert button.get_attribute("aria-pressed") == "true"
    page.wait_for_function("window.clicks.length > 4")
    page.keyboard.press("Space")
    assert button.get_attribute("aria-pressed") == "false"
    count = len(clicks_of(page))
    page.wait_for_timeout(700)
    clicks = clicks_of(page)
    assert len(clicks) == count
    assert [hertz == 1760 for _, hertz in clicks] == [i % beats == 0 for i in range(count)]
    times = [at for at, _ in clicks]
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([seconds] * (count - 1))


def test_what_is_played_to_clicks_lies_on_their_bars(page, url):
    section = open_tab(page, url, "complete")
    button = section.get_by_role("button", name="Metronome")
    button.click()
    page.wait_for_function("document.querySelector('.mm-beat').textContent === '2'")
    line = module(page, "melody.js", "m.melody.clicks")
    assert line["bar"] == pytest.approx(2400)
    # from the second beat of the third bar after the count-in, always a little late; then a pause of five bars
    at = line["line"] + 2 * 2400
    notes = [(600, 550, 62), (1200, 580, 64), (1800, 580, 65), (2400, 1150, 67), (2400 * 8 + 1200, 1180, 69)]
    play_notes(page, [(at + start + 30, length, pitch) for start, length, pitch in notes])
    told = section.locator(".mm-notes").inner_text()
    assert "Bar 1 rest 1/4, D4 1/4, E4 1/4, F4 1/4" in told
    assert "Bar 2 G4 1/2, A4 1/2" in told  # a pause is left out, the beat stays
    assert "by the clicks" in section.locator(".mm-told").inner_text()
    page.keyboard.press("Escape")
    assert button.get_attribute("aria-pressed") == "false"


def test_a_metronome_ends_where_other_sound_begins_and_follows_the_tempo(page, url):
    page.add_init_script(HEAR_CLICKS)
    section = open_tab(page, url, "accompany")
    button = section.get_by_role("button", name="Metronome")
    play(page, "adgj", 200)
    button.click()
    tempo = section.locator(".mm-tools input[type=number]")
    tempo.fill("240")
    tempo.blur()
    page.evaluate("window.clicks.length = 0")
    page.wait_for_function("window.clicks.length > 5")
    (a, _), (b, _) = clicks_of(page)[-2:]
    assert b - a == pytest.approx(0.25)
    section.get_by_role("button", name="Play back").click()
    section.locator(".mm-metronome[aria-pressed=false]").wait_for()
    page.keyboard.press("Escape")
    button.click()
    page.get_by_role("tab", name="Library").click()
    page.wait_for_function("document.querySelector('.mm-metronome[aria-pressed=true]') === null")


def test_play_back_sounds_and_stops(page, url):
    section = open_tab(page, url, "complete")
    play(page, "adgj", 400)
    section.get_by_role("button", name="Play back").click()
    section.get_by_role("button", name="Stop", exact=True).wait_for()
    page.keyboard.press("Escape")
    section.get_by_role("button", name="Play back").wait_for()


def test_no_web_midi_is_said_politely(page, url):
    page.add_init_script("Object.defineProperty(navigator, 'requestMIDIAccess', { value: undefined })")
    section = open_tab(page, url, "complete")
    section.get_by_role("button", name="MIDI keyboard").click()
    assert "no Web MIDI" in section.locator(".mm-said").inner_text()


def test_a_midi_keyboard_plays(page, url):
    page.add_init_script(
        """const input = { name: 'Test keys' }; window.midiInput = input;
           const value = async () => ({ inputs: new Map([[1, input]]) });
           Object.defineProperty(navigator, 'requestMIDIAccess', { value });"""
    )
    section = open_tab(page, url, "complete")
    section.get_by_role("button", name="MIDI keyboard").click()
    section.locator(".mm-said", has_text="Listening to Test keys").wait_for()
    for message in ([0x90, 61, 90], [0x80, 61, 0], [0x91, 63, 80], [0x91, 63, 0]):
        page.evaluate("data => midiInput.onmidimessage({ data })", message)
        page.wait_for_timeout(100)
    assert note_names(section) == ["C♯4", "D♯4"]


@pytest.mark.parametrize("task", TABS)
def test_a_melody_gets_suggestions_that_are_drawn_heard_and_downloaded(page, url, tmp_path, task):
    section = open_tab(page, url, task)
    play(page)
    ask(section)
    card = section.locator(".mm-card").first
    assert "Found in" in card.locator(".mm-moved").inner_text()
    assert card.locator(".mm-why").inner_text().startswith("Why")
    assert "Your melody" in card.locator(".mm-legend").inner_text()
    card.locator(".mm-roll[data-state=drawn]").wait_for()
    colours = card.locator("canvas").evaluate(
        """c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const seen = new Set();
                  for (let i = 0; i < d.length; i += 4) seen.add(d.slice(i, i + 3).join()); return [...seen]; }"""
    )
    assert {"0,114,178", "176,90,0"} <= set(colours)  # the first two voices
    card.locator(".mm-primary").click()
    card.locator(".mm-primary[data-on]:has-text('Stop')").wait_for()
    page.keyboard.press("Escape")
    alone = card.get_by_role("button", name=re.compile("Continuation alone|Accompaniment:"))
    alone.click()
    card.locator(".mm-button[data-on]:has-text('Stop')").wait_for()
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        card.get_by_role("link", name=re.compile("^MIDI file")).click()
    assert download.value.suggested_filename.endswith(".mid")
    saved = tmp_path / "saved.mid"
    download.value.save_as(saved)
    score = next(load_items(saved)).score
    assert score is not None
    assert score.parts[0].name == "melody"


def test_volumes_change_what_sounds(page, url):
    section = open_tab(page, url, "accompany")
    play(page)
    ask(section)
    card = section.locator(".mm-card").first
    card.locator(".mm-primary").click()
    card.locator(".mm-primary[data-on]:has-text('Stop')").wait_for()
    card.locator("input[type=range]").nth(1).fill("20")
    levels = page.evaluate(
        """async () => {
             const loaded = performance.getEntriesByType('resource').map(r => r.name);
             return (await import(loaded.find(n => n.endsWith('player.js')))).player.source.levels; }"""
    )
    assert levels == [0.8, 0.2]
    page.keyboard.press("Escape")


def test_a_file_is_asked_with_at_once_and_its_address_reproduces_it(page, url):
    section = open_tab(page, url, "complete")
    data = write_midi(tune(50, 60, True, 0.5), {"title": "My own"})
    section.locator("input[type=file]").set_input_files({"name": "own.mid", "mimeType": "", "buffer": data})
    section.locator(".mm-card").first.wait_for()
    assert section.locator(".mm-question h3").inner_text() == "My own"
    assert "melody=upload-" in page.url
    assert section.locator(".mm-source option").count() == 3  # by rule, flute, cello
    section.locator(".mm-source select").select_option("2")
    section.locator(".mm-question", has_text="“Cello”").wait_for()
    page.goto(page.url)
    section.locator(".mm-card").first.wait_for()
    assert section.locator(".mm-question h3").inner_text() == "My own"


def test_what_is_heard_in_a_recording_is_told_and_its_metre_is_corrected(page, url):
    soundfile, hum = pytest.importorskip("soundfile"), BytesIO()
    pytest.importorskip("onnxruntime")
    soundfile.write(hum, played(tune(50, 60, True, 0.5, bars=6)), RATE, format="WAV")
    section = open_tab(page, url, "complete")
    sound = {"name": "hum.wav", "mimeType": "", "buffer": hum.getvalue()}
    section.locator("input[type=file]").set_input_files(sound)
    section.locator(".mm-question", has_text="Heard as 7 bars of 4/4 at 96 bpm").wait_for()
    metre = section.get_by_label("Another metre?")
    assert metre.input_value() == "4/4"
    metre.select_option("3/4")
    section.locator(".mm-question", has_text="Heard as 9 bars of 3/4 at 96 bpm").wait_for()
    assert section.get_by_label("Another metre?").input_value() == "3/4"
    assert section.get_by_label("Another metre?").evaluate("select => select === document.activeElement")


def test_a_dropped_file_goes_to_the_open_tab(page, url):
    section = open_tab(page, url, "accompany")
    page.evaluate(
        """data => { const dataTransfer = new DataTransfer();
             dataTransfer.items.add(new File([new Uint8Array(data)], 'dropped.mid'));
             window.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true })); }""",
        list(write_midi(tune(50, 60, True, 0.5), {})),
    )
    section.locator(".mm-card").first.wait_for()
    assert "dropped.mid" in section.locator(".mm-source").inner_text()


def test_what_is_no_music_is_refused_and_the_next_file_is_taken(page, url):
    section = open_tab(page, url, "complete")
    section.locator("input[type=file]").set_input_files({"name": "x.mid", "mimeType": "", "buffer": b"%PDF-1.4"})
    section.locator(".mm-notice .mm-box").wait_for()
    assert "x.mid" in section.locator(".mm-notice").inner_text()
    assert section.locator(".mm-card").count() == 0
    data = write_midi(tune(50, 60, True, 0.5), {})
    section.locator("input[type=file]").set_input_files({"name": "y.mid", "mimeType": "", "buffer": data})
    section.locator(".mm-card").first.wait_for()
    assert section.locator(".mm-notice .mm-box").count() == 0


def test_a_result_of_a_search_may_be_continued(page, url):
    page.goto(f"{url}/?q=slow+song")
    arrived(page, "“slow song”")
    page.locator(".card .mm-menu summary").first.click()
    page.get_by_role("button", name="Continue its melody").first.click()
    section = page.locator(".mm-melody[data-task=complete]")
    section.locator(".mm-question h3").wait_for()
    assert section.locator(".mm-question h3").inner_text() == "Slow song of the north"
    section.locator(".mm-card").first.get_by_role("button", name=re.compile("More like this")).click()
    page.wait_for_function("document.querySelector('.mm-search').dataset.state === 'hits'")
    assert "like=" in page.url
    assert "tab=" not in page.url


def test_a_played_tune_finds_its_piece_by_the_address_too(page, url, music_library):
    page.locator(".mm-tune summary").click()
    panel = page.locator(".mm-tune")
    panel.locator(".mm-key").first.wait_for()
    folder: Path = music_library[0]
    score = next(load_items(folder / "piece 4.mid")).score
    assert score is not None
    pitches = score.notes[score.notes["part"] == 0]["pitch"][:10].tolist()
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    panel.locator(".mm-typed input").fill(" ".join(f"{names[(p + 2) % 12]}{(p + 2) // 12 - 1}" for p in pitches))
    panel.get_by_role("button", name="Find this tune").click()
    arrived(page, "nearest first to the tune")
    assert "10 of 10 notes agree" in page.locator(".card .mm-why").first.inner_text()
    first = texts(page, ".card h3")[0]
    page.goto(page.url)
    arrived(page, "nearest first to the tune")
    assert texts(page, ".card h3")[0] == first
    page.get_by_role("button", name="Remove the tune").click()
    page.wait_for_function("document.querySelector('.mm-search').dataset.state === 'start'")


def test_what_was_played_is_a_tune_with_its_lengths(page):
    page.locator(".mm-tune summary").click()
    page.locator(".mm-tune .mm-key").first.wait_for()
    play(page, "asdfgfds")
    page.locator(".mm-tune").get_by_role("button", name="Find this tune").click()
    arrived(page, "the tune you played")
    assert "agree from" in page.locator(".card .mm-why").first.inner_text()


def test_an_answer_that_is_none_is_said(page, url):
    section = open_tab(page, url, "complete")
    play(page)
    page.route("**/melody/complete", lambda route: route.fulfill(body="<html>"))
    section.locator(".mm-ask").click()
    section.locator(".mm-notice .mm-box").wait_for()
    assert "lost on its way" in section.locator(".mm-notice").inner_text()
    page.unroute("**/melody/complete")


@pytest.mark.parametrize("task", TABS)
def test_targets_are_large_enough_for_a_thumb(page, url, task):
    page.set_viewport_size({"width": 400, "height": 900})
    section = open_tab(page, url, task)
    for name in ("C4", "D4", "E4", "F4", "G4"):
        section.get_by_role("button", name=name, exact=True).click(delay=60, position={"x": 8, "y": 110})
    ask(section)
    small = section.evaluate(
        """s => [...s.querySelectorAll('button, select, summary, a, input:not([type=checkbox])')]
             .filter(e => e.offsetParent && !e.matches('.mm-hidden'))
             .map(e => [e.getBoundingClientRect(), e.className || e.textContent])
             .filter(([r]) => r.height < 43.5 || r.width < 23.5).map(([r, n]) => `${n} ${r.width}x${r.height}`)"""
    )
    assert small == []
    assert not sideways(page)
