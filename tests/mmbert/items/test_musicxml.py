"""MusicXML: exact notes for every construct, and documents made to do harm."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import defusedxml
import defusedxml.ElementTree
import pytest

from mmbert.errors import ItemError
from mmbert.items import Limits, load_items

DATA = Path(__file__).parents[2] / "data"
DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/p.dtd">'
)
ATTRIBUTES = (
    "<attributes><divisions>4</divisions><key><fifths>0</fifths></key>"
    "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
)


def note(name: str, duration: int, extra: str = "", before: str = "") -> str:
    alter = f"<alter>{name.count('#') - name.count('b')}</alter>" if len(name) > 2 else ""
    pitch = f"<pitch><step>{name[0]}</step>{alter}<octave>{name[-1]}</octave></pitch>"
    return f"<note>{before}{pitch}<duration>{duration}</duration>{extra}</note>"


def rest(duration: int) -> str:
    return f"<note><rest/><duration>{duration}</duration></note>"


MIDI_FLUTE = "<midi-instrument id='i'><midi-program>74</midi-program></midi-instrument>"
TIE, UNTIE = '<tie type="start"/>', '<tie type="stop"/>'


def document(*measures: str, part: str = "<part-name>Flute</part-name>", more: str = "", attributes=ATTRIBUTES) -> str:
    body = "".join(f'<measure number="{i}">{attributes if i == 0 else ""}{m}</measure>' for i, m in enumerate(measures))
    return (
        f'<?xml version="1.0"?>{DOCTYPE}<score-partwise>{more}<part-list><score-part id="P1">{part}</score-part>'
        f'</part-list><part id="P1">{body}</part></score-partwise>'
    )


def load(tmp_path: Path, text: str | bytes, name: str = "a.musicxml", **limits):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return next(load_items(path, limits=Limits(**limits)))


def refusal(tmp_path: Path, text: str | bytes, name: str = "a.musicxml", **limits) -> ItemError:
    with pytest.raises(ItemError) as caught:
        load(tmp_path, text, name, **limits)
    return caught.value


def melody(score, part: int = 0) -> list[tuple[float, float, int]]:
    notes = score.notes[score.notes["part"] == part]
    quarter = score.ticks_per_quarter
    return [(n["onset"] / quarter, n["duration"] / quarter, int(n["pitch"])) for n in notes]


def test_a_hymn_with_pickup_ties_and_an_ordinary_doctype():
    item = next(load_items(DATA / "hymn.musicxml"))
    score = item.score
    assert item.metadata == {"title": "The Test Hymn", "composer": "A. Nonymous", "form": "hymn"}
    assert melody(score)[:6] == [(0, 1, 62), (0, 1, 67), (1, 2, 62), (1, 2, 70), (3, 2, 62), (3, 1, 69)]
    assert (7, 5, 67) in melody(score)  # tied over the bar line
    assert score.metre_map.tolist() == [(0, 1, 4), (480, 4, 4)]
    assert score.key_map.tolist() == [(0, -2, False)]
    assert score.tempo_map["bpm"].tolist() == [84]
    assert [(p.name, p.program) for p in score.parts] == [("Women", 52), ("Men", 52)]
    assert melody(score, 1)[1] == (0, 1, 55)
    assert set(score.notes["velocity"].tolist()) == {76}


def test_compressed_is_the_same():
    plain, packed = (next(load_items(DATA / f"hymn.{s}")) for s in ("musicxml", "mxl"))
    assert plain.score.notes.tolist() == packed.score.notes.tolist()
    assert plain.metadata == packed.metadata


def test_chords_voices_rests_grace_and_cue_notes(tmp_path):
    first = (
        note("C4", 4) + note("E4", 4, before="<chord/>") + note("D5", 0, before="<grace/>") + rest(4) + note("G4", 8)
    )
    second = "<backup><duration>16</duration></backup><forward><duration>4</duration></forward>" + note("C3", 12)
    cue = note("A6", 4, before="<cue/>") + note("C4", 12)
    score = load(tmp_path, document(first + second, cue)).score
    assert melody(score) == [(0, 1, 60), (0, 1, 64), (1, 3, 48), (2, 2, 67), (5, 3, 60)]


def test_a_chain_of_ties_is_one_note_and_a_repeated_note_is_two(tmp_path):
    bars = [note("C4", 16, TIE), note("C4", 16, UNTIE + TIE), note("C4", 8, UNTIE) + note("C4", 8)]
    assert melody(load(tmp_path, document(*bars)).score) == [(0, 10, 60), (10, 2, 60)]


def test_divisions_that_change_and_triplets(tmp_path):
    change = "<attributes><divisions>3</divisions></attributes>"
    score = load(tmp_path, document(note("C4", 16), change + note("D4", 2) + note("E4", 1) + note("F4", 9))).score
    assert [round(d * 3) for _, d, _ in melody(score)] == [12, 2, 1, 9]
    assert score.ticks_per_quarter == 480


def test_fine_divisions_come_down_to_what_the_notes_need(tmp_path):
    attributes = ATTRIBUTES.replace("<divisions>4<", "<divisions>10080<")
    score = load(tmp_path, document(note("C4", 40320), note("C4", 20160) + rest(20160), attributes=attributes)).score
    assert score.ticks_per_quarter == 480
    odd = document(note("C4", 39999) + rest(321), attributes=attributes)
    assert load(tmp_path, odd).score.ticks_per_quarter <= 10080


def test_transposing_instruments_sound_where_they_sound(tmp_path):
    transpose = "<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>"
    lower = "<attributes><transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose></attributes>"
    score = load(tmp_path, document(transpose + note("D5", 16), lower + note("D5", 16))).score
    assert [p for _, _, p in melody(score)] == [72, 62]


@pytest.mark.parametrize(
    ("part", "program", "role"),
    [("<part-name>Violino I</part-name>", 40, "melody"), ("<part-name>Pianoforte</part-name>", 0, "unknown"),
     ("<part-name>Soprano</part-name>", 53, "melody"), ("<part-name>Violoncello</part-name>", 42, "unknown"),
     ("<part-name>Oboe</part-name>" + MIDI_FLUTE, 68, "unknown"),
     ("<part-name>X</part-name>" + MIDI_FLUTE, 73, "unknown"),
     ("<part-name>X</part-name>", 0, "unknown")],
)  # fmt: skip
def test_programs_and_roles(tmp_path, part, program, role):
    (found,) = load(tmp_path, document(note("C4", 16), part=part)).score.parts
    assert (found.program, found.role) == (program, role)


def test_unpitched_notes_are_drums(tmp_path):
    part = (
        "<part-name>Drumset</part-name><midi-instrument id='a'><midi-channel>10</midi-channel><midi-unpitched>36"
        "</midi-unpitched></midi-instrument>"
    )
    hit = (
        "<note><unpitched><display-step>F</display-step><display-octave>4</display-octave></unpitched>"
        "<duration>16</duration><instrument id='a'/></note>"
    )
    score = load(tmp_path, document(hit, part=part)).score
    assert (score.notes["pitch"].tolist(), score.notes["is_drum"].tolist()) == ([35], [True])
    assert score.parts[0].role == "drums"


@pytest.mark.parametrize(
    ("direction", "bpm"),
    [('<sound tempo="90"/>', 90),
     ("<direction><direction-type><words>Allegro</words></direction-type></direction>", None),
     ("<direction><direction-type><metronome><beat-unit>half</beat-unit><per-minute>50</per-minute></metronome>"
      "</direction-type></direction>", 100),
     ("<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>c. 60"
      "</per-minute></metronome></direction-type></direction>", 90),
     ("<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit>half</beat-unit></metronome>"
      "</direction-type></direction>", None),
     ("<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>70</per-minute></metronome>"
      '</direction-type><sound tempo="71"/></direction>', 71)],
)  # fmt: skip
def test_tempo(tmp_path, direction, bpm):
    assert load(tmp_path, document(direction + note("C4", 16))).score.tempo_map["bpm"].tolist() == (
        [bpm] if bpm else []
    )


def test_metre_and_key_changes(tmp_path):
    change = (
        "<attributes><key><fifths>3</fifths><mode>minor</mode></key><time><beats>3</beats><beat-type>8</beat-type></time>"
        "</attributes>"
    )
    score = load(tmp_path, document(note("C4", 16), change + note("C4", 6), note("C4", 6))).score
    assert score.metre_map.tolist() == [(0, 4, 4), (1920, 3, 8)]
    assert score.key_map.tolist() == [(0, 0, False), (1920, 3, True)]
    assert score.n_bars == 3


def test_an_irregular_measure_keeps_the_bar_lines(tmp_path):
    score = load(tmp_path, document(note("C4", 16), note("C4", 12), note("C4", 16), note("C4", 16))).score
    assert score.bar_lines.tolist() == [0, 1920, 3360, 5280, 7200]


def test_dynamics_are_velocities(tmp_path):
    mark = "<direction><direction-type><dynamics><{}/></dynamics></direction-type></direction>"
    score = load(tmp_path, document(mark.format("pp") + note("C4", 8) + mark.format("ff") + note("C4", 8))).score
    assert score.notes["velocity"].tolist() == [38, 104]


def test_chord_symbols_are_a_part(tmp_path):
    def harmony(step: str, kind: str, alter: int = 0) -> str:
        root = f"<root><root-step>{step}</root-step><root-alter>{alter}</root-alter></root>"
        return f"<harmony>{root}<kind>{kind}</kind></harmony>"

    music = harmony("B", "dominant", -1) + note("D5", 8) + harmony("E", "minor") + note("E5", 8)
    score = load(tmp_path, document(music)).score
    assert [(p.name, p.role) for p in score.parts] == [("Flute", "melody"), ("chords", "accompaniment")]
    assert melody(score, 1) == [(0, 2, 58), (0, 2, 62), (0, 2, 65), (0, 2, 68), (2, 2, 52), (2, 2, 55), (2, 2, 59)]


def test_repeats_are_written_order_once(tmp_path):
    again = '<barline location="right"><repeat direction="backward"/></barline>'
    assert len(melody(load(tmp_path, document(note("C4", 16) + again, note("D4", 16))).score)) == 2


def test_titles(tmp_path):
    both = "<work><work-title>Cycle, Op. 1</work-title></work><movement-title>Song 2</movement-title>"
    found = load(tmp_path, document(note("C4", 16), more=both)).metadata
    assert found == {"title": "Song 2", "collection": "Cycle, Op. 1"}
    same = "<work><work-title>Song</work-title></work><movement-title>Song.</movement-title>"
    assert load(tmp_path, document(note("C4", 16), more=same)).metadata == {"title": "Song."}


def test_timewise_and_utf_16(tmp_path):
    timewise = (
        '<?xml version="1.0"?><score-timewise><part-list><score-part id="P1"><part-name>Flute</part-name></score-part>'
        f'</part-list><measure number="1"><part id="P1">{ATTRIBUTES}{note("C4", 16)}</part></measure></score-timewise>'
    )
    assert melody(load(tmp_path, timewise).score) == [(0, 4, 60)]
    wide = document(note("C4", 16)).replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-16"?>')
    assert melody(load(tmp_path, wide.encode("utf-16")).score) == [(0, 4, 60)]


ENTITIES = {
    "internal": '<!DOCTYPE score-partwise [<!ENTITY a "x">]>',
    "nested": '<!DOCTYPE score-partwise [<!ENTITY a "xxxxxxxxxx">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(8))
    + "]>",
    "file": '<!DOCTYPE score-partwise [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "network": '<!DOCTYPE score-partwise [<!ENTITY a SYSTEM "http://127.0.0.1:9/x">]>',
    "parameter": '<!DOCTYPE score-partwise [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]>',
    "unparsed": '<!DOCTYPE score-partwise [<!NOTATION n SYSTEM "n"><!ENTITY a SYSTEM "a" NDATA n>]>',
}


@pytest.mark.parametrize("kind", ENTITIES)
def test_entities_are_refused_as_defusedxml_refuses_them(tmp_path, kind):
    used = "&i;" if kind == "nested" else "" if kind in ("parameter", "unparsed") else "&a;"
    text = document(note("C4", 16), part=f"<part-name>{used}</part-name>").replace(DOCTYPE, ENTITIES[kind])
    began = time.perf_counter()
    fault = refusal(tmp_path, text)
    assert time.perf_counter() - began < 1
    assert fault.code == "E_XML_ENTITY"
    assert "root:" not in str(fault)
    with pytest.raises(defusedxml.DefusedXmlException):
        defusedxml.ElementTree.fromstring(text)


def test_an_undeclared_entity(tmp_path):
    assert refusal(tmp_path, document(note("C4", 16), part="<part-name>&who;</part-name>")).code == "E_XML_ENTITY"


def test_depth_elements_and_damage(tmp_path):
    deep = document("<x>" * 10_000 + "</x>" * 10_000)
    assert refusal(tmp_path, deep).code == "E_XML_LIMIT"
    assert refusal(tmp_path, document("<x/>" * 2000), xml_elements=1000).code == "E_XML_LIMIT"
    assert refusal(tmp_path, document(note("C4", 16))[:-30]).code == "E_XML_DAMAGED"
    assert refusal(tmp_path, document(note("C4", 16), note("D4", 16)), bars=1).code == "E_MUSICXML_LIMIT"
    assert refusal(tmp_path, document(note("C4", 2_000_000_000), note("C4", 16))).code == "E_MUSICXML_LIMIT"
    assert refusal(tmp_path, document(rest(16))).code == "E_EMPTY"


@pytest.mark.parametrize("text", ["<divisions>0</divisions>", "<divisions>x</divisions>", "<divisions>-4</divisions>"])
def test_absurd_numbers_end_in_a_reason_or_notes(tmp_path, text):
    path = tmp_path / "a.xml"
    path.write_text(document(note("C4", 16)).replace("<divisions>4</divisions>", text))
    faults: list[ItemError] = []
    assert len(list(load_items(path, on_reject=faults.append))) + len(faults) == 1


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [("<duration>16</duration>", "<duration>0x10</duration>", "E_MUSICXML_DAMAGED", '"0x10" in <duration>'),
     ("<duration>16</duration>", "<duration>inf</duration>", "E_MUSICXML_LIMIT", "inf in <duration>"),
     ("<duration>16</duration>", "<duration>nan</duration>", "E_MUSICXML_LIMIT", "nan in <duration>"),
     ("<duration>16</duration>", "<duration>1e300</duration>", "E_MUSICXML_LIMIT", "1e300"),
     ("<duration>16</duration>", "<duration>900000000</duration>", "E_MUSICXML_LIMIT", "a measure of 2.25e+08 quarter"),
     ("<octave>4</octave>", "<alter>much</alter><octave>4</octave>", "E_MUSICXML_DAMAGED", '"much" in <alter>'),
     ("<divisions>4<", "<divisions>1e-308<", "E_MUSICXML_LIMIT", "1e-308 in <divisions>"),
     ("<divisions>4<", "<divisions>-4<", "E_MUSICXML_LIMIT", "-4 in <divisions>"),
     ("<divisions>4<", "<divisions>1e9<", "E_MUSICXML_LIMIT", "1e+09 in <divisions>")],
)  # fmt: skip
def test_numbers_that_are_none_are_named(tmp_path, old, new, code, words):
    fault = refusal(tmp_path, document(note("C4", 16)).replace(old, new))
    assert (fault.code, words in str(fault)) == (code, True), str(fault)


def test_blank_numbers_are_as_if_they_were_not_there(tmp_path):
    text = (
        document(note("C4", 16))
        .replace("<divisions>4<", "<divisions> 4\n<")
        .replace("<octave>", "<alter> </alter><octave>")
    )
    assert melody(load(tmp_path, text).score) == [(0, 4, 60)]


def packed(**members: bytes | str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(name, content)
    return out.getvalue()


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path):
    bomb = packed(**{"score.xml": b"<score-partwise>" + b" " * 100_000_000})
    assert len(bomb) < 110_000
    began = time.perf_counter()
    assert refusal(tmp_path, bomb, "a.mxl").code == "E_ZIP_RATIO"
    assert time.perf_counter() - began < 2


def test_a_header_that_lies_about_the_unpacked_size(tmp_path):
    data = bytearray(packed(**{"score.xml": b"<score-partwise>" + b" " * 30_000_000}))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    assert refusal(tmp_path, bytes(data), "a.mxl").code in ("E_ZIP_RATIO", "E_ZIP_DAMAGED", "E_XML_DAMAGED")


@pytest.mark.parametrize("name", ["../../x.xml", "/etc/x.xml", "..\\x.xml", "C:\\x.xml", "a/../../x.xml"])
def test_members_that_point_outside(tmp_path, name):
    before = sorted(tmp_path.parent.rglob("x.xml"))
    fault = refusal(tmp_path, packed(**{name: "x", "score.xml": document(note("C4", 16))}), "a.mxl")
    assert fault.code == "E_ZIP_PATH"
    assert sorted(tmp_path.parent.rglob("x.xml")) == before


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bound_are_not_followed(tmp_path, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        z.writestr("score.xml", document(note("C4", 16)))
    fault = refusal(tmp_path, out.getvalue(), "a.mxl")
    assert (fault.code, "method" in str(fault)) == ("E_ZIP_METHOD", True)


def test_a_password_and_damaged_heads(tmp_path):
    good = bytearray(packed(**{"score.xml": document(note("C4", 16))}))
    central = good.rindex(b"PK\x01\x02")
    good[central + 8] |= 1
    fault = refusal(tmp_path, bytes(good), "a.mxl")
    assert (fault.code, "password" in str(fault)) == ("E_ZIP_METHOD", True)
    for at, value in ((42, 2**32 - 1), (10, 9)):  # offset, method
        bad = bytearray(packed(**{"score.xml": document(note("C4", 16))}))
        bad[central + at : central + at + 4] = value.to_bytes(4, "little")
        assert refusal(tmp_path, bytes(bad), "a.mxl").code in ("E_ZIP_DAMAGED", "E_ZIP_METHOD")


def test_other_zips(tmp_path):
    many = packed(**{f"{i}.xml": "" for i in range(101)})
    assert refusal(tmp_path, many, "a.mxl").code == "E_ZIP_LIMIT"
    assert refusal(tmp_path, packed(readme="hello"), "a.mxl").code == "E_NOT_MUSICXML"
    good = (DATA / "hymn.mxl").read_bytes()
    assert refusal(tmp_path, good[:-40], "a.mxl").code == "E_ZIP_DAMAGED"
    unquoted = packed(**{
        "META-INF/container.xml": '<container><rootfile full-path="s.xml" title=""bad"/></container>',
        "a.xml": "<other/>", "s.xml": document(note("C4", 16)),
    })  # fmt: skip
    assert len(load(tmp_path, unquoted, "a.mxl").score.notes) == 1
