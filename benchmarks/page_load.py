"""How long people wait for a served library: one of them, then eight at once, on the page's own way and the plain one.

    python benchmarks/page_load.py LIBRARY [--weights DIR] [--users 8] [--count 40] [--seconds 60] [--json]

Serves LIBRARY on this machine and asks it over the loopback: through the page's queue (join, then the stream, as the
browser does) and through /api/search. Every question is another one, so that no vector is remembered. Each user asks
the next question when the last is answered, ``--count`` of them and for ``--seconds`` at most. The one who asks runs
on the same cores.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode, urlsplit

from mmbert.console import print_json

ADJECTIVES = ("slow", "lively", "sad", "bright", "gentle", "solemn", "quick", "calm", "proud", "dark")
FORMS = ("hymn", "jig", "waltz", "march", "song", "reel", "fugue", "lullaby", "dance", "quartet")
KEYS = ("C major", "D major", "G major", "A minor", "E minor", "F major", "B flat major", "D minor")
PLACES = ("in the evening", "by the sea", "for two voices", "in winter", "for dancing", "at a wedding", "with a drone")
WARM_UP = 5


def questions() -> Iterator[str]:
    """Different ones, in the same order every time."""
    for place, key, form, adjective in itertools.product(PLACES, KEYS, FORMS, ADJECTIVES):
        yield f"a {adjective} {form} in {key} {place}"


class Asker:
    """One user, with a connection of his own.

    Args:
        url: Where the page is.
        event: ``(function, component)`` of the page's own event, from its configuration.
        name: Of the user's session.
    """

    def __init__(self, url: str, event: tuple[int, int], name: str) -> None:
        self.host, self.event, self.name, self.serial = urlsplit(url).netloc, event, name, 0
        self.joined, self.streamed = (http.client.HTTPConnection(self.host, timeout=120) for _ in range(2))

    def plain(self, words: str) -> int:
        """Hits that /api/search gives."""
        self.joined.request("GET", f"/api/search?{urlencode({'q': words})}")
        return len(self._json()["hits"])

    def page(self, words: str) -> int:
        """Cards that the page gets."""
        self.serial += 1
        function, component = self.event
        body = {
            "data": [], "fn_index": function, "trigger_id": component, "session_hash": self.name,
            "event_data": {"words": words, "where": [], "like": None, "limit": 10, "serial": self.serial},
        }  # fmt: skip
        headers = {"Content-Type": "application/json"}
        self.joined.request("POST", "/gradio_api/queue/join", json.dumps(body), headers)
        wanted = self._json()["event_id"]
        self.streamed.request("GET", f"/gradio_api/queue/data?session_hash={self.name}")
        cards = -1
        with self.streamed.getresponse() as stream:
            for line in stream:
                if not line.startswith(b"data:"):
                    continue
                message = json.loads(line[5:])
                if message.get("event_id") == wanted and message["msg"] == "process_completed":
                    cards = len(message["output"]["data"][0]["cards"])
        return cards

    def _json(self) -> Any:
        answer = self.joined.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {data[:200]!r}")
        return json.loads(data)


def own_event(url: str) -> tuple[int, int]:
    """The event of the page that asks a question."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", "/config")
    config = json.loads(connection.getresponse().read())
    (asks,) = [d for d in config["dependencies"] if d["trigger_mode"] == "always_last"]
    return asks["id"], asks["targets"][0][0]


def load(askers: list[Asker], way: str, asked: Iterator[str], count: int, seconds: float) -> dict[str, Any]:
    """Ask at once; milliseconds of each answer."""
    taken: list[float] = []
    wrong: list[str] = []
    lock, until = threading.Lock(), time.monotonic() + seconds
    for asker in askers:  # a server hangs up on who was silent for some seconds
        asker.joined.close()
        asker.streamed.close()

    def ask(function: Callable[[str], int]) -> None:
        for _ in range(count):
            with lock:
                words = next(asked)
            begin = time.perf_counter()
            try:
                hits = function(words)
            except Exception as e:
                hits, fault = -1, repr(e)
            else:
                fault = f"{hits} hits for {words!r}"
            with lock:
                taken.append((time.perf_counter() - begin) * 1000)
                if hits < 1:
                    wrong.append(fault)
            if time.monotonic() > until:
                break

    begin = time.perf_counter()
    threads = [threading.Thread(target=ask, args=(getattr(asker, way),)) for asker in askers]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wall = time.perf_counter() - begin
    p95 = quantiles(taken, n=20)[-1] if len(taken) > 1 else taken[0]
    return {
        "users": len(askers),
        "answers": len(taken),
        "p50_ms": round(median(taken), 1),
        "p95_ms": round(p95, 1),
        "answers_a_second": round(len(taken) / wall, 1),
        "wrong": wrong[:5],
    }


def measure(url: str, users: int, count: int, seconds: float) -> dict[str, Any]:
    """Both ways, one user and many."""
    event, asked = own_event(url), questions()
    askers = [Asker(url, event, f"load{os.getpid()}x{n}") for n in range(users)]
    out: dict[str, Any] = {}
    for way in ("page", "plain"):
        load(askers[:1], way, asked, WARM_UP, seconds)
        one = load(askers[:1], way, asked, count, seconds)
        many = load(askers, way, asked, max(1, count // 2), seconds)
        out[way] = {"one": one, "many": many, "ratio_p50": round(many["p50_ms"] / one["p50_ms"], 2)}
    return out


def main() -> int:
    """Serve, ask, print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--count", type=int, default=40, help="questions of the one user; each of many asks half")
    parser.add_argument("--seconds", type=float, default=60, help="at most, of each of the four runs")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    command = [sys.executable, "-m", "mmbert", "serve", str(args.library), "--json"]
    command += ["--weights", args.weights] if args.weights else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = json.loads(server.stdout.readline())  # type: ignore[union-attr]  # it is a pipe
            found = {"pieces": said["pieces"]} | measure(said["url"], args.users, args.count, args.seconds)
        finally:
            server.terminate()
    if args.json:
        print_json(found)
    else:
        print(f"{found['pieces']:,} pieces")
        for way in ("page", "plain"):
            for run in (found[way]["one"], found[way]["many"]):
                faults = f", {len(run['wrong'])} wrong: {run['wrong'][0]}" if run["wrong"] else ""
                print(
                    f"{way:<6}{run['users']} at once: p50 {run['p50_ms']:>7.1f} ms, p95 {run['p95_ms']:>7.1f} ms, "
                    f"{run['answers_a_second']:>5.1f} answers/s ({run['answers']} answers{faults})"
                )
            print(f"{'':<6}ratio of p50: {found[way]['ratio_p50']}")
    return int(any(found[way][run]["wrong"] for way in ("page", "plain") for run in ("one", "many")))


if __name__ == "__main__":
    sys.exit(main())
