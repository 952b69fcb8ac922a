"""The works of the data sets: what there is, which split it belongs to, and how to read one.

The data are a folder of zips, one a source, each with a ``manifest.csv``, and ``works.csv.zip`` with the work
cluster and the split of every entry. Whatever is one work (settings, performances) is in one split.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from mmbert.errors import DataError
from mmbert_training.demo_library import NEWEST_SONG, Entry, form_of, full_name

if TYPE_CHECKING:
    from mmbert.types import Item

Split = Literal["train", "validation", "test"]
OPEN = (
    "pop909", "openscore_lieder", "openscore_quartets", "openewld", "openhymnal", "freedoom_music", "simutrans_music",
    "mutopia_sample", "nottingham",
)  # fmt: skip
_WHERE_FROM = "Give the folder of data zips with --data DIR or set MMBERT_DATA; SOURCES.md says what is in it"


@dataclass(frozen=True)
class Work:
    """One entry of a source.

    Attributes:
        id: Unique over all sources.
        source: Name of its zip.
        cluster: Entries of one cluster are settings of one work.
        split: ``train``, ``validation`` or ``test``; the same for a whole cluster.
        archive: The zip.
        path: Its place in the zip; ``all.abc#X:12`` is tune 12 of a book.
        row: Its line of the manifest.
    """

    id: str
    source: str
    cluster: str
    split: Split
    archive: Path
    path: str
    row: dict[str, str] = field(repr=False, hash=False, compare=False)

    @property
    def metadata(self) -> dict[str, str]:
        """Title, composer and form as the manifest states them; absent where it states none."""
        found = {"title": self.row["title"], "composer": full_name(self.row["creator"]), "form": form_of(self._entry)}
        return {k: v for k, v in found.items() if v}

    @property
    def _entry(self) -> Entry:
        return Entry(self.source, self.row, self.cluster)

    @property
    def releasable(self) -> bool:
        """Whether weights that are given away may learn from it: open sources, songs dated 1930 or earlier."""
        if self.source == "openewld":
            year = re.match(r"\d{4}", self.row["year"])
            return year is not None and int(year[0]) <= NEWEST_SONG
        return self.source in OPEN


def data_folder(data: str | Path | None = None) -> Path:
    """The folder of data: the argument, else ``MMBERT_DATA``.

    Raises:
        DataError: where neither names a folder with ``works.csv.zip``.
    """
    named = data or os.environ.get("MMBERT_DATA")
    if not named:
        raise DataError("--data", "no folder of training and evaluation data was named", _WHERE_FROM)
    if not (Path(named) / "works.csv.zip").is_file():
        raise DataError(str(named), "holds no works.csv.zip", _WHERE_FROM)
    return Path(named)


def load_works(data: str | Path | None, sources: Iterable[str] = OPEN) -> list[Work]:
    """Every entry of some sources, in the order of the manifests.

    Raises:
        DataError: for a source that is unknown, missing or unreadable, or an entry without a split.
    """
    folder = data_folder(data)
    splits = {r["id"]: (r["cluster"], r["split"]) for r in _rows(folder / "works.csv.zip", "works.csv")}
    works = []
    for source in sources:
        archive = folder / f"{source}.zip"
        for row in _rows(archive, "manifest.csv"):
            if row["id"] not in splits or splits[row["id"]][1] not in get_args(Split):
                raise DataError(
                    str(archive), f"{row['id']} has no split in works.csv.zip", "The zips do not belong together"
                )
            cluster, split = splits[row["id"]]
            # Where there is ABC beside MIDI (Nottingham) it says more: what is melody, what a chord symbol.
            abc = re.search(r"(?:^|;)abc=([^;]+)", row["labels"])
            path = abc[1] if abc else row["path"]
            works.append(Work(row["id"], source, cluster, split, archive, path, row))  # type: ignore[arg-type]
    return works


def read(work: Work, member: str | None = None) -> bytes:
    """The bytes of a work, or of another member of its zip (beats, licences).

    Raises:
        DataError: where the zip holds no such member.
    """
    path, _, tune = (member or work.path).partition("#X:")
    try:
        if tune:
            return _book(work.archive, path)[tune].encode()
        return _open(work.archive).read(path)
    except KeyError as e:
        raise DataError(str(work.archive), f"holds no {member or work.path}", "The zip and its manifest differ") from e


def load_item(work: Work) -> Item:
    """A work as an item, with the manifest's title, composer and form; POP909 on the bars of its beat files.

    Raises:
        ItemError: where the file cannot be read.
        DataError: where the zip is not what its manifest says.
    """
    item = load_as_filed(work)
    if work.source == "pop909" and item.score is not None:
        from mmbert_training.rebar import rebar_work

        item = replace(item, score=rebar_work(work, item.score))
    return replace(item, metadata=work.metadata)


def load_as_filed(work: Work) -> Item:
    """A work as its file has it: no word of the manifest, POP909 on its ticks. Raises as :func:`load_item`."""
    from mmbert.items import load_items

    name = Path(work.path.partition("#")[0]).name
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(read(work))
        return next(iter(load_items(Path(folder) / name)))


@cache
def _open(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except FileNotFoundError as e:
        raise DataError(str(archive), "is missing", _WHERE_FROM) from e
    except (OSError, zipfile.BadZipFile) as e:
        raise DataError(str(archive), "is not a readable zip", "Copy it again") from e


def _rows(archive: Path, name: str) -> list[dict[str, str]]:
    try:
        text = _open(archive).read(name).decode("utf-8")
    except KeyError as e:
        raise DataError(str(archive), f"holds no {name}", "It is not a zip of the data folder") from e
    return list(csv.DictReader(io.StringIO(text)))


@cache
def _book(archive: Path, path: str) -> dict[str, str]:
    tunes = re.split(r"(?m)^(?=X:)", _open(archive).read(path).decode("utf-8"))
    return {m[1]: tune for tune in tunes if (m := re.match(r"X:\s*(\S+)", tune))}
