"""Phrases of many works in one folder of arrays, for training and evaluation.

    python -m mmbert_training.phrase_pack FOLDER --data DIR

writes the phrases of training and validation works (every bar begins one) with numpy and safetensors alone to read
them by: :func:`load_phrases`. Works of the test split never enter, nor works that released weights may not see.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mmbert.console import progress
from mmbert.errors import DataError, ItemError
from mmbert.symbolic.phrases import PhraseTable, joined, phrases_of
from mmbert.symbolic.score import Score
from mmbert.symbolic.windows import WINDOW_BARS
from mmbert_training.manifest import Split, Work, load_as_filed, load_item, load_works
from mmbert_training.rebar import TICKS, annotation, rebar

SOURCES = ("pop909", "nottingham", "openscore_lieder", "openewld", "openhymnal")
ARRAYS, MANIFEST = "phrases.safetensors", "phrases.json"
VERSION = 1
_LEAST_CONFIDENCE, _MOST_RESIDUAL = 0.1, 0.1  # POP909: of the bars' phase; of onsets, in sixteenths from the grid


@dataclass(frozen=True)
class PhraseWork:
    """A work that phrases come from; the fields are those of ``manifest.Work``."""

    id: str
    source: str
    cluster: str
    split: Split


@dataclass(frozen=True, eq=False)
class WorkPhrases:
    """Phrases and the works that they come from.

    Attributes:
        works: W works.
        table: P phrases, those of a work together and in order.
        work: int64 [P], index into ``works``.
        following: int64 [P], the phrase that begins where this one ends; -1 where there is none of this metre.
        left_out: How many works gave none, by reason.
    """

    works: tuple[PhraseWork, ...]
    table: PhraseTable
    work: np.ndarray
    following: np.ndarray
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.work)

    @property
    def cluster(self) -> np.ndarray:
        """int64 [P]: phrases of one number are of settings of one work."""
        _, number = np.unique([w.cluster for w in self.works], return_inverse=True)
        return number[self.work] if len(self.works) else np.zeros(0, np.int64)

    def uid(self, phrase: int) -> str:
        """Work and first bar: a name that stays."""
        return f"{self.works[self.work[phrase]].id}:{self.table.start_bar[phrase]}"


def gather(works: Iterable[Work], hop: int) -> WorkPhrases:
    """The phrases of some works. POP909 is read on the bars of its annotation, where these are sure enough.

    Args:
        works: In the order that is wanted.
        hop: Bars from one phrase to the next.

    Raises:
        DataError: where the data are not what their manifest says.
    """
    works = list(works)
    kept: list[PhraseWork] = []
    tables: list[PhraseTable] = []
    left_out: Counter[str] = Counter()
    with progress("reading phrases", len(works)) as advance:
        for work in works:
            try:
                score, reason = _score(work)
                table = None if score is None else phrases_of(score, hop)
            except ItemError as e:
                table, reason = None, e.code
            if table is not None and len(table):
                kept.append(PhraseWork(work.id, work.source, work.cluster, work.split))
                tables.append(table)
            else:
                left_out[reason or "no phrase"] += 1
            advance()
    table = joined(tables)
    work_of = np.repeat(np.arange(len(kept)), [len(t) for t in tables])
    return WorkPhrases(tuple(kept), table, work_of, _following(table, work_of), dict(left_out))


def write_phrases(found: WorkPhrases, folder: Path) -> dict[str, Any]:
    """Write phrases and return their manifest."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f.name: getattr(found.table, f.name) for f in fields(PhraseTable)}
    save_file(arrays | {"work": found.work, "following": found.following}, folder / ARRAYS)
    manifest = {
        "version": VERSION,
        "sha256": _digest(folder / ARRAYS),
        "phrases": len(found),
        "by_source": dict(Counter(found.works[w].source for w in found.work)),
        "left_out": found.left_out,
        "works": [asdict(w) for w in found.works],
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False) + "\n")
    return manifest


def load_phrases(folder: Path) -> WorkPhrases:
    """Read phrases.

    Raises:
        DataError: where they are missing, damaged (the digest is checked) or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    hint = f"Write it again: python -m mmbert_training.phrase_pack {folder}"
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["version"] != VERSION:
            raise DataError(str(folder), "was made by another version of mmbert", hint)
        if _digest(folder / ARRAYS) != manifest["sha256"]:
            raise DataError(str(folder / ARRAYS), "is damaged (its digest differs)", hint)
        arrays = load_file(folder / ARRAYS)
        table = PhraseTable(**{f.name: arrays[f.name] for f in fields(PhraseTable)})
        works = tuple(PhraseWork(**w) for w in manifest["works"])
        return WorkPhrases(works, table, arrays["work"], arrays["following"], manifest["left_out"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as e:
        raise DataError(str(folder), f"is not a readable folder of phrases ({type(e).__name__}: {e})", hint) from e


def held_out_tenth(works: Sequence[Work]) -> list[Work]:
    """Those of a tenth of the clusters, always the same: what is fitted on top of trained models is fitted on them."""
    return [w for w in works if in_tenth(w.cluster)]


def in_tenth(cluster: str) -> bool:
    """Whether a cluster is in the tenth of the training works that models do not learn from."""
    return int(hashlib.sha256(f"tenth:{cluster}".encode()).hexdigest(), 16) % 10 == 0


def _score(work: Work) -> tuple[Score | None, str]:
    if work.source != "pop909":
        return load_item(work).score, ""
    filed = load_as_filed(work).score
    if filed is None or not len(filed.notes):
        return None, "no notes"
    found = rebar(filed, annotation(work))
    if found.confidence < _LEAST_CONFIDENCE:
        return None, "unsure bars"
    sixteenth = found.score.notes["onset"] * (4 / TICKS)
    if float(np.abs(sixteenth - np.rint(sixteenth)).mean()) > _MOST_RESIDUAL:
        return None, "off the grid"
    return found.score, ""


def _following(table: PhraseTable, work: np.ndarray) -> np.ndarray:
    place = {(w, bar): i for i, (w, bar) in enumerate(zip(work.tolist(), table.start_bar.tolist()))}
    after = (place.get((w, bar + WINDOW_BARS), -1) for w, bar in zip(work.tolist(), table.start_bar.tolist()))
    out = np.fromiter(after, np.int64, len(work))
    same = (table.metre[out] == table.metre).all(axis=1) if len(out) else np.zeros(0, bool)
    return np.where((out >= 0) & same, out, -1)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    sources: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(SOURCES)}; all by default.")] = None,
    hop: Annotated[int, typer.Option(help="Bars from one phrase to the next.")] = 1,
) -> None:
    """Write the phrases of training and validation works."""
    works = [w for w in load_works(data, sources or SOURCES) if w.split != "test" and w.releasable]
    manifest = write_phrases(gather(works, hop), folder)
    typer.echo(json.dumps({k: v for k, v in manifest.items() if k != "works"}))


if __name__ == "__main__":
    typer.run(_write)
