"""Questions whose answer is known to exist, or not to: what "nothing fits" is chosen on and measured with.

True ones are sentences of two to five facts of a validation (or test) work, in known and in held-out wording, and
phrases in which musicians described recordings (MusicCaps), as an outside view of what people say about music.
Written by hand: questions that no music answers, some to choose the rule with and forty that nothing was chosen
with, and vague true ones, each with a piece of the demo library that fits.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from mmbert.errors import DataError, ItemError
from mmbert.facets import tokens_of
from mmbert.symbolic.facets import score_facets
from mmbert_training.captions import caption, names_caption
from mmbert_training.evaluate.queries import FACTS
from mmbert_training.manifest import OPEN, Split, Work, data_folder, load_item, load_works
from mmbert_training.phrases import POOLS

SEED = 20_260
TRAINING_CAPTIONS = 1000
NAMES = 0.2  # share of captions that say title and composer instead of facts
PHRASES = {"reference": (0, 1000), "choosing": (1000, 1500), "held": (1500, 2000)}
MUSICCAPS = "text_musiccaps.zip"
# Said of a recording and not of the music in it.
_OF_RECORDINGS = r"record|quality|\bmono|stereo|nois|speech|talk|reverb|\bmix|lo-?fi|hiss|crackl"


@dataclass(frozen=True)
class Question:
    """A question, the kind of it (a wording, or ``phrase``), and of sentences the work and the facts."""

    text: str
    kind: str
    work: int = -1
    facts: tuple[str, ...] = ()


def first_of_clusters(data: Path | None, split: Split, sources: Iterable[str] = OPEN) -> list[Work]:
    """One work a cluster, that of the first id, in order of id.

    Raises:
        DataError: where the data are missing.
    """
    first: dict[str, Work] = {}
    for work in sorted(load_works(data, sources), key=lambda w: w.id):
        if work.split == split:
            first.setdefault(work.cluster, work)
    return list(first.values())


def chosen_on(cluster: str) -> bool:
    """Whether a threshold may be chosen on a validation work; the other half is held back."""
    return hashlib.sha256(cluster.encode()).digest()[0] % 2 == 0


def training_captions(data: Path | None) -> list[str]:
    """Sentences of random training works that weights may be released from: phrases of facts, or names."""
    works = [w for w in first_of_clusters(data, "train") if w.releasable]
    order = np.random.default_rng(SEED).permutation(len(works))
    found: list[str] = []
    for work in (works[i] for i in order):
        if made := next(_captions_of(work), None):
            found.append(made)
        if len(found) == TRAINING_CAPTIONS:
            return found
    raise DataError(str(data or "MMBERT_DATA"), f"holds {len(found)} training works for {TRAINING_CAPTIONS} captions")


def _captions_of(work: Work) -> Iterator[str]:
    try:
        item = load_item(work)
    except ItemError:
        return
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(work.id.encode()).digest()[:8]))
    tokens = tokens_of(score_facets(item.score, item.metadata)) if item.score is not None else ()
    named = names_caption(work.metadata, rng) if rng.random() < NAMES else None
    if named or tokens:
        yield (named or caption(tokens, rng)).text


def sentences(statements: Iterable[tuple[str, ...]]) -> list[Question]:
    """One sentence a work and wording; both wordings say the same facts."""
    return [
        Question(made.text, pool, i, made.facts)
        for i, tokens in enumerate(statements)
        if tokens
        for pool in POOLS
        for made in [caption(tokens, np.random.default_rng([SEED, i]), pool, FACTS)]
    ]


def phrases(data: Path | None, part: str) -> list[Question]:
    """Musicians' phrases; the parts of :data:`PHRASES` share none.

    Raises:
        DataError: where the data are missing.
    """
    archive = data_folder(data) / MUSICCAPS
    try:
        rows = csv.DictReader(io.StringIO(zipfile.ZipFile(archive).read("musiccaps.csv").decode("utf-8")))
        found = {p for row in rows for p in aspects(row)}
    except (OSError, KeyError, zipfile.BadZipFile) as e:
        raise DataError(str(archive), f"cannot be read: {e}", "Copy it again") from e
    shuffled = sorted(found, key=lambda p: hashlib.sha256(p.encode()).digest())
    return [Question(p, "phrase") for p in shuffled[slice(*PHRASES[part])]]


def aspects(row: Mapping[str, str]) -> list[str]:
    """What a musician noted of one recording of MusicCaps and of the music in it.

    >>> aspects({"aspect_list": "['low quality', 'waltz feel']"})
    ['waltz feel']
    """
    noted = re.findall(r"'([^']{3,60})'", row["aspect_list"])
    return [p for p in noted if not re.search(_OF_RECORDINGS, p)]


def written() -> dict[str, list]:
    """``development`` and ``nonsense``: questions; ``vague``: pairs of a question and a title that answers it."""
    return json.loads(files(__package__).joinpath("data/calibration.json").read_text(encoding="utf-8"))
