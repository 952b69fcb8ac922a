"""What may be installed, and how it is pinned."""

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("package", ["torchaudio", "torchvision", "tensorflow", "torchcodec", "encodec"])
def test_packages_that_break_this_torch_are_absent(package):
    assert find_spec(package) is None
    assert normal(package) not in {normal(p) for p in PINS}


def test_torch_is_pinned_alike_everywhere_and_without_a_local_label():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"torch==([\d.]+)", makefile) == [PINS["torch"]]
    assert "+" not in PINS["torch"]


def test_only_one_faiss_is_ever_installed():
    extras = PROJECT["optional-dependencies"]
    holders = {name for name, needs in extras.items() if any(n.startswith("faiss") for n in needs)}
    assert holders == {"cpu", "gpu"}
    assert not any(n.startswith("faiss") for n in PROJECT["dependencies"])
    assert "faiss-gpu" not in PINS


def test_every_direct_dependency_is_pinned():
    wanted = PROJECT["dependencies"] + [
        need
        for name, needs in PROJECT["optional-dependencies"].items()
        if name not in ("gpu", "scale")
        for need in needs
    ]
    pinned = {normal(p) for p in PINS}
    assert {normal(re.split(r"[<>=\[; ]", need)[0]) for need in wanted} - pinned == set()


def test_no_pin_names_a_place():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line)] == []
