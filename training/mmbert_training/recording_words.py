"""What a frozen model makes of words and scores beside recordings: the fixed side that recordings are taught to join.

Vectors of captions of renderings, of MusicCaps' captions beside the AudioSet labels of their recordings (Agostinelli et
al. 2023; those of AudioSet's evaluation part left out), of the names of sounds, and of whole scores. They depend on the
weights and are kept beside a pack under their fingerprint, so that only the first run needs text model and data.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from mmbert.audio.sounds import SOUNDS, sound_ids, sound_names
from mmbert.embed import Embedder
from mmbert.errors import DataError, ItemError
from mmbert.facets import TOKENS, tokens_of
from mmbert.model.facets import token_ids
from mmbert.types import Facets
from mmbert_training.borrowed import Borrowed, read_borrowed
from mmbert_training.captions import Caption, caption, free_caption
from mmbert_training.evaluate.calibration_questions import MUSICCAPS
from mmbert_training.evaluate.queries import seed_of
from mmbert_training.manifest import data_folder, load_item, load_works
from mmbert_training.recognised import recognised, said_of
from mmbert_training.rendering import TRAIN
from mmbert_training.sound_pack import SEED, Sounds

CAPTIONS = 8  # of a training rendering
ASKED = 2  # of a validation rendering in known words
_FACTS = (2, 5)  # of what is asked
_BORROWED, _FREE = 0.15, 0.45  # shares of captions
_UNSPECIFIC = ("Music", "Musical instrument")  # every caption is of them
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Said:
    """Words and scores as vectors of frozen weights.

    Attributes:
        tokens: bool [N, TOKENS], what may be said of each rendering of the pack; a row without any is said nothing of.
        caption: float16 [C, d], captions on the side of the questions.
        caption_of: int64 [C], the rendering that each was written for.
        facts: bool [C, TOKENS], the statements that each makes.
        score: float16 [N, d], the score of each rendering on the side of what is found.
        noted: float16 [M, d], texts about real recordings that are not in the pack.
        labels: bool [M, 527], the sounds that people heard in each.
    """

    tokens: np.ndarray
    caption: np.ndarray
    caption_of: np.ndarray
    facts: np.ndarray
    score: np.ndarray
    noted: np.ndarray
    labels: np.ndarray


def said(sounds: Sounds, folder: Path, embedder: Embedder, data: Path | None) -> Said:
    """The vectors of a pack's folder, made where they are not there.

    Raises:
        DataError: where the data are missing.
        MissingExtraError: where the text model is not installed.
    """
    from safetensors.numpy import load_file, save_file

    path = folder / f"said-{embedder.fingerprint[:12]}.safetensors"
    if not path.is_file():
        made = _made(sounds, embedder, data)
        arrays = {f.name: np.ascontiguousarray(getattr(made, f.name)) for f in fields(made)}
        save_file(arrays, path)
    return Said(**load_file(path))


def _made(sounds: Sounds, embedder: Embedder, data: Path | None) -> Said:
    words = read_borrowed(data)
    tokens = np.zeros((len(sounds), len(TOKENS)), bool)
    captions: list[tuple[int, Caption]] = []
    for row, heard in enumerate(sounds.heard):
        known = _known(sounds, row)
        if known is None:
            continue
        tokens[row, token_ids(tokens_of(known))] = True
        if sounds.works[heard.work]["split"] == "validation":
            captions += [(row, one) for one in asked_of(sounds, row)]
        else:
            rng = _rng(sounds, row)
            captions += [(row, _told(known, words, rng)) for _ in range(CAPTIONS)]
    facts = np.zeros((len(captions), len(TOKENS)), bool)
    for i, (_, one) in enumerate(captions):
        facts[i, token_ids(one.facts)] = True
    noted, labels = musiccaps(data)
    names = [*sound_names()]
    return Said(
        tokens=tokens,
        caption=_vectors(embedder, [one.text for _, one in captions]),
        caption_of=np.array([row for row, _ in captions], np.int64),
        facts=facts,
        score=_scores(sounds, embedder, data),
        noted=_vectors(embedder, [*noted, *names]),
        labels=np.concatenate([labels, np.eye(SOUNDS, dtype=bool)]),
    )


def asked_of(sounds: Sounds, row: int) -> list[Caption]:
    """What is asked of a validation rendering, in known words; nothing of one of which nothing may be said."""
    known, rng = _known(sounds, row), _rng(sounds, row)
    return [] if known is None else [caption(tokens_of(known), rng, "known", _FACTS) for _ in range(ASKED)]


def _known(sounds: Sounds, row: int) -> Facets | None:
    """What may be said of a rendering, where that is anything."""
    known = said_of(sounds.heard[row].facets, recognised(sounds.logits[row]))
    return known if known is not None and tokens_of(known) else None


def _rng(sounds: Sounds, row: int) -> np.random.Generator:
    heard = sounds.heard[row]
    return np.random.default_rng([SEED, seed_of(sounds.works[heard.work]["id"]), TRAIN.index(heard.font)])


def _told(known, words: Borrowed, rng: np.random.Generator) -> Caption:
    kind = rng.random()
    borrowed = words.caption(known, rng) if kind < _BORROWED else None
    if borrowed:
        return borrowed
    return free_caption(known, rng, words.asides) if kind < _BORROWED + _FREE else caption(tokens_of(known), rng)


def musiccaps(data: Path | None) -> tuple[list[str], np.ndarray]:
    """Captions of recordings, and their aspects as key words: texts [m] and labels bool [m, 527].

    Raises:
        DataError: where the table is missing.
    """
    archive = data_folder(data) / MUSICCAPS
    try:
        table = zipfile.ZipFile(archive).read("musiccaps.csv").decode("utf-8")
    except (OSError, KeyError, zipfile.BadZipFile) as e:
        raise DataError(str(archive), f"cannot be read: {e}", "Copy it again") from e
    place = {label: i for i, label in enumerate(sound_ids()) if sound_names()[i] not in _UNSPECIFIC}
    texts, labels = [], []
    for row in csv.DictReader(io.StringIO(table)):
        hot = [place[label] for label in row["audioset_positive_labels"].split(",") if label in place]
        if row["is_audioset_eval"] == "True" or not hot:
            continue
        aspects = re.findall(r"'([^']{3,60})'", row["aspect_list"])
        for text in (row["caption"], ", ".join(aspects)):
            if text:
                texts.append(text)
                labels.append(np.isin(np.arange(SOUNDS), hot))
    return texts, np.array(labels)


def _vectors(embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
    parts = [embedder.embed_texts([*texts[i : i + _AT_ONCE]]) for i in range(0, len(texts), _AT_ONCE)]
    return np.concatenate([np.zeros((0, embedder.dim)), *parts]).astype(np.float16)


def _scores(sounds: Sounds, embedder: Embedder, data: Path | None) -> np.ndarray:
    """The piece row of each rendering's work; zeros for one that cannot be read."""
    works = {w.id: w for w in load_works(data)}
    out = np.zeros((len(sounds), embedder.dim), np.float16)
    wanted: dict[str, list[int]] = {}
    for row, heard in enumerate(sounds.heard):
        wanted.setdefault(sounds.works[heard.work]["id"], []).append(row)
    for work, rows in wanted.items():
        (found,) = embedder.embed([load_item(works[work])])
        if not isinstance(found, ItemError):
            out[rows] = found.piece
    return out
