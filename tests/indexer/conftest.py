"""A folder of five tunes and a library built from it with a model that costs nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for fake_library, which subprocesses import as well

from fake_library import FakeEmbedder, write_folder


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "music")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return tmp_path / "library"


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture(autouse=True)
def read_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of builds of five files: only those that are about reading processes start some."""
    if "workers" not in request.node.path.name:
        monkeypatch.setattr("mmbert_indexer.build.default_workers", lambda: 0)
