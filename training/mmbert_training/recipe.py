"""A training recipe: what ``configs/*.yaml`` hold. Defaults live here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from mmbert.model.config import ModelConfig
from mmbert_training.augment import AugmentConfig
from mmbert_training.pack import PackConfig

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class StageConfig:
    """One stage of training.

    Attributes:
        kind: ``words``: sentences with facets. ``notes``: masked octuples, and the notes' vectors pulled to those
            of sentences and facets, which are held fixed. ``together``: everything, streams dropped at random.
        steps: Optimiser steps.
        batch: Works a step.
        lr: Peak learning rate; warm-up over the first twentieth, then half a cosine to zero.
        phrase_share: Share of the sentences that are single phrases.
        passages: Consecutive passages (256 notes, 16 bars at most) read of a work.
        facet_drop: Share of single facts dropped from what the facet stream shows.
        masked: Weight of the masked octuples' loss.
        pull: Weight of the cosine to the facet vector of the same work (``notes`` alone).
        bf16: Compute in bfloat16 where torch's autocast does (weights and optimiser stay float32). On a CPU with
            its instructions a fifth faster where notes are read, no faster for words.
    """

    kind: Literal["words", "notes", "together"]
    steps: Count
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Positive = 1e-3
    phrase_share: Share = 0.25
    passages: Count = 2
    facet_drop: Share = 0.15
    masked: Annotated[float, Field(ge=0)] = 0.2
    pull: Annotated[float, Field(ge=0)] = 1.0
    bf16: bool = False


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """One model, from data to checkpoint.

    Attributes:
        name: Of the model; also of its folder under ``runs/``.
        stages: In order.
        seed: Everything random follows from it.
        model: Sizes.
        pack: What is read of the data.
        augment: How far augmented versions may lie.
        weight_decay: AdamW's, on matrices.
        clip: Largest norm of the gradient.
        threads: CPU threads.
        device: A torch device.
        save_every: Steps between checkpoints to resume from.
        log_every: Steps between lines of the log.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    stages: Annotated[tuple[StageConfig, ...], Field(min_length=1)]
    seed: int = 1
    model: ModelConfig = ModelConfig()
    pack: PackConfig = PackConfig()
    augment: AugmentConfig = AugmentConfig()
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Positive = 1.0
    threads: Count = 1
    device: str = "cpu"
    save_every: Count = 100
    log_every: Count = 10
