"""Recordings without a shared transformer: a projection of what mn04 says of a clip, to be compared with the stream.

It is taught by the same batches and losses, so that what differs is the road from mn04 to the joint space.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio.sounds import SOUNDS
from mmbert.model import MmbertModel
from mmbert.prepare import STATE
from mmbert_training.recording_words import Said
from mmbert_training.recordings import How, Teacher
from mmbert_training.sound_pack import Sounds

_WIDTH = 512


class Projection(nn.Sequential):
    """Mean state and standardised logits float [n, 384 + 527] to float [n, d].

    Args:
        out_dim: d.
    """

    def __init__(self, out_dim: int) -> None:
        super().__init__(nn.Linear(STATE + SOUNDS, _WIDTH), nn.GELU(), nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, out_dim))


class ProjectionTeacher(Teacher):
    """The same batches and losses for a :class:`Projection`, which can show no facts; masked seconds need the stream.

    Raises:
        ValueError: where ``how`` asks for masked seconds.
    """

    def __init__(self, sounds: Sounds, words: Said, model: MmbertModel, how: How) -> None:
        if how.masked:
            raise ValueError("how: masked is of the shared transformer; a projection has no seconds to hide")
        super().__init__(sounds, words, model, how)
        self.projection = Projection(model.config.out_dim)

    def own(self) -> list[nn.Parameter]:
        """What of it makes vectors."""
        return [*self.projection.parameters()]

    def joined(
        self,
        states: Tensor,
        mask: Tensor,
        logits: Tensor,
        shown: Tensor | None = None,
        told: Sequence[Sequence[int]] | None = None,
    ) -> Tensor:
        """Unit vectors [n, d]; as :meth:`Teacher.joined`, but that ``told`` is not read."""
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        named = self.encoder.standardised(logits)
        if shown is not None:
            named, mean = named * shown[:, :1], mean * shown[:, 1:]
        return F.normalize(self.projection(torch.cat([mean, named], dim=1)), dim=-1)
