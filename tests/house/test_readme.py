"""What README.md tells people to type runs: commands and Python, over a small library, with the released weights."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmbert.cli import COMMANDS, help_text, main
from mmbert.facets import FACETS
from mmbert.items import load_items, write_midi
from mmbert.model.checkpoint import default_weights
from mmbert.symbolic.score import Score
from mmbert.symbolic.tune_line import tune_line

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
MUSIC = ROOT / "tests" / "data"
_RATE = 22_050
TUNE = "X:1\nT:{title}\nR:jig\nM:6/8\nL:1/8\nK:{key}\n|:DFA dfa|gec ABc|dAF DFA|BGE {end}:|\n\n"
released = pytest.mark.skipif(
    not (default_weights() / "model.safetensors").is_file(), reason="the released weights are not in the repository yet"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a folder Music and files tune.mid, concert.ogg and hummed.wav, as README speaks of them."""
    home = tmp_path_factory.mktemp("home")
    music = home / "Music"
    music.mkdir()
    keys = (("The Green Door", "D", "D3"), ("Morning Ferry", "G", "G3"), ("Salt Road", "Am", "A3"))
    tunes = [TUNE.format(title=title, key=key, end=end) for title, key, end in keys]
    (music / "jigs.abc").write_text("".join(tunes), "utf-8")
    for name in ("waltz.mid", "waltz.txt", "hymn.mxl"):
        (music / name).write_bytes((MUSIC / name).read_bytes())
    tune = next(iter(load_items(music / "jigs.abc")))
    assert tune.score is not None
    (home / "tune.mid").write_bytes(write_midi(tune.score, tune.metadata))
    t = np.arange(5 * 16_000) / 16_000
    steps = 440 * 2 ** (np.floor(3 * t) % 5 / 6)  # a whole-tone scale, three notes a second
    soundfile.write(home / "concert.ogg", 0.3 * np.sin(2 * np.pi * np.cumsum(steps) / 16_000), 16_000)
    soundfile.write(home / "hummed.wav", plucked(tune.score), _RATE)
    return home


def plucked(score: Score) -> np.ndarray:
    """The melody of a score, one plucked note after the other, float32 [samples]."""
    line = tune_line(score)
    onset = np.rint(line["second"] * _RATE).astype(int)
    tones = []
    for samples, pitch in zip(np.diff(onset, append=onset[-1] + _RATE).tolist(), line["pitch"].tolist()):
        t = np.arange(samples) / _RATE
        tone = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * t) / k for k in range(1, 6))
        tones.append(0.15 * tone * np.exp(-2 * t))
    return np.concatenate(tones)


def commands() -> list[str]:
    """Lines of README that run mmbert, without their remarks."""
    lines = re.findall(r"^ {4}(mmbert .*)$", README, re.M)
    return [line.split("   ")[0].strip() for line in lines]


def typed(line: str, home: Path) -> list[str]:
    """What a shell makes of a line."""
    return [str(home) + word[1:] if word.startswith("~") else word for word in shlex.split(line)][1:]


@released
def test_the_commands_and_the_python_run_in_their_order(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    for line in commands():
        words = typed(line, home)
        if words[0] == "serve":
            continue  # it would not end: below
        assert main(words) == 0, (line, capsys.readouterr().err)
    out = capsys.readouterr().out
    assert "like it:" in out  # the search by example said why
    code = re.search(r"^```python\n(.*?)^```", README, re.M | re.S)
    assert code is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code[1], "README.md", "exec"), {})
    lines = printed.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [str(n) for n in range(1, len(lines) + 1)]
    assert "The Green Door" in lines[0]  # the only jig in D major


@released
def test_serve_opens_the_page_of_the_library(home: Path) -> None:
    line = next(line for line in commands() if line.startswith("mmbert serve"))
    library = Path(typed(line, home)[1])
    assert main(["index", "build", str(library), str(home / "Music")]) == 0
    env = os.environ | {"HOME": str(home)}
    args = [sys.executable, "-m", "mmbert", *typed(line, home), "--json"]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=home) as page:
        assert page.stdout is not None
        assert '"pieces": 5' in page.stdout.readline()
        page.send_signal(signal.SIGINT)
        page.communicate(timeout=60)


def test_every_command_and_option_that_is_named_exists(capsys: pytest.CaptureFixture[str]) -> None:
    named = set(re.findall(r"\bmmbert ([a-z]+)\b(?= |`)", "\n".join(re.findall(r"`[^`\n]+`|^ {4}.+$", README, re.M))))
    assert named - {"index"} <= set(COMMANDS)
    helps = help_text()
    for name in ("search", "complete", "accompany", "show", "embed", "serve", "train", "eval"):
        main([name, "--help"])
    main(["index", "build", "--help"])
    helps += capsys.readouterr().out
    options = set(re.findall(r"(?<=[ `(])--[a-z]+", re.sub(r"^ {4}pip .*$", "", README, flags=re.M)))
    assert options
    assert [o for o in sorted(options) if o not in helps] == []


def test_the_facets_that_are_listed_are_those_that_are_measured() -> None:
    listed = re.search(r"Facets: `([^`]+)`", README)
    assert listed is not None
    assert listed[1].split() == list(FACETS)
