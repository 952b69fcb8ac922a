"""Writes the tiny pieces that tests read, all composed here: ``python tests/data/make_data.py``.

book.abc      two tunes, a jig with a pickup and repeats and a reel with chord symbols, and a broken one between them
waltz.mid     two parts, 3/4 at 132 bpm, with title, composer and form; waltz.txt describes it
hymn.musicxml a hymn of four voices in two parts, G minor, with a pickup and a tie; hymn.mxl is the same, compressed
tone.wav      half a second of 440 Hz
"""

from __future__ import annotations

import io
import math
import struct
import wave
import zipfile
from pathlib import Path

from mmbert.items import write_midi
from mmbert.symbolic.score import Part, Score

HERE = Path(__file__).parent

BOOK = """%abc-2.1
% A book for tests.
B:Tunes for tests

X:1
T:The Test Jig
C:A. Nonymous
R:jig
M:6/8
L:1/8
Q:3/8=110
K:D
A|:"D"d2f afd|"A"c2e ecA|"D"d2f afd|[1 "A"e3 "D"d2A:|[2 "A"e3 "D"d3||

X:2
T:Words Without Music
K:C
W: This tune has words alone.

X:3
T:The Test Reel
R:reel
M:C|
L:1/8
K:Ador
"Am"A2EA cAEA|"G"B2GB dBGB|"Am"A2EA cAed|"Em"BGEG "Am"A4||
"""

DESCRIPTION = "A gentle waltz for a music box, in C major.\n"


def waltz() -> bytes:
    """Eight bars of melody over a waltz bass."""
    melody = [(0, 72), (2, 76), (3, 79), (6, 77), (8, 74), (9, 71), (12, 72), (15, 76), (18, 74), (21, 72)]
    ends = [beat for beat, _ in melody[1:]] + [24]
    rows = [(b * 480, (e - b) * 480, p, 90, 10, False, 0) for (b, p), e in zip(melody, ends)]
    for bar, root in enumerate((48, 48, 43, 43, 48, 45, 43, 48)):
        rows.append((bar * 1440, 480, root, 60, 0, False, 1))
        rows += [(bar * 1440 + beat * 480, 480, root + i, 55, 0, False, 1) for beat in (1, 2) for i in (12, 16)]
    score = Score.build(
        rows,
        480,
        tempo_map=[(0, 132.0)],
        metre_map=[(0, 3, 4)],
        key_map=[(0, 0, False)],
        parts=(Part("Melody", 10), Part("Piano", 0)),
    )
    return write_midi(score, {"title": "The Test Waltz", "composer": "A. Nonymous", "form": "waltz"})


def hymn() -> str:
    """Two parts of two voices; lengths in quarter notes, a pickup of one."""
    bars = [
        [[("G4", 1)], [("D4", 1)]],
        [[("Bb4", 2), ("A4", 1), ("G4", 1)], [("D4", 2), ("D4", 2)]],
        [[("F#4", 2), ("G4", 2, "start")], [("A3", 2), ("Bb3", 2)]],
        [[("G4", 3, "stop")], [("Bb3", 3)]],
    ]
    parts = [("P1", "Women", 53, 0), ("P2", "Men", 53, -12)]
    listed = "".join(
        f'<score-part id="{id_}"><part-name>{name}</part-name><midi-instrument id="{id_}-I1">'
        f"<midi-channel>{i + 1}</midi-channel><midi-program>{program}</midi-program></midi-instrument></score-part>"
        for i, (id_, name, program, _) in enumerate(parts)
    )
    body = "".join(
        f'<part id="{id_}">{"".join(_measure(n, bar, shift) for n, bar in enumerate(bars))}</part>'
        for id_, _, _, shift in parts
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
        '"http://www.musicxml.org/dtds/partwise.dtd">\n'
        '<score-partwise version="4.0"><work><work-title>The Test Hymn</work-title></work><identification>'
        '<creator type="composer">A. Nonymous</creator><miscellaneous><miscellaneous-field name="form">hymn'
        f"</miscellaneous-field></miscellaneous></identification><part-list>{listed}</part-list>{body}"
        "</score-partwise>\n"
    )


_ATTRIBUTES = (
    "<attributes><divisions>2</divisions><key><fifths>-2</fifths></key>"
    "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
    '<direction><direction-type><dynamics><mf/></dynamics></direction-type><sound tempo="84"/></direction>'
)


def _measure(number: int, voices: list, shift: int) -> str:
    length = sum(note[1] for note in voices[0]) * 2
    upper, lower = ("".join(_note(note, voice + 1, shift) for note in notes) for voice, notes in enumerate(voices))
    opening = 'number="0" implicit="yes"' if number == 0 else f'number="{number}"'
    attributes = _ATTRIBUTES if number == 0 else ""
    return f"<measure {opening}>{attributes}{upper}<backup><duration>{length}</duration></backup>{lower}</measure>\n"


def _note(note: tuple, voice: int, shift: int) -> str:
    name, quarters, *tie = note
    alter = {"#": "<alter>1</alter>", "b": "<alter>-1</alter>"}.get(name[1], "")
    octave = int(name[-1]) + shift // 12
    ties = "".join(f'<tie type="{kind}"/>' for kind in tie)
    return (
        f"<note><pitch><step>{name[0]}</step>{alter}<octave>{octave}</octave></pitch>"
        f"<duration>{quarters * 2}</duration>{ties}<voice>{voice}</voice></note>"
    )


def compressed(score: str) -> bytes:
    """A .mxl of a score, the same bytes at any time."""
    container = (
        '<?xml version="1.0"?><container><rootfiles><rootfile full-path="score.musicxml"/></rootfiles></container>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in (("META-INF/container.xml", container), ("score.musicxml", score)):
            z.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def tone(seconds: float = 0.5, rate: int = 8000) -> bytes:
    """A sine of 440 Hz as a WAV of 16 bits."""
    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setparams((1, 2, rate, 0, "NONE", ""))
        values = (round(16000 * math.sin(2 * math.pi * 440 * i / rate)) for i in range(int(seconds * rate)))
        w.writeframes(b"".join(struct.pack("<h", v) for v in values))
    return out.getvalue()


def make(folder: Path = HERE) -> list[Path]:
    """Writes every piece into a folder and returns the paths."""
    content = {
        "book.abc": BOOK.encode(),
        "waltz.mid": waltz(),
        "waltz.txt": DESCRIPTION.encode(),
        "hymn.musicxml": hymn().encode(),
        "hymn.mxl": compressed(hymn()),
        "tone.wav": tone(),
    }
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in content]


if __name__ == "__main__":
    for path in make():
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path, path.stat().st_size)
