"""Masked prediction of what teachers hear in hidden frames (MERT, Li et al. 2024, section 3; HuBERT, Hsu et al.
2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHARE, SPAN = 0.8, 5  # a frame begins a hidden span of 5 with a probability of .8 / 5: 58 % of frames are hidden
TEMPERATURE = 0.1
PENALTY = 10.0  # on the mean square of the convolutions' output
MIXED = 0.5  # of clips have excerpts of others in them
EXCERPTS, EXCERPT_S = 3, (0.5, 1.0)  # at most, and how long
_CODE_WIDTH = 64  # of the space in which states and codes are compared; published: 256


def mask_frames(clips: int, frames: int, generator: torch.Generator) -> Tensor:
    """Which frames to hide, bool [clips, frames], in spans of :data:`SPAN`; at least one frame of each clip.

    Args:
        clips: How many.
        frames: Of each.
        generator: On the processor.
    """
    starts = torch.rand(clips, frames, generator=generator) < SHARE / SPAN
    starts[torch.arange(clips), torch.randint(frames, (clips,), generator=generator)] = True
    hidden = starts.clone()
    for back in range(1, min(SPAN, frames)):
        hidden[:, back:] |= starts[:, :-back]
    return hidden


def mix_excerpts(clips: Tensor, rate: int, generator: torch.Generator) -> Tensor:
    """Noise of other clips: into half of the clips one to three excerpts of others are mixed, at full volume.

    Args:
        clips: float [n, samples]; left as it is.
        rate: Hz.
        generator: On the processor.

    Returns:
        float [n, samples]; a batch of one clip comes back as it was.
    """
    mixed = clips.clone()
    n, samples = clips.shape
    for i in range(n if n > 1 else 0):
        if float(torch.rand((), generator=generator)) >= MIXED:
            continue
        for _ in range(_draw(1, EXCERPTS, generator)):
            other = (i + _draw(1, n - 1, generator)) % n
            length = min(samples, _draw(int(EXCERPT_S[0] * rate), int(EXCERPT_S[1] * rate), generator))
            there, here = (_draw(0, samples - length, generator) for _ in range(2))
            mixed[i, here : here + length] += clips[other, there : there + length]
    return mixed


class CodeHeads(nn.Module):
    """Each teacher's codes: cosine of a projected state and a code's embedding over 0.1 (HuBERT, section II-E).

    Args:
        width: Of the encoder's states.
        codes: How many codes each teacher has.
    """

    def __init__(self, width: int, codes: Sequence[int]) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, _CODE_WIDTH) for _ in codes)
        self.embeddings = nn.ParameterList(nn.Parameter(torch.randn(n, _CODE_WIDTH)) for n in codes)

    def forward(self, states: Tensor) -> list[Tensor]:
        """Logits float [n, codes] of each teacher, of states float [n, width]."""
        return [
            F.normalize(project(states), dim=-1) @ F.normalize(codes, dim=-1).T / TEMPERATURE
            for project, codes in zip(self.projections, self.embeddings)
        ]


def codes_loss(logits: Sequence[Tensor], codes: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross entropy of hidden frames' codes, in nats, a mean over frames and teachers (HuBERT, sections II-B and II-C).

    Args:
        logits: Of each teacher float [n, codes], of hidden frames alone.
        codes: Of each teacher int64 [n].

    Returns:
        The loss, and ``accuracy_code`` as a mean over teachers.
    """
    losses = [F.cross_entropy(said.float(), true) for said, true in zip(logits, codes)]
    hits = [(said.detach().argmax(1) == true).float().mean() for said, true in zip(logits, codes)]
    return torch.stack(losses).mean(), {"accuracy_code": torch.stack(hits).mean()}


def rebuilt_loss(said: Tensor, true: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error of hidden frames' constant-Q spectrum (MERT, the musical teacher of section 3).

    Args:
        said: float [n, bins], of hidden frames alone.
        true: float [n, bins].

    Returns:
        The loss, and ``explained_cqt``: 1 less the share of the variance that is left.
    """
    loss = F.mse_loss(said.float(), true)
    return loss, {"explained_cqt": 1 - loss.detach() / true.var(dim=0).mean().clamp(min=1e-6)}


def feature_penalty(heard: Tensor) -> Tensor:
    """Mean square of the convolutions' output float [B, T, c], weighted by :data:`PENALTY` (fairseq's HuBERT)."""
    return PENALTY * heard.float().pow(2).mean()


def _draw(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))
