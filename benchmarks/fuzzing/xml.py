"""MusicXML: elements, attributes, numbers, nesting, entities, encodings."""

from __future__ import annotations

import re
from random import Random

from .raw import Change

TEXTS = (
    "", " ", "0", "1", "-1", "127", "128", "1e308", "-1e308", "1e-308", "nan", "inf", "-inf", "0.0001", "1/3", "3+2",
    "99999999999999999999",
    "9" * 5000, "1_000", "0x10", "\u0663", "\u00bd", "x", "C", "H", "start", "stop", "\n", "&#0;", "&#x10FFFF;",
    "&amp;", "&undeclared;",
    "<![CDATA[4]]>", "<!-- -->4", "<?x y?>", "<x/>", "]]>", "2147483647", "4294967296", "-2147483648", "1000000",
    "10080", "1.5", "+4", "4.",
)  # fmt: skip
TAGS = (
    "note", "pitch", "step", "octave", "alter", "duration", "chord", "rest", "grace", "cue", "tie", "voice", "staff",
    "backup", "forward",
    "attributes", "divisions", "key", "fifths", "mode", "time", "beats", "beat-type", "transpose", "chromatic",
    "octave-change", "direction",
    "sound", "harmony", "root", "root-step", "root-alter", "kind", "offset", "measure", "part", "score-part",
    "part-name", "midi-instrument",
    "midi-program", "midi-channel", "midi-unpitched", "unpitched", "instrument", "work", "creator", "metronome",
    "beat-unit", "per-minute",
    "dynamics", "f", "score-partwise", "score-timewise", "part-list",
)  # fmt: skip
_TEXT = re.compile(r"(?<=>)[^<>]*(?=</)")
_ATTRIBUTE = re.compile(r"""(?<==)["'][^"'<>]*["']""")
_ELEMENT = re.compile(r"<([A-Za-z-]+)(?:\s[^<>]*)?(?:/>|>[^<>]*</\1>)")
_MEASURE = re.compile(r"<measure\b.*?</measure>", re.S)
_NAMES = re.compile(r"(?<=[</])[A-Za-z-]+")


def _replace(rng: Random, text: str, pattern: re.Pattern, values: tuple[str, ...]) -> str:
    found = list(pattern.finditer(text))
    for m in sorted(rng.sample(found, min(len(found), rng.choice((1, 1, 2, 8)))), key=lambda m: -m.start()):
        text = text[: m.start()] + rng.choice(values) + text[m.end() :]
    return text


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def texts(rng: Random, data: bytes, other: bytes) -> bytes:
    """What elements hold: numbers become extreme ones."""
    return _replace(rng, _text(data), _TEXT, TEXTS).encode()


def attributes(rng: Random, data: bytes, other: bytes) -> bytes:
    """What attributes hold."""
    return _replace(rng, _text(data), _ATTRIBUTE, tuple(f'"{t}"' for t in TEXTS if '"' not in t)).encode()


def names(rng: Random, data: bytes, other: bytes) -> bytes:
    """One element's name becomes another's, everywhere or at one tag."""
    text, name = _text(data), rng.choice(TAGS)
    found = list(_NAMES.finditer(text))
    if not found:
        return data
    old = rng.choice(found)
    if rng.random() < 0.5:
        return text[: old.start()].encode() + name.encode() + text[old.end() :].encode()
    return re.sub(rf"(?<=[</]){re.escape(old[0])}(?=[\s/>])", name, text).encode()


def elements(rng: Random, data: bytes, other: bytes) -> bytes:
    """Elements without children removed, repeated, or put elsewhere."""
    text = _text(data)
    found = list(_ELEMENT.finditer(text))
    if not found:
        return data
    m, place = rng.choice(found), rng.choice(found)
    times = min(rng.choice((0, 2, 30, 5000)), 1 + (1 << 20) // len(m[0]))
    if rng.random() < 0.5:
        return (text[: m.start()] + m[0] * times + text[m.end() :]).encode()
    return (text[: place.end()] + m[0] * max(1, times) + text[place.end() :]).encode()


def add(rng: Random, data: bytes, other: bytes) -> bytes:
    """A new element behind some element."""
    text = _text(data)
    found = list(_ELEMENT.finditer(text))
    at = rng.choice(found).end() if found else rng.randrange(len(text) + 1)
    return (text[:at] + element(rng) + text[at:]).encode()


def element(rng: Random) -> str:
    """Something that steers the time line, with an extreme number in it."""
    value = rng.choice(TEXTS)
    return rng.choice((
        f"<backup><duration>{value}</duration></backup>", f"<forward><duration>{value}</duration></forward>",
        f"<attributes><divisions>{value}</divisions></attributes>",
        f'<sound tempo="{rng.choice(("0", "nan", "5", "1e9", "-9", "999"))}"/>',
        f"<attributes><time><beats>{value}</beats><beat-type>{rng.choice(TEXTS)}</beat-type></time></attributes>",
        f"<attributes><key><fifths>{value}</fifths><mode>{rng.choice(TEXTS)}</mode></key></attributes>",
        f"<attributes><transpose><chromatic>{value}</chromatic><octave-change>{rng.choice(TEXTS)}</octave-change></transpose></attributes>",
        f"<note><pitch><step>{rng.choice('CDEH')}</step><alter>{value}</alter><octave>4</octave></pitch><duration>4</duration></note>",
        f"<note><pitch><step>C</step><octave>{value}</octave></pitch><duration>4</duration></note>",
        f"<note><pitch><step>C</step><octave>4</octave></pitch><duration>{value}</duration></note>",
        f'<note dynamics="{rng.choice(("nan", "1e400", "-5", "x", "90"))}"><unpitched/><duration>1</duration></note>',
        f"<harmony><root><root-step>C</root-step><root-alter>{value}</root-alter></root><kind>{value}</kind><offset>{value}</offset></harmony>",
        f"<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>{value}</per-minute></metronome></direction-type>"
        f"<offset>{value}</offset></direction>",
        f"<{rng.choice(TAGS)}>{value}</{rng.choice(TAGS)}>",
    ))  # fmt: skip


def measures(rng: Random, data: bytes, other: bytes) -> bytes:
    """Measures away, twice, many times, out of order, from another file."""
    text = _text(data)
    found = [m[0] for m in _MEASURE.finditer(text)]
    if not found:
        return data
    one = rng.choice(found)
    strange = [m[0] for m in _MEASURE.finditer(_text(other))] or found
    times = min(rng.choice((2, 40, 3000)), 1 + (1 << 20) // len(one))
    return text.replace(
        one, rng.choice(("", one * times, rng.choice(strange), one + rng.choice(strange), "<measure/>" * 40_000)), 1
    ).encode()


def nest(rng: Random, data: bytes, other: bytes) -> bytes:
    """Elements within elements within elements."""
    text = _text(data)
    depth = rng.choice((10, 60, 70, 3000, 100_000))
    tag = rng.choice(TAGS)
    found = list(_ELEMENT.finditer(text))
    at = rng.choice(found).start() if found else len(text)
    closed = f"</{tag}>" * (depth if rng.random() < 0.8 else 0)
    return (text[:at] + f"<{tag}>" * depth + closed + text[at:]).encode()


def entities(rng: Random, data: bytes, other: bytes) -> bytes:
    """Entities: nested, external, of parameters, of no declaration."""
    powers = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, rng.choice((3, 10, 30))))
    subset = rng.choice((
        f'<!ENTITY a0 "lol">{powers}', '<!ENTITY a1 SYSTEM "file:///etc/passwd">',
        '<!ENTITY a1 SYSTEM "http://127.0.0.1:9/x">',
        '<!ENTITY % a1 SYSTEM "file:///etc/passwd"> %a1;', '<!ENTITY a1 "x">', '<!ENTITY a1 "&a1;">',
        "<!ELEMENT part ANY>",
        '<!ATTLIST part id CDATA "P9">', '<!NOTATION n SYSTEM "x"><!ENTITY a1 SYSTEM "x" NDATA n>',
        f'<!ENTITY a1 "{"x" * 100_000}">',
    ))  # fmt: skip
    text = re.sub(r"<!DOCTYPE[^>]*>", "", _text(data))
    system = rng.choice(("", ' SYSTEM "file:///etc/passwd"', ' PUBLIC "-//x" "http://127.0.0.1:9/x.dtd"'))
    doctype = f"<!DOCTYPE score-partwise{system} [{subset}]>"
    text = text.replace("<score-partwise", doctype + "<score-partwise", 1)
    return re.sub(r">[^<>]*</", lambda m: ">&a1;</", text, count=rng.choice((0, 1, 5))).encode()


def encoding(rng: Random, data: bytes, other: bytes) -> bytes:
    """Other bytes, or a declaration that lies."""
    text = _text(data)
    named = rng.choice(
        ("utf-16", "UTF-7", "iso-8859-1", "ebcdic-cp-us", "shift_jis", "x-unknown", "utf-8\0", "ascii", "ucs-4")
    )
    declared = re.sub(r"^<\?xml[^>]*>", f'<?xml version="1.0" encoding="{named}"?>', text)
    kind = rng.randrange(5)
    if kind == 0:
        return text.encode("utf-16")
    if kind == 1:
        return declared.encode(rng.choice(("utf-8", "utf-16", "latin-1", "utf-16-be")), "replace")
    if kind == 2:
        return b"\xef\xbb\xbf" + data
    if kind == 3:
        return re.sub(r"^<\?xml[^>]*>", '<?xml version="9.9"?>', text).encode()
    return (
        rng.choice(
            (b" ", b"\n\n", b"\0", b"<!-- x -->", b"<!--" + b"-" * 70_000 + b"-->", b"<?a " + b"b" * 70_000 + b"?>")
        )
        + data
    )


def timewise(rng: Random, data: bytes, other: bytes) -> bytes:
    """The other root, names of a namespace, or two roots."""
    text = _text(data)
    return rng.choice((
        text.replace("score-partwise", "score-timewise"), text.replace("<score-partwise",
        '<score-partwise xmlns="urn:x"', 1),
        text.replace("<", "<m:").replace("<m:/", "</m:"), text + text[text.find("<score") :], text.replace("<part ",
        "<measure ").replace("</part>", "</measure>"),
    )).encode()  # fmt: skip


def make(rng: Random) -> bytes:
    """A score of chance elements."""

    def part(i: int) -> str:
        body = "".join(
            f"<measure>{''.join(element(rng) for _ in range(rng.choice((0, 3, 30))))}</measure>"
            for _ in range(rng.choice((1, 5, 60)))
        )
        return f'<part id="P{i}">{body}</part>'

    count = rng.choice((0, 1, 2, 40))
    listed = "".join(
        f'<score-part id="P{i}"><part-name>{rng.choice(("Piano", "", "x", "&lt;b&gt;"))}</part-name></score-part>'
        for i in range(count)
    )
    parts = "".join(map(part, range(count)))
    return f"<?xml version='1.0'?><score-partwise><part-list>{listed}</part-list>{parts}</score-partwise>".encode()


CHANGES: tuple[Change, ...] = (
    texts, texts, texts, attributes, names, elements, elements, add, add, add, measures, nest, entities, encoding,
    timewise,
)  # fmt: skip
MAKERS = (make,)
