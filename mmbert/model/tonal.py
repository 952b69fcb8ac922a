"""A vector of what sounds when: half a minute of chroma as 128 numbers, alike for a recording and the score it plays.

Sequences of chroma are compared frame by frame (``mmbert.retrieval``), which is sure and takes time for each score;
that is what a library asks. These vectors are the learned way, of which one product answers. One small tower reads both
sides, since a recording and a score give chroma of one form: convolutions see a few seconds at once and tell
progressions from chords, and their mean and maximum over half a minute do not depend on where in it something sounds,
nor much on its speed. Keys are absolute; a recording in another key is looked for in each by :func:`turned`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio.chroma import FRAMES_A_SECOND, comparable
from mmbert.errors import WeightsError
from mmbert.model.checkpoint import CARD, CONFIG, WEIGHTS, read_weights

OUT = 128
WINDOW_S, HOP_S = 32.0, 16.0
WINDOW, HOP = round(WINDOW_S * FRAMES_A_SECOND), round(HOP_S * FRAMES_A_SECOND)  # frames
PREPROCESSING = f"1: chroma of {FRAMES_A_SECOND} frames a second, windows of {WINDOW} every {HOP}"
"""What is done before the tower reads. Count up when :mod:`mmbert.audio.chroma` changes what it says."""

_AT_ONCE = 256
_HINT = "Copy the whole folder again, or train it: python -m mmbert_training.tonal"


class TonalTower(nn.Module):
    """Chroma float [B, T, 12] to unit vectors [B, 128].

    Args:
        dim: Width of the convolutions.
    """

    def __init__(self, dim: int = 96) -> None:
        super().__init__()
        self.first = nn.Conv1d(12, dim, 5, padding=2)
        self.second = nn.Conv1d(dim, dim, 5, padding=4, dilation=2)
        self.third = nn.Conv1d(dim, 2 * dim, 1)
        self.norm = nn.LayerNorm(4 * dim)
        self.out = nn.Linear(4 * dim, OUT)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors of sequences.

        Args:
            x: float [B, T, 12], as :func:`mmbert.audio.chroma.comparable` gives it; zeros where the mask is False.
            mask: bool [B, T], True at least once a row.
        """
        seen = mask[:, None].to(x.dtype)
        h = F.gelu(self.first(x.transpose(1, 2))) * seen
        h = (h + F.gelu(self.second(h))) * seen
        h = F.gelu(self.third(h))
        mean = (h * seen).sum(2) / seen.sum(2)
        most = h.masked_fill(~mask[:, None], -torch.inf).amax(2)
        return F.normalize(self.out(self.norm(torch.cat([mean, most], dim=1))), dim=1)


class TonalModel:
    """The released tower.

    Attributes:
        fingerprint: SHA-256 over all that decides a vector. A folder of weights states it, and is refused where it is
            another's.
        dim: Width of the vectors.

    >>> model = TonalModel(TonalTower())  # random; TonalModel.from_pretrained() is trained
    >>> model.vectors([np.full((75, 12), 73, np.uint8)]).shape
    (1, 128)
    """

    dim = OUT

    def __init__(self, tower: TonalTower) -> None:
        self.tower = tower.eval()
        self.fingerprint = _fingerprint(tower)

    @classmethod
    def from_pretrained(cls, folder: Path | None = None) -> TonalModel:
        """The model of a folder: float32, on the CPU.

        Args:
            folder: None for the released weights inside the package.

        Raises:
            WeightsError: where a file is missing or damaged, or they do not belong together.
        """
        folder = default_tonal_weights() if folder is None else folder
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            tower, stated = TonalTower(int(config["dim"])), config["fingerprint"]
        except OSError as e:
            raise WeightsError(str(folder), "is no folder of tonal weights", _HINT) from e
        except (ValueError, KeyError, TypeError) as e:
            raise WeightsError(str(folder / CONFIG), f"is damaged ({type(e).__name__}: {e})", _HINT) from e
        read = read_weights(folder, {k: tuple(v.shape) for k, v in tower.state_dict().items()})
        tower.load_state_dict({k: v.float() for k, v in read.items()})
        model = cls(tower)
        if model.fingerprint != stated:
            raise WeightsError(str(folder), "the fingerprint is not that of these weights", _HINT)
        return model

    def save(self, folder: Path, card: str) -> None:
        """Write a folder; what float16 rounds off is lost in this model too, so that both give the same vectors."""
        folder.mkdir(parents=True, exist_ok=True)
        half = {k: v.detach().to(torch.float16).contiguous() for k, v in self.tower.state_dict().items()}
        self.tower.load_state_dict({k: v.float() for k, v in half.items()})
        self.fingerprint = _fingerprint(self.tower)
        save_file(half, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / WEIGHTS).chmod(0o644)
        config = {"fingerprint": self.fingerprint, "dim": self.tower.first.out_channels}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (folder / CARD).write_text(card, encoding="utf-8")

    @torch.inference_mode()
    def vectors(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors, float32 [n, 128], of stored chroma, uint8 [frames, 12] each, at most a window long by custom.

        Raises:
            ValueError: for a sequence without frames.
        """
        out = np.zeros((len(sequences), OUT), np.float32)
        order = np.argsort([len(s) for s in sequences], kind="stable")
        for begin in range(0, len(order), _AT_ONCE):
            some = order[begin : begin + _AT_ONCE]
            out[some] = self.tower(*padded([comparable(sequences[i]) for i in some])).numpy()
        return out

    def document(self, frames: np.ndarray) -> np.ndarray:
        """Vectors of all windows of a score or a recording, float32 [windows, 128]."""
        return self.vectors(windows(frames))


def default_tonal_weights() -> Path:
    """Folder of the released weights inside the installed package."""
    return Path(__file__).parent.parent / "pretrained" / "mmbert-tonal"


def windows(frames: np.ndarray) -> list[np.ndarray]:
    """The parts that are read: half a minute, a new one every sixteen seconds; the last ends where the music does.

    >>> [len(w) for w in windows(np.zeros((100, 12), np.uint8))], len(windows(np.zeros((7, 12), np.uint8)))
    ([80, 80], 1)
    """
    last = max(0, len(frames) - WINDOW)
    starts = [*range(0, last, HOP), last]
    return [frames[start : start + WINDOW] for start in starts]


def turned(frames: np.ndarray, semitones: int) -> np.ndarray:
    """Chroma [n, 12] as it would be so many semitones higher."""
    return np.roll(frames, semitones, axis=1)


def padded(sequences: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Float sequences [frames, 12] to a batch float32 [B, T, 12] and its mask.

    Raises:
        ValueError: for a sequence without frames.
    """
    lengths = [len(s) for s in sequences]
    if not min(lengths, default=1):
        raise ValueError("a sequence of chroma needs at least one frame")
    out = np.zeros((len(sequences), max(lengths, default=1), 12), np.float32)
    for row, sequence in zip(out, sequences):
        row[: len(sequence)] = sequence
    return torch.from_numpy(out), torch.arange(out.shape[1]) < torch.tensor(lengths)[:, None]


def _fingerprint(tower: TonalTower) -> str:
    digest = hashlib.sha256(PREPROCESSING.encode())
    state: dict[str, Tensor] = tower.state_dict()
    for name in sorted(state):
        half = state[name].detach().to(torch.float16).contiguous()
        digest.update(f"\n{name} {tuple(half.shape)}\n".encode())
        digest.update(half.numpy().tobytes())
    return digest.hexdigest()
