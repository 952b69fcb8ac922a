"""A library of ten tunes, built once, and copied by the tests that break it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "indexer"))  # for fake_library

from fake_library import FakeEmbedder, midi, write_folder
from mmbert_indexer.build import build_library

from mmbert.store import Generation, open_library


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of two generations; the second has one piece more."""
    folder = tmp_path_factory.mktemp("store")
    music = write_folder(folder / "music", 9)
    build_library(folder / "library", [music], FakeEmbedder())
    (music / "MoonlightSonata_op27.mid").write_bytes(
        midi(90, title="Mondschein", composer="Antonín Dvořák", form="waltz")
    )
    build_library(folder / "library", [music], FakeEmbedder())
    return folder / "library"


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    """A copy to be broken."""
    return Path(shutil.copytree(built, tmp_path / "library"))


@pytest.fixture(scope="session")
def generation(built: Path) -> Generation:
    return open_library(built).current()
