"""A real library behind a real server on a free port: curl, gradio_client and the command line get the same answers."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from gradio_client import Client

from mmbert.api import Library
from mmbert.cli import main
from mmbert.items import write_midi
from tests.ui.conftest import melody

HTTP = (Path(__file__).parents[2] / "docs" / "HTTP.md").read_text("utf-8")
JIG = "X:1\nT:{title}\nR:jig\nM:6/8\nL:1/8\nK:{key}\n|:DFA dfa|gec ABc|dAF DFA|BGE d3:|\n"
SECRET = "correct horse"


def write_tune(folder: Path, n: int) -> None:
    notes = [60 + (i * (n + 2)) % 12 for i in range(16 + 8 * n)]
    (folder / f"tune {n}.mid").write_bytes(write_midi(melody(notes), {"title": f"Slow tune {n}", "composer": "Ann"}))


def serve(app) -> tuple[str, threading.Event]:
    """Serve on a free port until the event is set."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
        assert thread.is_alive()
    stop = threading.Event()

    def end() -> None:
        stop.wait()
        server.should_exit = True
        thread.join(10)

    threading.Thread(target=end, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", stop


class Home:
    """A folder of music and its library."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self.music, self.library, self.weights = folder / "Music", folder / "library", weights
        self.music.mkdir()
        for n in range(6):
            write_tune(self.music, n)
        (self.music / "jig.abc").write_text(JIG.format(title="The Green Door", key="D"))
        self.build()

    def build(self) -> None:
        from mmbert_indexer.build import build_library

        from mmbert.embed import Embedder

        build_library(self.library, [self.music], Embedder.from_pretrained(self.weights))


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny_weights) -> Home:
    return Home(tmp_path_factory.mktemp("home"), tiny_weights)


@pytest.fixture(scope="module")
def site(home, tmp_path_factory) -> Iterator[str]:
    from mmbert_ui.page import build_app

    with pytest.MonkeyPatch.context() as m:
        m.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        url, stop = serve(build_app(Library.open(home.library, home.weights)))
        yield url
        stop.set()


@pytest.fixture(scope="module")
def locked(home, tmp_path_factory) -> Iterator[str]:
    from mmbert_ui.page import build_app

    with pytest.MonkeyPatch.context() as m:
        m.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        url, stop = serve(build_app(Library.open(home.library, home.weights), password=SECRET))
        yield url
        stop.set()


def get(url: str, headers: dict[str, str] | None = None) -> dict:
    with urlopen(Request(url, headers=headers or {})) as answer:
        return json.load(answer)


def status(url: str, headers: dict[str, str] | None = None) -> int:
    try:
        with urlopen(Request(url, headers=headers or {})) as answer:
            return answer.status
    except HTTPError as e:
        return e.code


def command_line(home: Home, *words: str) -> dict:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["search", str(home.library), *words, "--weights", str(home.weights), "--json"]) == 0
    return json.loads(out.getvalue())


def below(answer: dict, music: Path) -> dict:
    """An answer of the command line with its paths as the server tells them."""
    return answer | {"hits": [h | {"path": h["path"].replace(str(music), music.name)} for h in answer["hits"]]}


def named(answer: dict) -> dict:
    """An answer of the routes as gradio_client gets it."""
    return json.loads(json.dumps(answer).replace('"path":', '"file":'))


# ---- the same answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "where"), [("slow tune", []), ("a jig in D major", ["parts<3"]), ("ann", [])])
def test_routes_gradio_client_and_the_command_line_agree(site, home, words, where):
    options = [o for w in where for o in ("--where", w)]
    typed = below(command_line(home, words, "--limit", "5", *options), home.music)
    fields = "".join(f"&where={quote(w)}" for w in where)
    plain = get(f"{site}/api/search?q={quote(words)}&limit=5{fields}")
    client = Client(site, verbose=False)
    assert plain["hits"]
    assert plain == typed
    assert client.predict(words, "; ".join(where), 5, api_name="/search") == named(plain)


def test_similar_and_piece_agree_too(site, home):
    hit = get(f"{site}/api/search?q=jig&limit=1")["hits"][0]
    plain = get(f"{site}/api/similar/{hit['id']}?limit=3")
    typed = command_line(home, "--like", hit["id"], "--limit", "3")
    assert plain == below(typed, home.music)
    client = Client(site, verbose=False)
    assert client.predict(hit["id"], "", "", 3, api_name="/similar") == named(plain)
    piece = get(f"{site}/api/piece/{hit['id']}")
    assert client.predict(hit["id"], api_name="/piece") == named(piece)
    assert piece["facets"] == hit["facets"]
    assert piece["path"] == "Music/jig.abc"


def test_many_at_once_get_what_each_gets_alone(site):
    asked = [f"q={quote(w)}&limit=7" for w in ("slow tune", "jig", "a tune in D major", "ann", "sad and low", "3")]
    alone = [get(f"{site}/api/search?{a}") for a in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda n: get(f"{site}/api/search?{asked[n % len(asked)]}"), range(48)))
    for n, answer in enumerate(together):
        expected = alone[n % len(asked)]
        assert [h["id"] for h in answer["hits"]] == [h["id"] for h in expected["hits"]]
        assert [h["why"] for h in answer["hits"]] == [h["why"] for h in expected["hits"]]


def test_every_public_name_is_one_of_ours(site):
    names = get(f"{site}/gradio_api/info")["named_endpoints"]
    assert set(names) == {"/search", "/similar", "/piece", "/same"}


# ---- the documentation ------------------------------------------------------------------------------------


def test_the_lines_of_the_documentation_run(site, tmp_path):
    if shutil.which("curl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("curl is not installed; under CI=true a skipped test is a failure")
        pytest.skip("curl is not installed")
    script = "\n".join(re.findall(r"^```bash\n(.*?)^```", HTTP, re.M | re.S))
    script = script.replace("http://127.0.0.1:7860", site)
    run = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "piece.mid").read_bytes()
    assert done.stdout.rstrip().endswith("304")
    assert '"subject"' in done.stdout


def test_the_python_of_the_documentation_runs(site):
    for code in re.findall(r"^```python\n(.*?)^```", HTTP, re.M | re.S):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "HTTP.md", "exec"), {"SITE": site})
        assert printed.getvalue().strip()


def test_every_route_for_programs_is_documented(site):
    from mmbert_ui.programs import Question
    from mmbert_ui.programs_melody import TuneQuestion
    from mmbert_ui.suggesting import Wish

    assert set(re.findall(r"`/(\w+)[^`]*`", HTTP)) >= {"api", "roll", "sound", "download", "alive"}
    fields = {name for model in (Question, Wish, TuneQuestion) for name in model.model_fields}
    assert set(re.findall(r"^\| `(\w+)` \|", HTTP, re.M)) == fields


# ---- the password -----------------------------------------------------------------------------------------


def test_clients_get_in_with_the_password_alone(locked):
    header = {"Authorization": "Basic " + base64.b64encode(f"any:{SECRET}".encode()).decode()}
    assert status(f"{locked}/api/search?q=jig") == 401
    assert status(f"{locked}/api/search?q=jig", header) == 200
    with pytest.raises(Exception, match=r"401|Could not"):
        Client(locked, verbose=False)
    found = Client(locked, headers=header, verbose=False).predict("jig", "", 2, api_name="/search")
    assert len(found["hits"]) == 2
    found = Client(locked, httpx_kwargs={"auth": ("any", SECRET)}, verbose=False)
    assert len(found.predict("jig", "", 2, api_name="/search")["hits"]) == 2


# ---- builds while it is served ----------------------------------------------------------------------------


def test_a_build_is_served_within_seconds_while_requests_run_and_what_is_gone_is_not_found(site, home):
    gone = next(h for h in get(f"{site}/api/search?q=slow+tune&limit=50")["hits"] if h["title"] == "Slow tune 0")["id"]
    assert status(f"{site}/roll/{gone}.json") == 200
    stop, seen, wrong = threading.Event(), set(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                seen.add(len(get(f"{site}/api/search?q=slow+tune&limit=100")["hits"]))
                get(f"{site}/library.json")
            except Exception as e:
                wrong.append(e)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for t in askers:
        t.start()
    (home.music / "tune 0.mid").unlink()
    for n in (10, 11, 12):
        write_tune(home.music, n)
    home.build()
    until = time.monotonic() + 30
    while 9 not in seen and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    for t in askers:
        t.join()
    assert wrong == []
    assert seen == {7, 9}
    for address in ("/api/piece/{}", "/api/similar/{}", "/api/search?like={}", "/roll/{}.json", "/download/{}"):
        assert status(site + address.format(gone)) == 404, address
    assert get(f"{site}/library.json")["pieces"] == 9
    assert get(f"{site}/settings.json")["pieces"] == 9
