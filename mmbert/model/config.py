"""The sizes of a model. Written into its checkpoint as ``config.json``; defaults live here and nowhere else."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from mmbert.types import MODALITIES, Modality

Width = Annotated[int, Field(ge=8, le=4096)]
Depth = Annotated[int, Field(ge=1, le=48)]
Rate = Annotated[float, Field(ge=0, lt=1)]
PIECE_BARS = 128  # bar states that a piece's row reads, evenly spaced where the piece has more
PIECE_SECONDS = 128  # seconds of a recording that its row reads, evenly spaced where it has more
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ModelConfig:
    """Sizes of :class:`mmbert.model.MmbertModel`.

    Attributes:
        symbolic_dim: Width of the Octuple BERT.
        symbolic_layers: Its transformer layers.
        symbolic_heads: Its attention heads; ``symbolic_dim / symbolic_heads`` is even (rotary positions).
        symbolic_ffn: Width of its feed-forward part.
        field_dims: Width of the embedding of each octuple field, in the order of the octuple.
        dim: Width of the streams and of the shared transformer.
        layers: Layers of the shared transformer.
        heads: Its attention heads.
        ffn: Width of its feed-forward part.
        out_dim: Width of the vectors that a library stores.
        dropout: Share of the residual branches' values dropped in training.
        modalities: The streams that the shared transformer was made for.
        text_readers: How many learned readers go over the tokens of a sentence.
        text_model: ``minilm`` (the one of the ``text`` extra), else a local folder or hub name.
        text_dim: Width of the text model's token states.
        text_sha256: SHA-256 of the text model's ``model.safetensors``; another file is refused.
    """

    symbolic_dim: Width = 192
    symbolic_layers: Depth = 2
    symbolic_heads: Depth = 3
    symbolic_ffn: Width = 512
    field_dims: tuple[Width, Width, Width, Width, Width, Width, Width, Width] = (64, 96, 64, 128, 96, 32, 48, 48)
    dim: Width = 256
    layers: Depth = 4
    heads: Depth = 4
    ffn: Width = 1024
    out_dim: Width = 256
    dropout: Rate = 0.1
    modalities: tuple[Modality, ...] = ("text", "facets", "score")
    text_readers: Depth = 6
    text_model: str = "minilm"
    text_dim: Width = 384
    text_sha256: str = MINILM_SHA256

    @model_validator(mode="after")
    def _whole_heads(self) -> ModelConfig:
        if self.symbolic_dim % (2 * self.symbolic_heads) or self.dim % self.heads:
            raise ValueError("a width does not divide into its heads (symbolic heads need an even width)")
        if not self.modalities or set(self.modalities) - set(MODALITIES):
            raise ValueError(f"modalities must name some of {', '.join(MODALITIES)}")
        return self
