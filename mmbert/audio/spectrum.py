"""Spectra as tensors, for encoders that learn on a processor or a GPU: resampling, mel bands, constant Q, chroma."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

CQT_BINS, BINS_AN_OCTAVE, LOWEST = 336, 48, 32.7  # MERT (Li et al. 2024, section 3.2): seven octaves from C1, in Hz
_ZEROS = 12  # of the sinc on each side of the resampling filter
_ROLLOFF = 0.95  # of the lower Nyquist frequency; what lies above is damped


def resample(samples: Tensor, rate: int, wanted: int) -> Tensor:
    """Sound at another rate, by a Hann-windowed sinc (Smith & Gossett 1984).

    Args:
        samples: float [B, n].
        rate: Its Hz.
        wanted: Hz of the result.

    Returns:
        float [B, ceil(n * wanted / rate)].

    >>> resample(torch.ones(1, 32_000), 32_000, 24_000).shape
    torch.Size([1, 24000])
    """
    if rate == wanted:
        return samples
    common = math.gcd(rate, wanted)
    down, up = rate // common, wanted // common
    kernels, reach = _sinc(down, up)
    n = -(-samples.shape[1] * up // down)
    padded = F.pad(samples, (reach, reach + down))[:, None]
    out = F.conv1d(padded, kernels.to(samples), stride=down)  # [B, up, blocks]
    return out.transpose(1, 2).flatten(1)[:, :n]


def magnitudes(samples: Tensor, window: int, hop: int, fft: int) -> Tensor:
    """Of a spectrum under a periodic Hann window, without padding.

    Args:
        samples: float [B, n].
        window: Samples a frame.
        hop: Samples from frame to frame.
        fft: Points, at least ``window``.

    Returns:
        float [B, (n - window) // hop + 1, fft // 2 + 1]; no frame where ``n < window``.
    """
    if samples.shape[1] < window:
        return samples.new_zeros(len(samples), 0, fft // 2 + 1)
    frames = samples.unfold(1, window, hop) * torch.hann_window(window, dtype=samples.dtype, device=samples.device)
    return torch.fft.rfft(frames, fft).abs()


@cache
def mel_basis(rate: int, fft: int, mels: int, low: float, high: float) -> Tensor:
    """Triangles that are equally wide on the mel scale of HTK (1127 ln(1 + f / 700)), float32 [fft // 2 + 1, mels].

    As in TensorFlow's ``linear_to_mel_weight_matrix``, with which VGGish and COLA were trained: the slopes are straight
    in mel, and the bin of 0 Hz counts nowhere.
    """
    mel = 1127 * torch.log1p(torch.linspace(0, rate / 2, fft // 2 + 1, dtype=torch.float64) / 700)
    corners = torch.linspace(1127 * math.log1p(low / 700), 1127 * math.log1p(high / 700), mels + 2, dtype=torch.float64)
    rising = (mel[:, None] - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - mel[:, None]) / (corners[2:] - corners[1:-1])
    basis = torch.minimum(rising, falling).clamp(min=0).float()
    basis[0] = 0
    return basis


def constant_q(samples: Tensor, rate: int = 24_000, hop: int = 320) -> Tensor:
    """Magnitudes of seven octaves of 48 bins from C1, after Brown & Puckette (1992).

    The highest octave is read first, then the sound is halved in rate, so that one set of filters serves all octaves
    (Schörkhuber & Klapuri 2010, section 3). A sine of amplitude 1 is 0.5 in its own bin.

    Args:
        samples: float [B, n].
        rate: Hz; at least 24,000 keeps the highest bin below Nyquist's half.
        hop: Samples from frame to frame, a multiple of 64.

    Returns:
        float [B, ceil(n / hop), 336], lowest bin first; frame ``t`` is centred on sample ``t * hop``.
    """
    octaves = CQT_BINS // BINS_AN_OCTAVE
    frames = -(-samples.shape[1] // hop)
    filters = _octave(rate).to(samples)
    reach = filters.shape[2] // 2
    found = []
    for octave in range(octaves):
        step = hop >> octave
        padded = F.pad(samples, (reach, max(reach, (frames - 1) * step + reach + 1 - samples.shape[1])))
        real, imaginary = F.conv1d(padded[:, None], filters, stride=step)[:, :, :frames].chunk(2, dim=1)
        found.append(torch.sqrt(real**2 + imaginary**2 + 1e-12))
        if octave < octaves - 1:
            samples = resample(samples, 2, 1)
    return torch.cat(found[::-1], dim=1).transpose(1, 2)


def chroma(constant_q: Tensor) -> Tensor:
    """Twelve pitch classes from C, unit length, of constant-Q magnitudes float [..., 336]; float [..., 12]."""
    per = BINS_AN_OCTAVE // 12
    classes = (
        (torch.arange(CQT_BINS, device=constant_q.device) + per // 2) // per % 12
    )  # a semitone's bins lie around it
    folded = constant_q.new_zeros(*constant_q.shape[:-1], 12).index_add(-1, classes, constant_q)
    return F.normalize(folded, dim=-1)


@cache
def _sinc(down: int, up: int) -> tuple[Tensor, int]:
    """Filters float32 [up, 1, taps] that give ``up`` samples for every ``down``, and how far they reach back."""
    cutoff = min(up / down, 1.0) * _ROLLOFF  # of the input's Nyquist frequency
    reach = math.ceil(_ZEROS / cutoff)
    at = torch.arange(-reach, reach + down + 1, dtype=torch.float64) - torch.arange(up)[:, None] * down / up
    x = (at * cutoff).clamp(-_ZEROS, _ZEROS)
    kernels = torch.sinc(x) * torch.cos(x * math.pi / _ZEROS / 2) ** 2 * cutoff
    return kernels.float()[:, None], reach


@cache
def _octave(rate: int) -> Tensor:
    """Filters of the highest octave, float32 [2 * 48, 1, taps]: cosines, then sines."""
    quality = 1 / (2 ** (1 / BINS_AN_OCTAVE) - 1)
    top = LOWEST * 2 ** (CQT_BINS // BINS_AN_OCTAVE - 1)
    taps = math.ceil(quality * rate / top) // 2 * 2 + 1
    at = torch.arange(taps, dtype=torch.float64) - taps // 2
    out = torch.zeros(2, BINS_AN_OCTAVE, taps, dtype=torch.float64)
    for k in range(BINS_AN_OCTAVE):
        frequency = top * 2 ** (k / BINS_AN_OCTAVE)
        window = torch.cos(at * frequency / (quality * rate) * math.pi).pow(2) * (
            at.abs() * 2 < quality * rate / frequency
        )
        window /= window.sum()
        phase = 2 * math.pi * frequency / rate * at
        out[0, k], out[1, k] = window * torch.cos(phase), -window * torch.sin(phase)
    return out.flatten(0, 1)[:, None].float()
