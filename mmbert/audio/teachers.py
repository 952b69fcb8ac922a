"""What a MERT-style encoder is taught by: codes of what is heard in each frame, and its constant-Q spectrum.

Li et al. 2024, section 3: acoustic teachers give classes (k-means over log-mel spectra and over chroma, or the eight
codebooks of EnCodec), the musical teacher gives 336 bins of constant Q. All are aligned with the encoder's states:
frame ``t`` is centred where state ``t``'s convolutions look. Chroma has twelve values here, the published one 264.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio.mert import HOP, RATE, REACH, states_of
from mmbert.audio.spectrum import constant_q, magnitudes, mel_basis
from mmbert.errors import WeightsError

MELS = 229  # as published
_FFT = 2048
_LOW, _HIGH = 30.0, 12_000.0
_OFFSET = 1e-2
_CENTRE = REACH // 2  # sample at which the first state looks
_ROUNDS = 20  # of k-means
_AT_ONCE = 1 << 14  # vectors whose distances are in memory together
ENCODEC_CODES, ENCODEC_BOOKS = 1024, 8
_BANDWIDTH = 6.0  # kbit/s, at which EnCodec has eight codebooks


def log_mel(samples: Tensor) -> Tensor:
    """float [B, T, 229] of float [B, n] at 24 kHz, one frame a state of the encoder."""
    frames = states_of(samples.shape[1])
    before = _FFT // 2 - _CENTRE
    padded = F.pad(samples, (before, max(0, (frames - 1) * HOP + _FFT - before - samples.shape[1])))
    spectrum = magnitudes(padded, _FFT, HOP, _FFT)[:, :frames]
    return torch.log(spectrum @ mel_basis(RATE, _FFT, MELS, _LOW, _HIGH).to(spectrum) + _OFFSET)


def cqt(samples: Tensor) -> Tensor:
    """Constant-Q magnitudes float [B, T, 336] of float [B, n] at 24 kHz, one frame a state of the encoder."""
    return constant_q(samples[:, _CENTRE:], RATE, HOP)[:, : states_of(samples.shape[1])]


def cqt_target(magnitude: Tensor) -> Tensor:
    """What is rebuilt of constant-Q magnitudes: ln(1 + 100 magnitude), so that soft notes count; published: as is."""
    return torch.log1p(magnitude / _OFFSET)


class KMeans(nn.Module):
    """Centres of clusters as a teacher.

    Args:
        centres: float32 [k, d].

    >>> teacher = KMeans.fit(torch.tensor([[0.0], [0.1], [5.0], [5.1]]), 2, seed=0)
    >>> teacher(torch.tensor([[0.05], [9.0]])).unique().numel()
    2
    """

    centres: Tensor

    def __init__(self, centres: Tensor) -> None:
        super().__init__()
        self.register_buffer("centres", centres)

    def forward(self, vectors: Tensor) -> Tensor:
        """The nearest centre of each, int64 [...], of float [..., d]."""
        flat = vectors.flatten(0, -2)
        half = self.centres.pow(2).sum(1) / 2
        nearest = [(part @ self.centres.T - half).argmax(1) for part in flat.split(_AT_ONCE)]
        return torch.cat(nearest).view(vectors.shape[:-1])

    @classmethod
    def fit(cls, vectors: Tensor, k: int, seed: int) -> KMeans:
        """Lloyd's algorithm from vectors drawn at random; a cluster that runs empty begins anew at another vector.

        Args:
            vectors: float32 [n, d], n at least ``k``.
            k: How many centres.
            seed: Of the draws.
        """
        generator = torch.Generator().manual_seed(seed)
        found = cls(vectors[torch.randperm(len(vectors), generator=generator)[:k].to(vectors.device)].clone())
        for _ in range(_ROUNDS):
            nearest = found(vectors)
            counts = torch.bincount(nearest, minlength=k)
            sums = torch.zeros_like(found.centres).index_add(0, nearest, vectors)
            drawn = vectors[torch.randint(len(vectors), (k,), generator=generator).to(vectors.device)]
            found.centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], drawn)
        return found


class Encodec(nn.Module):
    """The codebooks of EnCodec (Défossez et al. 2023) as a teacher; only with published weights does it teach anything.

    Args:
        model: ``transformers.EncodecModel`` for 24 kHz.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model.eval().requires_grad_(False)

    @classmethod
    def load(cls, source: str) -> Encodec:
        """From a folder, or a name on the hub such as ``facebook/encodec_24khz``.

        Raises:
            WeightsError: where it is missing or no EnCodec for 24 kHz mono.
        """
        from transformers import EncodecModel

        found: Any
        try:
            found = EncodecModel.from_pretrained(
                source, local_files_only=Path(source).is_dir(), output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError) as e:
            raise WeightsError(source, f"holds no EnCodec ({type(e).__name__}: {str(e).splitlines()[0]})") from e
        model, info = found
        missing = sorted(info["missing_keys"])
        if missing:
            raise WeightsError(source, f"misses {len(missing)} tensors of an EnCodec, such as {missing[0]}")
        rate, channels = model.config.sampling_rate, model.config.audio_channels
        if (rate, channels) != (RATE, 1):
            raise WeightsError(source, f"is an EnCodec for {rate} Hz and {channels} channels", "Give encodec_24khz")
        return cls(model)

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """Codes int64 [B, T, 8] of float [B, n] at 24 kHz, one frame a state of the encoder."""
        codes = self.model.encode(samples[:, None], bandwidth=_BANDWIDTH).audio_codes[0]  # [B, 8, frames]
        return codes.transpose(1, 2)[:, : states_of(samples.shape[1])]
