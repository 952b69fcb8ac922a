"""Make ``mmbert/demo/library.zip``: several hundred varied works whose licences let anyone pass them on.

    python -m mmbert_training.evaluate.real_sounds SOUNDS
    python -m mmbert_training.demo_library SOUNDS --data DIR [--out mmbert/demo/library.zip]

Works come from the training and validation splits alone, so that no evaluation meets them. Form and composer
are written into the files from the manifests, in the way that each format has for it: ``R:`` and ``C:`` in
ABC, ``<creator>`` and ``<miscellaneous-field name="form">`` in MusicXML, text meta events in MIDI. Nothing
else of the music is changed. Some of them are there as recordings too, beside recordings that people made
(``demo_recordings.py``). ``ATTRIBUTION.csv`` and ``licences/`` in the zip say whose each piece is.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import struct
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mmbert.facets import fold, form_token
from mmbert_training.demo_recordings import excerpts, rendered

# How many works of each source: many kinds of music, most of them short, none that drowns the rest.
QUOTAS = {
    "nottingham": 150,
    "openhymnal": 75,
    "openewld": 60,
    "openscore_lieder": 100,
    "openscore_quartets": 8,
    "mutopia_sample": 110,
    "freedoom_music": 22,
    "simutrans_music": 22,
}
FOLDERS = {
    "nottingham": "folk tunes",
    "openhymnal": "hymns",
    "openewld": "songs",
    "openscore_lieder": "art songs",
    "openscore_quartets": "string quartets",
    "mutopia_sample": "classical",
    "freedoom_music": "games",
    "simutrans_music": "games",
}
NEWEST_SONG = 1930  # songs dated later, or not at all, may still be in copyright


@dataclass(frozen=True)
class Entry:
    """One row of a source's manifest that may go into the demo library."""

    source: str
    row: dict[str, str]
    cluster: str

    @property
    def order(self) -> str:
        """A fixed shuffle."""
        return hashlib.sha256(self.row["id"].encode()).hexdigest()

    @property
    def stratum(self) -> str:
        """What the choice is spread over: a dance's form, a song's composer, a study's instrument."""
        if self.source == "nottingham":
            return self.row["form"]
        if self.source == "mutopia_sample":
            return f"{self.row['instrumentation'].split(',')[0]} {last_name(self.row['creator'])}"
        return last_name(self.row["creator"])


def last_name(creator: str) -> str:
    """``Schop, Johann (1590-1664)`` and ``Johann Schop`` -> ``schop``."""
    name = re.sub(r"\(.*?\)", "", creator).strip()
    return fold(name.split(",")[0] if "," in name else (name.split() or [""])[-1])


def full_name(creator: str) -> str:
    """``Schop, Johann (1590-1664)`` -> ``Johann Schop``.

    >>> full_name("Schop, Johann (1590-1664)"), full_name("[Traditional]"), full_name("Luther, Martin; Bach")
    ('Johann Schop', 'Traditional', 'Martin Luther, Bach')
    """
    names = []
    for part in re.sub(r"\(.*?\)|[\[\]{}]", "", creator).split(";"):
        family, comma, given = part.strip().partition(",")
        names.append(f"{given.strip()} {family.strip()}" if comma and given.strip() else part.strip())
    return ", ".join(n for n in names if n)


def form_of(entry: Entry) -> str:
    """The form that the manifest states, in a word that people use; empty where it states none."""
    form = entry.row["form"]
    if entry.source == "openewld":
        return form_token(entry.row["style"]) or form_token(entry.row["title"]) or "song"
    if entry.source in ("freedoom_music", "simutrans_music"):
        return form_token(entry.row["title"]) or "game music"
    if entry.source == "openscore_quartets":
        return "string quartet"
    if entry.source == "mutopia_sample":
        return form_token(entry.row["title"]) or ""
    return {"art song": "song", "ashover set": "", "morris dance": "dance", "playford dance": "dance",
            "christmas carol": "carol"}.get(form, form)  # fmt: skip


# ---- choosing ------------------------------------------------------------------------------------------


def eligible(entry: Entry, data: bytes) -> bool:
    """Whether a work may be passed on, changed by a line of metadata."""
    if entry.source == "openewld":
        year = re.match(r"\d{4}", entry.row["year"])
        return year is not None and int(year[0]) <= NEWEST_SONG
    if entry.source == "openhymnal":
        text = data.decode("utf-8", "replace").casefold()
        return "public domain" in text and "rights reserved" not in text and "permission" not in text
    if entry.source == "openscore_quartets":
        return len(data) < 2_500_000  # the longest quartets would fill the zip
    if entry.source == "openscore_lieder":
        return len(data) < 400_000
    return bool(entry.row["title"])


def choose(entries: Iterable[Entry], count: int, data_of: Callable[[Entry], bytes]) -> list[Entry]:
    """``count`` eligible works, one a cluster, taken in turn from each stratum."""
    strata: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda e: e.order):
        strata[entry.stratum].append(entry)
    chosen: list[Entry] = []
    clusters: set[str] = set()
    queues = [strata[s] for s in sorted(strata, key=lambda s: strata[s][0].order)]
    while len(chosen) < count and any(queues):
        for queue in queues:
            while queue:
                entry = queue.pop(0)
                if entry.cluster not in clusters and eligible(entry, data_of(entry)):
                    clusters.add(entry.cluster)
                    chosen.append(entry)
                    break
            if len(chosen) == count:
                break
    return chosen


def entries_of(archive: zipfile.ZipFile, source: str, splits: dict[str, tuple[str, str]]) -> list[Entry]:
    """Rows of a manifest that are not in the test split."""
    rows = csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8")))
    return [Entry(source, row, splits[row["id"]][0]) for row in rows if splits[row["id"]][1] != "test"]


# ---- writing form and composer into the files ------------------------------------------------------------


def labelled_abc(text: str, title: str, composer: str, form: str) -> str:
    """ABC with ``T:``, ``C:`` and ``R:`` as given; what ``C:`` said before becomes a note."""
    lines, header, seen_title = [], True, False
    for line in text.splitlines():
        if header and re.match(r"[TCR]:", line):
            if line.startswith("C:"):
                lines.append("N:" + line[2:])
            elif line.startswith("T:") and not seen_title:
                seen_title = True
                lines.append(f"T:{title or line[2:].strip()}")
                lines += [f"C:{composer}"] * bool(composer) + [f"R:{form}"] * bool(form)
            continue
        header = header and not line.startswith("K:")
        lines.append(line)
    return "\n".join(lines) + "\n"


def labelled_mxl(data: bytes, composer: str, form: str) -> bytes:
    """MusicXML as a compressed ``.mxl`` with composer and form in ``<identification>``."""
    from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

    root = fromstring(data)
    identification = root.find("identification")
    if identification is None:
        identification = Element("identification")
        before = [c.tag for c in root].index("part-list")
        root.insert(before, identification)
    if composer and not any(c.get("type") == "composer" for c in identification.findall("creator")):
        creator = Element("creator", type="composer")
        creator.text = composer
        identification.insert(0, creator)
    if form:
        box = identification.find("miscellaneous")
        box = SubElement(identification, "miscellaneous") if box is None else box
        field = box.find("miscellaneous-field[@name='form']")
        (SubElement(box, "miscellaneous-field", name="form") if field is None else field).text = form
    container = (
        '<?xml version="1.0" encoding="UTF-8"?><container><rootfiles>'
        '<rootfile full-path="score.musicxml"/></rootfiles></container>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        store(z, "META-INF/container.xml", container.encode())
        store(z, "score.musicxml", tostring(root, encoding="utf-8", xml_declaration=True))
    return out.getvalue()


def labelled_midi(data: bytes, title: str, composer: str, form: str) -> bytes:
    """A MIDI file whose first track begins with text events ``title:``, ``composer:`` and ``form:``."""
    start = data.index(b"MTrk")
    length = struct.unpack(">I", data[start + 4 : start + 8])[0]
    events = b""
    for name, value in (("title", title), ("composer", composer), ("form", form)):
        if value:
            text = f"{name}: {value}".encode("latin-1", "replace")[:127]
            events += b"\x00\xff\x01" + bytes([len(text)]) + text
    head = data[: start + 4] + struct.pack(">I", length + len(events))
    return head + events + data[start + 8 :]


def labelled(entry: Entry, data: bytes) -> tuple[str, bytes]:
    """(suffix, bytes) of a work with its form and composer written in."""
    title, composer, form = entry.row["title"], full_name(entry.row["creator"]), form_of(entry)
    if data[:4] == b"MThd":
        return ".mid", labelled_midi(data, title, composer, form)
    if data.lstrip()[:1] == b"<":
        return ".mxl", labelled_mxl(data, composer, form)
    return ".abc", labelled_abc(data.decode("utf-8", "replace"), title, composer, form).encode("utf-8")


# ---- the zip ---------------------------------------------------------------------------------------------


def store(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """A member without a time, so that the same works give the same bytes."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_STORED if name.endswith((".mxl", ".mp3")) else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, data, compresslevel=9)


def music_of(archive: zipfile.ZipFile, entry: Entry) -> bytes:
    """The music of an entry in its source's zip; dances as ABC, which says more than their MIDI."""
    path = entry.row["path"]
    if entry.source == "nottingham":
        path = dict(p.split("=", 1) for p in entry.row["labels"].split(";") if "=" in p)["abc"]
    return archive.read(path)


def licence_of(entry: Entry, licences: dict[str, str]) -> str:
    """The licence of one piece: its own where the source has one a piece."""
    own = re.search(r"licence=([^;]+)", entry.row["labels"])
    return own[1] if own else licences[entry.source]


def file_name(entry: Entry, suffix: str, taken: set[str]) -> str:
    """A readable path under ``music/`` that no other entry has."""
    words = re.sub(r"[^a-z0-9]+", " ", fold(entry.row["title"])).split()[:8] or [entry.row["id"].split("-", 1)[1]]
    stem = f"music/{FOLDERS[entry.source]}/{'-'.join(words)}"
    name, n = stem + suffix, 2
    while name in taken:
        name, n = f"{stem}-{n}{suffix}", n + 1
    taken.add(name)
    return name


def make(data: Path, sounds: Path, out: Path) -> dict[str, int]:
    """Write the zip; returns the number of works of each source, and of recordings."""
    works = zipfile.ZipFile(data / "works.csv.zip").read("works.csv").decode("utf-8")
    splits = {r["id"]: (r["cluster"], r["split"]) for r in csv.DictReader(io.StringIO(works))}
    facts = json.loads((data / "sources.json").read_text(encoding="utf-8"))
    licences = {s["name"]: s["licence"] for s in facts["sources"]}
    counts: dict[str, int] = {}
    rows, taken = [], set[str]()
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w") as z:
        for source, quota in QUOTAS.items():
            archive = zipfile.ZipFile(data / f"{source}.zip")
            chosen = choose(entries_of(archive, source, splits), quota, partial(music_of, archive))
            counts[source] = len(chosen)
            for entry in sorted(chosen, key=lambda e: e.row["id"]):
                suffix, content = labelled(entry, music_of(archive, entry))
                name = file_name(entry, suffix, taken)
                store(z, name, content)
                who = full_name(entry.row["creator"])
                rows.append([name, entry.row["title"], who, source, entry.row["id"], licence_of(entry, licences)])
            for member in archive.namelist():
                if re.fullmatch(r"(LICEN[CS]E|COPYING|CREDITS)[^/]*", member):
                    store(z, f"licences/{source}/{member}", archive.read(member))
        made = {row[0]: row for row in rows}
        with tempfile.TemporaryDirectory() as folder:
            # Rendered works are read back from what was written.
            heard = [*excerpts(sounds), *rendered(z.read, lambda work: made[work][-1], Path(folder))]
        for recording in heard:
            store(z, recording.name, recording.data)
            rows.append(
                [recording.name, recording.title, recording.who, recording.source, recording.part, recording.licence]
            )
        counts["recordings"] = len(heard)
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(
            [["path", "title", "composer", "source", "id", "licence"], *rows]
        )
        store(z, "ATTRIBUTION.csv", table.getvalue().encode("utf-8"))
    return counts


def main(
    sounds: Annotated[Path, typer.Argument(help="Folder of recordings of Debian packages.")],
    data: Annotated[Path, typer.Option(envvar="MMBERT_DATA", help="Folder of the source zips.")],
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("mmbert/demo/library.zip"),
) -> None:
    """Make the demo library."""
    counts = make(data, sounds, out)
    print(f"{out}: {sum(counts.values())} files, {out.stat().st_size / 2**20:.2f} MiB, {counts}")


if __name__ == "__main__":
    typer.run(main)
