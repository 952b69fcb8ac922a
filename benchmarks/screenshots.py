"""How the page looks, and how long a person waits for it: every state at 1280 and 400 px, light and dark, and seconds.

    python benchmarks/screenshots.py LIBRARY [--out runs/page] [--weights DIR] [--only-seconds] [--json]

Serves a library, drives Debian's Chromium through a question, filters, a file, a played piece and all that can go
wrong, and writes a picture of each state. Seconds are those of the browser: from the key press to the first card, from
the click to the sound. A small library of its own is built for the states that LIBRARY is not in: building and empty.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
QUESTIONS = ("slow four-part hymn in a minor key", "a lively jig in D major", "something by Bach", "waltz", "piano")
WIDTHS = {1280: 1150, 400: 1500}
TUNE = "X:{n}\nT:Tune {n}\nR:jig\nM:6/8\nL:1/8\nK:D\n|:DFA dfa|gec ABc|dcd ABA|GEC {last}3:|\n"
LONG_TUNE = "X:1\nT:A long tune\nM:4/4\nL:1/8\nQ:1/4=112\nK:G\nG2BG d2BG|A2cA e2cA|B2dB g2dB|cBAG F2D2|\n"
MELODY = "d1 f1 g2 h1 g1 d2 f1 d1 s1 f1 d2 a2"  # four bars of 4/4: keys and quarters
QUARTER_MS = 600
QUIET = "!document.querySelector('.mm-search').hasAttribute('aria-busy')"


def main() -> int:
    """Take the pictures; print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/page"))
    parser.add_argument("--weights")
    parser.add_argument("--only-seconds", action="store_true", help="No pictures.")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p, tempfile.TemporaryDirectory() as folder:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        begin = time.perf_counter()
        with served(args.library, args.weights) as said:
            seconds = {"serve until it answers": time.perf_counter() - begin}
            seconds |= waits(browser, said["url"])
            if not args.only_seconds:
                shown = Pictures(browser, said["url"], args.out)
                search_states(shown)
                wrong_states(shown)
                melody_states(shown)
                recording_states(shown)
                other_tabs(shown)
        if not args.only_seconds:
            lost(shown)
            small_library(browser, Path(folder), args.out, args.weights)
        browser.close()
    result: dict[str, Any] = {
        "pieces": said["pieces"],
        "seconds": {name: round(s, 3) for name, s in seconds.items()},
        "pictures": sorted(str(p) for p in args.out.glob("*.png")),
    }
    if args.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name:<44}{s:>8.2f} s" for name, s in result["seconds"].items()))
        print("\n".join(result["pictures"]))
    return 0


@contextmanager
def served(library: Path, weights: str | None) -> Iterator[dict[str, Any]]:
    """``{url, pieces}`` of a library that is served until the block ends."""
    command = [sys.executable, "-m", "mmbert", "serve", str(library), "--json"]
    server = subprocess.Popen(command + (["--weights", weights] if weights else []), stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(server.stdout.readline())  # type: ignore[union-attr]  # it is a pipe
    finally:
        server.terminate()
        server.wait(20)


# ---- seconds ----------------------------------------------------------------------------------------------


def waits(browser: Any, url: str) -> dict[str, float]:
    """What a person waits for, in seconds by name."""
    seconds: dict[str, float] = {}

    def timed(name: str, act: Callable[[], Any]) -> float:
        begin = time.perf_counter()
        act()
        seconds[name] = time.perf_counter() - begin
        return seconds[name]

    page = browser.new_page(viewport={"width": 1280, "height": WIDTHS[1280]})

    def open_page() -> None:
        page.goto(url)
        page.wait_for_selector(".mm-example-words")

    timed("open the page", open_page)
    timed("first question (may load the model)", lambda: ask(page, "music"))
    warm = [timed("question", partial(ask, page, q)) for _ in range(2) for q in QUESTIONS]
    del seconds["question"]
    seconds["Enter to first card, median of ten"] = median(warm)
    seconds["Enter to first card, slowest of ten"] = max(warm)
    timed("a filter until its cards", lambda: choose(page, "mode", "minor"))
    page.click("text=Reset all")
    page.wait_for_function(f"{QUIET} && !document.querySelector('.mm-hard')")
    plays = []
    for i in range(3):
        plays.append(timed("play", partial(play, page, i)))
        page.keyboard.press("Escape")
    del seconds["play"]
    seconds["play until it sounds, median of three"] = median(plays)
    timed("file until its like is shown", lambda: drop(page, TUNE.format(n=1, last="D"), "my tune.abc", "“Tune 1”"))
    page.close()
    return seconds


def ask(page: Any, words: str) -> None:
    """Type a question and wait for its cards."""
    page.fill("#mm-words input", words)
    page.press("#mm-words input", "Enter")
    page.wait_for_function(
        f"""text => {QUIET} && document.querySelector('.card')
           && document.querySelector('.mm-summary').textContent.includes(text)""",
        arg=f"“{words}”",
    )


def choose(page: Any, name: str, value: str) -> None:
    """Set a filter in the panel."""
    if not page.locator(".mm-filters[open]").count():
        page.click(".mm-filters summary")
    page.wait_for_selector(f"select[data-name={name}]")
    page.select_option(f"select[data-name={name}]", value)
    page.wait_for_function(f"{QUIET} && document.querySelector('.mm-hard')")


def play(page: Any, card: int = 0) -> None:
    """Press a play button and wait for the sound."""
    page.locator(".mm-primary").nth(card).click()
    page.wait_for_selector(".mm-primary[data-on]:has-text('Stop')")


def drop(page: Any, text: str, name: str, wanted: str) -> None:
    """Give the page a file, and wait for ``wanted``."""
    page.set_input_files("input[type=file]", {"name": name, "mimeType": "", "buffer": text.encode()})
    page.wait_for_function(
        f"text => {QUIET} && document.querySelector('.mm-search').textContent.includes(text)", arg=wanted
    )


# ---- pictures ---------------------------------------------------------------------------------------------


class Pictures:
    """A page, and pictures of it in every width and shade."""

    def __init__(self, browser: Any, url: str, out: Path) -> None:
        self.url, self.out = url, out
        self.page = browser.new_page(viewport={"width": 1280, "height": WIDTHS[1280]})

    def go(self, query: str, until: str = ".mm-example-words") -> Any:
        """Open an address and wait for what it shows."""
        self.page.goto(f"{self.url}/{query}")
        self.page.wait_for_selector(until)
        self.page.wait_for_function(QUIET)
        return self.page

    def take(self, name: str) -> None:
        """The state as it is, once the rolls in sight are drawn."""
        for shade in ("light", "dark"):
            self.page.emulate_media(color_scheme=shade, reduced_motion="reduce")
            for width, height in WIDTHS.items():
                self.page.set_viewport_size({"width": width, "height": height})
                self.page.wait_for_function(
                    """() => [...document.querySelectorAll('.mm-roll')].every(c =>
                         !c.offsetParent || c.dataset.state || c.getBoundingClientRect().top > innerHeight)"""
                )
                self.page.wait_for_timeout(200)  # one frame after the change of size
                self.page.screenshot(path=self.out / f"{name}-{width}-{shade}.png")
        self.page.emulate_media(color_scheme="light", reduced_motion="reduce")
        self.page.set_viewport_size({"width": 1280, "height": WIDTHS[1280]})


def search_states(shown: Pictures) -> None:
    """What a person sees who finds something."""
    page = shown.go("")
    shown.take("start")
    ask(page, QUESTIONS[0])
    shown.take("words")
    page.locator(".card").nth(1).locator(".mm-menu summary").click()
    shown.take("menu")
    page.keyboard.press("Escape")
    choose(page, "mode", "minor")
    page.select_option("select[data-name=order]", "varied")
    page.wait_for_selector(".mm-chip:has-text('varied')")
    page.wait_for_function(QUIET)
    shown.take("filters")
    shown.go("?q=waltz", ".card")
    play(page)
    page.wait_for_timeout(1500)
    shown.take("playing")
    page.keyboard.press("Escape")
    page.route("**/gradio_api/queue/join*", lambda route: None)
    page.fill("#mm-words input", "lullaby")
    page.press("#mm-words input", "Enter")
    page.wait_for_function("document.querySelector('.mm-summary').textContent.startsWith('Still')")
    shown.take("busy")
    page.unroute("**/gradio_api/queue/join*")
    shown.go("")
    drop(page, TUNE.format(n=1, last="D"), "my tune.abc", "“Tune 1”")
    shown.take("file")


def wrong_states(shown: Pictures) -> None:
    """What a person sees where nothing is found, or a file is none."""
    page = shown.page
    shown.go("?q=jig&where=form%3Djig&where=tempo_bpm%3C%3D20&where=mode%3Dminor", ".mm-notice button")
    shown.take("none")
    shown.go("?q=invoice+template", ".card")
    shown.take("nothing-fits")
    drop(page, "%PDF-1.4", "my <b>song.mid", "my")
    page.wait_for_selector(".mm-search[data-state=error]")
    shown.take("file-error")


def melody_states(shown: Pictures) -> None:
    """The tabs for melodies: empty, played, found, heard, refused; and a tune that is looked for."""
    page = shown.page
    for task in ("complete", "accompany"):
        section = f".mm-melody[data-task={task}]"
        shown.go(f"?tab={task}", f"{section} .mm-key")
        page.click(f"{section} >> text=Clear", force=True)
        shown.take(f"{task}-empty")
        play_melody(page)
        shown.take(f"{task}-played")
        page.click(f"{section} .mm-metronome")
        page.wait_for_selector(f"{section} .mm-beat:has-text('2')")
        shown.take(f"{task}-metronome")
        page.click(f"{section} .mm-metronome")
        page.click(f"{section} .mm-ask")
        page.wait_for_selector(f"{section} .mm-card .mm-roll[data-state=drawn]", timeout=120_000)
        shown.take(f"{task}-found")
        page.locator(f"{section} .mm-card").first.scroll_into_view_if_needed()
        page.click(f"{section} .mm-card .mm-primary >> nth=0")
        page.wait_for_selector(f"{section} .mm-primary[data-on]:has-text('Stop')")
        page.wait_for_timeout(1000)
        shown.take(f"{task}-playing")
        page.keyboard.press("Escape")
        page.evaluate("scrollTo(0, 0)")
        files = page.locator(f"{section} input[type=file]")
        files.set_input_files({"name": "my <b>song.mid", "mimeType": "", "buffer": b"%PDF-1.4"})
        page.wait_for_selector(f"{section} .mm-notice .mm-box")
        shown.take(f"{task}-error")
        files.set_input_files({"name": "a tune.abc", "mimeType": "", "buffer": LONG_TUNE.encode()})
        page.wait_for_selector(f"{section} .mm-card .mm-roll[data-state=drawn]")
        shown.take(f"{task}-file")
    shown.go("?tune=D4+E4+F%234+A4+B4+A4+F%234+E4", ".card")
    page.click(".mm-tune summary")
    page.wait_for_selector(".mm-tune .mm-key")
    shown.take("tune")


def play_melody(page: Any) -> None:
    """Hold the computer's keys one after another, by the clock: waits alone would add up."""
    end = None
    for key, quarters in MELODY.split():
        page.keyboard.down(key)
        end = (end or time.perf_counter()) + int(quarters) * QUARTER_MS / 1000
        page.wait_for_timeout(max(0.0, 1000 * (end - time.perf_counter())))
        page.keyboard.up(key)


def recording_states(shown: Pictures) -> None:
    """Recordings beside scores, one that sounds, a dropped one, its score; nothing of a library without them."""
    page = shown.go("?kind=recording")
    if not page.locator(".card").count():
        return
    shown.go("?q=a+drum+loop", ".card .mm-wave")
    shown.take("recordings")
    page.locator(".card", has=page.locator(".mm-wave")).first.locator(".mm-primary").click()
    page.wait_for_selector(".mm-primary[data-on]:has-text('Stop')")
    page.wait_for_timeout(1500)
    shown.take("recording-playing")
    page.keyboard.press("Escape")
    address = page.locator(".card", has=page.locator(".mm-wave")).first.get_attribute("data-id")
    file = page.request.get(f"{shown.url}/sound/{address}.wav").body()
    page.set_input_files(
        "input[type=file]:not([data-melody])", {"name": "my song.wav", "mimeType": "audio/wav", "buffer": file}
    )
    page.wait_for_selector(".mm-example .mm-wave[data-state=drawn]")
    page.wait_for_function(QUIET)
    page.locator(".mm-example summary", has_text="In words").click()
    page.wait_for_selector(".mm-example .mm-near")
    shown.take("recording-dropped")
    page.click("text=The score of this recording")
    page.wait_for_function(f"{QUIET} && document.querySelector('.mm-summary').textContent.includes('harmony')")
    shown.take("recording-score")


def other_tabs(shown: Pictures) -> None:
    """The library, and what the page says of itself."""
    shown.go("?tab=library", ".mm-lib tbody tr")
    shown.take("library")
    shown.go("?tab=about", "#mm-about dl")
    shown.take("about")
    shown.go("?q=waltz", ".card")


def lost(shown: Pictures) -> None:
    """The server has ended."""
    shown.page.fill("#mm-words input", "lullaby")
    shown.page.press("#mm-words input", "Enter")
    shown.page.wait_for_selector(".mm-lost button")
    shown.take("gone")
    shown.page.close()


def small_library(browser: Any, folder: Path, out: Path, weights: str | None) -> None:
    """A library while it is built, with refused files, and without a piece."""
    music, library = folder / "music", folder / "my library"
    music.mkdir()
    (music / "first.abc").write_text(TUNE.format(n=1, last="D"))

    def index(*command: str) -> None:
        extra = ["--weights", weights] if weights and command[0] == "build" else []
        subprocess.run([sys.executable, "-m", "mmbert", "index", *command, *extra], check=True, capture_output=True)

    index("build", str(library), str(music))
    for n in range(2, 300):
        (music / f"{n}.abc").write_text(TUNE.format(n=n, last="DEFGABd"[n % 7] + "|" + "DAF "[n % 3] * (n % 40)))
    (music / "broken.mid").write_bytes(b"MThd\0\0\0\6\0\1\0\1")
    (music / "empty.musicxml").write_bytes(b"")
    with served(library, weights) as said:
        shown = Pictures(browser, said["url"], out)
        page = shown.go("?tab=library", ".mm-build")
        page.click("text=Look for changes")
        page.wait_for_selector(".mm-build progress[value]")
        shown.take("building")
        page.wait_for_function("document.querySelector('.mm-said')?.textContent.startsWith('Done')", timeout=300_000)
        page.wait_for_selector(".mm-reasons li")
        shown.take("built")
        page.close()
    index("remove", str(library), str(music))
    with served(library, weights) as said:
        shown = Pictures(browser, said["url"], out)
        shown.go("", ".mm-search[data-state=empty] .mm-command")
        shown.take("empty")
        shown.page.close()


if __name__ == "__main__":
    raise SystemExit(main())
