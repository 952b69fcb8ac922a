"""What the tests of the page share: a little music, a server, and what a person does in the browser."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from mmbert.items import write_midi
from mmbert.symbolic.score import Part, Score

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
HOSTILE = "<img src=x onerror=alert(1)> ${alert(2)} {{value}} C:\\new `x`"
JIG = "X:1\nT:{title}\nR:jig\nM:6/8\nL:1/8\nK:{key}\n|:{bars}:|\n"
HARMLESS_404 = "/gradio_api/mcp/schema"
# Gradio's client aborts its own event stream as a page is left, and logs that it did if the stream was still open:
# before an answer began or within its body.
LEAVING = ("AbortError: signal is aborted without reason", "AbortError: BodyStreamBuffer was aborted")


def tune(seed: int, root: int, minor: bool, beats: float, bars: int = 16) -> Score:
    """A wandering melody over a bass, 4/4. Lengths differ, or random weights would take all for one piece."""
    steps = [0, 2, 3, 5, 7, 8, 10, 12] if minor else [0, 2, 4, 5, 7, 9, 11, 12]
    walk = np.random.default_rng(seed).integers(0, 8, 512)
    step = int(480 * beats)
    n = bars * 1920 // step
    melody = [(i * step, step - 20, root + steps[walk[i]], 90, 73, False, 0) for i in range(n)]
    bass = [(b * 1920, 1900, root - 24 + steps[walk[-b] % 3 * 2], 80, 42, False, 1) for b in range(bars)]
    parts = (Part("Flute", 73), Part("Cello", 42))
    return Score.build(melody + bass, 480, tempo_map=[(0, 96.0)], metre_map=[(0, 4, 4)], parts=parts)


def write_music(folder: Path) -> None:
    folder.mkdir()
    jig_bars = "DFA dfa|gec ABc|" * 8
    (folder / "jigs.abc").write_text(
        "\n".join(JIG.format(title=f"Jig number {i}", key=key, bars=jig_bars) for i, key in enumerate("DGA"))
    )
    works = [
        ("Slow song of the north", "Clara Sample", 1, 57, True, 2.0),
        ("Bright morning", "Clara Sample", 2, 60, False, 0.5),
        ("Bright morning (for high voice)", "Clara Sample", 2, 65, False, 0.5),
        (HOSTILE, HOSTILE, 3, 57, True, 1.0),
        ("مرحبا بالعالم", "Clara Sample", 4, 62, False, 1.0),
        *((f"Study {n}", "Emil Muster", 10 + n, 55 + n, n % 2 == 0, 0.5 + n % 3 / 2) for n in range(12)),
    ]
    for i, (title, composer, *how) in enumerate(works):
        data = write_midi(tune(*how, bars=8 + i), {"title": title, "composer": composer})
        (folder / f"piece {i}.mid").write_bytes(data)
    (folder / "broken.mid").write_bytes(b"MThd\0\0\0\6\0\1\0\1")


@contextmanager
def served(library: Path, weights: Path, port: int | None = None, password: str | None = None) -> Iterator[str]:
    """A library served as a page until the block ends; its address."""
    import uvicorn
    from mmbert_ui.page import build_app
    from mmbert_ui.server import listen

    from mmbert.api import Library

    listening: socket.socket = listen("127.0.0.1", port)
    app = build_app(Library.open(library, weights), password=password)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
        assert thread.is_alive(), "the page did not start"
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
        listening.close()


def wrongs(page, url: str) -> list[str]:
    """Fills, while the page lives, with every outside request, dialog, page error and console error."""
    wrong: list[str] = []
    host = urlsplit(url).netloc

    def request(r) -> None:
        if urlsplit(r.url).netloc != host and not r.url.startswith(("data:", "blob:")):
            wrong.append(f"outside request: {r.url}")

    def console(message) -> None:
        harmless = HARMLESS_404 in str(message.location) or message.text.startswith(LEAVING)
        if message.type == "error" and not harmless:
            wrong.append(f"console: {message.text} {message.location}")

    page.on("request", request)
    page.on("console", console)
    page.on("pageerror", lambda e: wrong.append(f"page error: {e}"))
    page.on("dialog", lambda d: (wrong.append(f"dialog: {d.message}"), d.dismiss()))
    return wrong


def search(page, words: str) -> None:
    page.fill("#mm-words input", words)
    page.press("#mm-words input", "Enter")
    arrived(page, f"“{words}”")


def arrived(page, text: str) -> None:
    """Wait until the summary of an answer says ``text``."""
    page.wait_for_function(
        """text => document.querySelector('.mm-search')?.dataset.state === 'hits'
           && !document.querySelector('.mm-search').hasAttribute('aria-busy')
           && document.querySelector('.mm-summary').textContent.includes(text)""",
        arg=text,
    )


def sideways(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def texts(page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()
