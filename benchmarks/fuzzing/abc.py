"""ABC tune books: fields, repeats, part orders, lengths, and brackets that never close."""

from __future__ import annotations

import re
from random import Random

from .raw import Change

NUMBERS = (
    "0",
    "1",
    "-1",
    "9",
    "16",
    "128",
    "999",
    "1000",
    "65536",
    "4294967296",
    "9" * 40,
    "1/0",
    "0/0",
    "٣",
    "½",
    "1e9",
)
FIELDS = "ABCDFGHIKLMmNOPQRrSsTUVWwXYZ"
VALUES = (
    "", "C", "C|", "none", "1/8", "1/0", "0/1", "999/1", "1/999", "255/64", "(2+3+2)/8", "3/4 4/4", "Hp", "HP", "C#",
    "Cb",
    "G#loc", "Fblyd", "Cexp ^^c __d", "C octave=999", "C transpose=-999", "C clef=bass octave=-9", "120", "1/4=0",
    "1/4=9999999",
    "1/4 3/8=40", "C3=40", '"x', "C=", "A", "((((A)9)9)9)9", "A999", "(AB)999(AB)999", ")" * 9, "A" * 2000, "1 name=\"",
    "1 octave=-99", "=" * 999, "1" * 999, "/" * 999, "1/1 " * 240, "(" * 999, "<b>&amp;\x1b[31m", "\u202e\u0000\ufeff",
)  # fmt: skip
TOKENS = (
    "A", "B,", "c'", "d''''''''''''", "E,,,,,,,,,,,,", "^F", "__g", "=a", "^^B2", "z", "x4", "Z", "Z9999", "X2", "y",
    "A/", "A//////////", "A3/2",
    "A9999", "A0", "A1/9999", "A/0", "[CEG]", "[C2E]4", "[C-E-]", "[", "]", "[]", "{gag}", "{", "}", '"Am"', '"',
    '"^x"', "|", "||", "|]",
    "|:", ":|", "::", ":::|", "|1", "[1", "[2,3", "[1-9", "|1,2-99", ":|2", "(3", "(9", "(0", "(1", "(3::", "(9:0:0",
    "(9:99:99", ">", "<<<<", ">>>",
    "-", "&", "&&", "!ff!", "!", "!pppp!", "+", "+p+", "!a!!b", "[V:1]", "[V:]", "[K:", "[M:3/4]", "[L:1/1]",
    "[L:1/999]", "[Q:1/4=20]", "[P:A]",
    "[r:x]", "$", "\\", "%", "`", "~", "v", "u", "\u266f", "\0", "\r", "\t", " ",
)  # fmt: skip


def _lines(data: bytes) -> list[str]:
    return data.decode("latin-1").split("\n")


def _bytes(lines: list[str]) -> bytes:
    return "\n".join(lines).encode("utf-8", "replace")


def field(rng: Random) -> str:
    """A field, sensible or not."""
    return f"{rng.choice(FIELDS)}:{rng.choice((*VALUES, *NUMBERS))}"


def music(rng: Random) -> str:
    """Music code of chance."""
    some = rng.sample(TOKENS, rng.choice((3, 8, len(TOKENS))))
    return "".join(rng.choice(some) for _ in range(rng.choice((1, 10, 80, 400))))


def fields(rng: Random, data: bytes, other: bytes) -> bytes:
    """Fields with other values."""
    lines = _lines(data)
    at = [i for i, line in enumerate(lines) if re.match(r"[A-WYZa-z]:", line)]
    for i in rng.sample(at, min(len(at), rng.choice((1, 1, 2, 5)))):
        lines[i] = lines[i][:2] + rng.choice((*VALUES, *NUMBERS))
    return _bytes(lines)


def add_lines(rng: Random, data: bytes, other: bytes) -> bytes:
    """Fields, directives, voices and music between."""
    lines = _lines(data)
    for _ in range(rng.choice((1, 2, 10, 200))):
        line = rng.choice((
            field(rng), music(rng), f"V:{rng.randrange(600)}", f"[V:{rng.randrange(9)}]{music(rng)}", "%%begintext",
            "%%endtext", "",
            "%%staves [1 2]", f"%%MIDI program {rng.choice(NUMBERS)} {rng.choice(NUMBERS)}", f"X:{rng.randrange(9)}",
            "I:MIDI=program 999",
        ))  # fmt: skip
        lines.insert(rng.randrange(len(lines) + 1), line)
    return _bytes(lines)


def tokens(rng: Random, data: bytes, other: bytes) -> bytes:
    """Signs put into a line of music, or taken out."""
    lines = _lines(data)
    for _ in range(rng.choice((1, 3, 10))):
        i = rng.randrange(len(lines))
        at = rng.randrange(len(lines[i]) + 1)
        lines[i] = (
            lines[i][:at]
            + rng.choice((music(rng), *rng.choices(TOKENS, k=3)))
            + lines[i][at + rng.choice((0, 0, 1, 3)) :]
        )
    return _bytes(lines)


def numbers(rng: Random, data: bytes, other: bytes) -> bytes:
    """Some numbers become extreme ones."""
    text = data.decode("latin-1")
    chance = rng.choice((0.02, 0.2, 1))
    return re.sub(r"\d+", lambda m: rng.choice(NUMBERS) if rng.random() < chance else m[0], text).encode(
        "utf-8", "replace"
    )


def long_run(rng: Random, data: bytes, other: bytes) -> bytes:
    """A sign thousands of times over: what costs more than its length would show."""
    lines = _lines(data)
    run = rng.choice((*TOKENS, *"()[]{}<>!\"'|:/,=^_-&+%CX1 ")) * rng.choice((100, 5000, 60_000))
    i = rng.randrange(len(lines))
    lines[i] = rng.choice((run, lines[i] + run, lines[i][:2] + run, run + lines[i], "[Q:" + run[:200] + "]"))
    return _bytes(lines)


def many(rng: Random, data: bytes, other: bytes) -> bytes:
    """A line many times: tunes, voices, fields, repeats."""
    lines = _lines(data)
    i = rng.randrange(len(lines))
    line = rng.choice(
        (
            lines[i],
            field(rng),
            music(rng),
            "Q:" + "1" * 990,
            "T:" + "x" * 2000,
            "X:1",
            "V:{}",
            "X:1\nK:C\nA",
            "|:A:|",
            'A"C"' * 20,
        )
    )
    times = min(rng.choice((10, 300, 2000)), 1 + (1 << 21) // max(1, len(line)))
    lines[i : i + 1] = [line.replace("{}", str(n)) for n in range(times)]
    return _bytes(lines)


def encoding(rng: Random, data: bytes, other: bytes) -> bytes:
    """The same in other bytes."""
    text = data.decode("latin-1")
    kind = rng.randrange(5)
    if kind == 0:
        return text.encode("utf-16")
    if kind == 1:
        return b"\xef\xbb\xbf" + data
    if kind == 2:
        return data.replace(b"\n", rng.choice((b"\r", b"\r\n", b"\n\r", b"\x0b", b"\x85", b"")))
    return data.replace(
        rng.choice((b"e", b" ", b"A", b"|")), rng.choice((b"\xe9", b"\xff", b"\xf0\x9f\x8e\xb5", b"\xed\xa0\x80")), 50
    )


def make(rng: Random) -> bytes:
    """A book of chance tunes."""
    out: list[str] = [field(rng) for _ in range(rng.choice((0, 0, 2)))]
    for number in range(rng.choice((1, 1, 3, 40))):
        out += [
            f"X:{number}",
            *(field(rng) for _ in range(rng.choice((0, 2, 6)))),
            f"K:{rng.choice(('C', 'G', 'Am', *VALUES))}",
        ]
        out += [music(rng) if rng.random() < 0.9 else field(rng) for _ in range(rng.choice((1, 4, 30)))]
        out.append("")
    return _bytes(out)


CHANGES: tuple[Change, ...] = (fields, fields, add_lines, tokens, tokens, numbers, long_run, many, encoding)
MAKERS = (make,)
