"""What each encoder of recordings is taught by, from a batch of segments to a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio import cola, teachers
from mmbert.audio.cola import Cola, ColaConfig
from mmbert.audio.encoder import AudioEncoder
from mmbert.audio.mert import Mert, MertConfig
from mmbert.audio.spectrum import CQT_BINS, chroma
from mmbert.audio.vggish import Vggish, VggishConfig
from mmbert.errors import DataError
from mmbert.objectives import acoustic
from mmbert.objectives.crops import crops_loss, two_crops
from mmbert_training.audio_pack import AudioPack

Scalars = dict[str, Tensor]
_FIT_SEGMENTS, _FIT_EVERY = 64, 4  # that k-means is fitted on, and which frames of each


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Teaching:
    """What every recipe of an encoder states.

    Attributes:
        steps: Batches.
        batch: Segments a batch.
        lr: The largest learning rate.
        decay: Of weights.
    """

    steps: int = 300
    batch: int = 64
    lr: float = 1e-3
    decay: float = 0.01


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class VggishRecipe(Teaching):
    """Labels of patches, as VGGish was taught.

    Attributes:
        encoder: Sizes.
        crop_s: Seconds that are drawn of a segment.
    """

    encoder: VggishConfig = VggishConfig()
    crop_s: float = 3.0


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ColaRecipe(Teaching):
    """Two crops of a segment (Saeed et al. 2021).

    Attributes:
        encoder: Sizes and similarity.
        noise: Deviation of the noise on the positive, whose clip has the length 1 as a vector.
    """

    encoder: ColaConfig = ColaConfig()
    noise: float = 0.001


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MertRecipe(Teaching):
    """Masked prediction (Li et al. 2024).

    Attributes:
        encoder: Sizes.
        crop_s: Seconds that are drawn of a segment.
        log_mel: Centres of k-means over log-mel spectra, 0 for none; published: 300.
        chroma: Centres of k-means over chroma, 0 for none; published: 200.
        encodec: Folder or hub name of an EnCodec whose codes are predicted; empty for none.
        code_weight: Of the loss of codes, over that of the constant-Q spectrum.
        cqt: Whether the constant-Q spectrum is rebuilt.
    """

    encoder: MertConfig = MertConfig()
    crop_s: float = 5.0
    log_mel: int = 100
    chroma: int = 50
    encodec: str = ""
    code_weight: float = 1.0
    cqt: bool = True


class Learner(nn.Module):
    """An encoder with the heads of its objective, which are no part of what is kept."""

    encoder: AudioEncoder

    def loss(self, sound: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Scalars]:
        """The loss of a batch, and named scalars.

        Args:
            sound: float [n, samples] at the encoder's rate.
            labels: float [n, names] of zeros and ones.
            rng: On the processor.
        """
        raise NotImplementedError


class VggishLearner(Learner):
    """Which labels hold for a crop, told from each of its patches."""

    def __init__(self, recipe: VggishRecipe, pack: AudioPack, seed: int, device: str) -> None:
        super().__init__()
        if not pack.names:
            raise DataError("PACK", "has no labels, which this encoder learns from", "Choose --encoder cola or mert")
        self.encoder = Vggish(recipe.encoder)
        self.head = nn.Linear(self.encoder.width, len(pack.names))
        self.length = round(recipe.crop_s * self.encoder.rate)

    def loss(self, sound: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Scalars]:
        said = self.head(self.encoder.layers(_crop(sound, self.length, rng))[-1]).mean(1).float()
        return F.binary_cross_entropy_with_logits(said, labels), {}


class ColaLearner(Learner):
    """Which of a batch's crops is of the same recording."""

    def __init__(self, recipe: ColaRecipe, pack: AudioPack, seed: int, device: str) -> None:
        super().__init__()
        self.encoder: Cola = Cola(recipe.encoder)
        self.noise = recipe.noise

    def loss(self, sound: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Scalars]:
        anchors, positives = two_crops(cola.unit_clip(sound), cola.CROP, rng)
        noise = torch.randn(positives.shape, generator=rng).to(positives.device)
        both = self.encoder.encode(cola.log_mel(torch.cat([anchors, positives + self.noise * noise])))
        return crops_loss(self.encoder.similarity(*both.chunk(2)))


class MertLearner(Learner):
    """What teachers hear in hidden frames."""

    def __init__(self, recipe: MertRecipe, pack: AudioPack, seed: int, device: str) -> None:
        super().__init__()
        if not (recipe.log_mel or recipe.chroma or recipe.encodec or recipe.cqt):
            raise DataError("recipe", "names no teacher", "Give log_mel, chroma, encodec or cqt")
        self.encoder: Mert = Mert(recipe.encoder)
        self.length, self.code_weight = round(recipe.crop_s * self.encoder.rate), recipe.code_weight
        heard = _fitting(pack, seed, device)
        self.log_mel, self.chroma = (
            teachers.KMeans.fit(features(heard), k, seed) if k else None
            for features, k in ((_log_mel, recipe.log_mel), (_chroma, recipe.chroma))
        )
        self.encodec = teachers.Encodec.load(recipe.encodec) if recipe.encodec else None
        books = [k for k in (recipe.log_mel, recipe.chroma) if k]
        if self.encodec is not None:
            books += [teachers.ENCODEC_CODES] * teachers.ENCODEC_BOOKS
        self.heads = acoustic.CodeHeads(self.encoder.width, books)
        self.rebuild = nn.Linear(self.encoder.width, CQT_BINS) if recipe.cqt else None

    def loss(self, sound: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Scalars]:
        clean = _crop(sound, self.length, rng)
        with torch.no_grad(), torch.autocast(clean.device.type, enabled=False):
            codes, magnitude = self._taught(clean)
        t = (codes[0] if codes else magnitude).shape[1]
        mask = acoustic.mask_frames(len(clean), t, rng).to(clean.device)
        states, heard = self.encoder.masked(acoustic.mix_excerpts(clean, self.encoder.rate, rng), mask)
        hidden = states[mask]
        loss = acoustic.feature_penalty(heard)
        scalars: Scalars = {}
        if codes:
            own, scalars = acoustic.codes_loss(self.heads(hidden), [c[mask] for c in codes])
            loss = loss + self.code_weight * own
        if self.rebuild is not None:
            own, more = acoustic.rebuilt_loss(self.rebuild(hidden), teachers.cqt_target(magnitude[mask]))
            loss, scalars = loss + own, scalars | more
        return loss, scalars

    def _taught(self, clean: Tensor) -> tuple[list[Tensor], Tensor]:
        """Codes int64 [B, T] of every book, and constant-Q magnitudes float [B, T, 336], empty where nobody asks."""
        codes, magnitude = [], clean.new_zeros(len(clean), 0, CQT_BINS)
        if self.chroma is not None or self.rebuild is not None:
            magnitude = teachers.cqt(clean)
        if self.log_mel is not None:
            codes.append(self.log_mel(teachers.log_mel(clean)))
        if self.chroma is not None:
            codes.append(self.chroma(chroma(magnitude)))
        if self.encodec is not None:
            codes += self.encodec(clean).unbind(-1)
        return codes, magnitude


LEARNERS: Mapping[str, tuple[type[Any], type[Any]]] = {
    "vggish": (VggishLearner, VggishRecipe),
    "cola": (ColaLearner, ColaRecipe),
    "mert": (MertLearner, MertRecipe),
}


def _crop(sound: Tensor, length: int, rng: torch.Generator) -> Tensor:
    return two_crops(sound, length, rng)[0]


def _fitting(pack: AudioPack, seed: int, device: str) -> Tensor:
    rows = np.sort(np.random.default_rng(seed).permutation(len(pack))[:_FIT_SEGMENTS])
    return pack.sound(rows, device)


def _log_mel(sound: Tensor) -> Tensor:
    return torch.cat([teachers.log_mel(part)[:, ::_FIT_EVERY].flatten(0, 1) for part in sound.split(16)])


def _chroma(sound: Tensor) -> Tensor:
    return torch.cat([chroma(teachers.cqt(part))[:, ::_FIT_EVERY].flatten(0, 1) for part in sound.split(16)])
