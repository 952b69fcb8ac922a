"""What a build makes of folders that grow, change and shrink."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from fake_library import FakeEmbedder, first_pitch, hashes, midi, write_folder
from mmbert_indexer import batches, shards
from mmbert_indexer.build import build_library

from mmbert.errors import ItemError, LibraryError, UsageError
from mmbert.store import open_library
from mmbert.store.verify import verify_library


def current(library):
    return open_library(library).current()


def titles(library):
    return sorted(current(library).pieces.title)


def test_a_folder_becomes_a_library(library, music, embedder):
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.windows, report.files, report.embedded) == (5, 10, 5, 5)
    assert (report.unchanged, report.removed, report.rejected) == (0, 0, 0)
    generation = current(library)
    assert generation.name == report.generation == "gen-000001"
    assert sorted(generation.pieces.uid) == list(generation.pieces.uid) == sorted(embedder.asked)
    for row, uid in enumerate(generation.pieces.uid):
        assert generation.row_of(uid) == row
        assert generation.facets(row).title == generation.pieces.title[row]
        assert [p.end_bar for p in map(generation.windows.place, generation.windows.of_piece(row))] == [2, None]
    assert verify_library(library).sound


def test_the_layout_on_disk(library, music, embedder):
    build_library(library, [music], embedder)
    found = {str(p.relative_to(library)) for p in library.rglob("*") if p.is_file()}
    generation = {
        "MANIFEST.json",
        "REPORT.json",
        "joint.pieces.f16",
        "joint.windows.f16",
        "next.phrases.f16",
        "accompaniment.phrases.f16",
        "records.sqlite",
        "rejects.jsonl",
    }
    assert found == {
        "LIBRARY.json",
        "CURRENT",
        "LOCK",
        "work/ledger.sqlite",
        "work/shards/joint-f00dfeed/000001.open",
    } | {f"generations/gen-000001/{name}" for name in generation}
    assert (library / "CURRENT").read_text() == "gen-000001\n"
    rows = np.fromfile(library / "generations/gen-000001/joint.windows.f16", "<f2").reshape(10, 16)
    np.testing.assert_allclose(np.linalg.norm(rows.astype(np.float32), axis=1), 1, atol=1e-3)


def test_vectors_lie_in_the_order_of_the_records(library, music, embedder):
    from mmbert.items import load_items
    from mmbert.prepare import prepare

    build_library(library, [music], embedder)
    generation = current(library)
    for row, path in enumerate(generation.pieces.path):
        expected = embedder.embed_prepared([prepare(next(load_items(path)), embedder.kinds)])[0]
        piece = generation.vectors.rows("joint/pieces", [row])[0]
        windows = generation.vectors.rows("joint/windows", generation.windows.of_piece(row))
        np.testing.assert_allclose(piece, expected.piece, atol=1e-3)
        np.testing.assert_allclose(windows, expected.windows, atol=1e-3)


def test_a_second_build_does_nothing(library, music, embedder, monkeypatch):
    build_library(library, [music], embedder)
    monkeypatch.setattr("mmbert_indexer.scan.sha256_of", lambda path: pytest.fail(f"{path} was read again"))
    again = FakeEmbedder()
    report = build_library(library, [music], again)
    assert (report.generation, report.embedded, report.unchanged, again.asked) == ("gen-000001", 0, 5, [])


def test_new_changed_and_deleted_files(library, music, embedder):
    build_library(library, [music], embedder)
    (music / "new.mid").write_bytes(midi(70, title="New"))
    (music / "tune00.mid").write_bytes(midi(71, title="Other"))
    (music / "tune01.mid").unlink()
    again = FakeEmbedder()
    report = build_library(library, [music], again)
    assert (report.embedded, report.unchanged, report.removed, len(again.asked)) == (2, 3, 2, 2)
    assert titles(library) == ["New", "Other", "Tune 2", "Tune 3", "Tune 4"]


def test_a_renamed_file_is_not_embedded_again_and_takes_its_new_name(library, music, embedder):
    (music / "old_name.mid").write_bytes(midi(72))
    build_library(library, [music], embedder)
    assert "old name" in titles(library)
    (music / "old_name.mid").rename(music / "new_name.mid")
    report = build_library(library, [music], embedder)
    assert (report.embedded, report.removed, report.pieces) == (0, 0, 6)
    assert "new name" in titles(library)
    assert "old name" not in titles(library)


def test_copies_beside_other_descriptions_are_embedded_once(library, music, embedder):
    for name in ("copy_a", "copy_b", "copy_c"):
        (music / f"{name}.mid").write_bytes(midi(73))
        (music / f"{name}.txt").write_text(f"words of {name}")
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.embedded, len(embedder.asked)) == (6, 6, 6)


def test_a_file_that_comes_back_is_not_embedded_again(library, music, embedder):
    build_library(library, [music], embedder)
    kept = (music / "tune00.mid").read_bytes()
    (music / "tune00.mid").unlink()
    assert build_library(library, [music], embedder).pieces == 4
    (music / "tune00.mid").write_bytes(kept)
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.embedded) == (5, 0)


@pytest.mark.failure(17)
def test_one_content_in_two_files_is_one_piece_with_two_paths(library, music, embedder):
    shutil.copy(music / "tune00.mid", music / "copy.mid")
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.files) == (5, 6)
    row = [r for r in range(5) if len(current(library).paths(r)) == 2]
    assert current(library).paths(row[0]) == [str(music / "copy.mid"), str(music / "tune00.mid")]
    (music / "copy.mid").unlink()
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.embedded, report.removed) == (5, 0, 0)


def test_a_book_gives_many_pieces(library, tmp_path, embedder, monkeypatch):
    monkeypatch.setattr(batches, "PIECES_A_BATCH", 3)
    book = tmp_path / "music"
    book.mkdir()
    tunes = [f"X:{i}\nT:Tune {i}\nM:4/4\nL:1/4\nK:C\n{'CDEF'[i % 4]}DEF|GABc|\n" for i in range(8)]
    (book / "book.abc").write_text("\n".join(tunes))
    report = build_library(library, [book], embedder)
    pieces = current(library).pieces
    assert (report.pieces, report.files) == (8, 1)
    assert sorted(pieces.number) == list(range(8))
    assert len(set(pieces.sha256)) == 1


# ---- descriptions ------------------------------------------------------------------------------------


def test_a_description_belongs_to_its_piece(library, music, embedder):
    (music / "tune00.txt").write_text("A sunny morning")
    report = build_library(library, [music], embedder)
    generation = current(library)
    [(row, _)] = generation.full_text(["sunny"], 5)
    assert generation.pieces.title[row] == "Tune 0"
    assert generation.metadata(row)["description"] == "A sunny morning"
    assert (report.rejected, report.files) == (0, 5)
    (music / "tune00.txt").write_text("A rainy night")
    report = build_library(library, [music], embedder)
    assert report.embedded == 0
    assert current(library).full_text(["sunny"], 5) == []
    assert len(current(library).full_text(["rainy"], 5)) == 1
    (music / "tune00.txt").unlink()
    build_library(library, [music], embedder)
    assert current(library).full_text(["rainy"], 5) == []


def test_a_description_of_one_copy_speaks_for_all(library, music, embedder):
    shutil.copy(music / "tune00.mid", music / "zz.mid")
    (music / "zz.txt").write_text("A sunny morning")
    build_library(library, [music], embedder)
    assert len(current(library).full_text(["sunny"], 5)) == 1


def test_a_text_alone_is_a_piece_until_its_music_comes(library, music, embedder):
    (music / "lonely.txt").write_text("Without music")
    report = build_library(library, [music], embedder)
    assert (report.rejected, report.pieces, report.files) == (0, 6, 6)
    generation = current(library)
    [(row, _)] = generation.full_text(["without"], 5)
    assert (generation.pieces.kind[row], generation.pieces.title[row]) == ("text", "lonely")
    assert len(generation.windows.of_piece(row)) == 0
    (music / "lonely.mid").write_bytes(midi(75))
    report = build_library(library, [music], embedder)
    assert (report.rejected, report.pieces, report.files) == (0, 6, 6)
    generation = current(library)
    [(row, _)] = generation.full_text(["without"], 5)
    assert generation.pieces.kind[row] == "score"
    (music / "lonely.mid").unlink()
    report = build_library(library, [music], embedder)
    assert (report.embedded, "text" in current(library).pieces.kind) == (0, True)


def test_texts_are_refused_by_weights_that_read_none(library, music, embedder):
    (music / "lonely.txt").write_text("Without music")
    embedder.kinds = frozenset({"score"})
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.rejects["counts"]) == (5, {"E_NOT_MUSIC": 1})


# ---- several folders ---------------------------------------------------------------------------------


def test_folders_are_remembered(library, music, tmp_path, embedder):
    other = write_folder(tmp_path / "other", 2, start=80)
    build_library(library, [music], embedder)
    report = build_library(library, [other], embedder)
    assert (report.pieces, report.embedded) == (7, 2)
    (music / "tune00.mid").unlink()
    report = build_library(library, [other], embedder)
    assert (report.pieces, report.removed) == (6, 1)


def test_a_folder_that_is_gone_leaves_the_library_with_a_word(library, music, tmp_path, embedder, capsys):
    other = write_folder(tmp_path / "other", 2, start=80)
    build_library(library, [music, other], embedder)
    other.rename(tmp_path / "away")
    assert build_library(library, [music], embedder).pieces == 5
    assert "is gone" in capsys.readouterr().err
    (tmp_path / "away").rename(other)
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.embedded) == (7, 0)


def test_a_folder_within_a_folder_counts_once(library, music, embedder):
    write_folder(music / "inner", 2, start=80)
    assert build_library(library, [music / "inner"], embedder).pieces == 2
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.files) == (7, 7)


# ---- nothing succeeds by doing nothing ---------------------------------------------------------------


def test_an_empty_folder_is_an_error_and_leaves_nothing(library, tmp_path, embedder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="it is empty"):
        build_library(library, [tmp_path / "empty"], embedder)
    (tmp_path / "empty" / "photo.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="1 of other kinds"):
        build_library(library, [tmp_path / "empty"], embedder)
    assert not library.exists()


def test_a_folder_without_one_readable_file_is_an_error(library, tmp_path, embedder):
    bad = tmp_path / "bad"
    bad.mkdir()
    for i in range(3):
        (bad / f"{i}.mid").write_bytes(b"no music %d" % i)
    with pytest.raises(ItemError, match=r"3 files of music were found \(3 E_NOT_MIDI\)") as caught:
        build_library(library, [bad], embedder)
    assert caught.value.exit_code == 3
    with pytest.raises(LibraryError, match="no finished build"):
        current(library)


def test_an_emptied_folder_does_not_empty_the_library(library, music, embedder):
    build_library(library, [music], embedder)
    for path in music.iterdir():
        path.unlink()
    with pytest.raises(ItemError, match="no piece that could be read"):
        build_library(library, [music], embedder)
    assert current(library).n_pieces == 5


@pytest.mark.parametrize("what", ["missing", "library"])
def test_folders_that_cannot_be_meant(library, music, tmp_path, embedder, what):
    build_library(library, [music], embedder)
    folder = {"missing": tmp_path / "nowhere", "library": library / "work"}[what]
    with pytest.raises(UsageError):
        build_library(library, [folder], embedder)


def test_a_folder_with_other_things_is_no_place_for_a_library(music, tmp_path, embedder):
    with pytest.raises(LibraryError, match="other things"):
        build_library(music, [music], embedder)
    with pytest.raises(LibraryError, match="other things"):
        build_library(music / "tune00.mid", [music], embedder)


# ---- rejects -----------------------------------------------------------------------------------------


def test_rejects_are_named_kept_and_not_paid_for_again(library, music, embedder, monkeypatch):
    (music / "bad.mid").write_bytes(b"no music")
    (music / "copy of bad.mid").write_bytes(b"no music")
    (music / "high.mid").write_bytes(midi(127))
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.rejected) == (5, 3)
    assert report.rejects["counts"] == {"E_NOT_MIDI": 2, "E_HIGH": 1}
    lines = current(library).rejects()
    assert [os.path.basename(r["path"]) for r in lines] == ["bad.mid", "copy of bad.mid", "high.mid"]
    assert all(set(r) == {"path", "sha256", "stage", "code", "fault", "hint"} for r in lines)
    assert all(len(r["sha256"]) == 64 for r in lines)
    monkeypatch.setattr("mmbert_indexer.reading.load_items", lambda *a, **k: pytest.fail("a reject was read again"))
    (music / "tune00.mid").unlink()
    assert build_library(library, [music], embedder).rejected == 3


def test_other_code_tries_again_what_was_refused(library, music, embedder, monkeypatch):
    (music / "high.mid").write_bytes(midi(127))
    build_library(library, [music], embedder)
    monkeypatch.setattr("mmbert_indexer.build.reader_version", lambda: "newer")
    again = FakeEmbedder()
    report = build_library(library, [music], again)
    assert (report.embedded, report.rejected, len(again.asked)) == (0, 1, 1)


def test_recordings_wait_for_weights_with_an_encoder(library, music, embedder):
    soundfile = pytest.importorskip("soundfile")
    tone = np.sin(np.arange(22050) * 0.1).astype(np.float32) * 0.5
    soundfile.write(music / "tone.wav", tone, 22050)
    report = build_library(library, [music], embedder)
    [line] = current(library).rejects()
    assert report.pieces == 5
    assert (line["code"], line["fault"]) == ("E_NO_AUDIO_ENCODER", "no audio encoder in these weights")


class Broken(FakeEmbedder):
    """Fails on whole batches that hold a certain note, gives NaN for another."""

    def embed_prepared(self, ready):
        if any(first_pitch(piece) == 41 for piece in ready):
            raise RuntimeError("boom")
        return super().embed_prepared(ready)

    def _one(self, piece):
        result = super()._one(piece)
        if first_pitch(piece) == 42:
            result.windows[1, 3] = np.nan
        return result


def test_a_piece_that_breaks_the_model_costs_only_itself(library, music):
    report = build_library(library, [music], Broken())
    assert report.rejects["counts"] == {"E_UNEXPECTED": 1, "E_NOT_FINITE": 1}
    assert titles(library) == ["Tune 0", "Tune 3", "Tune 4"]


def test_a_reader_that_breaks_costs_only_its_file(library, music, embedder, monkeypatch):
    from mmbert.items import load_items

    def load(path, **more):
        if path.name == "tune01.mid":
            raise RecursionError("too deep")
        yield from load_items(path, **more)

    monkeypatch.setattr("mmbert_indexer.reading.load_items", load)
    report = build_library(library, [music], embedder)
    assert (report.pieces, report.rejects["counts"]) == (4, {"E_UNEXPECTED": 1})


# ---- models, shards, generations ---------------------------------------------------------------------


def test_another_model_embeds_everything_and_the_old_one_leaves(library, music, embedder):
    build_library(library, [music], embedder)
    other = FakeEmbedder(dim=8, fingerprint="0ddba11" * 9)
    report = build_library(library, [music], other)
    assert (report.embedded, current(library).fingerprint, current(library).vectors.dim) == (5, other.fingerprint, 8)
    assert sorted(p.name for p in (library / "work/shards").iterdir()) == ["joint-0ddba110", "joint-f00dfeed"]
    (music / "new.mid").write_bytes(midi(70))
    build_library(library, [music], other)  # the last generation of the first model goes
    assert [p.name for p in (library / "work/shards").iterdir()] == ["joint-0ddba110"]


def test_full_shards_are_sealed(library, tmp_path, embedder, monkeypatch):
    monkeypatch.setattr(shards, "SEAL_BYTES", 3 * 32 * 4)
    monkeypatch.setattr(batches, "PIECES_A_BATCH", 2)
    music = write_folder(tmp_path / "music", 20)
    build_library(library, [music], embedder)
    names = sorted(p.name for p in (library / "work/shards/joint-f00dfeed").iterdir())
    assert names[:4] == ["000001.f16", "000001.json", "000002.f16", "000002.json"]
    assert names[-1].endswith(".open")
    assert verify_library(library).sound
    plain = tmp_path / "plain"
    monkeypatch.undo()
    build_library(plain, [music], FakeEmbedder())
    assert hashes(plain) == hashes(library)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "all work"])
def test_damaged_work_is_done_again(library, music, embedder, damage, capsys):
    build_library(library, [music], embedder)
    before = hashes(library)
    shard = library / "work/shards/joint-f00dfeed/000001.open"
    if damage == "flip":
        data = bytearray(shard.read_bytes())
        data[40] ^= 1
        shard.write_bytes(data)
    elif damage == "cut":
        os.truncate(shard, 200)
    elif damage == "gone":
        shard.unlink()
    else:
        (library / "work/ledger.sqlite").write_bytes(b"garbage" * 1000)
    shutil.rmtree(library / "generations/gen-000001")  # what was published must be made again from the work
    build_library(library, [music], embedder)
    assert hashes(library) == before
    assert verify_library(library).sound


def test_a_lost_ledger_remembers_the_folders(library, music, tmp_path, embedder):
    other = write_folder(tmp_path / "other", 2, start=80)
    build_library(library, [music, other], embedder)
    shutil.rmtree(library / "work")
    assert build_library(library, [other], embedder).pieces == 7


def test_two_generations_are_kept(library, music, embedder):
    for i in range(4):
        (music / f"more{i}.mid").write_bytes(midi(90 + i))
        build_library(library, [music], embedder)
    (library / "generations/gen-000005.building-1").mkdir()
    (music / "last.mid").write_bytes(midi(99))
    build_library(library, [music], embedder)
    assert sorted(p.name for p in (library / "generations").iterdir()) == ["gen-000004", "gen-000005"]


def test_a_number_is_never_used_twice(library, music, embedder):
    build_library(library, [music], embedder)
    shutil.copytree(library / "generations/gen-000001", library / "generations/gen-000007")  # published, never named
    (music / "new.mid").write_bytes(midi(70))
    assert build_library(library, [music], embedder).generation == "gen-000008"


def test_a_damaged_generation_is_published_anew(library, music, embedder):
    build_library(library, [music], embedder)
    (library / "generations/gen-000001/records.sqlite").write_bytes(b"")
    report = build_library(library, [music], embedder)
    assert (report.generation, report.embedded) == ("gen-000002", 0)
    assert verify_library(library).sound  # the damaged one is gone


def test_equal_files_give_equal_bytes_whatever_the_history(library, music, tmp_path, embedder):
    build_library(library, [music], embedder)
    (music / "late.mid").write_bytes(midi(70))
    build_library(library, [music], embedder)
    fresh = tmp_path / "fresh"
    build_library(fresh, [music], FakeEmbedder())
    assert hashes(fresh) == hashes(library)


@pytest.mark.failure(25)
def test_same_size_and_time_but_other_bytes_are_found_by_verify(library, music, embedder):
    build_library(library, [music], embedder)
    path = music / "tune00.mid"
    before = path.stat()
    path.write_bytes(midi(71, 60, title="Tune 0", composer="Anon"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert build_library(library, [music], embedder).embedded == 0
    assert build_library(library, [music], embedder, verify=True).embedded == 1


@pytest.mark.failure(25)
def test_times_may_be_anything(library, music, embedder):
    os.utime(music / "tune00.mid", (4.3e9, 4.3e9))  # 2106
    os.utime(music / "tune01.mid", (-5, -5))
    build_library(library, [music], embedder)
    assert build_library(library, [music], embedder).generation == "gen-000001"
    os.utime(music / "tune00.mid", (1e9, 1e9))  # back in time, same bytes
    assert build_library(library, [music], embedder).embedded == 0


def test_the_report_says_where_the_time_went(library, music, embedder):
    report = build_library(library, [music], embedder)
    told = current(library).report()
    stages, beside = {"scan", "hash", "wait", "forward", "phrases", "write", "publish"}, {"parse", "facets", "encode"}
    assert stages == set(told["seconds_by_stage"]) == set(report.seconds_by_stage)
    assert beside == set(told["seconds_beside"]) == set(report.seconds_beside)
    assert {"python", "numpy", "symusic"} <= set(told["versions"])
    assert told["command"]
    assert sum(report.seconds_by_stage.values()) <= report.seconds
    assert asdict(report)["seconds"] > 0


def test_progress_is_told(library, music, embedder):
    seen = []
    build_library(library, [music], embedder, progress=lambda *numbers: seen.append(numbers))
    assert seen[-1] == (5, 5, 5)
    assert len(seen) == 5


@pytest.mark.parametrize("name", ["gen-000001", "gen-000002"])
def test_a_build_mends_what_verify_finds_also_in_large_generations(library, music, embedder, monkeypatch, name):
    from mmbert.store import manifest
    from mmbert.store.verify import verify_library

    monkeypatch.setattr(manifest, "SMALL", 0)
    build_library(library, [music], embedder)
    (music / "new.mid").write_bytes(midi(70))
    build_library(library, [music], embedder)
    path = library / "generations" / name / "joint.windows.f16"
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)
    assert not verify_library(library).sound
    build_library(library, [music], embedder)
    assert verify_library(library).sound


@pytest.mark.parametrize("how", ["a bit", "cut off", "no digest"])
def test_a_damaged_sealed_shard_costs_only_its_damaged_pieces(library, music, embedder, monkeypatch, how):
    from mmbert.store.verify import verify_library

    monkeypatch.setattr("mmbert_indexer.shards.SEAL_BYTES", 1)
    build_library(library, [music], embedder)
    sealed = next((library / "work/shards").rglob("*.f16"))
    data = bytearray(sealed.read_bytes())
    data[10] ^= 1
    if how == "no digest":
        sealed.with_suffix(".json").unlink()
    else:
        sealed.write_bytes(data if how == "a bit" else sealed.read_bytes()[:-3])
    assert not verify_library(library).sound
    report = build_library(library, [music], embedder)
    assert (report.embedded, report.pieces) == (0 if how == "no digest" else 1, 5)
    assert verify_library(library).sound
