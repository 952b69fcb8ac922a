"""A training recipe: what ``configs/*.yaml`` hold. Defaults live here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from mmbert.model.config import ModelConfig
from mmbert_training.augment import AugmentConfig
from mmbert_training.pack import PackConfig

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Objectives:
    """Weights of the losses; 0 switches one off. Those that need notes rest where a stage reads none.

    Attributes:
        alignment: ``clip``: softmax over the batch. ``siglip``: each pair by itself. ``decoupled``: ``clip`` without
            the positives in the denominator.
        every_fit: Every piece that a sentence fits is a positive, else only its own work (of a phrase, which has none,
            every piece all the same).
        alike: Other sentences' pieces are no negatives of a sentence that is more alike than this (Jaccard similarity
            of what the two state); 1 for never.
        masked: Masked octuples.
        span: Share of the steps in which whole spans of bars are hidden, and not fields of single bars.
        masked_text: Hidden words, from the sentence and its music.
        masked_vectors: Hidden bars, among the bars of the piece.
        mutual: MIM: what was dropped from the input, among what was dropped of others.
        facts: Facet classification of the joint state.
        pull: Cosine to the facet vector of the same work (stage ``notes`` alone).
    """

    alignment: Literal["clip", "siglip", "decoupled"] = "clip"
    every_fit: bool = True
    alike: Share = 1.0
    masked: Weight = 0.2
    span: Share = 0.5
    masked_text: Weight = 0.1
    masked_vectors: Weight = 0.1
    mutual: Weight = 0.1
    facts: Weight = 1.0
    pull: Weight = 1.0


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class StageConfig:
    """One stage of training.

    Attributes:
        kind: ``words``: sentences with facets. ``notes``: notes pulled to sentences and facets, which are held fixed.
            ``together``: everything, streams dropped at random.
        steps: Optimiser steps.
        batch: Works a step.
        lr: Peak learning rate; warm-up over the first twentieth, then half a cosine to zero.
        phrase_share: Share of the sentences that are single phrases.
        passages: Consecutive passages (256 notes, 16 bars at most) read of a work.
        facet_drop: Share of single facts dropped from what the facet stream shows.
        joined: Share of the sentences that are two of one work, one behind the other.
        hide_cues: Share of pieces of which the input names no instrument and no form.
        rehearsal: Sentences with facets alone, as in ``words``, beside each step of ``together``: without them it
            forgets some of what many more of them taught.
        recompute: Keep no states of the layers that read notes, and read them once more for the gradient: a batch of
            any size in little memory, for more time.
        bf16: Compute in bfloat16 where torch's autocast does and the device has it (weights and optimiser stay
            float32). On a CPU with its instructions a fifth faster where notes are read, no faster for words.
    """

    kind: Literal["words", "notes", "together"]
    steps: Count
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Positive = 1e-3
    phrase_share: Share = 0.25
    passages: Count = 2
    facet_drop: Share = 0.15
    joined: Share = 0.3
    hide_cues: Share = 0.3
    rehearsal: Annotated[int, Field(ge=0)] = 0
    recompute: bool = False
    bf16: bool = False

    @model_validator(mode="after")
    def _of_its_kind(self) -> StageConfig:
        if self.rehearsal and self.kind != "together":
            raise ValueError(f"rehearsal is for stages of kind together, not {self.kind}")
        if self.recompute and self.kind == "words":
            raise ValueError("recompute is for stages that read notes, not words")
        return self


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """One model, from data to checkpoint.

    Attributes:
        name: Of the model; also of its folder under ``runs/``.
        stages: In order.
        objectives: Weights of the losses.
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
    objectives: Objectives = Objectives()
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
