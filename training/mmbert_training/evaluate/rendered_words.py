"""Finding renderings by words: half a minute of each test work by a sound font that nothing was taught or chosen with.

A question is two to five facts in known wording that are true of what sounds (bars, length and names are not facts of
an excerpt). Many renderings fit as well as the one that it was written for, so the row to compare with is the oracle,
which counts the true facts. In JSON ``mrr_text_to_audio_rendered`` is what a search compares: the recording stream with
the instruments that are heard. On the same questions ``mrr_text_to_audio_labels`` has the named sounds that words speak
of (``retrieval.sound_words``) alone, and ``mrr_text_to_audio_score_route`` the vectors of the scores, which no
recording states: a reader who knew each recording's score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mmbert.audio.mn04 import Mn04
from mmbert.audio.sounds import heard, sound_names
from mmbert.embed import Embedder
from mmbert.errors import ItemError
from mmbert.facets import TOKENS, tokens_of
from mmbert.metrics import standing
from mmbert.model.facets import facet_ids, token_ids
from mmbert.retrieval.sound_words import SoundWords
from mmbert.symbolic.facets import score_facets
from mmbert.types import Facets, Item
from mmbert_training.captions import Caption, caption
from mmbert_training.evaluate.queries import FACTS, QUERIES, SEED, seed_of
from mmbert_training.evaluate.rendered import SECONDS, Excerpt, draw, hear, one_a_cluster
from mmbert_training.evaluate.tables import figures
from mmbert_training.manifest import OPEN, Work, load_item, load_works
from mmbert_training.recordings import padded
from mmbert_training.rendering import HELD_OUT, TRAIN, excerpt
from mmbert_training.sound_pack import heard_facets

KEYS = {"recording with facts heard": "rendered", "labels": "labels", "score": "score_route"}
"""Rows to what stands behind ``mrr_text_to_audio_`` in JSON: what a search compares, and two rows beside it."""


@dataclass(frozen=True)
class Bench:
    """Renderings and what is asked for.

    Attributes:
        works: The works that were rendered, one a cluster.
        items: Each as a score.
        facets: What is true of each rendering.
        states: What mn04 says of each, float16 [seconds, 384].
        asked: Captions.
        target: int64 [questions], the rendering that each was written for.
    """

    works: tuple[Work, ...]
    items: tuple[Item, ...]
    facets: tuple[Facets, ...]
    states: tuple[np.ndarray, ...]
    asked: tuple[Caption, ...]
    target: np.ndarray


def rows(
    data: Path | None, embedder: Embedder, split: Literal["test", "validation"], work: Path
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Keys for JSON, and a row of figures for each way to answer.

    Args:
        data: Folder of data zips; None for ``MMBERT_DATA``.
        embedder: Whose vectors are measured.
        split: ``validation`` renders with the first font of training.
        work: Folder of what was heard; a run that was broken off goes on there.

    Raises:
        DataError: where the data, FluidSynth or the font are missing.
    """
    bench = made(data, split, work)
    clusters = [bench.works[i].cluster for i in bench.target.tolist()]
    found = {name: standing(scores, bench.target) for name, scores in scored(bench, embedder).items()}
    keys = {
        f"mrr_text_to_audio_{KEYS[name]}": float(where.reciprocal_rank().mean())
        for name, where in found.items()
        if name in KEYS
    }
    return keys, [{"row": name, "queries": len(where), **figures(where, clusters)} for name, where in found.items()]


def made(data: Path | None, split: Literal["test", "validation"], work: Path) -> Bench:
    """Render, hear and draw the questions."""
    drawn: list[tuple[Work, Item, Excerpt]] = []
    for one in one_a_cluster(w for w in load_works(data, OPEN) if w.split == split):
        try:
            item = load_item(one)
        except ItemError:
            continue
        part = item.score and draw(one.id, item.score, HELD_OUT if split == "test" else TRAIN[0])
        if part:
            drawn.append((one, item, part))
    works, items, parts = zip(*drawn)
    scores = {w.id: item.score for w, item, _ in drawn if item.score is not None}
    states = hear(parts, scores, work, "states")
    facets = tuple(_facets(item, part) for _, item, part in drawn)
    asked, target = [], []
    for i, (one, known) in enumerate(zip(works, facets)):
        tokens = tokens_of(known)
        for n in range(QUERIES if tokens else 0):
            asked.append(caption(tokens, np.random.default_rng([SEED, seed_of(one.id), n]), "known", FACTS))
            target.append(i)
    return Bench(works, items, facets, tuple(states), tuple(asked), np.array(target))


def _facets(item: Item, part: Excerpt) -> Facets:
    assert item.score is not None
    return heard_facets(
        excerpt(item.score, part.start, SECONDS, part.speed), score_facets(item.score, item.metadata), part.speed
    )


@torch.inference_mode()
def scored(bench: Bench, embedder: Embedder) -> dict[str, np.ndarray]:
    """What each row says, float [questions, renderings]; those of recordings only where the model reads them."""
    texts = [one.text for one in bench.asked]
    words, language = embedder.embed_texts(texts), embedder.language(texts)
    states, mask = padded(bench.states)
    logits = Mn04.load().sounds((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
    named = SoundWords.load()
    truth = np.zeros((len(bench.works), len(TOKENS)), np.float32)
    for row, known in zip(truth, bench.facets):
        row[token_ids(tokens_of(known))] = 1
    stated = np.zeros((len(texts), len(TOKENS)), np.float32)
    for row, one in zip(stated, bench.asked):
        row[token_ids(one.facts)] = 1
    said = [heard(row, sound_names()) for row in logits.numpy()]
    facts = embedder.model.encode_facets(
        [facet_ids(Facets(instruments=s.instruments, families=s.families, has_drums=s.has_drums or None)) for s in said]
    )
    pieces = embedder.embed(list(bench.items))
    scores = np.stack([np.zeros(embedder.dim) if isinstance(p, ItemError) else p.piece for p in pieces])

    def near(*streams: Any) -> np.ndarray:
        return words @ embedder.model.project(embedder.model.join(streams), "document").numpy().T

    found: Mapping[str, np.ndarray] = {
        "chance": np.zeros((len(texts), len(bench.works))),
        "labels": named.directions(texts, language) @ named.standardised(logits.numpy()).T,
        "facts heard": near(facts),
        "score": words @ scores.T,
        "oracle": stated @ truth.T,
    }
    if embedder.model.recording is None:
        return dict(found)
    stream = embedder.model.encode_recording(states, mask, logits)
    return {**found, "recording": near(stream), "recording with facts heard": near(facts, stream)}
