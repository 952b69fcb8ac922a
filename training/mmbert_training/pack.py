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
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as config_dataclass

from mmbert.errors import DataError
from mmbert.facets import TOKENS, from_mapping
from mmbert.types import Facets
from mmbert_training.manifest import OPEN

MANIFEST, WORKS, MUSIC, TEXTS, SENTENCES = (
    "pack.json",
    "works.json",
    "music.safetensors",
    "texts.safetensors",
    "texts.json",
)
VERSION = 2
KNOWN, HELD_OUT = 0, 1
_HINT = "Build it again: remove the folder and run mmbert train CONFIG --data DIR"


@config_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PackConfig:
    """What goes into a pack.

    Attributes:
        sources: Names of data zips.
        captions: Captions a training work; a validation work has two in known and two in held-out words.
        names: Share of them that say title and composer instead of facts.
        passages: Most passages a work, spread evenly over longer ones.
        seed: Of the captions.
    """

    sources: tuple[str, ...] = OPEN
    captions: Annotated[int, Field(ge=1, le=64)] = 8
    names: Annotated[float, Field(ge=0, le=1)] = 0.2
    passages: Annotated[int, Field(ge=1)] = 32
    seed: int = 1


@dataclass(frozen=True)
class Pack:
    """A pack in memory. Row counts: W works, P passages, N notes, S sentences.

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
        sentence_pool: uint8 [S], 0 known words, 1 held out.
        facts: bool [S, len(TOKENS)].
        sentences: S strings.
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
    except (OSError, ValueError, KeyError, SafetensorError) as e:
        raise DataError(str(folder), f"is not a readable training pack ({type(e).__name__}: {e})", _HINT) from e
    facets = [from_mapping(r.pop("facets")) for r in rows]
    return Pack(works=rows, facets=facets, sentences=sentences, **{k: v.numpy() for k, v in (music | texts).items()})


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
