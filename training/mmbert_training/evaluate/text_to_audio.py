"""Finding recordings by words: the captions of 30 open clips, of which each is the answer to its own.

In JSON, ``r1_clips``, ``r5_clips``, ``r10_clips`` and ``mrr_clips`` are of these clips, by named sounds alone; every
``mrr_text_to_audio_…`` is of renderings of works (:mod:`mmbert_training.evaluate.rendered_words`).

Nothing is chosen on these clips: what there was to choose was chosen on the development sounds
(``evaluate.sound_settings``). Every row is a function of the bench, so that others can stand beside these.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from mmbert_indexer.build import build_library

from mmbert.api import Library
from mmbert.audio.mn04 import Mn04
from mmbert.embed import Embedder
from mmbert.errors import DataError
from mmbert.metrics import bootstrap, standing
from mmbert.retrieval.sound_words import SoundWords
from mmbert_training.evaluate import rendered_words
from mmbert_training.evaluate.tables import CUTS, differences
from mmbert_training.hearing import logits
from mmbert_training.manifest import data_folder
from mmbert_training.sound_words import Captions, Setting, learn, read_captions

FLOOR = {"r1_clips": 0.17, "r5_clips": 0.43, "r10_clips": 0.63}
"""What a reader of labels that was chosen without the clips is held to."""
_COMPARED = (("chosen", "label_names"), ("chosen", "words"), ("product", "chosen"))


@dataclass(frozen=True)
class Clip:
    """One recording and what is asked for it."""

    path: Path
    caption: str


class Bench:
    """Clips and what is known of them before anything is asked.

    Args:
        clips: Recordings with their captions.
        embedder: Reads the captions.
        data: Folder of data zips; None for MMBERT_DATA.
        weights: Folder of the embedder's; None for the released ones.
    """

    def __init__(
        self, clips: tuple[Clip, ...], embedder: Embedder, data: Path | None, weights: Path | None = None
    ) -> None:
        self.clips, self.embedder, self._data, self.weights = clips, embedder, data, weights
        self.captions = [clip.caption for clip in clips]

    @cached_property
    def logits(self) -> np.ndarray:
        """Of the named sounds, float32 [clips, 527]."""
        ear = Mn04.load()
        return np.stack([logits(clip.path, ear) for clip in self.clips])

    @cached_property
    def language(self) -> np.ndarray:
        """The text model's vectors of the captions, float32 [clips, t]."""
        return self.embedder.language(self.captions)

    @cached_property
    def learned_from(self) -> Captions:
        """What the readers of the compared rows are learned from."""
        return read_captions(self._data, self.embedder)

    def by_sounds(self, reader: SoundWords) -> np.ndarray:
        """How well clips fit captions by their named sounds, float32 [captions, clips]."""
        return reader.directions(self.captions, self.language) @ reader.standardised(self.logits).T

    def by_part(self, setting: Setting) -> np.ndarray:
        """The same by a reader that is made in another way."""
        return self.by_sounds(learn(self.learned_from, setting).reader(SoundWords.load()))


def chance(bench: Bench) -> np.ndarray:
    """Knows nothing."""
    return np.zeros((len(bench.clips), len(bench.clips)))


def label_names(bench: Bench) -> np.ndarray:
    """The text model's cosine with the names of labels, untrained."""
    return bench.by_part(Setting(terms=0, language=0, cosine=1))


def words(bench: Bench) -> np.ndarray:
    """Ridge regression from words and pairs of words alone."""
    return bench.by_part(Setting(terms=1, language=0, cosine=0))


def chosen(bench: Bench) -> np.ndarray:
    """The readers that are released."""
    return bench.by_sounds(SoundWords.load())


def product(bench: Bench) -> np.ndarray:
    """The whole search of a library that holds the clips under names, and without titles, that say nothing."""
    names = [f"{i:03d}" for i in range(len(bench.clips))]
    scores = np.full((len(names), len(names)), -np.inf)
    with tempfile.TemporaryDirectory() as scratch:
        music, library = Path(scratch, "music"), Path(scratch, "library")
        music.mkdir()
        for clip, name in zip(bench.clips, names):
            samples, rate = soundfile.read(clip.path)
            soundfile.write(music / f"{name}.wav", samples, rate, subtype="FLOAT")
        build_library(library, [music], bench.embedder)
        with Library.open(library, bench.weights) as opened:
            for row, caption in zip(scores, bench.captions):
                for hit in opened.search(caption, limit=len(names)).hits:
                    row[names.index(Path(hit.path).stem)] = -hit.rank
    return np.where(np.isfinite(scores), scores, -len(names) - 1.0)


ROWS: dict[str, Callable[[Bench], np.ndarray]] = {
    "chance": chance, "label_names": label_names, "words": words, "chosen": chosen, "product": product,
}  # fmt: skip


def run(
    data: Path | None = None,
    weights: Path | None = None,
    split: Literal["test", "validation"] = "test",
    work: Path = Path("runs/audio-to-score"),
) -> dict[str, Any]:
    """All rows.

    Args:
        data: Folder of data zips; None for ``MMBERT_DATA``.
        weights: A checkpoint folder; None for the released one.
        split: ``validation`` for renderings of validation works alone; the clips are for the end.
        work: Folder of what was heard of renderings; a run that was broken off goes on there.

    Raises:
        DataError: where the clips, MusicCaps, FluidSynth or a font are missing.
        WeightsError: where the weights are missing.
    """
    embedder = Embedder.from_pretrained(weights)
    found: dict[str, Any] = {"split": split}
    if split == "test":
        bench = Bench(open_clips(data), embedder, data, weights)
        found |= {"clips": len(bench.clips), **table({name: row(bench) for name, row in ROWS.items()}), "floor": FLOOR}
    keys, rendered = rendered_words.rows(data, embedder, split, work)
    return {**found, **keys, "rendered": rendered}


def table(scores: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Figures of rows of scores [clips, clips]; every clip is a work of its own."""
    works = [str(i) for i in range(len(next(iter(scores.values()))))]
    ranked = {name: standing(s, list(range(len(works)))) for name, s in scores.items()}
    rows = []
    for name, where in ranked.items():
        values = {"mrr": where.reciprocal_rank()} | {f"r@{k}": where.recall_at(k) for k in CUTS}
        intervals = {key: bootstrap(v, works) for key, v in values.items()}
        rows.append({"row": name, **{key: str(interval) for key, interval in intervals.items()}})
    best = ranked["chosen"]
    figures = {f"r{k}_clips": float(best.recall_at(k).mean()) for k in CUTS}
    figures["mrr_clips"] = float(best.reciprocal_rank().mean())
    return {**figures, "rows": rows, "differences_of_mrr": differences(ranked, works, _COMPARED)}


def open_clips(data: Path | None) -> tuple[Clip, ...]:
    """The evaluation set.

    Raises:
        DataError: where it is missing.
    """
    folder = data_folder(data) / "audio"
    try:
        rows = list(csv.DictReader((folder / "clips.csv").read_text(encoding="utf-8").splitlines()))
    except OSError as e:
        raise DataError(
            str(folder / "clips.csv"), f"cannot be read ({e.strerror})", "SOURCES.md says what it is"
        ) from e
    return tuple(Clip(folder / "clips" / row["file"], row["caption"]) for row in rows)
