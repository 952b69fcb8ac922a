"""Which reader a file gets, what is refused and in which words, descriptions beside pieces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmbert.errors import ItemError
from mmbert.items import LIMITS, SUFFIXES, Limits, load_items
from mmbert.items.reader import READERS

DATA = Path(__file__).parents[2] / "data"


def refusal(path: Path, limits: Limits = LIMITS) -> ItemError:
    with pytest.raises(ItemError) as caught:
        list(load_items(path, limits=limits))
    return caught.value


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_the_data_are_what_their_script_writes(tmp_path):
    import importlib.util

    spec = importlib.util.spec_from_file_location("make_data", DATA / "make_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path in module.make(tmp_path):
        assert path.read_bytes() == (DATA / path.name).read_bytes(), path.name


def test_every_format_gives_an_item_with_its_key():
    for name, count in (("book.abc", 2), ("waltz.mid", 1), ("hymn.musicxml", 1), ("hymn.mxl", 1)):
        items = list(load_items(DATA / name, on_reject=lambda fault: None))
        assert len(items) == count
        assert all(i.kind == "score" and i.score is not None and len(i.source.sha256) == 64 for i in items)
        assert all(i.source.size == (DATA / name).stat().st_size for i in items)


def test_content_decides_over_the_suffix(tmp_path):
    for name, kind in (("waltz.mid", "Melody"), ("hymn.musicxml", "Women"), ("book.abc", "melody")):
        data = (DATA / name).read_bytes()
        for suffix in (".txt", ".mid", ".xml", ".wav", ".bin"):
            item = next(load_items(put(tmp_path, f"other{suffix}", data)))
            assert item.score.parts[0].name == kind


@pytest.mark.parametrize(
    ("name", "code"),
    [("a.mid", "E_NOT_MIDI"), ("a.musicxml", "E_NOT_MUSICXML"), ("a.mxl", "E_NOT_MUSICXML"), ("a.abc", "E_NOT_ABC"),
     ("a.mp3", "E_NOT_AUDIO"), ("a.WAV", "E_NOT_AUDIO"), ("a.pdf", "E_UNKNOWN_FORMAT")],
)  # fmt: skip
def test_text_under_another_name_is_refused_with_a_reason(tmp_path, name, code):
    fault = refusal(put(tmp_path, name, b"Dear diary, today I heard a fugue.\n"))
    assert fault.code == code
    assert name in str(fault)
    assert fault.hint


def test_an_empty_file_of_any_kind(tmp_path):
    for suffix in SUFFIXES:
        assert refusal(put(tmp_path, f"a{suffix}", b"")).code == "E_EMPTY_FILE"


def test_what_is_no_file(tmp_path):
    assert refusal(tmp_path / "gone.mid").code == "E_GONE"
    assert refusal(tmp_path).code == "E_NOT_FILE"
    os.mkfifo(tmp_path / "pipe.mid")
    assert refusal(tmp_path / "pipe.mid").code == "E_NOT_FILE"
    (tmp_path / "loop.mid").symlink_to("loop.mid")
    assert refusal(tmp_path / "loop.mid").code == "E_LINK_LOOP"
    assert all(refusal(p).stage == "scan" for p in (tmp_path, tmp_path / "pipe.mid"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = put(tmp_path, "a.mid", b"MThd")
    path.chmod(0)
    assert refusal(path).code == "E_PERMISSION"


def test_a_file_beyond_the_size_limit():
    assert refusal(DATA / "waltz.mid", Limits(file_bytes=100)).code == "E_FILE_LIMIT"


def test_a_text_describes_the_piece_of_its_stem(tmp_path):
    put(tmp_path, "w.mid", (DATA / "waltz.mid").read_bytes())
    text = put(tmp_path, "w.txt", "Für Élise’s sister.\n".encode())
    assert next(load_items(tmp_path / "w.mid")).metadata["description"] == "Für Élise’s sister."
    assert list(load_items(text)) == []


@pytest.mark.parametrize(("piece", "text"), [("w.mid", "w.TXT"), ("w.Mid", "w.txt"), ("w.MID", "w.Txt")])
def test_a_description_may_be_spelt_otherwise(tmp_path, piece, text):
    piece = put(tmp_path, piece, (DATA / "waltz.mid").read_bytes())
    text = put(tmp_path, text, b"A waltz.")
    assert next(load_items(piece)).metadata["description"] == "A waltz."
    assert list(load_items(text)) == []


def test_a_text_describes_every_tune_of_a_book(tmp_path):
    put(tmp_path, "b.abc", (DATA / "book.abc").read_bytes())
    put(tmp_path, "b.txt", "Caf\xe9".encode("latin-1"))
    found = [i.metadata["description"] for i in load_items(tmp_path / "b.abc", on_reject=lambda f: None)]
    assert found == ["Café", "Café"]


def test_a_long_description_is_cut(tmp_path):
    put(tmp_path, "w.mid", (DATA / "waltz.mid").read_bytes())
    put(tmp_path, "w.txt", b"a" * 300_000)
    assert len(next(load_items(tmp_path / "w.mid")).metadata["description"]) == LIMITS.text_bytes


def test_a_music_file_named_txt_is_no_description(tmp_path):
    put(tmp_path, "w.mid", (DATA / "waltz.mid").read_bytes())
    put(tmp_path, "w.txt", (DATA / "waltz.mid").read_bytes())
    assert "description" not in next(load_items(tmp_path / "w.mid")).metadata
    assert next(load_items(tmp_path / "w.txt")).kind == "score"


def test_a_text_without_a_piece_of_its_name_is_a_piece(tmp_path):
    words = "Für den Abend: a slow waltz.\n\nPlay it twice."
    (item,) = load_items(put(tmp_path, "evening.txt", words.encode()))
    assert (item.kind, item.text, item.score) == ("text", words, None)
    assert item.metadata == {"description": words}
    put(tmp_path, "evening.mid", (DATA / "waltz.mid").read_bytes())
    assert list(load_items(tmp_path / "evening.txt")) == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b" \n\t\n", "E_EMPTY"),
        (b"0.52 1.0 G:maj\n1.04 0.0 G:maj\n1.56 1.0 D:min\n", "E_NOT_WORDS"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 8, "E_NOT_WORDS"),
    ],
)
def test_a_text_file_without_words_is_refused(tmp_path, data, code):
    assert refusal(put(tmp_path, "a.txt", data)).code == code


@pytest.mark.parametrize("character", ["a", "é", "ř", "曲", "🎵"])
def test_a_long_text_is_cut_between_characters(tmp_path, character):
    (item,) = load_items(put(tmp_path, "a.txt", b"x" + f"{character}s".encode() * 300_000), limits=Limits())
    assert set(item.text) == set(f"x{character}s")
    assert LIMITS.text_bytes - 4 < len(item.text.encode()) <= LIMITS.text_bytes


def test_on_reject_takes_the_fault_of_a_file_too(tmp_path):
    faults = []
    assert list(load_items(put(tmp_path, "a.mid", b"no"), on_reject=faults.append)) == []
    assert [f.code for f in faults] == ["E_NOT_MIDI"]


def test_a_reader_that_breaks_gives_a_reason_not_a_traceback(tmp_path, monkeypatch):
    def broken(file):
        raise RuntimeError("stack of cards")
        yield

    monkeypatch.setattr(READERS[0], "read", broken)
    fault = refusal(DATA / "waltz.mid")
    assert fault.code == "E_DAMAGED"
    assert "stack of cards" in str(fault)


def test_awkward_names_survive(tmp_path):
    for name in ("a\nb.mid", "😀.mid", "x" * 240 + ".mid", os.fsdecode(b"caf\xe9.mid")):
        path = put(tmp_path, name, (DATA / "waltz.mid").read_bytes())
        assert next(load_items(path)).source.path == path
