"""Melodies on the page and for programs: what may arrive, what comes back, and what its ids name for a while."""

from __future__ import annotations

import json
from io import BytesIO

import mmbert_ui.page as page
import numpy as np
import pytest
from fastapi.testclient import TestClient
from mmbert_ui import found as kept
from mmbert_ui.found import FoundStore
from mmbert_ui.melody import MOST_BODY, Melody, score_of
from mmbert_ui.state import PageState

from mmbert.items import load_items, write_midi
from mmbert.symbolic.score import Part, Score
from tests.mmbert.retrieval.test_heard_tune import RATE, REEL
from tests.mmbert.retrieval.test_heard_tune import played as sound
from tests.ui.conftest import HOSTILE, melody
from tests.ui.suggested import suggested

NOTES = [[i / 2, 0.5, pitch] for i, pitch in enumerate([62, 64, 66, 69, 67, 66, 64, 62] * 4)]
PLAYED = {"notes": NOTES, "metre": "4/4", "tempo_bpm": 100}


@pytest.fixture
def app(library, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return page.build_app(library)


@pytest.fixture
def client(app):
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def ask(client, task: str, **question) -> dict:
    answer = client.post(f"/melody/{task}", json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


def played(**other) -> Melody:
    return Melody.model_validate_json(json.dumps(PLAYED | other))


def drop(client, name: str, data: bytes) -> dict:
    stored = client.post("/gradio_api/upload", files={"files": (name, data)}).json()[0]
    return client.post("/melody/file", json={"path": stored}).json()


# ---- what is played ---------------------------------------------------------------------------------------


def test_what_was_played_becomes_a_score_in_its_metre_and_tempo():
    score = score_of(played(metre="6/8", tempo_bpm=120))
    assert score.notes["pitch"].tolist() == [n[2] for n in NOTES]
    assert score.bar_metres[0].tolist() == [6, 8]
    assert score.n_bars == 6  # sixteen quarters, three a bar
    assert score.duration_s == pytest.approx(8.0)


@pytest.mark.parametrize("task", ["complete", "accompany"])
def test_a_played_melody_gets_suggestions_in_its_key_and_tempo(client, library, task):
    view = ask(client, task, **PLAYED, limit=3, same_key=True)
    assert view["state"] == "hits"
    (asked,) = (a for a in library.asked if a["limit"] == 3)  # the page warms its model with one of its own
    assert asked["same_key"] is True
    assert asked["melody"].notes["pitch"].tolist() == [n[2] for n in NOTES]
    facts = {fact["label"]: fact["value"] for fact in view["melody"]["facts"]}
    assert facts["Tempo"] == "100 bpm"
    assert facts["Key"] == "D major"
    first, second = view["cards"][:2]
    assert first["moved"] == "Found in D major, shown in Db major (down 1 semitone); 92 → 100 bpm."
    assert second["moved"] == "Found in D major, shown as it is; at your tempo."
    assert (first["split_s"] is None) == (task == "accompany")
    assert view["more"]


def test_the_continuation_begins_where_the_divider_is(client):
    view = ask(client, "complete", **PLAYED, limit=1)
    card = view["cards"][0]
    roll = client.get(f"/roll/{card['found']}.json").json()
    found = [note[0] for note in roll["notes"] if note[3]]
    mine = [note[0] + note[1] for note in roll["notes"] if not note[3]]
    assert min(found) == pytest.approx(card["split_s"] * 1000, abs=1)
    assert max(mine) <= card["split_s"] * 1000 + 1
    assert roll["parts"] == ["melody", "continuation"]


@pytest.mark.parametrize("task", ["complete", "accompany"])
def test_an_id_names_both_voices_each_alone_and_a_file_with_named_tracks(client, tmp_path, task):
    card = ask(client, task, **PLAYED, limit=2)["cards"][1]
    rolls = {voice: client.get(f"/roll/{card['found']}{voice}.json").json() for voice in ("", "-melody", "-suggestion")}
    assert {note[3] for note in rolls["-melody"]["notes"]} == {0}
    assert 0 not in {note[3] for note in rolls["-suggestion"]["notes"]}
    assert len(rolls[""]["notes"]) == sum(len(rolls[v]["notes"]) for v in ("-melody", "-suggestion"))
    assert {r["duration_s"] for r in rolls.values()} == {rolls[""]["duration_s"]}
    answer = client.get(f"/download/{card['found']}")
    assert "Evening Jig.mid" in answer.headers["content-disposition"]
    (tmp_path / "down.mid").write_bytes(answer.content)
    score = next(load_items(tmp_path / "down.mid")).score
    assert score is not None
    names = [part.name.split(":")[0] for part in score.parts[:2]]
    assert names == ["melody", "continuation" if task == "complete" else "accompaniment"]
    assert score.tempo_map["bpm"][0] == pytest.approx(100, abs=0.1)
    assert len(client.get(f"/download/{card['found']}-whole").content) > 100


def test_voices_are_heard_apart_and_are_as_long_as_both(client, app):
    if app.state.page.renderer is None:
        pytest.skip("no SoundFont on this machine")
    found = ask(client, "accompany", **PLAYED, limit=1)["cards"][0]["found"]
    sounds = {v: client.get(f"/sound/{found}{v}.wav").content for v in ("", "-melody", "-suggestion")}
    assert len({len(sound) for sound in sounds.values()}) == 1
    loud = {v: np.abs(np.frombuffer(sound[44:], np.int16)).max() for v, sound in sounds.items()}
    assert min(loud.values()) > 1000
    assert sounds["-melody"] != sounds["-suggestion"]


def test_the_melody_that_was_read_is_drawn_too(client):
    view = ask(client, "complete", **PLAYED)
    roll = client.get(f"/roll/{view['melody']['id']}.json").json()
    assert len(roll["notes"]) == len(NOTES)
    assert view["melody"]["place"] == {"start": 0.0, "end": pytest.approx(9.6)}


@pytest.mark.parametrize("form", ["found-x-1", "found-{0}-1", "found-{0}-1-both", "../{0}", "found-{0}-999"])
def test_no_other_id_names_anything(client, form):
    ask(client, "complete", **PLAYED)
    any_id = form.format("0" * 32)
    assert client.get(f"/roll/{any_id}.json").status_code == 404
    assert client.get(f"/download/{any_id}").status_code == 404


def test_answers_are_few_and_forgotten(library, monkeypatch):
    monkeypatch.setattr(kept, "KEPT", 2)
    gone: list[str] = []
    store = FoundStore(gone.append)
    one = suggested(library.pieces(), "complete", score_of(played()), 1)
    names = [store.add(one) for _ in range(3)]
    assert [store.get(f"{name}-1") is not None for name in names] == [False, True, True]
    assert f"{names[0]}-1-melody" in gone
    monkeypatch.setattr(kept, "KEPT_SECONDS", -1.0)
    assert store.get(f"{names[2]}-1") is None


# ---- files and pieces -------------------------------------------------------------------------------------


def two_parts() -> bytes:
    flute = [(i * 240, 230, 72 + i % 5, 90, 73, False, 0) for i in range(64)]
    bass = [(i * 480, 470, 48 + i % 5, 90, 32, False, 1) for i in range(32)]
    score = Score.build(flute + bass, 480, tempo_map=[(0, 90.0)], metre_map=[(0, 4, 4)],
                        parts=(Part("Flute", 73), Part(HOSTILE, 32)))  # fmt: skip
    return write_midi(score, {"title": "Mine"})


def test_a_dropped_file_is_read_back_with_its_parts_and_deleted(client, library, tmp_path):
    view = drop(client, "my tune.mid", two_parts())
    assert (view["state"], view["name"]) == ("file", "my tune.mid")
    assert [(p["number"], p["notes"]) for p in view["parts"]] == [(1, 64), (2, 32)]
    assert HOSTILE.startswith(view["parts"][1]["name"])
    assert list((tmp_path / "uploads").rglob("*.mid")) == []
    answer = ask(client, "accompany", like=view["id"], part=2, bar=2)
    assert answer["melody"]["name"] == "Mine"
    assert (library.asked[-1]["part"], library.asked[-1]["bar"]) == (2, 2)
    assert answer["melody"]["sentence"].startswith(f"The melody is the part “{HOSTILE[:40]}")


def test_a_piece_of_the_library_may_be_the_melody(client, library):
    hymn = next(p for p in library.pieces() if p.title == "Slow Hymn")
    view = ask(client, "complete", like=hymn.id)
    assert view["melody"]["name"] == "Slow Hymn"
    assert len(view["melody"]["parts"]) == 2


@pytest.mark.parametrize("path", ["/etc/passwd", "pyproject.toml", "../x.mid", "", "x" * 5000, 7, None])
def test_only_what_was_uploaded_here_is_taken_in(client, path):
    view = client.post("/melody/file", json={"path": path}).json()
    assert view["state"] == "error"
    assert "root:" not in json.dumps(view)


def test_a_recording_of_a_tune_is_read_as_notes(client):
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("onnxruntime")
    hum, noise = BytesIO(), BytesIO()
    soundfile.write(hum, sound(REEL), RATE, format="WAV")
    soundfile.write(noise, np.random.default_rng(0).normal(0, 0.1, 6 * RATE), RATE, format="WAV")
    view = drop(client, "hum.wav", hum.getvalue())
    assert (view["state"], view["name"]) == ("file", "hum.wav")
    assert [part["notes"] for part in view["parts"]] == [26]
    answer = ask(client, "complete", like=view["id"])
    assert (answer["melody"]["heard"], answer["melody"]["metre"]) == (True, "4/4")
    assert answer["notice"].startswith("Heard as 4 bars of 4/4 at 120 bpm")
    answer = ask(client, "complete", like=view["id"], metre="2/4")
    assert (answer["melody"]["metre"], answer["notice"][:23]) == ("2/4", "Heard as 8 bars of 2/4 ")
    view = drop(client, "noise.wav", noise.getvalue())
    assert view["title"].startswith("noise.wav: holds no notes that can be heard")


def test_a_file_that_is_no_music_is_refused_in_words(client):
    view = drop(client, "x.mid", b"%PDF-1.4")
    assert view["state"] == "error"
    assert view["title"].startswith("x.mid")


# ---- anything may arrive ----------------------------------------------------------------------------------

WRONG = [
    {},
    {"notes": []},
    {"notes": NOTES[:3]},
    {"notes": NOTES * 100},
    {"notes": [[0, 1, 200]] * 5},
    {"notes": [[-1, 1, 60]] * 5},
    {"notes": [[0, 0, 60]] * 5},
    {"notes": [[0, 1e9, 60]] * 5},
    {"notes": [[0, 1, 60.5]] * 5},
    {"notes": [["0", 1, 60]] * 5},
    {"notes": "C D E F"},
    PLAYED | {"metre": "0/4"},
    PLAYED | {"metre": "4/5"},
    PLAYED | {"metre": "4/4\n"},
    PLAYED | {"tempo_bpm": 0},
    PLAYED | {"limit": 10**6},
    PLAYED | {"limit": "5"},
    PLAYED | {"like": "upload-" + "0" * 32},
    PLAYED | {"where": ["m" * 1000]},
    PLAYED | {"more": 1},
    {"like": "/etc/passwd"},
    {"like": "0" * 32 + "-0"},
    {"like": "upload-" + "0" * 32},
    [1, 2],
    "melody",
    None,
]


@pytest.mark.parametrize("question", WRONG)
def test_any_json_may_arrive(client, question):
    view = client.post("/melody/complete", json=question).json()
    assert view["state"] == "error"
    assert view["title"]
    answer = client.post("/api/complete", json=question)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"subject", "fault", "hint"}


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b'{"notes": [[NaN, 1, 60]]}', b"[" * 5000])
def test_any_bytes_may_arrive(client, body):
    assert client.post("/melody/accompany", content=body).json()["state"] == "error"
    assert client.post("/api/accompany", content=body).status_code == 400


def test_a_long_body_is_refused(client):
    answer = client.post("/melody/complete", content=b" " * (MOST_BODY + 1))
    assert answer.status_code == 413
    assert client.post("/api/complete", content=b" " * (MOST_BODY + 1)).status_code == 413


def test_a_mistake_of_ours_is_a_sentence(client, monkeypatch, capsys):
    monkeypatch.setattr(PageState, "suggest", lambda *a, **k: 1 / 0)
    view = ask(client, "complete", **PLAYED)
    assert view["state"] == "error"
    assert "division" not in json.dumps(view)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_another_site_asks_nothing(client):
    for path in ("/melody/complete", "/melody/file", "/api/complete"):
        assert client.post(path, json=PLAYED, headers={"Origin": "http://evil.example"}).status_code == 403


# ---- programs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["complete", "accompany"])
def test_programs_get_notes_and_three_addresses_with_every_hit(client, task):
    answer = client.post(f"/api/{task}", json=PLAYED | {"limit": 2}).json()
    assert set(answer) >= {"query", "understood", "nothing_fits", "hits", "melody", "notice"}
    for hit in answer["hits"]:
        assert {"transposed_by", "stretched_by", "played_by", "why", "place"} - set(hit) <= {"place"}
        assert {note[3] for note in hit["notes"]} == {"melody", "suggestion"}
        assert hit["path"] == hit["path"].split("/")[-1]  # never where it lies
        assert len(client.get(hit["roll"]).json()["notes"]) == len(hit["notes"])
        assert client.get(hit["download"]).content[:4] == b"MThd"


def test_programs_find_a_tune_by_text_by_notes_and_by_file(client, library):
    by_text = client.post("/api/find-tune", json={"text": "D4 E4 F#4 A4", "limit": 2}).json()
    assert library.asked[-1]["tune"] == [62, 64, 66, 69]
    assert (by_text["query"], len(by_text["hits"])) == ("D4 E4 F#4 A4", 2)
    client.post("/api/find-tune", json=PLAYED | {"where": ["mode=minor"]})
    assert library.asked[-1]["tune"] == [n[2] for n in NOTES]
    assert list(library.asked[-1]["where"]) == ["mode=minor"]
    file = drop(client, "t.mid", write_midi(melody([60, 64, 67, 72] * 8), {}))
    assert client.post("/api/find-tune", json={"like": file["id"]}).json()["query"] == file["id"]
    twice = client.post("/api/find-tune", json=PLAYED | {"text": "D4 E4 F#4 A4"})
    assert twice.status_code == 400
    named = client.post("/api/find-tune", json=PLAYED | {"part": 1})
    assert named.json()["error"]["subject"] == "part"


def test_questions_about_melodies_are_posted(client):
    for name in ("complete", "accompany", "find-tune"):
        answer = client.get(f"/api/{name}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert client.get("/melody/complete").status_code == 404
    assert client.post("/melody/nothing", json=PLAYED).status_code == 404


# ---- a tune on the search tab -----------------------------------------------------------------------------


def search(app, **question) -> dict:
    from mmbert_ui.asking import respond

    return respond(app.state.page, question)


def test_a_tune_finds_cards_and_filters_stay(app, library):
    view = search(app, tune="D4 E4 F#4 A4", where=["mode=minor"], limit=3)
    assert view["state"] == "hits"
    assert view["tune"] == {"name": "", "notes": "D4 E4 F#4 A4"}
    assert len(view["cards"]) == 3
    assert library.asked[-1] == {"tune": [62, 64, 66, 69], "where": ["mode=minor"], "limit": 3}
    assert {card["band"] for card in view["cards"]} == {""}


def test_a_tune_may_be_in_a_piece_but_never_behind_a_path(app, library):
    piece = library.pieces()[0]
    assert search(app, tune=piece.id)["tune"]["name"] == piece.title
    for tune in ("/etc/passwd", "upload-" + "0" * 32, "0" * 32 + "-0", "H4 I5", "D4", HOSTILE, "x" * 3000):
        assert search(app, tune=tune)["state"] == "error"
