"""The same half minute of a work in two sound fonts, of which one was never heard: does one find the other?

Asked with the font that is held out, among renderings in the first font of training, one a work. Raw states of mn04 say
how much of what it hears is the font; its projection (:mod:`mmbert_training.same_sound`) and the recording stream are
what was taught. Vectors of chroma hear no font to begin with: the excerpts are the same notes at the same speed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mmbert.audio.mn04 import Mn04
from mmbert.embed import Embedder
from mmbert.errors import ItemError
from mmbert.metrics import standing
from mmbert.model.tonal import TonalModel
from mmbert.symbolic.score import Score
from mmbert_training import same_sound
from mmbert_training.evaluate.candidates import shuffled
from mmbert_training.evaluate.rendered import Excerpt, draw, hear, one_a_cluster
from mmbert_training.evaluate.tables import figures
from mmbert_training.manifest import OPEN, load_item, load_works
from mmbert_training.recordings import padded
from mmbert_training.rendering import HELD_OUT, TRAIN

MOST = 200  # works
PROJECTED, CHROMA = "mn04, projected", "chroma vectors"


def rows(
    data: Path | None, embedder: Embedder, split: Literal["test", "validation"], work: Path, most: int = MOST
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Keys for JSON, and a row of figures for each kind of vector.

    Args:
        data: Folder of data zips; None for ``MMBERT_DATA``.
        embedder: Of which the recording stream is measured, where it has one.
        split: ``validation`` asks with the second font of training.
        work: Folder of what was heard; a run that was broken off goes on there.
        most: Works at most.

    Raises:
        DataError: where the data, FluidSynth or a font are missing.
        WeightsError: where the weights of chroma vectors are missing.
    """
    works: list[str] = []
    scores: dict[str, Score] = {}
    parts: list[Excerpt] = []
    some = {w.cluster: w for w in one_a_cluster(w for w in load_works(data, OPEN) if w.split == split)}
    for one in (some[cluster] for cluster in shuffled(some)):
        if len(parts) == most:
            break
        try:
            score = load_item(one).score
        except ItemError:
            continue
        part = score and draw(one.id, score, HELD_OUT if split == "test" else TRAIN[1])
        if score is not None and part:
            works.append(one.cluster)
            scores[one.id] = score
            parts.append(part)
    there: list[Excerpt] = [replace(part, font=TRAIN[0]) for part in parts]
    heard = {kind: [hear(some, scores, work, kind) for some in (parts, there)] for kind in ("chroma", "states")}
    model = TonalModel.from_pretrained()
    vectors = {CHROMA: [model.vectors(some) for some in heard["chroma"]]}
    means = [np.stack([s.astype(np.float32).mean(axis=0) for s in some]) for some in heard["states"]]
    vectors["mn04"] = [m / np.linalg.norm(m, axis=1, keepdims=True) for m in means]
    projection = same_sound.load()
    vectors[PROJECTED] = [same_sound.projected(projection, m) for m in means]
    if embedder.model.recording is not None:
        vectors["recording stream"] = [_streamed(embedder, some) for some in heard["states"]]
    found = {name: standing(asked @ given.T, np.arange(len(works))) for name, (asked, given) in vectors.items()}
    keys = {
        "r1_two_fonts_unseen": float(found[PROJECTED].recall_at(1).mean()),
        "r1_two_fonts_unseen_chroma": float(found[CHROMA].recall_at(1).mean()),
    }
    return keys, [{"row": name, "works": len(works), **figures(where, works)} for name, where in found.items()]


@torch.inference_mode()
def _streamed(embedder: Embedder, runs: list[np.ndarray]) -> np.ndarray:
    states, mask = padded(runs)
    logits = Mn04.load().sounds((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
    stream = embedder.model.encode_recording(states, mask, logits)
    return embedder.model.project(embedder.model.join([stream]), "document").numpy()
