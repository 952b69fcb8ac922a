"""Everything that training reads, in one folder of arrays: notes, facts, and sentences as token states.

Made once from the data sets by :mod:`mmbert_training.pack_build`, then read with numpy and safetensors alone: a
training run needs neither the data nor the text model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass as config_dataclass

from mmbert.errors import DataError
from mmbert.facets import TOKENS, from_mapping
from mmbert.types import Facets
from mmbert_training.manifest import OPEN

MANIFEST, WORKS, SENTENCES = "pack.json", "works.json", "texts.json"
MUSIC, TEXTS = "music.safetensors", "texts.safetensors"
STATES, HIDDEN = "states.npy", "hidden.npy"  # mapped, not read: by far the largest
IMAGINED = "imagined"  # the split of pieces that hold facts and no notes
VERSION = 4
KNOWN, UNSEEN, HAND = 0, 1, 2
_HINT = "Build it again: remove the folder and run mmbert train CONFIG --data DIR"


@config_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PackConfig:
    """What goes into a pack.

    Attributes:
        sources: Names of data zips.
        captions: Captions a training work; a validation work has two in known and two in unseen words, and the
            hand-written questions for it.
        hidden: Captions a training work that are read once more with words hidden, for masked text.
        names: Share of captions that say title and composer instead of facts.
        free: Share of captions that are written freely, with numbers and asides.
        borrowed: Share of captions that are filled templates of the text data.
        imagined: Pieces without notes whose facts are mixed from those of training works.
        imagined_captions: Captions of each.
        passages: Most passages a work, spread evenly over longer ones.
        seed: Of captions and imagined pieces.
    """

    sources: tuple[str, ...] = OPEN
    captions: Annotated[int, Field(ge=1, le=64)] = 8
    hidden: Annotated[int, Field(ge=0, le=64)] = 1
    names: Annotated[float, Field(ge=0, le=1)] = 0.1
    free: Annotated[float, Field(ge=0, le=1)] = 0.5
    borrowed: Annotated[float, Field(ge=0, le=1)] = 0.1
    imagined: Annotated[int, Field(ge=0)] = 5000
    imagined_captions: Annotated[int, Field(ge=1, le=64)] = 5
    passages: Annotated[int, Field(ge=1)] = 32
    seed: int = 1

    @model_validator(mode="after")
    def _shares(self) -> PackConfig:
        if self.free + self.borrowed > 1:
            raise ValueError("free and borrowed are shares of the same captions: together at most 1")
        return self


@dataclass(frozen=True)
class Pack:
    """A pack in memory, token states mapped from their files. Row counts: W works, P passages, N notes, S sentences,
    H sentences with hidden words, K hidden words.

    Attributes:
        works: W of ``{id, source, cluster, split}``.
        facets: W facets.
        octuples: uint8 [N, 8], bars counted from the passage's first.
        passage_start: int64 [P + 1], first note of each passage.
        passage_bar: int64 [P], first bar of each passage in its piece.
        work_start: int64 [W + 1], first passage of each work.
        states: int8 [tokens, text_dim], to be multiplied by the token's ``scale``: half the size of float16.
        scale: float32 [tokens].
        sentence_start: int64 [S + 1], first token of each sentence.
        sentence_work: int64 [S], -1 for single phrases, which belong to no work.
        sentence_pool: uint8 [S], 0 known words, 1 unseen, 2 hand-written.
        facts: bool [S, len(TOKENS)].
        sentences: S strings.
        hidden: int8 [tokens, text_dim] of the sentences with hidden words.
        hidden_scale: float32 [tokens].
        hidden_start: int64 [H + 1].
        hidden_work: int64 [H].
        hidden_place: int64 [K, 2], sentence and token of each hidden word.
        hidden_word: int64 [K], index into ``words``.
        words: int64, word pieces of the text model that captions use.
    """

    works: list[dict[str, str]]
    facets: list[Facets]
    octuples: np.ndarray
    passage_start: np.ndarray
    passage_bar: np.ndarray
    work_start: np.ndarray
    states: np.ndarray
    scale: np.ndarray
    sentence_start: np.ndarray
    sentence_work: np.ndarray
    sentence_pool: np.ndarray
    facts: np.ndarray
    sentences: list[str]
    hidden: np.ndarray
    hidden_scale: np.ndarray
    hidden_start: np.ndarray
    hidden_work: np.ndarray
    hidden_place: np.ndarray
    hidden_word: np.ndarray
    words: np.ndarray

    def split(self, name: str) -> np.ndarray:
        """Indices of the works of a split."""
        return np.array([i for i, w in enumerate(self.works) if w["split"] == name], np.int64)


def quantised(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float [tokens, dim] as int8 and a float32 scale a token.

    >>> states, scale = quantised(np.array([[0.5, -1.0]]))
    >>> (states * scale[:, None]).round(2).tolist()
    [[0.5, -1.0]]
    """
    scale = np.maximum(np.abs(states).max(1), 1e-6).astype(np.float32) / 127
    return np.rint(states / scale[:, None]).astype(np.int8), scale


def load_pack(folder: Path) -> Pack:
    """Read a pack.

    Raises:
        DataError: where it is missing, damaged (digests are checked) or of other facts than this version's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    manifest = pack_manifest(folder)
    try:
        for name, stated in manifest["sha256"].items():
            if digest(folder / name) != stated:
                raise DataError(str(folder / name), "is damaged (its digest differs)", _HINT)
        if (manifest["version"], manifest["tokens"]) != (VERSION, len(TOKENS)):
            raise DataError(str(folder), "was made by another version of mmbert", _HINT)
        rows, sentences = (json.loads((folder / n).read_text()) for n in (WORKS, SENTENCES))
        music, texts = load_file(folder / MUSIC), load_file(folder / TEXTS)
        mapped = {
            name: np.load(folder / file, mmap_mode="r", allow_pickle=False)
            for name, file in (("states", STATES), ("hidden", HIDDEN))
        }
    except (OSError, ValueError, KeyError, SafetensorError) as e:
        raise DataError(str(folder), f"is not a readable training pack ({type(e).__name__}: {e})", _HINT) from e
    facets = [from_mapping(r.pop("facets")) for r in rows]
    arrays = {k: v.numpy() for k, v in (music | texts).items()}
    return Pack(works=rows, facets=facets, sentences=sentences, **mapped, **arrays)


def pack_manifest(folder: Path) -> dict[str, Any]:
    """What a pack holds and what it was made from.

    Raises:
        DataError: where there is none.
    """
    try:
        return json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as e:
        raise DataError(str(folder), f"is not a readable training pack ({type(e).__name__}: {e})", _HINT) from e


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
