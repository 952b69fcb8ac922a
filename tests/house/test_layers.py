"""Imports go one way: ui and training -> indexer -> mmbert; heavy packages stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {
    "mmbert": ROOT / "mmbert",
    "mmbert_indexer": ROOT / "indexer" / "mmbert_indexer",
    "mmbert_training": ROOT / "training" / "mmbert_training",
    "mmbert_ui": ROOT / "ui" / "mmbert_ui",
}
MAY_IMPORT = {
    "mmbert": set(),
    "mmbert_indexer": {"mmbert"},
    "mmbert_training": {"mmbert", "mmbert_indexer"},
    "mmbert_ui": {"mmbert", "mmbert_indexer"},
}
# Inside the library torch may be imported here alone.
TORCH_ROOMS = ("mmbert/model/", "mmbert/objectives/", "mmbert/embed.py", "mmbert/text/", "mmbert/audio/")


def imported(path: Path) -> list[tuple[str, bool]]:
    """(dotted name, only for type checkers) of every import in a file, relative ones resolved to their package."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for n in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(a.name, id(node) in typing_only) for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.append((node.module, id(node) in typing_only))
    return found


def files(room: str) -> list[Path]:
    return sorted(ROOMS[room].rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(room)
        for name, _ in imported(path)
        if (top := name.split(".")[0]) in ROOMS and top != room and top not in MAY_IMPORT[room]
    ]
    assert wrong == []


def test_torch_is_imported_only_where_models_live():
    wrong = [
        str(path.relative_to(ROOT))
        for path in files("mmbert")
        for name, typing_only in imported(path)
        if name.split(".")[0] in ("torch", "transformers", "sentence_transformers")
        and not typing_only
        and not str(path.relative_to(ROOT)).startswith(TORCH_ROOMS)
    ]
    assert wrong == []


def test_nothing_in_the_library_imports_its_public_class():
    commands = ("search", "complete", "accompany")
    allowed = {"mmbert/__init__.py", *(f"mmbert/commands/{name}.py" for name in commands)}
    wrong = [
        str(path.relative_to(ROOT))
        for path in files("mmbert")
        for name, typing_only in imported(path)
        if name == "mmbert.api" and not typing_only and str(path.relative_to(ROOT)) not in allowed
    ]
    assert wrong == []


def test_what_reads_files_asks_nothing_of_a_library():
    """Reading processes are small: what they import is not what answers questions."""
    reading = [path for room in ("items", "symbolic", "audio") for path in (ROOMS["mmbert"] / room).glob("*.py")]
    reading += [ROOMS["mmbert_indexer"] / f"{name}.py" for name in ("reading", "wire", "worker")]
    above = ("mmbert.retrieval", "mmbert.store", "mmbert.embed", "mmbert.api")
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in reading
        for name, typing_only in imported(path)
        if name.startswith(above) and not typing_only
    ]
    assert wrong == []


def test_source_roots_are_no_packages():
    assert [p for p in ("indexer", "training", "ui", "tests") if (ROOT / p / "__init__.py").exists()] == []


def test_nothing_is_pickled():
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for room in ROOMS
        for path in files(room)
        for name, _ in imported(path)
        if name.split(".")[0] in ("pickle", "dill", "joblib", "cloudpickle", "shelve")
    ]
    assert wrong == []


@pytest.mark.parametrize("argument", ["-c import mmbert", "-m mmbert --help", "-m mmbert search --help"])
def test_import_and_help_load_nothing_heavy(argument):
    flag, rest = argument.split(" ", 1)
    command = [rest] if flag == "-c" else rest.split(" ")
    probe = subprocess.run(
        [sys.executable, "-X", "importtime", flag, *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert probe.returncode == 0, probe.stderr[-2000:]
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in probe.stderr.splitlines() if "|" in line}
    assert loaded.isdisjoint(
        {"torch", "transformers", "sentence_transformers", "gradio", "faiss", "symusic", "music21"}
    )
