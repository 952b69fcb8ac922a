"""The public class over a real library of eight tunes, with an embedder whose vectors follow the facets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmbert.api import Library
from mmbert.errors import ItemError, LibraryError, UsageError
from mmbert.items import load_items, write_midi
from mmbert.symbolic.transform import transpose


@pytest.fixture
def library(library_path: Path, embedder: object) -> Iterator[Library]:
    with Library.open(library_path) as opened:
        opened.__dict__["_embedder"] = embedder  # in place of the weights that it would load
        yield opened


def titles(answer: object) -> list[str]:
    return [hit.title for hit in answer.hits]  # type: ignore[attr-defined]


def test_words_find_what_they_describe(library: Library) -> None:
    answer = library.search("a lively jig in D major")
    assert titles(answer)[0] == "The Lilting Banshee"
    first = answer.hits[0]
    assert first.why.startswith("Fast")
    assert "no tempo is stated" in first.why
    assert "jig" in first.why
    assert first.rank == 1
    assert first.score == 1.0
    assert first.place.end_bar is not None
    assert not answer.nothing_fits


def test_the_reasons_of_two_hits_differ(library: Library) -> None:
    one, two = library.search("slow hymn in a minor key or a waltz", limit=2).hits
    assert one.why != two.why


def test_a_composer_and_a_title_asked_for_come_first(library: Library) -> None:
    assert set(titles(library.search("fast loud rock by Schubert"))[:2]) == {"Waltz in A minor", "An die Musik"}
    assert titles(library.search("amazing grace"))[0].startswith("Amazing Grace")


def test_versions_share_one_hit(library: Library) -> None:
    few = library.search("amazing grace", limit=2).hits
    assert len(few[0].versions) == 1
    assert few[0].versions[0] != few[1].id


def test_versions_name_each_other_where_every_piece_is_shown(library: Library) -> None:
    one, other = library.search("amazing grace", limit=100).hits[:2]
    assert (one.versions, other.versions) == ((other.id,), (one.id,))


def test_preferences_remove_nothing_and_exclusions_do(library: Library) -> None:
    everything = len(library)
    assert library.search("slow hymn in D minor for violin", limit=99).total == everything
    without = library.search("a march without drums", limit=99)
    assert without.total == everything - 2
    assert all(hit.facets.has_drums is False for hit in without.hits)
    assert library.search("waltz", where=["mode=minor"], limit=99).total < everything


def test_where_alone_needs_no_model(library_path: Path) -> None:
    with Library.open(library_path, weights="/nowhere") as opened:
        answer = opened.search(where=["instruments=violin"])
        assert [h.title for h in answer.hits] == ["Waltz in A minor"]
        assert answer.hits[0].similarity is None
        assert opened.search("key:D").hits[0].facets.key == "D"


def test_a_description_beside_the_file_is_found(library: Library) -> None:
    answer = library.search("prayer of thanks")
    assert answer.hits[0].title == "An die Musik"
    assert "description has “prayer thanks”" in answer.hits[0].why


def test_an_example_is_not_its_own_hit(library: Library, tunes: Path) -> None:
    jig = next(p for p in library.pieces() if p.title == "Kesh")
    for like in (jig.id, tunes / "jig-g.mid", next(iter(load_items(tunes / "jig-g.mid")))):
        answer = library.search(like=like)
        assert jig.id not in [h.id for h in answer.hits]
        assert answer.hits[0].title == "The Lilting Banshee"
        assert "“Kesh”" in answer.hits[0].why


def test_like_this_but_slower(library: Library, tunes: Path, tmp_path: Path) -> None:
    item = next(iter(load_items(tunes / "hymn.mid")))
    moved = tmp_path / "moved.mid"
    moved.write_bytes(write_midi(transpose(item.score, 2), {"title": "Grace"}))
    answer = library.search("like this, but faster", like=moved)
    (chip,) = answer.query.conditions
    assert (chip.facet, chip.operator, chip.hard) == ("pace", ">", False)
    example = library.piece(item.uid).facets
    assert answer.hits[0].facets.pace is not None
    assert answer.hits[0].facets.pace > (example.pace or 0)
    assert titles(library.search(like=moved))[0].startswith("Amazing Grace")


def test_nothing_fits_but_hits_stay(library: Library) -> None:
    answer = library.search("qqq zzz xxx")
    assert answer.nothing_fits
    assert len(answer.hits) > 0
    assert library.search("qqq zzz engine").nothing_fits  # one word of three in a title
    assert not library.search("zzz engine").nothing_fits


def test_a_limit_beyond_the_library_gives_all(library: Library) -> None:
    answer = library.search("jig", limit=10_000)
    assert sorted(h.id for h in answer.hits) == sorted(p.id for p in library.pieces())
    scores = [h.score for h in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= s <= 1 for s in scores)


@pytest.mark.parametrize("words", ["waltz", None])
def test_hits_come_in_the_order_asked_for(library: Library, words: str | None) -> None:
    def hits(order: str) -> list:
        return library.search(words, where=["parts>=1"], order=order, limit=99).hits

    best = hits("best")
    for order, key in (
        ("title", lambda hit: hit.title.casefold()),
        ("length", lambda hit: hit.facets.duration_s),
        ("tempo", lambda hit: hit.facets.tempo_bpm or 1e9),
    ):
        found = hits(order)
        assert {hit.id for hit in found} == {hit.id for hit in best}
        assert [key(hit) for hit in found] == sorted(key(hit) for hit in found)
        assert [hit.rank for hit in found] == list(range(1, len(found) + 1))
    composers = [hit.facets.composer for hit in hits("varied") if hit.facets.composer]
    assert len(set(composers[: len(set(composers))])) == len(set(composers))


def test_only_the_best_hits_are_arranged_where_words_compare(library: Library, monkeypatch) -> None:
    monkeypatch.setattr("mmbert.retrieval.order.BEST", 3)
    best = [hit.id for hit in library.search("slow waltz", limit=99).hits]
    by_title = [hit.id for hit in library.search("slow waltz", order="title", limit=99).hits]
    assert set(by_title) == set(best[:3])


def test_only_what_lies_in_a_folder(library: Library, tunes: Path) -> None:
    everything = library.search("waltz", folder=str(tunes), limit=99)
    assert everything.total == len(library)
    assert library.search(folder=str(tunes)[:-1]).total == 0
    assert library.search(modality="score").total == len(library)


def test_the_same_question_has_the_same_answer(library: Library) -> None:
    first, second = (library.search("slow waltz").to_json() for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_the_json_has_the_fields_that_are_promised(library: Library) -> None:
    out = library.search("waltz").to_json()
    assert list(out) == ["query", "understood", "nothing_fits", "notice", "hits"]
    names = "id rank similarity score path number title modality start_s end_s start_bar end_bar facets why versions"
    assert list(out["hits"][0]) == names.split()


@pytest.mark.parametrize(
    "asked",
    [
        {"words": ""},
        {"words": "  "},
        {"words": "jig", "limit": 0},
        {"words": "jig", "where": ["tempo<<3"]},
        {"words": "jig", "modality": "video"},
        {"like": "no-such-file.mid"},
    ],
)
def test_what_cannot_be_asked_is_named(library: Library, asked: dict) -> None:
    with pytest.raises(UsageError):
        library.search(**asked)


def test_an_example_that_is_no_music(library: Library, tunes: Path) -> None:
    with pytest.raises(ItemError):
        library.search(like=tunes / "broken.mid")


def test_other_weights_are_refused(library_path: Path, tiny_weights: Path) -> None:
    with Library.open(library_path, weights=tiny_weights) as opened, pytest.raises(LibraryError, match="f" * 8):
        opened.search("a jig")


def test_pieces_items_status_rejects(library: Library, tunes: Path) -> None:
    hymn = library.search("amazing grace").hits[0]
    assert library.piece(hymn.id).path == hymn.path
    assert library.item(hymn.id).uid == hymn.id
    assert {p.title for p in library.pieces(["form=jig"])} == {"The Lilting Banshee", "Kesh"}
    status = library.status()
    assert (status["pieces"], status["rejected"]) == (8, 1)
    (reject,) = library.rejects()
    assert reject["path"].endswith("broken.mid")
    with pytest.raises(UsageError):
        library.piece("nothing")


def test_a_piece_in_words_by_its_stored_vector_and_by_its_file(library: Library, tunes: Path) -> None:
    jig = next(p for p in library.pieces() if p.title == "The Lilting Banshee")
    found = library.describe(jig.id, limit=5)
    assert (found.id, found.path, found.number, found.title) == (jig.id, jig.path, 0, jig.title)
    assert found.sentence.startswith("A jig in D major, 6/8 time, fast (")
    assert {"jig", "major"} & {tag.words for tag in found.tags}
    assert [len(found.tags), len(found.phrases)] == [5, 5]
    assert any(tag.agrees for tag in found.tags)
    for like in (tunes / "jig-d.mid", next(iter(load_items(tunes / "jig-d.mid")))):
        other = library.describe(like, limit=5)
        assert (other.id, other.sentence, other.left_out) == (found.id, found.sentence, found.left_out)
        assert [t.words for t in other.tags] == [t.words for t in found.tags]
    with pytest.raises(UsageError):
        library.describe("nothing")
    with pytest.raises(ItemError):
        library.describe(tunes / "broken.mid")


def test_a_file_that_changed_is_not_taken_for_the_piece(tmp_path: Path, tunes: Path, embedder: object) -> None:
    from mmbert_indexer.build import build_library

    music = tmp_path / "music"
    music.mkdir()
    file = music / "a.mid"
    file.write_bytes((tunes / "march.mid").read_bytes())
    build_library(tmp_path / "library", [music], embedder)
    with Library.open(tmp_path / "library") as opened:
        (piece,) = opened.pieces()
        file.write_bytes((tunes / "waltz.mid").read_bytes())
        with pytest.raises(LibraryError, match="changed"):
            opened.item(piece.id)


def test_what_took_the_place_of_a_file_is_never_parsed(tmp_path: Path, tunes: Path, embedder, monkeypatch) -> None:
    from mmbert_indexer.build import build_library

    import mmbert.items

    music = tmp_path / "music"
    music.mkdir()
    (music / "a.mid").write_bytes((tunes / "march.mid").read_bytes())
    build_library(tmp_path / "library", [music], embedder)
    with Library.open(tmp_path / "library") as opened:
        (piece,) = opened.pieces()
        (music / "a.mid").write_bytes((tunes / "waltz.mid").read_bytes())
        monkeypatch.setattr(mmbert.items, "load_items", lambda *a, **k: pytest.fail("it was parsed"))
        with pytest.raises(LibraryError, match="changed"):
            opened.item(piece.id)


def test_conditions_that_leave_nothing(library: Library) -> None:
    answer = library.search("a jig", where=["instruments=sitar"])
    assert (answer.hits, answer.nothing_fits, answer.total) == ((), True, 0)


def test_one_condition_may_be_given_alone(library: Library) -> None:
    assert library.pieces("form=jig") == library.pieces(["form=jig"]) != []


def test_a_library_that_was_closed_says_so(library: Library) -> None:
    library.close()
    library.close()
    assert "closed" in repr(library)
    with pytest.raises(LibraryError, match="closed"):
        library.search("jig")


def test_an_example_is_the_first_tune_of_a_book_that_can_be_read(library: Library, tmp_path: Path) -> None:
    book = tmp_path / "book.abc"
    book.write_text("X:1\nT:Empty\nK:C\n\nX:2\nT:Good\nM:6/8\nL:1/8\nK:D\nDFA dAF|DFA d3:|\n")
    assert "“Good”" in library.search(like=book).hits[0].why
    book.write_text("X:1\nT:Empty\nK:C\n")
    with pytest.raises(ItemError, match="No notes"):
        library.search(like=book)


def test_a_library_without_pieces_answers_nothing(library_path: Path, tunes: Path, embedder: object, tmp_path) -> None:
    import shutil

    from mmbert_indexer.remove import remove_paths

    empty = tmp_path / "empty"
    shutil.copytree(library_path, empty)
    remove_paths(empty, [tunes])
    with Library.open(empty) as library:
        library.__dict__["_embedder"] = embedder
        answer = library.search("a slow waltz in D major", where=["mode=major"])
    assert (answer.hits, answer.total, answer.nothing_fits) == ((), 0, True)
