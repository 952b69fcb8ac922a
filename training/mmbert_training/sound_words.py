"""Make the readers of words for sounds, ``mmbert/pretrained/sound-words``, from captions of recordings, without sound.

    python -m mmbert_training.sound_words OUT --data DIR

MusicCaps (Agostinelli et al. 2023) holds what musicians wrote of 5,521 recordings, and AudioSet's labels of each. Two
ridge regressions learn the labels, one from words and pairs of words, one from the text model's vectors; the cosine of
a label's name is the third reader. What each says of a label is standardised over the captions before they are added.
``statistics.safetensors`` beside them is made by ``mmbert_training.sound_statistics``.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mmbert.audio.sounds import sound_ids, sound_names
from mmbert.embed import Embedder
from mmbert.errors import DataError
from mmbert.retrieval.sound_words import CONFIG, WEIGHTS, terms_of, tfidf
from mmbert_training.evaluate.calibration_questions import MUSICCAPS
from mmbert_training.manifest import data_folder

LEAST_CAPTIONS = 8  # of a label that is learned
TERMS = 3200  # what the size of the package allows
_LEAST_TEXTS = 3  # that a term stands in
_SAYS_NOTHING = ("Music", "Musical instrument")  # of nearly every recording
_ON_QUALITY = re.compile(r"quality|recording|recorded|\baudio\b|\bmono\b|stereo|nois[ey]|hiss|low fidelity", re.I)
_ITS_PREFIX = re.compile(r"^(the|this)( \w+)?( quality)? recording (features|consists of) ", re.I)
_CARD = """---
license: cc-by-sa-4.0
library_name: mmbert
tags: [music, retrieval]
---

# sound-words

Words to the sounds that AudioSet names: with them mmbert finds recordings by what is heard in them.

    from mmbert.retrieval.sound_words import SoundWords
    reader = SoundWords.load()  # this folder

`model.safetensors` holds linear readers of words, pairs of words and MiniLM's vector for {labels} labels (float16);
`config.json` the {terms} terms; `statistics.safetensors` mean and deviation of the 527 logits of `mn04`.

## How it was made

    python -m mmbert_training.sound_words mmbert/pretrained/sound-words
    python -m mmbert_training.sound_statistics SOUNDS mmbert/pretrained/sound-words

Learned from the captions of MusicCaps (Agostinelli et al., "MusicLM", 2023; CC BY-SA 4.0), each with the AudioSet
labels of its recording; sentences on the quality of the recording are left out, names of labels are added as captions
of their own. No sentence is kept, but words and pairs of words are: the folder is under the licence of the captions. No
sound was heard for it but for the statistics, which come from openly licensed recordings of Debian packages
(`training/mmbert_training/evaluate/data/real_sounds.csv`) and rendered validation works.

## Limits

It knows the sounds that AudioSet names: instruments, voices and broad genres well, moods little; tempo, key and form
not at all. `mmbert eval text-to-audio` prints what it reaches.
"""


@dataclass(frozen=True)
class Setting:
    """How the readers are made; the values that stand here were chosen on the development sounds.

    Attributes:
        names: How many captions the name of a label counts as.
        terms_ridge: Penalty of the reader of words.
        language_ridge: Penalty of the reader of the text model's vectors.
        terms: What the reader of words weighs.
        language: What the reader of vectors weighs.
        cosine: What the cosine with a label's name weighs.
    """

    names: float = 3
    terms_ridge: float = 4
    language_ridge: float = 1
    terms: float = 0.75
    language: float = 0.25
    cosine: float = 0.25


@dataclass(frozen=True, eq=False)
class Captions:
    """What is learned from.

    Attributes:
        texts: Captions, then names of labels.
        named: bool [texts], which are names.
        language: float32 [texts, t], the text model's vectors.
        truth: float32 [texts, labels], nought or one.
        labels: int64 [labels], which of the 527 sounds they are.
    """

    texts: tuple[str, ...]
    named: np.ndarray
    language: np.ndarray
    truth: np.ndarray
    labels: np.ndarray


def read_captions(data: Path | None, embedder: Embedder) -> Captions:
    """Captions with labels that occur often enough, and the labels' names.

    Raises:
        DataError: where MusicCaps is missing.
        MissingExtraError, WeightsError: as ``Embedder.language``.
    """
    archive = data_folder(data) / MUSICCAPS
    try:
        table = zipfile.ZipFile(archive).read("musiccaps.csv").decode("utf-8")
    except (OSError, KeyError, zipfile.BadZipFile) as e:
        raise DataError(str(archive), f"cannot be read: {e}", "Copy it again") from e
    rows = list(csv.DictReader(io.StringIO(table)))
    number = {sound: i for i, sound in enumerate(sound_ids())}
    stated = [{number[s] for s in row["audioset_positive_labels"].split(",") if s in number} for row in rows]
    counted = Counter(i for some in stated for i in some)
    spoken = [i for i, n in counted.items() if n >= LEAST_CAPTIONS and sound_names()[i] not in _SAYS_NOTHING]
    labels = np.array(sorted(spoken), np.int64)
    texts = (*(of_music(row["caption"]) for row in rows), *(sound_names()[i] for i in labels))
    truth = np.array([[i in some for i in labels] for some in stated], np.float32)
    truth = np.concatenate([truth, np.eye(len(labels), dtype=np.float32)])
    return Captions(texts, np.arange(len(texts)) >= len(rows), _language(embedder, texts), truth, labels)


def of_music(caption: str) -> str:
    """A caption without its sentences on the recording; whole where nothing else is said.

    >>> of_music("The low quality recording features a solo harp. The audio is noisy.")
    'a solo harp.'
    """
    sentences = [_ITS_PREFIX.sub("", s) for s in re.split(r"(?<=[.!?])\s+", caption.strip())]
    kept = [s for s in sentences if not _ON_QUALITY.search(s)]
    return " ".join(kept or sentences)


def learn(
    captions: Captions, setting: Setting = Setting(), most: int = TERMS
) -> tuple[list[str], dict[str, np.ndarray]]:
    """The readers, as one linear map a kind of input.

    Args:
        captions: What to learn from.
        setting: How.
        most: Terms to keep: those which say most of labels.

    Returns:
        The terms, and float32 ``idf``, ``by_terms``, ``by_language``, ``bias`` and int64 ``labels`` of
        :class:`mmbert.retrieval.sound_words.SoundWords`.
    """
    weight = np.where(captions.named, setting.names, 1.0).astype(np.float32)
    terms, idf = vocabulary(captions.texts)
    said = tfidf(captions.texts, terms, idf)
    if len(terms) > most:
        by_terms, _ = ridge(said, captions.truth, weight, setting.terms_ridge)
        worth = np.sqrt((said**2).sum(axis=0)) * np.linalg.norm(by_terms, axis=1)
        kept = np.sort(np.argsort(-worth, kind="stable")[:most])
        names = list(terms)
        terms, idf = {names[i]: n for n, i in enumerate(kept)}, idf[kept]
        said = tfidf(captions.texts, terms, idf)
    name_vectors = captions.language[captions.named]
    parts = [
        (setting.terms, said, *ridge(said, captions.truth, weight, setting.terms_ridge)),
        (
            setting.language,
            captions.language,
            *ridge(captions.language, captions.truth, weight, setting.language_ridge),
        ),
        (setting.cosine, captions.language, name_vectors.T, np.zeros(len(captions.labels), np.float32)),
    ]
    maps, bias = [], np.zeros(len(captions.labels))
    for share, inputs, matrix, constant in parts:
        found = inputs[~captions.named] @ matrix + constant
        mean, deviation = found.mean(axis=0), found.std(axis=0)
        maps.append(share * matrix / deviation)
        bias += share * (constant - mean) / deviation
    arrays = {"idf": idf, "by_terms": maps[0], "by_language": maps[1] + maps[2], "bias": bias}
    return list(terms), {k: v.astype(np.float32) for k, v in arrays.items()} | {"labels": captions.labels}


def vocabulary(texts: Sequence[str]) -> tuple[dict[str, int], np.ndarray]:
    """Terms that stand in enough texts, and how rare each is, float32: ``1 + ln((1 + texts) / (1 + its texts))``."""
    counted = Counter(term for text in texts for term in set(terms_of(text)))
    terms = sorted(term for term, n in counted.items() if n >= _LEAST_TEXTS)
    often = np.array([counted[term] for term in terms])
    idf = np.log((1 + len(texts)) / (1 + often)) + 1
    return {term: i for i, term in enumerate(terms)}, idf.astype(np.float32)


def ridge(inputs: np.ndarray, truth: np.ndarray, weight: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Matrix float32 [d, labels] and constant float32 [labels] that minimise the weighted squared error and
    ``penalty`` times the squared matrix; the constant is free. Solved on the smaller side.
    """
    share = weight / weight.sum()
    x_mean, y_mean = share @ inputs, share @ truth
    root = np.sqrt(weight)[:, None]
    x, y = (inputs - x_mean) * root, ((truth - y_mean) * root).astype(np.float64)
    if x.shape[1] <= x.shape[0]:
        gram = (x.T @ x).astype(np.float64)
        gram[np.diag_indices_from(gram)] += penalty
        matrix = np.linalg.solve(gram, x.T @ y)
    else:
        gram = (x @ x.T).astype(np.float64)
        gram[np.diag_indices_from(gram)] += penalty
        matrix = x.T @ np.linalg.solve(gram, y)
    return matrix.astype(np.float32), (y_mean - x_mean @ matrix).astype(np.float32)


def save(folder: Path, terms: Sequence[str], arrays: dict[str, np.ndarray]) -> None:
    """Write readers, but not the statistics of sounds."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    half = {k: np.ascontiguousarray(v, np.int16 if k == "labels" else np.float16) for k, v in arrays.items()}
    save_file(half, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    (folder / CONFIG).write_text(json.dumps({"terms": list(terms)}, ensure_ascii=False) + "\n", encoding="utf-8")
    card = _CARD.format(labels=len(arrays["labels"]), terms=len(terms))
    (folder / "README.md").write_text(card, encoding="utf-8")


def _language(embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
    at_once = 64
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # near lengths pad little
    parts = [embedder.language([texts[i] for i in order[n : n + at_once]]) for n in range(0, len(order), at_once)]
    return np.concatenate(parts)[np.argsort(order)]


def _main(
    out: Annotated[Path, typer.Argument(help="Folder of the readers.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
) -> None:
    """Learn from captions and write the readers."""
    captions = read_captions(data, Embedder.from_pretrained())
    terms, arrays = learn(captions, Setting())
    save(out, terms, arrays)
    typer.echo(f"{out}: {len(terms)} terms, {len(captions.labels)} labels, {len(captions.texts)} texts")


if __name__ == "__main__":
    typer.run(_main)
