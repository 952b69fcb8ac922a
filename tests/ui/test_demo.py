"""The demo library: unpacked with care, built once, built again when it must be."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from mmbert_ui import demo

from mmbert.errors import LibraryError
from mmbert.items import write_midi
from tests.ui.conftest import melody


def archive(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as z:
        for name, data in names.items():
            z.writestr(name, data)
    return path


def tunes(count: int) -> dict[str, bytes]:
    return {
        f"music/t{i}.mid": write_midi(melody([60 + i, 62, 64, 65] * (4 + i)), {"title": f"Tune {i}"})
        for i in range(count)
    } | {"licences/LICENSE.txt": b"free"}


def test_it_is_built_once_and_again_when_the_music_changes(tmp_path, tiny_weights):
    from mmbert.api import Library

    said: list[str] = []
    first = archive(tmp_path / "a.zip", tunes(2))
    library = demo.prepare(tmp_path / "demo", said.append, str(tiny_weights), first)
    with Library.open(library, tiny_weights) as opened:
        assert {p.title for p in opened.pieces()} == {"Tune 0", "Tune 1"}
        assert opened.rejects() == []
    assert any("Unpacking" in line for line in said)
    said.clear()
    assert demo.prepare(tmp_path / "demo", said.append, str(tiny_weights), first) == library
    assert said == []
    demo.prepare(tmp_path / "demo", said.append, str(tiny_weights), archive(tmp_path / "b.zip", tunes(3)))
    with Library.open(library, tiny_weights) as opened:
        assert len(opened) == 3


def test_a_library_that_was_broken_is_built_again(tmp_path, tiny_weights):
    source = archive(tmp_path / "a.zip", tunes(2))
    library = demo.prepare(tmp_path / "demo", lambda line: None, str(tiny_weights), source)
    (library / "CURRENT").unlink()
    for generation in (library / "generations").iterdir():
        (generation / "MANIFEST.json").unlink()
    demo.prepare(tmp_path / "demo", lambda line: None, str(tiny_weights), source)
    assert demo._is_sound(library)


@pytest.mark.parametrize(
    "name", ["../out.mid", "/tmp/out.mid", "music/../../out.mid", "music\\..\\..\\out.mid", "C:/x"]
)
def test_an_archive_that_points_outside_is_refused_and_writes_nothing(tmp_path, name):
    source = archive(tmp_path / "a.zip", {name: b"x"})
    with pytest.raises(LibraryError, match="outside"):
        demo.unpack(source, tmp_path / "in" / "files")
    assert list(tmp_path.rglob("*.mid")) == []


def test_links_too_many_bytes_and_damage_are_refused(tmp_path, monkeypatch):
    link = zipfile.ZipInfo("music/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr(link, "/etc/passwd")
    with pytest.raises(LibraryError, match="outside"):
        demo.unpack(tmp_path / "a.zip", tmp_path / "files")
    source = archive(tmp_path / "b.zip", {"music/a.mid": b"x" * 100})
    monkeypatch.setattr(demo, "MOST_BYTES", 99)
    with pytest.raises(LibraryError, match="more than"):
        demo.unpack(source, tmp_path / "files")
    (tmp_path / "c.zip").write_bytes(b"PK nothing")
    with pytest.raises(LibraryError, match="damaged"):
        demo.unpack(tmp_path / "c.zip", tmp_path / "files")


def test_a_missing_archive_and_a_folder_that_is_a_file_are_said(tmp_path):
    with pytest.raises(LibraryError, match="is missing"):
        demo.prepare(tmp_path / "demo", print, None, tmp_path / "none.zip")
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="--folder"):
        demo.prepare(tmp_path / "file" / "demo", print, None, archive(tmp_path / "a.zip", tunes(1)))


def test_the_archive_that_comes_with_mmbert_is_safe_and_has_the_music():
    with zipfile.ZipFile(demo.demo_zip()) as z:
        members = demo.checked(demo.demo_zip(), z.infolist())
    assert sum(m.filename.startswith(f"{demo.MUSIC}/") for m in members) >= 400


def test_the_data_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert demo.default_folder() == tmp_path / "mmbert" / "demo"
