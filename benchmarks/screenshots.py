"""How the page looks, and how long a person waits for it: pictures at 1280 and 400 px, and seconds.

    python benchmarks/screenshots.py LIBRARY [--out runs/page] [--weights DIR] [--json]

Serves a library, drives Debian's Chromium through a question in words, a file and a played piece, and writes a picture
of each state. Seconds are those of the browser: from the key press to the drawn cards, from the click to the sound.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
QUESTIONS = ("slow four-part hymn in a minor key", "a lively jig in D major", "something by Bach", "waltz", "piano")
WIDTHS = {1280: 1150, 400: 1500}


def main() -> int:
    """Take the pictures; print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/page"))
    parser.add_argument("--weights")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mmbert", "serve", str(args.library), "--json"]
    command += ["--weights", args.weights] if args.weights else []
    begin = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(server.stdout.readline())  # type: ignore[union-attr]  # it is a pipe
        seconds = {"serve until it answers": time.perf_counter() - begin} | drive(said["url"], args.out)
    finally:
        server.terminate()
        server.wait(20)
    result: dict[str, Any] = {
        "pieces": said["pieces"],
        "seconds": {name: round(s, 3) for name, s in seconds.items()},
        "pictures": sorted(str(p) for p in args.out.glob("*.png")),
    }
    if args.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name:<34}{s:>8.2f} s" for name, s in result["seconds"].items()))
        print("\n".join(result["pictures"]))
    return 0


def drive(url: str, out: Path) -> dict[str, float]:
    """All states in a browser; seconds by name."""
    from playwright.sync_api import sync_playwright

    seconds: dict[str, float] = {}

    def timed(name: str, act: Callable[[], Any]) -> None:
        begin = time.perf_counter()
        act()
        seconds[name] = time.perf_counter() - begin

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": WIDTHS[1280]})

        def open_page() -> None:
            page.goto(url)
            page.wait_for_selector(".mm-example-words")

        timed("open the page", open_page)
        pictures(page, out, "start")
        timed("first question (loads the model)", lambda: ask(page, "music"))
        warm = []
        for question in QUESTIONS[::-1]:
            timed("question", lambda q=question: ask(page, q))
            warm.append(seconds.pop("question"))
        seconds["question, median"] = median(warm)
        pictures(page, out, "words")
        timed("play until it sounds", lambda: play(page))
        page.wait_for_timeout(3000)
        page.screenshot(path=out / "playing-1280.png")
        page.keyboard.press("Escape")
        timed("file until its like is shown", lambda: drop(page))
        pictures(page, out, "file")
        page.emulate_media(color_scheme="dark")
        pictures(page, out, "dark")
        page.emulate_media(color_scheme="light")
        page.get_by_role("tab", name="Library").click()
        page.wait_for_selector(".mm-lib tbody tr")
        pictures(page, out, "library")
        browser.close()
    return seconds


def ask(page: Any, words: str) -> None:
    """Type a question and wait for its cards."""
    page.fill("#mm-words input", words)
    page.press("#mm-words input", "Enter")
    arrived(page, f"“{words}”")


def arrived(page: Any, text: str) -> None:
    """Wait for the answer whose summary says ``text``."""
    page.wait_for_function(
        """text => document.querySelector('.mm-search').dataset.state === 'hits'
           && document.querySelector('.mm-summary').textContent.includes(text)""",
        arg=text,
    )


def play(page: Any) -> None:
    """Press the first play button and wait for the sound."""
    page.locator(".mm-primary").first.click()
    page.wait_for_selector(".mm-primary[data-on]:has-text('Stop')")


def drop(page: Any) -> None:
    """Give the page a tune of ours."""
    tune = "X:1\nT:A tune of one's own\nR:jig\nM:6/8\nL:1/8\nK:D\n|:DFA dfa|gec ABc|dcd ABA|GEC D3:|\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my tune.abc"
        path.write_text(tune)
        page.set_input_files("input[type=file]", path)
        arrived(page, "A tune of one's own")


def pictures(page: Any, out: Path, name: str) -> None:
    """The state at each width, once the rolls in sight are drawn."""
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(
            """() => [...document.querySelectorAll('.mm-roll')].every(c =>
                 !c.offsetParent || c.dataset.state || c.getBoundingClientRect().top > innerHeight)"""
        )
        page.wait_for_timeout(200)  # one frame after the change of size
        page.screenshot(path=out / f"{name}-{width}.png")
    page.set_viewport_size({"width": 1280, "height": WIDTHS[1280]})


if __name__ == "__main__":
    raise SystemExit(main())
