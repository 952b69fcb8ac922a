"""Every MIDI file of the data through octuples and back: does the law hold, and what is lost?"""

from __future__ import annotations

import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmbert.console import progress
from mmbert.errors import DataError, ItemError
from mmbert.items import load_items
from mmbert.symbolic.octuple import BarPolicy, EncodeReport, decode, encode
from mmbert.symbolic.score import Score
from mmbert_training.manifest import data_folder

SOURCES = (
    "pop909", "nottingham", "simutrans_music", "freedoom_music", "mutopia_sample", "bimmuda", "pianist8", "asap",
)  # fmt: skip


@dataclass
class _Source:
    """Tallies of one source."""

    files: int = 0
    unread: Counter[str] = field(default_factory=Counter)  # by code
    broken: list[str] = field(default_factory=list)  # where octuples did not come back
    refused_by_reference: int = 0
    reports: list[EncodeReport] = field(default_factory=list)


def run(data: Path | None, weights: Path | None = None) -> dict[str, Any]:
    """``encode(decode(x)) == x`` over every ``.mid`` of the data, under both bar policies, and all losses by source.

    Args:
        data: The folder of data zips; None for ``MMBERT_DATA``.
        weights: Not read: octuples need none.

    Raises:
        DataError: where the folder or a zip is missing.
    """
    folder = data_folder(data)
    sources = {name: _measured(folder / f"{name}.zip") for name in SOURCES}
    reports = {name: asdict(EncodeReport.total(s.reports)) for name, s in sources.items()}
    total = asdict(EncodeReport.total(r for s in sources.values() for r in s.reports))
    broken = [f"{name}: {path}" for name, s in sources.items() for path in s.broken]
    return {
        "law_holds": not broken,
        "files": sum(s.files for s in sources.values()),
        "unread": sum(s.unread.total() for s in sources.values()),
        "notes": total["notes"],
        "broken": broken,
        "sources": {
            name: {
                "files": s.files,
                "unread": ", ".join(f"{code} {n}" for code, n in s.unread.items()),
                "broken": len(s.broken),
                "refused_by_reference": s.refused_by_reference,
            }
            for name, s in sources.items()
        },
        # One row a loss, one column a source.
        "losses": {loss: {name: r[loss] for name, r in (*reports.items(), ("all", total))} for loss in total},
    }


def _measured(archive: Path) -> _Source:
    out = _Source()
    for path, score in _scores(archive):
        out.files += 1
        if isinstance(score, ItemError):
            out.unread[score.code] += 1
            continue
        encoding = encode(score)
        out.reports.append(encoding.report)
        if not _comes_back(encoding.octuples, "honour"):
            out.broken.append(path)
        try:
            as_reference = encode(score, "muzic")
        except ItemError:
            out.refused_by_reference += 1
            continue
        if not _comes_back(as_reference.octuples, "muzic"):
            out.broken.append(f"{path} (muzic)")
    return out


def _comes_back(octuples: np.ndarray, policy: BarPolicy) -> bool:
    return np.array_equal(encode(decode(octuples), policy).octuples, octuples)


def _scores(archive: Path) -> Iterator[tuple[str, Score | ItemError]]:
    """Every MIDI file of a zip as a score, or why it is none."""
    try:
        zipped = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as e:
        hint = "Give the folder of data zips with --data DIR or set MMBERT_DATA; SOURCES.md says where they come from"
        raise DataError(str(archive), f"cannot be read ({e})", hint) from e
    names = sorted(name for name in zipped.namelist() if name.lower().endswith((".mid", ".midi")))
    with tempfile.TemporaryDirectory() as folder, zipped, progress(archive.stem, len(names)) as advance:
        for name in names:
            file = Path(folder) / "file.mid"
            file.write_bytes(zipped.read(name))
            try:
                score = next(load_items(file)).score
            except ItemError as e:
                yield name, e
            else:
                assert score is not None  # a MIDI file is a score
                yield name, score
            advance()
