"""MmbertModel: encoders, shared transformer and heads as one module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from mmbert.model.config import ModelConfig
from mmbert.model.facets import FacetEncoder
from mmbert.model.heads import MaskedHead, RetrievalHead, Side
from mmbert.model.recording import RecordingEncoder
from mmbert.model.shared import SharedTransformer
from mmbert.model.symbolic import BarPool, OctupleBert
from mmbert.model.text import TextReaders
from mmbert.types import Stream


class MmbertModel(nn.Module, PyTorchModelHubMixin):
    """Music and words in one space.

    A checkpoint is a folder (``mmbert.model.checkpoint``); ``from_pretrained`` takes one or a hub name,
    ``save_pretrained`` writes one, ``push_to_hub`` uploads one.

    Args:
        config: Sizes.

    >>> import torch
    >>> model = MmbertModel(ModelConfig()).eval()
    >>> notes = model.encode_passages(torch.zeros(2, 5, 8, dtype=torch.int64), torch.ones(2, 5, dtype=torch.bool))
    >>> bars, present = model.pool_bars(notes.flatten(0, 1), torch.arange(10) // 5, 2)
    >>> score = Stream(bars[:, None], present[:, None], "score", torch.zeros(2, 1, dtype=torch.int64))
    >>> model.project(model.join([score, model.encode_facets([[0], [1, 2]])]), "document").shape
    torch.Size([2, 256])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.symbolic = OctupleBert(config)
        self.bars = BarPool(config)
        self.facets = FacetEncoder(config)
        self.text = TextReaders(config)
        self.recording = RecordingEncoder(config) if "recording" in config.modalities else None
        self.shared = SharedTransformer(config)
        self.retrieval = RetrievalHead(config)
        self.masked = MaskedHead(config)

    def encode_passages(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Octuples int64 [B, T, 8] (masked fields: size + 1, padding: size) and valid bool [B, T] to note states
        float [B, T, symbolic_dim]. States where ``valid`` is False mean nothing.
        """
        return self.symbolic(tokens, valid)

    def pool_bars(self, states: Tensor, segment: Tensor, n_segments: int) -> tuple[Tensor, Tensor]:
        """Note states to bar states.

        Args:
            states: float [N, symbolic_dim], the notes of any number of pieces (``encode_passages(...)[valid]``).
            segment: int64 [N] in 0 .. n_segments - 1, which bar (of which piece) each note starts in.
            n_segments: Number of bars, such as pieces x bars of the longest.

        Returns:
            float [n_segments, dim], and bool [n_segments]: whether any note starts in the bar.
        """
        return self.bars(states, segment, n_segments)

    def predict_fields(self, states: Tensor) -> tuple[Tensor, ...]:
        """Note states [..., symbolic_dim] to eight logits [..., size of the field]."""
        return self.masked(states)

    def encode_facets(self, ids: Sequence[Sequence[int]]) -> Stream:
        """B lists of facet token ids (``mmbert.model.facets.facet_ids``) to a stream [B, T, dim]."""
        return self.facets(ids)

    def encode_text(self, states: Tensor, mask: Tensor) -> Stream:
        """Token states of the text model, float [B, T, text_dim] and bool [B, T], to a stream [B, readers + 1, dim]."""
        return self.text(states, mask)

    def encode_recording(self, states: Tensor, mask: Tensor, logits: Tensor) -> Stream:
        """What mn04 says of a recording to a stream [B, 1 + T, dim].

        Args:
            states: float [B, T, 384], a second each; at most ``PIECE_SECONDS`` of them have been seen in training.
            mask: bool [B, T].
            logits: float [B, 527], of the mean of the clip's states.

        Raises:
            ValueError: for a model that was not made for recordings.
        """
        if self.recording is None:
            raise ValueError(f"this model has no recording stream, only {', '.join(self.config.modalities)}")
        return self.recording(states, mask, logits)

    def join(self, streams: Sequence[Stream]) -> Tensor:
        """Any subset of streams of the same B to the state of [CLS], float [B, dim]."""
        return self.shared(streams)

    def project(self, cls: Tensor, side: Side) -> Tensor:
        """float [B, dim] to unit vectors [B, out_dim]; ``query`` for words, ``document`` for what is stored."""
        return self.retrieval(cls, side)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # no keyword changes a size: they come from the checkpoint
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ) -> MmbertModel:
        """The model of a checkpoint folder or hub repository: float32, on the CPU, in evaluation mode.

        Raises:
            WeightsError: where the folder is missing, damaged, or not one of ours.
        """
        from mmbert.model import checkpoint

        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            folder = checkpoint.from_hub(
                str(pretrained_model_name_or_path),
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
        return checkpoint.load(folder)

    def _save_pretrained(self, save_directory: Path) -> None:  # the hook of save_pretrained and push_to_hub
        from mmbert.model import checkpoint

        checkpoint.save(self, save_directory)
