"""The wheel, built from the sdist, holds exactly our packages, the weights and the demo library, and works alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """sdist -> wheel, with the build backend that is installed (no network)."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(out.glob("*.whl"))


def test_top_level_names_are_exactly_ours(wheel):
    names = {n.split("/")[0] for n in zipfile.ZipFile(wheel).namelist()}
    assert {n for n in names if not n.endswith(".dist-info")} == {
        "mmbert",
        "mmbert_indexer",
        "mmbert_training",
        "mmbert_ui",
    }


def test_every_source_file_and_data_file_is_in_the_wheel(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for source in ("mmbert", "indexer/mmbert_indexer", "training/mmbert_training", "ui/mmbert_ui"):
        tracked = subprocess.run(
            ["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        package = source.split("/")[-1]
        assert {package + t[len(source) :] for t in tracked} - inside == set()


def test_weights_and_demo_library_load_from_the_installed_wheel_in_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    program = (
        "import sys, mmbert, zipfile\n"
        f"assert mmbert.__file__.startswith({str(site)!r}), mmbert.__file__\n"
        "from mmbert.embed import Embedder\n"
        "from mmbert_ui.demo import demo_zip\n"
        "vector = Embedder.from_pretrained().embed_texts(['a lively jig'])\n"
        "print(vector.shape, len(zipfile.ZipFile(demo_zip()).namelist()) > 400)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=empty,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(empty)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "(1, 256) True"


def test_the_checkout_stays_small():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    sizes = {p: (ROOT / p.decode()).stat().st_size for p in tracked if p and (ROOT / p.decode()).is_file()}
    assert sum(sizes.values()) <= 40 * 2**20
    assert sum(s for p, s in sizes.items() if b"/pretrained/" in p) <= 16 * 2**20
    assert sum(s for p, s in sizes.items() if p.endswith(b"demo/library.zip")) <= 6 * 2**20
