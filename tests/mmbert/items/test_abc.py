"""ABC: exact notes for every construct, in units of an eighth (240 ticks) unless said otherwise."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from mmbert.errors import ItemError
from mmbert.items import Limits, load_items
from mmbert.items.abc import parse_score

DATA = Path(__file__).parents[2] / "data"


def tune(music: str, fields: str = "M:4/4\nL:1/8\n", key: str = "C"):
    return parse_score(f"X:1\nT:t\n{fields}K:{key}\n{music}\n")


def melody(score, part: int = 0) -> list[tuple[float, float, int]]:
    notes = score.notes[score.notes["part"] == part]
    return [(n["onset"] / 240, n["duration"] / 240, int(n["pitch"])) for n in notes]


def pitches(score, part: int = 0) -> list[int]:
    return [p for _, _, p in melody(score, part)]


def test_octaves_and_lengths():
    assert melody(tune("C,, C c' c''/2 D3/2 E/ F// G4|")) == [
        (0, 1, 36), (1, 1, 60), (2, 1, 84), (3, 0.5, 96), (3.5, 1.5, 62), (5, 0.5, 64), (5.5, 0.25, 65), (5.75, 4, 67),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "eighths"),
    [("M:4/4\n", 1), ("M:2/4\n", 0.5), ("M:3/4\n", 1), ("M:6/8\n", 1), ("", 1), ("L:1/4\nM:2/4\n", 2), ("M:none\n", 1)],
)
def test_the_unit_length_follows_the_metre(fields, eighths):
    assert melody(tune("C", fields))[0][1] == eighths


@pytest.mark.parametrize(
    ("key", "expected"),
    [("C", [65, 71]), ("G", [66, 71]), ("F", [65, 70]), ("Am", [65, 71]), ("Ador", [66, 71]), ("D Mix", [66, 71]),
     ("E phrygian", [65, 71]), ("F lyd", [65, 71]), ("B loc", [65, 71]), ("Gm", [65, 70]), ("Bb", [65, 70]),
     ("none", [65, 71]), ("HP", [66, 71]), ("Hp", [66, 71]), ("D exp ^f _b", [66, 70]), ("C ^f", [66, 71]),
     ("C clef=bass", [65, 71]), ("c#m", [66, 71]), ("", [65, 71])],
)  # fmt: skip
def test_keys_and_modes(key, expected):
    assert pitches(tune("F B|", key=key)) == expected


def test_signatures_are_kept_as_written():
    assert tune("A|", key="Ador").key_map.tolist() == [(0, 1, False)]
    assert tune("A|", key="Cm").key_map.tolist() == [(0, -3, True)]
    assert tune("A|[K:D]A|", key="G").key_map.tolist() == [(0, 1, False), (240, 2, False)]
    assert tune("A|", key="none").key_map.tolist() == []


def test_accidentals_last_to_the_bar_line_in_every_octave():
    assert pitches(tune("^F F f F|F =F _B ^^C __D|", key="G")) == [66, 66, 78, 66, 66, 65, 70, 62, 60]


def test_a_tie_carries_its_accidental_over_the_bar_line():
    assert melody(tune("^F4-|F2 F2|")) == [(0, 6, 66), (6, 2, 65)]


def test_ties_within_and_between_chords():
    assert melody(tune("[CE]2-[CE]2 [C-E]2 C2|")) == [(0, 4, 60), (0, 4, 64), (4, 4, 60), (4, 2, 64)]
    assert melody(tune("C2- D2 C2|")) == [(0, 2, 60), (2, 2, 62), (4, 2, 60)]


def test_chords_take_the_first_length_times_the_outer():
    assert melody(tune("[C2E4]3/2 D|")) == [(0, 3, 60), (0, 3, 64), (3, 1, 62)]


def test_broken_rhythm():
    assert [d for _, d, _ in melody(tune("C>D C<D C>>D C2>D2|"))] == [1.5, 0.5, 0.5, 1.5, 1.75, 0.25, 3, 1]
    assert melody(tune("[CE]>D z<C|")) == [(0, 1.5, 60), (0, 1.5, 64), (1.5, 0.5, 62), (2.5, 1.5, 60)]


def test_tuplets():
    assert [d * 240 for _, d, _ in melody(tune("(3CDE (2CD (5CDEFG F|"))] == pytest.approx(
        [160] * 3 + [360] * 2 + [96] * 5 + [240]
    )
    assert [o * 240 for o, _, _ in melody(tune("(3:2:2 C2D E|"))] == pytest.approx([0, 320, 480])
    in_three = [d for _, d, _ in melody(tune("(5CDEFG|", "M:6/8\nL:1/8\n"))]
    assert in_three == pytest.approx([0.6] * 5)


def test_long_pieces_of_tuplets_do_not_drift():
    assert melody(tune("(3CDE|" * 300 + "F|"))[-1][0] == 600


def test_rests_grace_notes_decorations_lyrics_and_comments():
    score = tune("z C x2 {cde}D !trill!~E .F +fermata+HG y A % c c c\nw: la la\n(B c)|")
    assert pitches(score) == [60, 62, 64, 65, 67, 69, 71, 72]
    assert melody(score)[1][0] == 4


def test_bars_of_rest():
    assert melody(tune("C8|Z2|D8|"))[1] == (24, 8, 62)


def test_old_line_breaks_are_no_decorations():
    assert pitches(tune("CDEF!GABc!defg!")) == [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79]


def test_dynamics_are_velocities():
    assert tune("!p!C !ff!D|").notes["velocity"].tolist() == [50, 104]


def test_a_pickup_is_a_short_first_metre():
    assert tune("A|BcdB BcdB|A8|").metre_map.tolist() == [(0, 1, 8), (240, 4, 4)]
    assert tune("AB|Bcd Bcd|A6|", "M:6/8\nL:1/8\n").metre_map.tolist() == [(0, 2, 8), (480, 6, 8)]
    assert tune("A8|B8|").metre_map.tolist() == [(0, 4, 4)]


def test_a_bar_that_a_repeat_divides_is_one_bar():
    score = tune("A|:BcdB BcdB|c4 c3A:|")
    assert score.bar_lines.tolist() == [0, 240, 2160, 4080, 6000, 7920]


def test_metre_changes():
    score = tune("A8|[M:3/4]B6|c6|\nM:6/8\nd6|")
    assert score.metre_map.tolist() == [(0, 4, 4), (1920, 3, 4), (4800, 6, 8)]
    assert len(tune("A8|", "M:none\nL:1/8\n").metre_map) == 0
    assert tune("A7|", "M:(2+2+3)/8\nL:1/8\n").metre_map.tolist() == [(0, 7, 8)]


@pytest.mark.parametrize(
    ("music", "expected"),
    [("C|:D:|E", "CDDE"), ("C|D:|E", "CDCDE"), ("|:C::D:|", "CCDD"), ("|:C:||:D:|", "CCDD"), ("|:C|1D:|2E|]", "CDCE"),
     ("|:C [1D :|[2 E||F", "CDCEF"), ("C|1D:|2E||", "CDCE"), ("|:C|[1,3D:|[2E:|]", "CDCECD"), ("|::C::|", "CCC"),
     ("|:C|1D:|2E:|F|", "CDCEF"), ("|:C:|D|:E:|", "CCDEE"), ("C||D:|", "CDCD"), ("|:C|1-2D:|3E||", "CDCDCE"),
     ("C:|:D:|", "CCDD"), ("|:C:|]", "CC")],
)  # fmt: skip
def test_repeats_and_endings_are_played(music, expected):
    names = {60: "C", 62: "D", 64: "E", 65: "F"}
    assert "".join(names[p] for p in pitches(tune(music))) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("P:AAB\n", "CCD"),
        ("P:A2(BC)2\n", "CCDEDE"),
        ("P:ABA\n", "CDC"),
        ("Y:BA\n", "DC"),
        ("P:XY\n", "CDE"),
        ("", "CDE"),
    ],
)
def test_the_order_of_parts_is_played(order, expected):
    score = parse_score(f"X:1\n{order}K:C\nP:A\nC|\nP:B\nD|\nP:C\nE|\n")
    assert "".join({60: "C", 62: "D", 64: "E"}[p] for p in pitches(score)) == expected


def test_parts_with_repeats_and_a_pickup_before_them():
    score = parse_score("X:1\nP:ABA\nM:4/4\nL:1/4\nK:C\nG|\nP:A\n|:C4:|\nP:B\nD4|\n")
    assert pitches(score) == [67, 60, 60, 62, 60, 60]


def test_changes_come_back_with_a_repeat():
    score = tune("[Q:1/4=100]C8|:[K:D][Q:1/4=60]F8|[K:C][Q:1/4=90]F8:|")
    assert pitches(score) == [60, 66, 65, 66, 65]
    assert score.tempo_map.tolist() == [(0, 100), (1920, 60), (3840, 90), (5760, 60), (7680, 90)]
    assert score.key_map["fifths"].tolist() == [0, 2, 0, 2, 0]


@pytest.mark.parametrize(
    ("field", "bpm"),
    [("Q:1/4=120", 120), ("Q:3/8=100", 150), ("Q:120", 60), ("Q:C=120", 60), ("Q:C2=60", 60), ('Q:"Slow" 1/2=30', 60),
     ('Q:"Andante"', None), ("Q:1/4=0", None), ("Q:1/4 3/8=40", 100)],
)  # fmt: skip
def test_tempo(field, bpm):
    assert tune("C", f"{field}\nM:4/4\nL:1/8\n").tempo_map["bpm"].tolist() == ([bpm] if bpm else [])


def test_a_tempo_before_the_unit_length_counts_by_it():
    assert parse_score("X:1\nQ:120\nL:1/4\nK:C\nC").tempo_map["bpm"].tolist() == [120]


def test_chord_symbols_are_a_part_held_to_the_next():
    score = tune('"Am"A4 "D7/f#"B4|"^slowly"c4 "N.C."d4|"G"e8|')
    assert [(p.name, p.role) for p in score.parts] == [("melody", "melody"), ("chords", "accompaniment")]
    assert melody(score, 1) == [
        (0, 4, 57), (0, 4, 60), (0, 4, 64), (4, 8, 50), (4, 8, 54), (4, 8, 57), (4, 8, 60),
        (16, 8, 55), (16, 8, 59), (16, 8, 62),
    ]  # fmt: skip
    assert set(score.notes["velocity"][score.notes["part"] == 1].tolist()) == {60}


def test_voices():
    text = (
        'X:1\nM:4/4\nL:1/4\n%%score (1 2)\nV:1 name="Soprano"\nV:2 nm="Bass" octave=-1\nK:C\n'
        "%%MIDI program 2 43\nV:1\nc d e f|\n[V:2] C2 G,2|\nV:1\ng4|\n[V:2] C4|\n"
    )
    score = parse_score(text)
    assert [(p.name, p.role, p.program) for p in score.parts] == [("Soprano", "melody", 53), ("Bass", "bass", 43)]
    assert pitches(score) == [72, 74, 76, 77, 79]
    assert melody(score, 1) == [(0, 4, 48), (4, 4, 43), (8, 8, 48)]


def test_the_repeats_of_one_voice_hold_for_all():
    score = parse_score("X:1\nM:4/4\nL:1/4\nK:C\nV:1\n|:c4|1d4:|2e4|]\nV:2\nC4|D4|E4|\n")
    assert (pitches(score), pitches(score, 1)) == ([72, 74, 72, 76], [60, 62, 60, 64])


def test_overlay_goes_back_to_the_bar_line():
    assert melody(tune("C8|D4 E4 & F8|G8|")) == [(0, 8, 60), (8, 4, 62), (8, 8, 65), (12, 4, 64), (16, 8, 67)]


def test_a_second_system_of_voices_begins_where_the_first_ended():
    score = parse_score("X:1\nM:4/4\nL:1/4\nK:C\n%%score 1\nV:1\nC4|D4|\n%%score 1 2\nV:2\nE4|\nV:1\nF4|\n")
    assert melody(score, 1)[0][0] == 16


def test_a_book(tmp_path):
    faults: list[ItemError] = []
    first, third = load_items(DATA / "book.abc", on_reject=faults.append)
    assert (first.source.number, third.source.number) == (0, 2)
    assert first.source.sha256 == third.source.sha256
    assert first.uid != third.uid
    assert first.metadata == {
        "title": "The Test Jig", "composer": "A. Nonymous", "form": "jig", "collection": "Tunes for tests",
    }  # fmt: skip
    assert pitches(first.score)[:8] == [69, 74, 78, 81, 78, 74, 73, 76]
    assert first.score.tempo_map["bpm"].tolist() == [165]
    assert [f.code for f in faults] == ["E_EMPTY"]
    assert "tune 2 (X:2)" in str(faults[0])
    with pytest.raises(ItemError, match="No notes"):
        list(load_items(DATA / "book.abc"))


def test_an_empty_line_ends_a_tune(tmp_path):
    path = tmp_path / "a.abc"
    path.write_text("X:1\nK:C\n\nCDE|\n\nA bad deed faced\n\nX:2\nK:C\nFG|\n")
    assert [pitches(i.score) for i in load_items(path)] == [[60, 62, 64], [65, 67]]


def test_composers_of_hymns(tmp_path):
    path = tmp_path / "a.abc"
    fields = (
        "C: Words: Ann Author, 1700. Music: 'Eventide' William Monk, 1861. Setting: Else, 1900.\nC: copyright: public"
    )
    path.write_text(f"X:1\n{fields}\nK:C\nC\n\nX:2\nC:Trad.\nC:arr. X\nK:C\nC\n")
    assert [i.metadata["composer"] for i in load_items(path)] == ["William Monk, 1861", "Trad."]


def test_latin_1_and_carriage_returns(tmp_path):
    path = tmp_path / "a.abc"
    path.write_bytes("X:1\r\nT:Mu\xf1eira\r\nK:C\r\nCDE|\r\n".encode("latin-1"))
    item = next(load_items(path))
    assert item.metadata["title"] == "Muñeira"
    assert pitches(item.score) == [60, 62, 64]


@pytest.mark.parametrize(
    ("text", "fault"),
    [("P:((((A99)99)99)99)99\nK:C\nP:A\nCDE|", "part order"), ("K:C\nC" + "'" * 30, "MIDI"),
     ("K:C\n" + "[V:%d]C" * 600 % tuple(range(600)), "voices")],
)  # fmt: skip
def test_tunes_that_grow_or_leave_the_range_are_refused_alone(tmp_path, text, fault):
    path = tmp_path / "a.abc"
    path.write_text(f"X:1\n{text}\n\nX:2\nK:C\nC|\n")
    faults: list[ItemError] = []
    assert [i.source.number for i in load_items(path, on_reject=faults.append)] == [1]
    assert faults[0].code == "E_ABC_LIMIT"
    assert fault in str(faults[0])


def test_limits(tmp_path):
    path = tmp_path / "a.abc"
    path.write_text("X:1\nL:1/1\nM:4/4\nK:C\n" + "|:C9999:|" * 9 + "\n")
    for limits in (Limits(quarters=1000), Limits(bars=100), Limits(tunes=0), Limits(tune_bytes=20), Limits(notes=3)):
        with pytest.raises(ItemError) as caught:
            list(load_items(path, limits=limits))
        assert caught.value.code == "E_ABC_LIMIT"


@pytest.mark.parametrize(
    "music",
    ["[[[", "]|[|", '"Am', "{abc", "!!!!", "(3", ">>>", "C>", "[K:", "(9:0:0CDE", "C0", "/////", "&&&&", "-|-", "^^^",
     "[V:]", "[1[2[3", ":::::", "Z9999999", "C99999/1", "[]4", "\\", "P:", "\x00\x01", "½C", "[C[D]E]"],
)  # fmt: skip
def test_nonsense_is_passed_over(music):
    assert pitches(tune(f"{music}\n| G|"))[-1] == 67


@pytest.mark.parametrize(
    "line",
    ["[V:", "[K:", "[", '"C"', "!", "{", "|:", "[1", "(3", "C-", "Q:1/4", "1" , "P:A\n", "C>"],
)  # fmt: skip
def test_a_long_line_costs_no_more_than_its_length(line):
    began = time.perf_counter()
    with contextlib.suppress(ValueError):
        tune(line * (60_000 // len(line)) + "\nC|")
    assert time.perf_counter() - began < 5
